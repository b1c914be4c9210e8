"""Layers with ordinary weights, computed as PyTorch's: convolution, transposed convolution, matrix product, dropout.

Translation networks are made of these. `*_layer` functions create `weight` and `bias` in the current variable scope.
"""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, random
from dnnlib.tflib.ops.conv_2d import conv2d, conv2d_transpose
from dnnlib.util import UserError
from training.blocks.padding import pad as add_border
from training.blocks.resample import mean_down, nearest_up

LEAST_JOINED = 32  # pixels along the larger side of a change of size, from which it is joined with the convolution
INITIALS = ('normal', 'xavier', 'kaiming', 'orthogonal', 'uniform', 'normal_weights')


class Setting(NamedTuple):
    """What the layers of one network have in common."""
    norm: str = 'instance'           # 'instance', 'instance_affine' (with a scale and a mean), 'batch' or 'none'
    init: str = 'normal'             # see `initializers`; or a function of a shape that returns them
    gain: float = 0.02               # of the initial weights
    bias: bool = None                # has a layer before a normalization a bias? None = unless that is batch norm
    batch_statistics: bool = True    # does batch norm look at the minibatch instead of what was stored?
    stores_statistics: bool = False  # does it store what it sees, in training?
    dropout: bool = False            # leave out half of the values where the network has dropout?
    normalize: object = None         # function of a weight, such as spectral normalization; None = as it is

    @property
    def use_bias(self):
        """Have layers before a normalization a bias, unless they say otherwise?"""
        return self.norm == 'instance' if self.bias is None else self.bias


def make_setting(norm, init, init_gain, is_training, evaluate, dropout=False, bias=None):
    """Setting of a network, from its options.

    Args:
        norm, init, dropout, bias: See Setting.
        init_gain: `Setting.gain`.
        is_training: Store the statistics of batch norm?
        evaluate: Without training, use the stored statistics and no dropout? The published programs use the statistics
            of the pictures at hand and dropout, as in training, unless `--eval` is given.
    Raises: UserError for an unknown norm or init.
    """
    if norm not in ('instance', 'batch', 'none'):
        raise UserError(f'norm must be instance, batch or none, not {norm!r}')
    if init not in INITIALS:
        raise UserError(f'init must be one of {", ".join(INITIALS)}, not {init!r}')
    if is_training and evaluate:
        raise UserError('is_training and evaluate are mutually exclusive')
    return Setting(norm, init, init_gain, bias, not evaluate, is_training, dropout and not evaluate)


def sides(resolution):
    """[height, width] of an option `resolution`: a side of square images, or both."""
    return list(resolution) if isinstance(resolution, (list, tuple)) else [resolution, resolution]


def check_multiple(resolution, factor):
    """Raises UserError if height or width is no multiple of a factor."""
    height, width = sides(resolution)
    if height % factor or width % factor:
        raise UserError(f'this network takes images whose sides are multiples of {factor}, not {height}x{width}')


def initializers(setting, shape):
    """Initializers of a layer: (weight, bias), as the published programs choose them.

    Args:
        setting: Setting; its `init` is 'normal': N(0, gain), no bias; 'xavier' (Glorot and Bengio 2010, equation 12):
            N(0, gain sqrt(2 / (fan-in + fan-out))); 'kaiming' (He et al. 2015, equation 10): N(0, sqrt(2 / fan-in));
            'orthogonal' (Saxe et al. 2014); 'uniform', PyTorch's own: U(-1, 1) / sqrt(fan-in), the bias as well;
            'normal_weights', pix2pixHD's: weights as 'normal', biases as 'uniform'.
        shape: Of the weight.
    """
    if callable(setting.init):
        return setting.init(shape)
    fan_in, fan_out = np.prod(shape[:-1]), np.prod(shape[:-2]) * shape[-1]
    limit = 1 / np.sqrt(fan_in)
    uniform, zeros = tf.initializers.random_uniform(-limit, limit), tf.initializers.zeros()
    if setting.init == 'uniform':
        return uniform, uniform
    if setting.init == 'orthogonal':
        return tf.initializers.orthogonal(setting.gain), zeros
    std = {'xavier': setting.gain * np.sqrt(2 / (fan_in + fan_out)), 'kaiming': np.sqrt(2 / fan_in)}
    weight = tf.initializers.random_normal(0, std.get(setting.init, setting.gain))
    return weight, uniform if setting.init == 'normal_weights' else zeros


def conv_layer(x, fmaps, kernel, setting, stride=1, pad=0, kind='zero', use_bias=None):
    """Convolution.

    Args:
        x: Feature maps in the layout of the graph.
        fmaps: Output feature maps.
        kernel: Size of the kernel.
        setting: Setting.
        stride: Step in both directions.
        pad, kind: Pixels around x, and what they are: see `padding.pad`.
        use_bias: None = `setting.use_bias`.
    Returns: Feature maps; along each axis (size + 2 * pad - kernel) // stride + 1 pixels.
    """
    shape = [kernel, kernel, x.shape.as_list()[layout.channel_axis()], fmaps]
    w, b = variables(shape, fmaps, setting, use_bias)
    is_same = kind == 'zero' and _is_same(x, kernel, stride, pad)
    y = conv2d(x if is_same else add_border(x, pad, kind), tf.cast(w, x.dtype), stride,
               'SAME' if is_same else 'VALID', layout.data_format())
    return y if b is None else y + tf.cast(layout.per_channel(b), y.dtype)


