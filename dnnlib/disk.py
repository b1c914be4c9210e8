"""Full disks: noticed before and while a file is written, waited for, and never the end of hours of work."""

import contextlib
import errno
import os
import shutil
import time

FULL = (errno.ENOSPC, errno.EDQUOT)
POLL_SECONDS = 2.0
SPARE_BYTES = 1 << 20  # left for logs and tables


def is_full(error):
    """Does the OSError say that a disk or a quota is full?"""
    return isinstance(error, OSError) and error.errno in FULL


@contextlib.contextmanager
def ignoring_full():
    """While entered, a full disk is no error: for files that nothing depends on."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise


def write_patiently(write, folder, num_bytes=0, should_stop=None):
    """Calls a function that writes files; while the disk is full it says so, once, waits, and calls it again.

    Args:
        write: Function without arguments; it must clean up after itself when it fails.
        folder: Folder that it writes to; it must exist.
        num_bytes: What it is known to write; it isn't called before there is so much space.
        should_stop: Function without arguments: give up waiting? `None` = never.
    Returns: What `write` returns.
    Raises: OSError if the disk is still full when `should_stop` says so; whatever else `write` raises.
    """
    waiting = False
    while True:
        free = shutil.disk_usage(folder).free
        if not num_bytes or free >= num_bytes + SPARE_BYTES:
            try:
                result = write()
                if waiting:
                    print('There is space in {!r} again; going on.'.format(folder), flush=True)
                return result
            except OSError as error:
                if not is_full(error):
                    raise
        for _ in range(10):
            if should_stop is not None and should_stop():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
            if not waiting:
                needed = ', {:.1f} MB needed'.format((num_bytes + SPARE_BYTES) / 1e6) if num_bytes else ''
                print('Paused: the disk of {!r} is full ({:.1f} MB free{}). Nothing is lost; it goes on when there is '
                      'space.'.format(folder, free / 1e6, needed), flush=True)
                waiting = True
            time.sleep(POLL_SECONDS / 10)


def append_line(path, line):
    """Appends a line to a text file, or nothing of it: a line cut off by a full disk is taken out again.

    Raises: OSError if it can't be written.
    """
    with open(path, 'ab', buffering=0) as f:
        end = f.seek(0, os.SEEK_END)
        data = (line + '\n').encode('utf-8')
        try:
            while data:
                data = data[f.write(data):]
        except OSError:
            f.truncate(end)
            raise


def sync(path):
    """Asks the system to bring a file or the names in a folder to the disk, so that they survive a power failure."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # folders can't be opened everywhere
        return
    try:
        os.fsync(handle)
    except OSError as error:  # some file systems can't
        if is_full(error):
            raise
    finally:
        os.close(handle)
