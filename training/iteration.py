"""Runs the stages of a method: which are due, with which data, and with which random seeds."""

import time

import numpy as np

from dnnlib import tflib
from dnnlib.seeds import step_seed
from dnnlib.tflib import collectives
from dnnlib.tflib.autosummary import autosummary
from training.train_step import NEW_LEVEL


class Iteration:
    """One iteration after the other; everything in it is a function of the seed and the counters.

    Args:
        stages: List of Stage.
        step: The Step that they were built with.
        streams: {name: Stream}.
    Attributes:
        step: As given.
        slots: Minibatches that an iteration consumes of each stream.
        is_running: Has an iteration begun to change variables, and not come to its end?
    Raises: ValueError if two stages have one name, a stage with data doesn't run in every round, or one of several
        minibatches takes no fresh ones.
    """

    def __init__(self, stages, step, streams):
        self._stages, self.step, self._streams, self.is_running = stages, step, streams, False
        self._waited = 0.0
        names = [stage.name for stage in stages]
        if len(set(names)) < len(names):
            raise ValueError(f'stages need different names, not {names}')
        if any(stage.batch not in (None, 'this', 'next') or stage.batch and not stage.rounds for stage in stages):
            raise ValueError("the data of a stage are None, 'this' or 'next'; a stage with data runs in every round")
        if any(stage.minibatches != 1 and stage.batch != 'next' for stage in stages):
            raise ValueError("a stage of several minibatches takes fresh ones: its data are 'next'")
        self.slots = int(any(stage.batch == 'this' for stage in stages))
        self._slots = {stage.name: [0] * stage.minibatches for stage in stages}  # of each of its minibatches
        for stage in stages:
            if stage.batch == 'next':
                self._slots[stage.name] = list(range(self.slots, self.slots + stage.minibatches))
                self.slots += stage.minibatches

    def run(self, sched, seed, counters, ignore_gates=False):
        """Runs every stage that is due, each session call with its own random seed.

        Args:
            sched: Result of the schedule, with `rounds` and `new_level` (does a level begin?).
            seed: Seed of the training, int.
            counters: See `files.new_counters`; not changed.
            ignore_gates: Run stages whatever their `when` and `at_end` say?
        """
        due = [stage for stage in self._stages if (
            sched['new_level'] if stage.every == NEW_LEVEL else
            counters.iteration % stage.every == (stage.every - 1 if stage.at_end and not ignore_gates else 0))]
        # First of all, so that an unreadable image ends the training between two iterations.
        start = time.perf_counter()
        minibatches = self._read(due, sched, counters.nimg)
        self._waited += time.perf_counter() - start
        settings = self.step.sched.feed(sched)
        self.is_running = True
        for stage in due:
            if stage.when is not None and not ignore_gates and not tflib.run(stage.when):
                continue
            numbers = round_numbers(sched['rounds'] * stage.minibatches) if stage.rounds else [0]
            before = tflib.run(list(stage.rewound)) if stage.rewound and len(numbers) > 1 else None
            for k, number in enumerate(numbers):
                if k and before is not None:
                    tflib.set_vars(dict(zip(stage.rewound, before)))
                feed = dict(settings)
                feed[self.step.seed_in] = step_seed(seed, counters.nimg, stage.name, number)
                if self.step.round_in is not None:
                    feed[self.step.round_in] = k % sched['rounds']
                if stage.batch is not None:
                    feed.update(minibatches[self._slots[stage.name][k // sched['rounds']]][k % sched['rounds']])
                tflib.run(stage.op if stage.part is None or number == numbers[-1] else stage.part, feed)
        self.is_running = False

    def take_waited(self):
        """Seconds for which the device had nothing to do but wait for data, since the last call."""
        waited, self._waited = self._waited, 0.0
        return waited

    def _read(self, due, sched, nimg):
        """{slot: [feeds of each round]} of the stages that are due."""
        rounds, found = sched['rounds'], {}
        for slot in sorted({slot for stage in due if stage.batch is not None for slot in self._slots[stage.name]}):
            found[slot] = [{} for _ in range(rounds)]
            for name, stream in self._streams.items():
                if stream.skips_bad:
                    autosummary('Data/skipped_images', sum(len(s.dataset.bad_images) for s in self._streams.values()))
                arrays = stream.minibatch(nimg, sched, slot, self.slots, places_of(sched))
                for placeholder, array in zip(self.step.feeds[name], arrays):
                    for feed, part in zip(found[slot], np.split(array, rounds)):
                        feed[placeholder] = part
        return found


def round_numbers(rounds):
    """Numbers of this worker's rounds: workers draw in them what one worker draws in as many rounds as all have.

    Args:
        rounds: Rounds of each worker.
    Returns: List of int.
    """
    return [collectives.worker() + collectives.num_workers() * k for k in range(rounds)]


def places_of(sched):
    """Which images of a minibatch are those of this worker's rounds: tuple of int, `None` = all."""
    if collectives.num_workers() == 1:
        return None
    size = sched['minibatch_gpu']
    return tuple(number * size + i for number in round_numbers(sched['rounds']) for i in range(size))
