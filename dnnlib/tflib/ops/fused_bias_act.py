"""Bias, activation function and gain as one operation."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.util import EasyDict, UserError

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


def fused_bias_act(x, b=None, axis=1, act='linear', alpha=None, gain=None, impl='ref'):
    """gain * act(x + b), with gradients of every order.

    Args:
        x: Tensor of any rank >= 1, floating point.
        b: Bias [x.shape[axis]] of the same type, None = none.
        axis: Axis of x along which b lies.
        act: Key of `activation_funcs`.
        alpha: Slope of lrelu for negative values, None = 0.2.
        gain: Factor, None = the activation's own (sqrt(2) for relu, lrelu, swish; else 1).
        impl: 'ref', plain TensorFlow operations.
    Returns: Tensor like x.
    Raises:
        UserError: unknown `act`. ValueError: unknown `impl`, or a bias of another length.
    """
    if impl != 'ref':
        raise ValueError("impl must be 'ref', not %r" % (impl,))
    if act not in activation_funcs:
        raise UserError('unknown activation %r, known are %s' % (act, ', '.join(activation_funcs)))
    x = tf.convert_to_tensor(x)
    spec = activation_funcs[act]
    alpha = spec.def_alpha if alpha is None else alpha
    gain = spec.def_gain if gain is None else gain
    if b is not None:
        b = tf.convert_to_tensor(b)
        channels = x.shape.as_list()[axis]
        if b.shape.as_list() != [channels]:
            raise ValueError('the bias must have the shape [%r], not %r' % (channels, b.shape.as_list()))
        if axis in (x.shape.ndims - 1, -1):
            x = tf.nn.bias_add(x, b) if x.shape.ndims > 1 else x + b
        else:
            x += tf.reshape(b, [-1 if i == axis else 1 for i in range(x.shape.ndims)])
    x = spec.func(x, alpha)
    return x if gain == 1 else x * tf.cast(gain, x.dtype)
