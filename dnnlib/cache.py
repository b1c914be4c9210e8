"""Where downloads, converted weights and native libraries are kept; standard library only."""

import glob
import os
import stat
import sys
import tempfile

NAME = 'stylegan2'
OLD_NAME = '.stylegan2-cache'  # of the working directory, as published, and that of `make` in a checkout
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_told = set()  # folders about which a line was printed


def named():
    """Absolute path of the folder that STYLEGAN2_CACHE names, or None."""
    folder = os.environ.get('STYLEGAN2_CACHE')
    return os.path.abspath(folder) if folder else None


def of_user():
    """This user's cache folder, where the system keeps such things; None without a home."""
    home = os.path.expanduser('~')
    if os.path.isabs(os.environ.get('XDG_CACHE_HOME', '')):
        parent = os.environ['XDG_CACHE_HOME']
    elif sys.platform == 'win32':
        parent = os.environ.get('LOCALAPPDATA') or os.path.join(home, 'AppData', 'Local')
    else:
        parent = os.path.join(home, 'Library', 'Caches') if sys.platform == 'darwin' else os.path.join(home, '.cache')
    return os.path.join(parent, NAME) if os.path.isabs(parent) else None


def temporary():
    """The user's folder among those for temporary files; None if someone else could put something there."""
    folder = os.path.join(tempfile.gettempdir(), '%s-%d' % (NAME, os.getuid() if hasattr(os, 'getuid') else 0))
    return folder if not os.path.lexists(folder) or _is_private(folder) else None


def folders():
    """Folders in the order in which files are looked for; those of other versions of the program only if they exist."""
    if named():
        return [named()]
    old = [os.path.join(os.path.abspath(parent), OLD_NAME) for parent in (os.curdir, _ROOT)]
    found = [of_user()] + [folder for folder in old if os.path.isdir(folder)] + [temporary()]
    return [folder for i, folder in enumerate(found) if folder and folder not in found[:i]]


def cache_dir():
    """Folder that new files are put into: STYLEGAN2_CACHE, the user's, or if that can't be written, a temporary one."""
    folder = named() or of_user()
    problem = 'no home folder is known' if folder is None else None if named() else obstacle(folder)
    if problem is None or temporary() is None:
        return folder or os.path.abspath(OLD_NAME)
    if problem not in _told:
        _told.add(problem)
        print('Cache: %s, so files are kept in %s; set STYLEGAN2_CACHE to a folder that stays' % (
            problem, temporary()), file=sys.stderr, flush=True)
    return temporary()


def searched(folder):
    """`folder`, and if that is the default cache, all others in which its files may be."""
    return [folder] + ([other for other in folders() if other != folder] if folder == cache_dir() else [])


def find(name):
    """Path of the file of this name in the first folder that has it; otherwise where it would be written."""
    paths = [os.path.join(folder, name) for folder in searched(cache_dir())]
    return next((path for path in paths if os.path.lexists(path)), paths[0])


def find_all(pattern):
    """Paths of the files that match a pattern such as `lpips-*.npz`, of all folders in their order."""
    return [path for folder in searched(cache_dir())
            for path in sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))]


def make(folder):
    """Creates a folder of a cache; one that the user did not name is private, whatever the umask.

    Native libraries are loaded only from folders that no one else can change. Raises: OSError.
    """
    folder = os.path.abspath(folder)
    private = [parent for parent in set(folders() + [of_user(), temporary()]) if parent and parent != named()]
    mode = 0o700 if any((folder + os.sep).startswith(parent + os.sep) for parent in private) else 0o777
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    os.makedirs(folder, mode=mode, exist_ok=True)


def obstacle(folder):
    """Why nothing can be written to a folder, or created where it is missing; None if it can. Creates nothing."""
    while not os.path.lexists(folder) and folder not in (os.curdir, os.path.dirname(folder)):
        folder = os.path.dirname(folder) or os.curdir
    if not os.path.isdir(folder):
        return '%s is not a folder' % folder
    return None if os.access(folder, os.W_OK | os.X_OK) else '%s cannot be written' % folder


def _is_private(path):
    """Is it a folder, not a link, that belongs to this user and that no one else can enter or change?"""
    status = os.lstat(path)
    private = not hasattr(os, 'getuid') or status.st_uid == os.getuid() and not stat.S_IMODE(status.st_mode) & 0o077
    return stat.S_ISDIR(status.st_mode) and private
