"""Which run a command continues, and what a training begins from."""

import json
import os
import re

from dnnlib import UserError
from dnnlib.run_dir import list_runs
from training import pretrained, state_files

OPTIONS_FILE = 'training_options.json'
NOT_COMPARED = ('total_kimg', 'image_snapshot_ticks', 'network_snapshot_ticks', 'checkpoint_minutes', 'metric_arg_list',
                'tf_config', 'bad')


def choose_run(resume, result_dir, run_desc, options):
    """Decides where to train, and enters `resume_pkl` into the options if the training starts from a network.

    Args:
        resume: 'auto', 'none', a run directory, or the path or URL of a network pickle.
        result_dir: Folder of the run directories.
        run_desc: Description of this run.
        options: Result of `make_options`; `resume_pkl` is added.
    Returns: Run directory to continue in, `None` = a new one.
    Raises: UserError if a run directory holds no state or has other options, or a file is no network pickle.
    """
    if resume == 'none':
        return None
    if resume != 'auto' and os.path.isdir(resume):
        if state_files.latest_state(resume) is None:
            raise UserError('--resume: {!r} holds no saved state; give a run directory with a folder {!r}'.format(
                resume, state_files.STATE_DIR))
        options.update(_begun_from(resume))
        check_same_options(resume, options, OPTIONS_FILE)
        with state_files.locked_run(resume):  # nothing is written where another process is training
            return resume
    if resume != 'auto':
        pretrained.check_network_file(resume)
        options['resume_pkl'] = resume
    run_dirs = [path for _, path in list_runs(result_dir) if re.match('[0-9]+-' + re.escape(run_desc) + '$',
                                                                      os.path.basename(path))]
    unfinished = find_unfinished(run_dirs, options, OPTIONS_FILE)
    finished = unfinished is None and find_finished(run_dirs, options, OPTIONS_FILE)
    if finished:
        print('{} is finished; starting a new run. To go on there, raise --total-kimg.'.format(finished))
    return unfinished


def _begun_from(run_dir):
    """`resume_pkl` of the options saved in a run directory, if it was begun from a network."""
    try:
        with open(os.path.join(run_dir, OPTIONS_FILE)) as f:
            return {key: value for key, value in json.load(f).items() if key == 'resume_pkl'}
    except (OSError, ValueError, AttributeError):
        return {}


def find_unfinished(run_dirs, options, options_file):
    """The newest run that these options continue.

    Args:
        run_dirs: Run directories, oldest first.
        options: Options of the training that is about to start, plain dictionary with 'total_kimg'.
        options_file: Name of the JSON file in a run directory that holds the options of that run.
    Returns: Run directory; `None` if no run with the same options (length, snapshots, metrics and device may differ)
        has a state before the end of this training, or another process is training in it.
    """
    for run_dir, counters in _same_runs(run_dirs, options, options_file):
        if counters.nimg < options['total_kimg'] * 1000 and not state_files.is_locked(run_dir):
            return run_dir
    return None


def find_finished(run_dirs, options, options_file):
    """The newest run of these options that is as long as this training, `None` if there is none."""
    for run_dir, counters in _same_runs(run_dirs, options, options_file):
        if counters.nimg >= options['total_kimg'] * 1000:
            return run_dir
    return None


def _same_runs(run_dirs, options, options_file):
    """Yields (run directory, counters) of the runs with these options that have a state, newest first."""
    wanted = _comparable(options)
    for run_dir in reversed(run_dirs):
        try:
            with open(os.path.join(run_dir, options_file)) as f:
                found = _comparable(json.load(f))
            counters = state_files.latest_counters(run_dir)
        except (OSError, ValueError, AttributeError):  # AttributeError: JSON, but no dictionary
            continue
        if found == wanted and counters:
            yield run_dir, counters


def check_same_options(run_dir, options, options_file):
    """Refuses to continue a run with other options than those it was begun with.

    Args:
        run_dir: Run directory; one without readable options is accepted.
        options, options_file: See `find_unfinished`.
    Raises: UserError naming the first option that differs.
    """
    try:
        with open(os.path.join(run_dir, options_file)) as f:
            found = _flat(_comparable(json.load(f)))
    except (OSError, ValueError, AttributeError):
        return
    wanted = _flat(_comparable(options))
    for name in sorted(set(found) | set(wanted)):
        if found.get(name) != wanted.get(name):
            raise UserError('--resume={}: {} is {!r} in that run but {!r} now; give the same options, or start anew '
                            'with --resume=none'.format(run_dir, name, found.get(name), wanted.get(name)))


def _comparable(options):
    """Options that must agree for a training to go on, in the form that they have after a trip through JSON."""
    return json.loads(json.dumps({key: value for key, value in options.items() if key not in NOT_COMPARED}))


def _flat(options, prefix=''):
    """Nested dictionaries as one, with names such as `G_args.fmap_base`."""
    flat = {}
    for key, value in options.items():
        flat.update(_flat(value, prefix + key + '.') if isinstance(value, dict) else {prefix + key: value})
    return flat
