"""Residual networks of WGAN-GP (Gulrajani et al. 2017, appendix F): of its 64 pixels and, `small`, of CIFAR's 32.

Widths are multiples of `fmaps`; other sizes have as many blocks as it takes to double or halve them.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from training import image_size
from training.blocks import conditions, plain
from training.blocks.resample import mean_down, nearest_up
from training.networks.dcgan import normalization

WIDEST = 3  # doublings of `fmaps`


def _uniform(numerator):
    """plain.Setting of weights uniform with the variance numerator / (fan-in + fan-out), as published."""
    def initializers(shape):
        fans = np.prod(shape[:-1]) + np.prod(shape[:-2]) * shape[-1]
        limit = np.sqrt(3 * numerator / fans)
        return tf.initializers.random_uniform(-limit, limit), tf.initializers.zeros()
    return plain.Setting(init=initializers, bias=True)


INSIDE, OTHER = _uniform(4), _uniform(2)  # layers that ReLU follows or precedes in a block; all others


def G_wgan_resnet(
        latents_in,                 # Z [N, latent_size].
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        latent_size=128,            # Dimensions of Z; as published.
        fmaps=64,                   # Feature maps of the last block; as published, small: 128.
        small=False,                # Have all blocks the same width, as CIFAR's?
        norm='batch',               # Normalization: see dcgan.NORMS.
        condition='norm',           # How labels enter: see conditions.latents_of; as published for CIFAR.
        latents='normal',           # What commands draw Z from, see dnnlib.latents.
        is_training=False,          # Batch norm: use and store the statistics of the minibatch, not the stored ones?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Generator: images [N, C, H, W] in [-1, 1]."""
    del latents, is_template_graph, components
    latents_in.set_shape([None, latent_size])
    labels_in.set_shape([None, label_size])
    size = image_size.parse(resolution)
    widths = [fmaps << (0 if small else min(size.doublings - 1 - i, WIDEST)) for i in range(size.doublings)]
    x, labels = conditions.latents_of(latents_in, labels_in, condition)
    shape = [(widths or [fmaps])[0]] + size.at(2)
    with tf.variable_scope('Input'):
        x = plain.dense_layer(x, int(np.prod(shape)), OTHER)
    x = layout.from_nchw(tf.reshape(x, [-1] + shape))
    finish = normalization(norm, is_training, tf.nn.relu, labels)
    for i, width in enumerate(widths):
        with tf.variable_scope(f'Block{i}'):
            x = _block(x, width, finish, up=nearest_up)
    with tf.variable_scope('Output'):
        x = normalization(norm, is_training, tf.nn.relu)(x)
        x = tf.nn.tanh(plain.conv_layer(x, num_channels, 3, OTHER, pad=1))
    return tf.identity(layout.to_nchw(x), name='images_out')


def D_wgan_resnet(
        images_in,                  # Images [N, C, H, W] in [-1, 1].
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        fmaps=64,                   # Feature maps of the first layer; as published, small: 128.
        small=False,                # CIFAR's: all blocks of the same width, 8x8 at the end, means of feature maps?
        norm='layer',               # Normalization: see dcgan.NORMS; as published with a gradient penalty, small: none.
        condition='classifier',     # How labels enter: see conditions.last_layer; as published for CIFAR.
        is_training=False,          # As of G_wgan_resnet.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Discriminator: see conditions.last_layer."""
    del is_template_graph, components
    size, finish = image_size.parse(resolution), normalization(norm, is_training, tf.nn.relu)
    images_in.set_shape([None, num_channels] + size.shape)
    labels_in.set_shape([None, label_size])
    x = conditions.map_layer(images_in, labels_in, OTHER) if condition == 'concat' and label_size else images_in
    x = _small_trunk(x, size, fmaps, finish) if small else _trunk(x, size, fmaps, finish)

    def linear(outputs):
        with tf.variable_scope('Output'):
            y = tf.reduce_mean(x, axis=layout.spatial_axes()) if small else tf.reshape(
                layout.to_nchw(x), [-1, int(np.prod(x.shape.as_list()[1:]))])
            return plain.dense_layer(y, outputs, OTHER)
    return conditions.last_layer(linear, lambda: tf.reduce_sum(x, axis=layout.spatial_axes()), labels_in, condition)


def _trunk(images, size, fmaps, finish):
    """Feature maps of the base block."""
    with tf.variable_scope('Input'):
        x = plain.conv_layer(layout.from_nchw(images), fmaps, 3, OTHER, pad=1)
    for i in range(size.doublings):
        with tf.variable_scope(f'Block{i}'):
            x = _block(x, fmaps << min(i + 1, WIDEST), finish, down=mean_down)
    return x


def _small_trunk(images, size, fmaps, finish):
    """Feature maps of twice the base block: nothing precedes the first convolution, the last two blocks don't halve."""
    x = layout.from_nchw(images)
    for i in range(size.doublings + 1):
        with tf.variable_scope(f'Block{i}'):
            x = _block(x, fmaps, finish, down=mean_down if i < max(size.doublings - 1, 1) else None, is_first=i == 0)
    return tf.nn.relu(x)


def _block(x, fmaps, finish, up=None, down=None, is_first=False):
    """A residual block; the path around it is averaged before its convolution.

    Args:
        x: Feature maps.
        fmaps: Those that it returns.
        finish: Normalization and activation before each convolution.
        up, down: Functions that change the size: before the first, after the second convolution; None = neither.
        is_first: Is x the image, which nothing normalizes or activates?
    """
    channels = x.shape.as_list()[layout.channel_axis()]
    with tf.variable_scope('Conv0'):
        y = x if is_first else finish(x)
        y = plain.conv_layer(up(y) if up else y, channels if down and not is_first else fmaps, 3, INSIDE, pad=1,
                             use_bias=False)
    with tf.variable_scope('Conv1'):
        y = plain.conv_layer(finish(y), fmaps, 3, INSIDE, pad=1)
    if up or down or channels != fmaps:
        with tf.variable_scope('Skip'):
            x = plain.conv_layer((up or down or (lambda z: z))(x), fmaps, 1, OTHER)
    return x + (down(y) if down else y)
