#!/usr/bin/env python3
"""Do translators between domains learn? Trains small ones on cats whose true translations are known, and judges them.

    python benchmarks/domains.py            all of them: StarGAN on coats, attributes and both, StarGAN v2 on families
    python benchmarks/domains.py --only=0   the first of them

Every training is a process of run_training.py on two cores. What is in --result-dir is not run again, and a training
that was stopped goes on. The tables at the end are Markdown, with a row for each snapshot; their first rows are what
translators are worth that do nothing or ignore their input. The columns are those of the metric `domains_cats`, see
docs/metrics.md. Minutes are those that the cores were busy, of both together; a quiet machine takes a little more than
half of them.
"""

import glob
import json
import os
import resource
import subprocess
import sys
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks.translation import on_few_cores  # noqa: E402  (found only after the line above)
from dnnlib import cli  # noqa: E402
from dnnlib.util import write_text  # noqa: E402

RESOLUTION, NUM_TRAIN, NUM_TEST, SNAPSHOTS = 32, 1800, 100, 6
METRIC = 'domains_cats20'
SMALL = (f'--resolution={RESOLUTION}', '--no-flip', '--device=cpu', '--no-selftest', f'--metrics={METRIC}')


class Variant(NamedTuple):
    """A training of the study."""
    name: str        # in the table
    sets: tuple      # what it learns from, see `dataset_tool.py create_cats_domains`
    iterations: int  # length
    options: tuple   # of run_training.py that differ from the published ones; {0}, {1}: folders of the sets


STARGAN = ('--config=stargan', '--batch=16', '--lr=0.0005', '--set=G.fmaps=16', '--set=G.num_blocks=3',
           '--set=D.fmaps=24', '--set=D.num_layers=4', '--set=train.n_critic=3')
STARGAN2 = ('--config=stargan-v2-afhq', '--batch=8', '--lr=0.001', '--set=sched.F_lrate=0.0001',
            '--set=F.fmaps=64', '--set=F.latent_size=8', '--set=train.ema_beta=0.99', '--set=train.lambda_ds=1',
            '--set=F.style_size=16', '--set=dataset.crop_prob=0') + tuple(
                f'--set={name}.{key}' for name in 'GED' for key in ('fmap_base=512', 'fmap_max=64'))
ATTRIBUTES = ('--attributes={0}/list_attr.txt', '--exclusive=black,blue,orange')
BOTH = ('--attributes={0}/list_attr.txt', '--labels=glasses,hat,scarf,spots,stripes', '--dataset-b={1}')
VARIANTS = (
    Variant('StarGAN', ('coats',), 1200, STARGAN), Variant('StarGAN, longer', ('coats',), 6000, STARGAN),
    Variant('StarGAN v2', ('families',), 2400, STARGAN2),
    Variant('StarGAN, attributes', ('attributes',), 3000, STARGAN + ATTRIBUTES),
    Variant('StarGAN, attributes and coats', ('attributes', 'coats'), 2000, STARGAN + BOTH))


def run(program, *arguments, **options):
    """A program of ours in a process."""
    subprocess.check_call([sys.executable, os.path.join(ROOT, program)] + list(arguments), **options)


def make_set(domains, folder):
    """Writes a set unless it is there; returns its folder."""
    path = os.path.join(folder, 'set-' + domains)
    if not os.path.exists(path):
        run('dataset_tool.py', 'create_cats_domains', path, f'--domains={domains}', f'--resolution={RESOLUTION}',
            f'--train={NUM_TRAIN}', f'--test={NUM_TEST}')
    return path


def train(variant, sets, folder):
    """Trains, unless that is done; what the processes of several starts used is added up.

    Args:
        variant: Variant.
        sets: Folders of its sets.
        folder: Where the run directory, the output and the times go.
    Returns: Seconds of the processor.
    """
    times = os.path.join(folder, 'times.json')
    found = dict(cpu=0.0, is_done=False)
    if os.path.exists(times):
        with open(times) as file:
            found = json.load(file)
    if not found['is_done']:
        os.makedirs(folder, exist_ok=True)
        print(f'{variant.name}: {" ".join(variant.options)}', flush=True)  # what differs from the published ones
        options = [option.format(*sets) for option in variant.options]
        batch = next(int(option.split('=')[1]) for option in options if option.startswith('--batch='))
        options.append(f'--set=sched.tick_images={batch * variant.iterations // SNAPSHOTS}')
        used = cpu_seconds()
        try:
            with open(os.path.join(folder, 'output.txt'), 'ab') as file:
                run('run_training.py', f'--dataset={sets[0]}', f'--iterations={variant.iterations}',
                    '--snap=1', f'--result-dir={folder}', *(SMALL + tuple(options)), stdout=file, stderr=file,
                    preexec_fn=on_few_cores)
            found['is_done'] = True
        finally:
            found['cpu'] += cpu_seconds() - used
            write_text(times, json.dumps(found))
    return found['cpu']


def cpu_seconds():
    """Seconds of the processor that the processes used that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def judged(folder):
    """What the metric found at every snapshot: list of records, see `MetricBase.get_record`."""
    records = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), '[0-9]*', f'metric-{METRIC}.jsonl'))):
        with open(path) as file:
            records += [json.loads(line) for line in file]
    return records


def table(variant, records, seconds):
    """Lines of Markdown: a row for each snapshot, minutes in proportion to the iterations, and one for each task.

    Args:
        variant: Variant.
        records: See `judged`.
        seconds: Of the processor.
    """
    results = [{name[len(METRIC) + 1:]: value for name, value in record['results'].items()} for record in records]
    columns = list(results[-1])
    lines = [f'| {variant.name}, {" and ".join(variant.sets)} | {" | ".join(columns)} | busy minutes |',
             '|---|' + '---|' * (len(columns) + 1)]
    for name, values in records[-1]['references'].items():
        lines.append(f'| *{name}* | ' + ' | '.join(cell(values.get(key)) for key in columns) + ' | |')
    for number, values in enumerate(results):
        part = number / max(len(results) - 1, 1)  # snapshots are evenly spaced, from the start to the end
        lines.append(f'| {int(part * variant.iterations)} iterations | ' + ' | '.join(
            cell(values.get(key)) for key in columns) + f' | {part * seconds / 60:.1f} |')
    for guide, tasks in records[-1]['of_tasks'].items():
        lines += ['', f'By {guide}: ' + '; '.join(
            f'{name} ' + ', '.join(f'{key} {cell(value)}' for key, value in values.items())
            for name, values in tasks.items())]
    return lines + ['']


def cell(value):
    """A number of the table."""
    return '' if value is None else f'{value:.1f}'


def main(argv):
    """Parses the arguments, trains what is missing, prints the tables."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', type=cli.int_list, metavar='LIST', help=', '.join(
        f'{number} = {variant.name}' for number, variant in enumerate(VARIANTS)) + ' (default: all)')
    parser.add_argument('--result-dir', default=os.path.join('results', 'domains'), metavar='DIR',
                        help='folder of sets and trainings (default: %(default)s)')
    args = parser.parse_args(argv)
    numbers = range(len(VARIANTS)) if args.only is None else args.only
    if not all(0 <= number < len(VARIANTS) for number in numbers):
        parser.error(f'--only: expected numbers from 0 to {len(VARIANTS) - 1}')
    for number in numbers:
        variant, folder = VARIANTS[number], os.path.join(args.result_dir, f'{number}')
        seconds = train(variant, [make_set(name, args.result_dir) for name in variant.sets], folder)
        print('\n'.join(table(variant, judged(folder), seconds)), flush=True)
    return 0


if __name__ == '__main__':
    cli.run_main(main)
