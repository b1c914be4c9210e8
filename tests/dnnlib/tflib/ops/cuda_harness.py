"""Builds the CUDA sources for the CPU (cuda_emulation.h), calls them and compares them with float64 NumPy references.

Run as a program it sweeps random cases (library, seed, cases) or calls what has barriers (library, 'barriers'); that is
how the tests use the sanitizers.
"""

import concurrent.futures
import ctypes
import os
import shutil
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4)))  # as a program

from tests.dnnlib.tflib.ops import kept  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.normpath(os.path.join(HERE, '..', '..', '..', '..', 'dnnlib', 'tflib', 'ops', 'src'))
NAMES = ('fused_bias_act', 'styled_bias_act', 'upfirdn_2d')
FLOAT32, FLOAT16, BFLOAT16 = DTYPES = (0, 1, 2)
ITEM = {FLOAT32: np.float32, FLOAT16: np.float16, BFLOAT16: np.uint16}
EPSILON = {FLOAT32: 2e-6, FLOAT16: 2.0 ** -10, BFLOAT16: 2.0 ** -7}
FORWARD, BACKWARD, SHUFFLED = ORDERS = (0, 1, 2)
LINEAR, RELU, LRELU, TANH, SIGMOID, ELU, SELU, SOFTPLUS, SWISH = ACTS = range(1, 10)

PROBE = r"""
#include "cuda_kernels.h"
struct Values { float v[64]; };
struct Args { float* out; int mode; };
__global__ void reverse(const Args a) {
  SHARED(Values, s);
  const int i = threadIdx.x;
  s.v[a.mode == 3 ? i + 1 : i] = static_cast<float>(i);
  if (a.mode == 0 || a.mode == 3 || (a.mode == 2 && i < 40)) __syncthreads();
  a.out[i] = s.v[63 - i];
}
// mode 0: right, 1: without the barrier, 2: some threads do not come to it, 3: writes beyond the shared array
extern "C" int reverse_cuda(float* out, int mode, unsigned grid) {
  const Args a = {out, mode};
  LAUNCH(reverse, dim3(1, grid), 64, nullptr, a);
  return cudaGetLastError();
}
extern "C" index_t divide(index_t n, index_t d) { return stylegan2::Divider(d)(n); }
extern "C" void sizes(int* out) {
  out[0] = sizeof(BiasActParams), out[1] = sizeof(StyledParams), out[2] = sizeof(StyledGradParams);
  out[3] = sizeof(StyledGrad2Params), out[4] = sizeof(UpFirDnParams);
}
extern "C" unsigned convert(float v, int bfloat16) {
  return bfloat16 ? __float2bfloat16_rn(v).bits : __float2half_rn(v).bits;
}
"""


def _structure(name, fields):
    kinds = {'i': ctypes.c_int, 'f': ctypes.c_float, 'n': ctypes.c_longlong, 'p': ctypes.c_void_p}
    return type(name, (ctypes.Structure,), {'_fields_': [
        (field, kinds[kind]) for kind, names in fields for field in names.split()]})


BiasAct = _structure('BiasAct', [('i', 'dtype grad act'), ('f', 'alpha gain'), ('n', 'outer channels inner'),
                                 ('p', 'x b ref y')])
Styled = _structure('Styled', [('i', 'dtype act'), ('f', 'alpha gain'), ('i', 'channels_last'),
                               ('n', 'batch channels pixels noise_batch'), ('p', 'x scale noise b y')])
StyledGrad = _structure('StyledGrad', [('i', 'dtype act'), ('f', 'alpha gain'), ('i', 'channels_last'),
                                       ('n', 'batch channels pixels'),
                                       ('p', 'dy y x scale dx dscale dnoise db scratch')])
StyledGrad2 = _structure('StyledGrad2', [('i', 'dtype act'), ('f', 'alpha gain'), ('i', 'channels_last'),
                                         ('n', 'batch channels pixels'),
                                         ('p', 'dy y x ddx scale dds ddn ddb ddy d2x d2scale scratch')])
UpFirDn = _structure('UpFirDn', [('i', 'dtype upx upy downx downy padx0 pady0'),
                                 ('n', 'major in_h in_w minor out_h out_w'), ('i', 'kernel_h kernel_w'),
                                 ('p', 'x k y')])


