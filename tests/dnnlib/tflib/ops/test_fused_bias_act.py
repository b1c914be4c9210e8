"""Tests of dnnlib.tflib.ops.fused_bias_act against published values, NumPy formulas and finite differences."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops.fused_bias_act import activation_funcs, fused_bias_act

SQRT2 = np.sqrt(2)
GOLDENS = {  # (row 0, row 1) of [[-2, -1], [0, 3]] with the bias [0.5, -0.5]; both values of row 0 are equal
    'linear': (-1.5, [0.5, 2.5]),
    'relu': (0, [0.707107, 3.535534]),
    'lrelu': (-0.424264, [0.707107, 3.535534]),
    'tanh': (-0.905148, [0.462117, 0.986614]),
    'sigmoid': (0.182426, [0.622459, 0.924142]),
    'elu': (-0.776870, [0.5, 2.5]),
    'selu': (-1.365814, [0.525351, 2.626755]),
    'softplus': (0.201413, [0.974077, 2.578890]),
    'swish': (-0.386983, [0.440145, 3.267334]),
}
FORMULAS = {  # float64, gain included
    'linear': lambda x: x,
    'relu': lambda x: np.maximum(x, 0) * SQRT2,
    'lrelu': lambda x: np.where(x > 0, x, 0.2 * x) * SQRT2,
    'tanh': np.tanh,
    'sigmoid': lambda x: 1 / (1 + np.exp(-x)),
    'elu': lambda x: np.where(x >= 0, x, np.exp(x) - 1),
    'selu': lambda x: 1.0507009873554805 * np.where(x >= 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    'softplus': lambda x: np.log(1 + np.exp(x)),
    'swish': lambda x: x / (1 + np.exp(-x)) * SQRT2,
}


def test_table_lists_the_published_activations():
    assert list(activation_funcs) == list(GOLDENS)
    assert [spec.cuda_idx for spec in activation_funcs.values()] == list(range(1, 10))
    assert [name for name, spec in activation_funcs.items() if spec.zero_2nd_grad] == ['linear', 'relu', 'lrelu']


@pytest.mark.parametrize('act', list(GOLDENS))
def test_values_are_the_published_ones(session, act):
    y = fused_bias_act(tf.constant([[-2.0, -1.0], [0.0, 3.0]]), tf.constant([0.5, -0.5]), act=act)
    row0, row1 = GOLDENS[act]
    np.testing.assert_allclose(session.run(y), [[row0, row0], row1], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize('shape, axis', [([3, 4], 1), ([5], 0), ([2, 3, 4, 5], 1), ([2, 4, 5, 3], 3), ([2, 4, 3], -1)])
def test_bias_lies_along_the_axis(session, shape, axis):
    x = np.random.RandomState(0).randn(*shape).astype(np.float32)
    b = np.arange(shape[axis], dtype=np.float32)
    expected = np.moveaxis(np.moveaxis(x, axis, -1) + b, -1, axis)
    np.testing.assert_allclose(session.run(fused_bias_act(x, b, axis=axis)), expected, rtol=1e-6)
    np.testing.assert_allclose(session.run(fused_bias_act(tf.constant(x), axis=axis)), x)


def test_alpha_and_gain_replace_the_defaults(session):
    x = tf.constant([[-2.0, 3.0]])
    np.testing.assert_allclose(session.run(fused_bias_act(x, act='lrelu', alpha=0.1, gain=5.0)), [[-1, 15]], rtol=1e-6)


@pytest.mark.parametrize('act', list(GOLDENS))
def test_first_and_second_gradients_are_those_of_the_formula(session, act):
    rng = np.random.RandomState(1)
    x0, b0 = rng.uniform(-3, 3, [4, 3]), rng.uniform(-1, 1, [3])
    x0[np.abs(x0 + b0) < 0.01] += 0.1  # away from the kinks
    dy0, v0 = rng.randn(4, 3), rng.randn(4, 3)
    x, b, dy = (tf.constant(value, tf.float64) for value in (x0, b0, dy0))
    y = fused_bias_act(x, b, act=act)
    dx, db = tf.gradients(y, [x, b], [dy])
    dd_x, dd_dy = tf.gradients(tf.reduce_sum(dx * v0), [x, dy])
    f, u, h = FORMULAS[act], x0 + b0, 1e-4
    first = (f(u + h) - f(u - h)) / (2 * h)
    second = (f(u + h) - 2 * f(u) + f(u - h)) / h ** 2
    np.testing.assert_allclose(session.run(y), f(u), rtol=1e-6)
    np.testing.assert_allclose(session.run(dx), dy0 * first, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(session.run(db), (dy0 * first).sum(axis=0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(session.run(dd_dy), v0 * first, rtol=1e-5, atol=1e-7)
    if dd_x is None:
        assert activation_funcs[act].zero_2nd_grad
    else:
        np.testing.assert_allclose(session.run(dd_x), v0 * dy0 * second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('act', list(GOLDENS))
def test_large_arguments_stay_finite(session, act):
    x = tf.constant([[-1000.0, -50.0, 50.0, 1000.0]])
    y = fused_bias_act(x, act=act)
    values = session.run([y, tf.gradients(y, [x])[0]])
    assert np.isfinite(values).all()


def test_wrong_arguments_are_refused():
    x = tf.zeros([2, 3])
    for kwargs, match in [(dict(act='relu6'), "'relu6'"), (dict(impl='magic'), 'impl'), (dict(b=[0.0, 0.0]), 'bias')]:
        with pytest.raises(ValueError, match=match):
            fused_bias_act(x, **kwargs)
