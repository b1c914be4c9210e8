#!/usr/bin/env python3
"""Predicts how fast, and at what cost, 1 to 1,024 workers would train, from what two processes do on this machine.

    python benchmarks/scale.py
    python benchmarks/scale.py --measurement=scale.json --faster=100 --network=mine:25000:20

Measured: the time of each stage of an iteration at two sizes of the minibatch, the sums that two workers exchange in
it, the time of these sums alone, and how much of it is hidden behind the backward pass. A stage of n images then takes
a + b * n, a sum of B bytes over N workers in a ring 2 (N - 1) (B / N / bandwidth + latency). Everything else is
assumed: the bandwidths, that all workers are equally fast, that nothing else takes time. One process with one half of
the cores stands for a worker; `--faster` or `--stage-ms` replace its times by those of another device.

Nothing else may run meanwhile: on a CPU the sums are a small part of a stage, so that any other load hides what is
looked for. If a stage without rewriting is not about as slow as with two workers, the measurement is worth nothing.
"""

import argparse
import json
import os
import sys
from typing import NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks.scale_pair import BARE, FEW, KINDS, measure  # noqa: E402  (found only after the line above)
from dnnlib import UserError, cli  # noqa: E402

BACKWARD = 2 / 3    # share of a stage that a sum can hide behind: of three products of a layer, two are of gradients
LEAST = {'G_reg': 2}  # images below which a stage gets no cheaper: path lengths of half of them, but at least of one
NETWORKS = (  # one direction of one device, at the full rate of the hardware, which no program reaches
    'NVLink:2400:5',            # 300 GB/s
    '100 Gbit:100:10',          # InfiniBand or RDMA
    '10 Gbit Ethernet:10:50')   # TCP


class Stage(NamedTuple):
    """Stage of an iteration, as the model sees it."""
    name: str
    every: int          # due every n-th iteration
    fixed: float        # seconds, whatever the number of images
    each: float         # seconds per image
    sums: tuple = ()    # bytes of each sum of gradients
    gathers: tuple = ()  # bytes that each worker adds to each collection of values; the sum has a place for all workers


class Network(NamedTuple):
    """What connects the workers."""
    name: str
    bandwidth: float    # bytes/s that a worker can send while it receives as much
    latency: float      # seconds from one worker to the next


class Prediction(NamedTuple):
    """Of a number of workers."""
    speedup: float      # images/s, as a multiple of those of one worker
    cost: float         # worker-hours for the same number of images, as a multiple of those of one worker


def reduction_sec(stage, workers, network):
    """Seconds of all sums of a stage in a ring, one after the other."""
    sizes = list(stage.sums) + [workers * size for size in stage.gathers]
    return sum(2 * (workers - 1) * (size / workers / network.bandwidth + network.latency) for size in sizes)


def iteration_sec(stages, images, workers, network, overlap, slower=1.0):
    """Seconds of an iteration, each stage weighted by how often it is due.

    Args:
        stages: List of Stage.
        images: Of each worker, in one round.
        workers: Their number.
        network: Network.
        overlap: Share of the sums that the backward pass hides, 0 to 1.
        slower: Factor of the time of a stage where there are several workers, since TensorFlow's rewriting is off.
    """
    total = 0.0
    for stage in stages:
        compute = stage.fixed + stage.each * max(images, LEAST.get(stage.name, 0))
        if workers > 1:
            compute *= slower
        reduction = reduction_sec(stage, workers, network)
        total += (compute + reduction - min(overlap * reduction, BACKWARD * compute)) / stage.every
    return total


def predict(stages, images, workers, network, overlap, slower=1.0, one=None):
    """Prediction for `workers` of `images` images each, against one of `one` images, None = as many.

    Other args: see `iteration_sec`.
    """
    one = images if one is None else one
    base = iteration_sec(stages, one, 1, network, overlap) / one
    speedup = base * images * workers / iteration_sec(stages, images, workers, network, overlap, slower)
    return Prediction(speedup, workers / speedup)


