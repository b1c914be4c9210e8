#!/usr/bin/env python3
"""Speed of the projector: steps/s by size of the images and of the minibatch, and distance against seconds.

Random weights do for the speed; a step is also compared with its convolutions and matrix products alone, which run in
turn with it. The distances are those of pictures of the shipped network and of held-out cats, for
both presets, always measured in float32; every line is one moment of a projection.
"""

import argparse
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)
from projector import schedule  # noqa: E402

NETWORKS = {64: dict(fmap_base=4096, fmap_max=96, latent_size=128, dlatent_size=128, mapping_fmaps=128),  # as shipped
            256: dict(fmap_base=16 << 10, fmap_max=512), 1024: dict(fmap_base=16 << 10, fmap_max=512)}  # config-f


def case(text):
    """Argument type: `RESOLUTION/MINIBATCH`, such as `256/4`."""
    resolution, _, minibatch = text.partition('/')
    if not resolution.isdigit() or not minibatch.isdigit() or int(resolution) not in NETWORKS or int(minibatch) < 1:
        raise argparse.ArgumentTypeError('expected {} / minibatch, got {!r}'.format(
            ', '.join(map(str, sorted(NETWORKS))), text))
    return int(resolution), int(minibatch)


def prepared(args, Gs, minibatch):
    """A projector of a generator with the distance and the precision that are asked for."""
    from dnnlib.tflib import precision
    from projector import distances
    from projector.projector import Projector
    projector = Projector()
    projector.clone_net, projector.distance = False, args.distance
    if args.precision == 'mixed':
        projector.synthesis_options = precision.synthesis_options('mixed', Gs)[0]
        projector.half_distance = distances.can_be_half(args.distance)
    projector.set_network(Gs, minibatch)
    return projector


def measure_steps(args, resolution, minibatch):
    """Prints the speed of one size, and what share of a step is spent on what."""
    from benchmarks import measure
    from dnnlib import tflib
    with measure.fresh_session(args.device, args.ops):
        G = tflib.Network('G', func_name='training.networks_stylegan2.G_main', resolution=resolution, num_channels=3,
                          label_size=0, **NETWORKS[resolution])
        projector = prepared(args, G, minibatch)
        projector.start(np.random.RandomState(0).uniform(-1, 1, [minibatch] + G.output_shape[1:]))
        projector.num_steps = 10 ** 6
        products = measure.products_alone(projector.step_fetches, minibatch)
        times = measure.interleaved([projector.step, lambda: tflib.run(products)], args.seconds / 2)
        step, alone = np.median(times, axis=0)
        images, both = [float(np.median(measure.repeat(call, args.seconds / 4)))
                        for call in (projector.get_images, projector.get_distances)]
        print('project {0}x{0}, {1}, {2}, minibatch {3}: {4:.3f} steps/s, {5:.3f} picture steps/s; images {6:.0f}%, '
              'distance {7:.0f}%, gradients and update {8:.0f}%'.format(
                  resolution, args.distance, args.precision, minibatch, 1 / step, minibatch / step, 100 * images / step,
                  100 * (both - images) / step, 100 * (step - both) / step))
        print('    {:.0f} ms = {:.3f} x its convolutions and matrix products alone ({:.0f} ms, {:.1f} GFLOP)'.format(
            1000 * step, np.median(times[:, 0] / times[:, 1]), 1000 * alone,
            measure.graph_flops(projector.step_fetches, minibatch) / 1e9), flush=True)


def compare_presets(args):
    """Prints the mean distances of generated and real pictures against seconds for each preset."""
    from benchmarks import measure
    from projector.distances import AllDistances
    from training import pretrained
    count = args.pictures
    with measure.fresh_session(args.device, args.ops):
        Gs = pretrained.load_generator(pretrained.DEMO_NETWORK)
        targets = preset_targets(Gs, count)
        projector, measures = prepared(args, Gs, 2 * count), AllDistances(Gs.output_shape[1:])
        for preset, num_steps in sorted(schedule.NUM_STEPS.items()):
            for name, value in dict(schedule.PRESETS[preset], num_steps=num_steps).items():
                setattr(projector, name, value)
            started, waited = time.time(), 0
            projector.start(targets)
            while projector.step() is not None:
                if projector.get_cur_step() % max(1, num_steps // 5) == 0:
                    seconds = (time.time() - started - waited) / (2 * count)
                    found = [measures.measure(*pair)[args.distance] for pair in zip(targets, projector.get_images())]
                    waited = time.time() - started - seconds * 2 * count
                    print('{}, {}, {}, step {}: {:.1f} s per picture, distance {:.4f} generated, '
                          '{:.4f} held-out'.format(preset, args.distance, args.precision, projector.get_cur_step(),
                                                   seconds, np.mean(found[:count]), np.mean(found[count:])), flush=True)


def preset_targets(Gs, count):
    """Pictures of the network and as many held-out cats: float32 [2 * count, C, H, W], range [-1, 1]."""
    from training.data.cats import CatsDataset
    latents = np.random.RandomState(5000).randn(count, *Gs.input_shape[1:])
    generated = Gs.run(latents, None, randomize_noise=True, truncation_psi=1)
    with CatsDataset(resolution=Gs.output_shape[2], held_out=True, shuffle_mb=0) as cats:
        reals = np.stack([cats.read(index) for index in range(count)])
    return np.concatenate([np.clip(generated, -1, 1), reals / np.float32(127.5) - 1])


def main(argv):
    """Parses the options and prints one line per measurement."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cases', type=case, nargs='*', metavar='RESOLUTION/MINIBATCH',
                        default=[(64, 1), (64, 4), (64, 8), (256, 1), (256, 4), (1024, 1)],
                        help='what to measure (default: 64/1 64/4 64/8 256/1 256/4 1024/1)')
    parser.add_argument('--seconds', type=float, default=10, help='time of each measurement (default: %(default)s)')
    parser.add_argument('--pictures', type=int, default=4,
                        help='pictures of each class for the comparison of presets, 0 = none (default: %(default)s)')
    parser.add_argument('--distance', choices=('lpips-vgg', 'lpips-alex', 'pixel'), default='lpips-vgg',
                        help='what is made small (default: %(default)s)')
    cli.add_precision(parser)
    cli.add_common(parser)
    args = parser.parse_args(argv)
    cli.load_tensorflow()
    for resolution, minibatch in args.cases:
        measure_steps(args, resolution, minibatch)
    if args.pictures:
        compare_presets(args)


if __name__ == '__main__':
    cli.run_main(main)
