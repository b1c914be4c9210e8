"""The files of saved states, without TensorFlow: where they are, what they hold, who may write them."""

import contextlib
import json
import os
import re

from dnnlib.util import EasyDict, UserError

try:
    import fcntl
except ImportError:  # not on Windows; two trainings could then continue in one folder
    fcntl = None

STATE_DIR = 'state'
MANIFEST = 'state.json'
VARIABLES = 'variables'


def new_counters(nimg=0, seconds=0.0):
    """Counters at the start of a training.

    Args:
        nimg: Images shown so far, int; also the position in the data set's stream.
        seconds: Seconds trained so far.
    Returns: EasyDict of nimg, iteration, sched_nimg (images shown when the schedule was looked at last), tick (number
        of the last report), tick_nimg (images shown at the last report), tick_sec (seconds since then), seconds.
    """
    return EasyDict(nimg=int(nimg), iteration=0, sched_nimg=int(nimg), tick=-1, tick_nimg=int(nimg), tick_sec=0.0,
                    seconds=float(seconds))


def list_states(run_dir):
    """Folders of the complete states in a run directory, oldest first."""
    state_dir = os.path.join(run_dir, STATE_DIR)
    names = os.listdir(state_dir) if os.path.isdir(state_dir) else []
    paths = [os.path.join(state_dir, name) for name in names if re.match('[0-9]{9,}$', name)]
    return sorted((path for path in paths if os.path.isfile(os.path.join(path, MANIFEST))),
                  key=lambda path: int(os.path.basename(path)))


def latest_state(run_dir):
    """Folder of the newest state in a run directory, `None` if there is none."""
    return (list_states(run_dir) or [None])[-1]


def read_counters(path):
    """Counters of the state in folder `path`; raises UserError if they can't be read."""
    try:
        with open(os.path.join(path, MANIFEST)) as f:
            counters = EasyDict(json.load(f)['counters'])
        if not set(counters) >= set(new_counters()):
            raise KeyError('counters are missing')
        return counters
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError('{!r} is not a saved training state ({})'.format(path, error)) from error


def latest_counters(run_dir):
    """Counters of the newest state in a run directory that can be read, `None` if there is none."""
    for path in reversed(list_states(run_dir)):
        try:
            return read_counters(path)
        except UserError:
            pass
    return None


@contextlib.contextmanager
def locked_run(run_dir):
    """While entered, or until the process ends, no other process can enter the same run directory.

    Raises: UserError if another process is in it.
    """
    if fcntl is None:
        yield
        return
    folder = os.open(run_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError('another process is training in {!r}; stop it or choose another folder'.format(
                run_dir)) from None
        except OSError:  # some network file systems know no locks
            pass
        yield
    finally:
        os.close(folder)


def is_locked(run_dir):
    """Is another process training in this run directory?"""
    try:
        with locked_run(run_dir):
            return False
    except UserError:
        return True
