"""Tests of dnnlib.tflib.autosummary."""

import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import autosummary as module
from dnnlib.tflib.autosummary import autosummary, finalize_autosummaries, save_summaries


def read_events(folder):
    """All values in the event files of a folder: list of (step, tag, value)."""
    events = []
    for path in folder.iterdir():
        for event in tf.train.summary_iterator(str(path)):
            events += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
    return events


def test_tensor_is_averaged_over_components_and_executions_and_reset_by_the_report(session):
    x = tf.placeholder(tf.float32, [None])
    y = autosummary('Loss/x', x)
    np.testing.assert_array_equal(session.run(y, {x: [1, 2, 3]}), [1, 2, 3])
    session.run(y, {x: [10]})
    assert save_summaries(None) == {'Loss/x': 4}  # 16 / 4 components, not a mean of means
    session.run(y, {x: [5]})
    assert save_summaries(None) == {'Loss/x': 5}
    assert math.isnan(save_summaries(None)['Loss/x'])


def test_statistic_is_a_side_effect_of_the_identity_only(session):
    x = tf.constant([7.0])
    passed = autosummary('x', x, passthru=tf.constant([1.0, 2.0]))
    session.run(x)
    np.testing.assert_array_equal(session.run(passed), [1, 2])
    assert save_summaries(None) == {'x': 7}


def test_uses_of_one_name_are_averaged_together(session):
    a, b = autosummary('x', tf.constant(2)), autosummary('x', tf.constant([3, 4], tf.int64))
    autosummary('x', 11)
    session.run([a, b])
    assert save_summaries(None) == {'x': 5}


def test_conditions_and_non_finite_values_are_not_counted(session):
    x, condition = tf.placeholder(tf.float32, []), tf.placeholder(tf.bool, [])
    y = autosummary('x', x, condition=condition)
    for value, is_counted in [(1, True), (100, False), (np.nan, True), (np.inf, True), (3, True)]:
        session.run(y, {x: value, condition: is_counted})
    assert save_summaries(None) == {'x': 2}


def test_numbers_and_arrays_are_counted_at_once(session):
    assert autosummary('Progress/tick', 3) == 3
    assert autosummary('Progress/tick', np.array([5, 7]), passthru='text') == 'text'
    autosummary('Progress/tick', 1000, condition=False)
    autosummary('Progress/tick', float('nan'))
    assert save_summaries(None) == {'Progress/tick': 5}
    autosummary('Metrics/later', 1)  # numbers may come with new names at any time
    means = save_summaries(None)
    assert means['Metrics/later'] == 1 and math.isnan(means['Progress/tick'])


def test_number_with_a_tensor_condition_is_counted_by_the_graph(session):
    condition = tf.placeholder(tf.bool, [])
    y = autosummary('x', 4.0, condition=condition)
    session.run(y, {condition: False})
    assert math.isnan(save_summaries(None)['x'])
    assert session.run(y, {condition: True}) == 4
    assert save_summaries(None) == {'x': 4}


def test_works_inside_a_conditional_branch(session):
    flag = tf.placeholder(tf.bool, [])
    y = tf.cond(flag, lambda: autosummary('taken', tf.constant(2.0)), lambda: tf.constant(0.0))
    session.run(y, {flag: False})
    session.run(y, {flag: True})
    assert save_summaries(None) == {'taken': 2}


def test_gradients_pass_through(session):
    x = tf.constant([1.0, 2.0])
    gradient, = tf.gradients(tf.reduce_sum(autosummary('x', x) ** 2), [x])
    np.testing.assert_allclose(session.run(gradient), [2, 4])


def test_tensors_are_refused_after_finalizing(session):
    finalize_autosummaries()
    with pytest.raises(RuntimeError, match="'late'"):
        autosummary('late', tf.constant(1.0))


def test_graph_can_be_finalized_between_reports(session):
    y = autosummary('x', tf.constant(1.0))
    finalize_autosummaries()
    tf.get_default_graph().finalize()
    for _ in range(2):
        session.run(y)
        assert save_summaries(None) == {'x': 1}


def test_accumulators_are_local_and_uninitialized_without_a_session():
    with tf.Graph().as_default():
        y = autosummary('Loss/x', tf.constant(6.0))
        assert [v.op.name for v in tf.local_variables()] == ['Autosummary/Loss_x']
        assert tf.global_variables() == [] and tf.trainable_variables() == []
        with tf.Session() as session:
            session.run(tf.local_variables_initializer())
            session.run(y)
            assert save_summaries(None) == {'Loss/x': 6}


def test_event_file_holds_the_means_and_the_other_summaries_of_the_graph(session, tmp_path):
    y = autosummary('Loss/x', tf.constant(1.5))
    tf.summary.scalar('other', tf.constant(9.0))
    writer = tf.summary.FileWriter(str(tmp_path))
    session.run(y)
    save_summaries(writer, 128)
    writer.close()
    assert sorted(read_events(tmp_path)) == [(128, 'Loss/x', 1.5), (128, 'other', 9.0)]


def test_state_belongs_to_the_graph(session):
    autosummary('outer', 1)
    with tf.Graph().as_default(), tf.Session():
        autosummary('inner', 2)
        assert module.save_summaries(None) == {'inner': 2}
    assert save_summaries(None) == {'outer': 1}
