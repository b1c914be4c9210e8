"""Where metrics get their fakes: a network, pictures in files, or any function that makes minibatches.

A source has these attributes; metrics know nothing else about the fakes:

    shape: [C, H, W] of the images.
    num_images: How many there are; `None` = any number.
    resolution: Size to read folders of reals in (see `image_size.option`); `None` = as they are.
    names(count, seed): Paths of the pictures that the images which `minibatches` yields are translations of, in that
        order; of pictures in files these. `None` = not known.
    generator: Generator, for metrics that measure how images follow from latents; `None` = there is none.
    domains: training.report.between.Domains, for metrics of translations between domains, with which `draw` is that of
        these; `None` = there are none.
    minibatches(count, size, seed, wanted): Yields uint8 [N, C, H, W] with at least `count` images in all: `size` each
        time, the last time possibly fewer; `None` for a minibatch whose number the function `wanted`, if it is not
        None, says no to.

It is a context manager that closes the datasets it has opened.
"""

import collections
import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from dnnlib.tflib import latents as graph_latents
from dnnlib.tflib import random
from metrics import sampling
from training import image_size, pretrained
from training.data.sources import where
from training.report.fakes import Later


class Generator:
    """A network that makes images of latents, and of labels if it has that input.

    Args:
        Gs: Network.
        options: Keyword arguments of it.
        labels_from: Dataset whose labels are drawn at random; `None` = the network has none.
        num_gpus: Number of GPUs.
    """

    def __init__(self, Gs, options, labels_from=None, num_gpus=1):
        self.Gs, self.options, self.labels_from, self.num_gpus = Gs, options, labels_from, num_gpus

    @property
    def has_styles(self):
        """Does it map its latents to dlatents, as StyleGAN's generators do?"""
        return 'mapping' in self.Gs.components

    def random_labels(self, count):
        """Labels of random pictures, float32 [N, L]; L is 0 for a network without labels."""
        return tf.zeros([count, 0]) if self.labels_from is None else self.labels_from.get_random_labels_tf(count)

    def build(self, function, minibatch_size, seed):
        """Builds the graph of one round; the same seed gives the same images on the same device.

        Args:
            function: Function of (latents [N, D], labels [N, L], dlatents [N, layers, D], float images [N, C, H, W] in
                [-1, 1]) that returns a list of tensors with N rows; `None` for the dlatents without styles.
            minibatch_size: Images of each GPU, N.
            seed: int, 0 <= seed < 2^31.
        Returns: Function of the number of the round that returns the list as arrays, the GPUs' rows one after another.
        """
        seed_in = tf.placeholder(tf.int64, [2])
        outputs = []
        with random.seeded(seed_in):
            for gpu in range(self.num_gpus):
                with tf.device(f'/gpu:{gpu}'):
                    latents = graph_latents.draw([minibatch_size] + self.Gs.input_shape[1:],
                                                self.Gs.static_kwargs.get('latents', 'normal'))
                    labels = self.random_labels(minibatch_size)
                    inputs, dlatents = [latents, labels][:len(self.Gs.input_shapes)], None
                    if self.has_styles:
                        dlatents = self.Gs.components.mapping.get_output_for(*inputs, **self.options)
                    images = self.Gs.get_output_for(*inputs, **self.options)
                    outputs.append(function(latents, labels, dlatents, tf.cast(images, tf.float32)))

        def run_round(index):
            found = tflib.run(outputs, {seed_in: [seed, index]})
            return [np.concatenate(parts) for parts in zip(*found)]

        return run_round


def no_names(count, seed):
    """`names` of a source that doesn't translate."""
    del count, seed


