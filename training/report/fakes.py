"""Fakes of a training, to be measured; of translations: of which pictures, and what they are compared with."""

import functools
from typing import NamedTuple

import numpy as np

from training.data.sources import where
from training.data.streams import stream_options

READ_AT_A_TIME = 8  # pictures; the method may translate fewer


class Later(NamedTuple):
    """Pictures of `Method.fakes` that are drawn only if they are wanted: of several workers, each draws some."""
    count: int              # how many
    draw: object            # function without arguments that returns them, uint8 [count, C, H, W]


class Random(NamedTuple):
    """Which pictures `of_labels` draws."""
    count: int           # how many
    seed: int            # of latents and labels
    minibatch_size: int  # pictures at a time


def of_labels(pictures, data, latents, draw):
    """Pictures of random latents and of the labels of random images; see `Method.fakes`.

    Args:
        pictures: Random.
        data: Dataset whose labels are drawn, not those of held-out images.
        latents: Function of (RandomState, number) that draws latents.
        draw: Function of (latents, labels) that returns pictures.
    Yields: Later.
    """
    rnd = np.random.RandomState(pictures.seed)
    numbers = np.setdiff1d(np.arange(data.num_images), data.held_out) if data.label_size else np.zeros(1, int)
    for begin in range(0, pictures.count, pictures.minibatch_size):
        size = min(pictures.minibatch_size, pictures.count - begin)
        found = latents(rnd, size)
        labels = data.read_labels(numbers[rnd.randint(len(numbers), size=[size])])
        yield Later(size, functools.partial(draw, found, labels))


def fakes_of(method, networks, streams, options):
    """What metrics take as the fakes of a training: a function of (count, seed); `None` = there are none.

    Args:
        method: Method.
        networks: Dictionary of its tflib.Networks by name.
        streams: {name: Stream} of the training.
        options: Its training_loop.Options.
    """
    if method.translation is not None:
        return Translations(method.translation, networks, streams, options)
    if method.between:
        from training.report.between import Domains, Part
        data = {item.stream: streams[item.stream].dataset for item in method.between}
        first, found = next(iter(data.items()))
        reals = dict(stream_options(options.dataset_args, options.stream_args)[first], **found.opens_trained)
        return Domains(networks, [Part(item, data[item.stream].sheet(), data[item.stream].trained())
                                  for item in method.between], reals)
    return None if method.fakes is None else lambda count, seed: method.fakes(networks, count, seed)


class Translations:
    """What metrics take as the fakes of a method that translates: a function of (count, seed), see `__call__`.

    The pictures are those to test with; without them those of the training, only held-out ones if there are any.

    Args:
        translation: Translation of the method.
        networks, streams, options: See `fakes_of`.
    Attributes:
        num_images: Number of pictures.
        reals: Options of load_dataset of what the translations are compared with, chosen in the same way; of a plain
            Dataset, as training_loop takes in Python, all of it.
    """

    def __init__(self, translation, networks, streams, options):
        self._run, self._networks = translation.run, networks
        self._data = {name: streams[name].sheet() for name in translation.sources}
        self.reals = stream_options(options.dataset_args, options.stream_args)[translation.target]
        self.reals.update(getattr(streams[translation.target].dataset, 'opens_sheet', {}))
        if options.bad == 'skip':
            self.reals.setdefault('bad', 'skip')
        self._first = self._data[translation.sources[0]]
        held_out = np.sort(self._first.held_out)
        self._numbers = held_out if len(held_out) else np.arange(self._first.num_images)
        self.num_images = len(self._numbers)

    def __call__(self, count, seed):
        """Yields Later of translations of the same pictures with any seed: all, or evenly chosen ones."""
        del seed
        numbers = self._chosen(count)
        for begin in range(0, len(numbers), READ_AT_A_TIME):
            part = numbers[begin:begin + READ_AT_A_TIME]
            yield Later(len(part), functools.partial(self._translated, part))

    def _translated(self, numbers):
        return self._run(self._networks, {
            name: np.stack([data.read(number) for number in numbers]) for name, data in self._data.items()})

    def names(self, count, seed):
        """Paths of the pictures that `__call__` translates, or names where they are no files: list of str."""
        del seed
        return [where(self._first, number) for number in self._chosen(count)]

    def _chosen(self, count):
        """Numbers of `count` pictures, int [N]."""
        return self._numbers if count >= self.num_images else self._numbers[
            np.linspace(0, self.num_images - 1, count).astype(int)]
