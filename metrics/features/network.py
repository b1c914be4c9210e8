"""What the feature networks share: constant weights, convolutions with folded normalization, pooling, scaling."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, tfutil
from dnnlib.util import UserError


class FeatureNetwork:
    """Network with fixed weights in the default graph's layout.

    The weights become non-trainable local variables of the default graph, with values in the default session.

    Args:
        scope: Name of the network in the graph.
        weights: Dictionary of float32 arrays by name.
    """

    def __init__(self, scope, weights):
        with tfutil.absolute_name_scope(tf.get_default_graph().unique_name(scope)):
            self._vars = {name: tf.Variable(tf.zeros(value.shape), trainable=False, use_resource=True,
                                            collections=[tf.GraphKeys.LOCAL_VARIABLES], name=name.replace('/', '_'))
                          for name, value in sorted(weights.items())}
        tfutil.set_vars({self._vars[name]: value for name, value in weights.items()})

    def convolve(self, x, name, stride=1, padding='SAME', activation=tf.nn.relu):
        """Convolution by `<name>/kernel` [kh, kw, I, O], `<name>/bias` [O] added, and an activation."""
        x = tf.nn.conv2d(x, self._vars[name + '/kernel'], strides=_window(stride), padding=padding,
                         data_format=layout.data_format())
        return self._add_bias(x, name, activation)

    def convolve_depthwise(self, x, name, stride, activation):
        """As `convolve`, each channel by a kernel of its own: `<name>/kernel` [kh, kw, C, 1]."""
        x = tf.nn.depthwise_conv2d(x, self._vars[name + '/kernel'], strides=_window(stride), padding='SAME',
                                   data_format=layout.data_format())
        return self._add_bias(x, name, activation)

    def multiply(self, x, name):
        """Matrix product of [N, I] with `name` [I, O]."""
        return tf.matmul(x, self._vars[name])

    def _add_bias(self, x, name, activation):
        x = tf.nn.bias_add(x, self._vars[name + '/bias'], data_format=layout.data_format())
        return activation(x)


def pool(x, kind, size, stride, padding):
    """Pooling of feature maps in the default graph's layout; means leave out what lies outside of the image.

    Args:
        x: Feature maps.
        kind: 'max' or 'avg'.
        size, stride: Height and width of the window, and its step.
        padding: 'SAME' or 'VALID'.
    Returns: Feature maps.
    """
    function = {'max': tf.nn.max_pool, 'avg': tf.nn.avg_pool}[kind]
    return function(x, ksize=_window(size), strides=_window(stride), padding=padding, data_format=layout.data_format())


def _window(size):
    return [1, 1, size, size] if layout.data_format() == 'NCHW' else [1, size, size, 1]


def as_rgb(images):
    """Images [N, 1 or 3, H, W] of any type as float32 [N, 3, H, W]; raises UserError for other shapes."""
    channels = images.shape.as_list()[1]
    if channels not in (1, 3):
        raise UserError(f'expected RGB or gray images, got {channels} channels')
    images = tf.cast(images, tf.float32)
    return tf.tile(images, [1, 3, 1, 1]) if channels == 1 else images


def resize_bilinear_tf1(images, size):
    """Scales images [N, C, H, W] to size x size as TensorFlow 1 does by default: output pixel i samples i * H / size.

    There is no half-pixel offset and no smoothing. FID is defined with this rule.
    Returns: [N, C, size, size], float32.
    """
    resized = tf.image.resize_bilinear(tf.transpose(images, [0, 2, 3, 1]), [size, size], align_corners=False)
    return tf.transpose(resized, [0, 3, 1, 2])


def triangle_matrix(old_size, new_size):
    """Weights of a smoothing linear interpolation along one axis, float32 [new_size, old_size], rows add up to 1.

    Pixel centers are at half-integers; the triangle spans two pixels of the coarser grid, as in Pillow's BILINEAR.
    """
    scale = old_size / new_size
    centers = (np.arange(new_size) + 0.5) * scale
    distances = np.abs(np.arange(old_size) + 0.5 - centers[:, np.newaxis])
    weights = np.maximum(1 - distances / max(scale, 1.0), 0)
    return np.float32(weights / weights.sum(axis=1, keepdims=True))


def resize_smooth(images, size):
    """Scales images [N, C, H, W] to size x size, smoothing when they shrink: see `triangle_matrix`."""
    height, width = images.shape.as_list()[2:]
    if (height, width) == (size, size):
        return images
    images = tf.tensordot(images, tf.constant(triangle_matrix(width, size).T), [[3], [0]])
    images = tf.tensordot(images, tf.constant(triangle_matrix(height, size).T), [[2], [0]])  # NCwh
    return tf.transpose(images, [0, 1, 3, 2])


def fold_batch_norm(kernel, norm, epsilon, depthwise=False):
    """Kernel and bias that do what a convolution and a batch normalization with fixed statistics do.

    Args:
        kernel: [kh, kw, I, O], or [kh, kw, C, 1] if `depthwise`.
        norm: (gamma, beta, mean, variance), each [O] (or [C]); gamma may be None = 1.
        epsilon: Added to the variance.
    Returns: (kernel, bias), float32.
    """
    gamma, beta, mean, variance = [None if v is None else np.float64(v) for v in norm]
    scale = (1 if gamma is None else gamma) / np.sqrt(variance + epsilon)
    scaled = np.float64(kernel) * (scale[:, np.newaxis] if depthwise else scale)
    return np.float32(scaled), np.float32(beta - mean * scale)
