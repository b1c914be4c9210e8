"""Named streams of data: which minibatch an iteration of the training sees is a function of the images shown."""

import contextlib
import os
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib.run.heartbeat import Heartbeat
from dnnlib.seeds import step_seed
from training.data import ahead, changes
from training.data.files import SKIPPED_FILE
from training.data.skipped import list_skipped
from training.data.sources import forget_headers
from training.data.translation import pairs
from training.dataset import load_dataset


def flips(seed, nimg, name, minibatch_size):
    """Which images of a minibatch are flipped, with probability 1/2, drawn from (seed, nimg, name): bool [N]."""
    return np.random.RandomState(step_seed(seed, nimg, name, 0)).rand(minibatch_size) < 0.5


class Draws(NamedTuple):
    """What becomes of the images of a stream after they are read; equal ones draw the same."""
    seed: int              # of the training
    name: str              # of the stream
    nimg: int              # images shown before the iteration
    slot: int = 0          # see `Stream.minibatch`
    slots: int = 1         # the same
    mirror: bool = False   # flip half of the images left to right?
    moves: tuple = None    # see `changes.draw_move`; None = none
    jitter: tuple = None   # see `changes.draw_jitter`; None = none
    noise: float = 0.0     # see `changes.add_noise`

    @property
    def dtype(self):
        """Type of the images, which with noise are no whole numbers."""
        return np.float32 if self.noise else np.uint8

    def after(self, minibatch_size):
        """Those of the next minibatch, which is in the next iteration if this one is the last of its own."""
        slot = (self.slot + 1) % self.slots
        return self._replace(slot=slot, nimg=self.nimg if slot else self.nimg + minibatch_size)

    def apply(self, pixels, numbers, minibatch_size, images):
        """Changes some of the images of a minibatch; in any thread.

        Args:
            pixels: uint8 [n, C, H, W]; changed.
            numbers: Their numbers in the minibatch, int [n].
            minibatch_size: All of its images.
            images: Of type `dtype`, [n, C, H, W], filled; `pixels` themselves where these need no other type.
        """
        if self.mirror:
            is_only = self.name == 'reals' and self.slot == 0
            name = 'mirror' if is_only else f'mirror/{self.name}/{self.slot}'
            for i in np.flatnonzero(flips(self.seed, self.nimg, name, minibatch_size)[numbers]):
                changes.flip(pixels[i])
        for i, number in enumerate(numbers):
            if self.moves:
                pixels[i] = changes.draw_move(pixels[i], self.moves, self._random('moves', number))
            if self.jitter:
                pixels[i] = changes.draw_jitter(pixels[i], self.jitter, self._random('jitter', number))
            if self.noise:
                images[i] = changes.add_noise(pixels[i], self.noise, self._random('noise', number))

    def _random(self, kind, number):
        return np.random.RandomState(step_seed(self.seed, self.nimg, f'{kind}/{self.name}/{self.slot}', int(number)))


class Stream:
    """A dataset as a training reads it.

    An iteration consumes `slots` minibatches of each stream, a constant of the list of stages, so that its position,
    images shown times slots, does not depend on what was read before.

    Args:
        dataset: Dataset; the stream moves its position.
        name: Name of the stream.
        seed: Seed of the mirroring, int.
        mirror_augment: Flip half of the images left to right?
        skips_bad: Are unreadable images skipped and counted?
    Attributes:
        dataset, name, skips_bad: As given.
    """

    def __init__(self, dataset, name='reals', seed=0, mirror_augment=False, skips_bad=False):
        self.dataset, self.name, self.skips_bad = dataset, name, skips_bad
        self._seed, self._mirror, self._changes = seed, mirror_augment, (dataset.moves, dataset.jitter, dataset.noise)
        dataset.crops_at_random = True

    def minibatch(self, nimg, sched, slot=0, slots=1, places=None):
        """One of the minibatches of an iteration.

        Args:
            nimg: Images shown before the iteration.
            sched: Result of the schedule: `minibatch_size` and `lod`.
            slot: Which one, 0 <= slot < slots.
            slots: Minibatches that an iteration consumes.
            places: Tuple of the images to be read, by their number in the minibatch; `None` = all.
        Returns: (uint8 [N, C, h, w] at the level of detail, float32 [N, label_size]); with noise, images are float32.
        Raises: UserError for an unreadable image.
        """
        position = nimg * slots + slot * sched['minibatch_size']
        if position != self.dataset.position:  # or the look-ahead would be lost
            self.dataset.seek(position)
        draws = Draws(self._seed, self.name, nimg, slot, slots, self._mirror, *self._changes)
        return self.dataset.get_minibatch_np(
            sched['minibatch_size'], sched['lod'], places, draws)

    def sheet(self):
        """Dataset of what the sheets of pictures show: that of the stream, or what it gives for that."""
        return self.dataset.sheet() if hasattr(self.dataset, 'sheet') else self.dataset


