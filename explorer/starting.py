"""Starting a training from the page: the form, the command line, the dry run, and a process that survives the page."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

from dnnlib import shell
from explorer import jobs, run_files, values
from explorer.errors import Refused
from training.data.sources import EXTENSIONS
from training.options import presets

PROGRAM = 'python run_training.py'  # as people type it; pip's package rewrites it
NAME = re.compile('[A-Za-z0-9][A-Za-z0-9_-]{0,39}')
MOST_DATASETS, LOOK = 500, 2000  # folders listed; entries of a folder looked at
LOG = 'started-{}.log'  # whose first line is the command; see `run_files.command_of`
START_SECONDS = 600.0  # until the folder of a run must be there
OPTIONS = (  # of the form: name, type, what it may be, default, sentence
    ('resolution', 'choice', ('', '8', '16', '32', '64', '128', '256', '512', '1024'), '', 'Size of the images in '
     'pixels; pictures are cropped and scaled to it. Empty = as stored.'),
    ('total_kimg', 'int', (1, 10 ** 6), 1000, 'Length in thousand images shown. A first look takes 20 at 64 pixels, '
     'good pictures thousands.'),
    ('mirror', 'bool', None, False, 'Flip half of the images left to right. Good for faces and animals, bad for '
     'letters.'),
    ('holdout', 'number', (0, 0.9), 0, 'Share of the data that is not trained on, such as 0.1; its scores show '
     'overfitting.'),
    ('snap', 'int', (1, 10 ** 4), 10, 'Ticks between two picture grids and network files.'),
    ('seed', 'int', (0, 2 ** 31 - 1), 1000, 'Random seed; the same one trains the same network.'),
    ('width', 'choice', ('1', '1/2', '1/4', '1/8'), '1', 'Share of the published feature maps; less is faster and '
     'coarser. 1/4 suits a CPU.'),
)
USUAL = {'resolution': '', 'mirror': False, 'holdout': 0, 'width': '1'}  # values that no word of the command is for
FLAGS = {'mirror': '--mirror-augment', 'total_kimg': '--total-kimg'}
NOT_FOR = {'mirror': ('translation', 'domains')}  # keys of presets.METHODS


class Starter:
    """Datasets below a folder, and trainings on them.

    Args:
        options: app.Options.
        runs: runs.Runs.
        numbers: runs.Numbers for the datasets.
    """

    def __init__(self, options, runs, numbers):
        self._options, self._runs, self._numbers = options, runs, numbers
        self._numbers.of('cats')

    def form(self):
        """The reply of `api/start`."""
        datasets = [dict(number=0, name='cats (built in)')] + [
            dict(number=self._numbers.of(name), name=name) for name in self._datasets()]
        return dict(datasets=datasets, configs=configs(), options=[_described(*option) for option in OPTIONS])

    def _datasets(self):
        """Names of the folders and zips below the data folder that may be datasets."""
        if self._options.data_dir is None:
            return []
        found = []
        for entry in sorted(os.scandir(self._options.data_dir), key=lambda entry: entry.name):
            if entry.name.startswith('.') or len(found) == MOST_DATASETS:
                continue
            if entry.is_file() and entry.name.endswith('.zip') or entry.is_dir() and _holds_images(entry.path):
                found.append(entry.name)
        return found

    def words(self, wanted, is_dry):
        """Arguments of the training.

        Args:
            wanted: {'dataset', 'config', 'name', 'options'}, checked.
            is_dry: Only try it?
        """
        name = self._numbers.get(wanted['dataset'], 'dataset')
        words = ['--dataset=' + name, '--config=' + wanted['config']]
        if name != 'cats' or self._options.data_dir is not None and name in self._datasets():
            words.append('--data-dir=' + shell.short(self._options.data_dir))
        words.append('--result-dir=' + shell.short(os.path.join(self._options.result_dir, wanted['name'])))
        for option, value in wanted['options'].items():
            if option not in USUAL or value != USUAL[option]:
                flag = FLAGS.get(option, '--' + option)
                words.append(flag + '=' + ('yes' if value is True else f'{value:g}' if isinstance(value, float) else
                                           str(value)))
        words += [f'{flag}={value}' for flag, value in self._options.flags.items()]
        return words + ['--dry-run'] * is_dry

    def command(self, wanted):
        """What somebody would type, text."""
        return shell.line(PROGRAM.split() + self.words(wanted, False))

    def dry_run(self, job, wanted):
        """A job: tries the training; its `result`. Arguments as of `words`."""
        lines, process = [], subprocess.Popen(
            _program() + self.words(wanted, True), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=_environment(), start_new_session=True)
        os.set_blocking(process.stdout.fileno(), False)
        data = b''
        try:
            while True:
                code = process.poll()
                data = (data + (process.stdout.read() or b''))[-(1 << 16):]
                lines = data.decode('utf-8', 'replace').splitlines()[-40:]
                job.tell(0.5, (lines or ['starting Python'])[-1][:200])
                if code is not None:
                    break
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
        job.tried = self.command(wanted)
        return dict(code=code, lines=[line[:300] for line in lines], command=job.tried)

    def start(self, job, wanted):
        """A job: starts the training as a process of its own; its `result` is the number of the run.

        Whoever cancels it, or ends the server, before the run has its folder ends the process, too.
        """
        folder = os.path.join(self._options.result_dir, wanted['name'])
        os.makedirs(folder, exist_ok=True)
        known = {path for path in self._runs.paths() if run_files.state_of(path) in ('running', 'paused', 'starting')}
        log = os.path.join(folder, LOG.format(time.strftime('%Y%m%d-%H%M%S')))
        with open(log, 'xb') as file:
            file.write(self.command(wanted).encode('utf-8', 'replace') + b'\n')
            file.flush()
            process = subprocess.Popen(_program() + self.words(wanted, False), stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=subprocess.STDOUT, env=_environment(), start_new_session=True)
        threading.Thread(target=process.wait, daemon=True).start()  # takes it away when it ends, however late
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            found = [path for path in self._runs.paths() if os.path.realpath(os.path.dirname(path)) == os.path.realpath(
                folder) and path not in known and run_files.state_of(path) in ('running', 'paused', 'starting')]
            if found:
                return dict(run=self._runs.number(found[0]))
            if process.poll() is not None:
                lines = run_files.log_lines(log)[1:]
                raise Refused((lines or ['it ended at once'])[-1], 409)
            try:
                job.tell(0.5, 'starting')
            except jobs.Canceled:
                try:
                    os.killpg(process.pid, signal.SIGTERM)
                except ProcessLookupError:  # it just ended
                    pass
                raise
            time.sleep(0.2)
        raise Refused('the training has not made its folder; look at the log in the result folder', 409)


def configs():
    """Configurations that the form offers: list of {'name', 'method', 'text'}."""
    return [dict(name=name, method=preset.title, text=getattr(config, 'adds', None) or TEXTS.get(name, preset.title))
            for preset in presets.METHODS.values() for name, config in preset.configs.items() if _is_offered(name)]


def _is_offered(name):
    return not name.startswith('config-e-G')  # combinations of architectures


def _configs_for(option):
    """Names of the configurations that an option is for; None = all."""
    if option not in NOT_FOR:
        return None
    return [name for key, preset in presets.METHODS.items() if key not in NOT_FOR[option] for name in preset.configs
            if _is_offered(name)]


TEXTS = {'auto': 'StyleGAN2-ADA by the size of the data and the number of GPUs',
         'small': 'StyleGAN2-ADA for small images and a CPU',
         'config-f': 'the best of the StyleGAN2 paper', 'progan': 'grows from 4x4 pixels',
         'progan-paper': 'the numbers of the ProGAN paper'}


def check(wanted):
    """The fields of `api/start` as checked values; raises Refused."""
    if not NAME.fullmatch(wanted['name']):
        raise Refused('name must be 1 to 40 letters, digits, _ or -, and begin with a letter or digit')
    if run_files.RUN.match(wanted['name']):  # its folder would be taken for a run, not for one of runs
        raise Refused('name must not begin with digits and -, as the folder of a run does; put a letter before them')
    if wanted['config'] not in {item['name'] for item in configs()}:
        raise Refused('config must be one of those that api/start lists')
    known, found = {option[0]: option for option in OPTIONS}, {}
    for name, value in wanted['options'].items():
        if name not in known:
            raise Refused(f'unknown option {values.shown(name)}; api/start lists those that there are')
        _, kind, limits, _, _ = known[name]
        parse = {'int': values.whole, 'number': values.number, 'choice': values.choice}.get(kind)
        if value is not False and wanted['config'] not in (_configs_for(name) or [wanted['config']]):
            raise Refused(f'{name} is not for {wanted["config"]}; leave it out')
        found[name] = values.yes_or_no(name, value) if kind == 'bool' else parse(*limits)(name, value)
    return dict(wanted, options=found)


def _described(name, kind, limits, default, text):
    found = dict(name=name, type=kind, default=default, text=text)
    if kind == 'choice':
        found['choices'] = list(limits)
    elif limits is not None:
        found.update(min=limits[0], max=limits[1])
    return found if _configs_for(name) is None else dict(found, configs=_configs_for(name))


def _holds_images(path):
    """Does a folder hold pictures or TFRecords, in itself or in a folder in it? Only some entries are looked at."""
    looked = 0
    for _, folders, names in os.walk(path):
        folders.sort()
        for name in names:
            looked += 1
            if name.lower().endswith(tuple(EXTENSIONS) + ('.tfrecords',)):
                return True
            if looked > LOOK:
                return False
    return False


def _program():
    """The command that runs run_training.py, list."""
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'run_training.py')
    is_installed = '.' in __package__
    return [sys.executable] + (['-m', __package__.split('.')[0], 'train'] if is_installed else [path])


def _environment():
    """Environment of a training: Python's output comes at once."""
    return dict(os.environ, PYTHONUNBUFFERED='1')
