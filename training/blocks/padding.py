"""Borders around feature maps, as PyTorch's layers make them: the same on every side, whatever the stride.

TensorFlow's SAME begins one pixel later than PyTorch wherever kernel, stride and size make the border uneven.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout

KINDS = ('zero', 'reflect', 'replicate')


def pad(x, amount, kind='zero'):
    """Feature maps with a border.

    Args:
        x: Feature maps in the layout of the graph.
        amount: Pixels on every side, int >= 0; or (before, after) along each axis, but for 'replicate'.
        kind: 'zero'; 'reflect': the image mirrored at its outermost pixels, which are not repeated; 'replicate': the
            outermost pixels repeated.
    Returns: Feature maps that are as many pixels higher and wider.
    Raises: ValueError for an unknown kind, or a reflection of more pixels than there are.
    """
    if kind not in KINDS:
        raise ValueError(f'padding must be one of {", ".join(KINDS)}, not {kind!r}')
    if kind == 'replicate':  # mirrored with the outermost pixels, one by one
        for _ in range(amount):
            x = tf.pad(x, _paddings(1), mode='SYMMETRIC')
        return x
    if not amount:
        return x
    return tf.pad(x, _paddings(amount), mode='REFLECT' if kind == 'reflect' else 'CONSTANT')


def _paddings(amount):
    before, after = amount if isinstance(amount, tuple) else (amount, amount)
    return [[before, after] if axis in layout.spatial_axes() else [0, 0] for axis in range(4)]