def stream_options(dataset_args, stream_args):
    """{name of a stream: options of `load_dataset`}, from those that all streams have and those of each.

    Args:
        dataset_args: Options of all, or `None`.
        stream_args: {name: further options}; `None` = one stream, `reals`.
    """
    return {name: dict(dataset_args or {}, **(args or {})) for name, args in (stream_args or {'reals': None}).items()}


@contextlib.contextmanager
def open_datasets(stream_args, seed, data_dir=None, bad='stop', holdout=0.0, verbose=False, threads=1):
    """Opens the datasets of several streams, and closes them at the end of the block.

    Args:
        stream_args: {name of a stream: options of `load_dataset`}.
        seed: Seed of the order, int; the second stream has the next seed, and so on, unless they are pairs.
        data_dir, bad, holdout: See `open_streams`.
        verbose: Print what they are?
        threads: See `open_streams`.
    Yields: OrderedDict of Dataset.
    Raises: UserError for data that can't be used.
    """
    with contextlib.ExitStack() as stack:
        datasets = OrderedDict()
        with Heartbeat(lambda: 'Opening the dataset; many pictures on a slow disk take minutes...', first=3):
            for number, (name, args) in enumerate(stream_args.items()):
                options = dict(dict(seed=seed + number, bad=bad), **args)
                datasets[name] = stack.enter_context(load_dataset(data_dir=data_dir, verbose=verbose, **options))
            pairs.join(list(datasets.values()), bad == 'skip')
        readers = ahead.Readers(threads, len(datasets))
        stack.callback(readers.close)  # before the files are closed that its threads read
        for dataset in datasets.values():
            dataset.hold_out(holdout)
            dataset.read_with(readers)
        yield datasets


@contextlib.contextmanager
def open_streams(stream_args, seed, data_dir=None, bad='stop', holdout=0.0, mirror_augment=False, run_dir=None,
                 threads=1):
    """Opens the datasets of a training, and closes them at the end of the block.

    Args:
        stream_args: {name of a stream: options of `load_dataset`}.
        seed: Seed of the order, int; the second stream has the next seed, and so on.
        data_dir: Folder that datasets are looked up in; `None` = the working directory.
        bad: What to do about an unreadable image: 'stop' or 'skip'.
        holdout: Share of each dataset that is not trained on.
        mirror_augment: Flip half of the images left to right?
        run_dir: Folder to list what is not read in, see `list_skipped`; `None` = nowhere.
        threads: How many decode the images of all datasets, ahead of when they are wanted.
    Yields: OrderedDict of Stream.
    Raises: UserError for data that can't be used.
    """
    with open_datasets(stream_args, seed, data_dir, bad, holdout, True, threads) as datasets:
        streams = OrderedDict()
        for number, (name, dataset) in enumerate(datasets.items()):
            if run_dir is not None:
                list_skipped(dataset, os.path.join(run_dir, SKIPPED_FILE if number == 0 else f'{name}-{SKIPPED_FILE}'))
            dataset.preload()
            count = len(dataset.held_out)
            print(f'Images        = {dataset.num_images - count}' + (f' of {name}' if len(datasets) > 1 else '')
                  + (f', and {count} held out' if count else ''))
            if dataset.jitter:
                print(changes.LEAKS)
            if dataset.moves:
                print(changes.MOVES_LEAK)
            skips_bad = stream_args[name].get('bad', bad) == 'skip'
            streams[name] = Stream(dataset, name, seed, mirror_augment, skips_bad)
        forget_headers()
        yield streams
