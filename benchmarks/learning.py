#!/usr/bin/env python3
"""What helps learning? Trains small networks of cats, one change of the options at a time, each with several seeds.

    python benchmarks/learning.py options           the demo's network: average, mixing, path lengths, minibatch, rates
    python benchmarks/learning.py small             --config=small at 32x32: gamma and minibatch, before and now
    python benchmarks/learning.py few-images        300 cats: does augmentation keep D from memorizing them?
    python benchmarks/learning.py very-few-images   the same with 30, twice as long
    python benchmarks/learning.py shipped           the network in networks/: which settings to train it with

Every run is a process of run_training.py, its networks are measured by run_metrics.py against all cats. What is in
--result-dir is not run again, so a study may be interrupted and goes on where it was; the table at the end is Markdown.
"""

import glob
import json
import os
import re
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import demo  # noqa: E402  (found only after the line above)
from dnnlib import UserError, cli  # noqa: E402
from dnnlib.util import atomic_path, write_text  # noqa: E402
from training import plot  # noqa: E402

METRIC = 'fd2k_effnetlite0'
COMMON = ('--dataset=cats', '--metrics=none', '--no-selftest')
NUM_HELD_OUT = 100  # with those trained on, the first cats of the training split, in its fixed order


class Study(NamedTuple):
    """Runs that are compared."""
    options: tuple      # of run_training.py, for all of them
    changes: dict       # name of a variant -> further options; the first one is what the others are compared with
    kimg: int           # length of a run, thousand images
    every: int          # thousand images between two measurements
    seeds: int          # runs of a variant


def settings(**values):
    """Options `--set` by name, with a dot for two underscores."""
    return tuple(f'--set={name.replace("__", ".")}={value}' for name, value in values.items())


def few_images(count, kimg):
    """A Study of how trainings with so many cats go, with and without augmentation."""
    options = COMMON + ('--config=auto', '--batch=8', '--precision=mixed',
                        f'--holdout={NUM_HELD_OUT / (count + NUM_HELD_OUT)}') + settings(
        dataset__resolution=32, dataset__max_images=count + NUM_HELD_OUT, dataset__max_label_size=0, G__fmap_max=64,
        D__fmap_max=64, sched__tick_kimg_base=2, sched__tick_kimg_dict='{}', grid__size='16x8')
    faster = settings(augment__tune_kimg=50)  # p moves by 1 in 50 kimg, not in 500 as published: the runs are short
    return Study(options, {
        'none': ('--aug=noaug',),
        'bg': ('--aug=ada', '--augpipe=bg') + faster,
        'bgc': ('--aug=ada', '--augpipe=bgc') + faster,
        'bgc, rv': ('--aug=adarv', '--augpipe=bgc') + faster}, kimg, every=10, seeds=2)


FIRST = {'sched.minibatch_size_base': 16, 'sched.minibatch_gpu_base': 16}  # of the demo before it was studied
DEMO = COMMON + ('--config=config-f', '--gamma=0.3', '--precision=mixed') + tuple(
    f'--set={key}={value}' for key, value in sorted(dict(demo.SMALL, **FIRST).items()))
SHIPPED = COMMON + ('--config=config-f', '--gamma=0.3', '--precision=mixed') + settings(
    dataset__resolution=64, G__fmap_base=1024, D__fmap_base=1024, G__fmap_max=96, D__fmap_max=96, G__latent_size=128,
    G__dlatent_size=128, G__mapping_fmaps=128, sched__minibatch_size_base=16, sched__minibatch_gpu_base=16,
    sched__tick_kimg_base=2, sched__tick_kimg_dict='{}', train__G_smoothing_kimg=5, grid__size='12x6')
