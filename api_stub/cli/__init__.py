"""The command line: `./askstephen WORD`."""
