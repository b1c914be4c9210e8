#!/usr/bin/env python3
"""Do translators between domains learn? Trains small ones on cats whose true translations are known, and judges them.

    python benchmarks/domains.py            StarGAN on five coats, StarGAN v2 on three families of coats
    python benchmarks/domains.py --only=0   the first of them

Every training is a process of run_training.py on two cores. What is in --result-dir is not run again. The table at the
end is Markdown; its first rows are what translators are worth that do nothing or ignore their input. `hit`: percent of
translations whose nearest body is one of the domain; `L1`: mean difference from the nearest true translation, of 1.
"""

import glob
import os
import subprocess
import sys
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import numpy as np  # noqa: E402  (found only after the line above)

from dnnlib import cli  # noqa: E402

RESOLUTION, NUM_TRAIN, NUM_TEST, CORES = 32, 1800, 100, 2
SMALL = (f'--resolution={RESOLUTION}', '--no-flip', '--device=cpu', '--no-selftest')


class Variant(NamedTuple):
    """A training of the study."""
    name: str        # in the table
    domains: str     # what it learns from, see `dataset_tool.py create_cats_domains`
    iterations: int  # length
    options: tuple   # of run_training.py that differ from the published ones


STARGAN = ('--config=stargan', '--batch=16', '--lr=0.0005', '--set=G.fmaps=16', '--set=G.num_blocks=3',
           '--set=D.fmaps=24', '--set=D.num_layers=4', '--set=train.n_critic=3')
STARGAN2 = ('--config=stargan-v2-afhq', '--batch=8', '--lr=0.001', '--set=sched.F_lrate=0.0001',
            '--set=F.fmaps=64', '--set=F.latent_size=8', '--set=train.ema_beta=0.99', '--set=train.lambda_ds=1',
            '--set=F.style_size=16', '--set=dataset.crop_prob=0') + tuple(
                f'--set={name}.{key}' for name in 'GED' for key in ('fmap_base=512', 'fmap_max=64'))
VARIANTS = (
    Variant('StarGAN', 'coats', 1200, STARGAN), Variant('StarGAN, longer', 'coats', 6000, STARGAN),
    Variant('StarGAN v2', 'families', 900, STARGAN2), Variant('StarGAN v2, longer', 'families', 2250, STARGAN2))


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


def train(variant, dataset, folder):
    """Trains, unless that is done: (network file, minutes)."""
    times = os.path.join(folder, 'minutes.txt')
    if not os.path.exists(times):
        os.makedirs(folder, exist_ok=True)
        print(f'{variant.name}: {" ".join(variant.options)}', flush=True)  # what differs from the published ones
        begin = time.time()
        with open(os.path.join(folder, 'output.txt'), 'ab') as file:
            run('run_training.py', f'--dataset={dataset}', f'--iterations={variant.iterations}',
                f'--result-dir={folder}', *(SMALL + variant.options), stdout=file, stderr=file, preexec_fn=on_few_cores)
        with open(times, 'w') as file:
            file.write(str((time.time() - begin) / 60))
    with open(times) as file:
        return glob.glob(os.path.join(glob.escape(folder), '[0-9]*', 'network-final.pkl'))[-1], float(file.read())


def on_few_cores():
    """Keeps a process on CORES cores, where the system can."""
    if hasattr(os, 'sched_setaffinity'):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def judge(network, folder):
    """What the translations of the pictures to test with are worth, to every other domain: list of rows of numbers.

    Args:
        network: Network file.
        folder: Of the set.
    Returns: [(name, hit, L1, difference of two styles)], the last one or `None`.
    """
    from training import pretrained
    from training.data import cats_domains
    from training.data.cats import compose
    from translator import domains
    truth, file = cats_domains.read_truth(folder), pretrained.resolve(network)
    kind = domains.read_kind(file)
    tests = [name for name in truth.pictures if name.startswith('test/')]
    cats = [truth.pictures[name] for name in tests]
    pixels = np.stack([compose(cat, truth.resolution) for cat in cats])
    translator, rows, differences = domains.Translator(file, kind), {}, []
    for domain, target in domains.targets_of(kind, None).items():
        given = [target] if kind.method == 'stargan' else [
            style[np.newaxis] for style in translator.styles_of_seeds([0, 1], target)]
        drawn = [translator.draw(pixels, one) for one in given]
        differences.append(np.abs(np.float32(drawn[0]) - drawn[-1]).mean() / 127.5)
        layers = cats_domains.DOMAINS[truth.name][domain]
        others = [i for i, name in enumerate(tests) if name.split('/')[1] != domain]
        for name, images in (('unchanged', pixels), ('input ignored', np.roll(drawn[0], 1, axis=0)), ('', drawn[0])):
            rows.setdefault(name, []).extend(score(images[i], cats[i], layers) for i in others)
    return [(name,) + tuple(np.mean(found, axis=0)) + (None if name or len(given) == 1 else np.mean(differences),)
            for name, found in rows.items()]


def score(image, cat, layers):
    """(100 if the nearest body is one of `layers` else 0, distance from the nearest of these)."""
    from metrics.cats_oracle import distances
    found = distances(image, cat, 0)
    return 100.0 * (found.argmin() in layers), found[list(layers)].min() / 127.5


def main(argv):
    """Parses the arguments, trains what is missing, prints the table."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', type=cli.int_list, metavar='LIST', help=', '.join(
        f'{number} = {variant.name}' for number, variant in enumerate(VARIANTS)) + ' (default: all)')
    parser.add_argument('--result-dir', default=os.path.join('results', 'domains'), metavar='DIR',
                        help='folder of sets and trainings (default: %(default)s)')
    args = parser.parse_args(argv)
    lines = ['| | domains | hit | L1 | styles | minutes |', '|---|---|---|---|---|---|']
    cli.load_tensorflow().init_tf(dict(device='cpu'))
    for number, variant in enumerate(VARIANTS):
        if args.only is not None and number not in args.only:
            continue
        dataset = make_set(variant.domains, args.result_dir)
        network, minutes = train(variant, dataset, os.path.join(args.result_dir, f'{number}'))
        for name, hit, distance, difference in judge(network, dataset):
            styles = '' if difference is None else f'{difference:.3f}'
            shown, took = (f'*{name}*', '') if name else (variant.name, f'{minutes:.1f}')
            lines.append(f'| {shown} | {variant.domains} | {hit:.1f} | {distance:.3f} | {styles} | {took} |')
    print('\n'.join(lines))
    return 0


if __name__ == '__main__':
    cli.run_main(main)