STUDIES = {
    'options': Study(DEMO, {
        'as the demo was': (),
        'average of 10 kimg with ramp-up 0.05': settings(train__G_smoothing_kimg=10, train__G_smoothing_rampup=0.05),
        'no style mixing': settings(G__style_mixing_prob=None),
        'no path lengths': ('--g-loss=logistic_ns',),
        'minibatch 8': settings(sched__minibatch_size_base=8, sched__minibatch_gpu_base=8),
        'minibatch 4': settings(sched__minibatch_size_base=4, sched__minibatch_gpu_base=4),
        'gamma 0.1': ('--gamma=0.1',),
        'gamma 1': ('--gamma=1',),
        'rates 0.0045': settings(sched__G_lrate_base=0.0045, sched__D_lrate_base=0.0045),
        '2 mapping layers': settings(G__mapping_layers=2),
        'epsilon 1e-6': settings(G_opt__epsilon=1e-6, D_opt__epsilon=1e-6)}, kimg=32, every=32, seeds=4),
    'small': Study(COMMON + ('--config=small', '--precision=mixed') + settings(
        dataset__resolution=32, dataset__max_label_size=0, sched__tick_kimg_base=2), {
            'gamma 0.0128, minibatch 16 (the rule of auto)': ('--gamma=0.0128', '--batch=16'),
            'gamma 1, minibatch 8': ('--gamma=1', '--batch=8')}, kimg=32, every=32, seeds=2),
    'few-images': few_images(300, 100),
    'very-few-images': few_images(30, 200),
    'shipped': Study(SHIPPED, {
        'as before': (),
        'gamma 1': ('--gamma=1',),
        'rates 0.003': settings(sched__G_lrate_base=0.003, sched__D_lrate_base=0.003),
        'minibatch 8': settings(sched__minibatch_size_base=8, sched__minibatch_gpu_base=8),
        'wider G, narrower D': settings(G__fmap_max=112, D__fmap_max=64),
        'float32': ('--precision=float32',),
        'average of 10 kimg with ramp-up 0.05': settings(train__G_smoothing_kimg=10, train__G_smoothing_rampup=0.05),
        '2 mapping layers': settings(G__mapping_layers=2),
        'as --config=small was': ('--gamma=auto',) + settings(
            G__mapping_layers=2, sched__G_lrate_base=0.0025, sched__D_lrate_base=0.0025,
            train__G_smoothing_rampup=0.05),
        'gamma 1, minibatch 8': ('--gamma=1',) + settings(sched__minibatch_size_base=8, sched__minibatch_gpu_base=8),
        'gamma 3, minibatch 8': ('--gamma=3',) + settings(sched__minibatch_size_base=8, sched__minibatch_gpu_base=8)},
        kimg=40, every=10, seeds=1)}


class Run(NamedTuple):
    """One training of a study."""
    variant: str
    seed: int
    kimg: int       # length, thousand images
    folder: str     # that its run directory is in
    options: tuple  # of run_training.py

    @property
    def run_dir(self):
        """Its run directory, or `None` before it has begun."""
        return (sorted(glob.glob(os.path.join(self.folder, '[0-9]*'))) or [None])[-1]

    @property
    def results_file(self):
        """Where its measurements are kept."""
        return os.path.join(self.folder, 'results.json')


def call(program, options, log):
    """Runs one of the programs; raises UserError with the file that holds its output if it fails."""
    with open(log, 'ab') as f:
        if subprocess.call([sys.executable, os.path.join(ROOT, program)] + list(options), stdout=f, stderr=f):
            raise UserError(f'{program} failed; see the end of {log}')


def snapshots(run_dir, every):
    """Network files of a run to measure: {kimg: path}, about every `every` kimg, and the last one."""
    found, paths = {}, sorted(glob.glob(os.path.join(run_dir, 'network-snapshot-*.pkl')))
    for path in paths:
        kimg = int(re.search('([0-9]+)[.]pkl$', path).group(1))
        if kimg >= max(found, default=0) + every or path == paths[-1]:
            found[kimg] = path
    return found


def statistics(run_dir):
    """The statistics of every tick: list of dictionaries."""
    with open(os.path.join(run_dir, 'stats.jsonl')) as f:
        return [json.loads(line) for line in f]


