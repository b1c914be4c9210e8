"""Workers that measure together, here threads; tests/training/test_workers.py has processes."""

import threading

import numpy as np
import pytest

from dnnlib import EasyDict
from dnnlib.tflib import collectives
from metrics import group, team, weights
from metrics.group import MetricGroup
from metrics.metric_base import DummyMetric
from metrics.metric_defaults import metric_defaults
from tests.metrics import tiny_extractor as tiny_extractor_module
from tests.metrics.tiny_generator import PlainGenerator
from training import pretrained

WAIT = 20.0


class Hall:
    """Where threads meet that pass for workers."""

    def __init__(self, size):
        self.size, self.here = size, threading.local()
        self._barrier, self._brought = threading.Barrier(size, timeout=WAIT), [None] * size

    def bring(self, value):
        """What all have brought."""
        self._brought[self.here.worker] = value
        self._barrier.wait()
        found = list(self._brought)
        self._barrier.wait()
        return found

    gather = bring

    def copy_from_first(self, arrays):
        """See Exchange."""
        for array, first in zip(arrays, self.bring([array.copy() for array in arrays])[0]):
            array[...] = first

    def close(self):
        """See Exchange."""

    def run(self, function):
        """Results of a function without arguments in all threads, or the errors that it raised."""
        found = [None] * self.size

        def call(worker):
            self.here.worker = worker
            try:
                found[worker] = function()
            except Exception as error:  # pylint: disable=broad-except
                found[worker] = error
        threads = [threading.Thread(target=call, args=(worker,)) for worker in range(self.size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


@pytest.fixture
def hall(monkeypatch):
    """Function of a number of workers that opens a Hall for them."""
    def open_hall(size):
        opened = Hall(size)
        monkeypatch.setattr(collectives, 'num_workers', lambda: size)
        monkeypatch.setattr(collectives, 'worker', lambda: opened.here.worker)
        monkeypatch.setattr(team, 'Exchange', lambda: opened)
        return opened
    return open_hall


@pytest.mark.parametrize('size,count', [(2, 0), (2, 1), (3, 31), (4, 5), (8, 200)])
def test_worker_0_gets_all_rounds_in_order(hall, size, count):
    def work():
        done = []
        with team.Team() as workers:
            found = list(workers.compute(count, lambda n: done.append(n) or [np.full([n % 3], n), np.float32(n)], int))
        assert all(workers.is_mine(number) for number in done)
        return done, found
    results = hall(size).run(work)
    assert sorted(n for done, _ in results for n in done) == list(range(count))
    assert [float(x) for _, x in results[0][1]] == list(range(count))
    assert all(np.array_equal(x, np.full([n % 3], n)) for n, (x, _) in enumerate(results[0][1]))
    assert not any(found for _, found in results[1:])


@pytest.mark.parametrize('where', ['start', 'round', 'check', 'end', 'alone'])
@pytest.mark.parametrize('failing', [0, 2])
def test_an_error_of_one_ends_it_in_all(hall, where, failing):
    opened = hall(3)

    def fail(now):
        if now == where and opened.here.worker == failing:
            raise ValueError('no more memory')

    def work():
        with team.Team() as workers:
            fail('start')
            workers.decide(1)
            for _ in workers.compute(20, lambda n: (n > 4 and fail('round')) or [np.zeros(1)], lambda: fail('check')):
                pass
            fail('end')
            workers.leave()
            fail('alone')
    errors = opened.run(work)
    if (where, failing) == ('alone', 2):  # it had left
        assert errors == [None] * 3
        return
    assert str(errors.pop(failing)) == 'no more memory'
    assert [(type(error), str(error)) for error in errors] == [
        (team.Stopped, f'worker {failing}: no more memory')] * 2
    assert [str(error) for error in opened.run(work)].count('no more memory') == 1  # they still understand each other


def test_worker_0_decides_and_gives(hall, tmp_path):
    opened = hall(3)
    (tmp_path / 'file').write_bytes(b'abc')
    arrays = {'a': np.arange(6, dtype=np.float32).reshape(2, 3).T, 'b/c': np.zeros([0, 2], np.int64)}

    def work():
        is_first = opened.here.worker == 0
        with team.Team() as workers:
            given = workers.from_first(arrays if is_first else None)
            file = workers.file_from_first(str(tmp_path / 'file') if is_first else 'nothing')
            decided = workers.decide(opened.here.worker + 5), workers.decide(None if is_first else 3)
        return decided, given, file if is_first else file.read()
    for worker, (decided, given, file) in enumerate(opened.run(work)):
        assert decided == (5, None) and file == (b'abc' if worker else str(tmp_path / 'file'))
        assert list(given) == list(arrays) and all(np.array_equal(given[name], arrays[name]) for name in arrays)
        assert all(given[name].dtype == arrays[name].dtype for name in arrays)


def test_metrics_of_three_are_those_of_one(hall, tiny_extractor, narrow_lpips, picture_folder, tmp_path, monkeypatch):
    """Also the features of the reals, which nobody knows yet."""
    (tmp_path / 'net.pkl').write_bytes(b'a network')
    loaded = []

    def load(file):
        loaded.append(file if isinstance(file, str) else file.read())
        made = PlainGenerator()
        made.components.mapping.output_shape = [None, 1, made.latent_size]
        made.components.synthesis.update(
            option_names=(), get_output_for=lambda dlatents, **_options: made.get_output_for(dlatents[:, 0], None))
        return made
    monkeypatch.setattr(pretrained, 'load_generator', load)
    names = ['fd100_effnetlite0', 'kid100_effnetlite0', 'is100', 'nearest60', 'ppl2_wend50']
    where = dict(dataset_args=dict(tfrecord_dir=picture_folder('reals', 70)[0]), mirror_augment=True,
                 tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1))

    def measure():
        metrics = MetricGroup([metric_defaults[name] for name in names], seed=3)
        metrics.run(str(tmp_path / 'net.pkl') if collectives.worker() == 0 else 'nothing', **where)
        return metrics.get_results()
    found = hall(3).run(measure)
    assert sorted(map(str, loaded)) == sorted([str(tmp_path / 'net.pkl')] * 5 + [str(b'a network')] * 10)
    monkeypatch.undo()
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'other'))
    tiny_extractor_module.use(monkeypatch)
    monkeypatch.setattr(pretrained, 'load_generator', load)
    monkeypatch.setattr(weights, 'lpips_vgg16', lambda: narrow_lpips)
    assert found == [measure(), {}, {}] and len(found[0]) == 7


