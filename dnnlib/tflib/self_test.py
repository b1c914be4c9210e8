"""Does the device compute correct results? Checks convolutions, matrix products and our operations against NumPy.

Old CUDA libraries on newer GPUs give wrong numbers without any error; a training would find out after days, if ever.
"""

import collections
import contextlib
import functools
import time

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, precision, tfutil
from dnnlib.tflib.ops import native
from dnnlib.tflib.ops.conv_2d import conv2d, conv2d_transpose
from dnnlib.tflib.ops.fused_bias_act import fused_bias_act
from dnnlib.tflib.ops.styled_bias_act import styled_bias_act
from dnnlib.tflib.ops.upfirdn_2d import upfirdn_2d
from dnnlib.tflib.ops.warp_2d import MARGIN, warp_2d
from dnnlib.util import UserError

# error: largest absolute difference over the largest absolute value; problem: what TensorFlow said, ''
Check = collections.namedtuple('Check', 'name error tolerance ok problem')

# inputs: NumPy arrays; compute: function of tensors, NHWC; expected: function (inputs, dy) -> [y, gradients ...]
Case = collections.namedtuple('Case', 'name inputs compute expected')

# Of float32 on a CPU; on a GPU, where TensorFloat-32 multiplies 10 bits; of 16-bit types, whose sums the reference may
# round as well. Garbage is near 1.
TOLERANCES = {'CPU': 2e-5, 'GPU': 5e-3, 'float16': 4e-2, 'bfloat16': 4e-2}
_FIR = np.outer([1, 3, 2, 1], [1, 2, 4, 1]).astype(np.float32) / 64


def check(config_dict=None):
    """Runs the self-test before long work and prints one line.

    Args:
        config_dict: As in `tflib.init_tf`.
    Raises: UserError naming the operation that is wrong, the device, the error and what to do.
    """
    started = time.time()
    checks, device = run(config_dict)
    bad = [item for item in checks if not item.ok]
    if bad:
        raise UserError(_sentence(bad, device))
    print('Self-test: %d operations agree with NumPy on the %s (%.1f s)' % (len(checks), device, time.time() - started))


def _sentence(bad, device):
    worst = next((item for item in bad if 'native' in item.name), bad[0])
    found = worst.problem or 'relative error %.2g, at most %.2g expected' % (worst.error, worst.tolerance)
    if 'native' in worst.name:
        advice = 'use --ops=ref'
    elif device == 'GPU':
        advice = 'its CUDA libraries are probably too old for this GPU: install a newer TensorFlow and CUDA'
    else:
        advice = 'install another TensorFlow'
    return 'self-test failed on the %s with TensorFlow %s: %s: %s; %s (--no-selftest skips the test)' % (
        device, tf.__version__, worst.name, found, advice)


def run(config_dict=None):
    """Computes all cases in a separate graph and session, leaving the caller's untouched.

    Args:
        config_dict: As in `tflib.init_tf`: `device` and `ops` choose what is tested.
    Returns: (list of Check, 'CPU' or 'GPU').
    Raises: UserError if the device or native operations are unavailable.
    """
    with fresh_session(config_dict) as session:
        device = 'GPU' if layout.data_format() == 'NCHW' else 'CPU'
        impls = ['ref'] if native.describe().startswith('reference') else ['ref', 'native']
        half = layout.half_type()
        dtypes = ['float32'] + ([half] if precision.has_kernel('Conv2D', half, device) else [])
        checks = []
        for dtype in dtypes:
            for case in _tensorflow_cases(dtype) + [case for impl in impls for case in _own_cases(dtype, impl)]:
                checks.append(_compare(session, case, TOLERANCES[device if dtype == 'float32' else dtype], dtype))
        for dtype in dtypes if 'native' in impls else []:
            checks.append(_second_gradients(session, TOLERANCES[device if dtype == 'float32' else dtype], dtype))
        return checks, device


@contextlib.contextmanager
def fresh_session(config_dict=None):
    """A graph and session of their own as the default ones, whatever the default ones are; settings as in `init_tf`."""
    with tf.Graph().as_default(), tfutil.create_session(config_dict) as session:
        yield session


def _compare(session, case, tolerance, dtype):
    name = '%s, %s' % (case.name, dtype)
    try:
        inputs = _placeholders(case.inputs)
        y = tf.cast(case.compute(*inputs), tf.float32)
        dy = _numbers(dtype, 99, *y.shape.as_list())
        dy_in, = _placeholders([dy])
        feed = dict(zip(inputs + [dy_in], case.inputs + [dy]))
        found = session.run([y] + tf.gradients(y, inputs, dy_in), feed)
    except (tf.errors.OpError, LookupError, TypeError) as error:
        return Check(name, float('inf'), tolerance, False, ' '.join(str(error).split())[:300])
    expected = case.expected([x.astype(np.float64) for x in case.inputs], dy.astype(np.float64))
    error = max(_error(a, b) for a, b in zip(found, expected))
    return Check(name, error, tolerance, error <= tolerance, '')


