"""Tests of dnnlib.tflib.ops.fused_bias_act against published values, NumPy formulas and finite differences.

Tests that use `session` run for the reference and for the native operations.
"""

import importlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import bias_act_native, native
from dnnlib.tflib.ops.fused_bias_act import activation_funcs, fused_bias_act
from tests.dnnlib.tflib.ops.agreement import DTYPES, Batch, random_cases, require_native

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


@pytest.fixture(params=['ref', 'native'])
def session(request, session):
    """A session whose graph uses one form of the operations."""
    if request.param == 'native':
        require_native()
    native.set_mode(request.param)
    return session


def operations(graph):
    """Names of our operations in a graph."""
    return [op.type for op in graph.get_operations() if op.type.startswith(('FusedBias', 'StyledBias', 'UpFirDn'))]


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
    is_native = native.mode() == 'native'
    x, b, dy = (tf.constant(value, tf.float32 if is_native else tf.float64) for value in (x0, b0, dy0))
    y = fused_bias_act(x, b, act=act)
    assert operations(session.graph) == ['FusedBiasAct'] * is_native
    dx, db = tf.gradients(y, [x, b], [dy])
    dd_x, dd_dy = tf.gradients(tf.reduce_sum(dx * v0), [x, dy])
    f, u, h = FORMULAS[act], x0 + b0, 1e-4
    first = (f(u + h) - f(u - h)) / (2 * h)
    second = (f(u + h) - 2 * f(u) + f(u - h)) / h ** 2
    atol = 2e-6 if is_native else 1e-7
    np.testing.assert_allclose(session.run(y), f(u), rtol=1e-6, atol=1e-6 * is_native)
    np.testing.assert_allclose(session.run(dx), dy0 * first, rtol=1e-5, atol=atol)
    np.testing.assert_allclose(session.run(db), (dy0 * first).sum(axis=0), rtol=1e-5, atol=atol)
    np.testing.assert_allclose(session.run(dd_dy), v0 * first, rtol=1e-5, atol=atol)
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


@random_cases(6)
def test_native_is_the_reference(rng):
    require_native()
    batch = Batch()
    for _ in range(8):
        ndims = rng.randint(1, 5)
        shape = [rng.randint(0, 4)] + [rng.choice([1, 2, 3, 5, 8, 17]) for _ in range(ndims - 1)]
        axis = rng.randint(0, ndims - 1) if shape[0] else ndims - 1
        settings = dict(axis=axis, act=rng.choice(list(activation_funcs)), alpha=rng.choice([None, 0, 0.3, 1.5]),
                        gain=rng.choice([None, 1, 0.5, -2]))
        values, dtype, biased = np.random.RandomState(rng.randint(0, 9999)), rng.choice(DTYPES), rng.randint(0, 3) > 0
        inputs = [(values.randn(*shape), dtype)] + [(values.randn(shape[axis]), dtype)] * biased
        batch.add('%s %r %s' % (shape, settings, dtype), inputs,
                  lambda tensors, impl, settings=settings: fused_bias_act(*tensors, impl=impl, **settings),
                  known_batch=axis == 0 or rng.randint(0, 1) == 0)
    batch.check()


@pytest.mark.parametrize('act', list(GOLDENS))
def test_third_gradients_are_right_or_refused(act):
    require_native()
    rng = np.random.RandomState(0)
    third = {}
    with tf.Graph().as_default(), tf.Session() as session:
        x, b = tf.constant(rng.randn(4, 3), tf.float32), tf.constant(rng.randn(3), tf.float32)
        for impl in ('ref', 'native'):
            d = fused_bias_act(x, b, act=act, impl=impl)
            try:
                for _ in range(3):
                    d, = tf.gradients(tf.reduce_sum(tf.square(d)), [x])
                third[impl] = session.run(d)
            except LookupError as error:
                assert impl == 'native' and act == 'swish' and 'third derivative' in str(error)
    if act != 'swish':
        np.testing.assert_allclose(third['native'], third['ref'], rtol=1e-3, atol=1e-3 * np.abs(third['ref']).max())


