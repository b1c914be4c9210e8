"""Says in one line which packages this Python lacks, and which Python has them; standard library only.

It comes before every import of such a package: `dnnlib/__init__.py` calls it first, `dnnlib/tflib/__init__.py` for
TensorFlow, without which data can be prepared and curves drawn.
"""

import importlib.util
import os
import re
import sys

from dnnlib import shell

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ALWAYS = ('numpy', 'PIL', 'scipy', 'tqdm')
_IN_PIP = {'PIL': 'pillow', 'tensorflow': 'tensorflow==1.14.0' if sys.version_info < (3, 8) else 'tensorflow'}


class MissingPackages(ImportError):
    """What this Python lacks, in one line; a program ends with it and exit code 2."""


def check(names):
    """Are the modules `names` installed? If so, nothing is imported.

    Raises: MissingPackages naming all that is missing, TensorFlow included; uncaught, it is printed as one line.
    """
    problem = _problem(names)
    if problem:
        if sys.excepthook is not _say:
            _say.before, sys.excepthook = sys.excepthook, _say
        raise MissingPackages(problem)


def environments():
    """Pythons of the environments that `make setup` has made, newest first, as paths to type here."""
    folder = os.environ.get('STYLEGAN2_VENVS') or os.path.join(ROOT, '.venv')
    names = [name for name in (os.listdir(folder) if os.path.isdir(folder) else [])
             if re.match('python3[.][0-9]+$', name)]
    found = [os.path.join(folder, name, 'bin', 'python') for name in sorted(names, key=lambda name: -int(name[8:]))]
    return [shell.short(path) for path in found
            if os.path.exists(path) and os.path.dirname(os.path.dirname(path)) != sys.prefix]


def _problem(names):
    """The line, or None if all is there."""
    if all(_exists(name) for name in names):
        return None
    missing = [name for name in ALWAYS + ('tensorflow',) if not _exists(name)]
    version = '.'.join(str(number) for number in sys.version_info[:3])
    return '%s %s not installed in %s (Python %s); %s' % (
        ', '.join(missing), 'are' if len(missing) > 1 else 'is', sys.executable or 'this Python', version,
        _advice(missing))


def _exists(name):
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _advice(missing):
    """What to type."""
    in_checkout = os.path.exists(os.path.join(ROOT, 'environments.py'))
    for python in environments() if in_checkout else ():
        return 'use %s instead, or first type: %s' % (
            shell.line([python]), shell.line(['source', os.path.join(os.path.dirname(python), 'activate')]))
    pip = [sys.executable or 'python', '-m', 'pip', 'install']
    if in_checkout:
        return 'make setup makes an environment, or type: ' + shell.line(
            pip + ['-r', shell.short(os.path.join(ROOT, 'requirements.txt'))])
    return 'type: ' + shell.line(pip + [_IN_PIP.get(name, name) for name in missing])


def _say(kind, error, trace):
    """sys.excepthook that prints a MissingPackages as one line and ends with exit code 2; others as before."""
    if not issubclass(kind, MissingPackages):
        return _say.before(kind, error, trace)
    program = os.path.basename(sys.argv[0] if sys.argv else '')
    sys.stderr.write('%s: error: %s\n' % ('python' if program in ('', '-m', '-c') else program, error))
    raise SystemExit(2)
