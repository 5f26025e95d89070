import signal
import threading
import time

from workers.stop import Stop


def test_it_is_set_by_a_thread_for_whoever_asks_and_for_ever():
    stop = Stop()
    assert not stop.wait(0)
    threading.Timer(0.05, stop.set).start()
    assert [stop.wait(10), stop.wait(0), stop.wait()] == [True, True, True]


def test_signals_may_come_while_it_is_being_set_and_asked():
    stop, handled = Stop(), 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        stop.set()

    before = signal.signal(signal.SIGVTALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0002, 0.0002)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            stop.set()
            assert stop.wait(0)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert handled > 20
