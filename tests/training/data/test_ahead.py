"""Reading ahead: threads, bounds, errors, what is skipped; and the same minibatches as before there were any."""

import threading
import time

import numpy as np
import pytest

from benchmarks import data as benchmark
from dnnlib import UserError
from dnnlib.run.cluster import Cluster
from training.data import ahead
from training.data.base import Dataset
from training.data.streams import Stream


class Numbered(Dataset):
    """Image i is full of i; some can't be read; reading may wait, and is counted."""

    def __init__(self, bad_numbers=(), wait=lambda index: None, size=8, **kwargs):
        super().__init__('numbered', 100, [1, size, size], **dict(dict(shuffle_mb=0), **kwargs))
        self.bad_numbers, self.wait, self.begun = bad_numbers, wait, []

    def _read(self, index, lod):
        self.begun.append(index)
        self.wait(index)
        if index in self.bad_numbers:
            raise UserError(f'{index}.png: broken')
        return np.full(self.stored_shape, index, np.uint8)


def numbers(dataset, size=4):
    """Numbers of the images of the next minibatch."""
    return dataset.get_minibatch_np(size)[0][:, 0, 0, 0].tolist()


def alive():
    """Threads of pools that are still there."""
    return [thread for thread in threading.enumerate() if 'ThreadPool' in thread.name]


@pytest.fixture
def many_parts(monkeypatch):
    """Every image is a task of its own."""
    monkeypatch.setattr(ahead, 'PART_BYTES', 1)
    monkeypatch.setattr(ahead, 'PARTS', 100)


def test_minibatches_are_those_of_one_thread_that_read_one_ahead(tmp_path, many_parts):
    """The digests are those of commit d7d87f1; `benchmarks/data.py --digests` compares ten times as many."""
    assert benchmark.digests(str(tmp_path), 100, threads=3) == benchmark.golden(100)


def test_several_threads_read_one_minibatch():
    barrier = threading.Barrier(2, timeout=20)
    with Numbered(wait=lambda index: barrier.wait()) as dataset, ahead_of(dataset, 2) as readers:
        assert numbers(dataset) == [0, 1, 2, 3]
        dataset.wait = lambda index: None
        for size, is_copied, parts in ((100, False, 8), (3, False, 3), (100, True, 1), (0, False, 0), (0, True, 0)):
            dataset.is_copied = is_copied
            assert len(ahead.Minibatch(dataset, ahead.Request(0, size, 0), readers)._futures) == parts


class ahead_of:
    """Context manager: threads that a dataset reads with."""

    def __init__(self, dataset, threads=2, datasets=1):
        self._dataset, self.readers = dataset, ahead.Readers(threads, datasets)

    def __enter__(self):
        self._dataset.read_with(self.readers)
        return self.readers

    def __exit__(self, *_args):
        self.readers.close()


def test_more_is_read_ahead_as_long_as_it_is_wanted():
    with Numbered() as dataset:
        depths = []
        for position in (0, 4, 8, 12, 16, 50, 54):
            dataset.seek(position)
            assert numbers(dataset) == list(range(position, position + 4))
            depths.append(len(dataset._ahead._queue))
        assert depths == [1, 2, 4, 8, 8, 1, 2]
        dataset.seek(62)  # over one that was read ahead, which is all that is lost
        assert numbers(dataset) == [62, 63, 64, 65] and len(dataset._ahead._queue) == 4
        dataset.seed, dataset.shuffle = 7, True  # as metrics do it
        assert numbers(dataset) == dataset.indices_at(66, 4).tolist()


