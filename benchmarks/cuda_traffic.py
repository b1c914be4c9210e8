"""What the CUDA kernels ask of the memory of a GPU, without one; part of benchmarks/gpu_placement.py.

Bytes: the kernels run in the tests' emulation, compiled so that every access is seen. A warp's request to global memory
moves whole sectors of 32 bytes, and what a block touches twice comes from its caches the second time; what is needed is
every input read once and every output written once. Conflicts: passes over the 32 banks of shared memory for what needs
one. Occupancy: threads of the registers and the shared memory that nvcc reports, as a share of the threads of a
multiprocessor.
"""

import ctypes
import importlib
import os
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError

cuda = importlib.import_module('tests.dnnlib.tflib.ops.cuda_harness')  # by name: no benchmark is made of tests
HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ['-std=c++14', '-O1', '-fPIC', '-pthread', '-fno-threadsafe-statics', '-fno-inline-small-functions',
         '-Wno-unknown-pragmas', '-I' + cuda.HERE, '-I' + cuda.SOURCES]
GPUS = {75: (65536, 64 << 10, 1024, 16), 80: (65536, 164 << 10, 2048, 32), 86: (65536, 100 << 10, 1536, 16),
        90: (65536, 228 << 10, 2048, 32)}  # registers, shared bytes, threads, blocks of a multiprocessor
TYPES = {cuda.FLOAT32: 'float32', cuda.FLOAT16: 'float16'}


class Traffic(NamedTuple):
    """What one call of a kernel asks of the memory."""
    asked: float      # bytes asked for by threads, in global memory
    requests: float   # bytes of the sectors of every request
    blocks: float     # bytes of the sectors that each block touches, each once
    shared: float     # requests to shared memory
    passes: float     # passes over the banks that these take
    needed_passes: float  # passes that they would take without conflicts


def build(folder):
    """Compiles the kernels and the watcher; returns the library. Raises UserError without a C++ compiler."""
    if cuda.compiler() is None:
        raise UserError('no C++ compiler (g++, c++, clang++) on PATH')
    with open(os.path.join(folder, 'probe.cu'), 'w') as f:
        f.write(cuda.PROBE)
    sources = [os.path.join(cuda.SOURCES, name + '.cu') for name in cuda.NAMES] + [os.path.join(folder, 'probe.cu')]
    objects = []
    for source in sources + [os.path.join(HERE, 'cuda_traffic.cc')]:
        objects.append(os.path.join(folder, os.path.basename(source) + '.o'))
        watched = ['-fsanitize=thread'] if source.endswith('.cu') else []
        cuda.run([cuda.compiler()] + FLAGS + watched + ['-c', '-x', 'c++', source, '-o', objects[-1]])
    path = os.path.join(folder, 'traffic.so')
    cuda.run([cuda.compiler(), '-shared', '-pthread', '-o', path] + objects)
    lib = cuda.load(path)
    lib.traffic_watch.argtypes = 2 * [ctypes.c_size_t]
    return lib


def measure(lib, call, arrays):
    """Traffic of a call that reads and writes arrays."""
    for array in arrays:
        if array is not None:
            lib.traffic_watch(array.ctypes.data, array.nbytes)
    lib.traffic_start()
    call()
    out = np.zeros(6)
    lib.traffic_stop(out.ctypes.data_as(ctypes.c_void_p))
    return Traffic(*out)


