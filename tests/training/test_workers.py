"""Two workers train what one worker trains with two rounds, to the last bit; what they agree on."""

import json
import os
import re
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import workers as benchmark
from dnnlib import EasyDict, UserError
from dnnlib.tflib import collectives
from tests.training import measuring
from training import iteration, workers
from training.data.cats import CatsDataset
from training.data.streams import Stream
from training.schedule import accumulation_rounds
from training.state import files

METHODS = {'pools': 2, 'StyleGAN2': 3, 'BigGAN': 2}  # name: iterations
OPS = {'StyleGAN2': 'native', 'BigGAN': 'native'}  # whose workers share memory; the others have servers of TensorFlow
if tf.__version__.startswith('1.'):  # the arithmetic of its sums and its sockets are all that can differ
    METHODS = {'pools': 2, 'StyleGAN2': 3}
LOOP = {'StyleGAN2': dict(  # from networks that only worker 0 reads, of other sizes
    measure=measuring.__name__ + '.callback', network_snapshot_ticks=100,
    resume_pkl=os.path.join(os.path.dirname(os.path.dirname(__file__)), 'data', 'labels3_r16.pkl'))}
CHUNK_BYTES = 4096  # so that gradients take several


def test_two_workers_train_what_two_rounds_train(tmp_path):
    """Pools that each round has; labels, path lengths, both regularizations, and the metrics of the last networks."""
    def jobs_in(kind, **options):
        return [dict(method=method, workers=2, iterations=count, run_dir=str(tmp_path / f'{kind}-{number}'),
                     ops=OPS.get(method, 'ref'), loop=LOOP.get(method), **options)
                for number, (method, count) in enumerate(METHODS.items())]
    jobs, alone = jobs_in('many', chunk_bytes=CHUNK_BYTES), jobs_in('one')
    processes = benchmark.start(sys.executable, 2, jobs)
    try:  # a process of its own, since the threads of this one are what its first session asked for
        processes += benchmark.start(sys.executable, None, alone)
        benchmark.finish(processes[2:], alone[0]['run_dir'], timeout=240)
        benchmark.finish(processes[:2], jobs[0]['run_dir'], timeout=240)
    finally:
        benchmark.stop(processes)
    for number, job in enumerate(jobs):
        one, many = (str(tmp_path / f'{kind}-{number}') for kind in ('one', 'many'))
        assert benchmark.compare(benchmark.variables(one), benchmark.variables(many)) == (0, []), job['method']
        assert sorted(os.listdir(one + '/state')) == sorted(os.listdir(many + '/state'))
        assert files.latest_counters(one).tick == files.latest_counters(many).tick
    with open(jobs[0]['run_dir'] + '.0.txt') as log:
        text = log.read()
    assert 'metric failing: worker 1: no more memory' in text
    found = int(re.search('StyleGAN2: ([0-9]+) sums in shared memory', text).group(1))
    assert 20 < found < 64, found  # of G and D and both regularizations, in chunks, and of all else
    assert 'pools: 0 sums in shared memory' in text
    number = list(METHODS).index('StyleGAN2')
    one, many = (json.loads((tmp_path / f'{kind}-{number}' / measuring.RESULTS).read_text())
                 for kind in ('one', 'many'))
    assert many.pop('drawn') < one.pop('drawn') - 5
    assert one == many and all(map(np.isfinite, one.values())) and len(one) == 6


@pytest.fixture
def two(monkeypatch):
    """This process passes for worker 1 of 2; what it votes is in `votes`, and `tally` is what the workers voted."""
    found = EasyDict(votes=None, tally=[0, 0])
    monkeypatch.setattr(collectives, 'num_workers', lambda: 2)
    monkeypatch.setattr(collectives, 'worker', lambda: 1)
    monkeypatch.setattr(collectives, 'vote', lambda votes: found.update(votes=list(votes)))
    monkeypatch.setattr(collectives, 'tally', lambda: found.tally)
    return found


def test_alone_everything_is_agreed_at_once():
    agreement = workers.Agreement()
    assert [agreement.stops(wanted) for wanted in (0, 2, None)] == [False, True, False]
    assert agreement.saves(True) is True


