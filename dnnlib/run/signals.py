"""Turns Ctrl-C and SIGTERM into a request that a long loop checks at a convenient moment."""

import contextlib
import os
import signal
import sys
import threading


class StopSignals:
    """Context manager: records SIGINT or SIGTERM in `received` (0 = none).

    Args:
        only_first: Ignore further signals? By default a second one acts as usual. A launcher kills its workers instead,
            and what sends the first signal to all processes at once, such as systemd, would end them by its repetition.
    """

    def __init__(self, only_first=False):
        self.received, self._only_first = 0, only_first
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self._restore()

    def _note(self, number, _frame):
        if self.received and self._only_first:
            return
        self.received = int(number)
        if not self._only_first:
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
