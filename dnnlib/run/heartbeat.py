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
        say: Function that prints the line, called in that thread.
    """

    def __init__(self, describe, seconds=SECONDS, first=None, say=None):
        self._describe, self._seconds, self._say = describe, seconds, say or _say
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
            try:
                line = self._describe()
            except Exception as error:  # pylint: disable=broad-except  # the work itself may be all right
                line = f'Still running; how far it is cannot be told ({error})'
            if line is not None:
                self._say(line)
            silence, last = self._seconds, time.time()


def _say(line):
    sys.stdout.write(line + '\n')  # at once, so that it is not mixed with another one
    sys.stdout.flush()
