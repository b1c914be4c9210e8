"""The end of a styled layer as one operation: demodulation, noise, bias, activation and gain."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import bias_act_native, native
from dnnlib.tflib.ops.fused_bias_act import HALF_TYPES, activation_settings, fused_bias_act, spread


def styled_bias_act(x, scale=None, noise=None, b=None, act='lrelu', gain=None, data_format='NHWC', impl=None):
    """gain * act(x * scale + noise + b), with gradients to the second order (StyleGAN2, figure 2d).

    Args:
        x: Feature maps [N, H, W, C] or [N, C, H, W], float32, float16 or bfloat16.
        scale: Factor of each sample's maps, [N, C], None = 1.
        noise: Noise maps, already scaled by their strength: [N or 1, 1, H, W], None = 0.
        b: Bias [C], None = 0.
        act: Key of `fused_bias_act.activation_funcs`; only linear, relu and lrelu are native.
        gain: Factor, None = the activation's own.
        data_format: Layout of x, 'NHWC' or 'NCHW'.
        impl: See `fused_bias_act`. Native operations use scale, noise and b in float32 whatever the type of x, and
            round once, at the end.
    Returns: Tensor like x.
    Raises: As `fused_bias_act`; ValueError for shapes that do not fit.
    """
    impl = native.choose(impl)
    index, alpha, gain = activation_settings(act, gain=gain)
    x, (scale, noise, b) = tf.convert_to_tensor(x), [
        t if t is None else tf.convert_to_tensor(t) for t in (scale, noise, b)]
    _check_shapes(x, scale, noise, b, data_format)
    has_native = index <= bias_act_native.LRELU and bias_act_native.fits(x, index, alpha, gain)
    if impl == 'native' and has_native and 0 not in x.shape.as_list()[1:]:
        return bias_act_native.styled(
            x, scale, noise, b, act=index, alpha=float(alpha or 0), gain=float(gain), data_format=data_format)
    return _styled_bias_act_ref(x, scale, noise, b, act, gain, data_format)


def _styled_bias_act_ref(x, scale, noise, b, act, gain, data_format):
    channels_last = data_format == 'NHWC'
    channels = x.shape.as_list()[3 if channels_last else 1]
    is_half = x.dtype.base_dtype in HALF_TYPES

    def like_x(values):
        return spread(values, x) if is_half else tf.cast(values, x.dtype)

    def per_channel(values):
        return tf.reshape(values, [-1, 1, 1, channels] if channels_last else [-1, channels, 1, 1])

    if scale is not None:
        x *= like_x(per_channel(scale))
    if noise is not None:
        height, width = noise.shape.as_list()[2:]
        x += like_x(tf.reshape(noise, [-1, height, width, 1]) if channels_last else noise)
    if b is not None and is_half:
        x, b = x + like_x(per_channel(b)), None
    elif b is not None:
        b = tf.cast(b, x.dtype)
    return fused_bias_act(x, b, 3 if channels_last else 1, act, gain=gain, impl='ref')


def _check_shapes(x, scale, noise, b, data_format):
    if data_format not in ('NHWC', 'NCHW'):
        raise ValueError('data_format must be NHWC or NCHW, not %r' % (data_format,))
    if x.shape.ndims != 4:
        raise ValueError('x must have four axes, but its shape is %r' % (x.shape.as_list(),))
    sizes = x.shape.as_list()
    batch, channels = sizes[0], sizes[3 if data_format == 'NHWC' else 1]
    height, width = sizes[1:3] if data_format == 'NHWC' else sizes[2:]
    for name, t, shape in [('scale', scale, [batch, channels]), ('noise', noise, [batch, 1, height, width]),
                           ('b', b, [channels])]:
        fits = t is None or t.shape.is_compatible_with(shape)
        if not fits and not (name == 'noise' and t.shape.is_compatible_with([1] + shape[1:])):
            raise ValueError('%s must have the shape %r, not %r, x is %r' % (name, shape, t.shape.as_list(), sizes))
