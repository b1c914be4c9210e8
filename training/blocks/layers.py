"""Building blocks of the networks: equalized weights, modulated convolution, noise, minibatch stddev.

Feature maps are in the layout that `dnnlib.tflib.layout` chose for the graph; shapes are documented as NHWC.
`*_layer` functions create variables in the current variable scope, under the published names.
"""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, random
from dnnlib.tflib.ops.conv_2d import conv2d
from dnnlib.tflib.ops.fused_bias_act import HALF_TYPES, fused_bias_act
from dnnlib.tflib.ops.styled_bias_act import styled_bias_act
from dnnlib.tflib.ops.upfirdn_2d import conv_downsample_2d, upsample_conv_2d

EPSILON = 1e-8


class _Conv(NamedTuple):
    """Options of a modulated convolution, see `modulated_conv2d_layer`."""
    kernel: int              # size of the kernel, odd
    fmaps: int               # output feature maps
    up: bool                 # double the resolution?
    demodulate: bool         # see `modulate`
    resample_kernel: object  # FIR filter for `up`; None = nearest neighbor
    fused_modconv: object    # True = modulate kernels, False = scale feature maps, None = the faster one


def num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max):
    """Feature maps after `stage` halvings: fmap_base / 2^(stage * fmap_decay), limited to [fmap_min, fmap_max]."""
    return int(np.clip(int(fmap_base / 2.0 ** (stage * fmap_decay)), fmap_min, fmap_max))


def get_weight(shape, gain=1, use_wscale=True, lrmul=1, weight_var='weight', fan_in=None):
    """Weight with equalized learning rate (Karras et al. 2018, section 4.1): N(0, 1) in the variable, times He's
    constant at run time.

    Args:
        shape: Last axis = outputs; the product of the others is the fan-in.
        gain: Expected gain of the layer; 1 because `fused_bias_act` applies the gain of the activation.
        use_wscale: False = He's constant goes into the initial value instead.
        lrmul: Learning-rate multiplier: the variable is divided by it, the result multiplied; 1 = no change.
        weight_var: Name of the variable.
        fan_in: Inputs of an output, where the axes are in another order; None = by the shape.
    Returns: float32 tensor of the given shape.
    """
    weight, runtime_coef = _get_weight(shape, gain, use_wscale, lrmul, weight_var, fan_in)
    return weight * runtime_coef


def _get_weight(shape, gain=1, use_wscale=True, lrmul=1, weight_var='weight', fan_in=None):
    """Returns (variable, factor it must be multiplied by)."""
    he_std = gain / np.sqrt(fan_in or np.prod(shape[:-1]))
    init_std, runtime_coef = (1.0, he_std) if use_wscale else (he_std, 1.0)
    init = tf.initializers.random_normal(0, init_std / lrmul)
    return tf.get_variable(weight_var, shape=shape, initializer=init), runtime_coef * lrmul


def get_bias(channels, lrmul=1, bias_var='bias'):
    """Bias [channels], initially zero."""
    return tf.get_variable(bias_var, shape=[channels], initializer=tf.initializers.zeros()) * lrmul


def dense_layer(x, fmaps, gain=1, use_wscale=True, lrmul=1, weight_var='weight'):
    """Matrix product without bias, [N, fmaps]; x of more than two axes is flattened (in NCHW order, given NCHW)."""
    if x.shape.ndims > 2:
        x = tf.reshape(x, [-1, int(np.prod(x.shape.as_list()[1:]))])
    w = get_weight([x.shape.as_list()[1], fmaps], gain=gain, use_wscale=use_wscale, lrmul=lrmul, weight_var=weight_var)
    return tf.matmul(x, tf.cast(w, x.dtype))


def conv2d_layer(x, fmaps, kernel, up=False, down=False, resample_kernel=None, gain=1, normalize=None):
    """SAME convolution without bias, [N, H, W, fmaps], which may double (`up`) or halve (`down`) the resolution.

    `normalize` is a function of the weight [kernel, kernel, C, fmaps], such as spectral normalization; None = as it is.
    """
    w = get_weight([kernel, kernel, x.shape.as_list()[layout.channel_axis()], fmaps], gain=gain)
    w = tf.cast(w if normalize is None else normalize(w), x.dtype)
    if up:
        return upsample_conv_2d(x, w, k=resample_kernel, data_format=layout.data_format())
    if down:
        return conv_downsample_2d(x, w, k=resample_kernel, data_format=layout.data_format())
    return conv2d(x, w, data_format=layout.data_format())


