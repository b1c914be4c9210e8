"""D on augmented images: which scores count, how p follows them (against the published controller), stop and resume."""

import json
import os

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import save_summaries
from tests.training.golden_ada import DATA, FILES
from tests.training.test_training_loop import assert_same_variables, train, variables_of_last_state
from training import loss, train_step
from training.iteration import Iteration
from training.methods import augmented, stylegan2
from training.state import transfer

ME = __name__
LEVELS = [EasyDict(minibatch_size=4, minibatch_gpu=2, rounds=2)]


def dim(images, labels, strength=1, factor=1.0):
    """Stands in for an augmentation: takes away a random share of the contrast, at most strength * factor."""
    shares = random.uniform([tf.shape(images)[0], 1, 1, 1])
    return images * (1 - strength * factor * shares), labels


def number_generator(latents_in, labels_in, num_channels=1, resolution=8, label_size=0, is_training=False,
                     is_template_graph=False, components=None):
    """Images of one trainable number."""
    latents_in.set_shape([None, 2])
    labels_in.set_shape([None, label_size])
    weight = tf.get_variable('weight', shape=[], initializer=tf.initializers.constant(-0.5))
    shape = [tf.shape(latents_in)[0], num_channels, resolution, resolution]
    return tf.identity(tf.zeros(shape) + weight, name='out')


def mean_discriminator(images_in, labels_in, num_channels=1, resolution=8, label_size=0, augment_strength=0,
                       is_training=False, is_template_graph=False, components=None):
    """The mean of an image times a trainable number, plus 100 p."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    labels_in.set_shape([None, label_size])
    weight = tf.get_variable('weight', shape=[], initializer=tf.initializers.ones())
    return tf.identity(tf.reduce_mean(images_in, axis=[1, 2, 3])[:, np.newaxis] * weight + 100 * augment_strength,
                       name='out')


def G_loss(G, D, training_set, minibatch_size):
    """A loss whose regularization also asks D."""
    fakes = G.get_output_for(random.normal([minibatch_size, 2]), tf.zeros([minibatch_size, 0]))
    scores = D.get_output_for(fakes, tf.zeros([minibatch_size, 0]), is_training=True)
    return tf.nn.softplus(-scores), scores[:, 0] ** 2


class Built:
    """StyleGAN2's stages with the networks above, 4 images a minibatch in two rounds, two minibatches a step."""

    def __init__(self, held_out=(), repeats=2, **augment_args):
        pixels = np.arange(50, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis] + np.zeros([1, 1, 8, 8], np.uint8)
        data = EasyDict(shape=[1, 8, 8], label_size=0, dynamic_range=[0, 255], num_images=50,
                        held_out=np.array(held_out, int), read=lambda index: pixels[index],
                        read_labels=lambda indices: np.zeros([len(indices), 0], np.float32))
        sgd = dict(tf_optimizer='tf.train.GradientDescentOptimizer')
        self.stream = EasyDict(dataset=data, skips_bad=False)
        self.method = stylegan2.stylegan2(
            dict(reals=self.stream), EasyDict(levels=LEVELS, last=LEVELS[-1]), G_opt_args=sgd, D_opt_args=sgd,
            G_args=dict(func_name=ME + '.number_generator'), D_args=dict(func_name=ME + '.mean_discriminator'),
            G_loss_args=dict(func_name=ME + '.G_loss'), D_loss_args=dict(func_name='training.loss.D_logistic_r1'),
            G_reg_interval=1, D_reg_interval=1, augment_args=dict(dict(func_name=ME + '.dim'), **augment_args))
        self.networks = transfer.create_networks(self.method.nets)
        self.step = train_step.Step(self.method, self.networks, dict(reals=data), LEVELS, repeats)
        self.stages = self.method.stages(self.step)
        self.iteration = Iteration(self.stages, self.step, dict(reals=self.stream))
        tflib.init_uninitialized_vars()

    def run(self, iteration, real=255):
        """One iteration on reals of one number; nothing learns."""
        self.stream.minibatch = lambda *_args: (np.full([4, 1, 8, 8], real, np.uint8), np.zeros([4, 0]))
        self.iteration.run(dict(minibatch_size=4, minibatch_gpu=2, rounds=2, lod=0.0, new_level=False, G_lrate=0,
                                D_lrate=0), 7, EasyDict(nimg=iteration * 4, iteration=iteration))

    def state(self, name):
        """Value of a variable of the state."""
        variable, = [var for var in tf.global_variables() if var.op.name == 'State/augment_' + name]
        return tflib.run(variable)


