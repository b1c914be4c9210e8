"""Draws the curves of one or more runs from their statistics: `python -m training.plot RUN_DIR... [-o PNG]`.

Plots losses, scores of D, R1 penalty, path length, metrics, diversity, augmentation, level of detail, speed and memory
against thousands of images shown, as far as the runs have them. Needs matplotlib, which training does not.
"""

import glob
import json
import math
import os
import textwrap

from dnnlib import cli
from dnnlib.util import UserError, atomic_path

STATS_FILE = 'stats.jsonl'
PANELS = (  # title, tags drawn together, logarithmic?
    ('loss', ('Loss/G', 'Loss/D'), False),
    ('scores of D', ('Loss/scores/real', 'Loss/scores/fake'), False),
    ('mean scores of D', tuple('Holdout/scores/' + name for name in ('train', 'held_out', 'generated')), False),
    ('gradient penalty', ('Loss/gradient_penalty',), True),
    ('path length', ('Loss/pl_lengths',), False),
    ('path length penalty', ('Loss/pl_penalty',), True),
    ('diversity, relative to reals', ('Progress/diversity',), False),
    ('augmentation', ('Progress/augment', 'Progress/overfitting'), False),
    ('level of detail', ('Progress/lod',), False),
    ('learning rate', ('TrainG/learning_rate', 'TrainD/learning_rate'), False),
    ('skipped steps (overflow), fraction', ('TrainG/overflow_frequency', 'TrainD/overflow_frequency'), False),
    ('seconds per kimg', ('Timing/sec_per_kimg',), True),
    ('waiting for data, fraction', ('Timing/data_wait',), False),
    ('memory, GiB', ('Resources/peak_gpu_mem_gb', 'Resources/host_mem_gb'), False),
)
METRICS_AT = 6  # their panels come before this one
NOT_ALL_ZERO = ('Progress/lod', 'Timing/data_wait', 'Resources/peak_gpu_mem_gb', 'TrainG/overflow_frequency',
                'TrainD/overflow_frequency')
SHORT_NAMES = {'Progress/augment': 'p', 'Progress/overfitting': 'heuristic',
               'Resources/peak_gpu_mem_gb': 'GPU, peak', 'Resources/host_mem_gb': 'host'}


