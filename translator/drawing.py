"""Translating images of any size with one network: in its own graph for each size, whole or in tiles."""

import contextlib
import gc

import numpy as np
import PIL.Image
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.seeds import step_seed
from dnnlib.tflib import graphs, random
from training import pretrained
from translator import tiles

MAX_SIZES = 16  # whose graphs, of 5 MB and more each, are kept; then all are given up and the network is loaded again


class Translator:
    """The translator of a file, in a graph and a session of its own; to be closed.

    Args:
        files: networks.Files.
        kind: networks.Kind of them.
        mode: networks.Mode.
        tf_config: See `tflib.init_tf`.
    Raises: UserError or OSError as `pretrained.load_file`.
    """

    def __init__(self, files, kind, mode, tf_config=None):
        self.kind, self._files, self._mode, self._tf_config = kind, files, mode, tf_config
        self._options, self._session = kind.run_options(mode), None
        self._open()

    def _open(self):
        """Loads the networks into a new graph, in which nothing else is."""
        self.close()
        kind, files, self._sizes = self.kind, self._files, {}
        try:
            with tf.Graph().as_default():
                self._session = tflib.create_session(self._tf_config)
                with self._session.as_default():
                    found = dict(pretrained.load_file(files.network, [kind.name, kind.encoder]).networks)
                    if files.encoder is not None:
                        found[kind.encoder] = pretrained.load_file(files.encoder, [kind.encoder]).networks[kind.encoder]
        except BaseException:
            self.close()
            raise
        self._network, self._encoder = found[kind.name], found.get(kind.encoder)

    def close(self):
        """Closes the session and gives its memory back; may be called again."""
        if self._session is None:
            return
        self._session.close()
        graphs.forget_graph(self._session.graph)
        self._session = self._network = self._encoder = self._sizes = None
        gc.collect()  # a graph refers to itself

    @contextlib.contextmanager
    def _inside(self, size):
        """Context manager: graph and session are the default ones. Yields what is built for a size, a dictionary."""
        if size not in self._sizes and len(self._sizes) >= MAX_SIZES:
            self._open()
        self._sizes.setdefault(size, {})
        with self._session.graph.as_default(), self._session.as_default():
            yield self._sizes[size]

    def translate(self, image, key):
        """The translation of an image.

        Args:
            image: float32 [C, H, W], pictures in [-1, 1].
            key: Text that tells images apart, so that each has its own noise whatever the order.
        Returns: float32 [C, H, W], around [-1, 1].
        """
        size = image.shape[1:]
        if self.kind.fixed is not None:
            return resized(self._run(resized(image, self.kind.fixed), key, 0), size)
        tile, multiple = self._mode.tile, self.kind.multiple
        padded, corner = tiles.pad(image, multiple)
        if tile is None:
            result = self._run(padded, key, 0)
        else:
            overlap = tile // 4 if self._mode.overlap is None else self._mode.overlap
            result = tiles.in_tiles(padded, tile, overlap, multiple, lambda part, number: self._run(part, key, number))
        return tiles.crop(result, corner, size)

    def random(self, key):
        """RandomState for an image, a function of seed and key, other than those of `translate`."""
        return np.random.RandomState(step_seed(self._mode.seed, 1, key, 0))

    def describe(self, image, instances):
        """What pix2pixHD's encoder says of the instances of an image: float32 [features, H, W].

        Args:
            image: float32 [C, H, W] in [-1, 1].
            instances: Numbers of instances [1, H, W].
        """
        padded, corner = tiles.pad(image, self.kind.multiple)
        instances = tiles.pad(instances, self.kind.multiple)[0]
        with self._inside(padded.shape[1:]):
            found = self._encoder.run(padded[np.newaxis], instances[np.newaxis], resolution=list(padded.shape[1:]))
        return tiles.crop(found[0], corner, image.shape[1:])

    def _run(self, image, key, number):
        """The network's result for an image of a size that it takes; `number` of the tile."""
        seed = step_seed(self._mode.seed, 0, key, number)
        with self._inside(image.shape[1:]) as built:
            if 'network' not in built:
                built['network'] = self._build(image.shape)
            image_in, seed_in, output = built['network']
            return tflib.run(output, {image_in: image[np.newaxis], seed_in: seed})[0]

    def _build(self, shape):
        """(placeholders of an image [C, H, W] and of a seed, what the network makes of them)."""
        image, seed = tf.placeholder(tf.float32, (1,) + shape), tf.placeholder(tf.int64, [2])
        with random.seeded(seed):
            outputs = self._network.get_output_for(
                image, return_as_list=True, resolution=list(shape[1:]), **self._options)
        return image, seed, outputs[0]


def resized(image, size):
    """An image [C, H, W] at another size = (height, width), by Pillow's bicubic filter, channel by channel."""
    if tuple(image.shape[1:]) == tuple(size):
        return image
    return np.stack([np.asarray(PIL.Image.fromarray(np.float32(channel)).resize(
        (size[1], size[0]), PIL.Image.BICUBIC)) for channel in image])
