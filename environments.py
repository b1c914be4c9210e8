#!/usr/bin/env python3
"""Finds the Pythons on this machine and creates a virtual environment for each in .venv/; standard library only.

`python3 environments.py` prepares the best one (newest TensorFlow, otherwise 1.14) and prints the path of its Python,
and, on standard error, the line to type to use it.
The folder is `.venv/` of the project, or the one named by the environment variable STYLEGAN2_VENVS.
"""

import fcntl
import glob
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import namedtuple

ROOT = os.path.dirname(os.path.abspath(__file__))
OLDEST_PIP = '21.3.1'  # Python 3.6 comes with pip 18.1, which takes packages that need a newer Python
PYTHONS = {'newest': ((3, 13), (3, 12), (3, 11), (3, 10)), '1.14': ((3, 6), (3, 7))}  # TensorFlow: Pythons, best first

Environment = namedtuple('Environment', 'python version tensorflow')  # path of its python, (3, 6), 'newest' or '1.14'


class SetupError(Exception):
    """An environment can't be created; the message says why and what to do."""


def cache_dir():
    """Folder of weights and native libraries, for all environments: $STYLEGAN2_CACHE or .stylegan2-cache/ here.

    Not the user's own, so that `make clean` removes it; programs find what is there, see dnnlib/cache.py.
    """
    return os.path.abspath(os.environ.get('STYLEGAN2_CACHE') or os.path.join(ROOT, '.stylegan2-cache'))