def measured_overlap(rows, latency):
    """Share of the sums that the backward pass hides; below 0 if a stage of two workers takes longer than both.

    Args: see `stages_of` and `network_of`.
    """
    added = sum((row['together'] - row['plain']) / row['every'] for row in rows)
    return 1 - added / sum((row[BARE] + latency * len(row['gathers'])) / row['every'] for row in rows)


def measured_slower(rows):
    """Time of the stages without TensorFlow's rewriting, as a multiple of that with it, at least 1."""
    return max(sum(row['plain'] / row['every'] for row in rows) / sum(row['alone'] / row['every'] for row in rows), 1.0)


def stages_of(rows, images, faster=1.0, stage_sec=None):
    """Stages of the model.

    Args:
        rows: Measured, list of dict: name, every, sums, gathers; seconds of KINDS and BARE.
        images: Those of the larger minibatch.
        faster: Factor by which the worker is faster than the one that was measured.
        stage_sec: {name: seconds with `images` images} instead; the share that does not depend on images remains.
    Returns: List of Stage.
    Raises: UserError for a name that no row has.
    """
    unknown = sorted(set(stage_sec or {}) - {row['name'] for row in rows})
    if unknown:
        raise UserError(f'--stage-ms: there is no stage {unknown[0]!r}, only ' + ', '.join(r['name'] for r in rows))
    stages = []
    for row in rows:
        each = min(max((row['alone'] - row['few']) / (images - FEW), 0.0), row['alone'] / images)
        seconds = (stage_sec or {}).get(row['name'], row['alone'] / faster)
        scale = seconds / row['alone']
        stages.append(Stage(row['name'], row['every'], (row['alone'] - each * images) * scale, each * scale,
                            tuple(row['sums']), tuple(row['gathers'])))
    return stages


def network_of(rows, latency):
    """The Network of the measurement: two workers of this machine.

    Args:
        rows: See `stages_of`.
        latency: Seconds of a sum of one number; half of it is a step of the ring.
    """
    largest = max(rows, key=lambda row: sum(row['sums']))
    seconds = max(largest[BARE] - latency * len(largest['sums']), 1e-9)
    return Network('this machine', sum(largest['sums']) / seconds, latency / 2)


def tables(stages, networks, args, overlap, slower):
    """Lines of two Markdown tables: the same minibatch for all workers together, the same for each."""
    counts = [2 ** i for i in range(11)]
    lines = []
    for title, sizes in (
            (f'a minibatch of {args.minibatch} for all workers together', [args.minibatch / n for n in counts]),
            (f'a minibatch of {args.per_worker} for each worker', [args.per_worker] * len(counts))):
        lines += ['', f'Prediction: {title}; speed-up (cost in worker-hours), both relative to one worker', '',
                  '| workers | ' + ' | '.join(network.name for network in networks) + ' |',
                  '|---' * (len(networks) + 1) + '|']
        for count, images in zip(counts, sizes):
            if images < 1 or images != int(images):
                continue
            found = [predict(stages, images, count, network, overlap, slower, sizes[0]) for network in networks]
            lines.append(f'| {count:,} | ' + ' | '.join(f'{p.speedup:.3g} ({p.cost:.2f})' for p in found) + ' |')
    return lines


def report(found):
    """Prints what was measured; returns (overlap, slower), see `iteration_sec`."""
    rows, images = found['rows'], found['images']
    here, overlap = network_of(rows, found['latency']), measured_overlap(rows, found['latency'])
    slower = measured_slower(rows)
    print(f'Measured with TensorFlow {found["tensorflow"]}, {found["title"]}; two processes at the same time, '
          f'{found["threads"]} thread(s) each; seconds:\n')
    names = (f'{FEW} images', f'{images} images', 'without rewriting', 'two workers', 'the sums alone', 'MB of sums')
    print('| stage | every | ' + ' | '.join(names) + ' |\n' + '|---' * (len(names) + 2) + '|')
    for row in rows:
        times = ' | '.join(f'{row[kind]:.3f}' for kind in KINDS + (BARE,))
        sums = f'{sum(row["sums"]) / 2 ** 20:.1f} in {len(row["sums"])}'
        print(f'| {row["name"]} | {row["every"]} | {times} | {sums} |')
    print(f'\nA sum over both: {1000 * found["latency"]:.2f} ms for one number, {here.bandwidth / 1e9:.3f} GB/s for '
          f'gradients. Without rewriting\n'
          f'of graphs, which several workers do without, stages take {slower:.2f} times as long.')
    if overlap < 0:
        print(f'Two workers wait {1 - overlap:.2f} times as long as the sums alone take; none is hidden.')
    else:
        print(f'The backward pass hides {100 * overlap:.0f} % of the sums.')
    return min(max(overlap, 0.0), 1.0), slower