def compiler():
    """Path of a C++ compiler, or None."""
    return next(filter(None, map(shutil.which, ('g++', 'c++', 'clang++'))), None)


def build(flags=('-O1',), names=NAMES):
    """Compiles the named sources and PROBE for the CPU, once for the same sources; returns the library's path."""
    key = (kept.version(compiler()), list(flags), names, PROBE, kept.contents(
        SOURCES, os.path.join(HERE, 'cuda_emulation.h'), __file__))
    return kept.kept('kernels.so', key, lambda path: _compile(path, list(flags), names))


def _compile(library, flags, names):
    folder = os.path.dirname(library)
    with open(os.path.join(folder, 'probe.cu'), 'w') as f:
        f.write(PROBE)
    sources = [os.path.join(SOURCES, name + '.cu') for name in names] + [os.path.join(folder, 'probe.cu')]
    objects = [os.path.join(folder, os.path.basename(source) + '.o') for source in sources]
    base = [compiler(), '-std=c++14', '-g0', '-fPIC', '-pthread', '-Wall', '-Wextra', '-Werror',
            '-Wno-unknown-pragmas', '-I' + HERE, '-I' + SOURCES] + flags
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda pair: run(base + ['-c', '-x', 'c++', pair[0], '-o', pair[1]]), zip(sources, objects)))
    run(base + ['-shared', '-o', library] + objects)


def run(command):
    """Output of a command that must succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, '%s\n%s' % (' '.join(command), done.stdout[-4000:])
    return done.stdout


def load(path):
    """The library with its functions' types declared."""
    lib = ctypes.CDLL(path)
    if hasattr(lib, 'styled_grad_scratch_cuda'):
        lib.styled_grad_scratch_cuda.argtypes = [ctypes.c_int] + 3 * [ctypes.c_longlong]
        lib.styled_grad_scratch_cuda.restype = ctypes.c_longlong
    lib.divide.restype = ctypes.c_longlong
    lib.divide.argtypes = 2 * [ctypes.c_longlong]
    lib.reverse_cuda.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint]
    lib.cuda_emulation_order.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
    lib.cuda_emulation_blocks.argtypes = 2 * [ctypes.c_ulonglong]
    lib.cuda_emulation_grid.restype = lib.cuda_emulation_blocks_run.restype = ctypes.c_ulonglong
    lib.convert.argtypes = [ctypes.c_float, ctypes.c_int]
    return lib


