"""Which run a command resumes, and what a training starts from."""

import glob
import json
import os
import re

from dnnlib import UserError
from dnnlib.run.run_dir import is_locked, list_runs
from training import pretrained
from training.options import earlier
from training.state import files, pairs

OPTIONS_FILE = 'training_options.json'
SAFE = ('total_kimg', 'image_snapshot_ticks', 'network_snapshot_ticks', 'checkpoint_minutes', 'keep', 'keep_best',
        'nan_patience', 'metric_arg_list', 'tf_config', 'strict', 'save_tf_graph', 'save_weight_histograms',
        'bad', 'data_workers', 'start_timeout', 'max_hours')  # may change in a run
SAFE_IF_NAMED = ('augment_args.max_strength', 'method_args.augment_args.max_strength')  # the run, by --resume
LIMITS = ('start_timeout', 'max_hours')  # of a process, not of its training: entered later
FLAGS = {'augment_args.initial_strength': '--p', 'augment_args.max_strength': '--p-max',
         'augment_args.tune_target': '--target', 'sched_args.minibatch_gpu_base': '--minibatch-gpu'}
FOUND = ('resume_state', 'resume_pkl')  # what --resume becomes
ORIGIN = ('resume_state', 'resume_pkl', 'resume_kimg')  # what a run started from; no effect once it has a state


def starts_from_networks(resume):
    """Does `--resume` name a network file, or a run or state that began with one?

    Args:
        resume: See `choose_run`.
    """
    if resume in ('auto', 'none'):
        return False
    if not os.path.isdir(pairs.named(resume)):
        return True
    saved = _saved_options(files.run_of(resume) if files.is_state(resume) else resume) or {}
    state = saved.get('resume_state')  # its run may no longer have it
    return saved.get('resume_pkl') is not None or bool(
        state and os.path.isdir(files.run_of(state)) and starts_from_networks(files.run_of(state)))


def choose_run(resume, result_dir, run_desc, options):
    """Decides where to train, and enters `resume_pkl` or `resume_state` into the options if the training begins there.

    Args:
        resume: 'auto', 'none', a run directory, the folder of a state, or the path or URL of a network pickle; see
            `check_start` for what must be checked before.
        result_dir: Folder of the run directories.
        run_desc: Description of this run.
        options: Result of `make_options`; changed.
    Returns: Run directory to continue in, `None` = a new one.
    Raises: UserError if a run directory has other options or is in use.
    """
    if resume == 'none':
        return None
    resume = pairs.named(resume)
    if resume != 'auto' and os.path.isdir(resume):
        if not files.is_state(resume):
            return _continue_in(resume, options)
        check_same_options(files.run_of(resume), options)
        options['resume_state'] = resume
    elif resume != 'auto':
        options['resume_pkl'] = resume
    same_name = '-[0-9]+gpu-'.join(re.escape(part) for part in re.split('-[0-9]+gpu-', run_desc))  # on any number
    run_dirs = [path for _, path in list_runs(result_dir) if re.match('[0-9]+-' + same_name + '$',
                                                                      os.path.basename(path))]
    unfinished = find_unfinished(run_dirs, options)
    if unfinished is not None:
        _tell(unfinished, options)
    else:
        finished = find_finished(run_dirs, options)
        if finished is not None:
            print(f'{finished} is finished; starting a new run. To continue it, raise --total-kimg.')
        _tell_not_continued(run_dirs, options)
    return unfinished


def check_start(resume):
    """Checks what can be checked of a run directory, state or network file without the options of the training.

    Args:
        resume: See `choose_run`, neither 'auto' nor 'none'.
    Raises: UserError if a run directory has trained but holds no state, a state is damaged, or a file is no network
        pickle.
    """
    if not os.path.isdir(pairs.named(resume)):
        for path in pairs.split(pairs.named(resume)) or [resume]:
            pretrained.check_network_file(path)
    elif files.is_state(resume):
        files.check(resume)
    elif files.latest_state(resume) is None and not can_start_over(resume):
        hidden = pretrained.SHORT_NAMES.get(resume)
        more = '' if hidden is None else f'; the published network of that name, which this folder hides, is {hidden}'
        raise UserError(f'--resume: {resume!r} holds no saved state; give a run directory with a folder '
                        f'{files.STATE_DIR!r}, or a state in it{more}')


def arguments(argv, run_dir):
    """The arguments `argv` of a command, list of str, changed so that they resume a run."""
    kept = [arg for i, arg in enumerate(argv) if not arg.startswith('--resume') and argv[i - 1:i] != ['--resume']]
    return kept + ['--resume=' + run_dir]


def _continue_in(run_dir, options):
    """Checks that a run directory that was named can be continued with these options; returns it."""
    saved = _saved_options(run_dir) or {}
    options.update((key, saved[key]) for key in ORIGIN if key in saved)
    check_same_options(run_dir, options)
    if is_locked(run_dir):
        raise UserError(f'another process is training in {run_dir!r}; stop it or choose another folder')
    _tell(run_dir, options)
    return run_dir


def _tell(run_dir, options):
    if files.latest_state(run_dir) is None:
        print(f'Starting over in {run_dir}, which ended before it saved anything')
        return
    print(f'Continuing the run in {run_dir}')
    changes = safe_changes(run_dir, options)
    if changes:
        print('Changed since it was started: ' + ', '.join(changes))


def _saved_options(run_dir):
    """The options that a run was started or last resumed with, `None` if they can't be read."""
    try:
        with open(os.path.join(run_dir, OPTIONS_FILE)) as f:
            saved = json.load(f)
    except (OSError, ValueError):
        return None
    return earlier.with_first(saved) if isinstance(saved, dict) else None


