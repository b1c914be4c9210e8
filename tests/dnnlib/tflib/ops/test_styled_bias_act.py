"""Tests of dnnlib.tflib.ops.styled_bias_act against NumPy, and of the native operations against the reference.

Tests that use `session` run for both.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import native
from dnnlib.tflib.ops.fused_bias_act import activation_funcs
from dnnlib.tflib.ops.styled_bias_act import styled_bias_act
from tests.dnnlib.tflib.ops.agreement import DTYPES, Batch, assert_close, random_cases, require_native

NATIVE_ACTS = [name for name, spec in activation_funcs.items() if spec.zero_2nd_grad]


@pytest.fixture(params=['ref', 'native'])
def session(request, session):
    """A session whose graph uses one form of the operations."""
    if request.param == 'native':
        require_native()
    native.set_mode(request.param)
    return session


def arrays(batch, height, width, channels, shared_noise=False):
    """x [N, H, W, C], scale, noise, b."""
    rng = np.random.RandomState(batch + height + width + channels)
    noise = [1 if shared_noise else batch, 1, height, width]
    return [np.float32(rng.randn(*shape)) for shape in (
        [batch, height, width, channels], [batch, channels], noise, [channels])]


def operations(graph):
    """Types of the native operations in a graph."""
    return [op.type for op in graph.get_operations() if op.type.startswith(('StyledBias', 'FusedBias'))]


@pytest.mark.parametrize('shared_noise', [False, True])
@pytest.mark.parametrize('data_format', ['NHWC', 'NCHW'])
def test_is_its_formula(session, data_format, shared_noise):
    x, scale, noise, b = arrays(3, 4, 5, 6, shared_noise)
    v = x * scale[:, np.newaxis, np.newaxis] + noise.transpose(0, 2, 3, 1) + b
    expected = np.where(v > 0, v, 0.2 * v) * np.sqrt(2)
    if data_format == 'NCHW':
        x, expected = x.transpose(0, 3, 1, 2), expected.transpose(0, 3, 1, 2)
    y = styled_bias_act(tf.constant(x), scale, noise, b, data_format=data_format)
    assert y.shape.as_list() == list(x.shape)
    assert operations(session.graph) == ['StyledBiasAct'] * (native.mode() == 'native')
    np.testing.assert_allclose(session.run(y), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_gradients_of_the_reference_are_summed_in_float32(session, dtype):
    """In the type itself a sum of ones ends at 2,048 or 256."""
    parts = [tf.ones(shape) for shape in ([1, 3], [1, 1, 60, 50], [3])]
    y = styled_bias_act(tf.ones([1, 60, 50, 3], dtype), *parts, act='linear', impl='ref')
    scale, noise, b = session.run(tf.gradients(y, parts))
    np.testing.assert_array_equal([scale.ravel(), b], np.full([2, 3], 3000))
    np.testing.assert_array_equal(noise, np.full([1, 1, 60, 50], 3))


@pytest.mark.parametrize('act', list(activation_funcs))
def test_every_activation_and_every_part_alone(session, act):
    x, scale, noise, b = arrays(2, 3, 3, 4)
    func = activation_funcs[act]
    for parts, v in [(dict(), x), (dict(scale=scale), x * scale[:, np.newaxis, np.newaxis]), (dict(b=b), x + b),
                     (dict(noise=noise), x + noise.transpose(0, 2, 3, 1))]:
        y = styled_bias_act(x, act=act, gain=0.7, **parts)
        expected = func.func(tf.constant(v, tf.float64), func.def_alpha) * 0.7
        np.testing.assert_allclose(*session.run([y, expected]), rtol=1e-5, atol=1e-5)


@random_cases(7)
def test_native_is_the_reference(rng):
    require_native()
    batch = Batch()
    for _ in range(7):
        sizes = [rng.randint(0, 4), rng.choice([1, 2, 5, 8]), rng.choice([1, 3, 4, 9]), rng.choice([1, 2, 3, 8, 17])]
        x, scale, noise, b = arrays(*sizes, shared_noise=rng.randint(0, 1) == 0)
        settings = dict(act=rng.choice(NATIVE_ACTS), gain=rng.choice([None, 1, -0.5]),
                        data_format=rng.choice(['NHWC', 'NCHW']))
        if settings['data_format'] == 'NCHW':
            x = x.transpose(0, 3, 1, 2)
        dtype = rng.choice(DTYPES)
        parts = [name for name in ('scale', 'noise', 'b') if rng.randint(0, 3) > 0]
        given = dict(scale=scale, noise=noise, b=b)
        # a part may come in float32 or in the type of x
        inputs = [(x, dtype)] + [(given[name], rng.choice([dtype, 'float32'])) for name in parts]

        def compute(tensors, impl, parts=tuple(parts), settings=settings):
            return styled_bias_act(tensors[0], impl=impl, **dict(zip(parts, tensors[1:]), **settings))
        batch.add('%s %s %r %r' % (x.shape, parts, settings, [t for _, t in inputs]), inputs, compute,
                  known_batch=rng.randint(0, 1) == 0)
    batch.check()


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('data_format', ['NHWC', 'NCHW'])
def test_large_maps_are_cut_into_pieces_and_memory_may_be_used_again(dtype, data_format):
    require_native()
    x0, scale0, noise0, b0 = arrays(3, 61, 47, 38)
    if data_format == 'NCHW':
        x0 = x0.transpose(0, 3, 1, 2)

    def derivatives(x, *rest, **kwargs):
        y = styled_bias_act(x, *rest, data_format=data_format, **kwargs)
        first = tf.gradients(y, [x] + list(rest), tf.cos(x))
        second = tf.gradients([d * d for d in first], [x, rest[0]], [tf.sin(d) for d in first])
        return [y] + first + second

    with tf.Graph().as_default(), tf.Session() as session:
        x, rest = tf.placeholder(dtype, x0.shape), [tf.constant(t) for t in (scale0, noise0, b0)]
        feed = {x: x0.astype(x.dtype.as_numpy_dtype)}
        fetches = derivatives(x, *rest, impl='native')  # intermediate results are overwritten
        grad2 = [op for op in session.graph.get_operations() if op.type == 'StyledBiasActGrad2'][0]
        grad = [op for op in session.graph.get_operations() if op.type == 'StyledBiasActGrad'][0]
        every = [fetches] + [list(op.inputs) + list(op.outputs) for op in (grad, grad2)]  # fetched: nothing is
        reused, kept = session.run(fetches, feed), session.run(every, feed)[0]
        exact = derivatives(*[tf.cast(t, tf.float64) for t in [x] + rest], impl='ref')
        expected = session.run(exact, feed)
    for i, (a, b, e) in enumerate(zip(reused, kept, expected)):
        np.testing.assert_array_equal(a, b)
        if i < 5:  # the second gradients' cotangents depend on rounded sums
            assert_close(a, e, dtype, 'tensor %d' % i)


def test_third_gradients_are_right_or_refused():
    require_native()
    x0, scale0, noise0, b0 = arrays(2, 3, 3, 4)
    for parts in (dict(noise=noise0, b=b0), dict(scale=scale0)):
        third = {}
        with tf.Graph().as_default(), tf.Session() as session:
            x, parts = tf.constant(x0), {name: tf.constant(value) for name, value in parts.items()}
            for impl in ('ref', 'native'):
                d = styled_bias_act(x, impl=impl, **parts)
                try:
                    for _ in range(3):
                        gradients = tf.gradients(tf.reduce_sum(d ** 2), list(parts.values()) + [x])
                        d = tf.add_n([tf.reduce_sum(t ** 3) for t in gradients])
                    third[impl] = session.run(d)
                except LookupError as error:
                    assert impl == 'native' and 'scale' in parts and 'third derivative' in str(error)
        if 'scale' not in parts:
            np.testing.assert_allclose(third['native'], third['ref'], rtol=1e-4)


def test_second_gradients_that_nothing_needs_are_not_computed():
    require_native()
    x, scale, noise, b = [tf.constant(t) for t in arrays(2, 3, 3, 4)]
    with x.graph.as_default():
        dx, = tf.gradients(styled_bias_act(x, scale, noise, b, impl='native'), [x])
        tf.gradients(dx, [scale])
        op = [op for op in x.graph.get_operations() if op.type == 'StyledBiasActGrad2'][-1]
    assert [t.shape.as_list() for t in list(op.inputs)[5:]] == [[0], [0], [0]]  # dds, ddn, ddb
    assert op.outputs[1].shape.as_list() == [0]  # d2x


def test_static_shapes_are_kept_with_an_unknown_minibatch(session):
    for data_format, shape in [('NHWC', [None, 5, 6, 3]), ('NCHW', [None, 3, 5, 6])]:
        x, scale = tf.placeholder(tf.float32, shape), tf.placeholder(tf.float32, [None, 3])
        noise, b = tf.placeholder(tf.float32, [None, 1, 5, 6]), tf.zeros([3])
        y = styled_bias_act(x, scale, noise, b, data_format=data_format)
        gradients = tf.gradients(y, [x, scale, noise, b])
        assert y.shape.as_list() == shape
        assert [d.shape.as_list() for d in gradients] == [shape, [None, 3], [None, 1, 5, 6], [3]]
        for samples in (1, 4):  # noise of all samples, or of each
            sizes = [4 if size is None else size for size in shape]
            feed = {x: np.ones(sizes), scale: np.ones([4, 3]), noise: np.ones([samples, 1, 5, 6])}
            values = session.run(gradients, feed)
            assert values[2].shape == (samples, 1, 5, 6)
            np.testing.assert_allclose(values[2], np.sqrt(2) * 3 * 4 / samples, rtol=1e-5)


def test_wrong_arguments_are_refused(session):
    del session
    x = tf.zeros([2, 5, 6, 3])
    for kwargs, match in [
            (dict(act='relu6'), "'relu6'"), (dict(impl='magic'), 'impl'), (dict(data_format='NCWH'), 'NCWH'),
            (dict(b=np.zeros([4])), 'b must'), (dict(b=np.zeros([1, 3])), 'b must'),
            (dict(scale=np.zeros([3, 3])), 'scale must'), (dict(noise=np.zeros([2, 1, 6, 5])), 'noise must'),
            (dict(noise=np.zeros([3, 1, 5, 6])), 'noise must')]:
        with pytest.raises(ValueError, match=match):
            styled_bias_act(x, **kwargs)
    with pytest.raises(ValueError, match='four axes'):
        styled_bias_act(tf.zeros([2, 3]))


NONE = [0]


@pytest.mark.parametrize('x, scale, noise, b, message', [
    ([3], NONE, NONE, NONE, 'two axes'),
    ([2, 4, 5, 3], [2, 4], NONE, NONE, 'scale must'),
    ([2, 4, 5, 3], [3], NONE, NONE, 'scale must'),
    ([2, 4, 5, 3], NONE, [2, 1, 5, 4], NONE, 'noise'),
    ([2, 4, 5, 3], NONE, [3, 1, 4, 5], NONE, 'noise'),
    ([2, 20, 3], NONE, [2, 1, 4, 5], NONE, 'noise'),
    ([2, 4, 5, 3], NONE, NONE, [4], 'b must'),
    ([2, 4, 5, 3], NONE, NONE, [0, 3], 'b must')])
def test_operation_refuses_what_does_not_fit(x, scale, noise, b, message):
    lib = require_native()
    with tf.Graph().as_default(), tf.Session() as session:
        x, scale, noise, b = [
            tf.placeholder_with_default(np.zeros(shape, np.float32), None) for shape in (x, scale, noise, b)]
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            session.run(lib.styled_bias_act(x=x, scale=scale, noise=noise, b=b, act=3))


@pytest.mark.parametrize('wrong, message', [
    (dict(y=[2, 4, 5, 2]), 'y must'), (dict(x=[2, 4, 5, 2]), 'x must'), (dict(x=NONE), 'x must'),
    (dict(scale=[2, 2]), 'scale must'), (dict(dy=[3]), 'two axes'), (dict(ddx=NONE), 'ddx must'),
    (dict(dds=[2, 4]), 'dds must'), (dict(ddn=[1, 1, 4, 5]), 'ddn must'), (dict(ddb=[2]), 'ddb must')])
def test_derivatives_refuse_what_does_not_fit(wrong, message):
    lib = require_native()
    maps = [2, 4, 5, 3]
    shapes = dict(dy=maps, y=maps, x=maps, scale=[2, 3], ddx=maps, dds=[2, 3], ddn=[2, 1, 4, 5], ddb=[3])
    shapes.update(wrong)
    with tf.Graph().as_default(), tf.Session() as session:
        t = {name: tf.placeholder_with_default(np.zeros(shape, np.float32), None) for name, shape in shapes.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            session.run(lib.styled_bias_act_grad2(act=3, **t))
        if not set(wrong) & {'ddx', 'dds', 'ddn', 'ddb'}:
            with pytest.raises(tf.errors.InvalidArgumentError, match=message):
                session.run(lib.styled_bias_act_grad(
                    act=3, noise_grad=True, bias_grad=True, **{name: t[name] for name in ('dy', 'y', 'x', 'scale')}))


def test_operation_knows_three_activations():
    lib = require_native()
    with tf.Graph().as_default(), tf.Session() as session:
        none = tf.zeros([0])
        with pytest.raises(tf.errors.InvalidArgumentError, match='act must be 1, 2 or 3'):
            session.run(lib.styled_bias_act(x=tf.zeros([2, 3]), scale=none, noise=none, b=none, act=4))
