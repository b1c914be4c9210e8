"""Ctrl-C while a program of ours still imports its modules: one line and exit code 130, as `cli.run_main` does later.

`dnnlib/__init__.py` imports it before anything that takes time, so it imports next to nothing itself.
"""

import os
import sys

from dnnlib.names import OWN_MODULES


def watch():
    """Sets `sys.excepthook`, if one of our programs is running; the programs of users keep their tracebacks."""
    program = os.path.basename(sys.argv[0] if getattr(sys, 'argv', None) else '')
    if os.path.splitext(program)[0] not in OWN_MODULES + ('stylegan2',):
        return
    before = sys.excepthook

    def end(kind, error, trace):
        if not issubclass(kind, KeyboardInterrupt):
            return before(kind, error, trace)
        sys.stderr.write('%s: interrupted\n' % program)
        raise SystemExit(130)

    sys.excepthook = end
