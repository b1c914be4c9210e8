"""CUT's F: what samples of feature maps are compared by (Park et al. 2020, section 3.2)."""

import tensorflow.compat.v1 as tf

from training.blocks import plain

EPSILON = 1e-7  # as published


def F_mlp(
        *rows_in,                   # Samples of the feature maps of each tap, [N * patches, width].
        widths=(),                  # Channels of each tap.
        fmaps=256,                  # Size of the results; as published.
        init='xavier',              # Initial weights: see plain.initializers; as published.
        init_gain=0.02,             # Their gain; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Two layers for each tap: rows of unit length, [N * patches, fmaps] for each tap."""
    setting = plain.Setting(init=init, gain=init_gain)
    found = []
    for i, (rows, width) in enumerate(zip(rows_in, widths)):
        rows.set_shape([None, width])
        with tf.variable_scope(f'Tap{i}/Dense0'):
            x = tf.nn.relu(plain.dense_layer(rows, fmaps, setting))
        with tf.variable_scope(f'Tap{i}/Dense1'):
            x = plain.dense_layer(x, fmaps, setting)
        found.append(unit_rows(x))
    return tuple(found)


def unit_rows(x):
    """Rows [N, C] divided by their lengths."""
    return x / (tf.sqrt(tf.reduce_sum(tf.square(x), axis=1, keepdims=True)) + EPSILON)