def test_scores_of_reals_count_in_the_main_step_of_d_alone(session):
    built = Built(tune_heuristic='rt', initial_strength=0.5, tune_kimg=0.08)
    assert [(stage.name, stage.every, stage.at_end) for stage in built.stages] == [
        ('G', 1, False), ('G_reg', 1, False), ('Gs', 1, False), ('D', 1, False), ('D_reg', 1, False),
        ('augment', 2, True)]
    built.run(0)
    assert built.state('sums').tolist() == [[4, 4]]  # of two rounds
    assert built.state('strength') == 0.5
    built.run(1)
    assert built.state('sums').tolist() == [[0, 0]]
    assert built.state('strength') == pytest.approx(0.5 + 8 / 80, abs=1e-12)
    means = save_summaries(None)
    assert means['Progress/overfitting'] == 1 and means['Loss/signs/real'] == 1
    assert means['Loss/squares/real'] == pytest.approx(means['Loss/scores/real'] ** 2, rel=0.1)
    assert means['Loss/scores/real'] == pytest.approx(50.75, abs=0.3)  # D was told p


def test_rv_counts_fakes_of_both_networks_and_held_out_images_in_turn(session):
    built = Built(tune_heuristic='rv', held_out=[40, 30, 10], initial_strength=0, repeats=3)
    for iteration in range(2):
        built.run(iteration)
    (reals, real), (fakes, fake), (valids, valid) = built.state('sums')
    assert (reals, fakes, valids) == (8, 16, 8)  # fakes are scored by the stages of G and of D
    assert (real, fake) == (8, -8)
    order = [40, 30, 10, 40, 30, 10, 40, 30]
    assert valid == pytest.approx(sum(n / 127.5 - 1 for n in order), rel=1e-5)
    assert built.state('valid') == 8


def test_nothing_is_counted_where_p_is_constant(session):
    built = Built(initial_strength=0.25)
    assert [stage.name for stage in built.stages] == ['G', 'G_reg', 'Gs', 'D', 'D_reg'] and not built.step.monitors
    built.run(0)
    assert built.state('strength') == 0.25 and save_summaries(None)['Loss/signs/fake'] == 1


def test_mixtures_of_reals_and_fakes_do_not_count(session):
    nets = {name: tflib.Network(name, f'{ME}.{func}') for name, func in [
        ('G', 'number_generator'), ('D', 'mean_discriminator')]}
    step = train_step.Step(EasyDict(groups={}, drange=(-1, 1)), {}, {}, LEVELS)
    reals, labels = tf.zeros([2, 1, 8, 8]), tf.zeros([2, 0])
    D = augmented.AugmentedDiscriminator(
        nets['D'], augmented.Augmentation(step, dict(func_name=ME + '.dim', initial_strength=0.5)), reals)
    data = EasyDict(get_random_labels_tf=lambda size: labels)
    with step.losses('D'):
        loss.D_wgan_gp(nets['G'], D, data, 2, reals, labels)
    assert {kind: len(scores) for kind, scores in D._scores.items()} == {'fake': 1, 'real': 1}
    options = stylegan2.Options(D_loss_args=dict(func_name='training.loss.D_wgan_gp'),
                                augment_args=dict(tune_heuristic='rt'))
    with pytest.raises(UserError, match='the signs of the scores of reals, which mean nothing with training.loss.D_w'):
        stylegan2.check_augmentation(options)
    stylegan2.check_augmentation(options._replace(augment_args=dict(initial_strength=0.5)))


