"""The CPU kernels without TensorFlow, against float64 NumPy, whatever the order and grouping of the units of work."""

import ctypes
import os
import shutil
import subprocess

import numpy as np
import pytest
from scipy import signal, special

from benchmarks import kernels as kernels_benchmark
from dnnlib.tflib.ops import native_tools
from tests.dnnlib.tflib.ops import kept

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..', '..', '..'))
SOURCES = os.path.join(ROOT, 'dnnlib', 'tflib', 'ops', 'src')
KERNELS = ['fused_bias_act_cpu.cc', 'styled_bias_act_cpu.cc', 'upfirdn_2d_cpu.cc']
COMPILER = shutil.which('g++') or shutil.which('clang++')
FLOAT32, FLOAT16, BFLOAT16 = DTYPES = range(3)
ROUNDING = {FLOAT32: 3e-6, FLOAT16: 2.0 ** -11, BFLOAT16: 2.0 ** -8}
ACTS = ['linear', 'relu', 'lrelu', 'tanh', 'sigmoid', 'elu', 'selu', 'softplus', 'swish']  # their index from 1
SCALE, SLOPE = 1.0507009873554805, 1.6732632423543772  # of selu
index_t, pointer = ctypes.c_longlong, ctypes.c_void_p

pytestmark = pytest.mark.skipif(COMPILER is None, reason='no C++ compiler (g++, clang++) on PATH')


def structure(name, text):
    """ctypes structure from `type name name, type name`."""
    kinds = {'int': ctypes.c_int, 'float': ctypes.c_float, 'index': index_t, 'pointer': pointer}
    fields = [(field, kinds[part.split()[0]]) for part in text.split(', ') for field in part.split()[1:]]
    return type(name, (ctypes.Structure,), {'_fields_': fields})


BiasAct = structure('BiasAct', 'int dtype grad act, float alpha gain, index outer channels inner, pointer x b ref y')
STYLE = 'int dtype act, float alpha gain, int channels_last, index batch channels pixels, '
Styled = structure('Styled', STYLE + 'index noise_batch, pointer x scale noise b y')
StyledGrad = structure('StyledGrad', STYLE + 'pointer dy y x scale dx dscale dnoise db scratch')
StyledGrad2 = structure('StyledGrad2', STYLE + 'pointer dy y x ddx scale dds ddn ddb ddy d2x d2scale scratch')
UpFirDn = structure('UpFirDn', 'int dtype upx upy downx downy padx0 pady0, index major in_h in_w minor out_h out_w, '
                    'int kernel_h kernel_w, pointer x k y')


def compile_kernels(path):
    """Compiles the kernels as the ops are, with those tuning options that the compiler knows."""
    command = [COMPILER, '-shared', '-fPIC', '-Wall', '-Wextra', '-Werror'] + list(native_tools.KERNEL_FLAGS)
    sources = [os.path.join(SOURCES, name) for name in KERNELS]
    for count in (2, 1, 0):
        tuning = list(native_tools.TUNING[:count])
        run = subprocess.run(command + tuning + ['-o', path] + sources, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
        if run.returncode == 0:
            break
    assert run.returncode == 0, run.stdout


def key(*more):
    """What compiled kernels depend on: compiler, processor (they are tuned for it), sources and options."""
    return more + (kept.version(COMPILER), native_tools._cpu_features(), kept.contents(
        SOURCES, kernels_benchmark.__file__, kernels_benchmark.__file__[:-len('py')] + 'cc', native_tools.__file__))


@pytest.fixture(scope='module')
def kernels():
    """The kernels as a shared library."""
    path = kept.kept('kernels.so', key(), compile_kernels)
    library = ctypes.CDLL(path)
    for name in ('bias_act', 'styled', 'styled_grad', 'styled_grad2', 'upfirdn'):
        getattr(library, name + '_units').restype = index_t
        getattr(library, name + '_cpu').argtypes = [pointer, index_t, index_t]
    library.styled_grad_scratch.restype = index_t
    library.styled_grad_scratch.argtypes = [ctypes.c_int, index_t, index_t, index_t]
    return library


def stored(values, dtype):
    """float64 values rounded to a type: the array that a kernel reads."""
    values = np.asarray(values, np.float32)
    if dtype == BFLOAT16:
        bits = values.view(np.uint32)
        return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.ascontiguousarray(values.astype(np.float16) if dtype == FLOAT16 else values)


def loaded(array, dtype):
    """What such an array means, float64."""
    if dtype == BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid='ignore'):  # signalling NaN
        return array.astype(np.float64)


