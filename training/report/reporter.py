"""What a training tells about itself: status line, statistics, progress bar, and pictures at the ticks."""

import collections
import contextlib
import sys
import time
from typing import NamedTuple

import tqdm

from dnnlib import tflib
from dnnlib.memory import host_memory_gb
from dnnlib.tflib import autosummary
from dnnlib.tflib.gpu_memory import peak_gpu_memory_gb
from dnnlib.util import format_time
from training.report.alarms import alarm_line
from training.report.stats_writer import StatsWriter
from training.state import network_files


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
    if 'Progress/epoch' in stats:
        fields.append(('epoch', '%.1f', 'Progress/epoch'))
    if 'Progress/augment' in stats:
        fields.append(('augment', '%.3f', 'Progress/augment'))
    values = [format_time(stats[tag]) if label == 'time' else stats[tag] for label, _, tag in fields]
    return ' '.join('%s %s' % (label, form % value) for (label, form, _), value in zip(fields, values))


def speed_line(counters, tick_nimg, total_kimg, speed):
    """The line between two ticks.

    Args:
        counters: See `files.new_counters`.
        tick_nimg: Images of this tick.
        total_kimg: Length of the training, thousand images.
        speed: Images per second; `None` = not known yet.
    Returns: str without line end.
    """
    line = f'kimg {counters.nimg / 1000:.1f}, iteration {counters.iteration}'
    if not speed:
        return f'{line}: running, its speed is not known yet'
    end = total_kimg * 1000
    in_tick, in_all = (max(nimg - counters.nimg, 0) / speed for nimg in (min(counters.tick_nimg + tick_nimg, end), end))
    return f'{line}: {speed:.3g} images/s, {format_time(in_tick)} left in this tick, {format_time(in_all)} in all'


class Progress:
    """Progress bar with the time left on a terminal, and lines, which are printed above it.

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

    def tick(self, stats, rates):
        """Prints the status line of a tick, the time left, the learning rates, and the memory in use.

        Args:
            stats: See `status_line`.
            rates: {name of a group: learning rate by the schedule}.
        """
        kimg_left = self._total - stats['Progress/kimg']
        if stats['Progress/tick']:
            eta = format_time(kimg_left * stats['Timing/sec_per_kimg'])
        else:  # the first iteration alone, which takes many times as long as later ones
            eta = 'known after the next tick'
        eta = f'eta {eta}, ' if kimg_left > 0 else ''
        of_groups = ', '.join(f'{rate:.3g} of {name}' for name, rate in rates.items())
        of_groups = f'learning rates {of_groups}, ' if rates else ''
        self.say(status_line(stats), f"{eta}{of_groups}memory in use {stats['Resources/host_mem_gb']:.2f} GiB")

    def say(self, *lines):
        """Prints lines above the bar; in any thread."""
        with tqdm.tqdm.get_lock():
            if self._bar is not None:
                self._bar.clear()
            sys.stdout.write('\n'.join(lines) + '\n')  # at once, so that it is not mixed with other lines
            if self._bar is not None:
                self._bar.refresh()
        sys.stdout.flush()

    def close(self):
        """Ends the bar's line."""
        if self._bar is not None:
            self._bar.close()


class Reporting(NamedTuple):
    """What a `Reporter` tells about, and when."""
    networks: dict              # {name: tflib.Network}
    rates: dict                 # {name of a group: field of the schedule that is its learning rate}
    grid: object                # SnapshotGrid with latents
    total_kimg: float           # length of the training
    image_ticks: int = None     # ticks between two grids of fakes, None = never
    network_ticks: int = None   # ticks between two network files, None = never
    logits: bool = False        # see `Alarms`
    progress: dict = {}         # {tag: variable whose value is a statistic of every tick}
    monitors: tuple = ()        # functions without arguments, called at every tick
    metric_callback: object = None  # see `training_loop`
    take_waited: object = None  # see `Iteration.take_waited`; None = not known