def find_unfinished(run_dirs, options):
    """The newest run that these options continue.

    Args:
        run_dirs: Run directories, oldest first.
        options: Options of the training that is about to start, plain dictionary with 'total_kimg'.
    Returns: Run directory; `None` if no run with the same options (those in SAFE may differ) has a state before the end
        of this training, or was killed before its first, or another process is training in it.
    """
    same = [run_dir for run_dir in reversed(run_dirs) if _same_run(run_dir, options) and not is_locked(run_dir)]
    for run_dir in same:
        counters = files.latest_counters(run_dir)
        if counters and counters.nimg < options['total_kimg'] * 1000:
            return run_dir
    for run_dir in same:
        if _was_killed_early(run_dir):
            return run_dir
    return None


def find_finished(run_dirs, options):
    """The newest run of these options that is as long as this training, `None` if there is none."""
    for run_dir in reversed(run_dirs):
        counters = files.latest_counters(run_dir)
        if counters and counters.nimg >= options['total_kimg'] * 1000 and _same_run(run_dir, options):
            return run_dir
    return None


def _tell_not_continued(run_dirs, options):
    """Prints the newest unfinished run that would be continued, were it not for options that nobody changed."""
    wanted = _flat(_without(options, SAFE))
    for run_dir in reversed(run_dirs):
        counters = files.latest_counters(run_dir)
        if counters and counters.nimg < options['total_kimg'] * 1000:
            found = earlier.how_to_continue(run_dir, _flat(_without(_saved_options(run_dir) or {}, SAFE)), wanted)
            if found is not None:
                print('{} is not continued, since {}; to continue it, give {}'.format(run_dir, *found))
                return


def can_start_over(run_dir):
    """Is this a run directory of a training that ended before it had saved anything? It begins there again."""
    return _saved_options(run_dir) is not None and _was_killed_early(run_dir)


def _was_killed_early(run_dir):
    """Did a run end (killed, by Ctrl-C, by an error) before it had a state or a network that was trained at all?"""
    networks = [os.path.basename(path) for path in glob.glob(os.path.join(glob.escape(run_dir), 'network-*.pkl'))]
    return not (files.list_states(run_dir) or set(networks) - {'network-snapshot-000000.pkl'})


def _same_run(run_dir, options):
    saved = _saved_options(run_dir)
    return saved is not None and _without(saved, SAFE) == _without(options, SAFE)


def check_same_options(run_dir, options):
    """Refuses to continue a run with other options than those it was started with.

    Args:
        run_dir: Run directory; one without readable options is accepted.
        options: See `find_unfinished`.
    Raises: UserError naming the first option that differs.
    """
    saved = _saved_options(run_dir)
    if saved is None:
        return
    found, wanted = _flat(_without(saved, SAFE + ORIGIN)), _flat(_without(options, SAFE + ORIGIN))
    later = '.multiple', earlier.ROUNDS[1]
    for name in sorted(set(found) | set(wanted), key=lambda name: (name.endswith(later), name)):
        if name not in SAFE_IF_NAMED and found.get(name) != wanted.get(name):  # what the networks decide comes last
            values = ['not set' if value is None else repr(value) for value in (found.get(name), wanted.get(name))]
            networks = sorted(glob.glob(os.path.join(glob.escape(run_dir), 'network-*.pkl')))  # the final one first
            begin = f', begin from its networks with --resume={networks[0]}' if networks else ''
            _, same = earlier.how_to_continue(run_dir, *(
                {key: value for key, value in options.items() if key not in SAFE_IF_NAMED}
                for options in (found, wanted))) or ('', 'the same options')
            raise UserError(f'--resume={run_dir}: {_as_set(name)} is {values[0]} in that run but {values[1]} now; give '
                            f'{same}{begin}, or start over with --resume=none')


def safe_changes(run_dir, options):
    """Options that may differ from those of a run, and do: list of texts such as `total_kimg 10 -> 20`."""
    saved = _saved_options(run_dir) or {}  # without options that there were not yet
    found, wanted = _flat(_without(saved, ())), _flat(_without(options, ()))
    return [f'{FLAGS.get(name.replace("method_args.", ""), name)} {found.get(name)} -> {wanted.get(name)}'
            for name in sorted(set(found) | set(wanted))
            if {name, name.split('.')[0]} & {*SAFE_IF_NAMED, *(set(SAFE) - set(LIMITS)) & set(saved)}
            and found.get(name) != wanted.get(name)]


def _without(options, names):
    """Options but those of some names, in the form that they have after a trip through JSON."""
    return json.loads(json.dumps({key: value for key, value in options.items() if key not in names}))


def _as_set(name):
    """The name of an option of `_flat` as the command line has it: `G.fmap_base` of `method_args.G_args.fmap_base`."""
    flag = FLAGS.get(name.replace('method_args.', ''))
    if flag is not None:
        return flag
    if name == 'dataset_args.multiple':
        return 'what the sides of pictures are multiples of (which the depth of the networks decides)'
    return re.sub(r'_args\b', '', re.sub('^method_args[.](.*[.])?', lambda found: found.group(1) or 'train.', name))


def _flat(options, prefix=''):
    """Nested dictionaries as one, with names such as `G_args.fmap_base`."""
    flat = {}
    for key, value in options.items():
        flat.update(_flat(value, prefix + key + '.') if isinstance(value, dict) else {prefix + key: value})
    return flat
