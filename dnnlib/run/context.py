"""State of the current run: times, progress, and whether it was asked to stop."""

import datetime
import os
import time

import dnnlib
from dnnlib import util
from dnnlib.util import EasyDict

RUN_FILE = 'run.txt'
ABORT_FILE = 'abort.txt'


class RunContext:
    """State of the running function: times, progress, and whether it was asked to stop.

    Creating `abort.txt` in the run directory makes `should_stop` true at the next `update`; resuming the run
    removes it. There is at most one current context, `RunContext.get()`; it writes `run.txt`.
    """

    _current = None

    @classmethod
    def get(cls):
        """The context of the current run, created on first use."""
        outside = cls._current is not None and cls._current.submit_config is None  # left by a training without a run
        if cls._current is None or outside and dnnlib.submit_config is not None:
            cls._current = cls(dnnlib.submit_config)
        return cls._current

    def __init__(self, submit_config=None):
        self.submit_config = submit_config
        self._start = datetime.datetime.now().replace(microsecond=0)
        self._start_sec = self._last_update_sec = time.time()
        self._last_interval_sec = 0.0
        self._should_stop = False
        self.progress = EasyDict(loss=0, cur_epoch=0, max_epoch=None)
        self.run_info = EasyDict(start_time=self._start.isoformat(' '))
        if submit_config is not None:
            self.run_info.update(task_name=submit_config.task_name, host_name=submit_config.host_name)
        self._write()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback_value):
        self.close()

    def update(self, loss=0, cur_epoch=0, max_epoch=None):
        """Records progress and the time since the previous call, and checks for `abort.txt`."""
        now = time.time()
        self._last_interval_sec, self._last_update_sec = now - self._last_update_sec, now
        self.progress.update(loss=loss, cur_epoch=cur_epoch, max_epoch=max_epoch)
        if self.submit_config is not None and os.path.exists(os.path.join(self.submit_config.run_dir, ABORT_FILE)):
            self._should_stop = True

    def should_stop(self):
        """Did `abort.txt` exist at the last check?"""
        return self._should_stop

    def get_time_since_start(self):
        """Seconds since the context was created."""
        return time.time() - self._start_sec

    def get_time_since_last_update(self):
        """Seconds since the last update."""
        return time.time() - self._last_update_sec

    def get_last_update_interval(self):
        """Seconds between the last two updates."""
        return self._last_interval_sec

    def close(self):
        """Adds `stop_time` to `run.txt`; the context is no longer the current one."""
        if RunContext._current is self:
            RunContext._current = None
        if 'stop_time' not in self.run_info:
            self.run_info.stop_time = datetime.datetime.now().replace(microsecond=0).isoformat(' ')
            self._write()

    def _write(self):
        if self.submit_config is not None:
            util.write_text(os.path.join(self.submit_config.run_dir, RUN_FILE), util.pretty(self.run_info))
