"""Latents, labels and dlatents: what the generators of StyleGAN 1 and 2 do before synthesis."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from dnnlib.tflib import random
from training.blocks import layers


def join_label(latents_in, labels_in, sizes, normalize, dtype):
    """Input of the mapping network: latents [N, latent_size] concatenated with an embedding of the labels.

    Args:
        latents_in, labels_in: The network's inputs; their shapes are set.
        sizes: [latent_size, label_size]; label_size is 0 without labels.
        normalize: Scale the result to unit second moment?
        dtype: Type of the result.
    Returns: [N, latent_size], or twice as wide with labels.
    """
    latents_in.set_shape([None, sizes[0]])
    labels_in.set_shape([None, sizes[1]])
    x = tf.cast(latents_in, dtype)
    if sizes[1]:
        with tf.variable_scope('LabelConcat'):
            w = tf.get_variable('weight', shape=sizes[::-1], initializer=tf.initializers.random_normal())
            x = tf.concat([x, tf.matmul(tf.cast(labels_in, dtype), tf.cast(w, dtype))], axis=1)
    if normalize:
        with tf.variable_scope('Normalize'):
            x *= tf.rsqrt(tf.reduce_mean(tf.square(x), axis=1, keepdims=True) + layers.EPSILON)
    return x


def map_latents(x, dense, num_layers, fmaps, dlatent_size, dlatent_broadcast):
    """Layers of a mapping network: dlatents [N, dlatent_size], or [N, dlatent_broadcast, dlatent_size].

    Args:
        x: Result of `join_label`.
        dense: dense(x, fmaps): one layer with its activation.
        num_layers: At least 1.
        fmaps: Width of all layers but the last.
        dlatent_size: Width of the last one.
        dlatent_broadcast: Copies of the result; None = a single one, without that axis.
    """
    if num_layers < 1:
        raise UserError('mapping_layers must be at least 1, got %r' % (num_layers,))
    for index in range(num_layers):
        with tf.variable_scope('Dense%d' % index):
            x = dense(x, dlatent_size if index == num_layers - 1 else fmaps)
    if dlatent_broadcast is not None:
        with tf.variable_scope('Broadcast'):
            x = tf.tile(x[:, np.newaxis], [1, dlatent_broadcast, 1])
    return tf.identity(x, name='dlatents_out')


def mix_styles(dlatents, others, probability, num_layers):
    """Style mixing (StyleGAN, section 3.1): layers from a random crossover on take the styles of `others`.

    Args:
        dlatents, others: [N, layers, dlatent_size].
        probability: Probability that the minibatch is mixed at all; one draw for all samples.
        num_layers: Layers in use (fewer than all while growing), int or int32 scalar.
    Returns: [N, layers, dlatent_size].
    """
    num_layers = tf.cast(num_layers, tf.float32)
    crossover = 1 + tf.floor(random.uniform([]) * (num_layers - 1))  # uniform over the integers in [1, num_layers)
    crossover = tf.where(random.uniform([]) < probability, crossover, num_layers)
    layer = tf.range(dlatents.shape.as_list()[1], dtype=tf.float32)[np.newaxis, :, np.newaxis]
    return tf.where(tf.broadcast_to(layer < crossover, tf.shape(dlatents)), dlatents, others)


def truncate(dlatents, dlatent_avg, truncation_psi, truncation_cutoff=None):
    """Truncation trick in W (StyleGAN, appendix B): moves the layers below the cutoff toward the mean of W.

    Args:
        dlatents: [N, layers, dlatent_size].
        dlatent_avg: [dlatent_size].
        truncation_psi: 0 = the mean, 1 = no change; number or tensor.
        truncation_cutoff: Number of layers to truncate; None = all.
    Returns: [N, layers, dlatent_size].
    """
    layer = np.arange(dlatents.shape.as_list()[1])[np.newaxis, :, np.newaxis]
    coefs = tf.ones(layer.shape) * truncation_psi
    if truncation_cutoff is not None:
        coefs = tf.where(tf.constant(layer) < truncation_cutoff, coefs, tf.ones(layer.shape))
    return tflib.lerp(dlatent_avg, dlatents, coefs)
