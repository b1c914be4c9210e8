"""Network files of a training's run directory: their published names, and which of them the directory stands for."""

import os
import re

from dnnlib.run.run_dir import list_runs
from dnnlib.util import UserError

FINAL = 'network-final.pkl'
_SNAPSHOT = re.compile(r'network-snapshot-([0-9]+)\.pkl$')
_STATES = 'state'  # folder of the states in a run directory, each a folder named by the images shown
_OF_RUNS = (_STATES, 'log.txt', 'submit_config.txt', 'submit_config.pkl', 'training_options.json')


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
    if parts[-1] == _STATES and newest(folder) is None:
        return choose(os.path.normpath(os.path.join(folder, os.pardir)))
    if parts[-2:-1] == [_STATES] and parts[-1].isdigit():
        run_dir, nimg = os.path.normpath(os.path.join(folder, os.pardir, os.pardir)), int(parts[-1])
        before = [path for kimg, path in snapshots(run_dir) if kimg * 1000 <= nimg]
        path, what = before[-1] if before else newest(run_dir), f'the networks of the run for its state {folder}'
    else:
        run_dir, path, what = folder, newest(folder), f'the newest of {folder}'
    if path is None:
        raise UserError(_advice(run_dir))
    print(f'Networks: {path}, {what}{_newer_state(run_dir, path) if run_dir == folder else ""}')
    return path


def _newest_state(run_dir):
    """Images shown at the newest state in a run directory, 0 if there is none."""
    path = os.path.join(run_dir, _STATES)
    return max([int(name) for name in (os.listdir(path) if os.path.isdir(path) else []) if name.isdigit()] or [0])


def _newer_state(run_dir, path):
    """What to say if what the run has learned since these networks is in a state only, as of a killed process."""
    match, nimg = _SNAPSHOT.match(os.path.basename(path)), _newest_state(run_dir)
    if match is None or nimg // 1000 <= int(match.group(1)):
        return ''
    return f'; its state at kimg {nimg / 1000:.1f} is newer: to draw that, continue the training and stop it'


def _advice(folder):
    """What is wrong with a folder without networks, and what to do."""
    if any(os.path.exists(os.path.join(folder, name)) for name in _OF_RUNS):
        todo = ('continue the training and stop it with Ctrl-C, which writes them' if _newest_state(folder) else
                'a training writes the first ones after its first tick')
        return f'{folder!r}: this run has no networks (network-*.pkl) yet; {todo}'
    runs = [path for _, path in list_runs(folder) if newest(path) is not None]
    such = f', such as {runs[-1]!r}' if runs else ''
    return (f'{folder!r} is a folder, not a network file; give the path or URL of a network pickle, or a run directory '
            f'with one{such}')