def empty(shape, dtype):
    """An array of a type, full of NaN."""
    return stored(np.full(shape, np.nan), dtype)


def address(array):
    """Address of an array's data, None of None."""
    return None if array is None else array.ctypes.data


def run(kernels, name, params, order='forward'):
    """Does all units of a kernel: one by one, in one go, in uneven pieces, or backwards; then its finish."""
    units = getattr(kernels, name + '_units')(ctypes.byref(params))
    cuts = {'forward': list(range(units + 1)), 'whole': [0, units], 'backward': list(range(units + 1)),
            'uneven': sorted({0, units} | {i * i for i in range(units + 1) if i * i < units})}[order]
    pieces = list(zip(cuts, cuts[1:]))
    for begin, end in reversed(pieces) if order == 'backward' else pieces:
        getattr(kernels, name + '_cpu')(ctypes.byref(params), begin, end)
    if hasattr(kernels, name + '_finish'):
        getattr(kernels, name + '_finish')(ctypes.byref(params))
    return units


def assert_close(got, wanted, dtype, sizes=None):
    """Equal within the rounding of the type and 3e-6 of the sizes of the terms."""
    sizes = np.abs(wanted) if sizes is None else sizes
    error = np.abs(loaded(got, dtype) - wanted)
    allowed = ROUNDING[dtype] * np.abs(wanted) + 4e-6 * sizes + (2.0 ** -24 if dtype == FLOAT16 else 1e-30)
    assert np.all(error <= allowed), 'largest excess %g' % np.max(error - allowed)


def act_value(act, v, alpha):
    """The activation in float64."""
    with np.errstate(over='ignore'):
        return {'linear': v, 'relu': np.maximum(v, 0), 'lrelu': np.where(v > 0, v, alpha * v), 'tanh': np.tanh(v),
                'sigmoid': special.expit(v), 'elu': np.where(v > 0, v, np.expm1(v)),
                'selu': SCALE * np.where(v > 0, v, SLOPE * np.expm1(v)), 'softplus': np.logaddexp(v, 0),
                'swish': v * special.expit(v)}[act]


def act_slope(act, v, alpha):
    """Its derivative by its argument."""
    s, one = special.expit(v), np.ones_like(v)
    with np.errstate(over='ignore'):
        return {'linear': one, 'relu': 1.0 * (v > 0), 'lrelu': np.where(v > 0, 1, alpha),
                'tanh': np.cosh(np.clip(v, -300, 300)) ** -2.0, 'sigmoid': s * (1 - s),
                'elu': np.where(v >= 0, 1, np.exp(v)), 'selu': SCALE * np.where(v >= 0, 1, SLOPE * np.exp(v)),
                'softplus': s, 'swish': s * (1 + v * (1 - s))}[act]


def act_curve(act, v, alpha):
    """Its second derivative, by central differences of the first; the kinks are not looked at."""
    step = 1e-5
    return (act_slope(act, v + step, alpha) - act_slope(act, v - step, alpha)) / (2 * step)


def bias_act(kernels, dtype, x, b=None, ref=None, y=None, act='linear', grad=0, alpha=0.2, gain=1.0, order='whole'):
    """Runs the bias kernel on x [outer, channels, inner] as stored; returns y as stored."""
    y = empty(x.shape, dtype) if y is None else y
    params = BiasAct(dtype, grad, ACTS.index(act) + 1, alpha, gain, x.shape[0], x.shape[1], x.shape[2], address(x),
                     address(b), address(ref), address(y))
    run(kernels, 'bias_act', params, order)
    return y


@pytest.mark.parametrize('act', ACTS)
@pytest.mark.parametrize('dtype', DTYPES)
def test_bias_act(kernels, act, dtype):
    rng = np.random.RandomState(ACTS.index(act))
    for shape in [(70, 1, 1), (331, 3, 1), (40, 512, 1), (9, 700, 1), (2, 3, 100), (3, 5, 1111), (2, 600, 4),
                  (0, 3, 5)]:
        x, b = stored(3 * rng.randn(*shape), dtype), stored(rng.randn(shape[1]), dtype)
        gain = rng.choice([1, np.sqrt(2), -0.5])
        v = loaded(x, dtype) + loaded(b, dtype)[:, np.newaxis]
        y = bias_act(kernels, dtype, x, b, act=act, gain=gain)
        terms = np.abs(loaded(x, dtype)) + np.abs(loaded(b, dtype))[:, np.newaxis]
        assert_close(y, gain * act_value(act, v, 0.2), dtype, 0.3 * terms * np.abs(act_slope(act, v, 0.2)))
        in_place = bias_act(kernels, dtype, x, b, y=x, act=act, gain=gain, order='backward')
        np.testing.assert_array_equal(in_place, y)


