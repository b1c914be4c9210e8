"""DCGAN's networks (Radford et al. 2016, section 3) with 4x4 kernels, as OSGAN (Shen et al. 2021) has them.

A level more or less doubles or halves the largest number of feature maps; `fmaps` is that at half the size of the
images. Scopes are called `4x4`, `8x8`, ... by the size of what a layer of G makes and a layer of D is given, in
square networks of as many levels; each holds `weight`, `bias` and, where there is a normalization, `Norm`.

What other networks can be made of: `first_layer` and `up_blocks` of a generator; `trunk` (feature maps of the base
block) and `last_layer` (any number of outputs) of a discriminator.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training import image_size
from training.blocks import norm as norms
from training.blocks import conditions, plain

NORMS = ('batch', 'group', 'layer', 'none')
GROUPS = 32  # of feature maps, in group norm; as in OSGAN


def G_dcgan(
        latents_in,                 # Z [N, latent_size].
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        latent_size=100,            # Dimensions of Z; as published.
        fmaps=64,                   # Feature maps at half the size of the images; as published, OSGAN has 128.
        norm='batch',               # Normalization: see NORMS.
        condition='concat',         # How labels enter: see conditions.latents_of.
        latents='normal',           # What commands draw Z from, see dnnlib.latents.
        is_training=False,          # Batch norm: use and store the statistics of the minibatch, not the stored ones?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Generator: images [N, C, H, W] in [-1, 1]."""
    del latents, is_template_graph, components
    latents_in.set_shape([None, latent_size])
    labels_in.set_shape([None, label_size])
    x, labels = conditions.latents_of(latents_in, labels_in, condition)
    size, finish = _size(resolution), normalization(norm, is_training, tf.nn.relu, labels)
    with tf.variable_scope('4x4'):
        x = finish(first_layer(x, fmaps << size.doublings - 1, size.at(2)))
    x = up_blocks(x, size, fmaps, finish)
    with tf.variable_scope(_scope(size.num_levels)):
        x = tf.nn.tanh(plain.conv_transpose_layer(x, num_channels, 4, SETTING))
    return tf.identity(layout.to_nchw(x), name='images_out')


def D_dcgan(
        images_in,                  # Images [N, C, H, W] in [-1, 1].
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        fmaps=64,                   # Feature maps at half the size of the images; as published, OSGAN has 128.
        norm='batch',               # Normalization, of all layers but the first and the last: see NORMS.
        condition='dot',            # How labels enter: see conditions.last_layer.
        is_training=False,          # As of G_dcgan.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Discriminator: scores [N, 1], logits of being real; with a classifier see conditions.last_layer."""
    del is_template_graph, components
    images_in.set_shape([None, num_channels] + _size(resolution).shape)
    labels_in.set_shape([None, label_size])
    x = conditions.map_layer(images_in, labels_in, SETTING) if condition == 'concat' and label_size else images_in
    x = trunk(x, _size(resolution), fmaps, normalization(norm, is_training, plain.lrelu))

    def linear(outputs):
        with tf.variable_scope('4x4'):
            return last_layer(x, outputs)
    return conditions.last_layer(linear, lambda: tf.reduce_sum(x, axis=layout.spatial_axes()), labels_in, condition)


SETTING = plain.Setting(init='normal', gain=0.02, bias=True)


def first_layer(x, fmaps, shape):
    """Feature maps of [height, width] from vectors [N, C], by a transposed convolution of as large a kernel."""
    w, b = plain.variables(shape + [fmaps, x.shape.as_list()[1]], fmaps, SETTING, True)
    x = tf.matmul(x, tf.reshape(tf.transpose(w, [3, 2, 0, 1]), [-1, fmaps * int(np.prod(shape))]))
    return layout.from_nchw(tf.reshape(x, [-1, fmaps] + shape)) + layout.per_channel(b)


def up_blocks(x, size, fmaps, finish):
    """Feature maps of half the size of the images from those of the base block; arguments as of `trunk`."""
    for r in range(3, size.num_levels):
        with tf.variable_scope(_scope(r)):
            x = finish(plain.conv_transpose_layer(x, fmaps << size.num_levels - 1 - r, 4, SETTING))
    return x


def trunk(images_in, size, fmaps, finish):
    """Feature maps of the base block from images [N, C, H, W].

    Args:
        images_in: The images.
        size: image_size.ImageSize.
        fmaps: See `D_dcgan`.
        finish: What `normalization` returned.
    """
    x = layout.from_nchw(images_in)
    for r in range(size.num_levels, 2, -1):
        with tf.variable_scope(_scope(r)):
            x = plain.conv_layer(x, fmaps << size.num_levels - r, 4, SETTING, stride=2, pad=1)
            x = plain.lrelu(x) if r == size.num_levels else finish(x)
    return x


def last_layer(x, outputs):
    """Numbers [N, outputs] of feature maps, by a convolution whose kernel is as large."""
    x = layout.to_nchw(x)
    channels, height, width = x.shape.as_list()[1:]
    w, b = plain.variables([height, width, channels, outputs], outputs, SETTING, True)
    return tf.matmul(tf.reshape(x, [-1, channels * height * width]),
                     tf.reshape(tf.transpose(w, [2, 0, 1, 3]), [-1, outputs])) + b


def normalization(norm, is_training, act, labels=None):
    """Function of feature maps that normalizes them, with a scale and a mean for each channel, and activates them.

    Args:
        norm: One of NORMS.
        is_training: See `G_dcgan`.
        act: Function.
        labels: [N, L], whose scales and means it has; None = the same for all.
    Raises: UserError for another norm.
    """
    if norm not in NORMS:
        raise UserError(f'norm must be one of {", ".join(NORMS)}, not {norm!r}')

    def finish(x):
        if norm == 'none':
            return act(x)
        with tf.variable_scope('Norm'):
            if norm == 'batch':
                x = norms.normalize_layer(x, norms.Statistics(is_training))
            else:
                x = norms.group_norm(x, GROUPS if norm == 'group' else 1)
            return act(norms.scale_layer(x, labels))
    return finish


def _size(resolution):
    """The ImageSize of an option `resolution`; raises UserError if there is no level above the base block."""
    size = image_size.parse(resolution)
    if not size.doublings:
        raise UserError('a network of DCGAN draws images of 8x8 pixels or more; give another --resolution')
    return size


def _scope(r):
    return f'{2 ** r}x{2 ** r}'