def measure(run, study):
    """Trains unless that is done, or goes on where a run was shorter; measures, and keeps the measurements.

    Returns: {'fd': {kimg: Frechet distance}, 'ticks': [[kimg, p, scores of D for train, held-out, generated]]}, where
        what the run does not report is `None`.
    """
    os.makedirs(run.folder, exist_ok=True)
    distances, log = {}, os.path.join(run.folder, 'output.txt')
    if os.path.exists(run.results_file):
        with open(run.results_file) as f:
            results = json.load(f)
        distances = results['fd']
        if max(map(int, distances)) > run.kimg - study.every:
            return results
    is_finished = run.run_dir is not None and os.path.exists(os.path.join(run.run_dir, '_finished.txt'))
    call('run_training.py', run.options + ((f'--resume={run.run_dir}',) if is_finished else ()), log)
    files = {kimg: path for kimg, path in snapshots(run.run_dir, study.every).items() if str(kimg) not in distances}
    report = os.path.join(run.folder, 'metrics.json')
    call('run_metrics.py', ['--dataset=cats', f'--metrics={METRIC}', '--seed=0', f'--json={report}',
                            f'--result-dir={os.path.join(run.folder, "metrics")}', '--network'] + list(files.values()),
         log)
    with open(report) as f:
        found = [record['results'][METRIC] for record in json.load(f)]
    names = ('Progress/augment', 'Holdout/scores/train', 'Holdout/scores/held_out', 'Holdout/scores/generated')
    results = dict(fd=dict(distances, **dict(zip(map(str, files), found))),
                   ticks=[[tick['Progress/kimg']] + [tick.get(name) for name in names]
                          for tick in statistics(run.run_dir)])
    write_text(run.results_file, json.dumps(results))
    return results


def runs_of(study, seeds, kimg, folder):
    """All runs of a study, seed by seed, so that an interrupted study has all variants: list of Run."""
    found = []
    for seed in range(1, seeds + 1):
        for number, (variant, change) in enumerate(study.changes.items()):
            where = os.path.join(folder, f'{number:02d}-seed{seed}')
            snap = max(1, study.every // 2)  # ticks of 2 kimg, see the options of the studies
            found.append(Run(variant, seed, kimg, where, study.options + change + (
                f'--seed={seed}', f'--total-kimg={kimg}', f'--snap={snap}', f'--result-dir={where}')))
    return found


def final_table(results, names):
    """Distances at the end, each variant beside the first one: lines of Markdown."""
    last = {name: np.array([value['fd'][max(value['fd'], key=int)] for value in results[name]]) for name in names}
    lines = [f'| change | {METRIC}, by seed | mean | difference | standard error | matters |',
             '|---|---|---|---|---|---|']
    base = last[names[0]]
    for name in names:
        values = last[name]
        difference = values.mean() - base.mean()
        error = np.sqrt(sum(v.var(ddof=1) / len(v) for v in (values, base))) if len(values) > 1 else np.nan
        matters = '' if name == names[0] else 'yes' if abs(difference) > 2 * error else 'not shown'
        lines.append(f'| {name} | {", ".join("%.1f" % v for v in values)} | {values.mean():.1f} | {difference:+.1f} | '
                     f'{error:.1f} | {matters} |')
    return lines


def curve_table(results, names):
    """Distances over time, mean of the seeds: lines of Markdown, with what D says about its data at the end."""
    kimgs = sorted({int(kimg) for values in results.values() for value in values for kimg in value['fd']})
    lines = ['| run | ' + ' | '.join(f'{kimg} kimg' for kimg in kimgs) + ' | best at | p | D: train, held out, fakes |',
             '|---|' + '---|' * (len(kimgs) + 3)]
    for name in names:
        means = [np.mean([value['fd'][str(kimg)] for value in results[name] if str(kimg) in value['fd']] or [np.nan])
                 for kimg in kimgs]
        ends = [value['ticks'][-1] for value in results[name]]
        p, scores = [tick[1] for tick in ends], [[tick[i] for tick in ends] for i in (2, 3, 4)]
        lines.append(f'| {name} | ' + ' | '.join('' if np.isnan(mean) else '%.1f' % mean for mean in means) + ' | '
                     f'{kimgs[int(np.nanargmin(means))]} | {"" if None in p else "%.2f" % np.mean(p)} | '
                     + ', '.join('' if None in s else '%.2f' % np.mean(s) for s in scores) + ' |')
    return lines


def draw_curves(results, names, path):
    """Draws distances, p and what D says about its data over time into a PNG: a line for each seed.

    Args:
        results: {name of a variant: list of what `measure` returns}.
        names: Those of all variants; the same one has the same color in several pictures.
        path: The PNG.
    """
    figure = plot.load_figure()(figsize=(15, 4.2), tight_layout=True)
    left, middle, right = figure.subplots(1, 3)
    for name, values in results.items():
        for seed, value in enumerate(values):
            style = dict(color=f'C{names.index(name)}', label=name if seed == 0 else None, linewidth=1.2)
            left.plot([int(kimg) for kimg in value['fd']], list(value['fd'].values()), marker='.', **style)
            ticks = np.array(value['ticks'], float)  # None becomes nan
            middle.plot(ticks[:, 0], ticks[:, 1], **style)
            right.plot(ticks[:, 0], (ticks[:, 2] - ticks[:, 3]) / (ticks[:, 2] - ticks[:, 4]), **style)
    for axes, title in ((left, METRIC), (middle, 'p'), (right, 'scores: (train - held out) / (train - fakes)')):
        axes.set(title=title, xlabel='thousand images')
        axes.grid(alpha=0.3)
    left.legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80, format='png')


