"""Numbered run directories: their names, their files, and calling a function inside one."""

import contextlib
import copy
import json
import os
import pickle
import re
import shutil
import time
import traceback

import dnnlib
from dnnlib import disk, util
from dnnlib.files import safe_pickle
from dnnlib.run.context import ABORT_FILE, RUN_FILE, RunContext
from dnnlib.util import EasyDict, UserError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

CONFIG_PKL = 'submit_config.pkl'
CONFIG_TXT = 'submit_config.txt'
LOG_FILE = 'log.txt'
_MAX_CONFIG_BYTES = 1 << 24
FINISHED_FILE = '_finished.txt'
_START_FILES = re.compile(  # of training, written before its first step
    r'(.*-)?skipped\.csv|minibatch_gpu\.json|precision\.json|reals.*\.png|fakes_init\.png|classes\.json|'
    r'events\.out\.tfevents\..*|log-worker\d+\.txt')
_entered = []  # (SubmitConfig, folders that were made for it) of the runs that this process is in


class FolderLocked(UserError):
    """Another process is using a folder that only one process may use."""


class SubmitConfig(EasyDict):
    """Name of a run and where it writes.

    Set before `submit_run`: `run_dir_root` (folder of the numbered run directories, created if missing; `<USERNAME>` is
    replaced), `run_desc` (last part of the directory's name), `num_gpus`, `options_file` (name of the JSON file that
    holds the options of the run function; `None` = no such file). Filled in by `submit_run`: `run_id`, `run_name`,
    `run_dir`, `run_func_name`, `run_func_kwargs`, `user_name`, `task_name`, `host_name`. The function may set
    `stopped_by` to something true if it ended early; the log then says so.
    """

    def __init__(self, **fields):
        super().__init__(run_dir_root='', run_desc='', num_gpus=1, options_file='training_options.json',
                         run_id=None, run_name=None, run_dir=None, run_func_name=None, run_func_kwargs=None,
                         user_name=None, task_name=None, host_name='localhost')
        unknown = sorted(set(fields) - set(self))
        if unknown:
            raise TypeError(f"SubmitConfig has no field {', '.join(unknown)}; known: {', '.join(self)}")
        self.update(fields)


def submit_run(submit_config, run_func, resume_run_dir=None, **run_func_kwargs):
    """Creates a run directory and calls a function in it, in this process.

    Standard output and standard error are copied to `log.txt`. `_finished.txt` appears at the end, even after a
    failure. A run that is refused with a UserError, cannot read or import something, or is interrupted before it wrote
    any file of its own leaves no directory behind.

    Args:
        submit_config: SubmitConfig; it is copied.
        run_func: The function, or its full name such as `'training.training_loop.training_loop'`. If it has a
            parameter `submit_config`, it receives the completed configuration.
        resume_run_dir: Existing run directory to resume in, appending to its log; `None` = a new one.
        run_func_kwargs: Keyword arguments of the function; they must be plain enough for JSON.
    Returns: The completed SubmitConfig.
    Raises: UserError if the root or the description is unusable; FolderLocked, a UserError, if another process uses the
        directory to resume in; whatever the function raises.
    """
    config = copy.deepcopy(submit_config)
    if not config.num_gpus or config.num_gpus < 0:
        raise UserError(f'num_gpus must be at least 1, got {config.num_gpus}')
    if isinstance(run_func, str):
        run_func = util.get_obj_by_name(run_func)
    config.user_name = get_user_name()
    config.run_func_name = util.get_top_level_function_name(run_func)
    config.run_func_kwargs = copy.deepcopy(run_func_kwargs)
    made = []
    if resume_run_dir is None:
        _create_run_dir(config, made)
    else:
        _name_existing(config, resume_run_dir)
    with locked(config.run_dir):
        if resume_run_dir is not None:
            _forget_the_end(config.run_dir)
        _entered.append((config, made))
        try:
            _write_config(config)
            print(f'Local submit - run_dir: {config.run_dir}')
            _run(config, run_func, append_log=resume_run_dir is not None)
        except (UserError, OSError, ImportError, KeyboardInterrupt, SystemExit):  # that is SIGTERM, perhaps
            _remove_if_unused(config, made)
            raise
        finally:
            _entered.pop()
    return config


def remove_refused():
    """As after a UserError, for a process that ends without coming back to `submit_run`: removes the directory of its
    run if that is new and holds no results."""
    for config, made in _entered[-1:]:
        _remove_if_unused(config, made)


