"""The workers of one training: when all of them stop or save, what those do that write nothing, whether they are alike.

Worker 0 has the run directory, and writes. The others do what takes part in the exchange, and their share of metrics.
"""

import hashlib
import re

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import autosummary, collectives
from dnnlib.util import UserError

STOP, SAVE = range(2)  # what is voted on
SOME_IMAGES = 8  # of each stream, that are compared


class Agreement:
    """Lets all workers stop, or save, after the same iteration.

    What a worker wants goes along with the sums of gradients of the next iteration, so that nobody waits for it.
    """

    def __init__(self):
        self._votes = [0] * collectives.VOTES

    def stops(self, wanted):
        """Do all stop now? With one worker at once if it wants to, with several one iteration later."""
        return self._agree(STOP, wanted)

    def saves(self, wanted):
        """Do all save now?"""
        return self._agree(SAVE, wanted)

    def _agree(self, what, wanted):
        if collectives.num_workers() == 1:
            return bool(wanted)
        agreed = bool(collectives.tally()[what])
        vote = int(bool(wanted) and not agreed)
        if vote != self._votes[what]:
            self._votes[what] = vote
            collectives.vote(self._votes)
        return agreed


class Follower:
    """What a worker does at the ticks that reports nothing: it has part in the statistics, states and metrics.

    Args:
        checkpoints: Checkpoints.
        network_ticks: Ticks between two network files, `None` = never.
        measure: Function of a text in place of the network file that has part in its metrics; `None` = there are none.
    """

    def __init__(self, checkpoints, network_ticks, measure=None):
        self._counters, self._checkpoints, self._network_ticks = checkpoints.counters, checkpoints, network_ticks
        self._measure = measure

    def step(self, *_args, went_back=False):
        """See `Reporter.step`."""
        if went_back:
            autosummary.save_summaries(None)

    def tick(self, _sched, done):
        """See `Reporter.tick`."""
        c = self._counters
        self._checkpoints.saving.clock.take()
        c.tick += 1
        c.update(tick_nimg=c.nimg, tick_sec=0.0)
        is_due = self._network_ticks is not None and (done or c.tick % self._network_ticks == 0)
        if is_due:
            self._checkpoints.before_metrics(done)
            if self._measure is not None:
                self._measure('the networks of worker 0')
        autosummary.save_summaries(None)
        if is_due:
            self._checkpoints.after_metrics()

    @staticmethod
    def line():
        """See `Reporter.line`; worker 0 says it."""

    @staticmethod
    def say(_line):
        """See `Reporter.say`."""

    def close(self):
        """See `Reporter.close`."""


def compare_data(streams):
    """Raises UserError if the workers read different data, or compute with different things.

    Args:
        streams: {name: Stream}.
    """
    if collectives.num_workers() == 1:
        return
    _compare_devices()
    for name, stream in streams.items():
        found = collectives.gather_numbers(fingerprint(stream.dataset))
        for worker, other in enumerate(found):
            if not np.array_equal(other, found[0]):
                first, second = (f'{row[0]:.0f} images of {row[2]:.0f}x{row[3]:.0f}, {row[5]:.0f} held out, '
                                 f'{row[4]:.0f} labels' for row in (found[0], other))
                raise UserError(f'worker {worker} reads other data than worker 0: {name!r} has {second} instead of '
                                f'{first}' + (' and other pixels or labels' if first == second else '')
                                + '; give all hosts the same dataset')


def _compare_devices():
    device = int(collectives.has_gpu())
    numbers = [int(number) for number in re.findall(r'\d+', tf.__version__)[:3]]
    found = collectives.gather_numbers([device] + numbers)
    for worker, other in enumerate(found):
        if not np.array_equal(other, found[0]):
            first, second = (f'{("the CPU", "a GPU")[int(row[0])]} with TensorFlow '
                             + '.'.join(f'{number:.0f}' for number in row[1:]) for row in (found[0], other))
            raise UserError(f'worker {worker} computes on {second}, worker 0 on {first}; give all workers the same '
                            'kind of device and the same TensorFlow')


def fingerprint(dataset):
    """What tells datasets apart, list of numbers: of images, shape, of labels, of held-out images, hash of some."""
    numbers = np.unique(np.linspace(0, dataset.num_images - 1, SOME_IMAGES).astype(int))
    digest = hashlib.sha256(dataset.read_labels(numbers).tobytes())
    for number in numbers:
        digest.update(dataset.read(number).tobytes())
    return [dataset.num_images] + list(dataset.shape) + [dataset.label_size, len(dataset.held_out),
                                                         int.from_bytes(digest.digest()[:6], 'big')]
