"""A line whenever nothing was printed for a while, so that nobody takes long work for a program that hangs."""

import sys
import threading
import time

SECONDS = 50.0  # of silence; the lines of a training come at least every minute


class Heartbeat:
    """Context manager: while entered, a thread prints a line after every `seconds` in which nothing was printed.

    What others print counts only where standard output is a `dnnlib.run.logger.Logger`, as in run directories.

    Args:
        describe: Function without arguments that returns the line, called in that thread; `None` instead of a line =
            print nothing.
        seconds: Of silence, > 0.
        first: Seconds before the first line; `None` = as later.
    """

    def __init__(self, describe, seconds=SECONDS, first=None):
        self._describe, self._seconds = describe, seconds
        self._first = seconds if first is None else first
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)  # it must not keep a program alive

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self._end.set()
        self._thread.join()

    def _watch(self):
        silence, last = self._first, time.time()
        while True:
            left = max(last, getattr(sys.stdout, 'written', 0)) + silence - time.time()
            if left > 0:
                if self._end.wait(left):
                    return
                continue
            line = self._describe()
            if line is not None:
                sys.stdout.write(line + '\n')  # at once, so that it is not mixed with another one
                sys.stdout.flush()
            silence, last = self._seconds, time.time()
