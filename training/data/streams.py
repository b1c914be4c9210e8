"""Named streams of data: which minibatch an iteration of the training sees is a function of the images shown."""

import contextlib
import os
from collections import OrderedDict

import numpy as np

from dnnlib.run.heartbeat import Heartbeat
from dnnlib.seeds import step_seed
from training.data import changes
from training.data.files import SKIPPED_FILE
from training.data.skipped import list_skipped
from training.data.sources import forget_headers
from training.data.translation import pairs
from training.dataset import load_dataset


def mirror(images, seed, nimg, name='mirror', minibatch_size=None, places=None):
    """Flips each image left to right with probability 1/2, drawn from (seed, nimg, name).

    Args:
        images: uint8 [N, C, H, W].
        seed: Seed of the training, int.
        nimg: Images shown before this minibatch, int.
        name: Sets minibatches of one iteration apart.
        minibatch_size, places: See `Stream.minibatch`, if the images are only some of a minibatch.
    Returns: Copy of the same shape.
    """
    flip = np.random.RandomState(step_seed(seed, nimg, name, 0)).rand(minibatch_size or len(images)) < 0.5
    flip = flip if places is None else flip[list(places)]
    images = images.copy()
    images[flip] = images[flip, :, :, ::-1]
    return images


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
        self._seed, self._mirror = seed, mirror_augment
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
        images, labels = self.dataset.get_minibatch_np(sched['minibatch_size'], sched['lod'], places)
        if self._mirror:
            is_only = self.name == 'reals' and slot == 0
            name = 'mirror' if is_only else f'mirror/{self.name}/{slot}'
            images = mirror(images, self._seed, nimg, name, sched['minibatch_size'], places)
        numbers = range(len(images)) if places is None else places
        for change, kind, amount in ((changes.draw_move, 'moves', self.dataset.moves),
                                     (changes.draw_jitter, 'jitter', self.dataset.jitter),
                                     (changes.add_noise, 'noise', self.dataset.noise)):
            if amount:
                seeds = [step_seed(self._seed, nimg, f'{kind}/{self.name}/{slot}', number) for number in numbers]
                images = np.stack([change(image, amount, np.random.RandomState(seed))
                                   for image, seed in zip(images, seeds)])
        return images, labels

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
def open_datasets(stream_args, seed, data_dir=None, bad='stop', holdout=0.0, verbose=False):
    """Opens the datasets of several streams, and closes them at the end of the block.

    Args:
        stream_args: {name of a stream: options of `load_dataset`}.
        seed: Seed of the order, int; the second stream has the next seed, and so on, unless they are pairs.
        data_dir, bad, holdout: See `open_streams`.
        verbose: Print what they are?
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
        for dataset in datasets.values():
            dataset.hold_out(holdout)
        yield datasets


@contextlib.contextmanager
def open_streams(stream_args, seed, data_dir=None, bad='stop', holdout=0.0, mirror_augment=False, run_dir=None):
    """Opens the datasets of a training, and closes them at the end of the block.

    Args:
        stream_args: {name of a stream: options of `load_dataset`}.
        seed: Seed of the order, int; the second stream has the next seed, and so on.
        data_dir: Folder that datasets are looked up in; `None` = the working directory.
        bad: What to do about an unreadable image: 'stop' or 'skip'.
        holdout: Share of each dataset that is not trained on.
        mirror_augment: Flip half of the images left to right?
        run_dir: Folder to list what is not read in, see `list_skipped`; `None` = nowhere.
    Yields: OrderedDict of Stream.
    Raises: UserError for data that can't be used.
    """
    with open_datasets(stream_args, seed, data_dir, bad, holdout, verbose=True) as datasets:
        streams = OrderedDict()
        for number, (name, dataset) in enumerate(datasets.items()):
            if run_dir is not None:
                list_skipped(dataset, os.path.join(run_dir, SKIPPED_FILE if number == 0 else f'{name}-{SKIPPED_FILE}'))
            dataset.preload()
            if dataset.jitter:
                print(changes.LEAKS)
            if dataset.moves:
                print(changes.MOVES_LEAK)
            skips_bad = stream_args[name].get('bad', bad) == 'skip'
            streams[name] = Stream(dataset, name, seed, mirror_augment, skips_bad)
        forget_headers()
        yield streams
