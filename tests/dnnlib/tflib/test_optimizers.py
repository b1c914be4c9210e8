"""Tests of dnnlib.tflib.optimizers and of TensorFlow's own ones against their formulas in NumPy, in float32."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil
from dnnlib.tflib.optimizer import Optimizer
from tests.dnnlib.tflib.test_optimizer import create_var, gradient_list, linear_problem

OURS = 'dnnlib.tflib.optimizers.'
RATE = np.float32(0.1)


def pytorch_adam(x, gradients, beta1=0.5, beta2=0.99, epsilon=0.1):
    """Kingma and Ba 2015, algorithm 1."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, gradient in enumerate(gradients, 1):
        m = np.float32(beta1) * m + np.float32(1 - beta1) * gradient
        v = np.float32(beta2) * v + np.float32(1 - beta2) * gradient ** 2
        m_hat, v_hat = m / np.float32(1 - beta1 ** t), v / np.float32(1 - beta2 ** t)
        x = x - RATE * m_hat / (np.sqrt(v_hat) + np.float32(epsilon))
        yield x


def pytorch_rmsprop(x, gradients, decay=0.9, momentum=0.0, epsilon=0.1):
    square, velocity = np.zeros_like(x), np.zeros_like(x)
    for gradient in gradients:
        square = np.float32(decay) * square + np.float32(1 - decay) * gradient ** 2
        velocity = np.float32(momentum) * velocity + gradient / (np.sqrt(square) + np.float32(epsilon))
        x = x - RATE * velocity
        yield x


def tensorflow_rmsprop(x, gradients, decay=0.9, momentum=0.0, epsilon=0.1):
    square, velocity = np.ones_like(x), np.zeros_like(x)
    for gradient in gradients:
        square = np.float32(decay) * square + np.float32(1 - decay) * gradient ** 2
        velocity = np.float32(momentum) * velocity + RATE * gradient / np.sqrt(square + np.float32(epsilon))
        x = x - velocity
        yield x


def sgd(x, gradients, momentum=0.0):
    velocity = np.zeros_like(x)
    for gradient in gradients:
        velocity = np.float32(momentum) * velocity + gradient
        x = x - RATE * velocity
        yield x


CASES = [
    (OURS + 'Adam', pytorch_adam, dict(beta1=0.5, beta2=0.99, epsilon=0.1)),
    (OURS + 'RMSProp', pytorch_rmsprop, dict(decay=0.9, epsilon=0.1)),
    (OURS + 'RMSProp', pytorch_rmsprop, dict(decay=0.9, epsilon=0.1, momentum=0.5)),
    ('tf.train.RMSPropOptimizer', tensorflow_rmsprop, dict(decay=0.9, epsilon=0.1, momentum=0.5)),
    (OURS + 'SGD', sgd, dict()),
    (OURS + 'SGD', sgd, dict(momentum=0.9)),
    ('tf.train.MomentumOptimizer', sgd, dict(momentum=0.9)),
]


def trained(session, tf_optimizer, gradients, **kwargs):
    """Values of the variable after each step, and the Optimizer."""
    w, g, loss = linear_problem()
    opt = Optimizer('Train', tf_optimizer, learning_rate=tf.constant(RATE), **kwargs)
    opt.register_gradients(loss, [w])
    train, values = opt.apply_updates(), []
    for gradient in gradients:
        session.run(train, {g: gradient})
        values.append(session.run(w))
    return values, opt, (w, g, train)


@pytest.mark.parametrize('tf_optimizer, formula, kwargs', CASES)
def test_steps_follow_the_formula(session, tf_optimizer, formula, kwargs):
    gradients = gradient_list(5)
    values, _opt, _graph = trained(session, tf_optimizer, gradients, **kwargs)
    np.testing.assert_allclose(values, list(formula(np.ones(3, np.float32), gradients, **kwargs)), rtol=1e-5, atol=1e-6)


def test_the_formulas_differ(session):
    """Epsilon is large here, so that its place shows; with the usual 1e-8 it doesn't until gradients are tiny."""
    gradients, x = gradient_list(3), np.ones(3, np.float32)
    kwargs = dict(beta1=0.5, beta2=0.99, epsilon=0.1)
    values, _opt, _graph = trained(session, 'dnnlib.tflib.optimizer.SimpleAdam', gradients, **kwargs)
    assert np.abs(values - np.array(list(pytorch_adam(x, gradients)))).max() > 1e-2
    both = [np.array(list(formula(x, gradients))) for formula in (pytorch_rmsprop, tensorflow_rmsprop)]
    assert np.abs(both[0] - both[1]).max() > 1e-2


