"""Files of a run directory as they are while a training writes them: last lines, times, states, sizes of pictures."""

import json
import math
import os
import re
import time

import PIL.Image

from dnnlib.run import run_dir as run_dirs
from explorer.errors import Refused
from training.report import steering
from training.state import files

RUN = re.compile('[0-9]+-')  # begins the name of a run directory
TAIL_BYTES, LOG_LINES = 1 << 16, 20
NEW_SECONDS = 5.0     # of a folder that the training may not have locked yet
_PROGRESS = re.compile(r'(?:(?:tick [0-9]+ +|Stopped at |Paused at )?kimg |Training for .* now at )([0-9]+\.[0-9])')
_ROUNDED = 0.051  # kimg that lines of the log may be too high, as they have one digit
MAX_PIXELS = 10 ** 8  # of a grid: 8k has 33 million


def state_of(path):
    """How a training is: `running`, `paused`, `starting`, `finished`, `stopped` or `lost`.

    A process that ends says so in `_finished.txt`, a killed one does not; only a running one holds the lock.
    """
    is_new = time.time() - (modified(path) or 0) < NEW_SECONDS
    if os.path.exists(os.path.join(path, run_dirs.FINISHED_FILE)):
        last = log_lines(os.path.join(path, run_dirs.LOG_FILE), 5)
        ended = [line for line in last if re.match('dnnlib: (Finished|Stopped) ', line)]
        return 'finished' if ended and ended[-1].startswith('dnnlib: Finished') else 'stopped'
    if is_new and not os.path.exists(os.path.join(path, 'stats.jsonl')):
        return 'starting'  # looking at the lock takes it for a moment, in which the training would not get it
    try:
        is_there = run_dirs.is_locked(path)
    except OSError:  # the folder is gone
        is_there = False
    if not is_there:
        return 'lost'
    if steering.is_paused(path):
        return 'paused'
    return 'running' if os.path.exists(os.path.join(path, 'stats.jsonl')) else 'starting'


def modified(path):
    """Time of the last change of a file, seconds since 1970; None if there is none."""
    try:
        return os.path.getmtime(path)
    except OSError:
        return None


def tail(path, num_bytes=TAIL_BYTES):
    """Whole lines at the end of a file, list of bytes; none if it can't be read."""
    try:
        with open(path, 'rb') as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(max(size - num_bytes, 0))
            lines = f.read(num_bytes).split(b'\n')
    except OSError:
        return []
    return lines[1 if size > num_bytes else 0:-1]


def last_line(path):
    """The last line of a file of JSON lines that can be read, dictionary; empty if there is none."""
    for line in reversed(tail(path)):
        found = loads(line)
        if found is not None:
            return found
    return {}


def log_lines(path, count=LOG_LINES):
    """The last lines of a log, list of str."""
    lines = [line.decode('utf-8', 'replace').rpartition('\r')[2] for line in tail(path, 1 << 14)]
    return [line[:300] for line in lines if line.strip()][-count:]


def kimg_reached(path, reported):
    """Thousand images that a training has shown, also after its last report; None if nothing says so.

    Args:
        path: Run directory.
        reported: Those of the last report; None = there is none.
    """
    found = [kimg for kimg in [reported] if isinstance(kimg, (int, float))]
    try:
        found += [files.images_shown(state) / 1000 for state in files.list_states(path)[-1:]]
    except OSError:  # the folder is gone
        pass
    matches = [match for match in map(_PROGRESS.match, log_lines(os.path.join(path, run_dirs.LOG_FILE))) if match]
    logged = [float(match.group(1)) for match in matches[-1:]]
    return max(found + [kimg for kimg in logged if not found or kimg > max(found) + _ROUNDED], default=None)


def loads(line):
    """A dictionary of a line of JSON, bytes; numbers that JSON lacks become None. None if it is something else."""
    try:
        found = json.loads(line.decode('utf-8'), parse_constant=lambda _: None)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in found.items()}


def read_json(path):
    """The dictionary in a JSON file; empty if it can't be read."""
    try:
        with open(path, 'rb') as f:
            return loads(f.read(1 << 22)) or {}
    except OSError:
        return {}


def command_of(path):
    """The command of a run that the page started, which resumes it as well; None of others.

    It is the first line of the newest log that is older than the run, in the folder around it.
    """
    folder, began = os.path.dirname(path), modified(os.path.join(path, 'submit_config.txt')) or 0
    names = [name for name in sorted(os.listdir(folder)) if re.fullmatch(r'started-[0-9]{8}-[0-9]{6}\.log', name)]
    names = [name for name in names if time.mktime(time.strptime(name[8:-4], '%Y%m%d-%H%M%S')) <= began + 1]
    if not names:
        return None
    with open(os.path.join(folder, names[-1]), encoding='utf-8', errors='replace') as f:
        line = f.readline(4096).strip()
    return line if 'train' in line else None


def kimg_of(name):
    """Thousand images in the name of a picture or network; 0 if there is no number."""
    match = re.search('([0-9]{6,})[.](png|pkl)$', name)
    return int(match.group(1)) if match else 0


def size_of(path):
    """(width, height) of a picture, read from its head; (0, 0) if it can't be."""
    try:
        with PIL.Image.open(path) as image:
            return image.size
    except Exception:  # pylint: disable=broad-except  # the training may be writing it; Pillow raises nearly everything
        return 0, 0


def open_picture(path):
    """A picture of a run as PIL.Image of mode RGB; raises Refused if it can't be read."""
    try:
        with PIL.Image.open(path) as image:
            if image.size[0] * image.size[1] > MAX_PIXELS:
                raise Refused('this picture is too large for the page', 409)
            return image.convert('RGB')
    except Refused:
        raise
    except Exception:  # pylint: disable=broad-except
        raise Refused('this picture cannot be read', 409) from None


def folders(path):
    """Entries of the folders in a folder, sorted by name; none if it can't be read."""
    try:
        return sorted((entry for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith('.')),
                      key=lambda entry: entry.name)
    except OSError:
        return []


def runs_in(folder):
    """Run directories in a folder, oldest first; none if it can't be read."""
    try:
        return [path for _, path in run_dirs.list_runs(folder)]
    except OSError:
        return []
