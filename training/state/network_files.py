"""Network files of a training's run directory: their published names, and which of them the directory stands for."""

import os
import re

from dnnlib.run.run_dir import is_locked, list_runs
from dnnlib.util import UserError
from training.state import files

FINAL = 'network-final.pkl'
_SNAPSHOT = re.compile(r'network-snapshot-([0-9]+)\.pkl$')
_OF_RUNS = (files.STATE_DIR, 'log.txt', 'submit_config.txt', 'submit_config.pkl', 'training_options.json')


def snapshot_name(nimg):
    """Name of the networks after `nimg` images."""
    return f'network-snapshot-{nimg // 1000:06d}.pkl'


def snapshots(run_dir):
    """[(kimg, path)] of the snapshots in a run directory, sorted."""
    found = [(_SNAPSHOT.match(name), name) for name in os.listdir(run_dir)]
    return sorted((int(match.group(1)), os.path.join(run_dir, name)) for match, name in found if match)


def newest(run_dir):
    """Path of the newest networks in a run directory; `None` if there are none.

    That is the snapshot with the highest kimg. The final networks are, where they exist, as new as it or newer, unless
    the training was continued past them: then that snapshot was written later.
    """
    found, final = snapshots(run_dir), os.path.join(run_dir, FINAL)
    if os.path.isfile(final) and not (found and os.path.getmtime(found[-1][1]) > os.path.getmtime(final)):
        return final
    return found[-1][1] if found else None


def choose(folder):
    """The networks that a command uses where it is given a folder; prints which they are.

    Args:
        folder: Run directory, the folder `state` in it, or a saved state in that; of a state the networks are the
            newest that are not newer than it, since a state holds variables without what builds networks of them.
    Returns: Path that begins with the folder as given.
    Raises: UserError for another folder, or if there are no networks.
    """
    parts = os.path.abspath(folder).split(os.sep)
    if parts[-1] == files.STATE_DIR and newest(folder) is None:
        return choose(os.path.normpath(os.path.join(folder, os.pardir)))
    if parts[-2:-1] == [files.STATE_DIR] and parts[-1].isdigit():
        run_dir = os.path.normpath(os.path.join(folder, os.pardir, os.pardir))
        path, what = _of_state(run_dir, folder), f'the networks of the run for its state {folder}'
        if path is None:
            path, what = newest(run_dir), f'newer than the state {folder}, before which the run has none'
    else:
        run_dir, path, what = folder, newest(folder), f'the newest of {folder}'
    if path is None:
        raise UserError(_advice(run_dir))
    print(f'Networks: {path}, {what}{_newer_state(run_dir, path) if run_dir == folder else ""}')
    return path


def _of_state(run_dir, state):
    """The newest snapshot that is not newer than the state in a folder, `None` if there is none."""
    nimg = files.images_shown(os.path.abspath(state))
    before = [path for kimg, path in snapshots(run_dir) if kimg <= nimg // 1000]
    if before and os.path.basename(before[-1]) == snapshot_name(nimg) and _written(before[-1]) > _written(state):
        # The end of a training writes its state, then its networks; what comes after another state is not of this one.
        if any(nimg < files.images_shown(path) <= nimg // 1000 * 1000 + 999 for path in files.list_states(run_dir)):
            before.pop()
    return before[-1] if before else None


def _written(path):
    """When networks, or the variables of the state in a folder, were written: seconds since the epoch."""
    variables = os.path.join(path, files.VARIABLES)
    return os.path.getmtime(variables if os.path.exists(variables) else path)


def _newer_state(run_dir, path):
    """What to say if what the run has learned since these networks is in a state only, as of a killed process."""
    match, state = _SNAPSHOT.match(os.path.basename(path)), files.latest_state(run_dir)
    if match is None or state is None:
        return ''
    nimg, kimg = files.images_shown(state), int(match.group(1))
    if nimg // 1000 < kimg or nimg // 1000 == kimg and not _is_later(state, path):
        return ''
    todo = 'stop the training' if is_locked(run_dir) else 'continue the training and stop it'
    return f'; its state at kimg {nimg / 1000:.1f} is newer: to draw that, {todo}'


def _is_later(state, path):
    """Is a state of more images than networks of the same kimg? That of their tick is not, though written later."""
    try:
        counters = files.read_counters(state)
    except UserError:
        return False
    return counters.nimg > counters.tick_nimg and _written(state) > _written(path)


def _advice(folder):
    """What is wrong with a folder without networks, and what to do."""
    if any(os.path.exists(os.path.join(folder, name)) for name in _OF_RUNS):
        todo = 'a training writes the first ones after its first tick'
        if files.latest_state(folder) is not None:
            todo = f'{"" if is_locked(folder) else "continue the training and "}stop it with Ctrl-C, which writes them'
        return f'{folder!r}: this run has no networks (network-*.pkl) yet; {todo}'
    runs = [path for _, path in list_runs(folder) if newest(path) is not None]
    such = f', such as {runs[-1]!r}' if runs else ''
    return (f'{folder!r} is a folder, not a network file; give the path or URL of a network pickle, or a run directory '
            f'with one{such}')