def bias_act_layer(x, act='linear', alpha=None, gain=None, lrmul=1, bias_var='bias'):
    """Adds a bias per channel and applies the activation with its gain."""
    axis = layout.channel_axis() if x.shape.ndims == 4 else 1
    b = get_bias(x.shape.as_list()[axis], lrmul=lrmul, bias_var=bias_var)
    if x.dtype in HALF_TYPES and x.shape.ndims == 4 and alpha is None:  # the bias and its gradient are float32
        return styled_bias_act(x, b=b, act=act, gain=gain, data_format=layout.data_format())
    return fused_bias_act(x, b=tf.cast(b, x.dtype), axis=axis, act=act, alpha=alpha, gain=gain)


def clamp(x, limit):
    """x between -limit and limit, so that float16 doesn't overflow; as it is if limit is None.

    The gradient is zero from the limit on. TensorFlow's own takes twice as long.
    """
    if limit is None:
        return x

    @tf.custom_gradient
    def clip(x):
        low, high = [tf.cast(value, x.dtype) for value in (-limit, limit)]
        y = tf.raw_ops.ClipByValue(t=x, clip_value_min=low, clip_value_max=high)
        return y, lambda dy: dy * tf.cast(tf.abs(y) < high, dy.dtype)
    return clip(x)


def modulate(weight, style, demodulate=True):
    """Scales a convolution kernel by each sample's style (StyleGAN2, section 2.2).

    Args:
        weight: Kernel shared by the minibatch, [kh, kw, I, O], float32.
        style: Scale of each input feature map, [N, I], float32, around 1.
        demodulate: Also scale each output feature map to unit expected variance?
    Returns: One kernel per sample, [N, kh, kw, I, O], float32.
    """
    factors = style[:, :, np.newaxis]  # NI1, equation 1
    if demodulate:
        factors *= demodulation(weight, style)[:, np.newaxis, :]  # NIO
    return weight[np.newaxis] * factors[:, np.newaxis, np.newaxis]  # NhwIO


def demodulation(weight, style):
    """Factor of each output feature map that restores unit variance (StyleGAN2, equation 3), [N, O].

    The energy of the modulated kernel is the squared style times the kernel's energy per pair of maps, so no kernel
    per sample is needed.
    """
    energy = tf.matmul(tf.square(style), tf.reduce_sum(tf.square(weight), axis=[0, 1]))
    return tf.rsqrt(energy + EPSILON)


def modulated_conv2d_layer(x, y, fmaps, kernel, up=False, demodulate=True, resample_kernel=None, fused_modconv=None):
    """Convolution whose kernel is modulated by a style and demodulated (StyleGAN2, section 2.2), without bias.

    Two equivalent forms exist: modulating the kernels (one grouped convolution, or a plain one for a single sample) and
    scaling the feature maps before and after a shared convolution. The first is faster on a GPU and for one sample, the
    second for several samples on a CPU, where grouped convolutions are missing or slow. With a 1x1 kernel the first is
    a matrix product per sample, which is faster there too.

    Args:
        x: Feature maps [N, H, W, I].
        y: Dlatents of this layer, [N, dlatent_size].
        fmaps: Output feature maps O.
        kernel: Size of the kernel, odd.
        up: Double the resolution?
        demodulate: See `modulate`; only layers that output colors go without.
        resample_kernel: FIR filter for `up`, None = nearest neighbor.
        fused_modconv: True = modulate kernels where the device can, False = scale feature maps, None = the faster one.
    Returns: [N, H, W, fmaps] or twice that size.
    """
    x, scale = _modulated_conv2d(x, y, _Conv(kernel, fmaps, up, demodulate, resample_kernel, fused_modconv))
    if scale is None:
        return x
    if x.dtype in HALF_TYPES:  # gradients are summed in float32
        return styled_bias_act(x, scale=scale, act='linear', data_format=layout.data_format())
    return x * tf.cast(layout.per_channel(scale), x.dtype)


def styled_conv2d_layer(x, y, fmaps, up=False, resample_kernel=None, fused_modconv=None, stored_noise=None,
                        act='lrelu'):
    """A layer of the synthesis network (StyleGAN2, figure 2d): 3x3 modulated convolution, noise, bias, activation.

    Args:
        x, y, fmaps, up, resample_kernel, fused_modconv: See `modulated_conv2d_layer`.
        stored_noise: See `noise_layer`.
        act: Activation.
    Returns: [N, H, W, fmaps] or twice that size.
    """
    x, scale = _modulated_conv2d(x, y, _Conv(3, fmaps, up, True, resample_kernel, fused_modconv))
    noise = _scaled_noise(x, stored_noise)
    return styled_bias_act(x, scale, noise, get_bias(fmaps), act=act, data_format=layout.data_format())