@pytest.mark.parametrize('act', ACTS)
@pytest.mark.parametrize('grad', [1, 2])
def test_bias_act_derivatives(kernels, act, grad):
    rng = np.random.RandomState(1)
    shape = (37, 48, 3)
    v, gain = rng.uniform(-3, 3, shape), np.float32(1.5)
    dy, b = stored(rng.randn(*shape), FLOAT32), stored(rng.randn(48), FLOAT32)
    v[np.abs(v) < 1e-3] = 1  # elu and selu have a kink at zero
    ref = stored(v if act == 'swish' else gain * act_value(act, v, 0.2), FLOAT32)
    y = bias_act(kernels, FLOAT32, dy, b, ref, act=act, grad=grad, gain=gain)
    scale = act_slope(act, v, 0.2) if grad == 1 else act_curve(act, v, 0.2)
    wanted = gain * (dy + b[:, np.newaxis]).astype(np.float64) * scale
    np.testing.assert_allclose(y, wanted, rtol=2e-5, atol=2e-5)


def test_activations_are_accurate_and_guarded(kernels):
    x = np.concatenate([np.logspace(-30, 2, 5000), -np.logspace(-30, 2, 5000), np.linspace(-90, 90, 5000)])
    x = stored(x, FLOAT32)[:, np.newaxis, np.newaxis]
    for act in ACTS:
        y, v = bias_act(kernels, FLOAT32, x, act=act), x.astype(np.float64)
        inside = v > -75  # beyond, sigmoid, softplus and swish become zero
        np.testing.assert_allclose(y[inside], act_value(act, v, 0.2)[inside], rtol=1e-6, atol=1e-37, err_msg=act)
        np.testing.assert_allclose(y, act_value(act, v, 0.2), rtol=1e-6, atol=1e-30, err_msg=act)
        extreme = stored([3e38, -3e38, 81, -81, np.nan], FLOAT32)[:, np.newaxis, np.newaxis]
        y = bias_act(kernels, FLOAT32, extreme, act=act)[:, 0, 0]
        np.testing.assert_array_equal(np.isfinite(y), [True] * 4 + [False], err_msg=act)
        if act == 'swish':
            for grad in (1, 2):
                y = bias_act(kernels, FLOAT32, np.ones_like(extreme), ref=extreme, act=act, grad=grad)[:4, 0, 0]
                np.testing.assert_array_equal(y, [2 - grad, 0, 2 - grad, 0])


@pytest.mark.parametrize('dtype', [FLOAT16, BFLOAT16])
def test_sixteen_bits_round_to_nearest_even(kernels, dtype):
    every = np.arange(65536, dtype=np.uint16)
    x = every.view(np.float16) if dtype == FLOAT16 else every
    y = bias_act(kernels, dtype, x.reshape(-1, 1, 1)).reshape(-1)
    finite = np.isfinite(loaded(x, dtype))
    np.testing.assert_array_equal(loaded(y, dtype)[finite], loaded(x, dtype)[finite])  # there and back
    np.testing.assert_array_equal(np.isnan(loaded(y, dtype)), np.isnan(loaded(x, dtype)))
    rng = np.random.RandomState(0)
    gain = np.float32(1.0009765625)  # the results lie between two numbers of the type, and at ties
    with np.errstate(invalid='ignore', over='ignore'):
        for size in (1.0, 1e-5, 1e-7, 500.0):
            x = stored(size * rng.randn(5003, 1, 1), dtype)
            wanted = stored(loaded(x, dtype).astype(np.float32) * gain, dtype)
            np.testing.assert_array_equal(bias_act(kernels, dtype, x, gain=gain), wanted)


