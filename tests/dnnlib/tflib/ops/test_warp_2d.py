"""Tests of dnnlib.tflib.ops.warp_2d: a float64 form of the definition, adjoints, and the native operation."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import native
from dnnlib.tflib.ops import warp_2d as warp_module
from dnnlib.tflib.ops.warp_2d import warp_2d
from training.augment.geometry import SYM6


@pytest.fixture(params=['ref', 'native'])
def impl(request, session):
    """Every test of it runs for both forms."""
    if request.param == 'native' and native.missing():
        pytest.skip(native.missing())
    return request.param


def problem(seed, shape, scale=1.0):
    """Images, matrices and margins: turned, sheared, shifted and, by `scale`, enlarged."""
    rng = np.random.RandomState(seed)
    count, _, height, width = shape
    square = scale * (np.eye(2) + rng.uniform(-0.8, 0.8, [count, 2, 2]))
    margins = [rng.randint(0, size) for size in (width, height, width, height)]
    middle = np.float64([width + 5, height + 5])
    shift = middle - 6 + 2 * np.array(margins[:2]) + rng.uniform(-4, 4, [count, 2]) - square.dot(middle)
    matrices = np.concatenate([square, shift[:, :, np.newaxis]], axis=2)
    return np.float32(rng.randn(*shape)), np.float32(matrices), np.int32(margins)


def by_definition(x, matrices, margins):
    """The operation in float64, one sample at a time."""
    left, top, right, bottom = margins
    padded = np.pad(np.float64(x), [(0, 0), (0, 0), (top, bottom), (left, right)], mode='reflect')
    for axis in (2, 3):
        zeros = np.zeros_like(padded)
        padded = np.stack([padded, zeros], axis=axis + 1).reshape(
            [size * (2 if i == axis else 1) for i, size in enumerate(padded.shape)])
        padded = np.apply_along_axis(lambda row: np.convolve(row, SYM6)[5:5 + len(row)], axis, padded)
    height, width = [2 * (size + 6) for size in x.shape[2:]]
    canvas = np.zeros(x.shape[:2] + (height, width))
    for i, m in enumerate(np.float64(matrices)):
        for y in range(height):
            for z in range(width):
                u, v = m.dot([z, y, 1])
                for row, share_y in ((int(np.floor(v)), 1 - v % 1), (int(np.floor(v)) + 1, v % 1)):
                    for column, share_x in ((int(np.floor(u)), 1 - u % 1), (int(np.floor(u)) + 1, u % 1)):
                        if 0 <= row < padded.shape[2] and 0 <= column < padded.shape[3]:
                            canvas[i, :, y, z] += share_x * share_y * padded[i, :, row, column]
    for axis in (2, 3):
        canvas = np.apply_along_axis(lambda row: np.correlate(np.pad(row, 5, mode='constant'), SYM6)[::2],
                                     axis, canvas)
    return canvas[:, :, 3:-3, 3:-3]


@pytest.mark.parametrize('seed, shape, scale', [(0, (2, 2, 7, 5), 1), (1, (1, 1, 4, 9), 3), (2, (1, 1, 6, 6), 0.3)])
def test_values(session, impl, seed, shape, scale):
    x, matrices, margins = problem(seed, shape, scale)
    y = session.run(warp_2d(tf.constant(x), matrices, tf.constant(margins), SYM6, impl=impl))
    np.testing.assert_allclose(y, by_definition(x, matrices, margins), rtol=0, atol=2e-5)


def test_a_matrix_of_nan_is_no_error(session, impl):
    x, matrices, margins = problem(4, (2, 1, 6, 5))
    matrices_in = tf.placeholder(tf.float32, matrices.shape)
    y = warp_2d(tf.constant(x), matrices_in, tf.constant(margins), SYM6, impl=impl)
    expected = session.run(y, {matrices_in: matrices})
    matrices[0] = np.nan
    np.testing.assert_array_equal(session.run(y, {matrices_in: matrices})[1], expected[1])


@pytest.mark.parametrize('gradient', ['exact', 'published'])
def test_gradients(session, impl, gradient):
    """Linear in x: the gradient of <w, Ax> is some B w, whose own gradient is that of A again."""
    x, matrices, margins = problem(3, (3, 1, 9, 11))
    w, v = [np.float32(np.random.RandomState(i).randn(*x.shape)) for i in (1, 2)]
    image, weight = tf.constant(x), tf.constant(w)
    y = warp_2d(image, matrices, tf.constant(margins), SYM6, gradient, impl)
    first, = tf.gradients(tf.reduce_sum(y * weight), image)
    second, = tf.gradients(tf.reduce_sum(first * v), weight)
    of_v = warp_2d(tf.constant(v), matrices, tf.constant(margins), SYM6, gradient, impl)
    y, first, second, of_v = session.run([y, first, second, of_v])
    np.testing.assert_allclose(second, of_v, rtol=0, atol=1e-5)
    products = np.sum(np.float64(y) * w), np.sum(np.float64(first) * x)
    assert (abs(products[0] - products[1]) < 1e-3) == (gradient == 'exact')


def derivatives(x, matrices, margins, gradient, impl):
    """The warp, the gradient of a function of it, and the gradient of that, behind a condition as in the pipeline."""
    image = tf.constant(x)
    y = tf.cond(tf.reduce_sum(image) < 1e9, lambda: warp_2d(image, matrices, margins, SYM6, gradient, impl),
                lambda: image)
    first, = tf.gradients(tf.reduce_sum(tf.square(y)), image)
    return y, first, tf.gradients(tf.reduce_sum(tf.square(first)), image)[0]


@pytest.mark.parametrize('gradient', ['exact', 'published'])
@pytest.mark.parametrize('shape, most_at_once, impl', [
    ((2, 3, 33, 130), 1 << 20, 'native'),  # several tiles
    ((1, 1, 1, 3), 1 << 20, 'native'),  # smaller than the filter
    ((3, 2, 6, 5), 0, 'ref'),  # one image after another
])
def test_forms_agree(session, monkeypatch, shape, most_at_once, impl, gradient):
    if impl == 'native' and native.missing():
        pytest.skip(native.missing())
    x, matrices, margins = problem(4, shape)
    expected = derivatives(x, matrices, tf.constant(margins), gradient, 'ref')
    monkeypatch.setattr(warp_module, 'MOST_AT_ONCE', most_at_once)
    for a, b in zip(*session.run([expected, derivatives(x, matrices, tf.constant(margins), gradient, impl)])):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-4 * np.abs(a).max())


def test_results_do_not_depend_on_threads(session):
    if native.missing():
        pytest.skip(native.missing())
    x, matrices, margins = problem(5, (3, 3, 40, 40))
    found = []
    for threads in (1, 3):
        with tf.Session(graph=tf.Graph(), config=tf.ConfigProto(intra_op_parallelism_threads=threads)) as other:
            with other.graph.as_default():
                image = tf.constant(x)
                y = warp_2d(image, matrices, tf.constant(margins), SYM6, impl='native')
                found.append(other.run([y, tf.gradients(tf.square(y), image)[0]]))
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize('matrix', [np.nan, np.inf, 1e30, 0])
def test_any_matrix_is_survived(session, matrix):
    if native.missing():
        pytest.skip(native.missing())
    x = tf.constant(np.ones([1, 1, 8, 8], np.float32))
    for gradient in ('exact', 'published'):
        y = warp_2d(x, np.full([1, 2, 3], matrix, np.float32), tf.constant([7, 0, 0, 7]), SYM6, gradient, 'native')
        assert session.run([y, tf.gradients(y, x)[0]])[0].shape == (1, 1, 8, 8)
