#!/usr/bin/env python3
"""Do translators learn? Trains small ones on cats whose true translations are known, and judges them.

    python benchmarks/translation.py            coats and accessories, outlines and maps of labels, a sheet of cats
    python benchmarks/translation.py --only=0   the first of them

Every training is a process of run_training.py on two cores, and ends after --minutes whatever it has learned. What is
in --result-dir is not run again, so the study may be interrupted and goes on where it was. The tables at the end are
Markdown; their first rows are what translators are worth that do nothing, ignore their input, or know the truth.
"""

import glob
import json
import os
import resource
import signal
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib import UserError, cli  # noqa: E402  (found only after the line above)
from dnnlib.util import format_time, write_text  # noqa: E402

RESOLUTION, NUM_TRAIN, NUM_TEST, CORES = 64, 1000, 200, 2
METRIC = f'cats{NUM_TEST}'
COLUMNS = ('domain', 'body', 'eyes', 'mouth', 'accessory', 'l1', 'edges')  # see docs/metrics.md
# Cats sit where they sit: neither crops nor mirrored ones help, and the oracle knows none. Narrow networks, fast rates.
WHOLE = (f'--resolution={RESOLUTION}', f'--load-size={RESOLUTION}', '--no-flip', '--width=1/4')
SMALL = WHOLE + ('--set=D.num_layers=2', '--lr=0.0005')
RESNET = SMALL + ('--set=G.num_blocks=4',)
TAPS = ('--set=train.nce_layers=(0,4,8,12,14)',)  # the last published one, 16, lies behind four blocks
CROPS = tuple(f'--set=sched.{name}_images={NUM_TRAIN}' for name in ('epoch', 'tick')) + (  # a pass of them, too
    '--batch=4', '--set=train.num_patches=16')  # as many rows to be told apart as of 64 crops with one, as published
FAITHFUL = ('--set=train.lambda_NCE=10',)  # as FastCUT; with 1, mouths get lost


class Variant(NamedTuple):
    """A training of the study."""
    name: str       # in the table
    pair: str       # what it learns from, see `dataset_tool.py create_cats_pairs`
    epochs: int     # passes over the data, so many that two cores need less than ten minutes
    options: tuple  # of run_training.py


VARIANTS = (
    Variant('CycleGAN', 'coats', 6, ('--config=cyclegan',) + RESNET),
    Variant('CUT', 'coats', 5, ('--config=cut',) + RESNET + TAPS + FAITHFUL),
    Variant('FastCUT', 'coats', 6, ('--config=fastcut',) + RESNET + TAPS),
    Variant('pix2pix', 'outline', 16, ('--config=pix2pix',) + SMALL),
    Variant('pix2pix without D: L1 alone', 'outline', 16, ('--config=pix2pix', '--set=train.lambda_GAN=0') + SMALL),
    Variant('U-GAT-IT light', 'coats', 3, ('--config=ugatit-light', '--lr=0.0005') + WHOLE),
    Variant('U-GAT-IT light', 'accessory', 3, ('--config=ugatit-light', '--lr=0.0005') + WHOLE),
    Variant('CycleGAN', 'accessory', 6, ('--config=cyclegan',) + RESNET),
    Variant('pix2pixHD', 'masks', 6, ('--config=pix2pixhd', '--set=train.label_nc=5', '--set=train.perceptual=none',
                                      '--lr=0.0005') + WHOLE),
    Variant('SinCUT', 'sheets', 4, ('--config=sincut', '--width=0.3') + CROPS))


def make_set(pair, folder):
    """Writes a set unless it is there; returns its folder."""
    path = os.path.join(folder, 'set-' + pair)
    if not os.path.exists(path):
        counts = [] if pair == 'sheets' else [f'--train={NUM_TRAIN}', f'--test={NUM_TEST}']
        subprocess.check_call([sys.executable, os.path.join(ROOT, 'dataset_tool.py'), 'create_cats_pairs', path,
                               f'--pair={pair}', f'--resolution={RESOLUTION}'] + counts)
    return path


