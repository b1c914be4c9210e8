"""The CUDA kernels, run on the CPU (cuda_emulation.h) and compiled by nvcc where there is one.

What this can't show: that a GPU computes the same, and how fast. What it does: every kernel against a float64
reference, in three orders of threads, under the sanitizers for addresses, undefined behavior and threads, with tensors
of more than 2^31 elements, and machine code for every architecture.
"""

import concurrent.futures
import mmap
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.dnnlib.tflib.ops import cuda_harness as cuda
from tests.dnnlib.tflib.ops import kept
from tests.dnnlib.tflib.ops.cuda_harness import (ACTS, BFLOAT16, DTYPES, FLOAT16, FLOAT32, LINEAR, LRELU, MATH, ORDERS,
                                                 RELU, SWISH, TANH, StyledGradients, Tensor)

pytestmark = pytest.mark.skipif(cuda.compiler() is None, reason='no C++ compiler')
TYPE_NAMES = {FLOAT32: 'float32', FLOAT16: 'float16', BFLOAT16: 'bfloat16'}
each_dtype = pytest.mark.parametrize('dtype', DTYPES, ids=TYPE_NAMES.get)
each_layout = pytest.mark.parametrize('last', [0, 1], ids=['NCHW', 'NHWC'])


@pytest.fixture(scope='module')
def library():
    return cuda.load(cuda.build())


@pytest.fixture
def lib(library):
    """The kernels, all settings as at the start."""
    library.cuda_emulation_order(0, 0)
    library.cuda_emulation_blocks(0, 2 ** 64 - 1)
    return library


@pytest.fixture
def rng():
    return np.random.RandomState(1)


def test_structures_match_the_header(lib):
    sizes = np.zeros(5, np.intc)
    lib.sizes(sizes.ctypes.data_as(cuda.ctypes.c_void_p))
    kinds = (cuda.BiasAct, cuda.Styled, cuda.StyledGrad, cuda.StyledGrad2, cuda.UpFirDn)
    assert list(sizes) == [cuda.ctypes.sizeof(kind) for kind in kinds]


def test_emulated_types_round_as_they_should(lib, rng):
    values = np.float32(np.concatenate([rng.randn(3000) * 2.0 ** rng.uniform(-30, 20, 3000), [
        0, -0.0, 65504, 65519.9, 65520, -1e9, 6e-8, 2.9e-8, 2.98023223876953125e-8, 6.1035e-5, 6.1e-5, np.inf]]))
    with np.errstate(over='ignore'):
        for value, half, brain in zip(values, values.astype(np.float16).view(np.uint16), cuda.encode(values, BFLOAT16)):
            assert lib.convert(value, 0) == half and lib.convert(value, 1) == brain, value
    halves = Tensor((2048,), FLOAT16)  # all exponents on the way back, subnormal numbers included
    halves.data.view(np.uint16)[:] = np.arange(0, 65536, 32)
    halves.data[~np.isfinite(halves.data)] = 1
    y = Tensor((2048,), FLOAT16)
    cuda.call(lib, 'bias_act_cuda', cuda.BiasAct(FLOAT16, 0, LINEAR, 0, 1, 1, 1, 2048, x=halves.pointer, y=y.pointer))
    np.testing.assert_array_equal(y.data, halves.data)


@each_dtype
@pytest.mark.parametrize('grad', [0, 1, 2])
@pytest.mark.parametrize('act', ACTS)
def test_bias_act(lib, rng, act, grad, dtype):
    shapes = [((2, 3, 64), 0), ((2, 24, 1), 0), ((3, 5, 7), 0), ((2, 3, 64), 1), ((1, 1, 1), 0)]  # each kind of kernel
    for shape, offset in shapes:
        cuda.check_bias_act(lib, rng, dtype, act, grad, shape, True, offset)
    cuda.check_bias_act(lib, rng, dtype, act, grad, (1, 1, 1027), bias=False)  # a rest behind the vectors


def test_negative_gain_and_zero_gain(lib, rng):
    for act in ACTS:
        cuda.check_bias_act(lib, rng, FLOAT32, act, 1, (2, 3, 16), gain=-0.7)
    x, y = Tensor((8,), FLOAT32, rng.randn(8)), Tensor((8,), FLOAT32)
    cuda.call(lib, 'bias_act_cuda', cuda.BiasAct(FLOAT32, 1, TANH, 0, 0, 1, 1, 8, x.pointer, None, x.pointer,
                                                 y.pointer))
    assert not y.data.any()


