#!/usr/bin/env python3
"""Is everything ready for a GPU? Looked at without one.

Builds the graphs of every configuration on narrow networks as a GPU would get them (in NCHW, with our operations),
places them as TensorFlow does, by the GPU kernels of its wheel, and tells what stays on the host and what is copied.
Exit code 1 if an operation without GPU kernel, or a copy as large as an image, is not among those meant for the host.

    --memory     memory of config-f at 1024x1024 in float32 and mixed precision, and whether cards hold it
    --cuda       bytes, bank conflicts and occupancy of our CUDA kernels
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
from typing import NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import UserError, cli  # noqa: E402  (found only after the line above)

MEANT = {  # operation without GPU kernel: why it is meant for the host
    'PyFunc': 'labels and held-out images are read from the data',
    'PyFuncStateless': 'labels and held-out images are read from the data',
    'EagerPyFunc': 'labels and held-out images are read from the data',
}
LARGE = {  # operation of TensorFlow 1 whose results may be copied though they are as large as an image: why
    'Unique': 'TensorFlow 1.14 numbers instances of label maps on the host only',
}
CARDS = (11, 16)  # GiB
LIBRARIES = 0.8  # GiB that CUDA, cuDNN and cuBLAS take
PUBLISHED = argparse.Namespace(resolution=1024, minibatch=4, fmap_base=16 << 10, fmap_max=512)


class Finding(NamedTuple):
    """What there is to say about one session call."""
    name: str
    operations: int
    on_host: int
    to_host: int        # copies from the GPU: each waits for it
    to_gpu: int
    copied: int         # bytes of both
    fed: int            # bytes that are fed
    problems: list      # texts


def meant():
    """{operation whose tensors may be copied, however large they are, with this TensorFlow: why}."""
    import tensorflow.compat.v1 as tf
    return dict(MEANT, **(LARGE if tf.__version__.startswith('1.') else {}))


def look_at(name, fetches, kernels, pixels):
    """Places a session call; returns Finding.

    Args:
        name: Of the call.
        fetches: Its operations and tensors.
        kernels: gpu_kernels.Kernels.
        pixels: Elements from which on a copy counts as that of an image or a feature map.
    """
    from benchmarks import gpu_placing
    placement = gpu_placing.Placement(fetches, kernels)
    copies, may_be_large = placement.copies(), meant()
    problems = []
    for op in placement.without:
        if op.type not in MEANT:
            types = sorted({tensor.dtype.name for tensor in list(op.inputs) + list(op.outputs)})
            problems.append(f'{op.type} of {", ".join(types)} has no GPU kernel: {op.name}')
    for copy in copies:
        if gpu_placing.num_elements(copy.tensor) >= pixels and not may_be_large.keys() & {
                copy.tensor.op.type, copy.reader.type}:
            problems.append(f'{copy.tensor.shape} {copy.tensor.dtype.name} is copied to the '
                            f'{"GPU" if copy.to_gpu else "host"}: {copy.tensor.name} for {copy.reader.name}')

    def size(tensor):
        return gpu_placing.num_elements(tensor) * tensor.dtype.base_dtype.size

    fed = sum(size(op.outputs[0]) for op in placement.ops if op.type in gpu_placing.FREE)
    to_gpu = sum(copy.to_gpu for copy in copies)
    return Finding(name, len(placement.ops), len(placement.ops) - len(placement.on_gpu), len(copies) - to_gpu, to_gpu,
                   sum(size(copy.tensor) for copy in copies), fed, problems)


def place_all(names, kernels):
    """Prints a line for each session call of the configurations and other graphs named; returns whether all is well."""
    from benchmarks import gpu_graphs
    problems, cases = [], gpu_graphs.cases()
    print('| graph | session call | operations | on the host | copies to it | copies to the GPU | bytes | fed |\n'
          '|---|---|---|---|---|---|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        gpu_graphs.write_pictures(folder)
        gpu_graphs.write_fan(folder)
        for name in names or list(cases) + list(gpu_graphs.OTHERS):
            with gpu_graphs.gpu_session():
                try:
                    build = gpu_graphs.OTHERS.get(name)
                    built = gpu_graphs.train(cases[name], folder) if build is None else build()
                except UserError as error:
                    problems.append(f'{name}: cannot be built: {error}')
                    print(f'| {name} | not built: {error} |' + ' |' * 6, flush=True)
                    continue
                for call, fetches in built.calls.items():
                    found = look_at(call, fetches, kernels, built.pixels)
                    problems += [f'{name}, {call}: {problem}' for problem in found.problems]
                    print(f'| {name} | ' + ' | '.join(str(value) for value in found[:-1]) + ' |', flush=True)
    print('\nMeant for the host: ' + '; '.join(f'{op}: {why}' for op, why in meant().items()) + '.')
    print('\n'.join(problems) or 'Every other operation has a GPU kernel, and nothing else as large as an image is '
          'copied.')
    return not problems


def estimate(mixed):
    """Prints the memory of config-f at full size, in one precision."""
    import tensorflow.compat.v1 as tf
    from benchmarks import gpu_graphs, gpu_memory, train
    from training.options import precision
    with gpu_graphs.gpu_session('float16' if mixed else 'float32'):
        with gpu_graphs.without_values(), contextlib.redirect_stdout(io.StringIO()):
            nets = dict(num_fp16_res=precision.NUM_HALF, conv_clamp=precision.CLAMP) if mixed else {}
            stages, _, _ = train.build(PUBLISHED, nets)
        persistent = gpu_memory.variables(tf.global_variables())
        print(f'config-f, 1024x1024, minibatch_gpu 4, {"mixed precision" if mixed else "float32"}: variables, moments '
              f'and averages {persistent / 2 ** 30:.2f} GiB')
        peaks = []
        for stage in stages:
            found = gpu_memory.Lifetimes([stage.op], PUBLISHED.minibatch)
            peaks.append(found.peak)
            largest = sorted(found.at_peak.items(), key=lambda item: -item[1])[:4]
            print(f'  {stage.name}: tensors {found.peak / 2 ** 30:.2f} GiB at most, of '
                  + ', '.join(f'{op} {size / 2 ** 30:.2f}' for op, size in largest), flush=True)
        total = (persistent + max(peaks)) / 2 ** 30
        print(f'  together {total:.2f} GiB; ' + ', '.join(
            f'a card of {card} GB has {card - LIBRARIES - total:.1f} GiB left for convolutions' if (
                total + LIBRARIES < card) else f'a card of {card} GB is too small' for card in CARDS))


def check_estimate():
    """Prints estimated and measured memory of the tensors of a small training on the CPU."""
    import tensorflow.compat.v1 as tf
    from benchmarks import gpu_memory, measure, train
    from dnnlib import tflib
    args = argparse.Namespace(resolution=64, minibatch=4, fmap_base=2048, fmap_max=512)
    with measure.fresh_session('cpu', 'auto'):
        stages, feed, _ = train.build(args)
        tflib.init_uninitialized_vars()
        session, rows = tf.get_default_session(), []
        for stage in stages:
            if not stage.rounds:  # the average, which TensorFlow orders as it likes
                continue
            session.run(stage.op, feed)
            rows.append((stage.name, gpu_memory.Lifetimes([stage.op], args.minibatch).peak,
                         gpu_memory.measured_peak(session, stage.op, feed)))
    for name, found, measured in rows:
        print(f'{args.resolution}x{args.resolution} on the CPU, {name}: estimated {found / 2 ** 20:.0f} MiB, measured '
              f'{measured / 2 ** 20:.0f}: {found / measured:.2f}')


def main(argv):
    """Reads the command line; returns the exit code."""
    parser = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--graph', action='append', metavar='NAME', help='a configuration or another graph that is '
                        'listed; several times for several (default: all)')
    parser.add_argument('--write-kernels', action='store_true', help='write the kernels of this TensorFlow, built for '
                        'GPUs, into the table that other wheels use')
    parser.add_argument('--memory', action='store_true', help='estimate memory instead')
    parser.add_argument('--cuda', action='store_true', help='look at our CUDA kernels instead')
    args = parser.parse_args(argv)
    cli.load_tensorflow()
    import tensorflow.compat.v1 as tf
    from benchmarks import cuda_traffic, gpu_graphs, gpu_kernels
    known = list(gpu_graphs.cases()) + list(gpu_graphs.OTHERS)
    unknown = [name for name in args.graph or () if name not in known]
    if unknown:
        parser.error(f'--graph={unknown[0]}: unknown; choose from {", ".join(known)}')
    if args.cuda:
        print('\n'.join(cuda_traffic.traffic_rows() + [''] + cuda_traffic.occupancy_rows()))
        return 0
    if args.memory:
        check_estimate()
        for mixed in (False, True):
            estimate(mixed)
        return 0
    kernels = gpu_kernels.registered()
    has_own = 'Conv2D' in kernels  # a wheel for GPUs
    if args.write_kernels:
        if not has_own:
            raise UserError(f'TensorFlow {tf.__version__} here is built for CPUs: install the wheel for GPUs')
        gpu_kernels.save(kernels, gpu_kernels.STORED.format('.'.join(tf.__version__.split('.')[:2])))
        return 0
    print(f'TensorFlow {tf.__version__}, kernels of ' + (
        'its own wheel' if has_own else 'the stored table of ' + gpu_kernels.nearest(tf.__version__)))
    kernels = gpu_kernels.Kernels(kernels if has_own else gpu_kernels.stored(tf.__version__))
    return 0 if place_all(args.graph, kernels) else 1


if __name__ == '__main__':
    cli.run_main(main)
