"""The native bias and activation operations: where they can be used, how they are called, and their gradients.

An operation is differentiated with respect to each of its inputs as it stands; since the first derivative refers to the
activation's output (for swish: its input), the chain rule does the rest, to the second order.
"""

import math

import tensorflow.compat.v1 as tf

from . import native

TYPES = (tf.float32, tf.float16) + (() if tf.__version__.startswith('1.') else (tf.bfloat16,))
LINEAR, RELU, LRELU, TANH, SIGMOID, ELU, SELU, SOFTPLUS, SWISH = range(1, 10)  # as in src/kernels.h


def fits(x, act, alpha, gain):
    """Can native operations compute this? Else the reference must.

    Args:
        x: Tensor; float64 is left to the reference.
        act: Index of the activation.
        alpha, gain: Numbers, `alpha` may be None. The derivative is told from the sign of the output, so a negative
            slope or a gain of zero are left to the reference.
    Returns: bool.
    """
    return (x.dtype.base_dtype in TYPES and math.isfinite(gain) and gain != 0
            and (act != LRELU or (math.isfinite(alpha) and alpha >= 0)))


def fused(x, b, ref, axis, act, alpha, gain, grad=0):
    """Operation FusedBiasAct; see BiasActParams in src/kernels.h. None = without, for b and ref; `act` is an index.

    A tensor without elements is how the operation is told that there is none: a bias of no channels must not come here.
    """
    none = tf.zeros([0], x.dtype)
    return native.load().fused_bias_act(
        x=x, b=none if b is None else b, ref=none if ref is None else ref, grad=grad, axis=axis, act=act,
        alpha=float(alpha or 0), gain=float(gain))


def styled(x, scale, noise, b, **attrs):
    """Operation StyledBiasAct; see StyledParams in src/kernels.h. None = without, for scale, noise and b.

    `attrs` are act (index), alpha, gain, data_format.
    """
    scale, noise, b = [tf.zeros([0]) if t is None else tf.cast(t, tf.float32) for t in (scale, noise, b)]
    return native.load().styled_bias_act(x=x, scale=scale, noise=noise, b=b, **attrs)


def _gradient_of(name):
    def register(func):
        try:
            return tf.RegisterGradient(name)(func)
        except KeyError:  # this module was loaded before
            return func
    return register


def _is_given(t):
    return t.shape.as_list() != [0]


def _is_zero(t):
    """Did TensorFlow make it up for an output that nothing depends on?"""
    return t is None or t.op.type == 'ZerosLike'


@_gradient_of('FusedBiasAct')
def _fused_gradient(op, dy):
    x, b, ref = op.inputs
    grad, axis, act, alpha, gain = (op.get_attr(name) for name in ('grad', 'axis', 'act', 'alpha', 'gain'))
    ndims, has_bias = x.shape.ndims, _is_given(b)
    if grad == 0:
        if act <= LRELU and has_bias and ndims > 1 and axis in (1, ndims - 1):  # dx and db in one pass
            dx, _, _, db = native.load().styled_bias_act_grad(
                dy=dy, y=op.outputs[0], x=tf.zeros([0], x.dtype), scale=tf.zeros([0]), noise_grad=False, bias_grad=True,
                act=act, alpha=alpha, gain=gain, data_format='NHWC' if axis == ndims - 1 else 'NCHW')
            return dx, tf.cast(db, b.dtype), None
        ref = op.outputs[0] if act != SWISH else fused(x, b, None, axis, LINEAR, 0, 1) if has_bias else x
    dx = fused(dy, None, ref, axis, act, alpha, gain, max(grad, 1))  # linear in x where grad is not 0
    db = _sum_over_all_but(dx, axis) if has_bias else None
    if grad == 0 or act <= LRELU:
        return dx, db, None
    return dx, db, _gradient_of_reference(op, dy)