def network_arg(text):
    """Argument type: `NAME:GBIT:MICROSECONDS`, see Network."""
    name, gbit, latency = (text.rsplit(':', 2) + ['', ''])[:3]
    try:
        values = float(gbit) * 1e9 / 8, float(latency) / 1e6
    except ValueError:
        values = 0, 0
    if not name or values[0] <= 0 or values[1] < 0:
        raise argparse.ArgumentTypeError(f'expected NAME:GBIT:MICROSECONDS such as mine:25:20, got {text!r}')
    return Network(name, *values)


def stage_ms(text):
    """Argument type: `NAME=MS`."""
    name, _, value = text.partition('=')
    try:
        return name, float(value) / 1000
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected NAME=MS such as G_reg=12.5, got {text!r}') from None


def main(argv=None):
    """Reads the command line, measures, predicts."""
    parser = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--resolution', type=int, default=64, help='pixels (default: %(default)s)')
    add('--fmap-base', type=int, default=16 << 10, help='feature maps at 2x2 pixels (default: %(default)s)')
    add('--fmap-max', type=int, default=512, help='most feature maps (default: %(default)s)')
    add('--per-worker', type=int, default=4, help='images of a worker where each has as many, and in the measurement '
        '(default: %(default)s)')
    add('--minibatch', type=int, default=32, help='images of all workers together (default: %(default)s, config-f)')
    add('--ops', type=cli.ops_mode, default='auto', help='operations, as in training (default: %(default)s)')
    add('--repeats', type=int, default=3, help='measurements of each time, fewer of slow ones (default: %(default)s)')
    add('--measurement', metavar='FILE', help='written, or read and not measured again if it exists')
    add('--faster', type=float, default=1.0, help='a worker is as many times as fast as here (default: %(default)s)')
    add('--stage-ms', type=stage_ms, action='append', default=[], metavar='NAME=MS',
        help='time of a stage of one worker with --per-worker images, such as one of benchmarks/train.py on a GPU')
    add('--overlap', type=float, help='share of the sums that is hidden, 0 to 1 (default: as measured)')
    add('--network', type=network_arg, action='append', metavar='NAME:GBIT:MICROSECONDS',
        help='one direction of a device (default: ' + ', '.join(NETWORKS) + ')')
    args = parser.parse_args(argv)
    if args.per_worker <= FEW or args.repeats < 1 or args.faster <= 0 or not 0 <= (args.overlap or 0) <= 1:
        raise UserError(f'expected --per-worker above {FEW}, --repeats from 1, --faster above 0, --overlap from 0 to 1')
    if args.measurement and os.path.exists(args.measurement):
        with open(args.measurement) as file:
            found = json.load(file)
    else:
        found = measure(args)
        if args.measurement:
            with open(args.measurement, 'w') as file:
                json.dump(found, file, indent=1)
    overlap, slower = report(found)
    overlap = overlap if args.overlap is None else args.overlap
    networks = args.network or [network_arg(text) for text in NETWORKS]
    stages = stages_of(found['rows'], found['images'], args.faster, dict(args.stage_ms))
    given = ' with the stage times given' if args.stage_ms else ''
    print(f'\nPrediction from this, for workers {args.faster:g} times as fast{given}, {100 * overlap:.0f} % of the '
          'sums hidden, and '
          + ', '.join(f'{n.name}: {n.bandwidth / 1e9:g} GB/s, {n.latency * 1e6:g} us' for n in networks))
    print('\n'.join(tables(stages, networks, args, overlap, slower)))


if __name__ == '__main__':
    cli.run_main(main)
