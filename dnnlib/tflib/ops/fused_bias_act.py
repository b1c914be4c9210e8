"""Bias, activation function and gain as one operation."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import bias_act_native, native
from dnnlib.util import EasyDict, UserError

HALF_TYPES = (tf.float16, tf.bfloat16)

# name -> func(x, alpha), default alpha and gain, index in the published kernel, ref: what its gradient refers to, x or
# y, zero_2nd_grad: piecewise linear?
activation_funcs = {
    'linear': EasyDict(func=lambda x, alpha: x, def_alpha=None, def_gain=1.0, cuda_idx=1, ref='y', zero_2nd_grad=True),
    'relu': EasyDict(func=lambda x, alpha: tf.nn.relu(x), def_alpha=None, def_gain=np.sqrt(2), cuda_idx=2, ref='y',
                     zero_2nd_grad=True),
    'lrelu': EasyDict(func=lambda x, alpha: tf.nn.leaky_relu(x, alpha), def_alpha=0.2, def_gain=np.sqrt(2), cuda_idx=3,
                      ref='y', zero_2nd_grad=True),
    'tanh': EasyDict(func=lambda x, alpha: tf.nn.tanh(x), def_alpha=None, def_gain=1.0, cuda_idx=4, ref='y',
                     zero_2nd_grad=False),
    'sigmoid': EasyDict(func=lambda x, alpha: tf.nn.sigmoid(x), def_alpha=None, def_gain=1.0, cuda_idx=5, ref='y',
                        zero_2nd_grad=False),
    'elu': EasyDict(func=lambda x, alpha: tf.nn.elu(x), def_alpha=None, def_gain=1.0, cuda_idx=6, ref='y',
                    zero_2nd_grad=False),
    'selu': EasyDict(func=lambda x, alpha: tf.nn.selu(x), def_alpha=None, def_gain=1.0, cuda_idx=7, ref='y',
                     zero_2nd_grad=False),
    'softplus': EasyDict(func=lambda x, alpha: tf.nn.softplus(x), def_alpha=None, def_gain=1.0, cuda_idx=8, ref='y',
                         zero_2nd_grad=False),
    'swish': EasyDict(func=lambda x, alpha: x * tf.nn.sigmoid(x), def_alpha=None, def_gain=np.sqrt(2), cuda_idx=9,
                      ref='x', zero_2nd_grad=False),
}


def fused_bias_act(x, b=None, axis=1, act='linear', alpha=None, gain=None, impl=None):
    """gain * act(x + b), with gradients to the second order; see `impl` for more.

    Args:
        x: Tensor of any rank >= 1, floating point.
        b: Bias [x.shape[axis]] of the same type, None = none.
        axis: Axis of x along which b lies.
        act: Key of `activation_funcs`.
        alpha: Slope of lrelu for negative values, None = 0.2.
        gain: Factor, None = the activation's own (sqrt(2) for relu, lrelu, swish; else 1).
        impl: 'ref' (plain TensorFlow, which defines the meaning), 'native' (or its published name 'cuda'), None = as
            `dnnlib.tflib.ops.native` chooses. Native operations have gradients to the second order (of piecewise linear
            activations: every order); what they cannot compute, such as float64, is left to the reference.
    Returns: Tensor like x.
    Raises:
        UserError: unknown `act`, or there are no native operations. ValueError: unknown `impl`, or a bias of another
            length.
    """
    impl = native.choose(impl)
    index, alpha, gain = activation_settings(act, alpha, gain)
    x = tf.convert_to_tensor(x)
    axis = axis % x.shape.ndims
    if b is not None:
        b = tf.convert_to_tensor(b, x.dtype.base_dtype)
        channels = x.shape.as_list()[axis]
        if b.shape.as_list() != [channels]:
            raise ValueError('the bias must have the shape [%r], not %r' % (channels, b.shape.as_list()))
    if b is None and act == 'linear' and gain == 1:
        return x
    if impl == 'native' and bias_act_native.fits(x, index, alpha, gain) and (b is None or channels):
        return bias_act_native.fused(x, b, None, axis, index, alpha, gain)
    return _fused_bias_act_ref(x, b, axis, activation_funcs[act].func, alpha, gain)


def activation_settings(act, alpha=None, gain=None):
    """Fills in an activation's default numbers.

    Args:
        act: Key of `activation_funcs`.
        alpha, gain: Numbers, None = the activation's own.
    Returns: (index in the kernels, alpha, gain).
    Raises: UserError for an unknown `act`.
    """
    if act not in activation_funcs:
        raise UserError('unknown activation %r; choose from %s' % (act, ', '.join(activation_funcs)))
    spec = activation_funcs[act]
    return spec.cuda_idx, spec.def_alpha if alpha is None else alpha, spec.def_gain if gain is None else gain


def spread(values, x):
    """Values that broadcast to x in the shape and the 16-bit type of x, with gradients that are summed in float32.

    TensorFlow sums the gradient of an operand that it broadcasts in the operand's type, which loses most of the terms.
    """
    return tf.cast(tf.cast(values, tf.float32) + tf.zeros_like(x, dtype=tf.float32), x.dtype)


def _fused_bias_act_ref(x, b, axis, func, alpha, gain):
    ndims = x.shape.ndims
    if b is not None:
        if x.dtype.base_dtype in HALF_TYPES:
            x += spread(tf.reshape(b, [-1 if i == axis else 1 for i in range(ndims)]), x)
        elif axis == ndims - 1:
            x = tf.nn.bias_add(x, b) if ndims > 1 else x + b
        else:
            x += tf.reshape(b, [-1 if i == axis else 1 for i in range(ndims)])
    x = func(x, alpha)
    return x if gain == 1 else x * tf.cast(gain, x.dtype)
