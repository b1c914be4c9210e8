"""A feature network that is built in no time, for tests of what metrics do with features, whichever they are."""

import hashlib

import numpy as np
import tensorflow.compat.v1 as tf

from metrics import feature_metric
from metrics.features import network, weight_files

WEIGHTS = np.float32(np.random.RandomState(0).randn(48, 6))


class TinyExtractor(network.FeatureNetwork):
    """Projections of the mean colors of 4x4 fields; sides of images are multiples of 4."""

    resize, num_features = 'none', WEIGHTS.shape[1]

    def __init__(self, weights):
        super().__init__('Tiny', weights)

    def features(self, images):
        """[N, 6] of images [N, C, H, W]."""
        images = network.as_rgb(images)
        height, width = images.shape.as_list()[2:]
        fields = tf.reduce_mean(tf.reshape(images, [-1, 3, 4, height // 4, 4, width // 4]), axis=[3, 5])
        return tf.nn.relu(self.multiply(tf.reshape(fields, [-1, 48]) / 255, 'projection'))

    def probabilities(self, images):
        """[N, 6], of the features."""
        return tf.nn.softmax(self.features(images))


def features(images):
    """The same in NumPy."""
    count, _, height, width = images.shape
    fields = np.float64(images).reshape(count, 3, 4, height // 4, 4, width // 4).mean(axis=(3, 5))
    return np.maximum(fields.reshape(count, 48) / 255 @ WEIGHTS, 0)


def load():
    """Weights and their file, as the modules of `metrics.features` return them."""
    return {'projection': WEIGHTS}, weight_files.WeightFile('tiny.pth', hashlib.sha256(WEIGHTS).hexdigest(), b'')


class Module:
    """Stands in for a module of `metrics.features`."""

    load = staticmethod(load)


def use(monkeypatch):
    """Puts it in place of all extractors."""
    for name in feature_metric.EXTRACTORS:
        monkeypatch.setitem(feature_metric.EXTRACTORS, name, (Module, TinyExtractor))
