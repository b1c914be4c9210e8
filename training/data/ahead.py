"""Reading ahead: threads that decode, and the minibatches that they have ready before a training wants them.

What is in a minibatch is a function of what is asked for alone: neither the number of threads nor what was read before
change anything that a training sees.
"""

import collections
import concurrent.futures
import os
from typing import NamedTuple

import numpy as np

from dnnlib.memory import free_host_memory
from dnnlib.run import devices
from dnnlib.run.cluster import on_this_host
from dnnlib.util import UserError

MOST_AHEAD = 8  # minibatches: an iteration that takes as long as eight others finds its data ready
MOST_BYTES = 2 ** 28  # of all that is read ahead, of which one minibatch a dataset is excepted
PART_BYTES = 2 ** 18  # of images that a task at least copies, see Dataset: less is done sooner than it is handed over
PARTS = 4  # tasks of a thread in a minibatch at most, so that all threads are busy up to its end
MOST_THREADS = 16  # chosen by itself; beyond that Python's lock and the memory are what limits


def count_threads(wanted='auto', cluster=None):
    """Number of threads.

    Args:
        wanted: 'auto' = one for each core that this process may use, at most MOST_THREADS; or a number of at least 1.
        cluster: dnnlib.run.cluster.Cluster, whose workers on this machine share its cores; `None` = no others do.
    Raises: UserError for anything else.
    """
    if wanted == 'auto':
        return min(devices.num_cores(1 if cluster is None else on_this_host(cluster)[1]), MOST_THREADS)
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise UserError(f'data_workers must be auto or a number of at least 1, not {wanted!r}')
    return wanted


class Request(NamedTuple):
    """Which minibatch is wanted."""
    position: int         # of its first image in the stream
    size: int             # images
    lod: int              # level of detail
    order: tuple = ()     # what the order of the images depends on
    places: tuple = None  # the images that are read, by their number in it; None = all
    draws: object = None  # what becomes of them, see `streams.Draws`; None = nothing

    def after(self):
        """The one that is wanted next, if nothing changes."""
        draws = None if self.draws is None else self.draws.after(self.size)
        return self._replace(position=self.position + self.size, draws=draws)