def test_activations_neither_overflow_nor_hide_nans(lib):
    values = [-1e30, -200, -90, -0.0, 0, 90, 200, 1e30, np.nan]
    for act in ACTS:
        x, y = Tensor((9,), FLOAT32, values), Tensor((9,), FLOAT32)
        for grad in (0, 1, 2):
            ref = Tensor((9,), FLOAT32, np.where(np.abs(values) > 1e29, 0, values))
            ones = x if grad == 0 else Tensor((9,), FLOAT32, np.where(np.isnan(values), np.nan, 1))
            if act != SWISH and grad:
                ref = Tensor((9,), FLOAT32, np.full(9, 0.5))
            cuda.call(lib, 'bias_act_cuda', cuda.BiasAct(FLOAT32, grad, act, 0.2, 1, 1, 1, 9, ones.pointer, None,
                                                         ref.pointer, y.pointer))
            assert np.isfinite(y.values()[:8]).all(), (act, grad)
            if grad < 2 or act in MATH:
                assert np.isnan(y.values()[8]), (act, grad)
    x.data[0] = -np.inf
    cuda.call(lib, 'bias_act_cuda', cuda.BiasAct(FLOAT32, 0, RELU, 0, 1, 1, 1, 9, x.pointer, None, None, y.pointer))
    assert y.data[0] == 0


# one tile and less, several in each direction, widths that are no multiple of a vector, a few channels beyond eights
SIZES = [(1, 1, 1), (2, 3, 5), (3, 8, 16), (2, 24, 200), (2, 136, 264), (1, 520, 49), (2, 3, 1030), (5, 64, 32),
         (2, 12, 40), (2, 12, 520)]


@each_layout
@each_dtype
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_styled(lib, rng, size, dtype, last):
    for act, parts, noise_batch in ((LRELU, 'snb', 1), (RELU, 'snb', size[0]), (LINEAR, 'b', 1), (LRELU, '', 1)):
        cuda.check_styled(lib, rng, dtype, act, last, size, parts, noise_batch)
    cuda.check_styled(lib, rng, dtype, LRELU, last, size, offset=1)


@each_layout
@each_dtype
@pytest.mark.parametrize('size', SIZES, ids=str)
def test_styled_derivatives(lib, rng, size, dtype, last):
    for act, parts, offset in ((LRELU, 'sxrnb', 0), (RELU, 'sn', 0), (LINEAR, 'xr', 1), (LRELU, 'b', 0)):
        case = StyledGradients(lib, rng, dtype, act, last, size, parts, offset)
        results = set()
        for order in ORDERS:  # the sums are the same to the last bit
            lib.cuda_emulation_order(order, 5)
            results.add(case.first())
        assert len(results) == 1
        case.second()
        case.second({'sxrnb': 'dq', 'sn': 'ns', 'xr': 'xds', 'b': 'b'}[parts])


@each_layout
def test_tiles_that_grow_with_the_tensor(lib, rng, last):
    """More than 2048 tiles: blocks take several chunks of columns (NCHW) or more rows (NHWC)."""
    size = (700, 2, 1100) if last else (700, 2, 300)
    lib.cuda_emulation_order(2, 3)
    before = lib.cuda_emulation_blocks_run()
    StyledGradients(lib, rng, FLOAT32, LRELU, last, size, 'xrnb').first()
    assert 1400 <= lib.cuda_emulation_blocks_run() - before < 1500  # not 2100, and a few that sum


