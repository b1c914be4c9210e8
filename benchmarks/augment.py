#!/usr/bin/env python3
"""What augmentation costs: time of a training iteration with it, over the time without.

The variants take turns, so that other work on the machine meets all of them; processor time (of all threads) hardly
depends on it. The stages of an iteration (G and D; path
lengths every 4th, R1 every 16th) are weighted by how often they are due. p = 0 is in the same graph as the others: what
an adaptive p costs before it rises. `--memory` prints instead how much memory the stages of each variant need.
"""

import os
import resource
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import train  # noqa: E402  (found only after the line above)
from dnnlib import cli  # noqa: E402
from training.options import augmentation  # noqa: E402

NETWORKS = {  # name -> fmap_base, fmap_max, minibatch; `shipped`: docs/demo-network.md, until 1,738 kimg
    'shipped': (1 << 10, 96, 16), 'config-e': (8 << 10, 512, 4), 'config-f': (16 << 10, 512, 4)}
STRENGTHS = (0.0, 0.3, 0.6, 1.0)
RARE = {'G_reg': 2, 'D_reg': 2}  # stages that run in every n-th turn only


class Variant:
    """A training in a graph and session of its own.

    Args:
        args: The command line.
        pipeline: Name of the augmentations, None = without.
    """

    def __init__(self, args, pipeline):
        import tensorflow.compat.v1 as tf
        from dnnlib import tflib
        options = None if pipeline is None else dict(augmentation.pipeline(pipeline), tune_heuristic='rt')
        with tf.Graph().as_default():
            self._session, self._runs = tflib.create_session({'device': args.device, 'ops': args.ops}), 0
            with self._session.as_default():
                stages, self._feed, self._seed = train.build(args, augment_args=options)
                self._strength = [var for var in tf.global_variables() if 'augment_strength' in var.name]
                tflib.init_uninitialized_vars()
        self.stages = [stage for stage in stages if stage.name in ('G', 'G_reg', 'D', 'D_reg')]

    def run(self, stage, p):
        """Runs a stage with the strength p (without augmentation: whatever it is); [seconds, processor time]."""
        for var in self._strength:
            var.load(p, self._session)
        self._runs += 1
        started = time.time(), time.process_time()
        self._session.run(stage.op, dict([*self._feed.items(), (self._seed, [1, self._runs])]))
        return [time.time() - started[0], time.process_time() - started[1]]


def compare(args):
    """Prints the time of an iteration of each variant, and its ratio to that without augmentation."""
    times, without, augmented = {}, Variant(args, None), Variant(args, args.augpipe)
    every = {stage.name: stage.every for stage in without.stages}
    for variant in (without, augmented):  # the first run of an operation takes longer
        for stage in variant.stages:
            variant.run(stage, 1)
    for turn in range(args.turns):
        for p in (None,) + STRENGTHS:
            variant = without if p is None else augmented
            for stage in variant.stages:
                if turn % RARE.get(stage.name, 1) == 0:
                    times.setdefault((p, stage.name), []).append(variant.run(stage, p))
    name = f'{args.network}, {args.resolution}x{args.resolution}, minibatch {args.minibatch}, {args.augpipe}'
    base = {}
    for p in (None,) + STRENGTHS:
        medians = {stage: np.median(times[p, stage], axis=0) for stage in every}
        medians['iteration'] = sum(medians[stage] / every[stage] for stage in every)
        base = base or medians
        ratios = [medians[stage] / base[stage] for stage in medians]
        processor = ', '.join(f'{stage} {ratio[1]:.3f}' for stage, ratio in zip(medians, ratios))
        print(f'{name}, {"without" if p is None else f"p = {p:g}"}: {medians["iteration"][0] * 1000:.0f} ms, ratio '
              f'{ratios[-1][0]:.3f}; processor time: {processor}', flush=True)


def memory(args):
    """Prints the largest memory of a process that runs the stages of one variant, for each variant."""
    for p in ('without', '0', '1'):
        command = [sys.executable, os.path.abspath(__file__), '--network', args.network, '--resolution',
                   str(args.resolution), '--minibatch', str(args.minibatch), '--augpipe', args.augpipe,
                   '--ops', args.ops, '--device', args.device, '--only', p]
        print(f'{args.network}, {args.resolution}x{args.resolution}, p = {p}: '
              + subprocess.check_output(command, universal_newlines=True).splitlines()[-1], flush=True)


def run_only(args):
    """Runs the stages of one variant; prints the largest memory of this process."""
    variant = Variant(args, None if args.only == 'without' else args.augpipe)
    for _ in range(3):
        for stage in variant.stages:
            variant.run(stage, 0 if args.only == 'without' else float(args.only))
    print(f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB')


def main(argv):
    """Parses the options, times the variants or measures their memory."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--network', choices=sorted(NETWORKS), default='shipped', help='widths (default: %(default)s)')
    parser.add_argument('--resolution', type=int, default=64, help='pixels (default: %(default)s)')
    parser.add_argument('--minibatch', type=int, help="images (default: the network's)")
    parser.add_argument('--augpipe', choices=augmentation.NAMES, default=augmentation.DEFAULT,
                        help='operations (default: %(default)s)')
    parser.add_argument('--ops', choices=('auto', 'ref', 'native'), default='auto',
                        help='form of our operations (default: %(default)s)')
    parser.add_argument('--turns', type=int, default=10, help='of the variants (default: %(default)s)')
    parser.add_argument('--memory', action='store_true', help='measure memory instead of time')
    parser.add_argument('--only', help='with the value without, or of p: run this and print the memory of the process')
    cli.add_device(parser)
    args = parser.parse_args(argv)
    args.fmap_base, args.fmap_max, minibatch = NETWORKS[args.network]
    args.minibatch = args.minibatch or minibatch
    if args.memory:
        memory(args)
        return
    cli.load_tensorflow()
    (run_only if args.only else compare)(args)


if __name__ == '__main__':
    cli.run_main(main)
