"""The files of saved states, without TensorFlow: where they are, what they hold, which are kept."""

import hashlib
import json
import os
import re
import shutil

from dnnlib import disk
from dnnlib.util import EasyDict, UserError, atomic_path, remove_temporary_files

STATE_DIR = 'state'
MANIFEST = 'state.json'
VARIABLES = 'variables'
ROUNDS = 'rounds.npz'  # states that each round of each worker keeps for itself
PER_WORKER = 'training/per_worker'  # collection of the graph that names these
GRID = 'grid.npz'
CHOSEN = ('precision.json',)  # of the run directory: what its first start chose, and other runs take over
UNFINISHED, REPLACED, REMOVED = 'unfinished', 'replaced', 'removed'  # names that a killed process may leave behind


def new_counters(nimg=0, seconds=0.0):
    """Counters at the start of a training.

    Args:
        nimg: Images shown so far, int; also the position in the dataset's stream.
        seconds: Seconds trained so far.
    Returns: EasyDict of nimg, iteration, sched_nimg (images shown when the schedule was looked at last), tick (number
        of the last report), tick_nimg (images shown at the last report), tick_sec (seconds since then), seconds,
        metrics (name of a result to a list of [nimg, value], oldest first), skipped and skipped_in_a_row (steps left
        out, see `non_finite`), went_back (how often the training had to).
    """
    return EasyDict(nimg=int(nimg), iteration=0, sched_nimg=int(nimg), tick=-1, tick_nimg=int(nimg), tick_sec=0.0,
                    seconds=float(seconds), metrics={}, skipped=0, skipped_in_a_row=0, went_back=0)


def state_path(run_dir, nimg):
    """Folder of the state after `nimg` images."""
    return os.path.join(run_dir, STATE_DIR, '%09d' % nimg)


def is_state(path):
    """Is `path` the folder of a saved state?"""
    return os.path.isfile(os.path.join(path, MANIFEST))


def run_of(state):
    """The run directory of the folder of a state, whether that is still there or not."""
    return os.path.dirname(os.path.dirname(os.path.abspath(state)))


def list_states(run_dir):
    """Folders of the complete states in a run directory, oldest first."""
    state_dir = os.path.join(run_dir, STATE_DIR)
    names = os.listdir(state_dir) if os.path.isdir(state_dir) else []
    paths = [os.path.join(state_dir, name) for name in names if re.match('[0-9]{9,}$', name)]
    return sorted(filter(is_state, paths), key=images_shown)


def images_shown(path):
    """Images shown at the state in folder `path`, by its name."""
    return int(os.path.basename(path))


def latest_state(run_dir):
    """Folder of the newest state in a run directory, `None` if there is none."""
    return (list_states(run_dir) or [None])[-1]


def write_manifest(path, counters):
    """Writes the manifest of the state in folder `path`: counters, sizes and checksums of the files that are there."""
    files = {name: _describe(os.path.join(path, name)) for name in sorted(os.listdir(path))}
    for name in files:
        disk.sync(os.path.join(path, name))
    _write_manifest(path, dict(counters=counters, files=files))


def update_counters(path, counters):
    """Replaces the counters of the state in folder `path`; returns False if there is no state with a readable manifest.

    Raises: OSError if they can't be written; the earlier ones are then still there.
    """
    try:
        manifest = _read_manifest(path)
    except UserError:
        return False
    if manifest['counters'] != counters:
        _write_manifest(path, dict(manifest, counters=counters))
    return True


def _write_manifest(path, manifest):
    manifest = dict(manifest, sha256=_sha256_of_manifest(manifest))
    with atomic_path(os.path.join(path, MANIFEST)) as temp_path:
        with open(temp_path, 'w') as f:
            json.dump(manifest, f, indent=1)
        disk.sync(temp_path)
    disk.sync(path)


def read_counters(path):
    """Counters of the state in folder `path`; raises UserError if its manifest is damaged."""
    return _read_manifest(path)['counters']


def check(path):
    """Compares the files of the state in folder `path` with its manifest; returns the counters.

    Raises: UserError naming the file that is missing or damaged.
    """
    manifest = _read_manifest(path)
    for name, expected in sorted(manifest['files'].items()):
        try:
            found = _describe(os.path.join(path, name))
        except OSError as error:
            raise UserError(f'the state {path!r} is damaged: {name} cannot be read ({error.strerror})') from error
        if found != expected:
            what = f'{found["bytes"]} bytes instead of {expected["bytes"]}'
            if found['bytes'] == expected['bytes']:
                what = 'checksum mismatch'
            raise UserError(f'the state {path!r} is damaged: {name}: {what}')
    return manifest['counters']


def _read_manifest(path):
    try:
        with open(os.path.join(path, MANIFEST)) as f:
            manifest = json.load(f)
        if manifest.pop('sha256') != _sha256_of_manifest(manifest):
            raise ValueError('checksum mismatch')
        if not set(manifest['counters']) >= set(new_counters()):
            raise KeyError('counters are missing')
        return dict(files=manifest['files'], counters=EasyDict(manifest['counters']))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f'the state {path!r} is damaged: cannot read {MANIFEST} ({error})') from error


def _sha256_of_manifest(manifest):
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _describe(path):
    digest, size = hashlib.sha256(), 0
    with open(path, 'rb') as f:
        for block in iter(lambda: f.read(1 << 20), b''):
            digest.update(block)
            size += len(block)
    return dict(bytes=size, sha256=digest.hexdigest())


def latest_counters(run_dir):
    """Counters of the newest state in a run directory whose manifest can be read, `None` if there is none."""
    for path in reversed(list_states(run_dir)):
        try:
            return read_counters(path)
        except UserError:
            pass
    return None


def publish(temp_path, path):
    """Gives a finished state its name; one that has it already, a damaged one, is replaced."""
    replaced = os.path.join(os.path.dirname(path), REPLACED)
    if os.path.isdir(path):
        os.rename(path, replaced)
    os.rename(temp_path, path)
    disk.sync(os.path.dirname(path))
    shutil.rmtree(replaced, ignore_errors=True)


def prune(run_dir, nimg, keep, best_nimg=None):
    """Removes states: all after `nimg` images (of a future that was given up), and of the others all but `keep` newest.

    Args:
        run_dir: Run directory.
        nimg: Images shown at the newest state that counts.
        keep: Number of states to keep, at least 1.
        best_nimg: Images shown at a further one to keep, `None` = none.
    """
    paths = list_states(run_dir)
    past = [path for path in paths if images_shown(path) <= nimg]
    kept = past[-keep:] + [path for path in past if images_shown(path) == best_nimg]
    removed = os.path.join(run_dir, STATE_DIR, REMOVED)
    for path in paths:
        if path not in kept:
            shutil.rmtree(removed, ignore_errors=True)
            os.rename(path, removed)  # so that no half of it passes for a state
            shutil.rmtree(removed)


def remove_leftovers(run_dir):
    """Removes what a killed process left unfinished in a run directory; no other process may be training there."""
    for name in (UNFINISHED, REPLACED, REMOVED):
        shutil.rmtree(os.path.join(run_dir, STATE_DIR, name), ignore_errors=True)
    for folder in [run_dir] + list_states(run_dir):
        remove_temporary_files(folder)