@pytest.mark.parametrize('act', list(GOLDENS))
def test_second_derivative_of_the_kernel(act):
    """grad = 2 of the published operation; our gradients need it for swish only."""
    require_native()
    values = np.random.RandomState(0).uniform(-3, 3, 50).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant(values, tf.float64)
        expected, = tf.gradients(tf.gradients(fused_bias_act(x, act=act, axis=0, impl='ref'), [x])[0], [x]) or [None]
        x = tf.constant(values)
        spec, v = activation_funcs[act], tf.constant(values[::-1])
        ref = x if spec.ref == 'x' else fused_bias_act(x, act=act, axis=0, impl='native')
        y = bias_act_native.fused(v, None, ref, 0, spec.cuda_idx, spec.def_alpha, spec.def_gain, grad=2)
        expected = np.zeros(50) if expected is None else session.run(expected)
        np.testing.assert_allclose(session.run(y), values[::-1] * expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize('dtype', DTYPES)
def test_large_tensors_are_cut_into_pieces_and_memory_may_be_used_again(dtype):
    require_native()
    values = np.random.RandomState(0).randn(3, 41, 67, 35)
    with tf.Graph().as_default(), tf.Session() as session:
        x, b = tf.placeholder(dtype, values.shape), tf.cast(tf.linspace(-1.0, 1.0, 35), dtype)
        feed = {x: values.astype(x.dtype.as_numpy_dtype)}
        fresh = [fused_bias_act(x, b, 3, act, impl='native') for act in activation_funcs]  # x is the caller's
        reused = [fused_bias_act(tf.abs(x) * tf.sign(x), b, 3, act, impl='native') for act in activation_funcs]
        expected = [fused_bias_act(tf.cast(x, tf.float64), tf.cast(b, tf.float64), 3, act, impl='ref')
                    for act in activation_funcs]
        first, second, expected = session.run([fresh, reused, expected], feed)
        again = session.run(fresh, feed)
    tolerance = {'float32': 2e-6, 'float16': 1e-3, 'bfloat16': 8e-3}[dtype]
    for a, b, c, e in zip(first, second, again, expected):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
        np.testing.assert_allclose(a.astype(np.float64), e, rtol=tolerance, atol=tolerance)


def test_float64_and_odd_settings_are_left_to_the_reference():
    require_native()
    with tf.Graph().as_default(), tf.Session() as session:
        for dtype, settings in [(tf.float64, {}), (tf.float32, dict(gain=0)), (tf.float32, dict(alpha=-1))]:
            x = tf.constant([[-2.0, 3.0]], dtype)
            y = fused_bias_act(x, act='lrelu', impl='native', **settings)
            dx, = tf.gradients(y, [x])
            alpha, gain = settings.get('alpha', 0.2), settings.get('gain', SQRT2)
            np.testing.assert_allclose(session.run([y, dx]), [[[-2 * alpha * gain, 3 * gain]], [[alpha * gain, gain]]],
                                       rtol=1e-6)
        assert not operations(session.graph)


def test_the_published_name_of_native_is_known():
    require_native()
    with tf.Graph().as_default() as graph:
        fused_bias_act(tf.zeros([2, 3]), act='lrelu', impl='cuda')
        assert operations(graph) == ['FusedBiasAct']


def test_gradients_survive_a_second_load_of_the_module():
    require_native()
    importlib.reload(bias_act_native)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([[-1.0, 1.0]])
        np.testing.assert_allclose(session.run(tf.gradients(fused_bias_act(x, act='relu', impl='native'), [x])[0]),
                                   [[0, SQRT2]], rtol=1e-6)


@pytest.mark.parametrize('b, ref, attrs, message', [
    ([2], [0], {}, 'b must be as long as axis 1'),
    ([3], [0], dict(axis=3), 'b must be as long as axis 3'),
    ([0], [2, 3], {}, 'ref must be like x'),
    ([0], [0], dict(grad=1), 'ref must be like x'),
    ([0], [3, 2], dict(grad=2), 'ref must be like x'),
    ([0], [0], dict(grad=3), 'grad must be 0, 1 or 2'),
    ([0], [0], dict(act=0), 'act must be 1 to 9'),
    ([0], [0], dict(act=10), 'act must be 1 to 9'),
    ([0], [0], dict(axis=-1), 'axis must not be negative'),
    ([1, 3], [0], {}, 'b must be a vector')])
def test_operation_refuses_what_does_not_fit(b, ref, attrs, message):
    lib = require_native()
    with tf.Graph().as_default(), tf.Session() as session:
        x, b, ref = [tf.placeholder_with_default(np.zeros(shape, np.float32), None) for shape in ([2, 3], b, ref)]
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            session.run(lib.fused_bias_act(x=x, b=b, ref=ref, **dict(dict(act=1), **attrs)))
