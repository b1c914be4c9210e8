"""Tests of joint steps: the same as NumPy with the gradients of one moment, whatever order TensorFlow chooses."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.run.cluster import Cluster
from dnnlib.tflib import collectives, worker_jobs
from dnnlib.tflib.autosummary import autosummary, save_summaries
from dnnlib.tflib.joint import apply_jointly
from dnnlib.tflib.optimizer import Optimizer
from tests.dnnlib.tflib.test_optimizer import create_var

A, B = np.float32([1, -2, 3]), np.float32([0.5, 1, -1])
RATE, STEPS = 0.1, 4


def game(**kwargs):
    """Two players whose gradients depend on each other's variable: a descends a^2 b / 2, b ascends the same.

    Returns: (variables, losses, optimizers with registered gradients).
    """
    a, b = create_var(A, 'a'), create_var(B, 'b')
    value = autosummary('value', tf.reduce_sum(tf.square(a) * b) / 2)
    losses, optimizers = [value, -value], []
    for name, loss, variable in zip('AB', losses, (a, b)):
        optimizers.append(Optimizer('Train' + name, learning_rate=RATE, **kwargs))
        optimizers[-1].register_gradients(loss, [variable])
    return [a, b], losses, optimizers


def expected_values(simultaneous):
    return trajectory(simultaneous)[-1]


def trajectory(simultaneous):
    """Values of a and b before the first step and after each one."""
    a, b = A, B
    values = [(a, b)]
    for _ in range(STEPS):
        next_a = a - RATE * a * b
        b = b + RATE * np.square(a if simultaneous else next_a) / 2
        a = next_a
        values.append((a, b))
    return values


@pytest.mark.parametrize('tf_optimizer', ['tf.train.GradientDescentOptimizer', 'dnnlib.tflib.optimizers.SGD'])
def test_all_gradients_are_those_before_the_step(session, tf_optimizer):
    variables, _losses, optimizers = game(tf_optimizer=tf_optimizer)
    step = apply_jointly(optimizers)
    for _ in range(STEPS):
        session.run(step)
    values = session.run(variables)
    np.testing.assert_allclose(values, expected_values(simultaneous=True), rtol=1e-5)
    assert np.abs(np.subtract(values, expected_values(simultaneous=False))).max() > 0.1


def test_steps_one_after_the_other_differ(session):
    variables, _losses, optimizers = game(tf_optimizer='tf.train.GradientDescentOptimizer')
    steps = [optimizer.apply_updates() for optimizer in optimizers]
    for _ in range(STEPS):
        for step in steps:
            session.run(step)
    np.testing.assert_allclose(session.run(variables), expected_values(simultaneous=False), rtol=1e-5)


def ancestors(op):
    """All operations that an operation waits for, itself included."""
    found, new = set(), [op]
    while new:
        op = new.pop()
        if op not in found:
            found.add(op)
            new += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return found


@pytest.mark.parametrize('tf_optimizer', ['tf.train.AdamOptimizer', 'dnnlib.tflib.optimizers.Adam'])
def test_every_assignment_waits_for_all_gradients(session, tf_optimizer):
    """The order of one run proves nothing, for nothing else keeps TensorFlow from another one."""
    for jointly in (True, False):
        with tf.variable_scope('joint' if jointly else 'apart'):
            variables, losses, optimizers = game(tf_optimizer=tf_optimizer, minibatch_multiplier=2)
        gradients = {gradient.op for optimizer in optimizers for gradient in optimizer.gradients()}
        before = set(session.graph.get_operations())
        if jointly:
            apply_jointly(optimizers, after=losses)
        else:
            tf.group(*[optimizer.apply_updates() for optimizer in optimizers])
        steps = [op for op in set(session.graph.get_operations()) - before if op.type in ('ApplyAdam', 'AssignSub')]
        assert len(steps) == 2 and len(gradients) == 2
        waits_for_all = [ancestors(op) >= gradients | {loss.op for loss in losses} for op in steps]
        assert waits_for_all == [jointly, jointly]


def test_rounds_are_accumulated_and_losses_are_those_before_the_step(session):
    variables, losses, optimizers = game(tf_optimizer='tf.train.GradientDescentOptimizer', minibatch_multiplier=2)
    step = apply_jointly(optimizers, after=losses)
    for _ in range(2 * STEPS):
        session.run(step)
    values = trajectory(simultaneous=True)
    np.testing.assert_allclose(session.run(variables), values[-1], rtol=1e-5)
    mean = np.mean([np.sum(a ** 2 * b) / 2 for a, b in values[:-1]])
    assert save_summaries(None)['value'] == pytest.approx(mean, rel=1e-5)


def test_an_optimizer_skips_its_own_step_only(session):
    a, b = create_var([0.0], 'a'), create_var([1.0], 'b')
    optimizers = [Optimizer('Train' + name, 'tf.train.GradientDescentOptimizer', learning_rate=0.5) for name in 'AB']
    optimizers[0].register_gradients(tf.reduce_sum(tf.sqrt(a) * b), [a])  # infinite slope
    optimizers[1].register_gradients(tf.reduce_sum((tf.sqrt(a) + 1) * b), [b])
    session.run(apply_jointly(optimizers))
    assert session.run([a, b]) == [[0], [0.5]]
    assert [list(session.run(optimizer.skipped)) for optimizer in optimizers] == [[1, 1], [0, 0]]


def test_no_variable_belongs_to_two_optimizers(session):
    variables, losses, optimizers = game()
    optimizers.append(Optimizer('TrainC'))
    optimizers[-1].register_gradients(losses[0], variables[1:])
    with pytest.raises(ValueError, match='change b:0 twice'):
        apply_jointly(optimizers)
    with pytest.raises(RuntimeError, match='call register_gradients before'):
        apply_jointly([Optimizer('TrainD')])


def test_nothing_hangs_on_operations_of_earlier_session_calls(session, monkeypatch):
    run, marks = session.run, []

    def marking_run(*args, **kwargs):
        marks.append(len(session.graph.get_operations()))
        return run(*args, **kwargs)

    monkeypatch.setattr(session, 'run', marking_run)
    _variables, losses, optimizers = game()
    apply_jointly(optimizers, after=losses)
    index = {op.name: i for i, op in enumerate(session.graph.get_operations())}
    for op in session.graph.get_operations():
        for before in op.control_inputs:
            assert not any(index[before.name] < mark <= index[op.name] for mark in marks), (before.name, op.name)
    assert marks


def test_two_workers_exchange_everything_in_one_order(session, monkeypatch):
    """Chunk after chunk, optimizer after optimizer; nothing runs."""
    job = worker_jobs.ServerJob(Cluster(('a:1', 'b:1'), 0, ''), tf.ConfigProto())
    tf.get_collection_ref(collectives._KEY).append(job)
    monkeypatch.setattr(collectives, 'CHUNK_BYTES', 8)
    for jointly in (True, False):
        with tf.variable_scope('joint' if jointly else 'apart'):
            optimizers = []
            for name in 'AB':
                optimizers.append(Optimizer('Train' + name))
                some = [create_var(A, name + number) for number in '12']
                optimizers[-1].register_gradients(tf.reduce_sum(some[0] * some[1]), some)
        before = set(session.graph.get_operations())
        apply_jointly(optimizers) if jointly else [optimizer.apply_updates() for optimizer in optimizers]
        sums = [op for op in session.graph.get_operations() if op not in before and op.type == 'CollectiveReduce']
        assert len(sums) == 4
        waits = [sums[number] in ancestors(sums[number + 1]) for number in range(3)]
        assert waits == [True, jointly, True]