class Readers:
    """Threads that read for one dataset or several; they start when there is something to read.

    Args:
        threads: How many.
        datasets: How many share them, and the memory.
    """

    def __init__(self, threads=1, datasets=1):
        self.threads = threads
        self._datasets, self._pool, self._pid, self._limit = datasets, None, None, None
        self._unfinished = set()

    @property
    def limit(self):
        """Bytes that each of the datasets may have ready."""
        if self._limit is None:
            free = free_host_memory()
            self._limit = (MOST_BYTES if free is None else min(MOST_BYTES, free // 16)) // self._datasets
        return self._limit

    def submit(self, function, *args):
        """Lets a thread call a function; returns its Future."""
        if self._pid != os.getpid():  # threads do not survive a fork
            self._pool, self._pid = concurrent.futures.ThreadPoolExecutor(self.threads), os.getpid()
            self._unfinished = set()
        future = self._pool.submit(function, *args)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def close(self):
        """Drops what was not begun, and waits for the rest."""
        if self._pool is not None and self._pid == os.getpid():
            for future in list(self._unfinished):
                future.cancel()
            self._pool.shutdown()
        self._pool = self._pid = None


class Minibatch:
    """A minibatch that threads read.

    Args:
        dataset: Dataset.
        request: Request.
        readers: Readers.
    Attributes:
        request: As given.
        images: uint8 [N, C, h, w], float32 where `draws` makes them so; N is 0 behind the end of the data.
    """

    def __init__(self, dataset, request, readers):
        self._dataset, self.request, self._pid = dataset, request, os.getpid()
        indices = dataset.indices_at(request.position, request.size)
        numbers = np.arange(len(indices)) if request.places is None else np.asarray(request.places)
        channels, height, width = dataset.shape
        self.images = np.empty([len(numbers), channels, height >> request.lod, width >> request.lod],
                               np.uint8 if request.draws is None else request.draws.dtype)
        count = min(len(numbers), PARTS * readers.threads)
        if dataset.is_copied:
            count = max(min(count, len(numbers) * int(np.prod(dataset.stored_shape)) // PART_BYTES), 1)
        self._skipped, self._futures = [], []
        for part in np.array_split(np.arange(len(numbers)), count) if len(numbers) else ():
            self._skipped.append([])
            self._futures.append(readers.submit(
                self._read, indices[numbers[part]], numbers[part], self.images[part[0]:part[-1] + 1],
                self._skipped[-1]))

    def _read(self, indices, numbers, images, skipped):
        """Reads some of the images, in a thread; returns their labels."""
        request, dataset = self.request, self._dataset
        pixels = images if images.dtype == np.uint8 else np.empty(images.shape, np.uint8)
        with dataset.collecting(skipped):
            labels = dataset.read_into(pixels, indices, (request.position + numbers).tolist(), request.lod)
        if request.draws is not None:
            request.draws.apply(pixels, numbers, request.size, images)
        return labels

    @property
    def is_alive(self):
        """Was it begun in this process? A fork has no threads."""
        return self._pid == os.getpid()

    def result(self):
        """Waits for the threads, and tells what they skipped.

        Returns: (images, labels), labels float32 [N, label_size].
        Raises: The error of the first image that has one.
        """
        labels = []
        for skipped, future in zip(self._skipped, self._futures):
            try:
                labels.append(future.result())
            finally:
                for image in skipped:
                    self._dataset.tell_skipped(*image)
        return self.images, np.concatenate(labels) if labels else self._dataset.read_labels([])

    def cancel(self):
        """Drops what was not begun."""
        for future in self._futures:
            future.cancel()


class LookAhead:
    """The minibatches of a dataset that are wanted next.

    As long as a request is the one that was expected, twice as many are begun as before, within bounds.

    Args:
        dataset: Dataset.
    """

    def __init__(self, dataset):
        self._dataset, self._readers, self._is_own = dataset, None, False
        self._queue, self._depth = collections.deque(), 1

    def use(self, readers):
        """Lets Readers read that others use as well; who has made them closes them."""
        self.close()
        self._readers, self._is_own = readers, False

    def take(self, request):
        """The minibatch of a Request; those after it are begun.

        Returns: See `Minibatch.result`.
        Raises: UserError for an unreadable image.
        """
        self._start()
        while self._queue and not (self._queue[0].request == request and self._queue[0].is_alive):
            self._queue.popleft().cancel()
        slots = 1 if request.draws is None else request.draws.slots  # minibatches of an iteration
        most = max(MOST_AHEAD, 2 * slots, -(-2 * self._readers.threads // request.size))
        self._depth = min(2 * self._depth, most) if self._queue else 1
        current = self._queue.popleft() if self._queue else Minibatch(self._dataset, request, self._readers)
        self._begin_next(current)
        try:
            return current.result()
        except BaseException:
            current.cancel()
            self.forget()
            raise

    def read_each(self, numbers, read):
        """Lets the threads call a function with numbers of images, which a dataset keeps when it has read them.

        Args:
            numbers: Iterable of int.
            read: Function of a number.
        Raises: UserError, that of the first one.
        """
        def call(number, skipped):
            with self._dataset.collecting(skipped):
                read(number)

        def finish():
            future, skipped = waiting.popleft()
            try:
                future.result()
            finally:
                for image in skipped:
                    self._dataset.tell_skipped(*image)
        self._start()
        waiting = collections.deque()
        try:
            for number in numbers:
                skipped = []
                waiting.append((self._readers.submit(call, number, skipped), skipped))
                if len(waiting) > PARTS * self._readers.threads:
                    finish()
            while waiting:
                finish()
        finally:
            for future, _ in waiting:
                future.cancel()

    def _start(self):
        if self._readers is None:
            self._readers, self._is_own = Readers(), True

    def _begin_next(self, last):
        fits = max(self._readers.limit // max(last.images.nbytes, 1), 1)
        while len(self._queue) < min(self._depth, fits):
            last = Minibatch(self._dataset, (self._queue[-1] if self._queue else last).request.after(), self._readers)
            if not len(last.images):
                break
            self._queue.append(last)

    def forget(self):
        """Drops what was read ahead."""
        while self._queue:
            self._queue.popleft().cancel()

    def close(self):
        """Drops what was read ahead; ends threads of its own."""
        self.forget()
        if self._is_own:
            self._readers.close()
        self._readers, self._is_own = None, False


def read_minibatches(dataset, places, threads='auto'):
    """Minibatches that are known beforehand; those after one are read meanwhile, and nothing else is.

    Args:
        dataset: Dataset.
        places: Iterable of (position in the stream, number of images), two ints.
        threads: See `count_threads`.
    Yields: uint8 [N, C, H, W].
    Raises: UserError for an unreadable image.
    """
    readers, queue, places, begun = Readers(count_threads(threads)), collections.deque(), iter(places), None
    try:
        while True:
            while not queue or len(queue) <= min(MOST_AHEAD, readers.limit // max(begun.images.nbytes, 1)):
                place = next(places, None)
                if place is None:
                    break
                begun = Minibatch(dataset, Request(place[0], place[1], 0), readers)
                queue.append(begun)
            if not queue:
                return
            yield queue.popleft().result()[0]
    finally:
        readers.close()
