#!/usr/bin/env python3
"""Speed of translating pictures and of training translators, and the share of the matrix-product peak of the same run.

Drawing: the ResNet generator of 9 blocks and 64 feature maps at 256x256, one picture at a time, as run_translator.py
runs it. Training: an iteration of CycleGAN, or of others, at 128x128 with minibatches of 1, all networks as published.
Operations are counted in the graph that runs: convolutions and matrix products, gradients included, nothing else.
The number of transpositions of feature maps in the graph that TensorFlow made of ours, for the device, is printed too:
those at the ends of networks, to and from NCHW, but none around convolutions.
"""

import contextlib
import io
import os
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)

NETWORKS = ('resnet', 'unet')
TRAINED = ('cyclegan', 'cut', 'fastcut', 'pix2pix')


def build_drawing(args):
    """The graph of a generator: (list of the tensor of the images, feed)."""
    import tensorflow.compat.v1 as tf
    from dnnlib import tflib
    net = tflib.Network('G', f'training.networks.{args.network}.G_{args.network}', resolution=args.draw_resolution,
                        fmaps=args.fmaps)
    image = tf.placeholder(tf.float32, [1, 3] + [args.draw_resolution] * 2)
    feed = {image: np.random.RandomState(0).uniform(-1, 1, image.shape.as_list())}
    return net.get_output_for(image, return_as_list=True)[:1], feed


def build_training(config, args):
    """The graph of an iteration of `--config`: (list of operations, feed)."""
    from dnnlib import EasyDict, tflib
    from dnnlib.util import get_obj_by_name
    from training import train_step
    from training.options import translation
    from training.state import transfer
    side = args.train_resolution
    data = SimpleNamespace(shape=[3, side, side], label_size=0, dynamic_range=[0, 255])
    level = EasyDict(minibatch_size=1, minibatch_gpu=1, rounds=1, lod=0.0, lrate=0.0002)
    streams = {name: SimpleNamespace(dataset=data) for name in 'ab'}
    c = translation.CONFIGS[config]
    nets = {f'{name}_args': dict(options, fmaps=args.fmaps) for name, options in c.nets.items() if name in 'GD'}
    if c.nets['G']['func_name'] == translation.UNET:
        nets['G_args']['num_downs'] = translation.num_downs(side)
    method = get_obj_by_name(f'training.methods.{c.method}')(
        streams, SimpleNamespace(last=level, levels=[level]), **dict(c.options, **nets))
    with contextlib.redirect_stdout(io.StringIO()):  # tables of layers
        networks = transfer.create_networks(method.nets)
    step = train_step.Step(method, networks, {name: data for name in 'ab'}, [level])
    stages = method.stages(step)
    tflib.init_uninitialized_vars()
    images = np.random.RandomState(0).randint(256, size=[1] + data.shape).astype(np.uint8)
    feed = {step.seed_in: [1, 2], step.sched['lrate']: 0.0002}
    for name in 'ab':
        feed.update(zip(step.feeds[name], (images, np.zeros([1, 0]))))
    return [stage.op for stage in stages], feed


def count_transpositions(fetch, feed):
    """Transpositions of four axes in the graphs that a session call runs, after TensorFlow has optimized them."""
    import tensorflow.compat.v1 as tf
    seen = tf.RunMetadata()
    tf.get_default_session().run(fetch, feed, options=tf.RunOptions(output_partition_graphs=True), run_metadata=seen)
    found = 0
    for graph_def in seen.partition_graphs:
        found += sum(node.op in ('Transpose', '_MklTranspose') for node in graph_def.node)
    return found


def main(argv):
    """Parses the options, measures drawing and training."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--network', choices=NETWORKS, default='resnet', help='to draw with (default: %(default)s)')
    parser.add_argument('--draw-resolution', type=int, default=256, help='pixels, 0 = not (default: %(default)s)')
    parser.add_argument('--train-resolution', type=int, default=128, help='pixels, 0 = not (default: %(default)s)')
    parser.add_argument('--config', choices=TRAINED, action='append', help='to train, several times for several '
                        '(default: cyclegan)')
    parser.add_argument('--fmaps', type=int, default=64, help='of the first layers (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=20, help='time of each measurement (default: %(default)s)')
    cli.add_common(parser)
    args = parser.parse_args(argv)

    cli.load_tensorflow()
    import tensorflow.compat.v1 as tf
    from benchmarks import measure
    from dnnlib import tflib
    with measure.fresh_session(args.device, 'ref'):
        print(tflib.device_description())
        peak = measure.matmul_peak()
    parts = [(f'draw {args.network}', args.draw_resolution, build_drawing)]
    parts += [(f'train {config}', args.train_resolution, partial(build_training, config))
              for config in args.config or TRAINED[:1]]
    for name, resolution, build in parts:
        if resolution:
            with measure.fresh_session(args.device, args.ops):
                calls, feed = build(args)
                transpositions = sum(count_transpositions(call, feed) for call in calls)
                session, flops = tf.get_default_session(), sum(measure.graph_flops([call], 1) for call in calls)
                times = measure.repeat(lambda: [session.run(call, feed) for call in calls], args.seconds, warmup=2)
                measure.report(f'{name} {resolution}x{resolution}', 1, times, flops, peak)
                print(f'  {transpositions} transpositions')


if __name__ == '__main__':
    cli.run_main(main)
