"""The workers of a training measure together: each draws its share of the images and looks at it.

Worker 0 gets what all have found in the order in which one worker finds it, so the results have the same bits. Where
all has been found the others leave, and wait for its end. An error of one ends the metric in all, at the next meeting.
"""

import io
import json
import time

import numpy as np

from dnnlib.tflib import collectives
from dnnlib.tflib.exchange import Broken, Exchange

BLOCK = 4  # rounds in a row of a worker, so that a method that draws 32 images at a time need not draw them twice
MEETING_SECONDS = 1.0  # of work between two meetings, which take some hundredths
MEETING_BYTES = 32 << 20  # of what all bring to a meeting


class Stopped(Exception):
    """Another worker could not go on; the text says why."""


class _Left(Exception):
    """This worker has nothing left to do."""


class Team:
    """Context manager: the workers of the default graph, which enter it at the same time; one alone just works.

    Attributes:
        size, worker: Number of workers, and of this one.
        is_first: Is it worker 0?
    """

    size, worker = 1, 0

    def __init__(self):
        self._exchange = None

    def __enter__(self):
        self.size, self.worker = collectives.num_workers(), collectives.worker()
        if self.size > 1:
            self._exchange = Exchange()
        return self

    def __exit__(self, exc_type, error, traceback):
        if self._exchange is None:
            return False
        try:
            if error is None or isinstance(error, _Left):
                self._meet()
            elif isinstance(error, Exception) and not isinstance(error, (Stopped, Broken)):
                self._exchange.gather(b'-' + (str(error).strip() or type(error).__name__).encode('utf-8'))
        finally:
            self._exchange.close()
        return isinstance(error, _Left)

    @property
    def is_first(self):
        """Is this worker 0, or alone?"""
        return self.worker == 0

    def leave(self):
        """Lets worker 0 go on alone: in the others the rest of the block is skipped."""
        if not self.is_first:
            raise _Left

    def is_mine(self, number):
        """Is a round, or the minibatch of that number, one of this worker?"""
        return number // BLOCK % self.size == self.worker

    def decide(self, value):
        """What worker 0 decides: a number, bool or text.

        Args:
            value: What this worker would.
        """
        return value if self.size == 1 else json.loads(self._meet(json.dumps(value).encode())[0].decode())

    def from_first(self, arrays):
        """Arrays that worker 0 has, in all workers.

        Args:
            arrays: {name: array}; `None` in the others.
        """
        if self.size == 1:
            return arrays
        shapes = self.decide(arrays and [(name, value.dtype.str, value.shape) for name, value in arrays.items()])
        if not self.is_first:
            arrays = {name: np.empty(shape, dtype) for name, dtype, shape in shapes}
        found = [np.ascontiguousarray(arrays[name]) for name, _, _ in shapes]
        self._meet()  # has everybody the memory?
        self._exchange.copy_from_first(found)
        return arrays

    def file_from_first(self, path):
        """A binary file object in the other workers, the path in worker 0.

        Args:
            path: Of a file that worker 0 has.
        """
        if self.size == 1:
            return path
        data = np.fromfile(path, np.uint8) if self.is_first else None
        data = self.from_first({'data': data} if self.is_first else None)['data']
        return path if self.is_first else io.BytesIO(data)

    def compute(self, count, function, check):
        """Does the rounds 0 to `count - 1`, each in one of the workers.

        Args:
            count: Number of rounds.
            function: Function of the number of a round that returns a list of arrays. It is called for those of this
                worker, in order.
            check: Function without arguments, called before each of them; may raise an error.
        Yields: What `function` returned, of all rounds in order; in the others than worker 0, nothing.
        """
        rounds = [[number for number in range(count) if number // BLOCK % self.size == worker]
                  for worker in range(self.size)]
        done, at_once, waiting, expected = 0, 1, {}, 0
        while done < len(rounds[0]):
            begin, results = time.time(), []
            for number in rounds[self.worker][done:done + at_once]:
                check()
                results.append(function(number))
            found = self._meet(_pack([[np.float64(time.time() - begin)]] + results))
            seconds = 0.0
            for numbers, data in zip(rounds, found):
                brought = _unpack(data)
                seconds = max(seconds, float(brought[0][0]))
                if self.is_first:
                    waiting.update(zip(numbers[done:done + at_once], brought[1:]))
            while expected in waiting:
                yield waiting.pop(expected)
                expected += 1
            done += at_once
            at_once = _next_size(at_once, seconds, max(map(len, found)) * self.size)

    def _meet(self, data=b''):
        """Bytes of each worker in worker order; raises Stopped if one of them can't go on."""
        found = self._exchange.gather(b'+' + data)
        for worker, text in enumerate(found):
            if text[:1] != b'+':
                raise Stopped(f'worker {worker}: {text[1:].decode("utf-8")}')
        return [text[1:] for text in found]


def _next_size(size, seconds, num_bytes):
    """Rounds of each worker until the next meeting, of which this many took that long and had so many bytes in all."""
    return max(1, min(2 * size, int(size * MEETING_SECONDS / max(seconds, 1e-3)),
                      int(size * MEETING_BYTES / num_bytes)))


def _pack(lists):
    """Bytes of a list of lists of arrays."""
    file = io.BytesIO()
    for arrays in [[np.array([len(arrays) for arrays in lists])]] + lists:
        for array in arrays:
            np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _unpack(data):
    """The list of lists of arrays."""
    file = io.BytesIO(data)
    return [[np.load(file, allow_pickle=False) for _ in range(count)] for count in np.load(file, allow_pickle=False)]
