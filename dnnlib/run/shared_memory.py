"""Memory that the workers of one machine share: the launcher makes it, they inherit it."""

import contextlib
import ctypes
import os
import sys

SHARED = 'STYLEGAN2_SHARED'  # number of the open file in the workers
PAGE = 65536                 # bytes; the pages of all systems divide it
SUMS = 64                    # regions for that many sums
BUFFER_PAGES = 8             # of each of a worker's two buffers for a sum: in the cache, and waited for seldom


def region_pages(workers):
    """Pages of a sum's region: the counters, and two buffers for each worker."""
    return 1 + 2 * workers * BUFFER_PAGES


@contextlib.contextmanager
def create(workers):
    """Context manager: makes the memory for some workers, all zeros; only what is written to takes up memory.

    Yields: List of one open file, its number, for processes to inherit; no limit of /dev/shm applies, and the memory
        vanishes with the last process that has it open. [] where the system has no such files, or allows none so large.
    """
    memfd_create = getattr(ctypes.CDLL(None), 'memfd_create', None) if sys.platform == 'linux' else None
    file = -1 if memfd_create is None else memfd_create(b'stylegan2-workers', 1)  # closed in programs that don't ask
    if file < 0:  # glibc before 2.27
        yield []
        return
    try:
        try:
            os.ftruncate(file, PAGE * (1 + SUMS * region_pages(workers)))
        except OSError:
            yield []
        else:
            yield [file]
    finally:
        os.close(file)


def find(environ, workers):
    """The memory that the launcher passed on to this process.

    Args:
        environ: Environment variables, such as `os.environ`.
        workers: How many share it.
    Returns: Number of the open file; `None` if there is none.
    """
    text = environ.get(SHARED, '')
    try:
        size = os.fstat(int(text)).st_size
    except (ValueError, OSError):
        return None
    return int(text) if size == PAGE * (1 + SUMS * region_pages(workers)) else None