def style_case(rng, dtype):
    """Random settings of a styled layer, and functions that broadcast per channel and per pixel."""
    n, c, p = rng.randint(1, 4), rng.choice([1, 3, 8, 64, 513]), rng.choice([1, 16, 70, 1100, 2100])
    last = bool(rng.randint(2))
    act = rng.choice(['linear', 'relu', 'lrelu'])
    settings = (dtype, ACTS.index(act) + 1, 0.2, rng.choice([1, 1.5, -0.5]), last, n, c, p)
    shape = (n, p, c) if last else (n, c, p)
    channel = (lambda a: a.reshape(-1, 1, c)) if last else (lambda a: a.reshape(-1, c, 1))
    pixel = (lambda a: a.reshape(-1, p, 1)) if last else (lambda a: a.reshape(-1, 1, p))
    return settings, act, shape, channel, pixel


@pytest.mark.parametrize('dtype', DTYPES)
def test_styled(kernels, dtype):
    rng = np.random.RandomState(2)
    for _ in range(25):
        settings, act, shape, channel, pixel = style_case(rng, dtype)
        n, c, p = settings[-3:]
        noise_n = rng.choice([1, n])
        x, y = stored(rng.randn(*shape), dtype), empty(shape, dtype)
        scale, noise, b = [None if rng.randint(3) == 0 else stored(rng.randn(size), FLOAT32)
                           for size in (n * c, noise_n * p, c)]
        run(kernels, 'styled', Styled(*settings, noise_n, address(x), address(scale), address(noise), address(b),
                                      address(y)), rng.choice(['forward', 'backward', 'uneven']))
        v = loaded(x, dtype) * (1 if scale is None else channel(scale))
        terms = np.abs(v)
        for extra in (None if noise is None else pixel(noise), None if b is None else channel(b)):
            v, terms = (v, terms) if extra is None else (v + extra, terms + np.abs(extra))
        assert_close(y, settings[3] * act_value(act, v, 0.2), dtype, terms)


@pytest.mark.parametrize('dtype', DTYPES)
def test_styled_derivatives(kernels, dtype):
    rng = np.random.RandomState(3)
    for _ in range(12):
        settings, act, shape, channel, pixel = style_case(rng, dtype)
        gain, last, n, c, p = settings[3:]
        dy, y, x, ddx = [stored(rng.randn(*shape), dtype) for _ in range(4)]
        dx, ddy, d2x = [empty(shape, dtype) for _ in range(3)]
        scale, dds, dscale, d2scale = [stored(rng.randn(n, c), FLOAT32) for _ in range(4)]
        ddn, dnoise, ddb, db = [stored(rng.randn(*size), FLOAT32) for size in [(n, p), (n, p), (c,), (c,)]]
        scratch = empty(kernels.styled_grad_scratch(last, n, c, p), FLOAT32)
        pointers = [address(a) for a in (dy, y, x, scale, dx, dscale, dnoise, db, scratch)]
        run(kernels, 'styled_grad', StyledGrad(*settings, *pointers), 'backward')
        over_pixels, over_channels = (1, 2) if last else (2, 1)
        slope = gain * act_slope(act, loaded(y, dtype) / gain, 0.2)
        du = slope * loaded(dy, dtype)
        assert_close(dx, du * channel(scale), dtype)
        for got, terms, axis in [(dscale, du * loaded(x, dtype), over_pixels), (dnoise, du, over_channels),
                                 (db, du, (0, over_pixels))]:
            assert_close(got, terms.sum(axis=axis), FLOAT32, np.abs(terms).sum(axis=axis))
        pointers = [address(a) for a in (dy, y, x, ddx, scale, dds, ddn, ddb, ddy, d2x, d2scale, scratch)]
        run(kernels, 'styled_grad2', StyledGrad2(*settings, *pointers), 'uneven')
        terms = [loaded(ddx, dtype) * channel(scale), loaded(x, dtype) * channel(dds), pixel(ddn), channel(ddb)]
        assert_close(ddy, slope * sum(terms), dtype, np.abs(slope) * sum(np.abs(term) for term in terms))
        assert_close(d2x, channel(dds) * du, dtype)
        terms = loaded(ddx, dtype) * du
        assert_close(d2scale, terms.sum(axis=over_pixels), FLOAT32, np.abs(terms).sum(axis=over_pixels))