def test_what_rv_can_not_do_is_refused(session):
    for levels, held_out, message in [
            (2, [1], "the heuristic rv can't follow networks that grow; use rt"),
            (1, [], 'compares reals with held-out images, and none are held out; give --holdout')]:
        step = train_step.Step(EasyDict(groups={}, drange=(-1, 1)), {}, {}, LEVELS * levels)
        augmentation = augmented.Augmentation(step, dict(tune_heuristic='rv', func_name=None))
        with pytest.raises(UserError, match=message):
            augmentation.stages(None, EasyDict(held_out=held_out, shape=[1, 8, 8]), (-1, 1))


def test_r1_is_of_the_images_before_augmentation(session):
    images, network = tf.ones([2, 1, 8, 8]), tflib.Network('D', ME + '.mean_discriminator')
    step = EasyDict(state=lambda *_args, initial: tf.Variable(initial), progress={})
    augmentation = augmented.Augmentation(step, dict(func_name=ME + '.dim', factor=0.5, initial_strength=1.0))
    D = augmented.AugmentedDiscriminator(network, augmentation, images)
    with random.seeded(tf.constant([1, 2], tf.int64)):
        scores = D.get_output_for(images, tf.zeros([2, 0]))
    slope, = tf.gradients(tf.reduce_sum(scores), [images])
    plain = D.get_output_for(images, tf.zeros([2, 0]), augment=False)
    tflib.init_uninitialized_vars()
    values, slopes, plain = session.run([scores, slope, plain])
    np.testing.assert_allclose(slopes.sum(axis=(1, 2, 3)), values[:, 0] - 100, rtol=1e-4)  # what dims, dims gradients
    assert (values < 100.99).all() and plain.tolist() == [[101], [101]]
    assert D.input_shapes == network.input_shapes and D._scores == dict(real=[scores])
    assert D.seen(images) is not images


with open(os.path.join(DATA, 'adaptive.json')) as _file:
    RUNS = {run['name']: run for run in json.load(_file)}


def controller(run):
    """(Augmentation without a function, [variable p, variable of the sums]) for a published run."""
    made = []

    def state(name, shape, initial=0.0):
        made.append(tf.Variable(tf.fill(shape, initial), use_resource=True))
        return made[-1]
    size = tf.constant(run['minibatch']) if run['name'] == 'rt_decay' else run['minibatch']  # fed if it grows
    step = EasyDict(state=state, progress={}, monitors=[], sched=dict(minibatch_size=size),
                    repeats=run['minibatches_per_step'])
    augmentation = augmented.Augmentation(step, dict(
        func_name=None, tune_heuristic=run['heuristic'], tune_target=run['target'], tune_kimg=run['tune_kimg'],
        initial_strength=run['initial_p'], stat_decay_kimg=run.get('stat_decay_kimg', 0), max_strength=100))
    return augmentation, made


@pytest.mark.parametrize('name', sorted(RUNS))
def test_p_is_that_of_the_published_controller(session, name):
    run = RUNS[name]
    augmentation, (p, sums) = controller(run)
    scores, tune = tf.placeholder(tf.float32, [None]), augmentation._tune()
    count, real_p = augmentation.count(dict(real=scores)), augmentation.strength
    r = augmented.overfitting(run['heuristic'], augmented.means_of(sums))
    tflib.init_uninitialized_vars()
    for i in range(len(run.get('steps', run['p'] if 'p' in run else []))):
        if run['heuristic'] == 'rt':
            expected = run['r'][i], run['p'][i]
            for minibatch in FILES.arrays('adaptive_scores')[name + '/scores'][i]:
                for part in np.split(minibatch, run['gpus']):
                    if not np.isnan(part).all():
                        session.run(count, {scores: part})
        else:
            told = run['steps'][i]
            expected = told['r'], told['p']
            sums.load([[1, told['mean_' + kind]] for kind in ('real', 'fake', 'valid')], session)
        assert session.run(r) == pytest.approx(expected[0], abs=1e-6 * max(1, abs(expected[0]))), i
        session.run(tune)
        assert session.run(p) == pytest.approx(expected[1], abs=1e-9), i
    assert session.run(real_p) == np.float32(expected[1])


