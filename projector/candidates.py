"""Points of W: their mean and spread, and candidates, of which a projection begins at a close one.

The images of candidates are drawn once and compared with every target, since gradient descent does not get from one
kind of picture to another, say from a cat with a hat to one with a scarf: where it begins decides.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from generator import drawing

MAPPING_BATCH = 1000  # latents mapped at once
SEED = 321  # of candidates: other points than those whose mean is taken
SIDES = {'lpips-vgg': 32, 'lpips-alex': 64, 'pixel': 32}  # pixels that images are compared with, or up to twice as many
SMALL = 64 * 64       # pixels of an image up to which there are as many candidates as are asked for
ALL_PIXELS = 1 << 22  # of the candidates of larger images together, since these take longer to draw
LEAST = 64            # candidates, of the largest images
MOST_BYTES = 512 << 20    # of all features
BYTES_AT_ONCE = 64 << 20  # of the features compared with a target at once
BATCH = 16                # images drawn at once, at most
BATCH_PIXELS = 1 << 16    # of the images drawn at once


def measure_dlatents(mapping, num_samples, seed=123, label=None):
    """Center and spread of W.

    Args:
        mapping: Mapping network; nothing is truncated.
        num_samples: Number of latents drawn with NumPy's `RandomState(seed)`.
        seed: Their seed.
        label: Label of all samples, [label_size]; `None` = zeros.
    Returns: (mean [1, 1, D] float32, root of the mean squared distance to it: summed over D, not averaged).
    """
    dlatents = map_latents(mapping, np.random.RandomState(seed).randn(num_samples, *mapping.input_shape[1:]), label)
    mean = np.mean(dlatents, axis=0, keepdims=True)
    return mean, float(np.sqrt(np.sum(np.square(dlatents - mean)) / num_samples))


def map_latents(mapping, latents, label=None):
    """Points of W [N, 1, D], float32, of latents [N, ...]; see `measure_dlatents`."""
    batches = []
    for begin in range(0, len(latents), MAPPING_BATCH):
        batch = latents[begin:begin + MAPPING_BATCH]
        labels = None if label is None else np.tile(np.float32(label), [len(batch), 1])
        batches.append(mapping.run(*drawing.inputs_of(mapping, batch, labels))[:, :1])  # all layers are equal
    return np.concatenate(batches)


def points(mapping, mean, count, label=None):
    """The first `count` candidates, at least two: the mean of W, [1, 1, D], and random points; [N, 1, D], float32."""
    latents = np.random.RandomState(SEED).randn(max(count - 1, 1), *mapping.input_shape[1:])
    return np.concatenate([mean, map_latents(mapping, latents, label)])


def number_of(wanted, shape):
    """How many candidates there are where `wanted` are asked for, for images of a shape [C, H, W]."""
    pixels = shape[1] * shape[2]
    return wanted if pixels <= SMALL else min(wanted, max(LEAST, ALL_PIXELS // pixels))


class Candidates:
    """The features of some images, and their distances from others.

    Args:
        measure: distances.Distance.
        shape: [C, H, W] of the images.
    """

    def __init__(self, measure, shape):
        self._batch = max(1, min(BATCH, BATCH_PIXELS // (shape[1] * shape[2])))  # one graph for candidates and targets
        self._images_in = tf.placeholder(tf.float32, [self._batch] + list(shape))
        self._features = measure.features(_shrunk(self._images_in, SIDES[measure.name]))
        self._bytes = sum(2 * feature.shape[1:].num_elements() for feature in self._features)
        self._kept = None  # float16 saves half of the memory, and chooses alike
        self._kept_in = [tf.placeholder(tf.float16, [None] + feature.shape.as_list()[1:]) for feature in self._features]
        self._target_in = [tf.placeholder(tf.float32, [1] + feature.shape.as_list()[1:]) for feature in self._features]
        self._distances = measure.distance(
            [tf.cast(kept, tf.float32) for kept in self._kept_in], self._target_in, shape[0])

    def room(self):
        """How many images there can be."""
        return MOST_BYTES // self._bytes

    def draw(self, synthesis, points, options):
        """Keeps the features of the images of points of W, drawn with the noise that the synthesis network stores.

        Args:
            synthesis: Network.
            points: [N, 1, D], float32.
            options: Options of the network over its own.
        """
        self._kept = [np.empty([len(points)] + feature.shape.as_list()[1:], np.float16) for feature in self._features]
        for begin in range(0, len(points), self._batch):
            some = points[begin:begin + self._batch]
            dlatents = np.repeat(filled(some, self._batch), synthesis.input_shape[1], axis=1)
            images = synthesis.run(dlatents, randomize_noise=False, minibatch_size=self._batch, **options)
            for kept, found in zip(self._kept, self._features_of(images[:len(some)])):
                kept[begin:begin + len(some)] = found

    def _features_of(self, images):
        """Features of at most as many images as are drawn at once, list of arrays."""
        found = tflib.run(self._features, {self._images_in: filled(images, self._batch)})
        return [feature[:len(images)] for feature in found]

    def distances(self, targets):
        """Distances of all candidates from some targets [N, C, H, W]: float32 [N, candidates]."""
        rows, step = [], max(1, BYTES_AT_ONCE // self._bytes)
        for first in range(0, len(targets), self._batch):
            for target in zip(*self._features_of(targets[first:first + self._batch])):
                feed = {given: feature[np.newaxis] for given, feature in zip(self._target_in, target)}
                parts = []
                for begin in range(0, len(self._kept[0]), step):
                    feed.update((given, kept[begin:begin + step]) for given, kept in zip(self._kept_in, self._kept))
                    parts.append(tflib.run(self._distances, feed))
                rows.append(np.concatenate(parts))
        return np.stack(rows)


def filled(values, count):
    """float32 array of `count` rows, as many as a graph takes: the last one is repeated."""
    values = np.asarray(values, np.float32)
    return np.concatenate([values, np.repeat(values[-1:], count - len(values), axis=0)])


def _shrunk(images, side):
    """Images [N, C, H, W] averaged down by the largest power of two that leaves both sides at least `side` pixels."""
    num, channels, height, width = images.shape.as_list()
    factor = 1
    while min(height, width) // (2 * factor) >= side and height % (2 * factor) == width % (2 * factor) == 0:
        factor *= 2
    blocks = tf.reshape(images, [num, channels, height // factor, factor, width // factor, factor])
    return tf.reduce_mean(blocks, axis=[3, 5])
