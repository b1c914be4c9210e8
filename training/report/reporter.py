"""What a training run tells about itself: the status line, statistics, the progress bar, snapshots at the ticks."""

import collections
import os
import sys
import time

import tqdm

from dnnlib import disk
from dnnlib.memory import host_memory_gb
from dnnlib.tflib import autosummary
from dnnlib.tflib.gpu_memory import peak_gpu_memory_gb
from dnnlib.util import format_time
from training import misc
from training.report.alarms import alarm_line
from training.report.stats_writer import StatsWriter


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

    def tick(self, stats, sched):
        """Prints the status line of a tick, the time left, the learning rates by the schedule, the memory in use."""
        kimg_left = self._total - stats['Progress/kimg']
        eta = 'eta %s, ' % format_time(kimg_left * stats['Timing/sec_per_kimg']) if kimg_left > 0 else ''
        self.say(status_line(stats), '%slearning rates %.3g of G, %.3g of D, memory in use %.2f GiB' % (
            eta, sched.G_lrate, sched.D_lrate, stats['Resources/host_mem_gb']))

    def say(self, *lines):
        """Prints lines above the bar."""
        if self._bar is not None:
            self._bar.clear()
        print('\n'.join(lines))
        if self._bar is not None:
            self._bar.refresh()
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
            metric_callback, see `training_loop`, should_stop, see `disk.write_patiently`, watch, a `non_finite.Watch`,
            logits, see `Alarms`, and seek, a function of the images shown that winds the data back to them.
    """

    def __init__(self, run_dir, networks, grid, saver, counters, options):
        self._alarms = {}  # of the last tick
        self._run_dir, self._networks, self._grid, self._saver = run_dir, networks, grid, saver
        self._counters, self._options = counters, options
        self.writer = self._open_writer()
        self._last_saved_nimg = counters.nimg  # there is one, or nothing was learned
        self._maintenance_sec = 0.0
        self._save_when_good = False  # at the next moment after a step with finite gradients?
        self._clock = self._last_save = time.time()
        self._progress = Progress(options.total_kimg, counters.nimg / 1000)

    def _open_writer(self):
        return StatsWriter(self._run_dir, self._counters.nimg, self._options.should_stop, self._options.logits)

    def step(self):
        """To be called after every iteration: moves the progress bar, saves the state if it is due and good.

        After too many steps with gradients that are not finite it goes back to the last good state.
        Raises: UserError if that doesn't help, see `non_finite.Watch`.
        """
        c, minutes = self._counters, self._options.checkpoint_minutes
        if self._options.watch.update(c):
            self._go_back()
        self._progress.update(c.nimg / 1000)
        is_due = minutes is not None and time.time() - self._last_save >= minutes * 60
        if c.skipped_in_a_row == 0 and (is_due or self._save_when_good):
            self.save_state()

    def _go_back(self):
        """After the state of an earlier moment was restored: forgets what was reported since then."""
        autosummary.save_summaries(None)
        self.writer.close()
        self.writer = self._open_writer()
        self._options.seek(self._counters.nimg)
        self._clock, self._save_when_good = time.time(), True  # or a restart would not know that it went back

    def save_state(self):
        """Saves everything that is needed to continue from here; returns the folder."""
        self._take_time()
        path = self._save()
        self._save_when_good = False
        return path

    def _save(self):
        size = 0 if self._last_saved_nimg == self._counters.nimg else self._saver.num_bytes()
        path = self._write(lambda: self._saver.save(self._counters), size)
        self._last_save, self._last_saved_nimg = time.time(), self._counters.nimg
        return path

    def finish(self):
        """Writes the final networks, then the state, which says that nothing is left to do."""
        self.save_networks('network-final.pkl')
        self.save_state()

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
        self._progress.tick(stats, sched)
        c.update(tick_nimg=c.nimg, tick_sec=0.0)
        if _is_due(options.image_snapshot_ticks, c.tick, done):
            self._write(lambda: self._grid.save_fakes(self._networks['Gs'], 'fakes%06d.png' % (c.nimg // 1000)))
        network_pkl = None
        if _is_due(options.network_snapshot_ticks, c.tick, done):
            network_pkl = self.save_networks('network-snapshot-%06d.pkl' % (c.nimg // 1000))
            self._save_before_metrics(done)
        if options.metric_callback is not None:
            for name, value in (options.metric_callback(network_pkl) or {}).items():
                c.metrics.setdefault(name, []).append([c.nimg, value])
        alarms = self.writer.write(stats, c.nimg)
        for name in alarms:
            if name not in self._alarms:
                self._progress.say(alarm_line(name, alarms[name]))
        self._alarms = alarms
        self._maintenance_sec = time.time() - self._clock
        c.seconds += self._maintenance_sec
        self._clock = time.time()
        if network_pkl is not None and c.tick > 0:
            self._save_when_good = True  # or, where it was saved, add what the metrics found

    def _save_before_metrics(self, done):
        """What was learned must not depend on the metrics, which may take long, and more memory than there is."""
        self._options.watch.count(self._counters)
        if self._counters.skipped_in_a_row == 0:
            if done:
                self.finish()
            elif self._counters.tick > 0:
                self._save()

    def save_after_error(self):
        """Saves the state when an error ends the training, unless that of this moment was saved before.

        Returns: End of a sentence about it, for the message; never raises, so that the error itself is told.
        """
        if self._counters.iteration == 0:
            return 'nothing was learned before it'
        if self._options.watch.is_lost(self._counters):
            return 'what was learned since the last good state is lost'
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
            ('Timing/total_days', c.seconds / 86400), ('Resources/peak_gpu_mem_gb', peak_gpu_memory_gb()),
            ('Resources/host_mem_gb', host_memory_gb()),
            ('Progress/diversity', self._grid.diversity(self._networks['Gs'])),
            ('Alarms/skipped_steps', c.skipped), ('Alarms/went_back', c.went_back)])


def _is_due(interval, tick, done):
    return interval is not None and (done or tick % interval == 0)