def test_two_iterations_of_many_minibatches_are_read_ahead():
    with Numbered() as dataset:
        stream = Stream(dataset)
        for step in range(12):
            stream.minibatch(2 * (step // 6), dict(minibatch_size=2, lod=0), step % 6, 6)
        assert len(dataset._ahead._queue) == 12


def test_what_is_ready_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(ahead, 'MOST_BYTES', 3 * 4 * 64)  # three minibatches of four images
    for datasets, depth in ((1, 3), (3, 1), (100, 1)):
        with Numbered() as dataset, ahead_of(dataset, datasets=datasets):
            for _ in range(5):
                numbers(dataset)
            assert len(dataset._ahead._queue) == depth


def test_minibatches_known_beforehand_are_read_alone(many_parts, monkeypatch):
    places = [(8, 4), (12, 4), (40, 4), (44, 4), (97, 3)]
    wanted = [list(range(position, position + size)) for position, size in places]
    barrier = threading.Barrier(2, timeout=20)
    with Numbered(wait=lambda index: barrier.wait() if index == 8 or index == 9 else None) as dataset:
        found = ahead.read_minibatches(dataset, places, 2)  # with one thread the barrier is never passed
        assert [images[:, 0, 0, 0].tolist() for images in found] == wanted
        assert sorted(dataset.begun) == sum(wanted, []) and not alive()

    monkeypatch.setattr(ahead, 'MOST_BYTES', 2 * 4 * 64)  # two minibatches of four images
    with Numbered() as dataset:
        asked = []
        minibatches = ahead.read_minibatches(dataset, (asked.append(place) or place for place in places), 1)
        next(minibatches)
        assert asked == places[:3]  # the first one, and two ahead
        minibatches.close()
        dataset.bad_numbers = (41,)
        with pytest.raises(UserError, match='image 41 of numbered: 41.png: broken'):
            list(ahead.read_minibatches(dataset, places))
    assert not alive()


def test_the_first_error_reaches_the_caller_who_can_go_on(many_parts):
    def wait(index):
        time.sleep(0.05 if index == 6 else 0)  # the other one is found earlier
    with Numbered((6, 7), wait) as dataset, ahead_of(dataset, 3):
        numbers(dataset)
        for _ in range(2):
            with pytest.raises(UserError, match='image 6 of numbered: 6.png: broken'):
                numbers(dataset)
            assert dataset.position == 4
        dataset.bad_numbers = ()
        assert numbers(dataset) == [4, 5, 6, 7]


def test_what_is_skipped_is_told_in_order_and_only_when_it_is_passed(many_parts, capsys):
    def wait(index):
        time.sleep(0.02 if index in (5, 9) else 0)
    with Numbered((5, 6, 9, 13), wait, bad='skip') as dataset, ahead_of(dataset, 4):
        told = []
        dataset.on_skip = lambda *row: told.append(row)
        assert numbers(dataset) + numbers(dataset) + numbers(dataset) == [0, 1, 2, 3, 4, 7, 7, 7, 8, 10, 10, 11]
        for _ in range(500):
            if 13 in dataset.begun:
                break
            time.sleep(0.01)
        assert 13 in dataset.begun and dataset.bad_images == {5, 6, 9}  # 13 is only ready
        assert told == [(number, f'image {number}', f'{number}.png: broken') for number in (5, 6, 9)]
    assert [line.split(':')[0] for line in capsys.readouterr().out.splitlines()] == [
        f'Skipped image {number} of numbered' for number in (5, 6, 9)]


def test_all_images_are_read_by_all_threads(capsys):
    barrier, kept = threading.Barrier(2, timeout=20), {}
    with Numbered((5, 90), lambda index: index < 2 and barrier.wait(), bad='skip') as dataset, ahead_of(dataset, 2):
        dataset._ahead.read_each(range(100), lambda index: kept.update({index: dataset.read_good(index)[0]}))
        assert sorted(kept) == list(range(100)) and (kept[5], kept[90]) == (6, 91) and dataset.bad_images == {5, 90}
    assert capsys.readouterr().out.count('Skipped image') == 2
    with Numbered((5, 7)) as dataset, ahead_of(dataset, 2):
        with pytest.raises(UserError, match='image 5 of numbered'):
            dataset._ahead.read_each(range(100), dataset.read_good)
        assert len(dataset.begun) < 40


def test_threads_collect_what_is_skipped_for_one_minibatch_only():
    with Numbered((1, 9), bad='skip') as dataset, ahead_of(dataset, 1) as readers:
        dataset.get_minibatch_np(4)
        dataset._ahead.forget()
        assert readers.submit(dataset.read, 9).result()[0, 0, 0] == 10 and dataset.bad_images == {1, 9}


def test_threads_end_and_drop_what_was_not_begun(many_parts):
    before, go_on = alive(), threading.Event()
    with Numbered(wait=lambda index: index < 16 or go_on.wait(20)) as dataset:
        with ahead_of(dataset, 2) as readers:
            for _ in range(4):
                numbers(dataset)
            assert len(alive()) == len(before) + 2
            close = readers._pool.shutdown
            readers._pool.shutdown = lambda: go_on.set() or close()  # what was not begun is dropped by now
        assert alive() == before and len(dataset.begun) <= 18  # of 48 that are wanted
    with Numbered() as dataset:
        numbers(dataset)
        assert len(alive()) == len(before) + 1
    assert alive() == before


def test_a_fork_starts_threads_of_its_own(monkeypatch):
    with Numbered() as dataset:
        numbers(dataset)
        pid, before = ahead.os.getpid(), dataset._ahead._readers._pool
        monkeypatch.setattr(ahead.os, 'getpid', lambda: pid + 1)
        assert numbers(dataset) == [4, 5, 6, 7] and dataset._ahead._readers._pool is not before
    before.shutdown()


def test_number_of_threads(monkeypatch):
    monkeypatch.setattr(ahead.devices.os, 'cpu_count', lambda: 64)
    monkeypatch.setattr(ahead.devices.os, 'sched_getaffinity', lambda pid: set(range(64)), raising=False)
    assert ahead.count_threads('auto') == 16 and ahead.count_threads(40) == 40
    cluster = Cluster(['a:1'] * 8 + ['b:1'], 0, 'a:2')
    assert ahead.count_threads('auto', cluster) == 8  # a share of the cores
    monkeypatch.setattr(ahead.devices.os, 'sched_getaffinity', lambda pid: set(range(24)), raising=False)
    assert ahead.count_threads('auto', cluster) == 3  # others are bound to the same ones
    monkeypatch.setenv(ahead.devices.BOUND, '1')
    assert ahead.count_threads('auto', cluster) == 16  # of 24 of its own
    for wanted in (0, -1, 1.5, True, 'all', None):
        with pytest.raises(UserError, match='data_workers must be auto or a number of at least 1, not'):
            ahead.count_threads(wanted)
