"""Long work, one after another, in a thread of its own: progress, pictures on the way, cancel."""

import collections
import threading
import time
import traceback

from dnnlib.util import UserError
from explorer.errors import Refused

WAITING, RUNNING, DONE, FAILED, CANCELED = 'waiting', 'running', 'done', 'failed', 'canceled'
MOST_WAITING, KEPT = 4, 20


class Canceled(Exception):
    """Raised in a job that somebody canceled."""


class Job:
    """One piece of long work.

    Args:
        number, kind: As in the reply of `api/jobs`.
        run: Function of the job that does it, and returns the result, a dictionary.
    Attributes:
        pixels: Newest picture, uint8 [H, W, C], or None.
        file: Path of the file that it wrote, or None.
        tried: What a dry run was made of, or None.
    """

    def __init__(self, number, kind, run):
        self.number, self.kind, self.run = number, kind, run
        self.state, self.progress, self.text, self.error, self.result = WAITING, 0.0, '', None, None
        self.picture, self.pixels, self.file, self.tried = 0, None, None, None
        self._is_canceled = threading.Event()
        self._shown = 0.0

    def check(self):
        """Raises Canceled if the job was canceled; to be called several times a second."""
        if self._is_canceled.is_set():
            raise Canceled()

    def cancel(self):
        """Cancels it: it ends at its next `check`."""
        self._is_canceled.set()
        if self.state == WAITING:
            self.state, self.run = CANCELED, None

    def tell(self, progress, text):
        """Says how far it is, 0 to 1, and checks whether it was canceled."""
        self.progress, self.text = float(progress), text
        self.check()

    def is_picture_due(self, seconds=0.4):
        """Has no picture been shown for a while?"""
        return time.monotonic() - self._shown >= seconds

    def show(self, pixels):
        """Shows a picture, uint8 [H, W, C]."""
        self.pixels, self._shown = pixels, time.monotonic()
        self.picture += 1

    def describe(self):
        """The reply of `api/jobs/NUMBER`."""
        return dict(job=self.number, kind=self.kind, state=self.state, progress=round(self.progress, 4), text=self.text,
                    picture=self.picture, error=self.error, result=self.result)


class Jobs:
    """The jobs of a server and the thread that does them."""

    def __init__(self):
        self._changed = threading.Condition()
        self._jobs, self._count, self._ends = collections.OrderedDict(), 0, False
        self._queue = collections.deque()
        self._thread = threading.Thread(target=self._run, daemon=True, name='jobs')
        self._thread.start()

    def add(self, kind, run):
        """Adds a job; returns it. Raises Refused if too many wait."""
        with self._changed:
            self._queue = collections.deque(job for job in self._queue if job.state == WAITING)  # without canceled ones
            if sum(job.number > 0 for job in self._queue) >= MOST_WAITING:
                raise Refused(f'{MOST_WAITING} jobs are waiting; cancel one, or wait', 429)
            self._count += 1
            job = Job(self._count, kind, run)
            self._jobs[job.number] = job
            for number in [number for number, old in self._jobs.items() if old.state in (DONE, FAILED, CANCELED)][:max(
                    len(self._jobs) - KEPT, 0)]:
                del self._jobs[number]
            self._queue.append(job)
            self._changed.notify_all()
            return job

    def between(self, function):
        """Calls a function in the thread of the jobs, after the one that runs and before those that wait."""
        with self._changed:
            self._queue.appendleft(Job(0, 'between', lambda _job: function()))
            self._changed.notify_all()

    def get(self, number):
        """The job of a number; raises Refused if there is none."""
        with self._changed:
            if number not in self._jobs:
                raise Refused(f'there is no job {number}; the server keeps the last {KEPT}', 404)
            return self._jobs[number]

    def list(self):
        """All jobs that are known, newest first."""
        with self._changed:
            return list(self._jobs.values())[::-1]

    def close(self):
        """Cancels all jobs and ends the thread."""
        with self._changed:
            self._ends = True
            for job in self._jobs.values():
                job.cancel()
            self._changed.notify_all()
        self._thread.join(10)

    def _run(self):
        while True:
            with self._changed:
                while not self._ends and not self._queue:
                    self._changed.wait()
                if self._ends:
                    return
                job = self._queue.popleft()
            if job.state == WAITING:
                self._do(job)
            job.run = None  # and with it what it needed

    @staticmethod
    def _do(job):
        job.state = RUNNING
        try:
            job.check()
            job.result = job.run(job)
            job.progress, job.state = 1.0, DONE
        except Canceled:
            job.state = CANCELED
        except (UserError, OSError) as error:
            job.error, job.state = ' '.join(str(error).split()), FAILED
        except Exception as error:  # pylint: disable=broad-except  # the next job may be all right
            traceback.print_exc()
            job.error, job.state = f'it failed ({type(error).__name__}); the console of the server says why', FAILED