def read_stats(path):
    """Statistics of a run.

    Args:
        path: Run directory, or a file like its `stats.jsonl`.
    Returns: List of dictionaries by tag, one per tick; None where nothing was counted.
    Raises: UserError if there is no such file or a line is damaged.
    """
    file_path = os.path.join(path, STATS_FILE) if os.path.isdir(path) else path
    if not os.path.exists(file_path):
        raise UserError(f'{file_path}: no statistics here; expected the run directory of a training')
    ticks = []
    with open(file_path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            try:
                tick = json.loads(line)
                tick['Progress/kimg'] += 0
            except (ValueError, KeyError, TypeError):
                raise UserError(f'{file_path}: line {number} is not the statistics of a tick; remove it') from None
            ticks.append(tick)
    return ticks


def series(ticks, tag):
    """(kimg, value) of every tick in which a tag has a finite value; a metric only where its value is new."""
    points = [(tick['Progress/kimg'], tick[tag]) for tick in ticks
              if isinstance(tick.get(tag), (int, float)) and math.isfinite(tick[tag])]
    if tag.startswith('Metrics/'):  # repeated at every tick until measured again
        points = [point for i, point in enumerate(points) if i == 0 or point[1] != points[i - 1][1]]
    if tag in NOT_ALL_ZERO and not any(value for _, value in points):
        return []
    return points


def read_titles(run_dir):
    """Titles of the panels of metrics: {tag: name and, below it, how it was measured according to the record}.

    Args:
        run_dir: Run directory with `metric-<name>.jsonl` files.
    Raises: UserError if the last line of such a file is not a record.
    """
    titles = {}
    for path in glob.glob(os.path.join(glob.escape(run_dir), 'metric-*.jsonl')):
        with open(path, encoding='utf-8') as f:
            last = (f.read().splitlines() or [''])[-1]
        try:
            record = json.loads(last)
            facts = [str(record[key]) for key in ('extractor', 'resize') if key in record]
            facts += [f'{record[key]} {key[4:]}' for key in ('num_reals', 'num_fakes', 'num_samples')
                      if key in record]
            facts += [f"sha256 {record['weights_sha256']:.8}..."] if isinstance(
                record.get('weights_sha256'), str) else []
            titles.update({'Metrics/' + name: '\n'.join([name] + textwrap.wrap(', '.join(facts), 50))
                           for name in record['results']})
        except (ValueError, KeyError, TypeError):
            raise UserError(f'{path}: the last line is not a metric record; remove it') from None
    return titles


def panels(runs, titles=None):
    """The panels that have values: list of (title, tags, logarithmic).

    Args:
        runs: List of the ticks of each run.
        titles: Titles of metrics by tag, where they differ from their names; `None` = none do.
    """
    metrics = sorted({tag for ticks in runs for tick in ticks for tag in tick if tag.startswith('Metrics/')})
    metric_panels = tuple(((titles or {}).get(tag, tag[len('Metrics/'):]), (tag,), False) for tag in metrics)
    candidates = PANELS[:METRICS_AT] + metric_panels + PANELS[METRICS_AT:]
    return [panel for panel in candidates if any(series(ticks, tag) for ticks in runs for tag in panel[1])]


def load_figure():
    """The class `matplotlib.figure.Figure`; raises UserError if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError('drawing needs matplotlib: python -m pip install matplotlib') from None
    return Figure


def draw(runs, names, path, titles=None):
    """Writes a PNG with one panel per quantity that at least one run has.

    Args:
        runs: List of the ticks of each run.
        names: Their names for the legend.
        path: PNG to write.
        titles: See `panels`.
    Raises: UserError if no run has a value, or matplotlib is not installed.
    """
    Figure = load_figure()
    shown = panels(runs, titles)
    if not shown:
        raise UserError(f"{', '.join(names)}: no values yet; wait for the first tick")
    columns = min(len(shown), 4)
    rows = (len(shown) - 1) // columns + 1
    figure = Figure(figsize=(4 * columns, 3 * rows), tight_layout=True)
    for axes in figure.subplots(rows, columns, squeeze=False).flat[len(shown):]:
        axes.set_axis_off()
    for axes, (title, tags, logarithmic) in zip(figure.axes, shown):
        for index, (ticks, name) in enumerate(zip(runs, names)):
            for style, tag in zip(('-', '--', ':'), tags):
                points = series(ticks, tag)
                label = ' '.join(([name] if len(runs) > 1 else []) + ([_short(tag)] if len(tags) > 1 else []))
                if points:
                    axes.plot(*zip(*points), style, color='C%d' % index if len(runs) > 1 else None, label=label or None,
                              marker='.' if len(points) == 1 else None)
        axes.set_title(title, fontsize='small' if '\n' in title else None)
        axes.set_xlabel('kimg')
        axes.grid(alpha=0.3)
        if logarithmic and all(value > 0 for ticks in runs for tag in tags for _, value in series(ticks, tag)):
            axes.set_yscale('log')
        if len(runs) > 1 or len(tags) > 1:
            axes.legend(fontsize='small')
    with atomic_path(path) as temp_path:
        figure.savefig(temp_path, dpi=80, format='png')


def _short(tag):
    """Short name that tells a tag apart from the others in its panel."""
    parts = tag.split('/')
    of_an_optimizer = parts[-1] in ('learning_rate', 'overflow_frequency')
    return SHORT_NAMES.get(tag) or (parts[-2].replace('Train', '') if of_an_optimizer else parts[-1])


def main(argv):
    """Parses the arguments and draws."""
    parser = cli.ArgumentParser(prog='python -m training.plot', description=__doc__.splitlines()[0])
    parser.add_argument('run_dirs', metavar='RUN_DIR', nargs='+',
                        help='run directory of a training, or a file like its stats.jsonl')
    parser.add_argument('-o', '--output', metavar='PNG',
                        help='picture to write (default: curves.png in the first run directory)')
    args = parser.parse_args(argv)
    runs = [read_stats(path) for path in args.run_dirs]
    names = [os.path.basename(os.path.abspath(path)) for path in args.run_dirs]
    output = args.output
    if output is None:
        first = args.run_dirs[0]
        output = os.path.join(first if os.path.isdir(first) else os.path.dirname(first), 'curves.png')
    cli.writable_dir(os.path.dirname(os.path.abspath(output)))
    draw(runs, names, output, read_titles(args.run_dirs[0]))
    print(f'Wrote {output}')


if __name__ == '__main__':
    cli.run_main(main, prog='python -m training.plot')