def _gradient_of_reference(op, dy):
    """Derivative of gain * (x + b) * act'(ref) with respect to ref, times dy."""
    x, b, ref = op.inputs
    grad, axis, act, gain = (op.get_attr(name) for name in ('grad', 'axis', 'act', 'gain'))
    if grad != 1:
        raise LookupError("native operations have no third derivative of this activation; use impl='ref'")
    v = fused(x, b, None, axis, LINEAR, 0, 1) if _is_given(b) else x
    v = tf.cast(dy, tf.float32) * tf.cast(v, tf.float32)
    if act == SWISH:
        return tf.cast(fused(v, None, tf.cast(ref, tf.float32), axis, act, 0, gain, 2), ref.dtype)
    y = tf.cast(ref, tf.float32) / gain
    if act == TANH:  # act' is 1 - y^2
        v *= -2 * y
    elif act == SIGMOID:  # y (1 - y)
        v *= 1 - 2 * y
    elif act == SOFTPLUS:  # 1 - exp(-y)
        v *= tf.exp(-y)
    else:  # ELU and SELU: y + constant below 0, else constant
        v *= tf.cast(y < 0, tf.float32)
    return tf.cast(v, ref.dtype)


def _sum_over_all_but(x, axis):
    axes = [i for i in range(x.shape.ndims) if i != axis]
    return tf.cast(tf.reduce_sum(tf.cast(x, tf.float32), axes), x.dtype) if axes else x


def _styled_attrs(op):
    names = ('act', 'alpha', 'gain', 'data_format')
    attrs = {name: op.get_attr(name) for name in names}
    return dict(attrs, data_format=tf.compat.as_str(attrs['data_format']))


@_gradient_of('StyledBiasAct')
def _styled_gradient(op, dy):
    x, scale, noise, b = op.inputs
    scaled, noisy, biased = [_is_given(t) for t in (scale, noise, b)]
    dx, dscale, dnoise, db = native.load().styled_bias_act_grad(
        dy=dy, y=op.outputs[0], x=x if scaled else tf.zeros([0], x.dtype), scale=scale, noise_grad=noisy,
        bias_grad=biased, **_styled_attrs(op))
    if noisy:
        dnoise = _sum_over_samples(dnoise, noise, x)
    return dx, dscale if scaled else None, dnoise if noisy else None, db if biased else None


def _sum_over_samples(dnoise, noise, x):
    """Gradient of noise that all samples may share: [N, 1, H, W] to the shape of `noise`, [N or 1, 1, H, W]."""
    size, batch = noise.shape.as_list()[0], x.shape.as_list()[0]
    if size == 1:
        return dnoise if batch == 1 else tf.reduce_sum(dnoise, 0, keepdims=True)
    if size is not None:
        return dnoise
    shape = tf.shape(noise)
    copies = tf.shape(dnoise)[0] // tf.maximum(shape[0], 1)
    dnoise = tf.reduce_sum(tf.reshape(dnoise, tf.concat([[copies], shape], 0)), 0)
    dnoise.set_shape(noise.shape)
    return dnoise


@_gradient_of('StyledBiasActGrad')
def _styled_second_gradient(op, ddx, dds, ddn, ddb):
    dy, y, x, scale = op.inputs
    scaled = _is_given(scale)
    none = tf.zeros([0])
    dds, ddn, ddb = [none if _is_zero(t) or not _is_given(t) else t for t in (dds, ddn, ddb)]
    ddy, d2x, d2scale = native.load().styled_bias_act_grad2(
        dy=dy, y=y, x=x, scale=scale, ddx=tf.zeros_like(dy) if ddx is None else ddx, dds=dds, ddn=ddn, ddb=ddb,
        **_styled_attrs(op))
    return ddy, None, d2x if _is_given(dds) else None, d2scale if scaled else None


@_gradient_of('StyledBiasActGrad2')
def _styled_third_gradient(op, dddy, dd2x, dd2scale):
    del dd2x, dd2scale
    dy, y, _, scale, _, dds, ddn, ddb = op.inputs
    if _is_given(scale) or _is_given(dds):
        raise LookupError("native operations have no third derivative of a scale; use impl='ref'")
    dddx, _, dddn, dddb = native.load().styled_bias_act_grad(  # linear in ddx, ddn and ddb
        dy=dddy, y=y, x=tf.zeros([0], dy.dtype), scale=scale, noise_grad=_is_given(ddn), bias_grad=_is_given(ddb),
        **_styled_attrs(op))
    return None, None, None, None, dddx, None, dddn if _is_given(ddn) else None, dddb if _is_given(ddb) else None
