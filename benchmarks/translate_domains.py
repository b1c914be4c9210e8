#!/usr/bin/env python3
"""Speed of training translators between domains, and the share of the matrix-product peak of the same run.

An iteration of StarGAN v2 is two steps of D and two of G, with averages, on minibatches of 8 at 128x128, all networks
as published; one of StarGAN has one step of D and, of --n-critic steps, one of G. Operations are counted in the graph:
convolutions and matrix products, gradients included, nothing else; what TensorFlow merges counts once.
"""

import contextlib
import io
import os
import sys
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)

CONFIGS = ('stargan-v2-afhq', 'stargan')
DOMAINS = 3


def build(args):
    """The graph of an iteration: (list of stages, feed)."""
    from dnnlib import EasyDict, tflib
    from dnnlib.util import get_obj_by_name
    from training import train_step
    from training.options import domains
    from training.state import transfer
    c, side = domains.CONFIGS[args.config], args.resolution
    pictures = SimpleNamespace(shape=[3, side, side], label_size=DOMAINS, label_names=None, dynamic_range=[0, 255])
    pairs = SimpleNamespace(**dict(vars(pictures), shape=[6, side, side]))
    datasets = dict(a=pictures) if args.config == 'stargan' else dict(source=pictures, reference=pairs)
    level = EasyDict(minibatch_size=args.batch, minibatch_gpu=args.batch, rounds=1, lod=0.0, lrate=0.0001,
                     F_lrate=0.000001)
    options = dict(c.options, **{name + '_args': dict(net) for name, net in c.nets.items()})
    options.update({name + '_opt_args': dict(c.opt) for name in c.nets})
    with contextlib.redirect_stdout(io.StringIO()):  # widths, tables of layers
        domains.apply_width(options, args.width)
        method = get_obj_by_name('training.methods.' + c.method)(
            {name: SimpleNamespace(dataset=data) for name, data in datasets.items()},
            SimpleNamespace(last=level, levels=[level]), **options)
        networks = transfer.create_networks(method.nets)
    step = train_step.Step(method, networks, datasets, [level])
    stages = method.stages(step)
    tflib.init_uninitialized_vars()
    feed, rnd = dict(step.sched.feed(level)), np.random.RandomState(0)
    feed[step.seed_in] = [1, 2]
    for name, data in datasets.items():
        images = rnd.randint(256, size=[args.batch] + data.shape).astype(np.uint8)
        feed.update(zip(step.feeds[name], (images, np.eye(DOMAINS)[rnd.randint(DOMAINS, size=args.batch)])))
    return stages, feed


def main(argv):
    """Parses the options, measures an iteration and its parts."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', choices=CONFIGS, default=CONFIGS[0], help='method (default: %(default)s)')
    parser.add_argument('--resolution', type=int, default=128, help='pixels (default: %(default)s)')
    parser.add_argument('--batch', type=int, default=8, help='images of a step (default: %(default)s)')
    parser.add_argument('--width', type=float, default=1, help='multiplies feature maps (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=60, help='time of the measurement (default: %(default)s)')
    cli.add_common(parser)
    args = parser.parse_args(argv)

    cli.load_tensorflow()
    import tensorflow.compat.v1 as tf
    from benchmarks import measure
    from benchmarks.translate import count_transpositions
    from dnnlib import tflib
    with measure.fresh_session(args.device, 'ref'):
        print(tflib.device_description())
        peak = measure.matmul_peak()
    with measure.fresh_session(args.device, args.ops):
        stages, feed = build(args)
        session = tf.get_default_session()
        flops = [measure.merged_flops([stage.op], args.batch) / stage.every for stage in stages]
        transpositions = sum(count_transpositions(stage.op, feed) for stage in stages)

        def iteration(number):
            for stage in stages:
                if number % stage.every == 0:
                    session.run(stage.op, feed)
        every = max(stage.every for stage in stages)
        times = measure.repeat(lambda: [iteration(number) for number in range(every)], args.seconds)
        measure.report(f'train {args.config} {args.resolution}x{args.resolution}', args.batch * every, times,
                       sum(flops) * every, peak)
        print(f'  {transpositions} transpositions')
        for stage, operations in zip(stages, flops):
            times = measure.repeat(lambda op=stage.op: session.run(op, feed), args.seconds / 10)
            measure.report(f'  {stage.name}', args.batch, times, operations * stage.every, peak)


if __name__ == '__main__':
    cli.run_main(main)