def test_workers_agree_by_the_next_sum(two):
    agreement = workers.Agreement()
    assert agreement.saves(False) is False and two.votes is None  # nothing changed, nothing is sent
    assert agreement.saves(True) is False and two.votes == [0, 1]
    two.tally = [0, 1]
    assert agreement.saves(True) is True and two.votes == [0, 0]  # or it would be saved again
    two.tally = [1, 0]
    assert agreement.stops(0) is True and agreement.saves(False) is False


def test_rounds_and_images_of_a_worker(two):
    assert iteration.round_numbers(3) == [1, 3, 5]
    sched = dict(minibatch_size=8, minibatch_gpu=2, rounds=2, lod=0)
    assert iteration.places_of(sched) == (2, 3, 6, 7)
    with CatsDataset(8) as all_images, CatsDataset(8) as some_images:
        for nimg in (0, 8, 16):  # the second one was read ahead
            expected, _ = Stream(all_images, seed=3, mirror_augment=True).minibatch(nimg, sched)
            found, _ = Stream(some_images, seed=3, mirror_augment=True).minibatch(
                nimg, sched, places=iteration.places_of(sched))
            np.testing.assert_array_equal(found, expected[[2, 3, 6, 7]])
            assert some_images.position == nimg + 8


def test_minibatches_that_do_not_divide():
    assert accumulation_rounds(32, 4, 2) == 4
    for args, text in [((32, 1, 3), 'minibatch 32 does not divide by 3: use 30 or 33'),
                       ((32, 4, 3), r'minibatch 32 does not divide by 12 \(3 workers of 4 images\): use 24 or 36'),
                       ((4, 4, 2), r'minibatch 4 does not divide by 8 \(2 workers of 4 images\): use 8')]:
        with pytest.raises(UserError, match=text + '$'):
            accumulation_rounds(*args)


def test_different_data_are_named(two, monkeypatch):
    stream = EasyDict(dataset=CatsDataset(8))
    own = workers.fingerprint(stream.dataset)
    monkeypatch.setattr(workers, '_compare_devices', lambda: None)
    monkeypatch.setattr(collectives, 'gather_numbers', lambda numbers: np.float64([numbers, numbers]))
    workers.compare_data(dict(reals=stream))
    for change, text in [(dict(enumerate(own[:-1] + [5])), 'instead of .* and other pixels or labels; give all hosts'),
                         ({0: own[0] + 1}, "'reals' has {} images of 8x8, .*instead of {} images".format(
                             own[0] + 1, own[0]))]:
        other = [change.get(i, value) for i, value in enumerate(own)]
        monkeypatch.setattr(collectives, 'gather_numbers', lambda numbers: np.float64([numbers, other]))
        with pytest.raises(UserError, match='worker 1 reads other data than worker 0: .*' + text):
            workers.compare_data(dict(reals=stream))


def test_different_devices_are_named(two, monkeypatch):
    monkeypatch.setattr(collectives, 'has_gpu', lambda: True)
    monkeypatch.setattr(workers.tf, '__version__', '2.21.0-rc1')
    monkeypatch.setattr(collectives, 'gather_numbers', lambda numbers: np.float64([numbers, numbers]))
    workers.compare_data({})
    for other, text in [([0, 2, 21, 0], 'the CPU with TensorFlow 2.21.0'),
                        ([1, 1, 14, 0], 'a GPU with TensorFlow 1.14.0')]:
        monkeypatch.setattr(collectives, 'gather_numbers', lambda numbers: np.float64([numbers, other]))
        with pytest.raises(UserError, match=f'worker 1 computes on {text}, worker 0 on a GPU with TensorFlow 2.21.0;'):
            workers.compare_data({})


def test_a_worker_that_reports_nothing_keeps_the_ticks():
    checkpoints = mock.Mock(counters=EasyDict(files.new_counters(64), tick=0))
    follower = workers.Follower(checkpoints, 2)
    with mock.patch.object(workers.autosummary, 'save_summaries') as save_summaries:
        follower.tick(None, False)
        assert (checkpoints.counters.tick, checkpoints.counters.tick_nimg) == (1, 64)
        assert not checkpoints.before_metrics.called
        follower.tick(None, False)
        assert checkpoints.before_metrics.called and checkpoints.after_metrics.called
        assert save_summaries.call_count == 2
        follower.step(0.1)
        follower.step(0.1, went_back=True)
        assert save_summaries.call_count == 3
    assert follower.line() is None