@pytest.mark.parametrize('last', [0, 1])
@pytest.mark.parametrize('batch, channels, pixels', [(1, 1, 10 ** 6), (3, 0, 5), (0, 4, 7), (2, 4, 0)])
def test_styled_sums_of_many_and_of_none(kernels, last, batch, channels, pixels):
    dy = np.random.RandomState(4).rand(batch * channels * pixels).astype(np.float32)
    dx, dscale, db, dnoise = [empty(size, FLOAT32) for size in (dy.shape, batch * channels, channels, batch * pixels)]
    scratch = empty(kernels.styled_grad_scratch(last, batch, channels, pixels), FLOAT32)
    pointers = [address(a) for a in (dy, dy, dy, None, dx, dscale, dnoise, db, scratch)]
    params = StyledGrad(FLOAT32, 1, 0, 1, last, batch, channels, pixels, *pointers)
    run(kernels, 'styled_grad', params)
    np.testing.assert_allclose(db, np.full(channels, dy.sum(dtype=np.float64)), rtol=1e-6)
    np.testing.assert_allclose(dscale, np.full(batch * channels, np.square(dy, dtype=np.float64).sum()), rtol=1e-6)


def upfirdn_reference(x, k, up, down, pads):
    """Inserts zeros, pads or crops, convolves, decimates, in float64; pads are (y0, y1, x0, x1)."""
    major, height, width, minor = x.shape
    u = np.zeros([major, height * up[0], width * up[1], minor])
    u[:, ::up[0], ::up[1]] = x
    u = np.pad(u, [(0, 0), (max(pads[0], 0), max(pads[1], 0)), (max(pads[2], 0), max(pads[3], 0)), (0, 0)], 'constant')
    u = u[:, max(-pads[0], 0):u.shape[1] - max(-pads[1], 0), max(-pads[2], 0):u.shape[2] - max(-pads[3], 0)]
    y = [[signal.convolve2d(u[n, :, :, c], k, mode='valid') for c in range(minor)] for n in range(major)]
    return np.transpose(np.array(y), [0, 2, 3, 1])[:, ::down[0], ::down[1]]


def upfirdn(kernels, dtype, x, k, up, down, pads, out, order='whole'):
    """Runs the kernel on x [major, H, W, minor] as stored; `out` is the output's (height, width)."""
    y = empty((x.shape[0],) + out + (x.shape[3],), dtype)
    k = np.ascontiguousarray(k, np.float32)
    params = UpFirDn(dtype, up[1], up[0], down[1], down[0], pads[2], pads[0], *x.shape, *out, *k.shape, address(x),
                     address(k), address(y))
    run(kernels, 'upfirdn', params, order)
    return y