class NetworkSource(contextlib.ExitStack):
    """Images of a Generator."""

    num_images = domains = None

    def __init__(self, generator):
        super().__init__()
        self.generator = generator
        self.names = no_names
        self.shape = generator.Gs.output_shape[1:]
        self.resolution = image_size.option(*self.shape[1:])
        if generator.labels_from is not None:
            self.callback(generator.labels_from.close)

    def minibatches(self, count, size, seed, wanted=None):
        """See the module; every minibatch has `size` images, a multiple of the number of GPUs."""
        run_round = self.generator.build(lambda _latents, _labels, _dlatents, images: [
            tflib.convert_images_to_uint8(images)], size // self.generator.num_gpus, seed)
        for index in range(-(-count // size)):
            yield run_round(index)[0] if wanted is None or wanted(index) else None


def open_network(network, options, open_labels, num_gpus):
    """The source of a network file, loaded into the default session.

    Args:
        network: Path, URL, published name or `pretrained.NetworkFile`.
        options: Keyword arguments of the generator; `None` = of StyleGAN's `is_validation=True`, so no truncation.
        open_labels: Function of a number of labels that opens the dataset that labels are drawn from.
        num_gpus: Number of GPUs.
    Raises: UserError if the file or the labels cannot be used, or the generator takes more than latents and labels.
    """
    Gs = pretrained.load_generator(network)
    if len(Gs.input_shapes) > 2 or any(len(shape) != 2 for shape in Gs.input_shapes):
        raise UserError(f'{pretrained.resolve(network).name}: its generator takes more than latents and labels; '
                        'networks that translate are measured on the pictures of --inputs, others during training')
    label_size = Gs.input_shapes[1][1] if len(Gs.input_shapes) == 2 else 0
    generator = Generator(Gs, options, open_labels(label_size) if label_size else None, num_gpus)
    if options is None:
        generator.options = dict(is_validation=True) if generator.has_styles else {}
    return NetworkSource(generator)


class FileSource(contextlib.ExitStack):
    """Pictures in files; where there are more than a metric takes, the seed chooses.

    Args:
        dataset_args, result_dir: See `sampling.open_dataset`.
    """

    generator = domains = resolution = None

    def __init__(self, dataset_args, result_dir=None):
        super().__init__()
        self._data = sampling.open_dataset(dataset_args, result_dir=result_dir)
        self.callback(self._data.close)
        self.shape, self.num_images = self._data.shape, self._data.num_images

    def minibatches(self, count, size, seed, wanted=None):
        """See the module."""
        return sampling.image_minibatches(self._data, count, size, mirror=False, order_seed=seed, wanted=wanted)

    def names(self, count, seed):
        """See the module."""
        sampling.prepare_order(self._data, seed)
        return [where(self._data, index) for index in self._data.indices_at(0, count)]


class FunctionSource(contextlib.ExitStack):
    """Images that a function makes, whatever it makes them of.

    The function runs with the graph and session that are the default ones here, also where a metric has its own.

    Args:
        fakes: Function of (number of images, seed) that returns an iterable of uint8 [N, C, H, W], any N, with at
            least that number of images in all; instead of an array also `Later`. Its attribute
            `num_images`, if it has one, is how many there are at most; `names` and `domains` are those of a source.
    """

    generator = None

    def __init__(self, fakes):
        super().__init__()
        self._fakes, self._session = fakes, tf.get_default_session()
        self.num_images, self.names = getattr(fakes, 'num_images', None), getattr(fakes, 'names', no_names)
        self.domains = getattr(fakes, 'domains', None)
        first = next(self._make(1, 0), None)
        if first is None:
            raise UserError('there is nothing to measure: ' + (
                'no images are made' if self.domains is None else 'no pictures of other domains to translate'))
        self.shape = list(first.images().shape[1:])
        self.resolution = image_size.option(*self.shape[1:])

    def minibatches(self, count, size, seed, wanted=None):
        """See the module."""
        total, left, pieces, number = 0, 0, collections.deque(), 0
        for piece in self._make(count, seed):
            total, left = total + piece.count, left + piece.count
            pieces.append(piece)
            while left >= size:
                yield self._take(pieces, size, wanted is None or wanted(number))
                left, number = left - size, number + 1
        if total < count:
            raise ValueError(f'expected {count} fakes, got {total}')
        if left:
            yield self._take(pieces, left, wanted is None or wanted(number))

    def draw(self, *args):
        """See `Domains.draw`."""
        with self._inside():
            return self.domains.draw(*args)

    def _take(self, pieces, count, is_wanted):
        """Removes images from the front of a queue of _Piece and returns them, or `None` if they are not wanted."""
        parts = []
        while count:
            begin, size = pieces[0].begin, min(count, pieces[0].count - pieces[0].begin)
            if is_wanted:
                parts.append(pieces[0].images()[begin:begin + size])
                if list(parts[-1].shape[1:]) != self.shape:
                    raise ValueError(f'expected fakes of {self.shape}, got {list(parts[-1].shape[1:])}')
            pieces[0].begin += size
            if pieces[0].begin == pieces[0].count:
                pieces.popleft()
            count -= size
        return np.concatenate(parts) if is_wanted else None

    def _make(self, count, seed):
        """Yields what the function makes as _Piece."""
        with self._inside():
            made = iter(self._fakes(count, seed))
        while True:
            with self._inside():
                images = next(made, None)
            if images is None:
                return
            if not isinstance(images, Later):
                images = _checked(images)
                images = Later(len(images), lambda images=images: images)
            if images.count:
                yield _Piece(images, self._inside)

    @contextlib.contextmanager
    def _inside(self):
        """Context manager: the function's graph and session are the default ones."""
        with contextlib.ExitStack() as context:
            if self._session is not None:
                context.enter_context(self._session.graph.as_default())
                context.enter_context(self._session.as_default())
            yield


class _Piece:
    """Images of a function, drawn if they are wanted; `begin` = how many are taken."""

    def __init__(self, later, inside):
        self.count, self.begin, self._draw, self._inside, self._images = later.count, 0, later.draw, inside, None

    def images(self):
        """The images, uint8 [count, C, H, W]."""
        if self._images is None:
            with self._inside():
                self._images = _checked(self._draw())
            if len(self._images) != self.count:
                raise ValueError(f'expected a minibatch of {self.count} fakes, got {len(self._images)}')
        return self._images


def _checked(images):
    """The images as an array; raises ValueError if they are no uint8 [N, C, H, W]."""
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f'expected fakes as uint8 [N, C, H, W], got {images.dtype} {list(images.shape)}')
    return images