@pytest.mark.parametrize('up, down', [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 2))], ids=str)
@each_dtype
def test_upfirdn_tiles(lib, rng, dtype, up, down):
    for taps in range(1, 10):  # 9: no tile
        kernel = (taps, max(1, taps - taps % 3))
        shape = (2, rng.randint(34, 70), rng.choice([67, 72, 136]), 1)
        lib.cuda_emulation_order(rng.randint(3), taps)
        cuda.check_upfirdn(lib, rng, dtype, shape, kernel, up, down, tuple(rng.randint(0, 5, 2)), offset=taps % 4 // 3)
    cuda.check_upfirdn(lib, rng, dtype, (3, 40, 72, 1), (4, 4), up, down, (-3, -2))
    cuda.check_upfirdn(lib, rng, dtype, (2, 36, 68, 1), (4, 4), up, down, (1, 2), offset=4)  # rows of half vectors
    cuda.check_upfirdn(lib, rng, dtype, (1, 40, 72, 1), (4, 4), up, down, (9, 8))
    cuda.check_upfirdn(lib, rng, dtype, (1, 1, 500, 1), (1, 4), up, down, (0, 1), out=(1, 300))


@each_dtype
def test_upfirdn_points(lib, rng, dtype):
    for minor, offset in ((1, 0), (3, 0), (16, 0), (16, 1)):
        for up, down in (((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 2)), ((3, 2), (1, 4)), ((2, 5), (3, 1))):
            for pad0 in ((0, 0), (5, 7), (-2, -1), (40, 3)):
                kernel = tuple(rng.randint(1, 6, 2))
                cuda.check_upfirdn(lib, rng, dtype, (2, 9, 11, minor), kernel, up, down, pad0, (4, 7), offset)
    cuda.check_upfirdn(lib, rng, dtype, (1, 30, 30, 1), (12, 12), (2, 2), (1, 1), (6, 5))


def test_empty_tensors(lib):
    for act in (LINEAR, ACTS[4]):
        for sizes in ((0, 3, 5), (2, 0, 5), (2, 3, 0)):
            assert lib.bias_act_cuda(cuda.ctypes.byref(cuda.BiasAct(FLOAT32, 0, act, 0, 1, *sizes)), None) == 0
    for last in (0, 1):
        for sizes in ((0, 3, 5), (2, 0, 5), (2, 3, 0)):
            params = cuda.Styled(FLOAT16, LRELU, 0.2, 1, last, *sizes, noise_batch=1)
            assert lib.styled_cuda(cuda.ctypes.byref(params), None) == 0
            case = StyledGradients(lib, np.random.RandomState(0), FLOAT32, LRELU, last, sizes)
            case.first()  # sums over nothing are zeros
            case.second()
    for sizes in ((0, 3, 5, 1), (2, 3, 5, 0)):
        params = cuda.UpFirDn(FLOAT32, 1, 1, 1, 1, 0, 0, *sizes, out_h=3, out_w=5, kernel_h=1, kernel_w=1)
        assert lib.upfirdn_cuda(cuda.ctypes.byref(params), None) == 0


def test_unknown_types_and_activations_are_refused(lib, rng):
    x = Tensor((4,), FLOAT32, rng.randn(4))
    for dtype, act, grad in ((3, 1, 0), (0, 0, 0), (0, 10, 0), (0, 1, 3)):
        params = cuda.BiasAct(dtype, grad, act, 0, 1, 1, 1, 4, x.pointer, None, x.pointer, x.pointer)
        assert lib.bias_act_cuda(cuda.ctypes.byref(params), None) == 1
    params = cuda.Styled(FLOAT32, 4, 0.2, 1, 0, 1, 1, 4, 1, x.pointer, None, None, None, x.pointer)
    assert lib.styled_cuda(cuda.ctypes.byref(params), None) == 1


def test_random_cases(lib):
    cuda.sweep(lib, 0, 300)


def test_division_by_multiplication(lib, rng):
    tops = [2 ** 63 - 1, 2 ** 62, 2 ** 40 + 7, 2 ** 32, 2 ** 31, 2 ** 31 - 1, 1000]
    divisors = [1, 2, 3, 5, 7, 641, 2 ** 16 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 62, 2 ** 62 + 1, 2 ** 63 - 1]
    divisors += [int(2 ** rng.uniform(0, 62)) for _ in range(200)]
    for d in divisors:
        for top in tops:
            for n in {0, d - 1, d, top, top // d * d, max(top // d * d - 1, 0), rng.randint(top // 2 + 1)}:
                assert lib.divide(int(n), d) == int(n) // d, (n, d)


class Huge:
    """A tensor of zeros that takes address space but hardly any memory."""

    def __init__(self, shape, dtype, offset=0):
        count = int(np.prod(shape, dtype=np.int64)) + offset
        try:  # 0x4000: MAP_NORESERVE
            self.memory = mmap.mmap(-1, count * np.dtype(cuda.ITEM[dtype]).itemsize,
                                    mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
        except (OSError, ValueError, AttributeError) as error:
            pytest.skip('no address space for large tensors: %s' % error)
        self.data = np.frombuffer(self.memory, cuda.ITEM[dtype])[offset:].reshape(shape)
        self.pointer = self.data.ctypes.data


BEYOND = (3, 7, 2 ** 27 + 8)  # 2.8e9 elements


@pytest.mark.parametrize('offset', [0, 1], ids=['vectors', 'elements'])
def test_bias_act_beyond_31_bits(lib, rng, offset):
    x, y = [Huge(BEYOND, FLOAT16, offset) for _ in range(2)]
    b = Tensor(BEYOND[1:2], FLOAT16, rng.randn(7))
    lib.cuda_emulation_blocks(65535, 65535)  # its threads come to a few elements in each of many places
    stride, width = (65536 * 256, 256) if offset else (65536 * 256 * 8, 256 * 8)
    places = [np.arange(start, start + width) for start in range(stride - width, x.data.size, stride)]
    for place in places:
        x.data.reshape(-1)[place] = rng.randn(width)
    cuda.call(lib, 'bias_act_cuda', cuda.BiasAct(FLOAT16, 0, LRELU, 0.2, 1, *BEYOND, x=x.pointer, b=b.pointer,
                                                 y=y.pointer))
    assert places[-1][0] > 2 ** 31
    for place in places:
        v = x.data.reshape(-1)[place].astype(np.float64) + b.values()[place // BEYOND[2] % 7]
        cuda.close(y.data.reshape(-1)[place].astype(np.float64), np.where(v > 0, v, 0.2 * v), FLOAT16, 1)


@each_layout
def test_styled_beyond_31_bits(lib, rng, last):
    batch, channels, pixels = BEYOND
    shape = (batch, pixels, channels) if last else BEYOND
    x, y, noise = Huge(shape, FLOAT16), Huge(shape, FLOAT16), Huge((batch, pixels), FLOAT32)
    scale = Tensor((batch, channels), FLOAT32, rng.randn(batch, channels))
    lib.cuda_emulation_blocks(65535, 65535)
    threads = 65536 * 256 * (1 if last else 8)  # 7 channels are no vectors
    count = x.data.size if last else batch * pixels  # NCHW: a thread makes all 7 channels
    place = np.arange(threads - 256, threads) + count // threads * threads - threads
    if last:
        sample, pixel, channel = np.unravel_index(place, shape)
    else:
        (sample, pixel), channel = np.unravel_index(place, (batch, pixels)), 2 + np.arange(256) % 5
        place = np.ravel_multi_index((sample, channel, pixel), shape)
    x.data.reshape(-1)[place] = rng.randn(256)
    noise.data[sample, pixel] = rng.randn(256)
    cuda.call(lib, 'styled_cuda', cuda.Styled(FLOAT16, LINEAR, 0, 1, last, *BEYOND, noise_batch=batch, x=x.pointer,
                                              scale=scale.pointer, noise=noise.pointer, y=y.pointer))
    expected = x.data.reshape(-1)[place] * scale.values()[sample, channel] + noise.data[sample, pixel]
    assert place[0] > 2 ** 31
    cuda.close(y.data.reshape(-1)[place].astype(np.float64), expected, FLOAT16, 10)


@each_layout
def test_styled_derivative_beyond_31_bits(lib, rng, last):
    batch, channels, pixels = (3, 8, 2 ** 27 + 8)
    shape = (batch, pixels, channels) if last else (batch, channels, pixels)
    dy, y, dx = [Huge(shape, FLOAT16) for _ in range(3)]
    dnoise = Huge((batch, pixels), FLOAT32)
    scale = Tensor((batch, channels), FLOAT32, rng.randn(batch, channels))
    end = (Ellipsis, slice(-512, None), slice(None)) if last else (Ellipsis, slice(-512, None))
    dy.data[2][end] = rng.randn(*dy.data[2][end].shape)
    y.data[2][end] = 1
    scratch = Huge((max(1, lib.styled_grad_scratch_cuda(last, batch, channels, pixels)),), FLOAT32)
    params = cuda.StyledGrad(FLOAT16, LINEAR, 0, 1, last, batch, channels, pixels, dy=dy.pointer, y=y.pointer,
                             scale=scale.pointer, dx=dx.pointer, dnoise=dnoise.pointer, scratch=scratch.pointer)
    lib.cuda_emulation_blocks(2 ** 62, 2 ** 63)  # none, to learn how many there are
    cuda.call(lib, 'styled_grad_cuda', params)
    block = lib.cuda_emulation_grid() - 1
    lib.cuda_emulation_blocks(block, block)
    cuda.call(lib, 'styled_grad_cuda', params)
    expected = dy.data[2][end].astype(np.float64)
    cuda.close(dx.data[2][end].astype(np.float64),
               expected * (scale.values()[2] if last else scale.values()[2][:, np.newaxis]), FLOAT16, 0)
    cuda.close(dnoise.data[2][-512:], expected.sum(1 if last else 0), FLOAT32, 30)


@pytest.mark.parametrize('minor', [1, 8], ids=['tiles', 'points'])
def test_upfirdn_beyond_31_bits(lib, rng, minor):
    side = 2 ** 15 if minor == 1 else 2 ** 14
    shape = (3, side, side, minor)
    x, y = Huge(shape, FLOAT16), Huge(shape, FLOAT16)
    k = Tensor((4, 4), FLOAT32, rng.randn(4, 4))
    x.data[-1, -40:, -200:] = rng.randn(40, 200, minor)
    tiles = 3 * (side // 32) * (side // 64)
    block = (tiles - 1) % 65536 if minor == 1 else 65535
    lib.cuda_emulation_blocks(block, block)
    cuda.call(lib, 'upfirdn_cuda', cuda.UpFirDn(FLOAT16, 1, 1, 1, 1, 2, 2, *shape, out_h=side, out_w=side, kernel_h=4,
                                                kernel_w=4, x=x.pointer, k=k.pointer, y=y.pointer))
    height, width = (32, 64) if minor == 1 else (1, 256)
    corner = x.data[-1:, -40:, -200:].astype(np.float64)
    expected = cuda.upfirdn_reference(corner, k.values(), (1, 1), (1, 1), (2, 2), (40, 200))
    expected = expected[:, -height:, -min(width, 128):]
    assert x.data.size > 2 ** 31
    cuda.close(y.data[-1:, -height:, -min(width, 128):].astype(np.float64), expected, FLOAT16, 10)


def test_many_planes(lib, rng):
    """More planes than the second and third dimension of a grid have."""
    x, y = Huge((70000, 33, 16, 1), FLOAT16), Huge((70000, 33, 16, 1), FLOAT16)
    k = Tensor((3, 3), FLOAT32, rng.randn(3, 3))
    tiles = 70000 * 2
    blocks = (tiles - 20) % 65536, (tiles - 1) % 65536
    planes = [slice(first // 2, first // 2 + 10) for first in range(blocks[0], tiles, 65536)]  # a block has three tiles
    for some in planes:
        x.data[some] = rng.randn(10, 33, 16, 1)
    lib.cuda_emulation_blocks(*blocks)
    cuda.call(lib, 'upfirdn_cuda', cuda.UpFirDn(FLOAT16, 1, 1, 1, 1, 1, 1, 70000, 33, 16, 1, 33, 16, 3, 3, x.pointer,
                                                k.pointer, y.pointer))
    assert len(planes) == 3 and planes[-1].stop == 70000
    for some in planes:
        inputs = x.data[some].astype(np.float64)
        expected = cuda.upfirdn_reference(inputs, k.values(), (1, 1), (1, 1), (1, 1), (33, 16))
        cuda.close(y.data[some].astype(np.float64), expected, FLOAT16, 10)


def test_emulation_finds_wrong_barriers(lib):
    right = np.arange(63, -1, -1)
    for order in ORDERS:
        lib.cuda_emulation_order(order, 1)
        error, values = cuda.reverse(lib, 0)
        assert error == 0 and (values == right).all()
        error, values = cuda.reverse(lib, 1)
        assert error == 0 and np.isnan(values).any()  # reads what nobody has written yet
    for order in ORDERS:
        lib.cuda_emulation_order(order, 1)
        assert cuda.reverse(lib, 2)[0] == 719  # divergent
        assert cuda.reverse(lib, 0)[0] == 0  # and all is well again
    assert cuda.reverse(lib, 0, 65536)[0] == 9 and cuda.reverse(lib, 0, 0)[0] == 9  # grids that no GPU takes


def test_emulation_without_assembler():
    other = cuda.load(cuda.build(['-O1', '-DCUDA_EMULATION_UCONTEXT'], names=()))
    assert (cuda.reverse(other, 0)[1] == np.arange(63, -1, -1)).all() and cuda.reverse(other, 2)[0] == 719


SANITIZERS = {'address': ['-fsanitize=address,signed-integer-overflow,bounds,alignment,shift', '-fno-sanitize-recover'],
              'thread': ['-fsanitize=thread', '-DCUDA_EMULATION_THREADS']}


@pytest.fixture(scope='module', params=sorted(SANITIZERS))
def sanitized(request):
    """Name of a sanitizer and a function that runs cuda_harness with it: (exit code, output)."""
    name = {'address': 'libasan.so', 'thread': 'libtsan.so'}[request.param]
    runtime = subprocess.check_output([cuda.compiler(), '-print-file-name=' + name], universal_newlines=True).strip()
    if not os.path.isabs(runtime):
        pytest.skip('no ' + name)
    path = cuda.build(SANITIZERS[request.param])
    env = dict(os.environ, LD_PRELOAD=runtime, ASAN_OPTIONS='detect_leaks=0', OPENBLAS_NUM_THREADS='1')

    def harness(*arguments):
        done = subprocess.run([sys.executable, cuda.__file__, path] + list(map(str, arguments)), env=env, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
        return done.returncode, done.stdout
    code, output = harness('probe', 0)
    if code:
        pytest.skip('%s does not run under Python: %s' % (name, output[:500]))
    return request.param, harness


def test_sanitizers_find_nothing(sanitized):
    name, harness = sanitized
    code, output = harness(1000, 100) if name == 'address' else harness('barriers')
    assert code == 0 and output == 'swept\n', output


def test_sanitizers_find_what_is_there(sanitized):
    name, harness = sanitized
    code, output = harness('probe', 3 if name == 'address' else 1)
    assert code != 0 and ('overflow' if name == 'address' else 'data race') in output, output
    if name == 'thread':
        assert 'divergent barrier' in harness('probe', 2)[1]


NVCC = shutil.which('nvcc')


def architectures():
    """What nvcc compiles for, sm_75 and later."""
    if NVCC is None:
        return []
    found = re.findall(r'sm_(\d+)\b', subprocess.check_output([NVCC, '--list-gpu-code'], universal_newlines=True))
    return sorted({int(number) for number in found if int(number) >= 75})


@pytest.fixture(scope='module')
def compiled():
    """Kernels by (source, architecture) as ptxas reports them: [(name, bytes spilled)]."""
    found = {}

    def compile_one(name, path):
        targets = ','.join(['compute_75'] + ['sm_%d' % number for number in architectures()])
        output = cuda.run([NVCC, '-c', '-O3', '-std=c++14', '-t', '2', '-gencode',
                           'arch=compute_75,code=[%s]' % targets, '-Xptxas', '-v', '-Werror', 'all-warnings',
                           '-Xcompiler', '-fPIC,-Wall,-Wextra',
                           os.path.join(cuda.SOURCES, name + '.cu'), '-o', path + '.o'])
        with open(path, 'w', encoding='utf-8') as f:
            f.write(output)

    def report(name):
        key = (kept.version(NVCC), architectures(), kept.contents(cuda.SOURCES, __file__))
        with open(kept.kept(name + '.txt', key, lambda path: compile_one(name, path)), encoding='utf-8') as f:
            return f.read()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, output in zip(cuda.NAMES, pool.map(report, cuda.NAMES)):
            pattern = r"Compiling entry function '(\w+)' for 'sm_(\d+)'.*?(\d+) bytes spill stores"
            for kernel, number, spilled in re.findall(pattern, output, re.DOTALL):
                found.setdefault((name, int(number)), []).append((kernel, int(spilled)))
    return found


@pytest.mark.skipif(NVCC is None, reason='no nvcc')
@pytest.mark.parametrize('architecture', architectures())
def test_nvcc_compiles(compiled, architecture):
    for name, kernels in (('fused_bias_act', 18), ('styled_bias_act', 31), ('upfirdn_2d', 24)):
        found = compiled[name, architecture]
        assert len(found) == kernels and max(spilled for _, spilled in found) < 64
