"""Normalization of feature maps: by image and channel, by channel, by image, and mixtures whose scales depend on data.

Feature maps are in the layout of the graph. Epsilon is PyTorch's and stands inside the root.
"""

import math
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives, layout, random

EPSILON = 1e-5
MOMENTUM = 0.1  # share of a minibatch in the stored statistics; PyTorch's default


def instance_norm(x):
    """Every channel of every image with mean 0 and variance 1 (Ulyanov et al. 2016, equation 4)."""
    return _normalized(x, layout.spatial_axes(), False)


def instance_norm_layer(x):
    """Instance norm, then a learned standard deviation `gamma` and mean `beta` for each channel."""
    channels = x.shape.as_list()[layout.channel_axis()]
    gamma = tf.get_variable('gamma', [channels], initializer=tf.initializers.ones())
    beta = tf.get_variable('beta', [channels], initializer=tf.initializers.zeros())
    return instance_norm(x) * layout.per_channel(gamma) + layout.per_channel(beta)


def ada_in(x, gamma, beta):
    """Adaptive instance normalization (Huang and Belongie 2017, equation 8): (1 + gamma) * instance norm + beta.

    Args:
        x: Feature maps.
        gamma, beta: Of each image, [N, C].
    """
    return (1 + layout.per_channel(gamma)) * instance_norm(x) + layout.per_channel(beta)


def layer_norm(x, is_unbiased=False):
    """Every image with mean 0 and variance 1 over all its channels (Ba et al. 2016, equation 3).

    `is_unbiased`: divide by the estimate of the variance whose mean is right, n / (n - 1) times the usual one?
    """
    return _normalized(x, (1, 2, 3), is_unbiased)


