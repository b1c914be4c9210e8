"""Tests of dnnlib.tflib.optimizer against Adam computed with NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil
from dnnlib.tflib.autosummary import save_summaries
from dnnlib.tflib.optimizer import Optimizer, SimpleAdam

ADAMS = ['tf.train.AdamOptimizer', 'dnnlib.tflib.optimizer.SimpleAdam']


def adam(start, gradients, rate=0.1, beta1=0.5, beta2=0.99, epsilon=1e-8):
    """Values after each of the steps with the given gradients (Kingma and Ba 2015, algorithm 1, last remark)."""
    x, m, v = np.float64(start), 0, 0
    values = []
    for t, gradient in enumerate(np.float64(gradients), 1):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient ** 2
        x = x - rate * np.sqrt(1 - beta2 ** t) / (1 - beta1 ** t) * m / (np.sqrt(v) + epsilon)
        values.append(x)
    return np.array(values)


def create_var(value, name='w/weight'):
    """An initialized float32 variable."""
    var = tf.Variable(np.float32(value), name=name)
    tf.get_default_session().run(var.initializer)
    return var


def linear_problem(size=3):
    """(variable of ones, placeholder g, loss whose gradient is g)."""
    w, g = create_var(np.ones(size)), tf.placeholder(tf.float32, [size])
    return w, g, tf.reduce_sum(w * g)


def gradient_list(num, size=3):
    return np.random.RandomState(1).randn(num, size).astype(np.float32)


@pytest.mark.parametrize('tf_optimizer', ADAMS)
def test_steps_are_adam(session, tf_optimizer):
    w, g, loss = linear_problem()
    opt = Optimizer('TrainG', tf_optimizer, learning_rate=0.1, beta1=0.5, beta2=0.99)
    opt.register_gradients(loss, {'w': w})
    train = opt.apply_updates()
    gradients = gradient_list(5)
    values = []
    for gradient in gradients:
        session.run(train, {g: gradient})
        values.append(session.run(w))
    np.testing.assert_allclose(values, adam(np.ones(3), gradients), rtol=1e-5)


def test_variable_names_and_collections(session):
    w, _g, loss = linear_problem()
    opt = Optimizer('TrainG', minibatch_multiplier=2)
    opt.register_gradients(loss, [w])
    opt.apply_updates()
    names = [var.op.name for var in tf.global_variables()]
    assert {'w/weight', 'w/weight/TrainG_opt0', 'w/weight/TrainG_opt0_1'} <= set(names)
    assert 'TrainG/grad_acc_count' in names and 'TrainG/grad_acc_var' in names
    assert tf.trainable_variables() == [w]
    assert session.run(tf.report_uninitialized_variables()).size == 0


@pytest.mark.parametrize('multiplier_is_fed', [False, True])
def test_accumulation_makes_one_step_with_the_mean_gradient(session, multiplier_is_fed):
    w, g, loss = linear_problem()
    multiplier = tf.placeholder(tf.int32, []) if multiplier_is_fed else 3
    opt = Optimizer('Train', learning_rate=0.1, beta1=0.5, beta2=0.99, minibatch_multiplier=multiplier)
    opt.register_gradients(loss, [w])
    train = opt.apply_updates()
    gradients, values = gradient_list(9), []
    for gradient in gradients:
        session.run(train, dict([(g, gradient)] + ([(multiplier, 3)] if multiplier_is_fed else [])))
        values.append(session.run(w))
    expected = adam(np.ones(3), gradients.reshape(3, 3, 3).mean(axis=1))
    np.testing.assert_allclose(values[2::3], expected, rtol=1e-5)
    for idx in (0, 1):
        np.testing.assert_array_equal(values[idx], np.ones(3))
        np.testing.assert_array_equal(values[3 + idx], values[2])


@pytest.mark.parametrize('tf_optimizer', ADAMS)
def test_shared_optimizers_share_moments_and_beta_powers(session, tf_optimizer):
    w, g, loss = linear_problem()
    kwargs = dict(tf_optimizer=tf_optimizer, learning_rate=tf.constant(0.1), beta1=0.5, beta2=0.99)
    main = Optimizer('TrainG', **kwargs)
    reg = Optimizer('RegG', share=main, minibatch_multiplier=2, **kwargs)
    main.register_gradients(loss, [w])
    reg.register_gradients(loss * 2, [w])
    train, train_reg = main.apply_updates(), reg.apply_updates()
    a, b, c, d = gradient_list(4)
    for op, gradient in [(train, a), (train_reg, b), (train, c), (train_reg, d), (train, a)]:
        session.run(op, {g: gradient})
    np.testing.assert_allclose(session.run(w), adam(np.ones(3), [a, c, b + d, a])[-1], rtol=1e-5)
    assert not any('RegG_opt' in var.op.name for var in tf.global_variables())


def test_sharing_demands_equal_settings(session):
    main = Optimizer('TrainG', learning_rate=0.1, beta1=0.5)
    for kwargs in [dict(learning_rate=0.1, beta1=0.6), dict(learning_rate=0.2, beta1=0.5),
                   dict(learning_rate=tf.constant(0.1), beta1=0.5),
                   dict(learning_rate=0.1, beta1=0.5, tf_optimizer=SimpleAdam)]:
        with pytest.raises(ValueError, match='cannot share'):
            Optimizer('RegG', share=main, **kwargs)


def test_registrations_are_averaged_and_missing_gradients_are_zero(session):
    w, g, loss = linear_problem()
    unused = create_var([1.0, 2.0], 'unused')
    opt = Optimizer('Train', 'tf.train.GradientDescentOptimizer', learning_rate=1.0)
    opt.register_gradients(loss, [w, unused])
    opt.register_gradients(loss * 3 + tf.reduce_sum(unused), [w, unused])
    session.run(opt.apply_updates(), {g: [1, 2, 3]})
    np.testing.assert_allclose(session.run(w), [-1, -3, -5])  # 1 - (1 + 3) / 2 * g
    np.testing.assert_allclose(session.run(unused), [0.5, 1.5])


def test_devices_step_with_their_mean_gradient(session):
    opt = Optimizer('Train', 'tf.train.GradientDescentOptimizer', learning_rate=1.0)
    weights = []
    for idx, device in enumerate(['/cpu:0', '/gpu:0']):  # soft placement puts both on the CPU
        with tf.device(device):
            weights.append(create_var([1.0, 1.0], 'w%d' % idx))
            opt.register_gradients(tf.reduce_sum(weights[-1]) * (2.0 + idx), [weights[-1]])
    session.run(opt.apply_updates())
    np.testing.assert_allclose(session.run(weights), [[-1.5, -1.5]] * 2)


def test_overflowing_steps_are_skipped_whole(session):
    w, g, loss = linear_problem()
    opt = Optimizer('Train', learning_rate=0.1, beta1=0.5, beta2=0.99, minibatch_multiplier=2)
    opt.register_gradients(loss, [w])
    train = opt.apply_updates()
    a, b = gradient_list(2)
    for gradient in [[np.nan, 1, 1], a]:
        session.run(train, {g: gradient})
    np.testing.assert_array_equal(session.run(w), np.ones(3))
    for gradient in [a, b]:
        session.run(train, {g: gradient})
    np.testing.assert_allclose(session.run(w), adam(np.ones(3), [(a + b) / 2])[-1], rtol=1e-5)
    means = save_summaries(None)
    assert means['Train/overflow_frequency'] == 0.5
    assert means['Train/learning_rate'] == pytest.approx(0.1)


def test_loss_scaling_adapts_and_leaves_the_step_unchanged(session):
    w, g, loss = linear_problem()
    opt = Optimizer('Train', learning_rate=0.1, beta1=0.5, beta2=0.99, use_loss_scaling=True, loss_scaling_init=126.5,
                    loss_scaling_inc=0.25, loss_scaling_dec=1.0)
    opt.register_gradients(loss, [w])
    train = opt.apply_updates()
    scale = opt.get_loss_scaling_var(loss.device)
    session.run(train, {g: [4, 4, 4]})  # 4 * 2^126.5 is not a float32
    assert session.run(scale) == 125.5
    np.testing.assert_array_equal(session.run(w), np.ones(3))
    gradient = np.float32([0.5, -1, 2])
    session.run(train, {g: gradient})
    assert session.run(scale) == 125.75
    np.testing.assert_allclose(session.run(w), adam(np.ones(3), [gradient])[-1], rtol=1e-5)
    np.testing.assert_allclose(session.run(opt.undo_loss_scaling(opt.apply_loss_scaling(loss)), {g: gradient}),
                               session.run(loss, {g: gradient}), rtol=1e-4)


def test_scaling_functions_are_identities_without_loss_scaling(session):
    opt = Optimizer()
    value = tf.constant(3.0)
    assert opt.apply_loss_scaling(value) is value and opt.undo_loss_scaling(value) is value
    assert opt.get_loss_scaling_var('') is None


@pytest.mark.parametrize('tf_optimizer', ADAMS)
def test_reset_forgets_the_moments(session, tf_optimizer):
    w, g, loss = linear_problem()
    opt = Optimizer('Train', tf_optimizer, learning_rate=0.1, beta1=0.5, beta2=0.99)
    opt.register_gradients(loss, [w])
    train = opt.apply_updates()
    a, b = gradient_list(2)
    session.run(train, {g: a})
    opt.reset_optimizer_state()
    tfutil.set_vars({w: np.ones(3)})
    session.run(train, {g: b})
    np.testing.assert_allclose(session.run(w), adam(np.ones(3), [b])[-1], rtol=1e-5)


def test_memory_is_reported_on_request(session):
    w, g, loss = linear_problem()
    opt = Optimizer('Train', report_mem_usage=True)
    opt.register_gradients(loss, [w])
    session.run(opt.apply_updates(), {g: [1, 2, 3]})
    assert save_summaries(None)['Train/mem_usage_gb'] == 0


def test_nothing_hangs_on_operations_of_earlier_session_calls(session, monkeypatch):
    w, _g, loss = linear_problem()
    run, marks = session.run, []  # number of operations at each session call

    def marking_run(*args, **kwargs):
        marks.append(len(session.graph.get_operations()))
        return run(*args, **kwargs)

    monkeypatch.setattr(session, 'run', marking_run)
    opt = Optimizer('Train', minibatch_multiplier=2)
    opt.register_gradients(loss, [w])
    tf.group(opt.apply_updates(), tf.identity(loss))
    index = {op.name: i for i, op in enumerate(session.graph.get_operations())}
    for op in session.graph.get_operations():
        for before in op.control_inputs:  # TensorFlow 2 notes in an operation that others wait for it
            assert not any(index[before.name] < mark <= index[op.name] for mark in marks), (before.name, op.name)
    assert marks


def test_without_gradients_there_is_an_op_only_on_request(session):
    session.run(Optimizer('Reg').apply_updates(allow_no_op=True))
    with pytest.raises(RuntimeError, match='register_gradients'):
        Optimizer('Reg').apply_updates()


def test_wrong_use_is_refused(session):
    w, _g, loss = linear_problem()
    opt = Optimizer()
    with pytest.raises(ValueError, match='no variables'):
        opt.register_gradients(loss, [])
    with tf.device('/cpu:1'):
        elsewhere = tf.Variable(np.ones(3, np.float32))
    with tf.device('/cpu:0'), pytest.raises(ValueError, match='device'):
        opt.register_gradients(tf.reduce_sum(elsewhere), [elsewhere])
    opt.register_gradients(loss, [w])
    with pytest.raises(ValueError, match='shapes'):
        opt.register_gradients(loss, [create_var([1.0])])
    opt.apply_updates()
    with pytest.raises(RuntimeError, match='twice'):
        opt.apply_updates()
    with pytest.raises(RuntimeError, match='after gradients or apply_updates'):
        opt.register_gradients(loss, [w])
