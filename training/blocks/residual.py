"""Residual blocks of translation networks, and networks as numbered chains of layers."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import norm, plain


def residual_layer(x, setting):
    """x + two 3x3 convolutions with normalization (Johnson et al. 2016, supplement); nothing follows the sum.

    Args:
        x: Feature maps.
        setting: plain.Setting.
    """
    fmaps = x.shape.as_list()[layout.channel_axis()]
    with tf.variable_scope('Conv0'):
        y = plain.conv_layer(x, fmaps, 3, setting, pad=1, kind='reflect')
        y = tf.nn.relu(norm.norm_layer(y, setting))
    y = plain.dropout(y) if setting.dropout else y
    with tf.variable_scope('Conv1'):
        y = plain.conv_layer(y, fmaps, 3, setting, pad=1, kind='reflect')
        return x + norm.norm_layer(y, setting)


def scoped(scope, function):
    """A function of feature maps that creates its variables in a scope."""
    def apply(x):
        with tf.variable_scope(scope):
            return function(x)
    return apply


def run_chain(steps, x, taps=(), encode_only=False):
    """Feature maps passed through one function after another.

    Args:
        steps: List of functions.
        x: Feature maps.
        taps: Numbers of steps whose results are wanted. As in PyTorch, where ReLUs change their inputs, the result of a
            step before a ReLU is the one after it, unless nothing follows.
        encode_only: Stop after the last tap?
    Returns: (result, list of the taps' results in the order of their numbers).
    Raises: UserError for a number that is no step's.
    """
    found = {}
    if any(not 0 <= number < len(steps) for number in taps):
        raise UserError(f'taps must be numbers of layers, 0 to {len(steps) - 1}, not {list(taps)}; for CUT give others '
                        'by --set train.nce_layers')
    for number, step in enumerate(steps):
        x = step(x)
        if number in taps:
            found[number] = x
        if step is tf.nn.relu and number - 1 in taps:
            found[number - 1] = x
        if encode_only and number == max(taps):
            break
    return x, [found[number] for number in sorted(found)]