def upfirdn_case(rng):
    """Random image, filter, factors and pads that fit each other."""
    while True:
        usual = rng.randint(2)
        up, down = rng.randint(1, 3 if usual else 5, 2), rng.randint(1, 3 if usual else 5, 2)
        major, minor = [(1, 1), (3, 1), (200, 1), (1, 3), (2, 16), (1, 70), (1, 600)][rng.randint(7)]
        size = rng.randint(1, 9 if major * minor > 100 else 40, 2)
        k = rng.randn(4, 4) if usual else rng.randn(*rng.randint(1, 9, 2))
        if rng.randint(2):
            k = np.outer(k[:, 0], k[0])
        pads = rng.randint(-2, 5, 4)
        lengths = [size[i] * up[i] + pads[2 * i] + pads[2 * i + 1] for i in (0, 1)]
        cropped = [size[i] * up[i] + min(pads[2 * i], 0) + min(pads[2 * i + 1], 0) for i in (0, 1)]
        if min(lengths[0] - k.shape[0], lengths[1] - k.shape[1]) >= 0 and min(cropped) > 0:
            out = tuple(int(lengths[i] - k.shape[i]) // int(down[i]) + 1 for i in (0, 1))
            return rng.randn(major, size[0], size[1], minor), k.astype(np.float32), up, down, pads, out


@pytest.mark.parametrize('seed', range(4))
def test_upfirdn(kernels, seed):
    rng = np.random.RandomState(seed)
    for _ in range(40):
        dtype = int(rng.choice(DTYPES))
        x, k, up, down, pads, out = upfirdn_case(rng)
        x = stored(x, dtype)
        y = upfirdn(kernels, dtype, x, k, up, down, pads, out)
        wanted = upfirdn_reference(loaded(x, dtype), k.astype(np.float64), up, down, pads)
        sizes = upfirdn_reference(np.abs(loaded(x, dtype)), np.abs(k).astype(np.float64), up, down, pads)
        assert_close(y, wanted, dtype, sizes + 0.1 * np.abs(k).max())


@pytest.mark.parametrize('shape, factors', [
    ((2, 150, 140, 64), (1, 1)), ((1, 75, 70, 64), (2, 1)), ((1, 150, 140, 64), (1, 2)), ((1, 20, 130, 260), (1, 1)),
    ((1, 140, 9000, 1), (1, 2)), ((700, 7, 5, 1), (2, 1)), ((0, 8, 8, 4), (1, 1)),
])
@pytest.mark.parametrize('separable', [True, False])
def test_upfirdn_does_not_depend_on_how_units_are_grouped(kernels, shape, factors, separable):
    rng = np.random.RandomState(5)
    up, down = [[factor, factor] for factor in factors]
    x, k = stored(rng.randn(*shape), FLOAT32), np.outer([1, 3, 3, 1], [1, 2, 2, 1]) / 48
    k = np.float32(k if separable else k + 0.01 * rng.randn(4, 4))
    out = tuple((size * up[0] - 1) // down[0] + 1 for size in shape[1:3])
    results = [upfirdn(kernels, FLOAT32, x, k, up, down, [2, 1, 2, 1], out, order)
               for order in ('whole', 'forward', 'backward', 'uneven')]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    if shape[0]:
        wanted = upfirdn_reference(x[:1, :, :, :1].astype(np.float64), k, up, down, [2, 1, 2, 1])
        np.testing.assert_allclose(results[0][:1, :, :, :1], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('up, down', [(1, 2), (3, 2)])
@pytest.mark.parametrize('separable', [True, False])
def test_upfirdn_with_a_last_block_of_a_single_channel(kernels, up, down, separable):
    rng = np.random.RandomState(6)
    x, k = stored(rng.randn(1, 5, 8, 3585), FLOAT32), np.outer([1, 3, 3, 1], [1, 2, 2, 1]) / 48
    k = np.float32(k if separable else k + 0.01 * rng.randn(4, 4))
    out = tuple((size * up - 1) // down + 1 for size in (5, 8))
    y = upfirdn(kernels, FLOAT32, x, k, [up, up], [down, down], [2, 1, 2, 1], out)
    wanted = upfirdn_reference(x[:, :, :, -2:].astype(np.float64), k, [up, up], [down, down], [2, 1, 2, 1])
    np.testing.assert_allclose(y[:, :, :, -2:], wanted, rtol=1e-5, atol=1e-5)


def test_results_do_not_depend_on_how_units_are_grouped(kernels):
    rng = np.random.RandomState(6)
    n, p, c = 3, 1500, 65
    x, y, b = [stored(rng.randn(*shape), BFLOAT16) for shape in [(n * p, c, 1), (n * p, c, 1), (c,)]]
    scale, scratch = stored(rng.randn(n, c), FLOAT32), empty(kernels.styled_grad_scratch(1, n, c, p), FLOAT32)
    results = []
    for order in ('whole', 'forward', 'backward', 'uneven'):
        out = [bias_act(kernels, BFLOAT16, x, b, act='swish', order=order), empty(x.shape, BFLOAT16)]
        out += [empty(size, FLOAT32) for size in (n * c, n * p, c)]
        params = StyledGrad(BFLOAT16, 3, 0.2, 1.5, 1, n, c, p, address(x), address(y), address(x), address(scale),
                            *[address(a) for a in out[1:]], address(scratch))
        assert run(kernels, 'styled_grad', params, order) > 3
        results.append(out)
    for result in results[1:]:
        for got, wanted in zip(result, results[0]):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize('sanitizers', ['address,undefined', 'thread'])
def test_the_sanitizers_find_nothing(sanitizers, tmp_path):
    source = tmp_path / 'empty.cc'
    source.write_text('int main() { return 0; }\n')
    probe = [COMPILER, '-fsanitize=' + sanitizers, '-o', str(tmp_path / 'empty'), str(source)]
    if subprocess.call(probe, stderr=subprocess.DEVNULL) or subprocess.call([str(tmp_path / 'empty')]):
        pytest.skip('the compiler has no %s sanitizer here' % sanitizers)
    program = kept.kept('kernels', key(sanitizers), lambda path: kernels_benchmark.build(
        path, COMPILER, kernels_benchmark.check_flags(sanitizers)))
    done = subprocess.run([program, 'check', '2' if sanitizers == 'thread' else '6', '1'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0 and ' 0 differences' in done.stdout, done.stdout[-3000:]