def _is_same(x, kernel, stride, pad):
    """Is this what TensorFlow calls SAME?"""
    sizes = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
    if stride == 1:
        return kernel % 2 == 1 and pad == kernel // 2
    return all(size is not None and size % stride == 0 for size in sizes) and 2 * pad == kernel - stride


def conv_transpose_layer(x, fmaps, kernel, setting, use_bias=None):
    """Transposed convolution that doubles the size: kernel 4 with padding 1, or 3 with padding 1 and output padding 1.

    Its `weight` is that of the convolution that it is the adjoint of, [kernel, kernel, fmaps, C]. Arguments as in
    `conv_layer`.
    """
    height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
    shape = [kernel, kernel, fmaps, x.shape.as_list()[layout.channel_axis()]]
    w, b = variables(shape, fmaps, setting, use_bias)
    y = conv2d_transpose(x, tf.cast(w, x.dtype), 2, layout.data_format())
    rows, columns = slice(1, 2 * height + 1), slice(1, 2 * width + 1)
    y = y[:, :, rows, columns] if layout.channel_axis() == 1 else y[:, rows, columns, :]
    return y if b is None else y + tf.cast(layout.per_channel(b), y.dtype)


def conv_3x3_layer(x, fmaps, setting):
    """3x3 convolution with zeros around; arguments as in `conv_layer`."""
    return conv_layer(x, fmaps, 3, setting, pad=1)


def conv_down_layer(x, fmaps, setting):
    """3x3 convolution with zeros around, then the mean of every 2x2 pixels.

    Both are one convolution with a 4x4 kernel and a step of 2, of 4/9 the operations; it is computed from blocks of 2x2
    pixels, where there are so many pixels that this makes up for making the kernel. Arguments as in `conv_layer`.
    """
    sizes, channels = _sizes(x)
    if min(sizes) < LEAST_JOINED or any(size % 2 for size in sizes):
        return mean_down(conv_3x3_layer(x, fmaps, setting))
    w, b = variables([3, 3, channels, fmaps], fmaps, setting, None)
    around = [[[i, 1 - i], [j, 1 - j], [0, 0], [0, 0]] for i in (0, 1) for j in (0, 1)]
    kernel = tf.reshape(tf.add_n([tf.pad(w, one) for one in around]) / 4, [2, 2, 2, 2, channels, fmaps])
    kernel = tf.reshape(tf.transpose(kernel, [0, 2, 1, 3, 4, 5]), [2, 2, 4 * channels, fmaps])
    blocks = tf.space_to_depth(add_border(x, 1), 2, data_format=layout.data_format())
    y = conv2d(blocks, kernel, 1, 'VALID', layout.data_format())
    return y if b is None else y + layout.per_channel(b)


def up_conv_layer(x, fmaps, setting):
    """Every pixel four times, then 3x3 convolution with zeros around.

    Each of four neighboring pixels sees 2x2 pixels of the small image, so one convolution computes all four, with 4/9
    of the operations; where there are many pixels, as above. Arguments as in `conv_layer`.
    """
    sizes, channels = _sizes(x)
    if 2 * min(sizes) < LEAST_JOINED:
        return conv_3x3_layer(nearest_up(x), fmaps, setting)
    w, b = variables([3, 3, channels, fmaps], fmaps, setting, None)
    rows = tf.stack([tf.stack([w[0] + w[1], w[2]]), tf.stack([w[0], w[1] + w[2]])], axis=1)  # taps, pixels
    columns = [[rows[:, :, 0] + rows[:, :, 1], rows[:, :, 2]], [rows[:, :, 0], rows[:, :, 1] + rows[:, :, 2]]]
    kernel = tf.stack([tf.stack(taps) for taps in columns], axis=1)  # taps and pixels along x, then along y
    kernel = tf.reshape(tf.transpose(kernel, [2, 0, 4, 3, 1, 5]), [2, 2, channels, 4 * fmaps])
    y = conv2d(add_border(x, 1), kernel, 1, 'VALID', layout.data_format())
    y = tf.depth_to_space(y, 2, data_format=layout.data_format())  # begins and ends with a pixel outside
    height, width = (slice(1, 2 * size + 1) for size in sizes)
    y = y[:, :, height, width] if layout.channel_axis() == 1 else y[:, height, width]
    return y if b is None else y + layout.per_channel(b)


def _sizes(x):
    """([height, width], number of channels) of feature maps."""
    shape = x.shape.as_list()
    return [shape[axis] for axis in layout.spatial_axes()], shape[layout.channel_axis()]


def dense_layer(x, fmaps, setting, use_bias=True):
    """Matrix product [N, fmaps] of x [N, C]."""
    w, b = variables([x.shape.as_list()[1], fmaps], fmaps, setting, use_bias)
    y = tf.matmul(x, tf.cast(w, x.dtype))
    return y if b is None else y + tf.cast(b, y.dtype)


def variables(shape, fmaps, setting, use_bias):
    """The weight of a layer, normalized if the setting says so, and its bias, or None; see `conv_layer`."""
    weight, bias = initializers(setting, shape)
    w = tf.get_variable('weight', shape=shape, initializer=weight)
    use_bias = setting.use_bias if use_bias is None else use_bias
    w = w if setting.normalize is None else setting.normalize(w)
    return w, tf.get_variable('bias', shape=[fmaps], initializer=bias) if use_bias else None


def dropout(x):
    """Sets each value to zero with probability 1/2 and doubles the others (Srivastava et al. 2014, section 10)."""
    return x * tf.cast(random.uniform(tf.shape(x)) < 0.5, x.dtype) * 2


def lrelu(x):
    """x, or 0.2 x where it is negative."""
    return tf.nn.leaky_relu(x, 0.2)
