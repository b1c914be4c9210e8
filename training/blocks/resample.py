"""Feature maps and images in other sizes: nearest pixels, means and maxima of 2x2, bilinear as PyTorch computes it."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout


def nearest_up(x):
    """Every pixel four times: feature maps of twice the height and width, in the layout of the graph."""
    for axis in layout.spatial_axes():
        shape = [size or -1 for size in x.shape.as_list()]
        shape[axis] *= 2
        x = tf.reshape(tf.stack([x, x], axis=axis + 1), shape)
    return x


def mean_down(x):
    """The mean of every 2x2 pixels: feature maps of half the height and width, in the layout of the graph."""
    return tf.nn.avg_pool(x, *_windows())


def max_down(x):
    """The largest of every 2x2 pixels: feature maps of half the height and width, in the layout of the graph."""
    return tf.nn.max_pool(x, *_windows())


def _windows():
    """Arguments of TensorFlow's pooling."""
    size = [2 if axis in layout.spatial_axes() else 1 for axis in range(4)]
    return size, size, 'VALID', layout.data_format()


def resize_bilinear(x, height, width, align_corners=False):
    """Bilinear interpolation without smoothing, as PyTorch's `interpolate`.

    Args:
        x: [N, C, H, W], float32.
        height, width: New size in pixels.
        align_corners: Do the centers of the outermost pixels stay where they are, instead of the borders of the image?
    Returns: [N, C, height, width].
    """
    for axis, size in ((2, height), (3, width)):
        if x.shape.as_list()[axis] != size:
            matrix = bilinear_matrix(x.shape.as_list()[axis], size, align_corners)
            x = tf.tensordot(x, matrix, [[axis], [1]])
            x = tf.transpose(x, [0, 1, 3, 2]) if axis == 2 else x
    return x


def bilinear_matrix(size, new_size, align_corners=False):
    """Shares of the old pixels in the new ones along one axis, float32 [new_size, size]."""
    places = np.arange(new_size, dtype=np.float64)
    if align_corners:
        places *= (size - 1) / max(new_size - 1, 1)
    else:
        places = np.maximum((places + 0.5) * size / new_size - 0.5, 0)
    first = np.minimum(places.astype(int), size - 1)
    share = places - first
    found = np.zeros([new_size, size])
    rows = np.arange(new_size)
    np.add.at(found, (rows, first), 1 - share)
    np.add.at(found, (rows, np.minimum(first + 1, size - 1)), share)
    return found.astype(np.float32)
