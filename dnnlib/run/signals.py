"""Ctrl-C and SIGTERM as a request that a long loop looks at when it suits it."""

import os
import signal
import threading


class StopSignals:
    """While entered, SIGINT and SIGTERM are noted in `received` (0 = none); a second one acts as without us."""

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
        os.write(2, b'\nStopping after this iteration; once more to stop at once and lose it.\n')

    def _restore(self):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