class Reporter:
    """Reports at the ticks of a training: status line, statistics, alarms, pictures, network files, metrics.

    Args:
        checkpoints: Checkpoints, which write what the ticks ask for; times and ticks are kept in their counters.
        reporting: Reporting.
    """

    def __init__(self, checkpoints, reporting):
        self._counters, self._checkpoints, self._of = checkpoints.counters, checkpoints, reporting
        self._saving = checkpoints.saving
        self._alarms = {}  # of the last tick
        self._tick_nimg, self._speed, self._busy = 0, None, None  # see `line`
        self._begin = time.time(), self._counters.nimg  # where the speed is measured from
        self._maintenance_sec = 0.0
        self.writer = self._open_writer()
        self._progress = Progress(reporting.total_kimg, self._counters.nimg / 1000)

    def _open_writer(self):
        return StatsWriter(self._saving.run_dir, self._counters.nimg, self._saving.should_stop, self._of.logits)

    def step(self, tick_nimg, went_back=False):
        """To be called after every iteration: moves the progress bar.

        Args:
            tick_nimg: Images of the tick that the next iteration belongs to.
            went_back: Was the state of an earlier moment restored? What was reported since then is forgotten.
        """
        if went_back:
            autosummary.save_summaries(None)
            self.writer.close()
            self.writer = self._open_writer()
            self._begin = time.time(), self._counters.nimg
        now, (begin, nimg) = time.time(), self._begin
        if now > begin and self._counters.nimg > nimg:
            self._speed = (self._counters.nimg - nimg) / (now - begin)
        self._tick_nimg = tick_nimg
        self._progress.update(self._counters.nimg / 1000)

    def line(self):
        """What to say when nothing was said for a while, in any thread."""
        busy = self._busy  # the other thread may forget it at any moment
        if busy is not None:
            what, since = busy
            return f'kimg {self._counters.nimg / 1000:.1f}: {what} since {format_time(time.time() - since)}'
        return speed_line(self._counters, self._tick_nimg, self._of.total_kimg, self._speed)

    def say(self, line):
        """Prints a line, in any thread."""
        self._progress.say(line)

    @contextlib.contextmanager
    def interrupted(self, what):
        """Context manager: what happens in it is no part of a tick, so that the speed is that of the training.

        Args:
            what: What it is, for the line of `line`.
        """
        self._saving.clock.take()
        before, self._busy = self._busy, (what, time.time())
        try:
            yield
        finally:
            self._begin, self._busy = (time.time(), self._counters.nimg), before

    def tick(self, sched, done):
        """Ends a tick: status line, pictures and networks if they are due, statistics.

        Args:
            sched: The schedule's result for the last iteration.
            done: Is this the last tick?
        """
        c, of = self._counters, self._of
        self._saving.clock.take()
        self._busy = 'pictures, networks, metrics', time.time()
        c.tick += 1
        stats = self._stats(sched)
        self._progress.tick(stats, {name: sched[field] for name, field in of.rates.items()})
        c.update(tick_nimg=c.nimg, tick_sec=0.0)
        if _is_due(of.image_ticks, c.tick, done):
            self._checkpoints.write(lambda: of.grid.save_fakes(of.networks, 'fakes%06d.png' % (c.nimg // 1000)))
        network_pkl = None
        if _is_due(of.network_ticks, c.tick, done):
            network_pkl = self._checkpoints.save_networks(network_files.snapshot_name(c.nimg))
            self._checkpoints.before_metrics(done)
        for monitor in of.monitors:
            monitor()
        if of.metric_callback is not None:
            for name, value in (of.metric_callback(network_pkl) or {}).items():
                c.metrics.setdefault(name, []).append([c.nimg, value])
        self._write(stats)
        self._maintenance_sec = self._saving.clock.take_maintenance()
        if network_pkl is not None:
            self._checkpoints.after_metrics()
        self._begin, self._busy = (time.time(), c.nimg), None

    def _write(self, stats):
        """Writes the statistics; says which alarms are new."""
        alarms = self.writer.write(stats, self._counters.nimg)
        for name in alarms:
            if name not in self._alarms:
                self._progress.say(alarm_line(name, alarms[name]))
        self._alarms = alarms

    def close(self):
        """Ends the progress bar and closes the TensorBoard file."""
        self._progress.close()
        self.writer.close()

    def _stats(self, sched):
        """The numbers of a tick by their published TensorBoard tags."""
        c = self._counters
        tick_kimg = max(c.nimg - c.tick_nimg, 1) / 1000
        stats = collections.OrderedDict([
            ('Progress/tick', c.tick), ('Progress/kimg', c.nimg / 1000), ('Progress/lod', sched.lod),
            ('Progress/minibatch', sched.minibatch_size), ('Timing/total_sec', c.seconds),
            ('Timing/sec_per_tick', c.tick_sec), ('Timing/sec_per_kimg', c.tick_sec / tick_kimg),
            ('Timing/maintenance_sec', self._maintenance_sec), ('Timing/total_hours', c.seconds / 3600),
            ('Timing/total_days', c.seconds / 86400), ('Resources/peak_gpu_mem_gb', peak_gpu_memory_gb()),
            ('Resources/host_mem_gb', host_memory_gb()),
            ('Progress/diversity', self._of.grid.diversity(self._of.networks)),
            ('Progress/epoch', c.nimg / sched.epoch_images if 'epoch_images' in sched else None),
            ('Alarms/skipped_steps', c.skipped), ('Alarms/went_back', c.went_back)])
        if self._of.take_waited is not None:
            stats['Timing/data_wait'] = self._of.take_waited() / max(c.tick_sec, 1e-9)
        stats.update((tag, float(tflib.run(variable))) for tag, variable in self._of.progress.items())
        return collections.OrderedDict((tag, value) for tag, value in stats.items() if value is not None)


def _is_due(interval, tick, done):
    return interval is not None and (done or tick % interval == 0)
