"""Cache folders of native libraries: where they are, which are writable, which files are trusted, what failed."""

import contextlib
import errno
import json
import os
import tempfile
import time

from dnnlib import cache, util
from dnnlib.util import UserError

FAILED = 'failed.json'
FAILED_SECONDS = 24 * 60 * 60  # after this, a failed build is tried again


def names(folder):
    """Sorted names in a folder; none if it is missing or cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def roots():
    """Folders in order; in those that the user did not name, only files that pass `trusted` are used."""
    found = cache.folders() + ([cache.of_user(), cache.temporary()] if cache.named() else [])
    return [os.path.join(folder, 'ops') for folder in found if folder]


def _named():
    return os.path.join(cache.named(), 'ops') if cache.named() else None


def _owned(status):
    """Does a file with this os.stat belong to this user or to root?"""
    return not hasattr(os, 'getuid') or status.st_uid in (0, os.getuid())


def trusted(folder, *files):
    """May the folder of a key, and files in it, be used: could only this user and root have put them there?

    Args:
        folder: Path in one of `roots`; the user vouches for the root named by STYLEGAN2_CACHE.
        files: Names in the folder.
    Returns: bool.
    Raises: OSError if one of them cannot be looked at.
    """
    root = os.path.dirname(folder)
    if root == _named():
        return True
    paths = [os.path.dirname(root), root, folder] + [os.path.join(folder, name) for name in files]
    return all(_owned(status) and not status.st_mode & 0o022 for status in map(os.stat, paths))


def writable_folder(key):
    """Creates the folder of a key in the first place that can be written; raises UserError if there is none."""
    problems = []
    for root in roots():
        folder = os.path.join(root, key)
        try:
            for path in (os.path.dirname(root), root, folder):
                cache.make(path)
            if not trusted(folder):
                raise PermissionError(errno.EACCES, 'others can write there')
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            problems.append('%s (%s)' % (root, error.strerror or error))
    raise UserError('no writable cache folder: %s; set STYLEGAN2_CACHE to a writable one' % ', '.join(problems))


def note_failure(folder, error, cuda):
    """Stores why the build in the folder of a key failed; `cuda`: might it work without CUDA kernels?"""
    with contextlib.suppress(OSError):
        util.write_text(os.path.join(folder, FAILED), json.dumps(dict(error=error, cuda=cuda, time=time.time())))


def failure(folder):
    """(line, cuda) that `note_failure` stored here less than a day ago, or None."""
    try:
        with open(os.path.join(folder, FAILED), encoding='utf-8') as f:
            record = json.load(f)
        recent = 0 <= time.time() - record['time'] < FAILED_SECONDS
        return (record['error'], record['cuda']) if recent else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
