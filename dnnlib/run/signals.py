"""Turns Ctrl-C, SIGTERM and the end of a time limit into a request that a long loop checks at a convenient moment."""

import contextlib
import os
import signal
import sys
import threading


class StopSignals:
    """Context manager: records SIGINT, SIGTERM or, at the end of the time limit, SIGALRM in `received` (0 = none).

    Args:
        hours: Time limit, hours since it was entered; `None` = none.
        only_first: Ignore further signals? By default a second one acts as usual. A launcher kills its workers instead,
            and what sends the first signal to all processes at once, such as systemd, would end them by its repetition.
    """

    def __init__(self, only_first=False, hours=None):
        self.received, self._only_first, self._hours = 0, only_first, hours
        self._previous, self._timer = {}, None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():  # Python allows handlers only there
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        if self._hours is not None:
            self._timer = threading.Timer(self._hours * 3600, self._end)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        if self._timer is not None:
            self._timer.cancel()
        self._restore()

    def _end(self):
        if not self.received:
            self.received = int(signal.SIGALRM)
            print(f'The time limit of {self._hours:g} hours has passed: stopping after this iteration.', flush=True)

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
