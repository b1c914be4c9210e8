"""Steering a training from outside by a file in its run directory: snapshot now, pause, continue, stop.

Another process writes `control.json`; the loop looks for it between two iterations, at most once a second, and takes it
away. `control_state.json` says that a training is paused. With several workers only worker 0 looks: the others wait for
it at their next exchange, and a stop travels with that. Nothing is read by the graph, so the bits of a training that
nobody steers are those without this module.
"""

import json
import math
import os
import time

from dnnlib import disk
from dnnlib.run.context import ABORT_FILE
from dnnlib.run.run_dir import CONFIG_TXT
from dnnlib.util import UserError, write_text
from training.state import network_files

COMMANDS = SNAPSHOT, PAUSE, CONTINUE, STOP = 'snapshot', 'pause', 'continue', 'stop'
CONTROL_FILE, STATE_FILE = 'control.json', 'control_state.json'
LOOK_SECONDS = 1.0       # between two looks, as an iteration of a small training takes milliseconds
PAUSED_SECONDS = 0.2     # the same in a pause
_MAX_BYTES = 4096


def command(run_dir, name):
    """Asks the training in a run directory for something, after what was asked before; returns what waits, list.

    Args:
        run_dir: Run directory.
        name: One of COMMANDS.
    Raises: UserError for another name; OSError if the file cannot be written.
    """
    if name not in COMMANDS:
        raise UserError(f'unknown command {name!r}; choose from {", ".join(COMMANDS)}')
    names = [other for other in waiting(run_dir) if other != name] + [name]
    write_text(os.path.join(run_dir, CONTROL_FILE), json.dumps(dict(commands=names)) + '\n')
    return names


def waiting(run_dir):
    """Commands that the training has not taken yet, list."""
    return _read(os.path.join(run_dir, CONTROL_FILE))


def is_paused(run_dir):
    """Did the training in a run directory say that it is paused?"""
    return os.path.exists(os.path.join(run_dir, STATE_FILE))


def _read(path):
    """Commands in a file; none if it is missing, or something else."""
    try:
        with open(path, encoding='utf-8') as f:
            names = json.loads(f.read(_MAX_BYTES))['commands']
        return [name for name in names if name in COMMANDS]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _time(run_dir, name):
    """When a file was written, seconds since 1970; of a missing one infinitely late."""
    try:
        return os.path.getmtime(os.path.join(run_dir, name))
    except OSError:
        return math.inf


class Steering:
    """What the loop asks before every iteration.

    Args:
        run_dir: Run directory; `None` = worker 0 has it, and this is another one. Commands in it that
            are older than the run are forgotten; those that came while the networks were built are obeyed.
        checkpoints: Checkpoints.
        report: Reporter.
        save_fakes: Function of a file name that writes a picture grid.
        should_stop: Function that says whether something else wants the training to stop, which ends a pause.
    """

    def __init__(self, run_dir, checkpoints, report, save_fakes, should_stop):
        self._run_dir, self._checkpoints, self._report = run_dir, checkpoints, report
        self._save_fakes, self._should_stop = save_fakes, should_stop
        self._wants_stop, self._looked = False, time.monotonic()
        if run_dir is not None:
            if _time(run_dir, CONTROL_FILE) < _time(run_dir, CONFIG_TXT):  # which every start and resumption writes
                self._remove(CONTROL_FILE)
            self._remove(STATE_FILE)

    def update(self):
        """Looks for commands, unless it did so a moment ago, and obeys them; comes back after the end of a pause.

        Returns: Was it told to stop?
        """
        if self._run_dir is None or self._wants_stop or time.monotonic() - self._looked < LOOK_SECONDS:
            return self._wants_stop
        self._looked = time.monotonic()
        names = self._take()
        for name in names:
            if name == SNAPSHOT:
                self._snapshot()
            self._wants_stop = self._wants_stop or name == STOP
        if PAUSE in names and CONTINUE not in names[names.index(PAUSE):] and not self._wants_stop:
            self._pause()
        return self._wants_stop

    def _take(self):
        """Commands in the file, which is gone afterwards."""
        path, taken = (os.path.join(self._run_dir, name) for name in (CONTROL_FILE, 'tmp_' + CONTROL_FILE))
        try:
            os.replace(path, taken)  # what is written from here on is the next one
        except OSError:
            return []
        names = _read(taken)
        self._remove('tmp_' + CONTROL_FILE)
        return names

    def _snapshot(self):
        """Writes the picture grid and the networks of this moment."""
        nimg = self._checkpoints.counters.nimg
        with self._report.interrupted('a snapshot that was asked for'):
            self._checkpoints.write(lambda: self._save_fakes('fakes%06d.png' % (nimg // 1000)))
            path = self._checkpoints.save_networks(network_files.snapshot_name(nimg))
            self._checkpoints.saving.clock.take_maintenance()
        self._report.say(f'Wrote {path} and a picture grid, as asked for')

    def _pause(self):
        """Waits until it is told to go on; the time does not count."""
        self._report.say(f'Paused at kimg {self._checkpoints.counters.nimg / 1000:.1f}, as asked for')
        with self._report.interrupted('paused'):
            names = []
            while not (self._wants_stop or CONTINUE in names or self._should_stop() or os.path.exists(
                    os.path.join(self._run_dir, ABORT_FILE))):
                with disk.ignoring_full():  # which is no reason to end; the file is written once there is space
                    if not is_paused(self._run_dir):
                        write_text(os.path.join(self._run_dir, STATE_FILE), '{"state": "paused"}\n')
                time.sleep(PAUSED_SECONDS)
                names = self._take()
                if SNAPSHOT in names:
                    self._checkpoints.saving.clock.restart()
                    self._snapshot()
                self._wants_stop = STOP in names
            self._remove(STATE_FILE)
            self._checkpoints.saving.clock.restart()
        self._report.say('Going on' if not self._wants_stop else 'Stopping, as asked for')

    def _remove(self, name):
        try:
            os.remove(os.path.join(self._run_dir, name))
        except OSError:
            pass
