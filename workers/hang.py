"""A process that hangs is ended from outside of Python: nothing within can tell any more."""

import signal
import threading
import time

_HUNG_SECONDS = 60  # long after its leases expired
_TURN_SECONDS = 1.0


def end_when_hung() -> None:
    """From now on the kernel ends this process, by SIGALRM, when no thread of it has had a turn for a minute.

    A call of native code that keeps the interpreter's lock, such as a regular expression that backtracks, stops the keeper and the handlers
    of signals too: its steps are given to others, and the process would keep its threads and a processor for ever.
    """

    def put_off() -> None:
        while True:
            signal.alarm(_HUNG_SECONDS)
            time.sleep(_TURN_SECONDS)

    threading.Thread(target=put_off, name="hang", daemon=True).start()
