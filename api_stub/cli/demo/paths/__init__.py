"""The paths that `demo --all` goes, each from the outside to the outside; a module has a TITLE, `begin` and `judge`."""
