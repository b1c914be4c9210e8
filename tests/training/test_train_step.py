"""Stages: rates, intervals, accumulation and the seeds of one session call, with networks of a single number."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from dnnlib.tflib import random
from training import loss, train_step

TRAINING_SET = EasyDict(shape=[1, 8, 8], label_size=0, dynamic_range=[0, 255])
LEVELS = [dict(minibatch_size=8, minibatch_gpu=4, rounds=2), dict(minibatch_size=2, minibatch_gpu=2, rounds=1)]


def number_net(latents_in, labels_in, is_template_graph=False, components=None):
    """A network whose output is one trainable number for each input."""
    latents_in.set_shape([None, 2])
    labels_in.set_shape([None, 0])
    weight = tf.get_variable('weight', shape=[], initializer=tf.initializers.zeros())
    return tf.identity(tf.reshape(latents_in[:, 0], [-1, 1]) * 0.0 + weight, name='out')


def growing_net(latents_in, labels_in, is_template_graph=False, components=None):
    """The same with a level of detail, which the output multiplies."""
    lod = tf.get_variable('lod', shape=[], initializer=tf.initializers.zeros(), trainable=False)
    return number_net(latents_in, labels_in) * (1 + lod)


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


def build(rounds=1, lazy=True, levels=None, net='number_net', **options):
    """Networks, feeds and stages of the two losses above, plain gradient descent."""
    networks = {name: tflib.Network(name, __name__ + '.' + net) for name in ('G', 'D')}
    networks['Gs'] = networks['G'].clone('Gs')
    levels = levels or [dict(minibatch_size=2 * rounds, minibatch_gpu=2, rounds=rounds)]
    feeds = train_step.create_feeds(TRAINING_SET, levels, ['G', 'D'])
    sgd = dict(tf_optimizer='tf.train.GradientDescentOptimizer')
    defaults = dict(opt_args=dict(G=sgd, D=sgd), reset_opt_for_new_lod=True, smoothing_kimg=0.002 * rounds)
    options = dict(defaults, **options)
    stages = train_step.stylegan2_stages(networks, TRAINING_SET, feeds, train_step.StepOptions(
        lazy_regularization=lazy, reg_intervals=dict(G=4, D=16), drange_net=[-1, 1],
        loss_args=dict(G=dict(func_name=__name__ + '.G_loss', slope=5.0), D=dict(func_name=__name__ + '.D_loss')),
        **options))
    tflib.init_uninitialized_vars()
    return networks, feeds, stages


def run(feeds, stages, iteration, reals, lrate=0.1, **sched):
    """One iteration with a round for each of the reals; returns how often they were fetched."""
    fetches = []
    sched = dict(dict(lod=0.0, minibatch_size=2 * len(reals), minibatch_gpu=2, new_level=False, size=8), **sched)
    sched.update(G_lrate=lrate, D_lrate=lrate / 10, rounds=len(reals))

    def fetch():
        fetches.append(None)
        shape = [sched['minibatch_gpu'], 1, sched['size'], sched['size']]
        return [(np.full(shape, real, np.uint8), np.zeros([sched['minibatch_gpu'], 0])) for real in reals]
    counters = EasyDict(nimg=iteration * 2, iteration=iteration)
    train_step.run_iteration(stages, feeds, fetch, sched, 7, counters)
    return len(fetches)


def test_names_intervals_and_order(session):
    _, _, stages = build()
    assert [(s.name, s.networks, s.interval, s.accumulate, s.fetch) for s in stages] == [
        ('G', ('G',), 1, True, False), ('G_reg', ('G',), 4, True, False), ('Gs', ('Gs',), 1, False, False),
        ('D', ('D',), 1, True, True)]


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


def momentum_of(session, network):
    """What a MomentumOptimizer remembers for the number of a network."""
    variable, = [var for var in tf.global_variables() if re.match('{0}/weight/Train{0}'.format(network), var.op.name)]
    return session.run(variable)


def growing(**options):
    """Networks that grow from 4 x 4 to 8 x 8 pixels, with momentum."""
    momentum = dict(tf_optimizer='tf.train.MomentumOptimizer', momentum=0.5)
    return build(levels=LEVELS, net='growing_net', lazy=False, opt_args=dict(G=momentum, D=momentum), **options)


def test_growing_networks_are_told_the_level(session):
    networks, feeds, stages = growing()
    assert [(s.name, s.interval) for s in stages] == [
        ('lod', 1), ('reset', train_step.NEW_LEVEL), ('G', 1), ('Gs', 1), ('D', 1)]
    for lod, gpu, size, reals in [(1.0, 4, 4, [255, 0]), (0.5, 2, 8, [255])]:
        run(feeds, stages, 1, reals, lod=lod, minibatch_gpu=gpu, size=size)
        assert [networks[name].get_var('lod') for name in ('G', 'D', 'Gs')] == [lod] * 3


def test_growing_networks_take_steps_of_each_size(session):
    networks, feeds, stages = growing()
    run(feeds, stages, 1, reals=[255, 153], lod=1.0, minibatch_gpu=4, size=4)
    slope = (5 + 100) * 2  # the networks' output is (1 + lod) times the number
    assert networks['G'].get_var('weight') == pytest.approx(-0.1 * slope, rel=1e-6)
    assert networks['D'].get_var('weight') == pytest.approx(-0.01 * (1 + 0.2) / 2 * 2, rel=1e-5)
    beta = 0.5 ** (4 / 2)  # half-life of 2 images; 2 rounds of 4 are called 4 here
    assert networks['Gs'].get_var('weight') == pytest.approx(-0.1 * slope * (1 - beta), rel=1e-6)


@pytest.mark.parametrize('reset', [True, False])
def test_a_new_level_forgets_the_moments(session, reset):
    _, feeds, stages = growing(reset_opt_for_new_lod=reset)
    for new_level, expected in [(False, 210), (False, 315), (True, 210 if reset else 367.5)]:
        run(feeds, stages, 1, reals=[0], lod=1.0, minibatch_gpu=4, size=4, new_level=new_level)
        assert momentum_of(session, 'G') == pytest.approx(expected)


def test_networks_that_cannot_grow_are_refused(session):
    with pytest.raises(UserError, match='network G cannot grow'):
        build(levels=LEVELS)


def reals_loss(G, D, training_set, minibatch_size, reals, labels):
    """A loss without random numbers, and R1: means over the reals alone."""
    scores = D.get_output_for(reals, labels, is_training=True)
    return tf.nn.softplus(-scores), loss.gradient_penalty(scores, reals)


def test_accumulated_rounds_equal_one_large_minibatch(session):
    reals = np.random.RandomState(0).randint(256, size=[8, 1, 8, 8]).astype(np.uint8)
    data = EasyDict(TRAINING_SET)
    sgd = dict(tf_optimizer='tf.train.GradientDescentOptimizer')
    D = tflib.Network('D', 'training.networks_stylegan2.D_stylegan2', num_channels=1, resolution=8, fmap_max=8,
                      mbstd_group_size=1)
    G = tflib.Network('G', __name__ + '.number_net')
    start, ends = {name: session.run(var) for name, var in D.vars.items()}, []
    for rounds in (1, 4):
        level = dict(minibatch_size=8, minibatch_gpu=8 // rounds, rounds=rounds)
        feeds = train_step.create_feeds(data, [level], ['G', 'D'])
        stages = train_step.stylegan2_stages({'G': G, 'D': D, 'Gs': G.clone()}, data, feeds, train_step.StepOptions(
            lazy_regularization=True, reg_intervals=dict(G=4, D=16), drange_net=[-1, 1], smoothing_kimg=10,
            opt_args=dict(G=sgd, D=sgd), reset_opt_for_new_lod=True,
            loss_args=dict(G=dict(func_name=__name__ + '.G_loss'), D=dict(func_name=__name__ + '.reals_loss'))))
        tflib.init_uninitialized_vars()
        tflib.set_vars({D.vars[name]: value for name, value in start.items()})
        batches = [(part, np.zeros([8 // rounds, 0])) for part in np.split(reals, rounds)]
        train_step.run_iteration(stages, feeds, lambda: batches, dict(G_lrate=0.1, D_lrate=0.1, rounds=rounds), 7,
                                 EasyDict(nimg=8, iteration=0))  # all stages are due
        ends.append({name: session.run(var) for name, var in D.vars.items()})
    for name in start:
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=1e-4, atol=1e-6)
    assert any(np.abs(ends[0][name] - start[name]).max() > 1e-4 for name in start)


@pytest.mark.parametrize('lod, size', [
    (0.0, (16, 8)), (0.25, (16, 8)), (1.0, (16, 8)), (2.0, (16, 8)), (1.25, (28, 20)), (2.0, (28, 20))])
def test_fade_of_reals(session, lod, size):
    full = np.random.RandomState(0).rand(2, 3, *size).astype(np.float32)

    def level(k):  # the level k, pixels repeated to full size
        small = full.reshape(2, 3, size[0] >> k, 1 << k, size[1] >> k, 1 << k).mean(axis=(3, 5))
        return small, small.repeat(1 << k, axis=2).repeat(1 << k, axis=3)
    floor = int(lod)
    faded = session.run(train_step.fade_reals(tf.constant(level(floor)[0]), lod, [3] + list(size)))
    expected = level(floor)[1]
    if lod > floor:
        expected = expected * (1 - (lod - floor)) + level(floor + 1)[1] * (lod - floor)
    np.testing.assert_allclose(faded, expected, atol=1e-6)


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
