"""Memory that the workers of one machine share: the launcher makes it, they inherit it."""

import contextlib
import ctypes
import mmap
import os
import sys
import time

SHARED = 'STYLEGAN2_SHARED'  # number of the open file in the workers
PAGE = 65536                 # bytes; the pages of all systems divide it
SUMS = 4096                  # regions for that many sums: networks with batch normalization have hundreds
BUFFER_PAGES = 8             # of each of a worker's two buffers for a sum: in the cache, and waited for seldom
MOST_WORKERS = 1024          # counters in a page
ANSWERS = 128                # in the first page, behind what sums have there: two bytes of each worker, see `agree`
POLL_SECONDS = 0.005
GIVEN_UP = 'a sum over the workers was given up'  # what is said where another worker failed


def region_pages(workers):
    """Pages of a sum's region: the counters, and two buffers for each worker."""
    return 1 + 2 * workers * BUFFER_PAGES


@contextlib.contextmanager
def create(workers):
    """Context manager: makes the memory for some workers, all zeros; only what is written to takes up memory.

    Yields: List of one open file, its number, for processes to inherit; no limit of /dev/shm applies, and the memory
        vanishes with the last process that has it open. [] where the system has no such files,
        or allows none so large, and for too many workers.
    """
    memfd_create = getattr(ctypes.CDLL(None), 'memfd_create', None) if sys.platform == 'linux' else None
    file = -1 if memfd_create is None else memfd_create(b'stylegan2-workers', 1)  # closed in programs that don't ask
    if file < 0 or workers > MOST_WORKERS:  # glibc before 2.27
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


def agree(file, worker, workers, is_able):
    """Are all workers able to do something? All must ask equally often; nobody returns before all have asked.

    Args:
        file: Number of the open file of their memory.
        worker: Number of this worker.
        workers: How many there are, at most MOST_WORKERS.
        is_able: Is this worker able?
    Returns: bool, the same in all workers.
    """
    with mmap.mmap(file, PAGE) as page:
        def answers(number):  # of two questions in turn: whoever answers the next but one has seen that all read this
            return [page[ANSWERS + 2 * i + number % 2] for i in range(workers)]
        own = answers(0)[worker], answers(1)[worker]
        number = max(own) // 2 + 1
        if number > 127:
            raise RuntimeError('the workers have asked one another too often')
        page[ANSWERS + 2 * worker + number % 2] = 2 * number + bool(is_able)
        while min(answers(number)) // 2 < number:
            time.sleep(POLL_SECONDS)
        return all(answer % 2 for answer in answers(number))
