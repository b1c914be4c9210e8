"""Latents in a graph; their distributions are those of `dnnlib.latents`."""

import math

import tensorflow.compat.v1 as tf

from dnnlib.latents import shapes_of
from dnnlib.tflib import random

_HALVINGS = 30  # of the interval that a truncated number lies in: more than float32 can tell apart


def draw(shape, prior='normal'):
    """Latents of a distribution, float32.

    Args:
        shape: Their shape, list of ints.
        prior: Name of the distribution, see `dnnlib.latents.parse`.
    Raises: UserError, see `dnnlib.latents.shapes_of`.
    """
    parts = [_draw(part, *one) for one, part in shapes_of(prior, shape)]
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)


def _draw(shape, name, strength):
    if name == 'uniform':
        return random.uniform(shape, -1.0, 1.0)
    if name in ('bernoulli', 'sign', 'ternary'):
        numbers = tf.floor(random.uniform(shape) * (3 if name == 'ternary' else 2))
        return numbers if name == 'bernoulli' else numbers * 2 - 1 if name == 'sign' else numbers - 1
    if name == 'truncated':
        return _truncated(shape, strength)
    if name == 'hub':
        return _truncated(shape, 2.0) * strength
    found = random.normal(shape)
    if name == 'scaled':
        found *= strength
    if name == 'censored':
        found = tf.nn.relu(found)
    if name == 'gated':
        found *= tf.floor(random.uniform(shape) * 2)
    return found


def _truncated(shape, limit):
    """Normal numbers, none beyond a limit: the inverse of their distribution at uniform numbers, by bisection."""
    share = math.erf(limit / math.sqrt(2))
    target = (random.uniform(shape) * 2 - 1) * share
    low, high = -limit * tf.ones_like(target), limit * tf.ones_like(target)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_below = tf.math.erf(middle / math.sqrt(2)) < target
        low, high = tf.where(is_below, middle, low), tf.where(is_below, high, middle)
    return (low + high) / 2
