#!/usr/bin/env python3
"""Speed of training: images/s, and the share of the machine's float32 matrix-product peak of the same run.

The default is config-f at 64x64 (feature maps 16384 / 2^stage, at most 512), minibatch 4, lazy regularization. Each
stage is timed by itself and weighted by how often it is due (G and D always, path lengths every 4th iteration, R1
every 16th). Operations are counted in the graph that runs: convolutions and matrix products of all stages, gradients
included, with the same weights; nothing else counts. By default 428 GFLOP an image under TensorFlow 2; more under
1.14, where some gradients are computed in other ways.
"""

import contextlib
import io
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)


class RandomImages:
    """A dataset of noise, [3, resolution, resolution] uint8 without labels: what training asks of a dataset."""

    def __init__(self, resolution):
        self.shape = [3, resolution, resolution]
        self.resolution_log2 = resolution.bit_length() - 1
        self.label_size = 0
        self.dynamic_range = [0, 255]
        self.jitter = self.noise = self.moves = None

    def get_random_labels_tf(self, minibatch_size):
        """Labels of no columns, [minibatch_size, 0]."""
        import tensorflow.compat.v1 as tf
        return tf.zeros([minibatch_size, 0])


def build(args, nets=None, **options):
    """Builds the networks and the stages of an iteration.

    Args:
        args: The command line: resolution, minibatch, fmap_base, fmap_max.
        nets: Options of both networks, None = none.
        options: Further ones of the method.
    Returns: (stages, feed dictionary, placeholder of the seed).
    """
    from training import schedule, train_step
    from training.data.streams import Stream
    from training.methods import stylegan2
    from training.state import transfer
    data = RandomImages(args.resolution)
    maps = dict(nets or {}, fmap_base=args.fmap_base, fmap_max=args.fmap_max)
    adam = dict(beta1=0.0, beta2=0.99, epsilon=1e-8)
    settings = schedule.Schedule(data, dict(minibatch_size_base=args.minibatch, minibatch_gpu_base=args.minibatch))
    method = stylegan2.stylegan2(
        {'reals': Stream(data)}, settings, G_opt_args=adam, D_opt_args=adam,
        G_args=dict(maps, func_name='training.networks_stylegan2.G_main'),
        D_args=dict(maps, func_name='training.networks_stylegan2.D_stylegan2'),
        G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
        D_loss_args=dict(func_name='training.loss.D_logistic_r1'), **options)
    with contextlib.redirect_stdout(io.StringIO()):  # tables of layers
        networks = transfer.create_networks(method.nets)
    step = train_step.Step(method, networks, {'reals': data}, settings.levels)
    stages = method.stages(step)
    images, labels = step.feeds['reals']
    reals = np.random.RandomState(0).randint(256, size=[args.minibatch] + data.shape).astype(np.uint8)
    feed = step.sched.feed(settings(0))
    feed.update({images: reals, labels: np.zeros([args.minibatch, 0]), step.seed_in: [1, 2]})
    return stages, feed, step.seed_in


class Variant:
    """The training of one variant, in a graph and session of its own.

    Args:
        args: Parsed command line.
        name: 'ref', 'native' or 'auto' = operations, in float32; 'mixed' = mixed precision with operations 'auto'.
    Attributes:
        name: The name.
        stages: List of train_step.Stage.
    """

    def __init__(self, args, name):
        import tensorflow.compat.v1 as tf
        from dnnlib import tflib
        from dnnlib.tflib import layout, tfutil
        from training.options import precision
        self.name, self._graph = name, tf.Graph()
        with self._graph.as_default():
            self._session = tfutil.create_session({'device': args.device, 'ops': 'auto' if name == 'mixed' else name})
            with self._session.as_default():
                np.random.seed(0)
                half = layout.half_type()
                layout.set_mixed_type(half if name == 'mixed' else 'float32')
                clamp = precision.CLAMP if name == 'mixed' else None
                self.stages, self._feed, _ = build(args, dict(num_fp16_res=precision.NUM_HALF, conv_clamp=clamp))
                tflib.init_uninitialized_vars()
                print(f'{name}: {tflib.device_description()}, half-precision blocks in {layout.mixed_type()}')

    def seconds(self, index):
        """Runs a stage once; returns the time."""
        started = time.time()
        self._session.run(self.stages[index].op, self._feed)
        return time.time() - started


def measure_variants(args, peak):
    """Prints, for each variant, a line per stage and one for the iteration; ratios are to the first variant."""
    from benchmarks import measure
    variants = [Variant(args, name) for name in args.variants]
    stages = variants[0].stages
    totals = [[0.0, 0.0, 0.0] for _ in variants]  # seconds, those of the first variant by pairs, FLOP
    for index, stage in enumerate(stages):
        for variant in variants * 2:
            variant.seconds(index)
        started, times = time.time(), []
        while len(times) < 3 or time.time() - started < args.seconds * len(variants):
            times.append([variant.seconds(index) for variant in variants])
        times = np.array(times)
        for number, variant in enumerate(variants):
            flops = measure.graph_flops([variant.stages[index].op], args.minibatch)
            median = float(np.median(times[:, number]))
            base = median * float(np.median(times[:, 0] / times[:, number]))
            name = f'{variant.name} {stage.name}, every {stage.every}'
            measure.report(name, args.minibatch, [median], flops, peak, base)
            for i, value in enumerate((median, base, flops)):
                totals[number][i] += value / stage.every
    for variant, (seconds, base, flops) in zip(variants, totals):
        name = f'{variant.name} train {args.resolution}x{args.resolution}, minibatch {args.minibatch}'
        measure.report(name, args.minibatch, [seconds], flops, peak, base)


def main(argv):
    """Parses the options, times the stages of every variant."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--resolution', type=int, default=64, help='pixels (default: %(default)s)')
    parser.add_argument('--fmap-base', type=int, default=16 << 10,
                        help='feature maps at 2x2 pixels, before the limit (default: %(default)s)')
    parser.add_argument('--fmap-max', type=int, default=512, help='most feature maps (default: %(default)s)')
    parser.add_argument('--minibatch', type=int, default=4, help='images (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=10, help='time of each stage (default: %(default)s)')
    names = ('auto', 'ref', 'native', 'mixed')
    parser.add_argument('--variants', choices=names, nargs='+', default=['ref', 'auto'],
                        help='operations, mixed = auto in mixed precision; the first are what the others are compared '
                        'with (default: ref auto)')
    cli.add_device(parser)
    args = parser.parse_args(argv)

    cli.load_tensorflow()
    from benchmarks import measure
    with measure.fresh_session(args.device, 'ref'):
        peak = measure.matmul_peak()
    measure_variants(args, peak)


if __name__ == '__main__':
    cli.run_main(main)
