"""Keeps the time of a training in its counters."""

import time


class Clock:
    """Seconds since the last look go to the counters `seconds` and `tick_sec`.

    Args:
        counters: See `files.new_counters`; changed.
    """

    def __init__(self, counters):
        self._counters, self._last = counters, time.time()

    def take(self):
        """Adds the time since the last call."""
        self._counters.tick_sec += self.take_maintenance()

    def take_maintenance(self):
        """Adds the time since the last call, but not to the tick; returns it, seconds."""
        now = time.time()
        passed, self._last = now - self._last, now
        self._counters.seconds += passed
        return passed

    def restart(self):
        """Forgets the time since the last call."""
        self._last = time.time()
