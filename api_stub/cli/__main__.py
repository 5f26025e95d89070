"""`python -m api_stub.cli`: Ctrl-C ends it without a trace, also while it is still being loaded."""

import sys

_STOPPED = 130  # as shells count a Ctrl-C

if __name__ == "__main__":
    try:
        from api_stub.cli.words import main

        status = main()
    except KeyboardInterrupt:
        status = _STOPPED
    sys.exit(status)
