"""Turns Ctrl-C and SIGTERM into a request that a long loop checks at a convenient moment."""

import contextlib
import os
import signal
import sys
import threading


class StopSignals:
    """Context manager: records SIGINT or SIGTERM in `received` (0 = none); a second signal acts as usual."""

    def __init__(self):
        self.received = 0
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self._restore()

    def _note(self, number, _frame):
        self.received = int(number)
        self._restore()
        os.write(2, b'\nStopping after this iteration; repeat to stop immediately and lose it.\n')

    def _restore(self):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


@contextlib.contextmanager
def exiting_at_sigterm():
    """Context manager: SIGTERM raises SystemExit, so that what was found is written; afterwards it acts as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
