"""Layers of BigGAN and its relatives: batch norm that depends on the class, self-attention, their initial weights."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import norm, plain, spectral
from training.blocks.resample import max_down

NORMS = ('batch', 'standing', 'slow')


class Setting(NamedTuple):
    """What the layers of one network have in common."""
    init: str                     # name in INITIALS
    weights: spectral.Saved       # how weights are normalized; None = they are not
    statistics: norm.Statistics = None  # what batch norm stores; None = the network has none
    act: object = tf.nn.relu      # activation

    def layer(self, **changes):
        """plain.Setting of a layer; `changes`: fields of spectral.Saved."""
        if self.weights is None:
            return plain.Setting(norm='batch', init=functools.partial(initializers, self.init), bias=True)
        saved = self.weights._replace(**changes)
        return plain.Setting(norm='batch', init=functools.partial(initializers, self.init), bias=True,
                             normalize=lambda weight: spectral.normalize_saved(weight, saved))


INITIALS = ('orthogonal', 'normal', 'xavier', 'xavier_zero')


def initializers(name, shape):
    """Initializers of a layer, (weight, bias), as the published programs choose them.

    Args:
        name: 'orthogonal' (Saxe et al. 2014); 'normal': N(0, 0.02); 'xavier' (Glorot and Bengio 2010, equation 16):
            uniform; all with biases U(-1, 1) / sqrt(fan-in). 'xavier_zero', SAGAN's: the same weights, biases 0.
        shape: Of the weight.
    """
    fan_in, fan_out = np.prod(shape[:-1]), np.prod(shape[:-2]) * shape[-1]
    limit, bias_limit = np.sqrt(6 / (fan_in + fan_out)), 1 / np.sqrt(fan_in)
    weight = {'orthogonal': tf.initializers.orthogonal(), 'normal': tf.initializers.random_normal(0, 0.02)}.get(
        name, tf.initializers.random_uniform(-limit, limit))
    is_zero = name == 'xavier_zero'
    return weight, tf.initializers.zeros() if is_zero else tf.initializers.random_uniform(-bias_limit, bias_limit)


def check(init, norm_name=NORMS[0]):
    """Raises UserError for an unknown init or norm."""
    for option, value, known in (('init', init, INITIALS), ('norm', norm_name, NORMS)):
        if value not in known:
            raise UserError(f'{option} must be one of {", ".join(known)}, not {value!r}')


def table(name, rows, columns, init):
    """A variable of one row of numbers for each class: [rows, columns]."""
    with tf.variable_scope(name):
        return tf.get_variable('weight', [rows, columns], initializer=initializers(init, [rows, columns])[0])


def class_norm_layer(x, condition, setting, is_embedded):
    """Batch norm whose scale and mean depend on the class (Dumoulin et al. 2017; Brock et al. 2019, appendix B).

    Args:
        x: Feature maps.
        condition: What they depend on, [N, size]: a vector that dense layers look at, or shares of the classes.
        setting: Setting.
        is_embedded: Is it such a vector? Otherwise each class has scales and means of its own.
    """
    channels = x.shape.as_list()[layout.channel_axis()]
    x = norm.normalize_layer(x, setting.statistics)
    found = []
    for name in ('Gain', 'Bias'):
        if is_embedded:
            with tf.variable_scope(name):
                found.append(plain.dense_layer(condition, channels, setting.layer(), use_bias=False))
        elif setting.init == 'xavier_zero':  # SAGAN's: all classes begin alike
            with tf.variable_scope(name):
                found.append(tf.matmul(condition, tf.get_variable(
                    'weight', [condition.shape.as_list()[1], channels], initializer=tf.initializers.zeros())))
        else:
            found.append(tf.matmul(condition, table(name, condition.shape.as_list()[1], channels, setting.init)))
    gain, bias = (layout.per_channel(value) for value in found)
    return x * (1 + gain) + bias


def norm_layer(x, setting, **changes):
    """Batch norm with a gain and a bias for each channel; `changes`: fields of norm.Statistics."""
    channels = x.shape.as_list()[layout.channel_axis()]
    x = norm.normalize_layer(x, setting.statistics._replace(**changes))
    gain = tf.get_variable('gain', [channels], initializer=tf.initializers.ones())
    bias = tf.get_variable('bias', [channels], initializer=tf.initializers.zeros())
    return x * layout.per_channel(gain) + layout.per_channel(bias)


def attention_layer(x, setting):
    """Feature maps plus `gamma` times what every position finds at those it attends to (Zhang et al. 2019, section 3).

    As published, keys and values are those of the largest of every 2x2 pixels, and gamma begins at 0.

    Args:
        x: Feature maps of at least 8 channels.
        setting: Setting.
    """
    channels = x.shape.as_list()[layout.channel_axis()]
    if channels < 8:
        raise UserError(f'attention needs at least 8 feature maps, but there are {channels}; give more fmaps, or '
                        'attention=[]')

    def mapped(name, source, fmaps):
        with tf.variable_scope(name):
            return plain.conv_layer(source, fmaps, 1, setting.layer(), use_bias=False)
    theta = _positions(mapped('Theta', x, channels // 8))
    phi = _positions(max_down(mapped('Phi', x, channels // 8)))
    found = _positions(max_down(mapped('G', x, channels // 2)))
    found = tf.matmul(tf.nn.softmax(tf.matmul(theta, phi, transpose_b=True)), found)
    height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
    found = tf.reshape(found, [-1, height, width, channels // 2])
    found = tf.transpose(found, [0, 3, 1, 2]) if layout.data_format() == 'NCHW' else found
    gamma = tf.get_variable('gamma', [], initializer=tf.initializers.zeros())
    return x + gamma * mapped('O', found, channels)


def _positions(x):
    """[N, positions, C] of feature maps."""
    x = tf.transpose(x, [0, 2, 3, 1]) if layout.data_format() == 'NCHW' else x
    height, width, channels = x.shape.as_list()[1:]
    return tf.reshape(x, [-1, height * width, channels])