@contextlib.contextmanager
def locked(folder, wait=False):
    """Context manager: until it exits, or the process ends, no other process can enter the same folder.

    Does nothing if the system or the file system has no locks.

    Args:
        folder: An existing folder.
        wait: Wait until the other process leaves? By default fail at once, as a run may last for weeks.
    Raises: FolderLocked, a UserError, if another process is using it.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise FolderLocked('another process is running in {!r}; stop it or choose a different folder'.format(
                folder)) from None
        except OSError:  # some network file systems have no locks
            pass
        yield
    finally:
        os.close(handle)


def is_locked(folder):
    """Is another process using this folder?"""
    try:
        with locked(folder):
            return False
    except FolderLocked:
        return True


def make_run_dir_path(*parts):
    """Path below the directory of the current run, or below the working directory if no run is active."""
    root = os.getcwd() if dnnlib.submit_config is None else dnnlib.submit_config.run_dir
    return os.path.join(root, *parts)


def get_user_name():
    """Login name; characters not allowed in task names become `_`; `user` if there is no name."""
    try:
        import getpass
        name = getpass.getuser()
    except (KeyError, ImportError, OSError):  # a container's user without an entry in the password file
        name = ''
    return re.sub('[^a-zA-Z0-9_.-]', '_', name).lstrip('_.-') or 'user'


def list_runs(run_dir_root):
    """Run directories in a folder.

    Args:
        run_dir_root: The folder; a missing one has no runs.
    Returns: List of (run id, path), sorted.
    """
    if not os.path.isdir(run_dir_root):
        return []
    paths = [(re.match('[0-9]+', name), os.path.join(run_dir_root, name)) for name in os.listdir(run_dir_root)]
    return sorted((int(match.group()), path) for match, path in paths if match and os.path.isdir(path))


def load_submit_config(run_dir):
    """Reads a `submit_config.pkl` of any version without running any code in it.

    Args:
        run_dir: The run directory.
    Returns: Dictionary of the fields; objects of unknown classes become dictionaries of their attributes.
    Raises: UserError if the file is not a pickled configuration; OSError if it cannot be read.
    """
    path = os.path.join(run_dir, CONFIG_PKL)
    with open(path, 'rb') as f:
        try:
            config = safe_pickle.load(safe_pickle.read_all(f, _MAX_CONFIG_BYTES), lambda name: _Inert)[0]
        except UserError as error:
            raise UserError(f'{path!r} is not a pickled run configuration ({error})') from error
    if not isinstance(config, dict):
        raise UserError(f'{path!r} contains a {type(config).__name__}, expected a run configuration')
    return config


class _Inert(dict):
    """Stands in for every class in a pickle: keeps the state and runs nothing."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def set_state(self, state):
        """Keeps the attributes."""
        if isinstance(state, dict):
            self.update(state)


def _create_run_dir(config, made):
    """Creates `<id>-<desc>`, id = 1 + the largest in use; appends every folder it creates to the list `made`."""
    root = os.path.normpath(config.run_dir_root.replace('<USERNAME>', config.user_name))
    _name_run(config, 0)  # rejects a bad description before a folder exists
    missing = root
    while missing and missing not in made and not os.path.isdir(missing):  # a drive may be missing: its own parent
        made.append(missing)
        missing = os.path.dirname(missing)
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise UserError('cannot create the result folder {!r} ({}); choose a different --result-dir'.format(
            root, error.strerror)) from error
    with locked(root, wait=True):  # so that two simultaneous starts get two numbers
        while True:
            _name_run(config, max([run_id + 1 for run_id, _ in list_runs(root)] or [0]))
            config.run_dir = os.path.join(root, config.run_name)
            try:
                os.mkdir(config.run_dir)
            except FileExistsError:  # if there are no locks
                continue
            made.insert(0, config.run_dir)
            return


def _name_existing(config, run_dir):
    match = re.match('([0-9]+)-(.+)$', os.path.basename(os.path.abspath(run_dir)))
    if not match or not os.path.isdir(run_dir):
        raise UserError(f'{run_dir!r} is not a run directory; expected a folder such as 00012-name')
    config.run_desc = match.group(2)
    _name_run(config, int(match.group(1)))
    config.run_name = os.path.basename(os.path.abspath(run_dir))
    config.run_dir = run_dir


def _forget_the_end(run_dir):
    for name in (FINISHED_FILE, ABORT_FILE):
        if os.path.exists(os.path.join(run_dir, name)):
            os.remove(os.path.join(run_dir, name))


def _name_run(config, run_id):
    config.run_id = run_id
    config.run_name = f'{run_id:05d}-{config.run_desc}'
    config.task_name = f'{config.user_name}-{config.run_name}'
    if not re.match('[a-zA-Z0-9][a-zA-Z0-9_.-]+$', config.task_name):
        raise UserError('the description of a run may contain only letters, digits, "_", "." and "-", got {!r}'.format(
            config.run_desc))


def _write_config(config):
    path = os.path.join(config.run_dir, CONFIG_PKL)
    with util.atomic_path(path) as temp_path:
        with open(temp_path, 'wb') as f:
            pickle.dump(util.plain(config), f, protocol=3)  # plain values and an old protocol: every Python 3 reads it
    util.write_text(os.path.join(config.run_dir, CONFIG_TXT), util.pretty(config))
    if config.options_file is not None:
        text = json.dumps(util.plain(config.run_func_kwargs), indent=2)
        util.write_text(os.path.join(config.run_dir, config.options_file), text + '\n')


def _run(config, run_func, append_log):
    """Calls the function with the log, the current configuration and the run context set up."""
    kwargs = copy.deepcopy(config.run_func_kwargs)
    if util.has_parameter(run_func, 'submit_config'):
        kwargs['submit_config'] = config
    outer, dnnlib.submit_config = dnnlib.submit_config, config
    start = time.time()
    with util.Logger(os.path.join(config.run_dir, LOG_FILE), 'a' if append_log else 'w') as logger:
        try:
            print(f'dnnlib: Running {config.run_func_name}() on {config.host_name}...')
            run_func(**kwargs)
            end = 'Stopped' if config.get('stopped_by') else 'Finished'
            print(f'dnnlib: {end} {config.run_func_name}() in {util.format_time(time.time() - start)}.')
        except BaseException:
            logger.file.write(traceback.format_exc())  # one line on the console, the whole traceback in the log
            raise
        finally:
            with disk.ignoring_full():
                RunContext.get().close()
                util.write_text(os.path.join(config.run_dir, FINISHED_FILE), '')
            dnnlib.submit_config = outer


def _remove_if_unused(config, made):
    own = {CONFIG_PKL, CONFIG_TXT, LOG_FILE, RUN_FILE, FINISHED_FILE, config.options_file}
    if made and all(name in own or _START_FILES.fullmatch(name) for name in os.listdir(config.run_dir)):
        shutil.rmtree(config.run_dir)
        for folder in made[1:]:
            if not os.listdir(folder):
                os.rmdir(folder)