def _modulated_conv2d(x, y, conv):
    """Returns (x, scale): the convolution, and the factors [N, fmaps] still to be applied, or None."""
    kernel, fmaps, up, demodulate, resample_kernel, fused_modconv = conv
    in_channels = x.shape.as_list()[layout.channel_axis()]
    w, coef = _get_weight([kernel, kernel, in_channels, fmaps])
    style = dense_layer(y, in_channels, weight_var='mod_weight')
    style = tf.cast(bias_act_layer(style, bias_var='mod_bias') + 1, tf.float32) * coef  # fewer numbers than in w

    def convolve(x, w):
        w = tf.cast(w, x.dtype)
        if up:
            return upsample_conv_2d(x, w, k=resample_kernel, data_format=layout.data_format())
        return conv2d(x, w, data_format=layout.data_format())

    single = x.shape.as_list()[0] == 1
    if fused_modconv is not False and (single or layout.data_format() == 'NCHW'):
        kernels = modulate(w, style, demodulate)
        if single:
            return convolve(x, kernels[0]), None
        height, width = x.shape.as_list()[2:]
        x = tf.reshape(x, [1, -1, height, width])  # the minibatch becomes groups
        kernels = tf.reshape(tf.transpose(kernels, [1, 2, 3, 0, 4]), [kernel, kernel, in_channels, -1])
        x = convolve(x, kernels)
        return tf.reshape(x, [-1, fmaps] + [2 * size if up else size for size in (height, width)]), None
    if fused_modconv is not False and kernel == 1 and not up:  # a matrix product per sample, on any device
        height, width = x.shape.as_list()[1:3]
        kernels = tf.cast(modulate(w, style, demodulate)[:, 0, 0], x.dtype)  # NIO
        x = tf.matmul(tf.reshape(x, [-1, height * width, in_channels]), kernels)
        return tf.reshape(x, [-1, height, width, fmaps]), None
    if demodulate and x.dtype == tf.float16:
        w, style = _small_factors(w, style)
    x = convolve(styled_bias_act(x, scale=style, act='linear', data_format=layout.data_format()), w)
    return x, demodulation(w, style) if demodulate else None


def _small_factors(w, style):
    """Kernel and style scaled so that float16 does not overflow; demodulation cancels the factors (Karras et al. 2020,
    "Training generative adversarial networks with limited data", appendix D)."""
    fan_in = np.prod(w.shape.as_list()[:3])
    w /= tf.reduce_max(tf.abs(w), axis=[0, 1, 2], keepdims=True) * np.float32(np.sqrt(fan_in))
    return w, style / tf.reduce_max(tf.abs(style))


def noise_layer(x, stored_noise=None):
    """Adds noise scaled by a learned strength, initially 0 (StyleGAN2, section 2.1).

    Args:
        x: Feature maps [N, H, W, C].
        stored_noise: Noise of all samples, [1, 1, H, W]; None = fresh noise for every sample and evaluation.
    """
    noise = _scaled_noise(x, stored_noise)
    if x.dtype in HALF_TYPES:  # gradients are summed in float32
        return styled_bias_act(x, noise=noise, act='linear', data_format=layout.data_format())
    return x + tf.cast(layout.per_pixel(noise), x.dtype)


def _scaled_noise(x, stored_noise):
    """Noise maps times their strength, [N or 1, 1, H, W], float32."""
    if stored_noise is None:
        height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
        stored_noise = random.normal([tf.shape(x)[0], 1, height, width])
        stored_noise.set_shape([x.shape.as_list()[0], 1, height, width])
    return stored_noise * tf.get_variable('noise_strength', shape=[], initializer=tf.initializers.zeros())


def minibatch_stddev_layer(x, group_size=4, num_new_features=1):
    """Appends the average standard deviation over groups of samples as new maps (Karras et al. 2018, section 3).

    Sample n belongs to group n mod (N / group_size); the channels are split into `num_new_features` contiguous parts.

    Args:
        x: Feature maps [N, H, W, C], N a multiple of min(group_size, N), C of num_new_features.
        group_size: Samples per group; 4 as in the paper.
        num_new_features: New maps F; 1 as in the paper.
    Returns: [N, H, W, C + F], the new maps last.
    """
    axis = layout.channel_axis()
    size, (height, width) = x.shape.as_list()[axis], [x.shape.as_list()[a] for a in layout.spatial_axes()]
    batch = tf.shape(x)[0]
    group = tf.minimum(group_size, batch)
    parts = [num_new_features, size // num_new_features]
    split = parts + [height, width] if axis == 1 else [height, width] + parts
    y = tf.cast(tf.reshape(x, [group, -1] + split), tf.float32)  # GMFcHW or GMHWFc
    y -= tf.reduce_mean(y, axis=0, keepdims=True)
    y = tf.sqrt(tf.reduce_mean(tf.square(y), axis=0) + EPSILON)  # M...
    y = tf.reduce_mean(y, axis=[2, 3, 4] if axis == 1 else [1, 2, 4])  # MF
    y = tf.tile(tf.cast(y, x.dtype), [group, 1])  # NF
    maps = tf.zeros([batch, 1, height, width] if axis == 1 else [batch, height, width, 1], dtype=x.dtype)
    return tf.concat([x, maps + layout.per_channel(y)], axis=axis)
