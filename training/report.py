"""What a training run tells about itself: the status line, statistics, the progress bar, snapshots at the ticks."""

import collections
import json
import math
import os
import sys
import time

import tensorflow.compat.v1 as tf
import tqdm

from dnnlib import disk
from dnnlib.tflib import autosummary
from dnnlib.util import atomic_path, format_time
from training import misc


def status_line(stats):
    """The line of one tick, in the published format.

    Args:
        stats: Dictionary by TensorBoard tag, see `Reporter`.
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
    if not any(device.device_type == 'GPU' for device in tf.get_default_session().list_devices()):
        return 0.0
    try:
        return tf.config.experimental.get_memory_info('GPU:0')['peak'] / 2 ** 30
    except (AttributeError, ValueError, RuntimeError, tf.errors.OpError):  # not before TensorFlow 2.5
        return 0.0


class StatsWriter:
    """Writes one report per tick to TensorBoard and to `stats.jsonl`.

    Args:
        run_dir: Folder of both.
        start_nimg: Images shown at the start. Later reports that an interrupted run left behind are taken out.
        should_stop: See `disk.write_patiently`.
    """

    def __init__(self, run_dir, start_nimg, should_stop=None):
        self._should_stop = should_stop
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
        text = json.dumps({tag: _finite(value) for tag, value in line.items()})
        disk.write_patiently(lambda: disk.append_line(self._path, text), os.path.dirname(self._path),
                             should_stop=self._should_stop)

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
            self._bar = tqdm.tqdm(
                total=total_kimg, initial=start_kimg, file=sys.__stderr__, dynamic_ncols=True, smoothing=0.05,
                bar_format='{l_bar}{bar}| {n:.1f}/{total:.0f} kimg [{elapsed}<{remaining}]')

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


class Reporter:
    """Reports and saves at the ticks of a training, and between them when a state is due.

    Args:
        run_dir: Run directory.
        networks: Dictionary of the tflib.Networks 'G', 'D' and 'Gs'.
        grid: SnapshotGrid with latents.
        saver: StateSaver.
        counters: See `state_files.new_counters`; the reporter keeps the times and the ticks in it.
        options: EasyDict of total_kimg, image_snapshot_ticks, network_snapshot_ticks, checkpoint_minutes and
            metric_callback, see `training_loop`, and should_stop, see `disk.write_patiently`.
    """

    def __init__(self, run_dir, networks, grid, saver, counters, options):
        self.writer = StatsWriter(run_dir, counters.nimg, options.should_stop)
        self._run_dir, self._networks, self._grid, self._saver = run_dir, networks, grid, saver
        self._counters, self._options = counters, options
        self._last_saved_nimg = counters.nimg  # there is one, or nothing was learned
        self._maintenance_sec = 0.0
        self._clock = self._last_save = time.time()
        self._progress = Progress(options.total_kimg, counters.nimg / 1000)

    def step(self):
        """To be called after every iteration: moves the progress bar, saves the state if it is due."""
        self._progress.update(self._counters.nimg / 1000)
        minutes = self._options.checkpoint_minutes
        if minutes is not None and time.time() - self._last_save >= minutes * 60:
            self.save_state()

    def save_state(self):
        """Saves everything that is needed to continue from here; returns the folder."""
        self._take_time()
        path = self._write(lambda: self._saver.save(self._counters), self._saver.num_bytes())
        self._last_save, self._last_saved_nimg = time.time(), self._counters.nimg
        return path

    def tick(self, sched, done):
        """Ends a tick: status line, pictures and networks if they are due, statistics.

        Args:
            sched: The schedule's result for the last iteration.
            done: Is this the last tick?
        """
        c, options = self._counters, self._options
        self._take_time()
        c.tick += 1
        stats = self._stats(sched)
        self._progress.tick(status_line(stats), c.nimg / 1000, stats['Timing/sec_per_kimg'])
        c.update(tick_nimg=c.nimg, tick_sec=0.0)
        if _is_due(options.image_snapshot_ticks, c.tick, done):
            self._write(lambda: self._grid.save_fakes(self._networks['Gs'], 'fakes%06d.png' % (c.nimg // 1000)))
        network_pkl = None
        if _is_due(options.network_snapshot_ticks, c.tick, done):
            network_pkl = self.save_networks('network-snapshot-%06d.pkl' % (c.nimg // 1000))
        if options.metric_callback is not None:
            for name, value in (options.metric_callback(network_pkl) or {}).items():
                c.metrics.setdefault(name, []).append([c.nimg, value])
        self.writer.write(stats, c.nimg)
        self._maintenance_sec = time.time() - self._clock
        c.seconds += self._maintenance_sec
        self._clock = time.time()
        if network_pkl is not None and c.tick > 0 and not done:  # the last state comes after the final networks
            self.save_state()

    def save_after_error(self):
        """Saves the state when an error ends the training, unless that of this moment was saved before.

        Returns: End of a sentence about it, for the message; never raises, so that the error itself is told.
        """
        if self._counters.iteration == 0:
            return 'nothing was learned before it'
        try:
            if self._last_saved_nimg != self._counters.nimg:  # it is better than one from within an iteration
                self.save_state()
        except Exception as error:  # pylint: disable=broad-except
            return 'the state could not be saved ({}); the same command continues from the last one'.format(error)
        return 'what was learned is saved: to continue at kimg {:.1f}, give the same command, or --resume={}'.format(
            self._counters.nimg / 1000, self._run_dir)

    def save_networks(self, file_name):
        """Writes (G, D, Gs) under a name in the run directory; returns the path."""
        path = os.path.join(self._run_dir, file_name)
        self._write(lambda: misc.save_pkl(tuple(self._networks[name] for name in ('G', 'D', 'Gs')), path))
        return path

    def _write(self, write, num_bytes=0):
        return disk.write_patiently(write, self._run_dir, num_bytes, self._options.should_stop)

    def close(self):
        """Ends the progress bar and closes the TensorBoard file."""
        self._progress.close()
        self.writer.close()

    def _take_time(self):
        now = time.time()
        self._counters.tick_sec += now - self._clock
        self._counters.seconds += now - self._clock
        self._clock = now

    def _stats(self, sched):
        """The numbers of a tick by their published TensorBoard tags."""
        c = self._counters
        tick_kimg = max(c.nimg - c.tick_nimg, 1) / 1000
        return collections.OrderedDict([
            ('Progress/tick', c.tick), ('Progress/kimg', c.nimg / 1000), ('Progress/lod', sched.lod),
            ('Progress/minibatch', sched.minibatch_size), ('Timing/total_sec', c.seconds),
            ('Timing/sec_per_tick', c.tick_sec), ('Timing/sec_per_kimg', c.tick_sec / tick_kimg),
            ('Timing/maintenance_sec', self._maintenance_sec), ('Timing/total_hours', c.seconds / 3600),
            ('Timing/total_days', c.seconds / 86400), ('Resources/peak_gpu_mem_gb', peak_gpu_memory_gb())])


def _is_due(interval, tick, done):
    return interval is not None and (done or tick % interval == 0)


def _nimg_of(line):
    """Images shown at a line of `stats.jsonl`; infinite for the broken last line of a killed process."""
    try:
        return json.loads(line)['nimg']
    except (ValueError, KeyError, TypeError):
        return math.inf


def _finite(value):
    """JSON knows no NaN: tags without a value in this tick are null."""
    return value if math.isfinite(value) else None
