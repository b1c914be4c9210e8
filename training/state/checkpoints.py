"""When the state of a training is saved, and when the training goes back to an earlier one."""

import contextlib
import os
import time
from typing import NamedTuple

from dnnlib import disk, UserError
from training.state import network_files


class Saving(NamedTuple):
    """What `Checkpoints` work with."""
    run_dir: str            # run directory; None = worker 0 has it, and this is another one
    saver: object           # StateSaver
    watch: object           # non_finite.Watch
    clock: object           # Clock of the counters
    save_networks: object   # function of a path that writes all networks
    minutes: float = 10     # between two states; None = only where networks are saved
    should_stop: object = None  # see `disk.write_patiently`
    agree: object = bool        # function of whether a state is due here: is one due in all workers?


class Checkpoints:
    """Saves the state where it is due and good, waits while the disk is full, goes back after steps that are no good.

    A state is good after steps with finite gradients.

    Args:
        counters: See `files.new_counters`; changed when the training goes back.
        saving: Saving.
    Attributes:
        counters, saving: As given.
    """

    def __init__(self, counters, saving):
        self.counters, self.saving = counters, saving
        self._saved_nimg = counters.nimg  # there is one, or nothing was learned
        self._networks = None  # (path, images shown) of those that were written last
        self._last_save = time.time()
        self.save_soon = False  # at the next moment after a step with finite gradients

    def update(self):
        """To be called after every iteration: saves if a state is due and good; goes back where it must.

        Returns: Did it go back to the last good state? The counters and variables are then those of that state.
        Raises: UserError if going back doesn't help, see `non_finite.Watch`.
        """
        went_back = self.saving.watch.update(self.counters)
        if went_back:
            self.saving.clock.restart()
            self._networks = None  # these may be of what was given up
            self.save_soon = True  # or a restart would not know that it went back
        minutes = self.saving.minutes
        is_due = minutes is not None and time.time() - self._last_save >= minutes * 60
        is_due = self.saving.agree(is_due)
        if self.counters.skipped_in_a_row == 0 and (is_due or self.save_soon):
            self.save()
        return went_back

    def save(self):
        """Saves everything that is needed to continue from here; returns the folder."""
        self.saving.clock.take()
        path = self._save()
        self.save_soon = False
        return path

    def _save(self):
        saver = self.saving.saver
        size = 0 if self._saved_nimg == self.counters.nimg else saver.num_bytes()
        collected = saver.collect()  # once, though a full disk may need several attempts
        path = self.write(lambda: saver.save(self.counters, collected), size)
        self._last_save, self._saved_nimg = time.time(), self.counters.nimg
        return path

    def save_networks(self, file_name):
        """Writes all networks under a name in the run directory; returns the path."""
        path = None if self.saving.run_dir is None else os.path.join(self.saving.run_dir, file_name)
        self.write(lambda: self._write_networks(path))
        return path

    def _write_networks(self, path):
        self.saving.save_networks(path)
        self._networks = path, self.counters.nimg

    def finish(self):
        """Writes the final networks, then the state, which says that nothing is left to do."""
        self.save_networks(network_files.FINAL)
        self.save()

    def stop(self):
        """Saves what a training needs that ends early: a state to continue from, and networks to draw with.

        Returns: End of a sentence: where they are.
        """
        path = self.save()
        return 'worker 0 saves the state' if path is None else f'state saved in {path}{self._save_last_networks()}'

    def _save_last_networks(self):
        """Writes a network snapshot when a training ends early, unless nothing was learned or it is there.

        One of the same kimg is replaced: that kimg may have taken an hour. It is written after the state and doesn't
        wait for space on the disk, since nothing is lost without it.

        Returns: End of a sentence about it; never raises an error.
        """
        if self.counters.iteration == 0:
            return ''
        path = os.path.join(self.saving.run_dir, network_files.snapshot_name(self.counters.nimg))
        try:
            if self._networks != (path, self.counters.nimg):
                self._write_networks(path)
        except Exception as error:  # pylint: disable=broad-except
            return f'; its networks could not be written ({getattr(error, "strerror", None) or error})'
        return f', networks in {path}'

    def before_metrics(self, done):
        """What was learned must not depend on the metrics, which may take long, and more memory than there is."""
        self.saving.watch.count(self.counters)
        if self.counters.skipped_in_a_row == 0:
            if done:
                self.finish()
            elif self.counters.tick > 0:
                self._save()

    def after_metrics(self):
        """Asks for a state that holds what the metrics found."""
        self.save_soon = self.save_soon or self.counters.tick > 0

    @contextlib.contextmanager
    def saving_after_errors(self, is_within):
        """Context manager: an error in it saves the state before it goes on, and says how to continue.

        Args:
            is_within: Function without arguments, see `after_error`.
        """
        try:
            yield
        except UserError as error:
            raise UserError(f'{error}; {self.after_error(is_within())}') from error
        except Exception:
            print('An error ends the training; ' + self.after_error(is_within()))
            raise

    def after_error(self, is_within=False):
        """Saves state and networks when an error ends the training, unless those of this moment were saved before.

        Args:
            is_within: Is it from within an iteration, some of whose steps are made? With several workers, which may
                have come to different steps, nothing is saved then.
        Returns: End of a sentence about it, for the message; never raises, so that the error itself is told.
        """
        if self.counters.iteration == 0:
            return 'nothing was learned before it'
        if self.saving.run_dir is None or self.saving.saver.needs_others(is_within):
            return 'the same command continues from the last state'
        if self.saving.watch.is_lost(self.counters):
            return 'what was learned since the last good state is lost'
        try:
            if self._saved_nimg != self.counters.nimg:  # it is better than one from within an iteration
                self.save()
        except Exception as error:  # pylint: disable=broad-except
            reason = getattr(error, 'strerror', None) or error
            return f'the state could not be saved ({reason}); the same command continues from the last one'
        return (f'what was learned is saved{self._save_last_networks()}: to continue at kimg '
                f'{self.counters.nimg / 1000:.1f}, give the same command, or --resume={self.saving.run_dir}')

    def write(self, write, num_bytes=0):
        """Calls a function that writes files, unless worker 0 writes them; waits while the disk is full."""
        if self.saving.run_dir is None:
            return None
        return disk.write_patiently(write, self.saving.run_dir, num_bytes, self.saving.should_stop)
