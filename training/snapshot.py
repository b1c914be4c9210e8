"""What a training run shows of itself: image grids, the status line, statistics and the progress bar."""

import collections
import json
import math
import os
import re
import sys

import numpy as np
import tensorflow.compat.v1 as tf
import tqdm

from dnnlib.tflib import autosummary
from dnnlib.util import UserError, atomic_path, format_time

# name: (area width, area height, smallest gw, smallest gh)
GRID_SIZES = {'1080p': (1920, 1080, 3, 2), '4k': (3840, 2160, 7, 4), '8k': (7680, 4320, 7, 4)}
GRID_LAYOUTS = ('random', 'row_per_class', 'col_per_class', 'class4x4')
MAX_GRID_DRAWS = 10 ** 6


def parse_grid_size(size, shape):
    """Columns and rows of the snapshot grid.

    Args:
        size: '1080p', '4k' or '8k' (as many images as fit, at most 32 x 32), or an explicit size such as '8x4', columns
            before rows.
        shape: [C, H, W] of an image.
    Returns: (gw, gh).
    Raises: UserError for another text.
    """
    if size in GRID_SIZES:
        width, height, min_gw, min_gh = GRID_SIZES[size]
        return int(np.clip(width // shape[2], min_gw, 32)), int(np.clip(height // shape[1], min_gh, 32))
    match = re.match('([1-9][0-9]{0,2})x([1-9][0-9]{0,2})$', str(size))
    if not match:
        raise UserError('grid size must be {} or columns x rows such as 8x4, got {!r}'.format(
            ', '.join(sorted(GRID_SIZES)), size))
    return int(match.group(1)), int(match.group(2))


def setup_snapshot_image_grid(training_set, size='1080p', layout='random'):
    """Chooses the reals and labels of the snapshot grid from the start of the data set's stream.

    Args:
        training_set: Data set; its position is moved.
        size: See `parse_grid_size`.
        layout: 'random', or one class per row ('row_per_class'), column ('col_per_class') or 4 x 4 block ('class4x4').
    Returns: (gw, gh), reals uint8 [gw * gh, C, H, W], labels float32 [gw * gh, label_size]; cells of classes that were
        not found stay zero.
    Raises: UserError for an unknown size or layout.
    """
    gw, gh = parse_grid_size(size, training_set.shape)
    if layout not in GRID_LAYOUTS:
        raise UserError('grid layout must be one of {}, got {!r}'.format(', '.join(GRID_LAYOUTS), layout))
    training_set.seek(0)
    if layout == 'random':
        reals, labels = training_set.get_minibatch_np(gw * gh)
        return (gw, gh), reals, labels
    block_w, block_h = {'row_per_class': (gw, 1), 'col_per_class': (1, gh), 'class4x4': (4, 4)}[layout]
    return ((gw, gh),) + _class_grid(training_set, gw, gh, block_w, block_h)


def _class_grid(training_set, gw, gh, block_w, block_h):
    """Fills blocks of cells with images of one class each, in the order in which the data set yields them."""
    blocks_w, blocks_h = -(-gw // block_w), -(-gh // block_h)
    blocks = [[] for _ in range(blocks_w * blocks_h)]
    class_step = max(training_set.label_size, 1)
    for _ in range(MAX_GRID_DRAWS):
        reals, labels = training_set.get_minibatch_np(1)
        first = int(np.argmax(labels[0])) if training_set.label_size else 0
        for block in blocks[first::class_step]:
            if len(block) < block_w * block_h:
                block.append((reals[0], labels[0]))
                break
        if all(len(block) == block_w * block_h for block in blocks):
            break

    all_reals = np.zeros([gw * gh] + list(training_set.shape), training_set.dtype)
    all_labels = np.zeros([gw * gh, training_set.label_size], np.float32)
    for i, block in enumerate(blocks):
        for j, (image, label) in enumerate(block):
            x = i % blocks_w * block_w + j % block_w
            y = i // blocks_w * block_h + j // block_w
            if x < gw and y < gh:
                all_reals[x + y * gw], all_labels[x + y * gw] = image, label
    return all_reals, all_labels


def status_line(stats):
    """The line of one tick, in the published format.

    Args:
        stats: Dictionary by TensorBoard tag, see `training_loop.tick_stats`.
    Returns: str without line end.
    """
    fields = [('tick', '%-5d', 'Progress/tick'), ('kimg', '%-8.1f', 'Progress/kimg'), ('lod', '%-5.2f', 'Progress/lod'),
              ('minibatch', '%-4d', 'Progress/minibatch'), ('time', '%-12s', 'Timing/total_sec'),
              ('sec/tick', '%-7.1f', 'Timing/sec_per_tick'), ('sec/kimg', '%-7.2f', 'Timing/sec_per_kimg'),
              ('maintenance', '%-6.1f', 'Timing/maintenance_sec'), ('gpumem', '%.1f', 'Resources/peak_gpu_mem_gb')]
    values = [format_time(stats[tag]) if label == 'time' else stats[tag] for label, _, tag in fields]
    return ' '.join('%s %s' % (label, form % value) for (label, form, _), value in zip(fields, values))


def peak_gpu_memory_gb():
    """Most memory that TensorFlow has held on the first GPU, GiB; 0 where there is none or TensorFlow can't tell."""
    try:
        return tf.config.experimental.get_memory_info('GPU:0')['peak'] / 2 ** 30
    except (AttributeError, ValueError, RuntimeError):  # before TensorFlow 2.5; no GPU
        return 0.0


class StatsWriter:
    """Writes one report per tick to TensorBoard and to `stats.jsonl`.

    Args:
        run_dir: Folder of both.
        start_nimg: Images shown at the start. Later reports that an interrupted run left behind are taken out.
    """

    def __init__(self, run_dir, start_nimg):
        self._path = os.path.join(run_dir, 'stats.jsonl')
        self._writer = tf.summary.FileWriter(run_dir)
        if start_nimg > 0:  # TensorBoard forgets what an earlier process reported beyond this step
            start = tf.SessionLog(status=tf.SessionLog.START)
            self._writer.add_session_log(start, start_nimg)
        if os.path.exists(self._path):
            with open(self._path) as f:
                lines = [line for line in f if _nimg_of(line) <= start_nimg]
            with atomic_path(self._path) as temp_path:
                with open(temp_path, 'w') as f:
                    f.writelines(lines)

    def write(self, stats, nimg):
        """Reports `stats` (dictionary by tag) and the mean of every autosummary since the last report."""
        values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in stats.items()]
        self._writer.add_summary(tf.Summary(value=values), nimg)
        line = collections.OrderedDict(stats, nimg=int(nimg))
        line.update(autosummary.save_summaries(self._writer, nimg))
        self._writer.flush()
        with open(self._path, 'a') as f:
            f.write(json.dumps({tag: _finite(value) for tag, value in line.items()}) + '\n')

    def add_graph(self, graph):
        """Shows the graph in TensorBoard."""
        self._writer.add_graph(graph)

    def close(self):
        """Closes the TensorBoard file."""
        self._writer.close()


class Progress:
    """Progress bar with the time left on a terminal, plain `eta` lines otherwise.

    Args:
        total_kimg: Length of the training.
        start_kimg: Where this process begins.
    """

    def __init__(self, total_kimg, start_kimg):
        self._total = total_kimg
        self._bar = None
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            self._bar = tqdm.tqdm(total=total_kimg, initial=start_kimg, unit='kimg', file=sys.__stderr__,
                                  dynamic_ncols=True, smoothing=0.05, bar_format='{l_bar}{bar}| {n:.1f}/{total:.0f} kimg '
                                  '[{elapsed}<{remaining}]')

    def update(self, kimg):
        """Moves the bar to `kimg`."""
        if self._bar is not None:
            self._bar.update(kimg - self._bar.n)

    def tick(self, line, kimg, sec_per_kimg):
        """Prints the status line of a tick and, without a bar, the time left."""
        if self._bar is not None:
            self._bar.clear()
        print(line)
        if self._bar is not None:
            self._bar.refresh()
        elif kimg < self._total:
            print('eta %s' % format_time((self._total - kimg) * sec_per_kimg))
        sys.stdout.flush()

    def close(self):
        """Ends the bar's line."""
        if self._bar is not None:
            self._bar.close()


def _nimg_of(line):
    """Images shown at a line of `stats.jsonl`; infinite for the broken last line of a killed process."""
    try:
        return json.loads(line)['nimg']
    except (ValueError, KeyError, TypeError):
        return math.inf


def _finite(value):
    """JSON knows no NaN: tags without a value in this tick are null."""
    return value if math.isfinite(value) else None
