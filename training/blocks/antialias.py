"""Changes of resolution without aliasing (Zhang 2019, "Making convolutional networks shift-invariant again")."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.tflib.ops.upfirdn_2d import upfirdn_2d
from training.blocks.padding import pad


def blur_down(x):
    """Half the size, rounded up: reflected border, filter [1, 2, 1], every second pixel."""
    return _resample(pad(x, 1, 'reflect'), [1, 2, 1], down=2)


def blur_up(x):
    """Twice the size: replicated border, zeros between pixels, filter [1, 3, 3, 1]."""
    return _resample(pad(x, 1, 'replicate'), [1, 3, 3, 1], up=2)


def average_pool(x):
    """Mean of 3x3 pixels at every second one, of those that lie inside: PyTorch's pooling with padding, not counted."""
    height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
    inside = [np.convolve(np.ones(size), [1, 1, 1], 'same')[::2] for size in (height, width)]
    weights = tf.constant(1 / np.outer(*inside)[np.newaxis, np.newaxis], x.dtype)
    return _resample(pad(x, 1), [1, 1, 1], down=2) * 9 * layout.per_pixel(weights)


def _resample(x, taps, up=1, down=1):
    """Filter of unit sum, per new pixel; upsampled maps lose what the border of one pixel adds."""
    k = np.outer(taps, taps).astype(np.float32)
    k *= up ** 2 / k.sum()
    factors = dict(upx=up, upy=up, downx=down, downy=down)
    if up > 1:  # the transposed convolution with padding 2, without its first and last pixel
        factors.update(padx1=-1, pady1=-1)
    if layout.data_format() == 'NHWC':
        return upfirdn_2d(x, k, **factors)
    channels, height, width = x.shape.as_list()[1:]
    y = upfirdn_2d(tf.reshape(x, [-1, height, width, 1]), k, **factors)
    return tf.reshape(y, [-1, channels] + y.shape.as_list()[1:3])