def _placeholders(arrays):
    """Placeholders for arrays: TensorFlow would fold constants on the CPU and leave the device untested."""
    return [tf.placeholder(array.dtype, array.shape) for array in arrays]


def _error(found, expected):
    error = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
    return error if np.isfinite(error) else float('inf')


def _numbers(dtype, seed, *shape):
    """Normal random numbers, float32; for 16-bit types such that they represent exactly, without 0, where kinks are."""
    rnd = np.random.RandomState(seed)
    if dtype == 'float32':
        return rnd.randn(*shape).astype(np.float32)
    return (rnd.randint(1, 65, shape) * rnd.choice([-1, 1], shape) / 32).astype(np.float32)


def _tensorflow_cases(dtype):
    """TensorFlow's own operations: matrix product and convolutions, as the networks use them."""
    numbers = functools.partial(_numbers, dtype)

    def product(x, w):
        return tf.matmul(tf.cast(x, dtype), tf.cast(w, dtype))

    def strided(stride, padding):
        def compute(x, w):
            x, w = _feature_maps(tf.cast(x, dtype)), tf.cast(w, dtype)
            return _nhwc(conv2d(x, w, stride=stride, padding=padding, data_format=layout.data_format()))

        def expected(inputs, dy):
            pad = inputs[1].shape[0] // 2 if padding == 'SAME' else 0
            return [_convolve(*inputs, stride=stride, pad=pad)] + _convolve_gradients(*inputs, dy, stride, pad)
        return compute, expected

    def transposed(x, w):
        x, w = _feature_maps(tf.cast(x, dtype)), tf.cast(w, dtype)
        return _nhwc(conv2d_transpose(x, w, data_format=layout.data_format()))

    def transposed_expected(inputs, dy):  # its value is a convolution's gradient
        x, w = inputs
        dw = _convolve_gradients(dy, w, x, 2, 0)[1]
        return [_convolve_gradients(dy, w, x, 2, 0)[0], _convolve(dy, w, 2, 0), dw]

    images = numbers(0, 2, 13, 13, 24)
    return [
        Case('matrix product', [numbers(0, 96, 128), numbers(1, 128, 160)], product,
             lambda inputs, dy: [inputs[0] @ inputs[1], dy @ inputs[1].T, inputs[0].T @ dy]),
        Case('convolution 3x3', [images, numbers(1, 3, 3, 24, 32)], *strided(1, 'SAME')),
        Case('convolution 3x3, stride 2', [images, numbers(1, 3, 3, 24, 32)], *strided(2, 'VALID')),
        Case('convolution 1x1', [images, numbers(1, 1, 1, 24, 32)], *strided(1, 'SAME')),
        Case('transposed convolution', [images, numbers(1, 3, 3, 32, 24)], transposed, transposed_expected)]


def _own_cases(dtype, impl):
    """Our operations in one of their forms, 'ref' or 'native'."""
    numbers = functools.partial(_numbers, dtype)

    def activate(act):
        def compute(x, b):
            x, b = _feature_maps(tf.cast(x, dtype)), tf.cast(b, dtype)
            return _nhwc(fused_bias_act(x, b, axis=layout.channel_axis(), act=act, gain=1.5, impl=impl))

        def expected(inputs, dy):
            value, slope = _activation(act, inputs[0] + inputs[1])
            return [1.5 * value, 1.5 * slope * dy, (1.5 * slope * dy).sum((0, 1, 2))]
        return Case('fused_bias_act %s, %s' % (act, impl), [images, numbers(5, 24)], compute, expected)

    def resample(up, down, pads):
        def compute(x):
            return upfirdn_2d(tf.cast(x, dtype), _FIR, up, up, down, down, *pads * 2, impl=impl)

        def expected(inputs, dy):
            return list(_upfirdn(inputs[0], up, down, pads, dy))
        return Case('upfirdn_2d up %d, down %d, %s' % (up, down, impl), [images], compute, expected)

    def styled(x, scale, noise, b):
        y = styled_bias_act(_feature_maps(tf.cast(x, dtype)), scale, noise, b, data_format=layout.data_format(),
                            gain=1.5, impl=impl)
        return _nhwc(y)

    def styled_expected(inputs, dy):
        x, scale, noise, b = inputs
        maps, scale = noise.transpose(0, 2, 3, 1), scale[:, np.newaxis, np.newaxis]
        value, slope = _activation('lrelu', x * scale + maps + b)
        du = 1.5 * slope * dy
        dnoise = du.sum(3)[:, np.newaxis]
        return [1.5 * value, du * scale, (du * x).sum((1, 2)), dnoise, du.sum((0, 1, 2))]

    images = numbers(0, 2, 13, 13, 24)
    parts = [images, numbers(2, 2, 24), numbers(3, 2, 1, 13, 13) + np.float32(1 / 64), numbers(4, 24)]
    cases = [activate('lrelu'), activate('sigmoid'), activate('swish'),
             resample(2, 1, (2, 1)), resample(1, 2, (1, 1)), resample(1, 1, (2, -1))]
    if impl == 'native' or dtype == 'float32':  # in 16 bits the reference rounds between its steps, across the kink
        cases.append(Case('styled_bias_act, ' + impl, parts, styled, styled_expected))
    return cases + ([_warp(impl)] if dtype == 'float32' else [])


