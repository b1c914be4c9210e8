#!/usr/bin/env python3
"""Speed of the native operations on the CPU: time, GB/s, share of the machine's copy bandwidth, ratio to the reference.

The sizes are those of config-f at the top of a 256x256 and a 1024x1024 network, and at 64x64. Bytes are counted once
for each tensor that an operation must read or write; the bandwidth is that of copying 256 MB with as many threads,
counted in the same way, in the same run. Times are the fastest of several calls, since other programs only add to it.
"""

import concurrent.futures
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)

SIZES = [(1, 64, 512), (4, 64, 512), (1, 256, 128), (4, 256, 128), (1, 1024, 32)]  # minibatch, pixels, feature maps
FIR = [1, 3, 3, 1]


def copy_bandwidth(threads, megabytes=256, seconds=3):
    """Bytes read and written per second by copying arrays with NumPy in several threads."""
    sources = [np.ones(megabytes * 2 ** 20 // 4 // threads, np.float32) for _ in range(threads)]
    targets = [np.zeros_like(source) for source in sources]
    times, end = [], time.time() + seconds
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        while time.time() < end:
            started = time.time()
            list(pool.map(np.copyto, targets, sources))
            times.append(time.time() - started)
    return 2 * threads * sources[0].nbytes / min(times)


def cases(size, dtype):
    """(name, list of tensors that are read or written but not fetched, list of those fetched) of every operation.

    A gradient is timed with the forward pass that it needs: x in, y out, then dy and y (and x) in, dx out.

    Args:
        size: (minibatch, pixels, feature maps).
        dtype: TensorFlow type of the feature maps.
    """
    import tensorflow.compat.v1 as tf
    from dnnlib.tflib.ops.fused_bias_act import fused_bias_act
    from dnnlib.tflib.ops.styled_bias_act import styled_bias_act
    from dnnlib.tflib.ops.upfirdn_2d import downsample_2d, upfirdn_2d, upsample_2d
    batch, pixels, fmaps = size

    def variable(*shape):
        init = tf.cast(tf.random_normal(shape), dtype if len(shape) == 4 and shape[1] > 1 else tf.float32)
        return tf.get_variable('v%d' % len(tf.local_variables()), initializer=init, trainable=False, use_resource=True,
                               collections=[tf.GraphKeys.LOCAL_VARIABLES]).read_value()

    x, dy, b = variable(batch, pixels, pixels, fmaps), variable(batch, pixels, pixels, fmaps), variable(fmaps)
    y = fused_bias_act(x, tf.cast(b, dtype), axis=3, act='lrelu')
    yield 'bias, lrelu', [x], [y]
    yield 'bias, lrelu and gradient', [x, y, dy, y], tf.gradients(y, [x, b], dy)
    scale, noise = variable(batch, fmaps), variable(batch, 1, pixels, pixels)
    y = styled_bias_act(x, scale, noise, b, act='lrelu')
    yield 'styled epilogue', [x], [y]
    yield 'styled epilogue and gradient', [x, y, dy, y, x], tf.gradients(y, [x, scale, noise, b], dy)
    k = np.outer(FIR, FIR).astype(np.float32) / 16
    wide = variable(batch, pixels + 1, pixels + 1, fmaps)
    yield 'FIR after an up-convolution', [wide], [upfirdn_2d(wide, k, padx0=1, padx1=1, pady0=1, pady1=1)]
    yield 'FIR before a down-convolution', [x], [upfirdn_2d(x, k / 4, padx0=2, padx1=2, pady0=2, pady1=2)]
    yield 'down-sampling', [x], [downsample_2d(x, FIR, data_format='NHWC')]
    half = variable(batch, pixels // 2, pixels // 2, fmaps)
    yield 'up-sampling', [half], [upsample_2d(half, FIR, data_format='NHWC')]


def measure_size(args, size, ops):
    """{name: (seconds, bytes)} of all cases at a size with one kind of operations."""
    import tensorflow.compat.v1 as tf
    from benchmarks import measure
    results = {}
    with measure.fresh_session('cpu', ops):
        dtype = tf.as_dtype(args.dtype)
        built = list(cases(size, dtype))
        session = tf.get_default_session()
        session.run(tf.local_variables_initializer())
        for name, passes, fetched in built:
            ops_run = [t.op for t in fetched]  # fetched by themselves: a tf.group of them would be optimized away
            seconds = min(measure.repeat(lambda: session.run(ops_run), args.seconds, warmup=2))
            num_bytes = sum(dtype.size * int(np.prod([size[0]] + t.shape.as_list()[1:])) for t in passes + fetched
                            if t.shape.ndims == 4)
            results[name] = seconds, num_bytes
    return results


def main(argv):
    """Parses the options and prints a table for every size."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--dtype', choices=('float32', 'float16', 'bfloat16'), default='float32',
                        help='type of the feature maps (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=1, help='time of each measurement (default: %(default)s)')
    args = parser.parse_args(argv)

    cli.load_tensorflow()
    bandwidth = copy_bandwidth(len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count())
    print('copying: %.1f GB/s, read and written' % (bandwidth / 1e9))
    for size in SIZES:
        print('[%d, %d, %d, %d] %s' % (size[0], size[1], size[1], size[2], args.dtype))
        ref, native = [measure_size(args, size, ops) for ops in ('ref', 'native')]
        for name, (seconds, num_bytes) in native.items():
            print('  %-30s %8.2f ms  %5.1f GB/s = %3.0f %% of copying  %5.1f x the speed of ref (%.2f ms)' % (
                name, seconds * 1e3, num_bytes / seconds / 1e9, 100 * num_bytes / seconds / bandwidth,
                ref[name][0] / seconds, ref[name][0] * 1e3), flush=True)


if __name__ == '__main__':
    cli.run_main(main)
