"""StyleGAN2 on the common loop: stages, rates, intervals and accumulation, with networks of a single number."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from dnnlib.tflib import random
from training import loss, train_step
from training.iteration import Iteration
from training.methods import stylegan2
from training.report.grid import Cells
from training.state import transfer

DATA = EasyDict(shape=[1, 8, 8], label_size=0, dynamic_range=[0, 255], num_images=50, held_out=[],
                read_labels=lambda indices: np.zeros([len(indices), 0]))
LEVELS = [EasyDict(minibatch_size=8, minibatch_gpu=4, rounds=2), EasyDict(minibatch_size=2, minibatch_gpu=2, rounds=1)]
SGD = dict(tf_optimizer='tf.train.GradientDescentOptimizer')


def number_net(latents_in, labels_in, num_channels=1, resolution=8, label_size=0, is_template_graph=False,
               components=None):
    """A network whose output is one trainable number for each input."""
    latents_in.set_shape([None, 2])
    labels_in.set_shape([None, label_size])
    weight = tf.get_variable('weight', shape=[], initializer=tf.initializers.zeros())
    return tf.identity(tf.reshape(latents_in[:, 0], [-1, 1]) * 0.0 + weight, name='out')


def growing_net(latents_in, labels_in, is_template_graph=False, components=None, **shape):
    """The same with a level of detail, which the output multiplies."""
    lod = tf.get_variable('lod', shape=[], initializer=tf.initializers.zeros(), trainable=False)
    return number_net(latents_in, labels_in, **shape) * (1 + lod)


def G_loss(G, D, training_set, minibatch_size, slope=3.0):
    """Gradient `slope` of the loss, 100 of the regularization."""
    latents = random.normal([minibatch_size, 2])
    weight = G.get_output_for(latents, tf.zeros([minibatch_size, 0]))
    return weight * slope, weight[:, 0] * 100.0


def D_loss(G, D, training_set, minibatch_size, reals, labels):
    """The gradient is the mean of the reals; no regularization."""
    weight = D.get_output_for(tf.zeros([minibatch_size, 2]), labels)
    return weight * tf.reduce_mean(reals, axis=[1, 2, 3])[:, np.newaxis], None


class Reals:
    """A stream whose minibatch is what `next` holds, one array for each round."""

    dataset, skips_bad = DATA, False

    def __init__(self):
        self.next, self.fetches = None, 0

    def minibatch(self, _nimg, _sched, _slot, _slots, _places):
        self.fetches += 1
        images = np.concatenate(self.next)
        return images, np.zeros([len(images), 0])


class Built:
    """A training by the two losses above, plain gradient descent; other options go to the method."""

    def __init__(self, rounds=1, levels=None, net='number_net', **options):
        levels = levels or [EasyDict(minibatch_size=2 * rounds, minibatch_gpu=2, rounds=rounds)]
        net = dict(func_name=f'{__name__}.{net}')
        options = dict(dict(
            G_args=net, D_args=net, G_opt_args=SGD, D_opt_args=SGD, G_smoothing_kimg=0.002 * rounds,
            G_loss_args=dict(func_name=__name__ + '.G_loss', slope=5.0),
            D_loss_args=dict(func_name=__name__ + '.D_loss')), **options)
        self.reals = Reals()
        self.method = stylegan2.stylegan2(
            {'reals': self.reals}, EasyDict(levels=levels, last=levels[-1]), **options)
        self.networks = transfer.create_networks(self.method.nets)
        self.step = train_step.Step(self.method, self.networks, {'reals': DATA}, levels)
        self.stages = self.method.stages(self.step)
        self.iteration = Iteration(self.stages, self.step, {'reals': self.reals})
        tflib.init_uninitialized_vars()

    def run(self, iteration, reals, lrate=0.1, **sched):
        """One iteration with a round for each of the reals, values of all their pixels."""
        sched = dict(dict(lod=0.0, minibatch_size=2 * len(reals), minibatch_gpu=2, new_level=False, size=8), **sched)
        sched.update(G_lrate=lrate, D_lrate=lrate / 10, rounds=len(reals))
        shape = [sched['minibatch_gpu'], 1, sched['size'], sched['size']]
        self.reals.next = [np.full(shape, real, np.uint8) for real in reals]
        self.iteration.run(sched, 7, EasyDict(nimg=iteration * 2, iteration=iteration))

    def weight(self, name):
        """The number of a network."""
        return self.networks[name].get_var('weight')


def test_names_intervals_and_order(session):
    built = Built()
    assert [(s.name, s.every, s.rounds, s.batch) for s in built.stages] == [
        ('G', 1, True, None), ('G_reg', 4, True, None), ('Gs', 1, False, None), ('D', 1, True, 'this')]
    assert list(built.networks) == ['G', 'D', 'Gs'] and built.method.saved_as == ('G', 'D', 'Gs')
    assert built.iteration.slots == 1


def test_lazy_steps(session):
    built = Built()
    built.run(0, reals=[255])
    assert built.reals.fetches == 1
    rate = 0.1 * 4 / 5
    after_two_steps = -rate * 5 - rate * 100 * 4  # the regularization counts for its four iterations
    assert built.weight('G') == pytest.approx(after_two_steps, rel=1e-6)
    assert built.weight('Gs') == pytest.approx(after_two_steps / 2, rel=1e-6)
    assert built.weight('D') == pytest.approx(-0.01 * 16 / 17, rel=1e-6)  # reals are 1, its own rate
    built.run(1, reals=[0])
    assert built.weight('G') == pytest.approx(after_two_steps - rate * 5, rel=1e-6)
    assert built.weight('D') == pytest.approx(0, abs=1e-8)  # reals were 1, then -1


def test_regularization_in_the_main_step(session):
    built = Built(lazy_regularization=False)
    assert [stage.name for stage in built.stages] == ['G', 'Gs', 'D']
    built.run(1, reals=[255])
    assert built.weight('G') == pytest.approx(-0.1 * 105, rel=1e-6)


def test_accumulation_averages_the_rounds(session):
    built = Built(rounds=2)
    built.run(1, reals=[255, 0])
    assert built.reals.fetches == 1
    assert built.weight('G') == pytest.approx(-0.08 * 5, rel=1e-6)
    assert built.weight('D') == pytest.approx(0, abs=1e-8)
    built.run(2, reals=[255, 255])
    assert built.weight('D') == pytest.approx(-0.01 * 16 / 17, rel=1e-6)


def momentum_of(session, network):
    """What a MomentumOptimizer remembers for the number of a network."""
    variable, = [var for var in tf.global_variables() if re.match('{0}/weight/Train{0}'.format(network), var.op.name)]
    return session.run(variable)


def growing(**options):
    """Networks that grow from 4 x 4 to 8 x 8 pixels, with momentum."""
    momentum = dict(tf_optimizer='tf.train.MomentumOptimizer', momentum=0.5)
    return Built(levels=LEVELS, net='growing_net', lazy_regularization=False, G_opt_args=momentum,
                 D_opt_args=momentum, **dict(dict(G_smoothing_kimg=0.002), **options))


def test_growing_networks_are_told_the_level(session):
    built = growing()
    assert [(s.name, s.every) for s in built.stages] == [
        ('lod', 1), ('reset', train_step.NEW_LEVEL), ('G', 1), ('Gs', 1), ('D', 1)]
    for lod, gpu, size, reals in [(1.0, 4, 4, [255, 0]), (0.5, 2, 8, [255])]:
        built.run(1, reals, lod=lod, minibatch_gpu=gpu, size=size)
        assert [built.networks[name].get_var('lod') for name in ('G', 'D', 'Gs')] == [lod] * 3


def test_growing_networks_take_steps_of_each_size(session):
    built = growing()
    built.run(1, reals=[255, 153], lod=1.0, minibatch_gpu=4, size=4)
    slope = (5 + 100) * 2  # the networks' output is (1 + lod) times the number
    assert built.weight('G') == pytest.approx(-0.1 * slope, rel=1e-6)
    assert built.weight('D') == pytest.approx(-0.01 * (1 + 0.2) / 2 * 2, rel=1e-5)
    beta = 0.5 ** (4 / 2)  # half-life of 2 images; 2 rounds of 4 are called 4 here
    assert built.weight('Gs') == pytest.approx(-0.1 * slope * (1 - beta), rel=1e-6)


@pytest.mark.parametrize('reset', [True, False])
def test_a_new_level_forgets_the_moments(session, reset):
    built = growing(reset_opt_for_new_lod=reset)
    for new_level, expected in [(False, 210), (False, 315), (True, 210 if reset else 367.5)]:
        built.run(1, reals=[0], lod=1.0, minibatch_gpu=4, size=4, new_level=new_level)
        assert momentum_of(session, 'G') == pytest.approx(expected)


def test_networks_that_cannot_grow_are_refused(session):
    with pytest.raises(UserError, match='network G cannot grow'):
        Built(levels=LEVELS)


def reals_loss(G, D, training_set, minibatch_size, reals, labels):
    """A loss without random numbers, and R1: means over the reals alone."""
    scores = D.get_output_for(reals, labels, is_training=True)
    return tf.nn.softplus(-scores), loss.gradient_penalty(scores, reals)


def test_accumulated_rounds_equal_one_large_minibatch(session):
    reals = np.random.RandomState(0).randint(256, size=[8, 1, 8, 8]).astype(np.uint8)
    start, ends = None, []
    for rounds in (1, 4):
        level = EasyDict(minibatch_size=8, minibatch_gpu=8 // rounds, rounds=rounds)
        built = Built(levels=[level], D_loss_args=dict(func_name=__name__ + '.reals_loss'), D_args=dict(
            func_name='training.networks_stylegan2.D_stylegan2', fmap_max=8, mbstd_group_size=1))
        variables = built.networks['D'].vars
        start = start or {name: session.run(var) for name, var in variables.items()}
        tflib.set_vars({variables[name]: value for name, value in start.items()})
        built.reals.next = np.split(reals, rounds)
        built.iteration.run(dict(G_lrate=0.1, D_lrate=0.1, rounds=rounds, new_level=False), 7,
                            EasyDict(nimg=8, iteration=0))  # all stages are due
        ends.append({name: session.run(var) for name, var in variables.items()})
    assert [stage.name for stage in built.stages] == ['G', 'G_reg', 'Gs', 'D', 'D_reg']
    for name in start:
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=1e-4, atol=1e-6)
    assert any(np.abs(ends[0][name] - start[name]).max() > 1e-4 for name in start)


@pytest.mark.parametrize('name', ['G_reg_interval', 'D_reg_interval'])
def test_bad_intervals_are_refused(name):
    for value in (0, 1.5):
        with pytest.raises(UserError, match=f'{name} must be a whole number of at least 1, got {value}'):
            Built(**{name: value})


def test_options_of_another_method_are_refused():
    with pytest.raises(TypeError, match='no_such'):
        Built(no_such=1)


def test_gamma_is_a_formula_and_is_explained(capsys):
    data, sched = EasyDict(shape=[3, 256, 256]), EasyDict(minibatch_size=32)
    args = dict(func_name='training.loss.D_logistic_r1', gamma='auto')
    assert stylegan2.choose_gamma(args, data, sched)['gamma'] == pytest.approx(0.0002 * 256 ** 2 / 32)
    assert 'gamma = 0.4096 by --gamma=auto: 0.0002 * 256 * 256 pixels / minibatch of 32' in capsys.readouterr().out
    assert stylegan2.choose_gamma(dict(args, gamma=3.0), data, sched)['gamma'] == 3.0
    assert stylegan2.choose_gamma(None, data, sched) is None


def test_alarms_watch_logits_only():
    streams, schedule = {'reals': Reals()}, EasyDict(levels=LEVELS, last=LEVELS[-1])
    for name, logits in (('D_logistic_r2', True), ('D_wgan_gp', False)):
        options = {f'{net}_{kind}': {} for net in 'GD' for kind in ('args', 'opt_args', 'loss_args')}
        options['D_loss_args'] = dict(func_name='training.loss.' + name)
        method = stylegan2.stylegan2(streams, schedule, **options)
        assert method.logits == logits and method.monitors({}) == []


def make(name):
    """Small generator 'G' or discriminator 'D' of StyleGAN2."""
    small = dict(latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8) if name == 'G' else {}
    func = 'G_main' if name == 'G' else 'D_stylegan2'
    return tflib.Network(name, 'training.networks_stylegan2.' + func, num_channels=3, resolution=8, label_size=0,
                         fmap_base=64, fmap_max=8, **small)


def test_frozen_layers_of_ada(session, capsys):
    def make_ada(count):
        return tflib.Network('D', 'training.networks_ada.D_main', num_channels=3, resolution=8, label_size=0,
                             fmap_base=64, fmap_max=8, freeze_layers=count)
    D = make_ada(2)
    assert stylegan2.frozen_layers(D, 0) == set()
    assert capsys.readouterr().out == 'Not trained in D: 8x8/FromRGB, 8x8/Conv0\n'
    assert {name.rpartition('/')[0] for name in D.vars if name not in D.trainables} == {'8x8/FromRGB', '8x8/Conv0'}
    with pytest.raises(UserError, match='--freeze-d=7: this discriminator has 6 layers that can be frozen'):
        stylegan2.frozen_layers(make_ada(7), 0)


def test_frozen_layers(session, capsys):
    G, D = make('G'), make('D')
    assert stylegan2.frozen_layers(D, 0) == set()
    assert stylegan2.frozen_layers(D, 2) == {'8x8/FromRGB/weight', '8x8/FromRGB/bias', '8x8/Conv0/weight',
                                             '8x8/Conv0/bias'}
    assert capsys.readouterr().out == 'Not trained in D: 8x8/FromRGB, 8x8/Conv0\n'
    assert stylegan2.frozen_mapping(G) == {f'G_mapping/Dense{i}/{kind}' for i in (0, 1) for kind in ('weight', 'bias')}
    with pytest.raises(UserError, match='this discriminator has 7 layers, so 0 to 6 can be frozen'):
        stylegan2.frozen_layers(D, 7)
    with pytest.raises(UserError, match='--freeze-mapping: this generator has no mapping network'):
        stylegan2.frozen_mapping(D)


def test_pictures_of_the_cells_come_in_chunks_and_rows():
    calls = []

    def run(latents, labels, is_validation):
        calls.append((latents.shape, labels.shape, is_validation))
        return latents[:, :1, np.newaxis, np.newaxis]
    values = np.array([-2, -1, -0.6, -0.2, 0.2, 2])[:, np.newaxis]
    cells = Cells((3, 2), dict(reals=(None, np.zeros([6, 2]))), values)
    rows = stylegan2.draw(EasyDict(run=run), cells, [-1, 1], minibatch_size=4)
    assert calls == [((4, 1), (4, 2), True), ((2, 1), (2, 2), True)]
    assert [row.dtype for row in rows] == [np.uint8] * 2
    assert [row.ravel().tolist() for row in rows] == [[0, 0, 51], [102, 153, 255]]


def test_pictures_of_a_seed():
    def run(latents, labels, is_validation, output_transform):
        assert is_validation and output_transform['drange'] == [-1, 1] and labels.shape == (len(latents), 0)
        return latents
    Gs = EasyDict(input_shape=[None, 5], run=run)

    def drawn(seed):
        found = list(stylegan2.draw_seed(Gs, DATA, stylegan2.RandomPictures(7, seed, 3, (-1, 1))))
        assert [later.count for later in found] == [3, 3, 1]
        return [later.draw() for later in found[::-1]][::-1]  # in any order
    assert [len(part) for part in drawn(1)] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(drawn(1)), np.concatenate(drawn(1)))
    assert not np.any(np.concatenate(drawn(1)) == np.concatenate(drawn(2)))
