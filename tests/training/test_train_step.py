"""Stages: rates, intervals, accumulation and the seeds of one session call, with networks of a single number."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from dnnlib.tflib import random
from training import train_step

TRAINING_SET = EasyDict(shape=[1, 2, 2], label_size=0, dynamic_range=[0, 255])


def number_net(latents_in, labels_in, is_template_graph=False, components=None):
    """A network whose output is one trainable number for each input."""
    latents_in.set_shape([None, 2])
    labels_in.set_shape([None, 0])
    weight = tf.get_variable('weight', shape=[], initializer=tf.initializers.zeros())
    return tf.identity(tf.reshape(latents_in[:, 0], [-1, 1]) * 0.0 + weight, name='out')


def G_loss(G, D, training_set, minibatch_size, slope=3.0):
    """Gradient `slope` of the loss, 100 of the regularisation; noise so that the seed can be seen."""
    latents = random.normal([minibatch_size, 2])
    noise = random.normal([minibatch_size, 1])
    tf.add_to_collection('noise', noise)
    weight = G.get_output_for(latents, tf.zeros([minibatch_size, 0]))
    return weight * slope, weight[:, 0] * 100.0


def D_loss(G, D, training_set, minibatch_size, reals, labels):
    """The gradient is the mean of the reals; no regularisation."""
    weight = D.get_output_for(tf.zeros([minibatch_size, 2]), labels)
    return weight * tf.reduce_mean(reals, axis=[1, 2, 3])[:, np.newaxis], None


def build(rounds=1, lazy=True):
    """Networks, feeds and stages of the two losses above, plain gradient descent."""
    func = __name__ + '.number_net'
    networks = {name: tflib.Network(name, func) for name in ('G', 'D')}
    networks['Gs'] = networks['G'].clone('Gs')
    feeds = train_step.create_feeds(TRAINING_SET, 2, ['G', 'D'])
    sgd = dict(tf_optimizer='tf.train.GradientDescentOptimizer')
    stages = train_step.stylegan2_stages(networks, TRAINING_SET, feeds, train_step.StepOptions(
        minibatch_gpu=2, rounds=rounds, lazy_regularization=lazy, reg_intervals=dict(G=4, D=16),
        opt_args=dict(G=sgd, D=sgd), drange_net=[-1, 1], ema_beta=0.5,
        loss_args=dict(G=dict(func_name=__name__ + '.G_loss', slope=5.0), D=dict(func_name=__name__ + '.D_loss'))))
    tflib.init_uninitialized_vars()
    return networks, feeds, stages


def run(feeds, stages, iteration, reals, lrate=0.1):
    """One iteration; returns how often the reals were fetched."""
    fetches = []

    def fetch():
        fetches.append(None)
        return [(np.full([2, 1, 2, 2], real, np.uint8), np.zeros([2, 0])) for real in reals]
    counters = EasyDict(nimg=iteration * 2, iteration=iteration)
    train_step.run_iteration(stages, feeds, fetch, dict(G_lrate=lrate, D_lrate=lrate / 10), 7, counters)
    return len(fetches)


def test_names_intervals_and_order(session):
    _, _, stages = build()
    assert [(s.name, s.networks, s.interval, s.rounds, s.fetch) for s in stages] == [
        ('G', ('G',), 1, 1, False), ('G_reg', ('G',), 4, 1, False), ('Gs', ('Gs',), 1, 1, False),
        ('D', ('D',), 1, 1, True)]


def test_lazy_steps(session):
    networks, feeds, stages = build()
    assert run(feeds, stages, iteration=0, reals=[255]) == 1
    rate = 0.1 * 4 / 5
    after_two_steps = -rate * 5 - rate * 100 * 4  # the regularisation counts for its four iterations
    assert networks['G'].get_var('weight') == pytest.approx(after_two_steps, rel=1e-6)
    assert networks['Gs'].get_var('weight') == pytest.approx(after_two_steps / 2, rel=1e-6)
    assert networks['D'].get_var('weight') == pytest.approx(-0.01 * 16 / 17, rel=1e-6)  # reals are 1, its own rate
    run(feeds, stages, iteration=1, reals=[0])
    assert networks['G'].get_var('weight') == pytest.approx(after_two_steps - rate * 5, rel=1e-6)
    assert networks['D'].get_var('weight') == pytest.approx(0, abs=1e-8)  # reals were 1, then -1


def test_regularization_in_the_main_step(session):
    networks, feeds, stages = build(lazy=False)
    assert [stage.name for stage in stages] == ['G', 'Gs', 'D']
    run(feeds, stages, iteration=1, reals=[255])
    assert networks['G'].get_var('weight') == pytest.approx(-0.1 * 105, rel=1e-6)


def test_accumulation_averages_the_rounds(session):
    networks, feeds, stages = build(rounds=2)
    assert run(feeds, stages, iteration=1, reals=[255, 0]) == 1
    assert networks['G'].get_var('weight') == pytest.approx(-0.08 * 5, rel=1e-6)
    assert networks['D'].get_var('weight') == pytest.approx(0, abs=1e-8)
    run(feeds, stages, iteration=2, reals=[255, 255])
    assert networks['D'].get_var('weight') == pytest.approx(-0.01 * 16 / 17, rel=1e-6)


def test_noise_is_a_function_of_the_seed(session):
    _, feeds, _ = build()
    noise, = session.graph.get_collection('noise')

    def draw(*key):
        return session.run(noise, {feeds.seed: train_step.step_seed(*key)})
    first = draw(1, 64, 'G', 0)
    np.testing.assert_array_equal(first, draw(1, 64, 'G', 0))
    for key in [(2, 64, 'G', 0), (1, 96, 'G', 0), (1, 64, 'D', 0), (1, 64, 'G', 1)]:
        assert not np.any(first == draw(*key))


def test_step_seeds_fit_and_differ():
    seeds = {tuple(train_step.step_seed(0, nimg, 'G', k)) for nimg in range(100) for k in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= number < 2 ** 31 for seed in seeds for number in seed)


def test_mirror_flips_half_of_the_images():
    reals = np.random.RandomState(0).randint(256, size=[1000, 1, 2, 2]).astype(np.uint8)
    flipped = train_step.mirror(reals, seed=3, nimg=32)
    is_flipped = [np.array_equal(a, b[:, :, ::-1]) and not np.array_equal(a, b) for a, b in zip(flipped, reals)]
    assert all(f or np.array_equal(a, b) for f, a, b in zip(is_flipped, flipped, reals))
    assert 440 < sum(is_flipped) < 560
    np.testing.assert_array_equal(flipped, train_step.mirror(reals, seed=3, nimg=32))
    assert not np.array_equal(flipped, train_step.mirror(reals, seed=3, nimg=64))


def test_process_reals(session):
    values = session.run(train_step.process_reals(np.uint8([0, 51, 255]), [0, 255], [-1, 1]))
    np.testing.assert_allclose(values, [-1, -0.6, 1], atol=1e-6)


def test_lazy_optimizer_args():
    args = train_step.lazy_optimizer_args(dict(learning_rate=0.002, beta1=0.0, beta2=0.99, epsilon=1e-8), 4)
    assert args == dict(learning_rate=pytest.approx(0.0016), beta1=0.0, beta2=pytest.approx(0.991992, abs=1e-6),
                        epsilon=1e-8)
    args = train_step.lazy_optimizer_args(dict(learning_rate=0.002, beta2=0.99), 16)
    assert args == dict(learning_rate=pytest.approx(0.00188235, rel=1e-5), beta2=pytest.approx(0.990585, abs=1e-6))


def test_smoothing_beta():
    assert train_step.smoothing_beta(32, 10) == pytest.approx(0.997784, abs=1e-6)
    assert train_step.smoothing_beta(32, 10) ** (10000 / 32) == pytest.approx(0.5)
    assert train_step.smoothing_beta(32, 0) == 0
