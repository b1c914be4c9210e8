"""StarGAN (Choi et al. 2018, appendix), as its PyTorch release computes it.

A generator that is told the labels of the result, and a discriminator that finds them.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import plain
from training.blocks.norm import instance_norm_layer

NUM_DOWNS = 2
SLOPE = 0.01  # of the discriminator's ReLU


def G_stargan(
        images_in,                  # Images [N, num_channels, H, W].
        labels_in,                  # Labels of the results [N, given_size(label_sizes)].
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images, or (height, width).
        label_sizes=(5,),           # Number of labels of each dataset; of several, which one is meant follows.
        fmaps=64,                   # Feature maps of the first layer, doubled where the size is halved; as published.
        num_blocks=6,               # Residual blocks; as published.
        init='uniform',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Translates images to what labels say: [N, num_channels, H, W] in [-1, 1].

    Normalization always takes the statistics of each image; the published program stores others, which it never reads.
    """
    plain.check_multiple(resolution, 2 ** NUM_DOWNS)
    height, width = plain.sides(resolution)
    images_in.set_shape([None, num_channels, height, width])
    labels_in.set_shape([None, given_size(label_sizes)])
    setting = plain.Setting(init=init, bias=False)
    planes = tf.tile(labels_in[:, :, tf.newaxis, tf.newaxis], [1, 1, height, width])
    x = layout.from_nchw(tf.concat([images_in, planes], axis=1))
    with tf.variable_scope('Input'):
        x = tf.nn.relu(instance_norm_layer(plain.conv_layer(x, fmaps, 7, setting, pad=3)))
    for i in range(NUM_DOWNS):
        with tf.variable_scope(f'Down{i}'):
            x = plain.conv_layer(x, fmaps << (i + 1), 4, setting, stride=2, pad=1)
            x = tf.nn.relu(instance_norm_layer(x))
    for i in range(num_blocks):
        with tf.variable_scope(f'Block{i}'):
            x = block_layer(x, fmaps << NUM_DOWNS, setting)
    for i in range(NUM_DOWNS):
        with tf.variable_scope(f'Up{i}'):
            x = plain.conv_transpose_layer(x, fmaps << (NUM_DOWNS - 1 - i), 4, setting)
            x = tf.nn.relu(instance_norm_layer(x))
    with tf.variable_scope('Output'):
        x = tf.tanh(plain.conv_layer(x, num_channels, 7, setting, pad=3))
    return tf.identity(layout.to_nchw(x), name='images_out')


def given_size(label_sizes):
    """Size of the labels that the generator is given: those of all datasets, and one for each if there are several."""
    return sum(label_sizes) + (len(label_sizes) if len(label_sizes) > 1 else 0)


def block_layer(x, fmaps, setting):
    """x + two 3x3 convolutions with normalization, zeros around; nothing follows the sum."""
    y = x
    for i in range(2):
        with tf.variable_scope(f'Conv{i}'):
            y = instance_norm_layer(plain.conv_layer(y, fmaps, 3, setting, pad=1))
        y = y if i else tf.nn.relu(y)
    return x + y


def D_stargan(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images.
        label_size=5,               # Number of labels.
        fmaps=64,                   # Feature maps of the first layer, doubled where the size is halved; as published.
        num_layers=6,               # How often the size is halved; as published.
        init='uniform',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores of patches [N, 1, h, w]; logits of the labels [N, label_size]."""
    if not isinstance(resolution, int) or resolution >> num_layers < 1:
        raise UserError(f'a StarGAN discriminator that halves square images {num_layers} times needs at least '
                        f'{1 << num_layers} pixels, not {resolution}; set D.num_layers')
    images_in.set_shape([None, num_channels, resolution, resolution])
    setting, x = plain.Setting(init=init, bias=True), layout.from_nchw(images_in)
    for i in range(num_layers):
        with tf.variable_scope(f'Conv{i}'):
            x = tf.nn.leaky_relu(plain.conv_layer(x, fmaps << i, 4, setting, stride=2, pad=1), SLOPE)
    with tf.variable_scope('Scores'):
        scores = plain.conv_layer(x, 1, 3, setting, pad=1, use_bias=False)
    with tf.variable_scope('Labels'):  # all pixels at once
        logits = plain.conv_layer(x, label_size, resolution >> num_layers, setting, use_bias=False)
    return (tf.identity(layout.to_nchw(scores), name='scores_out'),
            tf.identity(tf.reshape(logits, [-1, label_size]), name='logits_out'))