def main(argv):
    """Parses the arguments, runs what is missing, prints the tables."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('study', choices=sorted(STUDIES), help='what to compare')
    parser.add_argument('--seeds', type=int, metavar='N', help='runs of a variant (default: that of the study)')
    parser.add_argument('--kimg', type=int, metavar='N', help='length of a run (default: that of the study)')
    parser.add_argument('--only', type=cli.comma_list, metavar='LIST', help='numbers of the variants, from 0 on')
    parser.add_argument('--result-dir', default=os.path.join('results', 'learning'), metavar='DIR',
                        help='where everything is kept (default: %(default)s)')
    parser.add_argument('--curves', metavar='PNG', help="draw distances, p and D's scores there (default: no)")
    parser.add_argument('--json', metavar='FILE', help='write all measurements there (default: no)')
    args = parser.parse_args(argv)
    if args.curves is not None:
        plot.load_figure()  # now, not after hours of training
    study = STUDIES[args.study]
    if args.only is not None:
        names = list(study.changes)
        if not all(text.isdigit() and int(text) < len(names) for text in args.only):
            parser.error(f'--only: expected numbers from 0 to {len(names) - 1}, joined by commas')
    runs = runs_of(study, args.seeds or study.seeds, args.kimg or study.kimg, os.path.join(args.result_dir, args.study))
    if args.only is not None:
        runs = [run for run in runs if run.variant in [names[int(text)] for text in args.only]]
    results, started = {}, time.time()
    for done, run in enumerate(runs):
        results.setdefault(run.variant, []).append(measure(run, study))
        spent = time.time() - started
        print(f'{done + 1} of {len(runs)} runs, {spent / 60:.0f} min, about '
              f'{spent / (done + 1) * (len(runs) - done - 1) / 60:.0f} min left: {run.variant}, seed {run.seed}: '
              + ', '.join(f'{kimg} kimg {fd:.1f}' for kimg, fd in results[run.variant][-1]['fd'].items()), flush=True)
    table = final_table if args.study in ('options', 'small') else curve_table
    print('\n'.join(table(results, list(results))))
    if args.json is not None:
        write_text(args.json, json.dumps(results))
    if args.curves is not None:
        draw_curves(results, list(study.changes), args.curves)


if __name__ == '__main__':
    cli.run_main(main)