def test_all_scores_are_used(request):
    FILES.check_all_used(request, 'methods/test_augmented.py')


def test_p_has_a_ceiling_that_is_told_once(session, capsys):
    run = dict(RUNS['rt_above_one'], initial_p=0)
    augmentation, (p, sums) = controller(run)
    augmentation._control = augmentation._control._replace(max_strength=0.2)
    tune, say = augmentation._tune(), augmented.Ceiling(p, 0.2)
    tflib.init_uninitialized_vars()
    for i in range(6):
        sums.load([[1, 1]], session)
        session.run(tune)
        say()
        assert ('ceiling of 0.2' in capsys.readouterr().out) == (i == 3)
    assert session.run(p) == 0.2


@pytest.mark.parametrize('options, message', [
    (dict(tune_heuristic='rx'), "tune_heuristic must be 'rt', 'rv' or None, got 'rx'"),
    (dict(tune_kimg=0), 'tune_kimg must be above 0'),
    (dict(tune_kimg='fast'), "tune_kimg must be a number, got 'fast'"),
    (dict(initial_strength=0.9, max_strength=0.8), 'begins at p = 0.9; expected 0 to the ceiling of 0.8')])
def test_bad_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        augmented.parse(options)


def test_defaults_are_those_published():
    assert augmented.parse(dict(tune_heuristic='rt', xflip=1)) == (
        augmented.Control('rt', 0.6, 500, 0, 0, 1, 'training.augment.augment_pipeline'), dict(xflip=1))
    assert augmented.parse(dict(tune_heuristic='rv'))[0].tune_target == 0.5
    assert augmented.parse({})[0].func_name is None  # never on
    assert augmented.parse(dict(initial_strength=0.3))[0].func_name is not None


ADA = dict(augment_args=dict(func_name=ME + '.dim', tune_heuristic='rv', tune_kimg=0.4, initial_strength=0.3),
           holdout=0.1, minibatch_repeats=3, G_smoothing_kimg=0.05, G_smoothing_rampup=0.3)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    """Run directory of a training with augmentation that nothing stopped, 15 iterations."""
    run_dir = tmp_path_factory.mktemp('augmented')
    assert train(run_dir, 0.12, **ADA) == 0
    return run_dir


def test_stopping_while_p_changes_changes_nothing(uninterrupted, tmp_path):
    ticks = []

    def killed(_network_pkl, _fakes):
        ticks.append(None)
        if len(ticks) == 2:
            raise SystemExit
    with pytest.raises(SystemExit):
        train(tmp_path, 0.12, metric_callback=killed, checkpoint_minutes=0, **ADA)
    between = variables_of_last_state(tmp_path)
    assert between['State/augment_sums'][:, 0].tolist() == [16, 32, 16] and between['State/augment_valid'] == 64
    assert train(tmp_path, 0.12, **ADA) == 0
    assert_same_variables(uninterrupted, tmp_path)


def test_p_is_reported(uninterrupted):
    ticks = [json.loads(line) for line in open(str(uninterrupted / 'stats.jsonl'))]
    values = [tick['Progress/augment'] for tick in ticks]
    assert values[0] != 0.3 and len(set(values)) > 1
    assert ticks[-1]['Progress/augment'] == variables_of_last_state(uninterrupted)['State/augment_strength']
    for tag in ('Loss/signs/real', 'Loss/scores/valid', 'Progress/overfitting'):
        assert all(np.isfinite(tick[tag]) for tick in ticks), tag


def test_a_sheet_shows_what_augmentation_does(uninterrupted):
    with PIL.Image.open(str(uninterrupted / 'reals-augmented.png')) as sheet, \
            PIL.Image.open(str(uninterrupted / 'reals.png')) as reals:
        assert sheet.size == (24, 32)
        sheet, reals = np.asarray(sheet, np.float64), np.asarray(reals, np.float64)
    np.testing.assert_array_equal(sheet[:8], reals[:8])
    contrasts = [np.std(sheet[row:row + 8]) for row in range(0, 32, 8)]
    assert contrasts == sorted(contrasts, reverse=True) and contrasts[3] < 0.8 * contrasts[0]
