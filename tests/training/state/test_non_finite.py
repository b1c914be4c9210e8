"""Gradients that are not finite: counted, one way back with other random numbers, then the end."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError
from tests.training.test_training_loop import train
from training.loss import D_logistic_r1
from training.state import files, non_finite


def broken_once(G, D, training_set, minibatch_size, reals, labels, gamma):
    """R1 loss that is NaN for good once a variable of the state is, as the mean of the path lengths can be."""
    broken = tf.get_variable('broken', shape=[], initializer=tf.initializers.zeros(), trainable=False)
    value, penalty = D_logistic_r1(G, D, training_set, minibatch_size, reals, labels, gamma)
    return value * (1 + broken), penalty


def break_at(ticks):
    """A metric callback that spoils the variable at the ticks with these numbers, counted from 1."""
    calls = []

    def callback(_network_pkl, _fakes):
        calls.append(None)
        if len(calls) in ticks:
            variable, = [var for var in tf.global_variables() if var.op.name.endswith('broken')]
            variable.load(np.nan, tf.get_default_session())
    return callback


def train_broken(run_dir, ticks):
    return train(run_dir, 0.16, network_snapshot_ticks=2, nan_patience=3, metric_callback=break_at(ticks),
                 D_loss_args=dict(func_name=__name__ + '.broken_once', gamma=1.0), minibatch_gpu=8)


def test_one_way_back(tmp_path, capsys):
    assert train_broken(tmp_path, [4]) == 0  # at 128 images; the state of 96 is the last good one
    out = capsys.readouterr().out
    assert 'gradients were not finite in 3 steps in a row. Going back to the state at kimg 0.1, once' in out
    ticks = [json.loads(line) for line in open(str(tmp_path / 'stats.jsonl'))]
    assert [tick['nimg'] for tick in ticks] == [32, 64, 96, 128, 160]
    assert [tick['Alarms/went_back'] for tick in ticks] == [0, 0, 0, 1, 1]
    assert files.latest_counters(str(tmp_path)).went_back == 1


def test_the_second_time_it_stops(tmp_path):
    with pytest.raises(UserError, match='in 3 steps in a row, again after going back; try a lower learning rate.* '
                                        'what was learned since the last good state is lost'):
        train_broken(tmp_path, [4, 5])
    assert files.latest_counters(str(tmp_path)).skipped_in_a_row == 0


@pytest.fixture
def stages(session):
    """Two stages, one of an optimizer that left out 7 steps, the last 3 among them."""
    skipped = tf.Variable(np.int64([7, 3]), use_resource=True)
    session.run(skipped.initializer)
    return [EasyDict(skipped=()), EasyDict(skipped=(skipped,))]


def test_without_a_state_it_stops(stages, tmp_path):
    watch, counters = non_finite.Watch(stages, 3, None, str(tmp_path)), files.new_counters()
    with pytest.raises(UserError, match='there is no earlier state to go back to'):
        watch.update(counters)
    assert (counters.skipped, counters.skipped_in_a_row) == (7, 3)


@pytest.mark.parametrize('patience', [0, 4])
def test_patience(stages, tmp_path, patience):
    assert not non_finite.Watch(stages, patience, None, str(tmp_path)).update(files.new_counters())


def test_seeds_of_attempts_differ():
    counters = files.new_counters()
    assert non_finite.attempt_seed(7, counters) == 7
    counters.went_back = 1
    assert non_finite.attempt_seed(7, counters) != 7
