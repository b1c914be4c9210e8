"""Networks of LAPGAN (Denton et al. 2015): a small image, then the differences that lead to twice its size, and so on.

One network holds all levels. A level is called by its place: 0 is the smallest image, drawn by matrix products; the
others are convolutions of an enlarged image and a map of noise. Variables of a level begin with the size of its images.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.tflib.image_types import shrink_images
from dnnlib.util import UserError
from training import image_size
from training.blocks import conditions, plain
from training.blocks.resample import bilinear_matrix
from training.networks.mlp import stack

CONV = plain.Setting(init='uniform', bias=True)  # Torch's own, as published
G_UNITS, D_UNITS = 8000, 1600  # of the layers that draw and judge the smallest image; as published
G_GAIN, D_GAIN = 0.05, 0.005   # standard deviations of their initial weights; as published


def G_lapgan(
        latents_in,                 # Z of all levels [N, all], smallest image first; of one level if one is asked for.
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=32,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        base=8,                     # Smallest images have at most this side; as published.
        base_latent_size=100,       # Dimensions of Z of the smallest image; as published.
        base_units=G_UNITS,         # Outputs of the two layers that draw it; as published.
        fmaps=64,                   # Feature maps of the other levels; as published.
        latents='uniform',          # What Z is drawn from, see dnnlib.latents; as published.
        level=None,                 # Only this level.
        coarse=None,                # Enlarged images that it goes on from [N, C, h, w], in units of `deviation`.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Images [N, C, H, W]: `mean` + `deviation` times what the levels draw; of one level what it draws [N, C, h, w]."""
    del latents, is_template_graph, components
    sizes = level_sizes(resolution, base)
    labels_in.set_shape([None, label_size])
    statistics = [tf.get_variable(name, [num_channels] + sizes[-1], trainable=False, initializer=initial) for
                  name, initial in (('mean', tf.initializers.zeros()), ('deviation', tf.initializers.ones()))]
    counts = latent_sizes(resolution, base, base_latent_size)
    latents_in.set_shape([None, sum(counts) if level is None else counts[level]])
    parts = tf.split(latents_in, counts, axis=1) if level is None else {level: latents_in}
    x = coarse
    for i in range(len(sizes)) if level is None else [level]:
        with tf.variable_scope(name_of(sizes[i])):
            if i == 0:
                x = _draw_base(parts[0], labels_in, [num_channels] + sizes[0], base_units)
            else:
                u = enlarge(x) if level is None else x
                x = u + _difference(u, parts[i], labels_in, fmaps)
    x = x if level is not None else statistics[0] + statistics[1] * x
    return tf.identity(x, name='images_out')


def _draw_base(z, labels, shape, units):
    setting = _of_base(G_GAIN, units, G_UNITS)
    x = stack(tf.concat([z, labels], axis=1), [units, units], setting, (tf.nn.relu, tf.sigmoid))
    with tf.variable_scope('Output'):
        return tf.reshape(plain.dense_layer(x, int(np.prod(shape)), setting), [-1] + shape)


def _of_base(gain, units, published):
    """Setting of layers of so many units; with fewer than published, the same variance reaches the next layer."""
    def initializers(shape):
        scale = np.sqrt(published / units) if shape[0] == units else 1.0
        return tf.initializers.random_normal(0, gain * scale), tf.initializers.zeros()
    return CONV._replace(init=initializers)


