"""Paths and command lines as people type them here; standard library only."""

import os
import shlex
import subprocess


def short(path):
    """A path relative to the working directory if that is above it, otherwise unchanged."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another drive of Windows
        return path
    return path if relative.startswith(os.pardir) else relative


def line(words):
    """The words of a command, list of str, joined and quoted for the shell of this system."""
    if os.name == 'nt':
        return subprocess.list2cmdline(words)
    return ' '.join(shlex.quote(word) for word in words)