def encode(values, dtype):
    """Rounds an array to the storage type; bfloat16 as its bits."""
    values = np.asarray(values, np.float32)
    if dtype != BFLOAT16:
        return values.astype(ITEM[dtype])
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + np.uint32(0x7fff) + (bits >> np.uint32(16) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def decode(stored, dtype):
    """Float64 values of what `encode` made."""
    if dtype == BFLOAT16:
        stored = (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float64)


class Tensor:
    """A stored tensor `offset` elements behind a 16-byte boundary, bytes 0xff (NaNs) before and behind it.

    The sanitizers see the end themselves: with GUARD 0 there is nothing behind.
    """

    GUARD = 64

    def __init__(self, shape, dtype, values=None, offset=0):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(ITEM[dtype]).itemsize
        begin = self.GUARD + offset * np.dtype(ITEM[dtype]).itemsize
        self.memory = np.empty(begin + size + self.GUARD, np.uint8)
        self.memory[:] = 255
        self.begin, self.end, self.dtype = begin, begin + size, dtype
        self.data = self.memory[begin:begin + size].view(ITEM[dtype]).reshape(shape)
        if values is not None:
            self.data[...] = encode(values, dtype)
        assert self.memory.ctypes.data % 16 == 0
        self.pointer = self.memory.ctypes.data + begin if size else None

    def values(self):
        """Float64 contents; fails if anything around them was written."""
        assert (self.memory[:self.begin] == 255).all() and (self.memory[self.end:] == 255).all(), 'written outside'
        return decode(self.data, self.dtype)


def close(actual, expected, dtype, scale):
    """Asserts agreement to the storage type's precision and float32 summation of terms of total size `scale`."""
    limit = EPSILON[dtype] * np.abs(expected) + 3e-6 * scale + (1e-7 if dtype == FLOAT16 else 0)
    wrong = ~(np.abs(actual - expected) <= limit)
    assert actual.shape == expected.shape
    assert not wrong.any(), '%d of %d wrong, first at %s: %r, not %r' % (
        wrong.sum(), wrong.size, np.argwhere(wrong)[0], actual[wrong][0], expected[wrong][0])


def call(lib, name, params):
    """Runs one of the functions of kernels.h."""
    assert getattr(lib, name)(ctypes.byref(params), None) == 0


def reverse(lib, mode, blocks=1):
    """Error code and values of the kernel in PROBE: 63, 62, ... if it is right."""
    out = Tensor((64,), FLOAT32)
    return lib.reverse_cuda(out.pointer, mode, blocks), out.data


def sigmoid(v):
    """1 / (1 + exp(-v)) without overflow."""
    return np.exp(-np.logaddexp(0, -v))


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
# act -> value, first and second derivative at v, and v from the value
MATH = {
    TANH: (np.tanh, lambda v: np.cosh(v) ** -2, lambda v: -2 * np.tanh(v) * np.cosh(v) ** -2, np.arctanh),
    SIGMOID: (sigmoid, lambda v: sigmoid(v) * sigmoid(-v),
              lambda v: sigmoid(v) * sigmoid(-v) * (sigmoid(-v) - sigmoid(v)), lambda y: np.log(y / (1 - y))),
    ELU: (lambda v: np.where(v >= 0, v, np.expm1(np.minimum(v, 0))), lambda v: np.exp(np.minimum(v, 0)),
          lambda v: np.where(v >= 0, 0, np.exp(np.minimum(v, 0))),
          lambda y: np.where(y >= 0, y, np.log1p(np.minimum(y, 0)))),
    SELU: (lambda v: SCALE * np.where(v >= 0, v, ALPHA * np.expm1(np.minimum(v, 0))),
           lambda v: SCALE * np.where(v >= 0, 1, ALPHA * np.exp(np.minimum(v, 0))),
           lambda v: SCALE * np.where(v >= 0, 0, ALPHA * np.exp(np.minimum(v, 0))),
           lambda y: np.where(y >= 0, y / SCALE, np.log1p(np.minimum(y, 0) / (SCALE * ALPHA)))),
    SOFTPLUS: (lambda v: np.logaddexp(0, v), sigmoid, lambda v: sigmoid(v) * sigmoid(-v),
               lambda y: np.log(np.expm1(y))),
    SWISH: (lambda v: v * sigmoid(v), lambda v: sigmoid(v) * (1 + v * sigmoid(-v)),
            lambda v: sigmoid(v) * sigmoid(-v) * (2 + v * (sigmoid(-v) - sigmoid(v))), lambda v: v),
}


def linear_pieces(act, alpha):
    """Slopes of a piecewise linear activation below and above 0."""
    return {LINEAR: 1.0, RELU: 0.0, LRELU: alpha}[act], 1.0


def check_bias_act(lib, rng, dtype, act, grad, shape, bias=True, offset=0, alpha=0.2, gain=1.3):
    """One call of bias_act_cuda on random values; `shape` is [outer, channels, inner]."""
    b = Tensor(shape[1:2], dtype, rng.randn(shape[1]), offset) if bias else None
    x = Tensor(shape, dtype, rng.uniform(-3, 3, shape), offset)
    points = rng.uniform(-3, 3, shape)
    forward = MATH[act][0] if act in MATH else lambda v: v * np.where(v > 0, 1, linear_pieces(act, alpha)[0])
    ref = Tensor(shape, dtype, points if act == SWISH else np.float32(gain) * forward(points), offset)
    y = Tensor(shape, dtype, offset=offset)
    call(lib, 'bias_act_cuda', BiasAct(dtype, grad, act, alpha, gain, *shape, x=x.pointer, b=b and b.pointer,
                                       ref=ref.pointer if grad else None, y=y.pointer))
    v = x.values() + (b.values()[:, np.newaxis] if bias else 0)
    if grad == 0:
        expected = gain * forward(v)
    elif act in MATH:
        r = ref.values() if act == SWISH else ref.values() / gain
        expected = gain * v * MATH[act][grad](MATH[act][3](r))
    else:
        low, high = linear_pieces(act, alpha)
        expected = gain * v * np.where(ref.values() / gain > 0, high, low) * (grad == 1)
    close(y.values(), expected, dtype, np.abs(v) + 1)


def _layout(values, channels_last):
    return np.swapaxes(values, 1, 2) if channels_last and values.ndim == 3 else values


def _optional(rng, wanted, shape, offset=0):
    """A float32 tensor of random values, or None, and its values, or 0."""
    if not wanted:
        return None, 0.0
    tensor = Tensor(shape, FLOAT32, rng.randn(*shape), offset)
    return tensor, tensor.values()


def check_styled(lib, rng, dtype, act, last, size, parts='snb', noise_batch=1, offset=0):
    """One call of styled_cuda; `size` is [batch, channels, pixels], `parts` which of scale, noise, b there are."""
    batch, channels, pixels = size
    shape = _layout(np.empty(size), last).shape
    x, y = Tensor(shape, dtype, rng.randn(*shape), offset), Tensor(shape, dtype, offset=offset)
    scale, s = _optional(rng, 's' in parts, (batch, channels), offset)
    noise, n = _optional(rng, 'n' in parts, (noise_batch, pixels), offset)
    b, c = _optional(rng, 'b' in parts, (channels,), offset)
    pointers = [t and t.pointer for t in (x, scale, noise, b, y)]
    call(lib, 'styled_cuda', Styled(dtype, act, 0.2, 1.3, last, batch, channels, pixels, noise_batch, *pointers))
    values = _layout(x.values(), last)
    v = values * (s[:, :, np.newaxis] if scale else 1) + (n[:, np.newaxis] if noise else 0)
    v = v + (c[:, np.newaxis] if b else 0)
    low, high = linear_pieces(act, 0.2)
    expected = 1.3 * v * np.where(v > 0, high, low)
    close(_layout(y.values(), last), expected, dtype, np.abs(v) + 3)


class StyledGradients:
    """Inputs and outputs of both derivatives; `parts` names those there are: s scale, x; r dscale, n dnoise, b db."""

    def __init__(self, lib, rng, dtype, act, last, size, parts='sxrnb', offset=0):
        self.lib, self.dtype, self.size, self.last, self.parts = lib, dtype, size, last, parts
        self.batch, self.channels, self.pixels = size
        shape = _layout(np.empty(size), last).shape
        self.tensor = lambda values=False: Tensor(shape, dtype, rng.randn(*shape) if values else None, offset)
        self.dy, self.y, self.x, self.dx, self.ddx, self.ddy, self.d2x = [
            self.tensor(i not in (3, 5, 6)) for i in range(7)]
        self.y.data[rng.uniform(size=shape) < 0.1] = 0
        self.scale, s = _optional(rng, 's' in parts, (self.batch, self.channels), offset)
        self.s = s[:, :, np.newaxis] if 's' in parts else 1.0
        self.head = (dtype, act, 0.2, 1.3, last) + tuple(size)
        count = lib.styled_grad_scratch_cuda(last, *size)
        self.scratch = Tensor((count,), FLOAT32)
        low, high = linear_pieces(act, 0.2)
        self.slope = 1.3 * np.where(self.of(self.y) > 0, high, low)
        self.du = self.slope * self.of(self.dy)
        self.rng, self.offset = rng, offset

    def of(self, tensor):
        """Values as [batch, channels, pixels]."""
        return _layout(tensor.values(), self.last)

    def first(self):
        """Runs styled_grad_cuda; returns the outputs' bits."""
        sums = {'r': (self.batch, self.channels), 'n': (self.batch, self.pixels), 'b': (self.channels,)}
        outs = {part: Tensor(sums[part], FLOAT32) for part in sums if part in self.parts}
        inputs = [self.dy, self.y, self.x if 'x' in self.parts else None, self.scale, self.dx]
        pointers = [t and t.pointer for t in inputs + [outs.get(part) for part in 'rnb'] + [self.scratch]]
        call(self.lib, 'styled_grad_cuda', StyledGrad(*(self.head + tuple(pointers))))
        x = self.of(self.x)
        terms = {'r': (self.du * x, 2), 'n': (self.du, 1), 'b': (self.du, (0, 2))}
        close(self.of(self.dx), self.du * self.s, self.dtype, 0)
        for part, out in outs.items():
            values, axes = terms[part]
            close(out.values(), values.sum(axes), FLOAT32, np.abs(values).sum(axes))
        self.scratch.values()
        return b''.join(t.data.tobytes() for t in [self.dx] + [outs[part] for part in sorted(outs)])

    def second(self, parts='xdnbqs'):
        """Runs styled_grad2_cuda; x: x given, d dds, n ddn, b ddb; q: d2x wanted, s: d2scale wanted."""
        batch, channels, pixels = self.size
        dds, d = _optional(self.rng, 'd' in parts, (batch, channels), self.offset)
        ddn, n = _optional(self.rng, 'n' in parts, (batch, pixels), self.offset)
        ddb, b = _optional(self.rng, 'b' in parts, (channels,), self.offset)
        d2scale = Tensor((batch, channels), FLOAT32)
        inputs = [self.dy, self.y, self.x if 'x' in parts else None, self.ddx, self.scale, dds, ddn, ddb, self.ddy,
                  self.d2x if 'q' in parts else None, d2scale if 's' in parts else None, self.scratch]
        call(self.lib, 'styled_grad2_cuda', StyledGrad2(*(self.head + tuple(t and t.pointer for t in inputs))))
        d = d[:, :, np.newaxis] if dds else 0.0
        ddx = self.of(self.ddx)
        terms = [ddx * self.s, self.of(self.x) * d if 'x' in parts else 0.0, n[:, np.newaxis] if ddn else 0.0,
                 b[:, np.newaxis] if ddb else 0.0]
        close(self.of(self.ddy), self.slope * sum(terms), self.dtype, np.abs(self.slope) * sum(map(np.abs, terms)))
        if 'q' in parts:
            close(self.of(self.d2x), d * self.du, self.dtype, 0)
        if 's' in parts:
            close(d2scale.values(), (ddx * self.du).sum(2), FLOAT32, np.abs(ddx * self.du).sum(2))
        self.scratch.values()


def upfirdn_reference(x, k, up, down, pad0, out):
    """Step by step: zeros inserted, every tap's shifted plane added. Pairs are (y, x)."""
    u = np.zeros((x.shape[0], x.shape[1] * up[0], x.shape[2] * up[1], x.shape[3]))
    u[:, ::up[0], ::up[1]] = x
    y = np.zeros((x.shape[0],) + tuple(out) + (x.shape[3],))
    for tap in np.ndindex(*k.shape):
        index, inside = [], []
        for axis in (0, 1):
            at = np.arange(out[axis]) * down[axis] - pad0[axis] + tap[axis]
            inside.append((at >= 0) & (at < u.shape[1 + axis]))
            index.append(np.where(inside[-1], at, 0))
        mask = inside[0][:, np.newaxis] & inside[1]
        y += k[::-1, ::-1][tap] * u[:, index[0]][:, :, index[1]] * mask[..., np.newaxis]
    return y


def check_upfirdn(lib, rng, dtype, shape, kernel, up=(1, 1), down=(1, 1), pad0=(0, 0), out=None, offset=0):
    """One call of upfirdn_cuda; `shape` is [major, h, w, minor], pairs are (y, x); `out` None = pad1 like pad0."""
    if out is None:
        out = [(shape[1 + i] * up[i] + 2 * pad0[i] - kernel[i]) // down[i] + 1 for i in (0, 1)]
    x, k = Tensor(shape, dtype, rng.randn(*shape), offset), Tensor(kernel, FLOAT32, rng.randn(*kernel))
    y = Tensor((shape[0],) + tuple(out) + (shape[3],), dtype, offset=offset)
    call(lib, 'upfirdn_cuda', UpFirDn(
        dtype, up[1], up[0], down[1], down[0], pad0[1], pad0[0], *shape, out_h=out[0], out_w=out[1],
        kernel_h=kernel[0], kernel_w=kernel[1], x=x.pointer, k=k.pointer, y=y.pointer))
    arguments = (up, down, pad0, out)
    scale = upfirdn_reference(np.abs(x.values()), np.abs(k.values()), *arguments)
    close(y.values(), upfirdn_reference(x.values(), k.values(), *arguments), dtype, scale)


def random_case(lib, rng):
    """A random call of one of the functions; what it was, for messages."""
    def pick(*choices):
        return choices[rng.randint(len(choices))]

    lib.cuda_emulation_order(pick(*ORDERS), rng.randint(1 << 30))
    kind, dtype, offset = rng.randint(3), pick(*DTYPES), pick(0, 0, 1)
    if kind == 0:
        check_bias_act(lib, rng, dtype, pick(*ACTS), rng.randint(3), (rng.randint(1, 4), pick(1, 3, 8, 24),
                       pick(1, 1, 5, 16, 25, 64)), pick(True, False), offset, pick(0.2, 0.5), pick(1.3, 0.5))
    elif kind == 1:
        size = (rng.randint(1, 4), pick(1, 3, 8, 40, 136), pick(1, 3, 16, 49, 64, 200))
        act, last = pick(LINEAR, RELU, LRELU), rng.randint(2)
        check_styled(lib, rng, dtype, act, last, size, pick('snb', 'sn', 'b', ''), pick(1, size[0]), offset)
        gradients = StyledGradients(lib, rng, dtype, act, last, size, pick('sxrnb', 'xrn', 'sb', ''), offset)
        gradients.first()
        gradients.second(pick('xdnbqs', 'xdq', 'ns', 'b'))
    else:
        factors = pick(((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 2)),
                       (rng.randint(1, 4, 2), rng.randint(1, 4, 2)))
        kernel, pad0 = rng.randint(1, pick(5, 9, 12), 2), rng.randint(-3, 7, 2)
        height, width, minor = pick(4, 9, 33), pick(5, 24, 40, 64), pick(1, 1, 1, 3, 16)
        out = [max(1, (n * up + before + rng.randint(-2, 5) - taps) // down + 1) for n, up, down, before, taps in
               zip((height, width), factors[0], factors[1], pad0, kernel)]
        check_upfirdn(lib, rng, dtype, (rng.randint(1, 4), height, width, minor), tuple(kernel), factors[0],
                      factors[1], pad0, out, offset)


def sweep(lib, seed, cases):
    """Random cases with consecutive seeds."""
    for number in range(seed, seed + cases):
        try:
            random_case(lib, np.random.RandomState(number))
        except AssertionError as error:
            raise AssertionError('random case %d: %s' % (number, error))


def barriers(lib):
    """A few small calls of every kernel with barriers; one thread of the system for each thread of the GPU is slow."""
    rng = np.random.RandomState(0)
    for last in (0, 1):
        for pixels in (16, 17):  # vectors, elements
            case = StyledGradients(lib, rng, FLOAT32, LRELU, last, (2, 8 if pixels == 16 else 3, pixels))
            case.first()
            case.second()
    for up, down, height, width in ((1, 1, 34, 18), (2, 1, 18, 10), (1, 2, 36, 36)):  # two tiles
        for taps in (4, 5):
            check_upfirdn(lib, rng, FLOAT32, (1, height, width, 1), (taps, taps), (up, up), (down, down), (2, 2))
    lib.cuda_emulation_blocks(0, 0)  # loops of a block over tiles, chunks of columns and sums: large tensors of zeros
    for size in ((700, 2, 300), (65540, 1, 1), (8, 65536 * 32 + 1, 1)):
        dy, y, x, dx = [np.zeros(size, np.float32) for _ in range(4)]
        outs = [np.zeros(n, np.float32) for n in (size[0] * size[1], size[0] * size[2], size[1])]
        scratch = np.zeros(lib.styled_grad_scratch_cuda(0, *size), np.float32)
        pointers = [array.ctypes.data for array in [dy, y, x, dx] + outs + [scratch]]
        call(lib, 'styled_grad_cuda', StyledGrad(FLOAT32, LRELU, 0.2, 1, 0, *size + tuple(pointers[:3]) + (None,) +
                                                 tuple(pointers[3:])))
    x, y, k = np.zeros([33000, 33, 16], np.float16), np.zeros([33000, 33, 16], np.float16), np.zeros(1, np.float32)
    call(lib, 'upfirdn_cuda', UpFirDn(FLOAT16, 1, 1, 1, 1, 0, 0, 33000, 33, 16, 1, 33, 16, 1, 1, x.ctypes.data,
                                      k.ctypes.data, y.ctypes.data))


if __name__ == '__main__':
    Tensor.GUARD = 0
    library = load(sys.argv[1])
    if sys.argv[2] == 'probe':
        reverse(library, int(sys.argv[3]))
    elif sys.argv[2] == 'barriers':
        barriers(library)
    else:
        sweep(library, int(sys.argv[2]), int(sys.argv[3]))
    print('swept')