def _warp(impl):
    """A mirror image, with a filter of which it is exact."""
    def compute(x):
        fir, margins = np.float32([0] * 5 + [0.5 ** 0.5] * 2 + [0] * 5), [4, 3, 2, 1]
        (left, top), width = margins[:2], x.shape.as_list()[3]
        matrix = [[-1, 0, 2 * (left + width + MARGIN) - 1], [0, 1, 2 * (top - MARGIN)]]
        return warp_2d(x, tf.constant([matrix] * 2, tf.float32), tf.constant(margins), fir, impl=impl)
    return Case('warp_2d, ' + impl, [_numbers('float32', 7, 2, 3, 9, 13)], compute,
                lambda inputs, dy: [inputs[0][:, :, :, ::-1], dy[:, :, :, ::-1]])


def _second_gradients(session, tolerance, dtype):
    """Second gradients of the native operations against those of the reference in float32, which TensorFlow derives."""
    results, feed = [], {}
    arrays = [_numbers(dtype, *shape) for shape in [(0, 2, 9, 9, 8), (2, 2, 8), (4, 8)]]
    for impl in ('ref', 'native'):
        inputs = _placeholders(arrays)
        feed.update(zip(inputs, arrays))
        x = _feature_maps(tf.cast(inputs[0], dtype if impl == 'native' else tf.float32))
        y = styled_bias_act(x, inputs[1], None, inputs[2], data_format=layout.data_format(), impl=impl)
        y = fused_bias_act(y, tf.cast(inputs[2], y.dtype), axis=layout.channel_axis(), act='swish', impl=impl)
        y = upfirdn_2d(_nhwc(y), _FIR, 2, 2, 1, 1, 2, 1, 2, 1, impl=impl)
        first, = tf.gradients(tf.reduce_sum(tf.square(tf.cast(y, tf.float32))), [inputs[0]])
        results.append(tf.gradients(tf.reduce_sum(tf.square(first)), inputs))
    expected, found = session.run(results, feed)
    error = max(_error(a, b) for a, b in zip(found, expected))
    return Check('second gradients, native, ' + dtype, error, tolerance, error <= tolerance, '')


def _feature_maps(x):
    """NHWC to the layout of the device."""
    return tf.transpose(x, [0, 3, 1, 2]) if layout.data_format() == 'NCHW' else x


def _nhwc(x):
    return tf.transpose(x, [0, 2, 3, 1]) if layout.data_format() == 'NCHW' else x


def _windows(size, taps, stride, pad):
    """(tap, slice of the padded axis that it meets) for all taps."""
    last = (size + 2 * pad - taps) // stride * stride
    return [(tap, slice(tap, tap + last + 1, stride)) for tap in range(taps)]


def _convolve(x, w, stride, pad):
    """Cross-correlation of x [N, H, W, I], padded by `pad` on all sides, with w [K, K, I, O]."""
    windows = _windows(x.shape[1], w.shape[0], stride, pad)
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)], 'constant')
    return sum(x[:, rows, columns] @ w[a, b] for a, rows in windows for b, columns in windows)


def _convolve_gradients(x, w, dy, stride, pad):
    """Gradients of `_convolve` for x (whose values do not matter) and w."""
    windows = _windows(x.shape[1], w.shape[0], stride, pad)
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)], 'constant')
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for a, rows in windows:
        for b, columns in windows:
            dx[:, rows, columns] += dy @ w[a, b].T
            dw[a, b] = np.einsum('nhwi,nhwo->io', x[:, rows, columns], dy)
    size = x.shape[1] - pad
    return [dx[:, pad:size, pad:size], dw]


def _upfirdn(x, up, down, pads, dy):
    """Value and gradient of `upfirdn_2d` with the filter _FIR and the same factors and paddings in both directions."""
    matrices = []
    for taps in (_FIR.sum(1), _FIR.sum(0)):  # _FIR is an outer product: one matrix per direction
        size = x.shape[1]
        whole = size * up + sum(pads)
        matrix = np.zeros([(whole - len(taps)) // down + 1, size])
        for i in range(matrix.shape[0]):
            for tap, weight in enumerate(taps[::-1] / np.sqrt(_FIR.sum())):
                source = i * down + tap - pads[0]
                if source % up == 0 and 0 <= source < size * up:
                    matrix[i, source // up] += weight
        matrices.append(matrix)
    return (np.einsum('ih,jw,nhwc->nijc', *matrices + [x]), np.einsum('ih,jw,nijc->nhwc', *matrices + [dy]))


def _activation(act, v):
    """Value and derivative of an activation function."""
    sigmoid = 1 / (1 + np.exp(-v))
    if act == 'lrelu':
        return np.where(v > 0, v, 0.2 * v), np.where(v > 0, 1, 0.2)
    if act == 'sigmoid':
        return sigmoid, sigmoid * (1 - sigmoid)
    return v * sigmoid, sigmoid * (1 + v * (1 - sigmoid))  # swish