def _array(shape, dtype):
    """An array whose memory begins as that of a GPU does: at a multiple of 256 bytes."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 256, np.uint8)
    start = -memory.ctypes.data % 256
    return memory[start:start + size].view(dtype).reshape(shape)


def _address(array):
    return None if array is None else array.ctypes.data


def bias_act(lib, dtype, shape):
    """(Traffic, bytes needed) of the bias and leaky ReLU of [N, C, H, W]."""
    n, c, h, w = shape
    x, y, b = _array(shape, cuda.ITEM[dtype]), _array(shape, cuda.ITEM[dtype]), _array([c], cuda.ITEM[dtype])
    p = cuda.BiasAct(dtype, 0, cuda.LRELU, 0.2, 1.4, n, c, h * w, _address(x), _address(b), None, _address(y))
    return measure(lib, lambda: cuda.call(lib, 'bias_act_cuda', p), [x, y, b]), x.nbytes + y.nbytes + b.nbytes


def styled(lib, dtype, shape):
    """The same of the end of a styled layer: noise and bias."""
    n, c, h, w = shape
    x, y = (_array(shape, cuda.ITEM[dtype]) for _ in range(2))
    noise, b = _array([n, h * w], np.float32), _array([c], np.float32)
    p = cuda.Styled(dtype, cuda.LRELU, 0.2, 1.4, 0, n, c, h * w, n, _address(x), None, _address(noise), _address(b),
                    _address(y))
    return (measure(lib, lambda: cuda.call(lib, 'styled_cuda', p), [x, y, noise, b]),
            x.nbytes + y.nbytes + noise.nbytes + b.nbytes)


def styled_grad(lib, dtype, shape):
    """The same of its gradient."""
    n, c, h, w = shape
    dy, y, dx = (_array(shape, cuda.ITEM[dtype]) for _ in range(3))
    dnoise, db = _array([n, h * w], np.float32), _array([c], np.float32)
    scratch = _array([max(lib.styled_grad_scratch_cuda(0, n, c, h * w), 1)], np.float32)
    p = cuda.StyledGrad(dtype, cuda.LRELU, 0.2, 1.4, 0, n, c, h * w, _address(dy), _address(y), None, None,
                        _address(dx), None, _address(dnoise), _address(db), _address(scratch))
    traffic = measure(lib, lambda: cuda.call(lib, 'styled_grad_cuda', p), [dy, y, dx, dnoise, db, scratch])
    return traffic, dy.nbytes + y.nbytes + dx.nbytes + dnoise.nbytes + db.nbytes


def styled_grad2(lib, dtype, shape):
    """The same of the second derivative, as path lengths need it: cotangents of dx, dnoise and db."""
    n, c, h, w = shape
    dy, y, ddx, ddy = (_array(shape, cuda.ITEM[dtype]) for _ in range(4))
    ddn, ddb = _array([n, h * w], np.float32), _array([c], np.float32)
    scratch = _array([max(lib.styled_grad_scratch_cuda(0, n, c, h * w), 1)], np.float32)
    p = cuda.StyledGrad2(dtype, cuda.LRELU, 0.2, 1.4, 0, n, c, h * w, _address(dy), _address(y), None, _address(ddx),
                         None, None, _address(ddn), _address(ddb), _address(ddy), None, None, _address(scratch))
    traffic = measure(lib, lambda: cuda.call(lib, 'styled_grad2_cuda', p), [dy, y, ddx, ddy, ddn, ddb, scratch])
    return traffic, dy.nbytes + y.nbytes + ddx.nbytes + ddy.nbytes + ddn.nbytes + ddb.nbytes


def upfirdn(lib, dtype, sizes, up=1, down=1, pad=(2, 1), taps=4):
    """The same of a filter; `sizes`: side of the input, side of the output."""
    x, y = (_array([side, side], cuda.ITEM[dtype]) for side in sizes)
    k = _array([taps, taps], np.float32)
    p = cuda.UpFirDn(dtype, up, up, down, down, pad[0], pad[0], 1, sizes[0], sizes[0], 1, sizes[1], sizes[1], taps,
                     taps, _address(x), _address(k), _address(y))
    return (measure(lib, lambda: cuda.call(lib, 'upfirdn_cuda', p), [x, y, k]), x.nbytes + y.nbytes + k.nbytes)


MAPS = (2, 64, 32, 64)  # some tiles; multiples of their sizes, as all maps of the networks are
KERNELS = {  # name: function of (library, type) that returns (Traffic, bytes needed)
    'bias and activation': lambda lib, dtype: bias_act(lib, dtype, MAPS),
    'end of a styled layer': lambda lib, dtype: styled(lib, dtype, MAPS),
    'its gradient': lambda lib, dtype: styled_grad(lib, dtype, MAPS),
    'its second derivative': lambda lib, dtype: styled_grad2(lib, dtype, MAPS),
    'FIR after an up-convolution, to 256x256': lambda lib, dtype: upfirdn(lib, dtype, (257, 256), pad=(1, 1)),
    'FIR before a down-convolution, to 257x257': lambda lib, dtype: upfirdn(lib, dtype, (256, 257), pad=(2, 2)),
    'up-sampling, to 256x256': lambda lib, dtype: upfirdn(lib, dtype, (128, 256), up=2, pad=(2, 1)),
    'down-sampling, to 128x128': lambda lib, dtype: upfirdn(lib, dtype, (256, 128), down=2, pad=(1, 1)),
}


def traffic_rows():
    """Lines of the table of bytes and conflicts."""
    lines = ['| kernel | type | requests / asked | blocks / needed | bank passes / needed |', '|---|---|---|---|---|']
    with tempfile.TemporaryDirectory() as folder:
        lib = build(folder)
        for name, run in KERNELS.items():
            for dtype, type_name in TYPES.items():
                found, needed = run(lib, dtype)
                conflicts = f'{found.passes / found.needed_passes:.2f}' if found.needed_passes else '-'
                lines.append(f'| {name} | {type_name} | {found.requests / found.asked:.2f} | '
                             f'{found.blocks / needed:.2f} | {conflicts} |')
    return lines


def occupancy(registers, shared, threads, gpu):
    """Share of a multiprocessor's threads that blocks of a kernel fill.

    Args:
        registers: Of a thread.
        shared: Bytes of a block.
        threads: Of a block.
        gpu: Key of GPUS.
    """
    of_all, shared_of_all, most, blocks = GPUS[gpu]
    of_warp = -(-registers * 32 // 256) * 256  # given out in such units
    counts = [blocks, most // threads, of_all // of_warp // (threads // 32)]
    if shared:
        counts.append(shared_of_all // (shared + (1024 if gpu >= 80 else 0)))  # the system keeps 1 KB a block
    return min(counts) * threads / most


def resources(gpu):
    """{kernel: (registers of a thread, shared bytes of a block)} of all kernels on one architecture, as nvcc reports.

    Raises: UserError without nvcc.
    """
    if shutil.which('nvcc') is None:
        raise UserError('no nvcc (the CUDA compiler) on PATH')
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in cuda.NAMES:
            done = subprocess.run(
                ['nvcc', '-c', '-O3', '-std=c++14', '--resource-usage', f'-arch=sm_{gpu}', os.path.join(
                    cuda.SOURCES, name + '.cu'), '-o', os.path.join(folder, 'out.o')], check=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
            pattern = r"Compiling entry function '(\w+)'.*?Used (\d+) registers(?:[^\n]*?(\d+) bytes smem)?"
            for kernel, registers, shared in re.findall(pattern, done.stdout, re.DOTALL):
                found[kernel] = int(registers), int(shared or 0)
    names = subprocess.run(['c++filt'], input='\n'.join(found), stdout=subprocess.PIPE, check=True,
                           universal_newlines=True).stdout.splitlines()
    return {re.sub(r'.*::(\w+<?.*)\(.*', r'\1', name): value for name, value in zip(names, found.values())}


def occupancy_rows():
    """Lines of the table of occupancy: the least of all variants of a kernel."""
    lines = ['| kernel | ' + ' | '.join(f'sm_{gpu}' for gpu in GPUS) + ' |', '|---|' + '---|' * len(GPUS)]
    rows = {}
    for gpu in GPUS:
        for kernel, (registers, shared) in resources(gpu).items():
            name = kernel.split('<')[0]
            name += ' ' + re.search(r'<.*?,(.*)>', kernel).group(1).strip() if name == 'tile_kernel' else ''
            threads = 1024 if name == 'sum_kernel' else 256
            share = occupancy(registers, shared, threads, gpu)
            rows.setdefault(name, {}).setdefault(gpu, []).append((share, registers))
    for name, by_gpu in sorted(rows.items()):
        cells = [min(by_gpu[gpu]) for gpu in GPUS]
        lines.append(f'| {name} | ' + ' | '.join(f'{share:.0%} ({registers})' for share, registers in cells) + ' |')
    return lines