@pytest.mark.parametrize('tf_optimizer', [OURS + 'SGD', 'tf.train.MomentumOptimizer'])
def test_momentum_may_be_scheduled(session, tf_optimizer):
    w, g, loss = linear_problem()
    momentum = tf.placeholder(tf.float32, [])
    opt = Optimizer('Train', tf_optimizer, learning_rate=RATE, momentum=momentum)
    opt.register_gradients(loss, [w])
    train = opt.apply_updates()
    x, velocity = np.ones(3, np.float32), 0
    for gradient, value in zip(gradient_list(4), np.float32([0.5, 0.6, 0.9, 0])):
        session.run(train, {g: gradient, momentum: value})
        velocity = value * velocity + gradient
        x = x - RATE * velocity
        np.testing.assert_allclose(session.run(w), x, rtol=1e-5)


@pytest.mark.parametrize('tf_optimizer, formula, kwargs', CASES)
def test_initializers_of_the_variables_reset_the_state(session, tf_optimizer, formula, kwargs):
    gradients = gradient_list(2)
    _values, opt, (w, g, train) = trained(session, tf_optimizer, gradients, **kwargs)
    assert opt.variables()
    session.run([variable.initializer for variable in opt.variables()])
    tfutil.set_vars({w: np.ones(3)})
    session.run(train, {g: gradients[1]})
    expected, = formula(np.ones(3, np.float32), gradients[1:], **kwargs)
    np.testing.assert_allclose(session.run(w), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('tf_optimizer, formula, kwargs', CASES)
def test_optimizers_skip_steps_and_share_state(session, tf_optimizer, formula, kwargs):
    w, g, loss = linear_problem()
    kwargs = dict(kwargs, tf_optimizer=tf_optimizer, learning_rate=tf.constant(RATE))
    main = Optimizer('Train', **kwargs)
    reg = Optimizer('Reg', share=main, minibatch_multiplier=2, **kwargs)
    main.register_gradients(loss, [w])
    reg.register_gradients(loss * 2, [w])
    train, train_reg = main.apply_updates(), reg.apply_updates()
    a, b, c = gradient_list(3)
    for op, gradient in [(train, a), (train, [np.inf, 0, 0]), (train_reg, b), (train_reg, c)]:
        session.run(op, {g: gradient})
    del kwargs['tf_optimizer'], kwargs['learning_rate']
    expected = list(formula(np.ones(3, np.float32), [a, b + c], **kwargs))[-1]
    np.testing.assert_allclose(session.run(w), expected, rtol=1e-5, atol=1e-6)
    names = [variable.op.name for variable in opt_variables(main)]
    assert len(set(names)) == len(names) and not any('Reg' in name for name in names)
    assert set(main.variables()).isdisjoint(tf.trainable_variables())


def opt_variables(optimizer):
    """State variables of an Optimizer, of which there must be some."""
    assert optimizer.variables()
    return optimizer.variables()


@pytest.mark.parametrize('tf_optimizer', [OURS + 'SGD', 'tf.train.GradientDescentOptimizer', OURS + 'Adam'])
def test_weight_decay_also_where_the_gradient_is_missing(session, tf_optimizer):
    w, g, loss = linear_problem()
    unused = create_var([1.0, -2.0], 'unused')
    opt = Optimizer('Train', tf_optimizer, learning_rate=RATE, weight_decay=0.5, minibatch_multiplier=2)
    opt.register_gradients(loss, [w, unused])
    train = opt.apply_updates()
    x, y = np.ones(3, np.float32), np.float32([1, -2])
    gradients = [pair.mean(axis=0) for pair in gradient_list(6).reshape(3, 2, 3)]
    for gradient in gradient_list(6):
        session.run(train, {g: gradient})
    if 'Adam' in tf_optimizer:  # a constant sign: as many steps of about the learning rate
        np.testing.assert_allclose(session.run(unused), [0.7, -1.7], atol=0.01)
        return
    for gradient in gradients:
        x, y = x - RATE * (gradient + np.float32(0.5) * x), y - RATE * np.float32(0.5) * y
    np.testing.assert_allclose(session.run(w), x, rtol=1e-5)
    np.testing.assert_allclose(session.run(unused), y, rtol=1e-5)