def _difference(u, noise, labels, fmaps):
    """What is added to enlarged images u [N, C, h, w], from them and a map of noise [N, h w]."""
    channels, height, width = u.shape.as_list()[1:]
    x = tf.concat([tf.reshape(noise, [-1, 1, height, width]), u], axis=1)
    if labels.shape.as_list()[1]:
        x = conditions.map_layer(x, labels, CONV)
    x = layout.from_nchw(x)
    for i, (outputs, kernel) in enumerate(((fmaps, 7), (fmaps, 7), (channels, 5))):
        with tf.variable_scope(f'Conv{i}'):
            x = plain.conv_layer(tf.nn.relu(x) if i else x, outputs, kernel, CONV, pad=kernel // 2)
    return layout.to_nchw(x)


def D_lapgan(
        images_in,                  # Images of all sizes in one: [N, C, H, W]; of one level its images [N, C, h, w].
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=32,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        base=8,                     # As of G_lapgan.
        base_units=D_UNITS,         # Outputs of the two layers that judge the smallest image; as published.
        fmaps=64,                   # Feature maps of the other levels; as published.
        level=None,                 # Only this level.
        is_training=False,          # Leave out half of the features at random?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Scores of the images in each size [N, levels]; of one level [N, 1]."""
    del is_template_graph, components
    sizes = level_sizes(resolution, base)
    images_in.set_shape([None, num_channels] + sizes[-1 if level is None else level])
    labels_in.set_shape([None, label_size])
    images = pyramid(images_in, len(sizes)) if level is None else {level: images_in}
    drop, found = plain.dropout if is_training else tf.identity, []
    for i in range(len(sizes)) if level is None else [level]:
        with tf.variable_scope(name_of(sizes[i])):
            judge = _judge_base if i == 0 else _judge
            found.append(judge(images[i], labels_in, base_units if i == 0 else fmaps, drop))
    return tf.identity(tf.concat(found, axis=1), name='scores_out')


def _judge_base(images, labels, units, drop):
    """Scores [N, 1] of the smallest images."""
    x = tf.concat([tf.reshape(images, [-1, int(np.prod(images.shape.as_list()[1:]))]), labels], axis=1)
    setting = _of_base(D_GAIN, units, D_UNITS)
    x = stack(x, [units, units], setting, (lambda y: drop(tf.nn.relu(y)),))
    with tf.variable_scope('Output'):
        return plain.dense_layer(x, 1, setting)


def _judge(images, labels, fmaps, drop):
    """Scores [N, 1] of images of another level."""
    x = conditions.map_layer(images, labels, CONV) if labels.shape.as_list()[1] else images
    x = layout.from_nchw(x)
    for i, stride in enumerate((1, 2)):
        with tf.variable_scope(f'Conv{i}'):
            x = tf.nn.relu(plain.conv_layer(x, fmaps, 5, CONV, stride=stride))
    x = layout.to_nchw(x)
    with tf.variable_scope('Output'):
        return plain.dense_layer(drop(tf.reshape(x, [-1, int(np.prod(x.shape.as_list()[1:]))])), 1, CONV)


def level_sizes(resolution, base):
    """[height, width] of the images of each level, smallest first.

    Args:
        resolution: Side of the images, or (height, width).
        base: Longer side that the smallest images have at most.
    Raises: UserError if that is too small for the networks' convolutions, or leaves only one level.
    """
    size = image_size.parse(resolution)
    sizes = [size.at(r) for r in range(2, size.num_levels + 1)]
    sizes = [sides for i, sides in enumerate(sizes) if i + 1 == len(sizes) or max(sizes[i + 1]) > base]
    if len(sizes) < 2 or min(sizes[1]) < 9:
        raise UserError(f'base={base} leaves no level, or one of less than 9 pixels, above the smallest images of '
                        f'{"x".join(map(str, size.shape))}; give a base of 8 or more, and a larger --resolution')
    return sizes


def latent_sizes(resolution, base, base_latent_size):
    """Dimensions of Z of each level: of the smallest image, then as many as a level has pixels."""
    return [base_latent_size] + [height * width for height, width in level_sizes(resolution, base)[1:]]


def name_of(size):
    """Scope of the variables of a level."""
    return f'{size[0]}x{size[1]}'


def enlarge(images):
    """Images [N, C, h, w] of twice the size, as `resize_bilinear`; of operations that can be written as ONNX."""
    for _ in range(2):  # rows, then columns
        channels, width, height = images.shape.as_list()[1:]
        columns = tf.reshape(tf.transpose(images, [0, 1, 3, 2]), [-1, width])
        images = tf.reshape(tf.matmul(columns, bilinear_matrix(width, 2 * width).T), [-1, channels, height, 2 * width])
    return images


def pyramid(images, levels):
    """List of the images [N, C, h, w] in all sizes, smallest first, each by means of 2x2 pixels of the next."""
    found = [images]
    for _ in range(levels - 1):
        found.insert(0, shrink_images(found[0], 2))
    return found
