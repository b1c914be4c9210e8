"""Which stages are due, with which data and seeds; session calls are only noted."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict
from dnnlib.seeds import step_seed
from training import iteration
from training.data.streams import Stream
from training.iteration import Iteration
from training.train_step import NEW_LEVEL, ScheduleFields, Stage


class Numbers:
    """A dataset whose images are the numbers in order."""

    shape, label_size, position = [1, 4, 4], 1, 0
    bad_images, moves, jitter, noise = (), None, None, 0.0

    def seek(self, position):
        self.position = position

    def get_minibatch_np(self, minibatch_size, lod, places, draws):
        numbers = np.arange(self.position, self.position + minibatch_size)
        self.position += minibatch_size
        numbers = numbers if places is None else numbers[list(places)]
        return numbers.reshape(-1, 1, 1, 1), numbers[:, np.newaxis]


@pytest.fixture
def calls(monkeypatch):
    """[(operation, feed)] of the session calls; a list of boolean variables that are true is in `true`."""
    noted = []

    def run(fetch, feed=None):
        if feed is None:
            return fetch == 'true'
        return noted.append((fetch, feed))
    monkeypatch.setattr(iteration.tflib, 'run', run)
    return noted


def make(*stages, streams=('reals',)):
    """Iteration of stages that are called like their operations; placeholders are texts."""
    step = EasyDict(seed_in='seed', round_in=None,
                    sched=ScheduleFields([dict(minibatch_size=4, minibatch_gpu=2, rounds=2)]),
                    feeds={name: (name, name + ' labels') for name in streams})
    stages = [Stage(name, name, **options) for name, options in stages]
    return Iteration(stages, step, {name: Stream(Numbers(), name) for name in streams})


def run(made, number, new_level=False, seed=7):
    """The iteration with this number."""
    sched = dict(minibatch_size=4, rounds=2, lod=0.0, new_level=new_level)
    made.run(sched, seed, EasyDict(nimg=4 * number, iteration=number))


def seen(feed, name='reals'):
    """Numbers of the images in a feed."""
    np.testing.assert_array_equal(feed[name].ravel(), feed[name + ' labels'].ravel())
    return feed[name].ravel().tolist()


def test_which_stages_are_due_in_order(calls):
    made = make(('level', dict(every=NEW_LEVEL, rounds=False)), ('G', {}), ('G_reg', dict(every=4)),
                ('Gs', dict(rounds=False)), ('off', dict(when='false')), ('on', dict(when='true', rounds=False)))
    for number in range(9):
        del calls[:]
        run(made, number, new_level=number == 3)
        assert [name for name, _ in calls] == ['level'] * (number == 3) + ['G'] * 2 + ['G_reg'] * (
            2 * (number in (0, 4, 8))) + ['Gs', 'on']


def test_stages_at_the_end_of_some_iterations(calls):
    made = make(('G', {}), ('last', dict(every=3, at_end=True, rounds=False)))
    for number in range(7):
        del calls[:]
        run(made, number)
        assert [name for name, _ in calls] == ['G'] * 2 + ['last'] * (number in (2, 5))
    made.run(dict(minibatch_size=4, rounds=1, new_level=False), 7, EasyDict(nimg=0, iteration=0), ignore_gates=True)
    assert calls[-1][0] == 'last'  # where one iteration stands for all


def test_seeds_are_those_of_stage_images_and_round(calls):
    run(make(('G', {}), ('Gs', dict(rounds=False))), 3)
    assert [feed['seed'].tolist() for _, feed in calls] == [
        step_seed(7, 12, *key).tolist() for key in (('G', 0), ('G', 1), ('Gs', 0))]


def test_rounds_divide_the_minibatch_that_stages_share(calls):
    made = make(('G', {}), ('D', dict(batch='this')), ('D_reg', dict(batch='this', every=2)))
    assert made.slots == 1
    for number in range(3):
        del calls[:]
        run(made, number)
        parts = [(name, seen(feed)) for name, feed in calls if name != 'G']
        first = [4 * number, 4 * number + 1], [4 * number + 2, 4 * number + 3]
        assert parts == [(name, part) for name in ['D'] + ['D_reg'] * (number % 2 == 0) for part in first]
        assert all('reals' not in feed for name, feed in calls if name == 'G')


def test_a_step_of_several_minibatches(calls):
    made = make(('D', dict(batch='this')), ('G', dict(batch='next', minibatches=2)))
    assert made.slots == 3
    run(made, 1)
    assert [(name, seen(feed)) for name, feed in calls] == [
        ('D', [12, 13]), ('D', [14, 15]), ('G', [16, 17]), ('G', [18, 19]), ('G', [20, 21]), ('G', [22, 23])]
    assert [feed['seed'].tolist() for _, feed in calls[2:]] == [step_seed(7, 4, 'G', k).tolist() for k in range(4)]


def test_workers_share_each_of_several_minibatches(calls, monkeypatch):
    def seen_of(rounds):
        made = make(('G', dict(batch='next', minibatches=2)))
        del calls[:]
        made.run(dict(minibatch_size=8, minibatch_gpu=2, rounds=rounds, lod=0.0, new_level=False), 7,
                 EasyDict(nimg=8, iteration=1))
        return [(tuple(feed['seed'].tolist()), seen(feed)) for _, feed in calls]
    alone, shared = seen_of(4), []
    monkeypatch.setattr(iteration.collectives, 'num_workers', lambda: 2)
    for worker in range(2):
        monkeypatch.setattr(iteration.collectives, 'worker', lambda worker=worker: worker)
        shared.append(seen_of(2))
    assert [one for pair in zip(*shared) for one in pair] == alone
    assert [numbers for _, numbers in alone] == [[16 + 2 * k, 17 + 2 * k] for k in range(8)]


def test_next_minibatches_are_fresh(calls):
    made = make(('D1', dict(batch='this')), ('D2', dict(batch='next')), ('D3', dict(batch='next', every=2)))
    assert made.slots == 3
    for number in range(3):
        run(made, number)
    numbers = [number for _, feed in calls for number in seen(feed)]
    assert numbers == list(range(20)) + list(range(24, 36))  # 20 to 23: D3 was not due, and its place stays empty
    del calls[:]
    run(made, 1)  # resumed
    assert [number for _, feed in calls for number in seen(feed)] == list(range(12, 20))


def test_the_time_of_waiting_for_data(calls, monkeypatch):
    now = [0.0]

    def read(data, minibatch_size, lod, places, draws, before=Numbers.get_minibatch_np):
        now[0] += 3
        return before(data, minibatch_size, lod, places, draws)
    monkeypatch.setattr(iteration.time, 'perf_counter', lambda: now[0])
    monkeypatch.setattr(Numbers, 'get_minibatch_np', read)
    made = make(('G', {}), ('D', dict(batch='this')), ('D2', dict(batch='next')))
    for number in range(2):
        run(made, number)
        now[0] += 10
    assert [made.take_waited(), made.take_waited()] == [12, 0] and len(calls) == 12


def test_every_stream_is_read(calls):
    run(make(('G', dict(batch='this')), streams=('A', 'B')), 2)
    assert [(seen(feed, 'A'), seen(feed, 'B')) for _, feed in calls] == [([8, 9], [8, 9]), ([10, 11], [10, 11])]


def test_all_data_are_read_before_the_first_session_call(calls, monkeypatch):
    made = make(('G', {}), ('D', dict(batch='this')))

    def damaged(*_args):
        raise OSError
    monkeypatch.setattr(Numbers, 'get_minibatch_np', damaged)
    with pytest.raises(OSError):
        run(made, 0)
    assert not calls


def test_nothing_is_read_where_no_stage_with_data_is_due(calls, monkeypatch):
    made = make(('G', {}), ('D', dict(batch='this', every=2)))
    monkeypatch.setattr(Numbers, 'get_minibatch_np', lambda *_args: pytest.fail('it is read'))
    run(made, 1)
    assert [name for name, _ in calls] == ['G', 'G']


def test_stages_that_cannot_be(calls):
    for stages, message in [([('G', {}), ('G', {})], 'stages need different names'),
                            ([('G', dict(batch='other'))], "None, 'this' or 'next'"),
                            ([('G', dict(batch='this', rounds=False))], 'runs in every round'),
                            ([('G', dict(batch='this', minibatches=2))], 'takes fresh ones'),
                            ([('G', dict(rounds=False, minibatches=2))], 'takes fresh ones')]:
        with pytest.raises(ValueError, match=message):
            make(*stages)


def test_errors_from_within_an_iteration_are_known(calls, monkeypatch):
    made = make(('a', dict(batch='this')))
    assert not made.is_running
    run(made, 0)
    assert not made.is_running
    monkeypatch.setattr(iteration.tflib, 'run', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(made, 1)
    assert made.is_running
    made = make(('a', dict(batch='this')))
    monkeypatch.setattr(Stream, 'minibatch', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(made, 1)
    assert not made.is_running


def test_every_round_finds_some_variables_as_the_first_did(session):
    moved, kept = (tf.Variable(0.0, use_resource=True, trainable=False) for _ in range(2))
    with tf.control_dependencies([tf.assign_add(kept, 1)]):
        op = tf.assign_add(moved, kept.read_value())
    session.run([moved.initializer, kept.initializer])
    made = make()
    made.step.seed_in = tf.placeholder(tf.int64, [2])
    made._stages = [Stage('D', op, rewound=(moved,))]
    run(made, 0)
    assert session.run([moved, kept]) == [2, 2]  # of the last of two rounds; with one after the other 1 + 2
    made._stages = [Stage('D', op)]
    run(made, 1)
    assert session.run([moved, kept]) == [2 + 3 + 4, 4]
