"""Full disks: detected before and during a write, and waited for, so that hours of work are never lost."""

import contextlib
import errno
import os
import shutil
import time

FULL = (errno.ENOSPC, errno.EDQUOT)
POLL_SECONDS = 2.0
SPARE_BYTES = 1 << 20  # left for logs and tables


def is_full(error):
    """Does this error mean that a disk or quota is full?"""
    return isinstance(error, OSError) and error.errno in FULL


@contextlib.contextmanager
def ignoring_full():
    """Context manager: ignores a full disk, for files that nothing depends on."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise


def write_patiently(write, folder, num_bytes=0, should_stop=None):
    """Calls a function that writes files; if the disk is full, says so once, waits, and calls it again.

    Args:
        write: Function without arguments; it must clean up after itself when it fails.
        folder: Folder that it writes to; it must exist.
        num_bytes: How much it will write, if known; it is called only once there is that much space.
        should_stop: Function without arguments: stop waiting? `None` = wait forever, since work would be lost.
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
                    print(f'{folder!r} has space again; continuing.', flush=True)
                return result
            except OSError as error:
                if not is_full(error):
                    raise
        for _ in range(10):
            if should_stop is not None and should_stop():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
            if not waiting:
                needed = f', {(num_bytes + SPARE_BYTES) / 1e6:.1f} MB needed' if num_bytes else ''
                print('Paused: the disk of {!r} is full ({:.1f} MB free{}). Nothing is lost; it continues once '
                      'there is space.'.format(folder, free / 1e6, needed), flush=True)
                waiting = True
            time.sleep(POLL_SECONDS / 10)


def append_line(path, line):
    """Appends a line to a text file, all or nothing: a line cut off by a full disk is removed again.

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
    """Flushes a file, or the names in a folder, to disk, so that they survive a power failure."""
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
