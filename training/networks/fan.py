"""The network of heat maps of landmarks (Bulat and Tzimiropoulos 2017; Wang et al. 2019), as in StarGAN v2."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from training.blocks import plain
from training.blocks.norm import norm_layer
from training.blocks.resample import mean_down, nearest_up, resize_bilinear

DEPTH = 4  # sizes of an hourglass below its own
REDUCTION = 4  # side of the images / side of the maps
BOUNDARY = 0.05  # a map is on the boundary where the last one is above this


def H_fan(
        images_in,                  # Images [N, num_channels, H, W] in [-1, 1].
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images, which are scaled to `size`.
        size=256,                   # Side of what is looked at, four times that of the maps; as published.
        num_landmarks=98,           # Landmarks; one map more shows the boundaries; as published.
        fmaps=256,                  # Feature maps of the hourglasses; as published.
        num_stacks=1,               # Hourglasses; StarGAN v2 has 1, the adaptive wing loss was published with 4.
        init='uniform',             # Initial weights: see plain.initializers; as published.
        is_training=False,          # Training: normalize by the minibatch, and store its statistics?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Heat maps [N, num_landmarks + 1, size / 4, size / 4] of each hourglass; the last ones are the best."""
    height, width = plain.sides(resolution)
    plain.check_multiple(size, REDUCTION << DEPTH)
    images_in.set_shape([None, num_channels, height, width])
    setting = plain.Setting('batch', init, bias=False, batch_statistics=is_training, stores_statistics=is_training)
    x = layout.from_nchw(resize_bilinear(images_in, size, size) / 2 + 0.5)
    with tf.variable_scope('Input'):
        x = plain.conv_layer(with_coordinates(x), fmaps // 4, 7, setting, stride=2, pad=3, use_bias=True)
        x = tf.nn.relu(norm_layer(x, setting))
    x = mean_down(block_layer(x, fmaps // 2, setting, 'Block0'))
    x = block_layer(block_layer(x, fmaps // 2, setting, 'Block1'), fmaps, setting, 'Block2')
    found, axis = [], layout.channel_axis()
    for i in range(num_stacks):
        with tf.variable_scope(f'Stack{i}'):
            with tf.variable_scope('Input'):
                y = plain.conv_layer(with_coordinates(x, found[-1] if found else None), fmaps, 1, setting,
                                     use_bias=True)
            y = block_layer(hourglass_layer(y, fmaps, setting, DEPTH), fmaps, setting, 'Block')
            with tf.variable_scope('Conv'):
                y = tf.nn.relu(norm_layer(plain.conv_layer(y, fmaps, 1, setting, use_bias=True), setting))
            with tf.variable_scope('Output'):
                found.append(plain.conv_layer(y, num_landmarks + 1, 1, setting, use_bias=True))
            if i < num_stacks - 1:
                for name, part in (('Features', y), ('Maps', found[-1])):
                    with tf.variable_scope(name):
                        x += plain.conv_layer(part, x.shape.as_list()[axis], 1, setting, use_bias=True)
    return tuple(tf.identity(layout.to_nchw(maps), name=f'maps{i}_out') for i, maps in enumerate(found))


def with_coordinates(x, maps=None):
    """Feature maps with the row and the column of each pixel, -1 to 1, and its distance from the center (Liu et al.
    2018, section 3), and, where maps of a hourglass before are given, row and column again where a boundary is.

    Args:
        x: Feature maps in the layout of the graph.
        maps: The same, the last one of which shows the boundaries.
    """
    height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
    planes = coordinates(height, width)[np.newaxis]
    planes = tf.constant(planes if layout.data_format() == 'NCHW' else planes.transpose(0, 2, 3, 1))
    shape = [tf.shape(x)[0] if axis == 0 else 1 for axis in range(4)]
    parts, axis = [x, tf.tile(planes, shape)], layout.channel_axis()
    if maps is not None:
        last = maps[:, -1:] if axis == 1 else maps[..., -1:]
        places = planes[:, :2] if axis == 1 else planes[..., :2]
        parts.append(places * tf.cast(last > BOUNDARY, tf.float32))
    return tf.concat(parts, axis=axis)


def coordinates(height, width):
    """Row and column, -1 to 1, and distance from the center, 0 to 1: float32 [3, height, width]."""
    rows, columns = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing='ij')
    distances = np.sqrt(rows ** 2 + columns ** 2)
    return np.float32([rows, columns, distances / distances.max()])


def block_layer(x, fmaps, setting, name):
    """x plus three 3x3 convolutions, each of what the one before returned, side by side (Bulat and Tzimiropoulos 2017,
    figure 3).

    Args:
        x: Feature maps.
        fmaps: Output feature maps; another number than x has: x passes a 1x1 convolution.
        setting: plain.Setting.
        name: Of the scope of the variables.
    """
    axis = layout.channel_axis()
    with tf.variable_scope(name):
        y, parts = x, []
        for i, width in enumerate((fmaps // 2, fmaps // 4, fmaps // 4)):
            with tf.variable_scope(f'Conv{i}'):
                y = plain.conv_layer(tf.nn.relu(norm_layer(y, setting)), width, 3, setting, pad=1)
            parts.append(y)
        if x.shape.as_list()[axis] != fmaps:
            with tf.variable_scope('Shortcut'):
                x = plain.conv_layer(tf.nn.relu(norm_layer(x, setting)), fmaps, 1, setting)
        return tf.concat(parts, axis=axis) + x


def hourglass_layer(x, fmaps, setting, depth):
    """What a smaller size sees, back at this one, added to what this one sees (Newell et al. 2016, section 3.1)."""
    low = block_layer(mean_down(x), fmaps, setting, f'Down{depth}')
    low = hourglass_layer(low, fmaps, setting, depth - 1) if depth > 1 else block_layer(low, fmaps, setting, 'Bottom')
    low = block_layer(low, fmaps, setting, f'Up{depth}')
    return block_layer(x, fmaps, setting, f'Same{depth}') + nearest_up(low)
