"""Building blocks used only by the networks of StyleGAN 1 (Karras et al. 2019); the others are in `layers`.

Here He's constant includes the gain sqrt(2) of the activation, which itself has none. Feature maps are in the layout
that `dnnlib.tflib.layout` chose for the graph; shapes are documented as NHWC.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import layout, random
from dnnlib.tflib.ops.conv_2d import conv2d
from dnnlib.tflib.ops.upfirdn_2d import conv_downsample_2d, filter_2d, upsample_conv_2d
from training.blocks import layers

GAIN = np.sqrt(2)  # of weights in front of an activation
ACTIVATIONS = ('relu', 'lrelu')
FUSED_FROM = 128  # side of the larger feature maps from which fused_scale='auto' is True


def check_options(nonlinearity, fused_scale=False):
    """Raises UserError for an activation or `fused_scale` that these networks don't have."""
    if nonlinearity not in ACTIVATIONS:
        raise UserError('nonlinearity of a StyleGAN 1 network must be one of %s, not %r' % (
            ', '.join(ACTIVATIONS), nonlinearity))
    if fused_scale not in (True, False, 'auto'):
        raise UserError("fused_scale must be True, False or 'auto', not %r" % (fused_scale,))


def bias_act_layer(x, act='linear', lrmul=1):
    """Adds a bias per channel and applies the activation, without a gain."""
    return layers.bias_act_layer(x, act=act, gain=1, lrmul=lrmul)


def upscale_conv2d_layer(x, fmaps, use_wscale=True, fused_scale='auto'):
    """Doubles the resolution (nearest neighbor) and convolves 3x3, without bias: [N, 2 H, 2 W, fmaps].

    The published fused form is a transposed convolution that does not flip the kernel. That is a different function of
    the variable, and networks trained with it rely on it.

    Args:
        x: [N, H, W, C].
        fmaps: Feature maps of the result.
        use_wscale: See `layers.get_weight`.
        fused_scale: Is the kernel meant for the fused form? 'auto' = if the result is 128 pixels or more a side.
    """
    w = _weight(x, fmaps, use_wscale)
    if fused_scale == 'auto':
        fused_scale = 2 * min(x.shape.as_list()[axis] for axis in layout.spatial_axes()) >= FUSED_FROM
    if fused_scale:
        w = tf.reverse(w, [0, 1])
    return upsample_conv_2d(x, w, data_format=layout.data_format())


def conv2d_downscale_layer(x, fmaps, use_wscale=True):
    """Convolves 3x3 and halves the resolution by averaging, without bias: [N, H / 2, W / 2, fmaps].

    The published fused and separate forms give the same values here.
    """
    return conv_downsample_2d(x, _weight(x, fmaps, use_wscale), data_format=layout.data_format())


def conv2d_layer(x, fmaps, kernel=3, gain=GAIN, use_wscale=True):
    """SAME convolution without bias, [N, H, W, fmaps]."""
    return conv2d(x, _weight(x, fmaps, use_wscale, kernel, gain), data_format=layout.data_format())


def _weight(x, fmaps, use_wscale, kernel=3, gain=GAIN):
    in_channels = x.shape.as_list()[layout.channel_axis()]
    return tf.cast(layers.get_weight([kernel, kernel, in_channels, fmaps], gain, use_wscale), x.dtype)


def blur(x, blur_filter):
    """Correlates each channel with a row filter of unit sum in both directions, zero-padded; None = no blur."""
    if not blur_filter:
        return x
    taps = list(blur_filter)[::-1]  # filter_2d convolves
    if len(taps) % 2 == 0:
        taps.append(0)  # SAME padding of an even filter puts the larger half at the end
    return filter_2d(x, taps, data_format=layout.data_format())


def noise_layer(x, stored_noise=None):
    """Adds noise scaled by a learned strength per channel, initially 0 (StyleGAN, section 2).

    Args:
        x: [N, H, W, C].
        stored_noise: Noise of all samples, [1, 1, H, W]; None = fresh noise for every sample and evaluation.
    """
    with tf.variable_scope('Noise'):
        if stored_noise is None:
            height, width = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
            stored_noise = random.normal([tf.shape(x)[0], 1, height, width])
        channels = x.shape.as_list()[layout.channel_axis()]
        strength = tf.get_variable('weight', shape=[channels], initializer=tf.initializers.zeros())
        return x + layout.per_pixel(tf.cast(stored_noise, x.dtype)) * layout.per_channel(tf.cast(strength, x.dtype))


def pixel_norm(x, epsilon=layers.EPSILON):
    """Scales each pixel's vector of channels, or each vector of [N, C], to unit second moment (Karras et al. 2018,
    section 4.2)."""
    square = tf.reduce_mean(tf.square(x), axis=layout.channel_axis() if x.shape.ndims == 4 else 1, keepdims=True)
    return x * tf.rsqrt(square + tf.cast(epsilon, x.dtype))


def instance_norm(x):
    """Brings each feature map of each sample to mean 0 and variance 1, computed in float32."""
    axes, dtype = list(layout.spatial_axes()), x.dtype
    x = tf.cast(x, tf.float32)
    x -= tf.reduce_mean(x, axis=axes, keepdims=True)
    return tf.cast(x * tf.rsqrt(tf.reduce_mean(tf.square(x), axis=axes, keepdims=True) + layers.EPSILON), dtype)


def style_mod_layer(x, y, use_wscale=True):
    """Scales and shifts each feature map by the style (StyleGAN, equation 1).

    Args:
        x: [N, H, W, C].
        y: Dlatents of this layer, [N, dlatent_size].
        use_wscale: See `layers.get_weight`.
    """
    with tf.variable_scope('StyleMod'):
        channels = x.shape.as_list()[layout.channel_axis()]
        style = bias_act_layer(layers.dense_layer(y, 2 * channels, use_wscale=use_wscale))
        return x * layout.per_channel(style[:, :channels] + 1) + layout.per_channel(style[:, channels:])