def find_python(version):
    """Path of a Python of `version`, such as (3, 6), that can create environments: from PATH or pyenv, or None."""
    name = 'python%d.%d' % version
    folders = os.environ.get('PATH', '').split(os.pathsep)
    candidates = [os.path.join(folder, name) for folder in folders] + [sys.executable]
    pyenv = os.environ.get('PYENV_ROOT') or os.path.join(os.path.expanduser('~'), '.pyenv')
    candidates += sorted(glob.glob(os.path.join(pyenv, 'versions', '%d.%d.*' % version, 'bin', 'python')), reverse=True)
    probe = 'import ctypes, ensurepip, ssl, sys, venv; print("%d.%d" % sys.version_info[:2])'
    for path in candidates:
        if path and os.access(path, os.X_OK):  # a pyenv shim may exist but not work
            run = subprocess.run([path, '-c', probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if run.returncode == 0 and run.stdout.decode().strip() == name[len('python'):]:
                return path
    return None


def find_all():
    """All usable (version, tensorflow, interpreter path): the best for the newest TensorFlow, and all for 1.14."""
    found = []
    for tensorflow in ('newest', '1.14'):
        for version in PYTHONS[tensorflow]:
            path = find_python(version)
            if path:
                found.append((version, tensorflow, path))
                if tensorflow == 'newest':
                    break
    return found


def prepare(version, tensorflow, interpreter, requirements='requirements.txt', say=None):
    """Creates the virtual environment of one Python, or reuses it if the requirement files are unchanged.

    Args:
        version: Python version, (major, minor).
        tensorflow: 'newest' or '1.14', stored in the result.
        interpreter: Path of the Python to create it with.
        requirements: Requirement file in the project's folder.
        say: Called with a line of text when something takes long; None = silent.
    Returns: Environment. Raises SetupError if pip fails.
    """
    home = os.path.abspath(os.environ.get('STYLEGAN2_VENVS') or os.path.join(ROOT, '.venv'))
    folder = os.path.join(home, 'python%d.%d' % version)
    python = os.path.join(folder, 'bin', 'python')
    stamp = os.path.join(folder, requirements + '.stamp')
    os.makedirs(home, exist_ok=True)
    with open(folder + '.lock', 'w') as lock:  # for two `make` commands at once; freed by the kernel if one is killed
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _fingerprint(requirements, interpreter)
        if not (os.path.exists(python) and _read(stamp) == wanted):
            started = time.time()
            if say:
                say('Python %d.%d: installing %s into %s (about a minute) ...' % (version + (requirements, folder)))
            _install(interpreter, python, folder, version, requirements)
            with open(stamp + '.new', 'w') as f:
                f.write(wanted)
            os.replace(stamp + '.new', stamp)
            if say:
                say('Python %d.%d: installed in %.0f s' % (version + (time.time() - started,)))
    return Environment(python, version, tensorflow)


def activation(environment):
    """The line to type so that `python` is that of an environment, in the project's folder or wherever this runs."""
    path = os.path.join(os.path.dirname(environment.python), 'activate')
    relative = os.path.relpath(path)
    return 'source ' + shlex.quote(path if relative.startswith(os.pardir) else relative)


def run_environment():
    """Environment variables for the programs: the cache folder, a quiet TensorFlow, unbuffered output."""
    env = dict(os.environ, STYLEGAN2_CACHE=cache_dir())
    env.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    env['PYTHONUNBUFFERED'] = '1'
    return env


def build_operations(python, say):
    """Builds the native operations ahead of time; programs work without them, so a failure is not an error.

    Args:
        python: Of an environment.
        say: Called with a line of text before, and with one after: where the library is, or why there is none.
    """
    say('Native operations: looking for them, or compiling them (about a minute) ...')
    run = subprocess.run([python, '-m', 'dnnlib.tflib.ops.build'], cwd=ROOT, env=run_environment(),
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = run.stdout.decode(errors='replace').strip().splitlines() or ['exit code %d' % run.returncode]
    say('Native operations: ' + lines[-1])


def _install(interpreter, python, folder, version, requirements):
    """Runs venv and pip; shows their output only if they fail."""
    works = os.path.exists(python) and subprocess.call([python, '-c', 'import pip'], stderr=subprocess.DEVNULL) == 0
    if not works:
        shutil.rmtree(folder, ignore_errors=True)
        _checked([interpreter, '-m', 'venv', folder])
    pip = [python, '-m', 'pip', 'install', '--disable-pip-version-check']
    if version < (3, 7):
        _checked(pip + ['pip==' + OLDEST_PIP])
    _checked(pip + ['--prefer-binary', '-r', os.path.join(ROOT, requirements)])


def _checked(command):
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode != 0:
        tail = '\n'.join(run.stdout.decode(errors='replace').strip().splitlines()[-15:])
        raise SetupError('%s\nfailed with exit code %d: %s\nCheck the network and the free disk space (2 GB are '
                         'needed), then run the same command again.' % (tail, run.returncode, ' '.join(command)))


def _fingerprint(requirements, interpreter):
    """Hash of the requirement file, the files that it includes, and the interpreter."""
    digest, waiting = hashlib.sha256(os.path.realpath(interpreter).encode()), [requirements]
    while waiting:
        text = _read(os.path.join(ROOT, waiting.pop()))
        digest.update(text.encode())
        waiting += [line.split()[1] for line in text.splitlines() if line.startswith('-r ')]
    return digest.hexdigest()


def _read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return ''


def best(requirements='requirements.txt', say=None):
    """The environment for daily use: newest TensorFlow if a Python for it is here, else 1.14. Raises SetupError."""
    found = find_all()
    if not found:
        raise SetupError('No usable Python: version 3.10 to 3.13 (newest TensorFlow) or 3.6, 3.7 (TensorFlow 1.14) is '
                         'needed, with its venv and ensurepip modules (Debian: package python3-venv).')
    return prepare(*found[0], requirements=requirements, say=say)


def main():
    """Prints the path of the best environment's python; progress, and what to type next, go to stderr."""
    def say(line):
        print(line, file=sys.stderr, flush=True)

    try:
        environment = best(say=say)
    except SetupError as e:
        print('environments.py: %s' % e, file=sys.stderr)
        return 1
    build_operations(environment.python, say)
    print(environment.python, flush=True)
    say('To use it, type:\n' + activation(environment))
    return 0


if __name__ == '__main__':
    sys.exit(main())
