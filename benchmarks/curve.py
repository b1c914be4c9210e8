"""Draws the training curves of a run: scores, penalties, path length and speed, from its stats.jsonl.

    python benchmarks/curve.py results/00000-stylegan2-cats-1gpu-config-f curve.png

Needs matplotlib, which the other programs don't: `python -m pip install matplotlib`.
"""

import argparse
import json
import os
import sys

PANELS = (
    ('scores of D', ('Loss/scores/real', 'Loss/scores/fake')),
    ('R1 penalty', ('Loss/gradient_penalty',)),
    ('path length', ('Loss/pl_lengths',)),
    ('seconds per kimg', ('Timing/sec_per_kimg',)))


def read_stats(run_dir):
    """Ticks of a run directory: list of dictionaries tag -> number, None where nothing was counted."""
    with open(os.path.join(run_dir, 'stats.jsonl'), encoding='utf-8') as f:
        return [json.loads(line) for line in f]


def draw(ticks, path):
    """Writes one panel for each of PANELS over thousand images shown."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(12, 3), tight_layout=True)
    for axes, (title, tags) in zip(figure.subplots(1, len(PANELS)), PANELS):
        for tag in tags:
            points = [(tick['Progress/kimg'], tick[tag]) for tick in ticks if tick.get(tag) is not None]
            if points:
                axes.plot(*zip(*points), label=tag.split('/')[-1])
        axes.set_title(title)
        axes.set_xlabel('kimg')
        axes.grid(alpha=0.3)
        if len(tags) > 1:
            axes.legend()
    figure.savefig(path, dpi=80)


def main():
    """Parses the arguments and draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('run_dir', help='run directory of a training')
    parser.add_argument('picture', help='PNG to write')
    args = parser.parse_args()
    try:
        draw(read_stats(args.run_dir), args.picture)
    except (OSError, ValueError, ImportError) as error:
        parser.error(str(error))


if __name__ == '__main__':
    sys.exit(main())
