"""Translating images of any size with one network: in its own graph for each size, whole or in tiles."""

import numpy as np
import PIL.Image
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.seeds import step_seed
from dnnlib.tflib import random
from training import pretrained
from translator import tiles


class Translator:
    """The translator of a file, in the default session, which is set up if there is none.

    Args:
        files: networks.Files.
        kind: networks.Kind of them.
        mode: networks.Mode.
    Raises: UserError or OSError as `pretrained.load_file`.
    """

    def __init__(self, files, kind, mode):
        found = dict(pretrained.load_file(files.network, [kind.name, kind.encoder]).networks)
        if files.encoder is not None:
            found[kind.encoder] = pretrained.load_file(files.encoder, [kind.encoder]).networks[kind.encoder]
        self.kind, self._mode, self._graphs = kind, mode, {}
        self._network, self._encoder = found[kind.name], found.get(kind.encoder)
        self._options = kind.run_options(mode)

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

    def describe(self, image, instances):
        """What pix2pixHD's encoder says of the instances of an image: float32 [features, H, W].

        Args:
            image: float32 [C, H, W] in [-1, 1].
            instances: Numbers of instances [1, H, W].
        """
        padded, corner = tiles.pad(image, self.kind.multiple)
        instances = tiles.pad(instances, self.kind.multiple)[0]
        found = self._encoder.run(padded[np.newaxis], instances[np.newaxis], resolution=list(padded.shape[1:]))
        return tiles.crop(found[0], corner, image.shape[1:])

    def _run(self, image, key, number):
        """The network's result for an image of a size that it takes; `number` of the tile."""
        image_in, seed_in, output = self._graph(image.shape)
        seed = step_seed(self._mode.seed, 0, key, number)
        return tflib.run(output, {image_in: image[np.newaxis], seed_in: seed})[0]

    def _graph(self, shape):
        if shape not in self._graphs:
            image = tf.placeholder(tf.float32, (1,) + shape)
            seed = tf.placeholder(tf.int64, [2])
            with random.seeded(seed):
                outputs = self._network.get_output_for(
                    image, return_as_list=True, resolution=list(shape[1:]), **self._options)
            self._graphs[shape] = image, seed, outputs[0]
        return self._graphs[shape]


def resized(image, size):
    """An image [C, H, W] at another size = (height, width), by Pillow's bicubic filter, channel by channel."""
    if tuple(image.shape[1:]) == tuple(size):
        return image
    return np.stack([np.asarray(PIL.Image.fromarray(np.float32(channel)).resize(
        (size[1], size[0]), PIL.Image.BICUBIC)) for channel in image])
