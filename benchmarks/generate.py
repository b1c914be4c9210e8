#!/usr/bin/env python3
"""Speed of generating images: images/s, and the share of the machine's float32 matrix-product peak of the same run.

The default is config-f at 256x256 (feature maps 16384 / 2^stage, at most 512), minibatches of 1 and 8, random
weights: their values do not change the speed. The operations of an image are counted by formula from the shapes of
the weights: 2 kh kw I O per pixel of a layer's output (of its input where it doubles the resolution), 2 I O for a
dense layer; that is 90.2 GFLOP by default.
"""

import argparse
import os
import re
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)


def generator_flops(network):
    """FLOP of the convolutions and dense layers of a generator for one image, from the shapes of its weights."""
    total = 0
    for name, variable in network.vars.items():
        shape = variable.shape.as_list()
        if len(shape) == 2 and name.endswith('weight'):
            total += 2 * shape[0] * shape[1]
        elif len(shape) == 4 and name.endswith('weight'):
            resolution = int(re.search(r'(\d+)x\1/', name).group(1))
            pixels = (resolution // 2 if '/Conv0_up/' in name or '/Skip/' in name else resolution) ** 2
            total += 2 * int(np.prod(shape)) * pixels
    return total


def variant(text):
    """Argument type: `OPS/PRECISION`, such as `native/mixed`."""
    ops, _, precision = text.partition('/')
    if ops not in ('auto', 'ref', 'native') or precision not in ('float32', 'mixed'):
        raise argparse.ArgumentTypeError('expected auto, ref or native / float32 or mixed, got {!r}'.format(text))
    return ops, precision


def measure_variant(args, ops, precision, peak, bases):
    """Prints one line per minibatch size; ratios are to the first variant, whose times are put into `bases`."""
    from benchmarks import measure
    from dnnlib import tflib
    from dnnlib.tflib import precision as precisions
    with measure.fresh_session(args.device, ops):
        G = tflib.Network('G', func_name='training.networks_stylegan2.G_main', resolution=args.resolution,
                          num_channels=3, label_size=0, fmap_base=args.fmap_base, fmap_max=args.fmap_max)
        options, text = precisions.synthesis_options(precision, G)
        print('%s, %s' % (tflib.device_description(), text))
        for count in args.minibatches:
            latents = np.random.RandomState(0).randn(count, *G.input_shape[1:])
            times = measure.repeat(lambda: G.run(latents, None, minibatch_size=count, randomize_noise=False,
                                                 truncation_psi=0.5, **options), args.seconds, warmup=2)
            name = 'generate %dx%d, minibatch %d' % (args.resolution, args.resolution, count)
            seconds = measure.report(name, count, times, count * generator_flops(G), peak, bases.get(count))
            bases.setdefault(count, seconds)


def pixel_difference(device):
    """Mean absolute difference between mixed precision and float32 on the shipped network, in levels of 255."""
    from benchmarks import measure
    from dnnlib.tflib import precision as precisions
    from training import pretrained
    with measure.fresh_session(device, 'auto'):
        Gs = pretrained.load_generator(pretrained.DEMO_NETWORK)
        options, _ = precisions.synthesis_options('mixed', Gs)
        latents = np.random.RandomState(0).randn(32, *Gs.input_shape[1:])
        a, b = [Gs.run(latents, None, minibatch_size=4, randomize_noise=False, truncation_psi=0.7, **kwargs)
                for kwargs in ({}, options)]
    return float(np.mean(np.abs(a - b))) * 127.5


def main(argv):
    """Parses the options and prints one line per variant and minibatch size."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--resolution', type=int, default=256, help='pixels (default: %(default)s)')
    parser.add_argument('--fmap-base', type=int, default=16 << 10,
                        help='feature maps at 2x2 pixels, before the limit (default: %(default)s)')
    parser.add_argument('--fmap-max', type=int, default=512, help='most feature maps (default: %(default)s)')
    parser.add_argument('--minibatches', type=cli.int_list, default=[1, 8], help='e.g. 1,4 (default: 1,8)')
    parser.add_argument('--seconds', type=float, default=10, help='time of each measurement (default: %(default)s)')
    parser.add_argument('--variants', type=variant, nargs='+', metavar='OPS/PRECISION',
                        default=[('ref', 'float32'), ('auto', 'float32'), ('auto', 'mixed')],
                        help='the first is what the others are compared with '
                        '(default: ref/float32 auto/float32 auto/mixed)')
    cli.add_device(parser)
    args = parser.parse_args(argv)

    cli.load_tensorflow()
    from benchmarks import measure
    with measure.fresh_session(args.device, 'ref'):
        peak = measure.matmul_peak()
    bases = {}
    for ops, precision in args.variants:
        measure_variant(args, ops, precision, peak, bases)
    if any(precision == 'mixed' for _, precision in args.variants):
        print('mixed against float32 on the shipped network: mean absolute difference %.2f levels of 255' %
              pixel_difference(args.device))


if __name__ == '__main__':
    cli.run_main(main)
