"""Sums over the workers of one machine through memory that they share, by an operation of our own.

TensorFlow sends what it sums through sockets even within a machine, which takes 15 to 28 ms for 4 MB; this takes one or
two, and adds in worker order, as one worker adds its rounds.
"""

import tensorflow.compat.v1 as tf

from dnnlib.run.shared_memory import BUFFER_PAGES, SUMS, region_pages
from dnnlib.tflib.ops import native

TYPES = (tf.float32, tf.float64, tf.int32, tf.int64)
BESIDE = 8  # regions for sums of other graphs than that of the training; they are run one after another


class SharedSums:
    """The sums of one graph, in the order in which all workers build them."""

    def __init__(self, file, worker, workers, beside=False):
        """`file`: see `shared_memory.find`; `workers`: how many; `worker`: which of them this process is; `beside`: are
        there other sums in the graph of the training, of which none is under way when one of these is run?"""
        self._file, self._worker, self._workers = file, worker, workers
        self._next, self._end = (0, BESIDE) if beside else (BESIDE, SUMS)

    def sum(self, value):
        """Sum of a tensor over the workers, in worker order; one of TYPES, of the same shape in all of them.

        Raises: RuntimeError if the graph has too many.
        """
        if self._next == self._end:
            raise RuntimeError(f'all {self._end} regions of the shared memory have a sum')
        page = 1 + self._next * region_pages(self._workers)
        self._next += 1
        return native.load().worker_sum(x=value, fd=self._file, page=page, pages=BUFFER_PAGES, worker=self._worker,
                                        workers=self._workers)


def is_possible():
    """Can this process take part? The others may not be able to: ask them, too."""
    return native.mode() != 'ref' and native.missing() is None
