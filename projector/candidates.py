"""Points of W: their mean and spread, and candidates, from which it is found where a projection begins.

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
MOST_BYTES = 512 << 20    # of all candidates
BYTES_AT_ONCE = 64 << 20  # of the numbers of the points compared at once, in float32
SCALE = 256               # of the points, so that float16 holds small features as exactly as large ones
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
    """Some points of W and what their images are compared by: where a search may begin.

    Args:
        measure: distances.Distance.
        synthesis: Network that draws the images, with the noise that it stores.
        options: Its options over its own.
    Attributes:
        points: Those of `keep`, [N, 1, D], float32.
        embedded: Their images, see `embed`.
    """

    def __init__(self, measure, synthesis, options):
        self._synthesis, self._options = synthesis, options
        shape = synthesis.output_shape[1:]
        self._batch = max(1, min(BATCH, BATCH_PIXELS // (shape[1] * shape[2])))  # one graph for candidates and targets
        self._images_in = tf.placeholder(tf.float32, [self._batch] + shape)
        features = measure.features(_shrunk(self._images_in, SIDES[measure.name]))
        self._embedding = tf.cast(measure.embedding(features, shape[0]) * SCALE, tf.float16)
        self._size = self._embedding.shape.as_list()[1]
        self.points = self.embedded = None

    def room(self):
        """How many points there can be."""
        return MOST_BYTES // (2 * self._size)

    def keep(self, points):
        """Draws the images of points of W, [N, 1, D], float32."""
        self.points, self.embedded = points, self.draw(points)

    def draw(self, points):
        """What the images of points of W, [N, 1, D], float32, are compared by, see `embed`."""
        found = np.empty([len(points), self._size], np.float16)
        for begin in range(0, len(points), self._batch):
            some = points[begin:begin + self._batch]
            dlatents = np.repeat(filled(some, self._batch), self._synthesis.input_shape[1], axis=1)
            images = self._synthesis.run(
                dlatents, randomize_noise=False, minibatch_size=self._batch, **self._options)
            found[begin:begin + len(some)] = self.embed(images[:len(some)])
        return found

    def embed(self, images):
        """Images [N, C, H, W] as points [N, K] for `squared_distances`: float16, which saves half of the memory."""
        parts = []
        for begin in range(0, len(images), self._batch):
            some = images[begin:begin + self._batch]
            parts.append(tflib.run(self._embedding, {self._images_in: filled(some, self._batch)})[:len(some)])
        return np.concatenate(parts)

    def distances(self, targets):
        """Distances of all candidates from some targets [N, C, H, W]: float32 [N, candidates]."""
        return squared_distances(self.embed(targets), self.embedded)


def squared_distances(points, others):
    """Distances of images by what `Candidates.embed` makes of them.

    Args:
        points, others: [N, K] and [M, K], float16.
    Returns: [N, M], float32, at least 0; infinite where it is not a number, as of a broken network.
    """
    products = np.zeros([len(points), len(others)], np.float32)
    squares, other_squares = np.zeros(len(points), np.float32), np.zeros(len(others), np.float32)
    step = max(1, BYTES_AT_ONCE // (4 * len(others)))
    with np.errstate(invalid='ignore', over='ignore'):
        for begin in range(0, points.shape[1], step):  # so that each number becomes float32 only once
            center = np.float32(others[0, begin:begin + step])  # or rounding would hide how images differ
            some = points[:, begin:begin + step] - center
            rest = some if others is points else others[:, begin:begin + step] - center
            products += some @ rest.T
            squares += np.einsum('nk,nk->n', some, some)
            other_squares += np.einsum('nk,nk->n', rest, rest)
        found = np.maximum(squares[:, np.newaxis] + other_squares - 2 * products, 0) / SCALE ** 2
    found[np.isnan(found)] = np.inf
    return found


def closest(points, distances, rank=0):
    """The points [N, 1, D] that `rank` others are closer than to each of N targets, by distances [N, points]."""
    return points[np.argsort(distances, axis=1)[:, min(rank, distances.shape[1] - 1)]]


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