def train(variant, dataset, folder, minutes):
    """Trains, unless that is done, and keeps how long it took: dictionary of seconds by name.

    Args:
        variant: Variant.
        dataset: Folder of its set.
        folder: Where the run directory, the output and the times go.
        minutes: After which the training is told to stop, as by Ctrl-C.
    Raises: UserError with the file that holds its output if it fails.
    """
    times = os.path.join(folder, 'times.json')
    if os.path.exists(times):
        with open(times) as file:
            return json.load(file)
    os.makedirs(folder, exist_ok=True)
    log = os.path.join(folder, 'output.txt')
    options = variant.options + (
        f'--dataset={dataset}', f'--epochs={variant.epochs}', f'--metrics={METRIC}', '--snap=1', '--device=cpu',
        '--no-selftest', f'--result-dir={folder}')
    begin, used = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(log, 'ab') as file:
        process = subprocess.Popen([sys.executable, os.path.join(ROOT, 'run_training.py')] + list(options), stdout=file,
                                   stderr=file, preexec_fn=on_few_cores)
        try:
            process.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        finally:
            status = process.wait()
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    if status not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
        raise UserError(f'{variant.name}: the training failed; see the end of {log}')
    found = dict(wall=time.time() - begin, cpu=now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
    write_text(times, json.dumps(found))
    return found


def on_few_cores():
    """Keeps a process on CORES cores, where the system can."""
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def judged(folder):
    """What the oracle found at every snapshot of a run: list of records, see `MetricBase.get_record`."""
    paths = glob.glob(os.path.join(glob.escape(folder), '[0-9]*', f'metric-{METRIC}.jsonl'))
    records = []
    for path in paths:
        with open(path) as file:
            records += [json.loads(line) for line in file]
    return records


def table(pair, rows):
    """Lines of Markdown.

    Args:
        pair: What was learned from.
        rows: List of (Variant, seconds by name, records).
    """
    references = rows[0][2][-1]['references']
    names = [name for name in COLUMNS if name in next(iter(references.values()))]
    lines = [f'{pair}, {NUM_TEST} held-out cats:', '', f'| | {" | ".join(names)} | epochs | minutes | CPU minutes |',
             '|---|' + '---|' * (len(names) + 3)]
    for name, values in sorted(references.items(), reverse=True):
        lines.append(f'| *{name}* | ' + ' | '.join(cell(key, values[key]) for key in names) + ' | | | |')
    for variant, seconds, records in rows:
        values = {key[len(METRIC) + 1:]: value for key, value in records[-1]['results'].items()}
        epochs = int(records[-1]['network'].split('-')[-1]) * 1000 // NUM_TRAIN  # fewer than planned if it was stopped
        lines.append(f'| {variant.name} | ' + ' | '.join(cell(key, values[key]) for key in names)
                     + f' | {epochs} of {variant.epochs} | {seconds["wall"] / 60:.1f} | {seconds["cpu"] / 60:.1f} |')
    return lines + ['']


def cell(name, value):
    """A number of the table."""
    return f'{value:.2f}' if name in ('edges', 'saturation') else f'{value:.1f}'


def main(argv):
    """Parses the arguments, trains what is missing, prints the tables."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=cli.finite_float, default=10, metavar='N',
                        help='after which a training is stopped (default: %(default)s)')
    parser.add_argument('--only', type=cli.int_list, metavar='LIST', help=', '.join(
        f'{number} = {variant.name}' for number, variant in enumerate(VARIANTS)) + ' (default: all)')
    parser.add_argument('--result-dir', default=os.path.join('results', 'translation'), metavar='DIR',
                        help='where everything is kept (default: %(default)s)')
    args = parser.parse_args(argv)
    numbers = range(len(VARIANTS)) if args.only is None else args.only
    if not all(0 <= number < len(VARIANTS) for number in numbers):
        parser.error(f'--only: expected numbers from 0 to {len(VARIANTS) - 1}')
    os.makedirs(args.result_dir, exist_ok=True)
    rows = {}
    for number in numbers:
        variant, folder = VARIANTS[number], os.path.join(args.result_dir, f'{number:02d}')
        seconds = train(variant, make_set(variant.pair, args.result_dir), folder, args.minutes)
        records = judged(folder)
        if not records:
            raise UserError(f'{variant.name}: no snapshot was judged within {args.minutes:g} minutes; give more')
        rows.setdefault(variant.pair, []).append((variant, seconds, records))
        print(f'{variant.name}: {format_time(seconds["wall"])}, {len(records)} snapshots', flush=True)
    for pair, found in rows.items():
        print('\n'.join(table(pair, found)))


if __name__ == '__main__':
    cli.run_main(main)
