"""Programs work and print in any encoding: names of files are UTF-8, and escapes stand for what can't be printed."""

import io
import os
import subprocess
import sys

_UTF8 = {'PYTHONUTF8': '1', 'LC_ALL': 'C.UTF-8'}  # Python 3.7 and newer; 3.6


def start_in_utf8():
    """Starts this program again in UTF-8 where the system claims that names of files are ASCII; else nothing happens.

    That is Python 3.6 under LC_ALL=C, as in containers and cron jobs; newer ones do the same by themselves (PEP 540).
    Names typed would otherwise not equal those in files, and TensorFlow would not open them.
    """
    tried = all(os.environ.get(name) == value for name, value in _UTF8.items())
    command = None if tried or sys.getfilesystemencoding() != 'ascii' else _own_command()
    if command is not None:
        os.execve(sys.executable, command, dict(os.environ, **_UTF8))


def _own_command():
    """The command line of this process; None if it can't be told."""
    spec = getattr(sys.modules['__main__'], '__spec__', None)
    if not sys.executable or spec is None and not os.path.isfile(sys.argv[0]):
        return None
    flags = subprocess._args_from_interpreter_flags()
    return [sys.executable] + flags + ([sys.argv[0]] if spec is None else ['-m', spec.name]) + sys.argv[1:]


def print_any_name():
    """Lets both streams print names of files that are no text in their encoding, with backslash escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')
    if sys.version_info < (3, 7) and sys.stdout is sys.__stdout__ is not None:  # there standard error does it anyway
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, sys.stdout.encoding, 'backslashreplace',
                                      line_buffering=sys.stdout.line_buffering, write_through=True)