def test_meetings_are_a_second_apart_and_bounded():
    assert team._next_size(1, 0.1, 1000) == 2  # the first may be slow
    assert team._next_size(8, 4.0, 1000) == 2 and team._next_size(4, 100.0, 1000) == 1
    assert team._next_size(8, 0.1, team.MEETING_BYTES) == 8
    assert team._next_size(8, 0.1, 100 * team.MEETING_BYTES) == 1


def test_the_metrics_of_worker_0_are_those_of_all():
    shared = []

    def job(task):
        return EasyDict(cluster=task, watch=EasyDict(share=lambda value: shared.append(value) or shared[0]))
    first = MetricGroup([dict(func_name='metrics.metric_base.DummyMetric', name='fid1k')])
    assert group.agree(EasyDict(cluster=None), first, None) is first and not shared
    assert group.agree(job(0), first, None) is first and shared == [['fid1k']]
    other = group.agree(job(1), None, len)
    assert [metric.name for metric in other.metrics] == ['fid1k'] and other.metrics[0].settings.should_stop is len


def test_alone_nothing_is_exchanged():
    metric = DummyMetric('dummy')
    assert list(metric._computed(3, lambda n: [n])) == [[0], [1], [2]]
    with team.Team() as workers:
        workers.leave()
        assert workers.decide(metric) is metric and workers.from_first(metric) is metric
        assert workers.file_from_first(metric) is metric and workers.is_mine(7)
