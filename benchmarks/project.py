#!/usr/bin/env python3
"""Speed of the projector: steps/s by size of the images and of the minibatch, and distance against seconds.

Random weights do for the speed. The distances are those of pictures of the shipped network and of held-out cats, for
both presets; every line is one moment of a projection.
"""

import argparse
import os
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)
from projector import schedule  # noqa: E402

NETWORKS = {64: dict(fmap_base=1024, fmap_max=96, latent_size=128, dlatent_size=128, mapping_fmaps=128),  # as shipped
            256: dict(fmap_base=16 << 10, fmap_max=512), 1024: dict(fmap_base=16 << 10, fmap_max=512)}  # config-f


def case(text):
    """Argument type: `RESOLUTION/MINIBATCH`, such as `256/4`."""
    resolution, _, minibatch = text.partition('/')
    if not resolution.isdigit() or not minibatch.isdigit() or int(resolution) not in NETWORKS or int(minibatch) < 1:
        raise argparse.ArgumentTypeError('expected {} / minibatch, got {!r}'.format(
            ', '.join(map(str, sorted(NETWORKS))), text))
    return int(resolution), int(minibatch)


def measure_steps(args, resolution, minibatch):
    """Prints the speed of one size."""
    from benchmarks import measure
    from dnnlib import tflib
    from projector.projector import Projector
    with measure.fresh_session(args.device, args.ops):
        G = tflib.Network('G', func_name='training.networks_stylegan2.G_main', resolution=resolution, num_channels=3,
                          label_size=0, **NETWORKS[resolution])
        projector = Projector()
        projector.clone_net, projector.dlatent_avg_samples, projector.distance = False, 100, args.distance
        projector.set_network(G, minibatch)
        projector.start(np.random.RandomState(0).uniform(-1, 1, [minibatch] + G.output_shape[1:]))
        seconds = float(np.median(measure.repeat(projector.step, args.seconds, warmup=2)))
        print('project {0}x{0}, {1}, minibatch {2}: {3:.3f} steps/s, {4:.3f} picture steps/s'.format(
            resolution, args.distance, minibatch, 1 / seconds, minibatch / seconds), flush=True)


def compare_presets(args):
    """Prints the mean distances of generated and real pictures against seconds for each preset."""
    from benchmarks import measure
    from projector.projector import Projector
    from training import pretrained
    count = args.pictures
    with measure.fresh_session(args.device, args.ops):
        Gs = pretrained.load_generator(pretrained.DEMO_NETWORK)
        targets = preset_targets(Gs, count)
        projector = Projector()
        projector.clone_net, projector.distance = False, args.distance
        projector.set_network(Gs, 2 * count)
        for preset, num_steps in sorted(schedule.NUM_STEPS.items()):
            for name, value in dict(schedule.PRESETS[preset], num_steps=num_steps).items():
                setattr(projector, name, value)
            projector.start(targets)
            started = time.time()
            while projector.step() is not None:
                if projector.get_cur_step() % max(1, num_steps // 5) == 0:
                    seconds = (time.time() - started) / (2 * count)
                    found = projector.get_distances()
                    print('{}, {}, step {}: {:.1f} s per picture, distance {:.4f} generated, {:.4f} held-out'.format(
                        preset, args.distance, projector.get_cur_step(), seconds, np.mean(found[:count]),
                        np.mean(found[count:])), flush=True)


def preset_targets(Gs, count):
    """Pictures of the network and as many held-out cats: float32 [2 * count, C, H, W], range [-1, 1]."""
    from training.cats import CatsDataset
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
    cli.add_common(parser)
    args = parser.parse_args(argv)
    cli.load_tensorflow()
    for resolution, minibatch in args.cases:
        measure_steps(args, resolution, minibatch)
    if args.pictures:
        compare_presets(args)


if __name__ == '__main__':
    cli.run_main(main)
