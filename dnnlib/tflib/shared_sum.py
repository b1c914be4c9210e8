"""Sums over the workers of one machine through memory that they share, by an operation of our own.

TensorFlow sends what it sums through sockets even within a machine, which takes 15 to 28 ms for 4 MB; this takes one or
two, and adds in worker order, as one worker adds its rounds.
"""

from dnnlib.run.shared_memory import BUFFER_PAGES, SUMS, region_pages
from dnnlib.tflib.ops import native

MOST_WORKERS = 1024  # counters in a page


class SharedSums:
    """The sums of one job, in the order in which all of its workers build them."""

    def __init__(self, file, worker, workers):
        """`file`: see `shared_memory.find`; `workers`: their number; `worker`: which of them this process is."""
        self._file, self._worker, self._workers = file, worker, workers
        self._built = 0

    def has_room(self):
        """Can there be another sum?"""
        return self._built < SUMS

    def sum(self, value):
        """Sum of a float32 tensor over the workers, in worker order; of the same shape in all of them."""
        page = 1 + self._built * region_pages(self._workers)
        self._built += 1
        return native.load().worker_sum(x=value, fd=self._file, page=page, pages=BUFFER_PAGES, worker=self._worker,
                                        workers=self._workers)


def is_possible(workers):
    """Can this process take part with so many in all? The others may not be able to: ask them, too."""
    return workers <= MOST_WORKERS and native.mode() != 'ref' and native.missing() is None