def group_norm(x, groups):
    """Every group of neighboring channels of every image with mean 0 and variance 1 (Wu and He 2018, equation 2).

    Args:
        x: Feature maps.
        groups: How many, at most: as many of them as channels can be divided by.
    """
    channels = x.shape.as_list()[layout.channel_axis()]
    groups = math.gcd(groups, channels)
    height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
    parts = [groups, channels // groups]
    is_nchw = layout.channel_axis() == 1
    grouped = tf.reshape(x, [-1] + (parts + [height, width] if is_nchw else [height, width] + parts))
    return tf.reshape(_normalized(grouped, (2, 3, 4) if is_nchw else (1, 2, 4), False), tf.shape(x))


def scale_layer(x, labels=None):
    """x times a learned standard deviation `gamma`, plus a learned mean `beta`, of each channel; at first 1 and 0.

    `labels` [N, L]: each label has its own, [L, C].
    """
    shape = [x.shape.as_list()[layout.channel_axis()]]
    shape = shape if labels is None else [labels.shape.as_list()[1]] + shape
    gamma = tf.get_variable('gamma', shape, initializer=tf.initializers.ones())
    beta = tf.get_variable('beta', shape, initializer=tf.initializers.zeros())
    if labels is not None:
        gamma, beta = tf.matmul(labels, gamma), tf.matmul(labels, beta)
    return x * layout.per_channel(gamma) + layout.per_channel(beta)


def _normalized(x, axes, is_unbiased):
    mean, variance = _moments(x, axes)
    if is_unbiased:
        variance *= _bessel(x, axes)
    return (x - mean) * tf.rsqrt(variance + EPSILON)


def _moments(x, axes):
    mean = tf.reduce_mean(x, axis=axes, keepdims=True)
    return mean, tf.reduce_mean(tf.square(x - mean), axis=axes, keepdims=True)


def _bessel(x, axes):
    """n / (n - 1) for n values."""
    n = tf.cast(tf.reduce_prod([tf.shape(x)[axis] for axis in axes]), tf.float32)
    return n / (n - 1)


def norm_layer(x, setting):
    """The normalization that a network is built with; see `plain.Setting`. Batch norm has variables in `Norm`."""
    if setting.norm == 'instance':
        return instance_norm(x)
    if setting.norm == 'instance_affine':
        with tf.variable_scope('Norm'):
            channels = x.shape.as_list()[layout.channel_axis()]
            scale, mean = (layout.per_channel(tf.get_variable(name, [channels], initializer=initial)) for name, initial
                           in (('gamma', tf.initializers.ones()), ('beta', tf.initializers.zeros())))
            return instance_norm(x) * scale + mean
    if setting.norm == 'batch':
        with tf.variable_scope('Norm'):
            return batch_norm_layer(x, setting)
    return x


def batch_norm_layer(x, setting):
    """Every channel with mean `beta` and standard deviation `gamma` (Ioffe and Szegedy 2015, algorithm 1).

    Training stores moving averages of mean and unbiased variance, one evaluation after the other.

    Args:
        x: Feature maps.
        setting: plain.Setting.
    """
    channels, axes = x.shape.as_list()[layout.channel_axis()], (0,) + layout.spatial_axes()
    ones, zeros = tf.initializers.ones(), tf.initializers.zeros()
    is_drawn = setting.init != 'uniform'
    gamma = tf.get_variable('gamma', [channels],
                            initializer=tf.initializers.random_normal(1, setting.gain) if is_drawn else ones)
    beta = tf.get_variable('beta', [channels], initializer=zeros)
    stored = [tf.get_variable(name, [channels], initializer=initial, trainable=False, use_resource=True)
              for name, initial in (('moving_mean', zeros), ('moving_variance', ones))]
    if setting.batch_statistics:
        mean, variance = _moments(x, axes)
        if setting.stores_statistics:
            seen = [tf.reshape(value, [channels]) for value in (mean, variance * _bessel(x, axes))]
            with tf.control_dependencies(_store(stored, seen)):
                mean = tf.identity(mean)
    else:
        mean, variance = (layout.per_channel(variable.read_value()) for variable in stored)
    scale = layout.per_channel(gamma) * tf.rsqrt(variance + EPSILON)
    return (x - mean) * scale + layout.per_channel(beta)


def _store(variables, values, change=lambda old, one: old + (one - old) * MOMENTUM):
    """Operations that move variables toward values, after those of other evaluations in the same session call.

    As the rounds of one worker would: first toward what one worker saw in all evaluations so far, then toward what the
    next one saw. So each evaluation begins again at what was stored before the session call, and the last one counts.
    `change`: function of the old value and the one seen that returns the new value.
    """
    notes, updates = random.notes(), []
    for variable, value in zip(variables, values):
        gathered = collectives.all_gather(value)
        before, seen, last = notes.get(variable.name, (None, [], []))
        is_alone = len(gathered) == 1  # which goes on from the evaluation before
        seen = [gathered] if is_alone else seen + [gathered]
        with tf.control_dependencies(last):
            new = variable.read_value() if is_alone or before is None else tf.identity(before)
        before = new if before is None else before
        for of_worker in zip(*seen):
            for one in of_worker:
                new = change(new, one)
        last = [tf.assign(variable, new)]
        notes[variable.name] = before, seen, last
        updates += last
    return updates


class Statistics(NamedTuple):
    """What `normalize_layer` stores."""
    is_training: bool = False  # look at the minibatch, and store what is seen?
    epsilon: float = EPSILON   # added to the variance
    momentum: float = MOMENTUM  # share of a minibatch in what is stored
    has_sums: bool = False     # can the mean over some minibatches take its place (BigGAN's standing statistics)?
    sums: bool = False         # add up such minibatches?
    is_biased: bool = False    # store the variance of the minibatch, instead of the estimate whose mean is right?


def normalize_layer(x, statistics):
    """Every channel with mean 0 and variance 1, over the minibatch in training, otherwise by what was stored.

    Args:
        x: Feature maps.
        statistics: Statistics; with `has_sums` the variance is E[x^2] - E[x]^2 and stored so, as published.
    """
    channels, axes = x.shape.as_list()[layout.channel_axis()], (0,) + layout.spatial_axes()
    zeros, ones = tf.initializers.zeros(), tf.initializers.ones()
    names = [('moving_mean', zeros, [channels]), ('moving_variance', ones, [channels])]
    names += [('count', zeros, [])] if statistics.has_sums else []
    stored = [tf.get_variable(name, shape, initializer=initial, trainable=False, use_resource=True)
              for name, initial, shape in names]
    if not statistics.is_training:
        mean, variance = (layout.per_channel(variable.read_value()) for variable in stored[:2])
        if statistics.has_sums:
            number = tf.maximum(stored[2].read_value(), 1)
            mean, variance = mean / number, variance / number
        return (x - mean) * tf.rsqrt(variance + statistics.epsilon)
    if statistics.has_sums:
        mean = tf.reduce_mean(x, axis=axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x), axis=axes, keepdims=True) - tf.square(mean)
    else:
        mean, variance = _moments(x, axes)
    is_biased = statistics.has_sums or statistics.is_biased
    seen = [tf.reshape(value, [channels]) for value in (mean, variance if is_biased else variance * _bessel(x, axes))]
    if statistics.sums and statistics.has_sums:
        updates = _store(stored, seen + [tf.constant(1.0)], lambda old, one: old + one)
    else:
        updates = _store(stored, seen, lambda old, one: old + (one - old) * statistics.momentum)
    with tf.control_dependencies(updates):
        mean = tf.identity(mean)
    return (x - mean) * tf.rsqrt(variance + statistics.epsilon)


def ada_lin(x, rho, gamma, beta, is_unbiased=True):
    """Adaptive layer-instance normalization (Kim et al. 2020, equation 1).

    Args:
        x: Feature maps.
        rho: Share of the instance norm in the mixture with the layer norm, [C].
        gamma, beta: Scale and mean of each channel, [N, C] or [C].
        is_unbiased: Divide by unbiased estimates of the variances, as PyTorch's release does?
    """
    rho, gamma, beta = (layout.per_channel(value) for value in (rho, gamma, beta))
    by_channel = _normalized(x, layout.spatial_axes(), is_unbiased)
    return (rho * by_channel + (1 - rho) * layer_norm(x, is_unbiased)) * gamma + beta
