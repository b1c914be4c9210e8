"""Convolutions joined with a change of size: the same values and gradients as one after the other."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from training.blocks import plain


@pytest.mark.parametrize('layer', [plain.conv_down_layer, plain.up_conv_layer])
def test_joined_convolutions(session, monkeypatch, layer):
    rnd = np.random.RandomState(0)
    x, direction = tf.constant(rnd.randn(2, 6, 8, 3), tf.float64), {}
    monkeypatch.setattr(tf, 'get_variable', with_type(tf.get_variable))
    found = []
    for least in (4, 100):  # joined, and not
        monkeypatch.setattr(plain, 'LEAST_JOINED', least)
        with tf.variable_scope('Layer', reuse=tf.AUTO_REUSE):
            y = layer(x, 5, plain.Setting(init='uniform', bias=True))
        weights = direction.setdefault('y', tf.constant(rnd.randn(*y.shape.as_list())))
        variables = sorted(tf.trainable_variables(), key=lambda var: var.name)
        first = tf.gradients(tf.reduce_sum(y * weights), variables + [x])
        second = tf.gradients(tf.reduce_sum(tf.square(first[-1])), variables[1:])  # as of R1
        found.append([y] + first + second)
    joined, apart = run(session, found)
    assert len(joined) == 5
    for one, other in zip(joined, apart):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def with_type(get_variable):
    """`tf.get_variable` of float64, so that what is equal but for rounding is equal."""
    def get(name, shape, initializer):
        return get_variable(name, shape, tf.float64, initializer=tf.initializers.random_normal(seed=len(shape)))
    return get


def run(session, values):
    """Values of tensors, with new variables."""
    session.run(tf.global_variables_initializer())
    return session.run(values)
