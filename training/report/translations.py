"""Translations of a training, to be measured: which pictures are translated, and what the result is compared with."""

import contextlib

import numpy as np

from training.dataset import load_dataset

READ_AT_A_TIME = 8  # pictures; the method may translate fewer


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
    return None if method.fakes is None else lambda count, seed: method.fakes(networks, count, seed)


class Translations:
    """What metrics take as the fakes of a method that translates: a function of (count, seed), see `__call__`.

    The pictures are those to test with; without them the images of the training, only held-out ones if there are any.

    Args:
        translation: Translation of the method.
        networks, streams, options: See `fakes_of`.
    Attributes:
        num_images: Number of pictures.
        reals: Options of load_dataset of what the translations are compared with.
    """

    def __init__(self, translation, networks, streams, options):
        self._translation, self._networks, self._streams = translation, networks, streams
        self._test_args, self._data_dir = options.test_args, options.data_dir
        self.reals = dict((options.test_args or options.stream_args)[translation.target] or {})
        with self._opened() as datasets:
            self.num_images = len(self._numbers(datasets, None))

    def __call__(self, count, seed):
        """Yields translations, uint8 [N, C, H, W], of the same pictures with any seed: all, or evenly chosen ones."""
        del seed
        with self._opened() as datasets:
            numbers = self._numbers(datasets, count)
            for begin in range(0, len(numbers), READ_AT_A_TIME):
                part = numbers[begin:begin + READ_AT_A_TIME]
                yield self._translation.run(self._networks, {
                    name: np.stack([data.read(number) for number in part]) for name, data in datasets.items()})

    def names(self, count, seed):
        """Paths of the pictures that `__call__` translates, or names where they are no files: list of str."""
        del seed
        with self._opened() as datasets:
            first = datasets[self._translation.sources[0]]
            where = first.files.where if hasattr(first, 'files') else str
            return [where(first.name_of(number)) for number in self._numbers(datasets, count)]

    @contextlib.contextmanager
    def _opened(self):
        """Yields {name: Dataset} of the sources."""
        with contextlib.ExitStack() as stack:
            yield {name: self._streams[name].dataset if not self._test_args else stack.enter_context(
                load_dataset(data_dir=self._data_dir, **self._test_args[name]))
                   for name in self._translation.sources}

    def _numbers(self, datasets, count):
        """Numbers of the first `count` pictures in their datasets, int [N]; `None` = of all."""
        data = datasets[self._translation.sources[0]]
        numbers = np.sort(data.held_out) if len(data.held_out) else np.arange(data.num_images)
        if count is None or count >= len(numbers):
            return numbers
        return numbers[np.linspace(0, len(numbers) - 1, count).astype(int)]
