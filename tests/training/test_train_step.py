"""What every method is made of: fields of the schedule, seeded losses, optimizers of groups, small formulas."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from dnnlib.seeds import step_seed
from dnnlib.tflib import random
from training import train_step
from training.state import files

LEVELS = [dict(minibatch_size=8, minibatch_gpu=4, rounds=2), dict(minibatch_size=4, minibatch_gpu=4, rounds=1)]
DATA = dict(reals=EasyDict(shape=[1, 8, 8], label_size=2, dynamic_range=[0, 255]))
SGD = dict(tf_optimizer='tf.train.GradientDescentOptimizer')


def number_net(latents_in, is_template_graph=False, components=None):
    """A network whose output is one trainable number for each input."""
    latents_in.set_shape([None, 2])
    weight = tf.get_variable('weight', shape=[], initializer=tf.initializers.zeros())
    return tf.identity(tf.reshape(latents_in[:, 0], [-1, 1]) * 0.0 + weight, name='out')


def make_step(levels=LEVELS, lazy=None, minibatches=1):
    """Step of two networks with a group each; both have the rate `rate`; minibatches: of B."""
    nets = {name: tflib.Network(name, __name__ + '.number_net') for name in 'AB'}
    groups = {name: train_step.Group((name,), SGD, 'rate', lazy) for name in 'AB'}
    groups['B'] = groups['B']._replace(minibatches=minibatches)
    return train_step.Step(EasyDict(groups=groups, drange=(-1, 1)), nets, DATA, levels)


def test_fields_that_never_change_are_numbers(session):
    fields = train_step.ScheduleFields(LEVELS[:1])
    assert [fields[name] for name in ('lod', 'minibatch_size', 'minibatch_gpu', 'rounds')] == [0.0, 8, 4, 2]
    assert fields.feed(dict(G_lrate=1.0)) == {}
    rate = fields['G_lrate']
    assert fields['G_lrate'] is rate and fields.feed(dict(G_lrate=0.5, D_lrate=0.1)) == {rate: 0.5}


def test_fields_of_a_growing_training(session):
    fields = train_step.ScheduleFields(LEVELS)
    assert fields['minibatch_gpu'] == 4
    found = {name: fields[name] for name in ('lod', 'minibatch_size', 'rounds')}
    assert [(tensor.op.type, tensor.dtype) for tensor in found.values()] == [
        ('Placeholder', tf.float32), ('Placeholder', tf.int32), ('Placeholder', tf.int64)]
    assert fields.feed(dict(LEVELS[1], lod=0.5)) == {
        found['lod']: 0.5, found['minibatch_size']: 4, found['rounds']: 1}


def test_a_method_may_set_a_field(session):
    fields = train_step.ScheduleFields(LEVELS)
    fields['strength'] = variable = tf.Variable(0.5)
    assert fields['strength'] is variable and fields.feed({}) == {}


def test_data_of_a_step(session):
    step = make_step(LEVELS[:1])
    images, labels = step.batch['reals']
    assert images.shape.as_list() == [4, 1, 8, 8] and labels.shape.as_list() == [4, 2]
    feed = dict(zip(step.feeds['reals'], [np.full([4, 1, 8, 8], 255, np.uint8), np.ones([4, 2])]))
    values = session.run([images, labels], feed)
    assert (values[0] == 1).all() and (values[1] == 1).all()
    assert make_step().batch['reals'].images.shape.as_list() == [4, 1, None, None]  # of each level


def test_noise_is_a_function_of_the_seed(session):
    step = make_step()
    with step.losses('A'):
        noise = random.normal([2])
    assert noise.op.name.startswith('A_loss')

    def draw(*key):
        return session.run(noise, {step.seed_in: step_seed(*key)})
    first = draw(1, 64, 'G', 0)
    np.testing.assert_array_equal(first, draw(1, 64, 'G', 0))
    for key in [(2, 64, 'G', 0), (1, 96, 'G', 0), (1, 64, 'D', 0), (1, 64, 'G', 1)]:
        assert not np.any(first == draw(*key))


def run(step, stage, **sched):
    """One session call of a stage."""
    feed = {step.seed_in: [1, 2]}
    feed.update(step.sched.feed(sched))
    tflib.run(stage.op, feed)


def test_an_optimizer_of_a_group_with_something_after_it(session):
    step = make_step([dict(minibatch_size=4, minibatch_gpu=4, rounds=1)], lazy=4)
    weight, seen = step.nets['A'].vars['weight'], step.state('seen', [])
    slope = tf.reduce_mean(step.nets['A'].get_output_for(tf.zeros([4, 2])))
    stages = [step.train('A', {'A': slope * 10}, post=[lambda: seen.assign(weight.read_value() * 2)]),
              step.train('A_reg', {'A': slope * 100}, every=4)]
    tflib.init_uninitialized_vars()
    assert [(stage.name, stage.every, stage.rounds, len(stage.skipped)) for stage in stages] == [
        ('A', 1, True, 1), ('A_reg', 4, True, 1)]
    run(step, stages[0], rate=0.1)
    assert session.run([weight, seen]) == pytest.approx([-0.8, -1.6])  # lazy: rate * 4 / 5
    run(step, stages[1], rate=0.1)
    assert session.run([weight, seen]) == pytest.approx([-8.8, -1.6])


def test_what_runs_after_every_round_and_after_the_step_alone(session):
    step = make_step(LEVELS[:1])
    counts = {name: step.state(name, []) for name in ('post', 'at_step')}
    slope = tf.reduce_mean(step.nets['A'].get_output_for(tf.zeros([4, 2])))
    stage = step.train('A', {'A': slope}, **{name: [lambda count=count: tf.assign_add(count, 1.0)]
                                             for name, count in counts.items()})
    tflib.init_uninitialized_vars()
    for op, expected in ((stage.part, [0, 1, 0]), (stage.op, [-0.1, 2, 1])):
        run(step, stage._replace(op=op), rate=0.1)
        assert session.run([step.nets['A'].vars['weight'], *counts.values()]) == pytest.approx(expected)


def test_several_groups_are_trained_jointly_or_refused(session):
    step = make_step([dict(minibatch_size=4, minibatch_gpu=4, rounds=1)])
    a, b = (tf.reduce_mean(step.nets[name].get_output_for(tf.zeros([4, 2]))) for name in 'AB')
    with pytest.raises(ValueError, match="stage both: several groups .'A', 'B'. are trained by joint=True only"):
        step.train('both', {'A': a, 'B': b})
    stage = step.train('both', {'A': a * (b + 1), 'B': b * (a + 2)}, joint=True)
    tflib.init_uninitialized_vars()
    run(step, stage, rate=0.1)
    assert len(stage.skipped) == 2
    assert [step.nets[name].get_var('weight') for name in 'AB'] == pytest.approx([-0.1, -0.2])  # of the same moment


def test_groups_of_other_minibatches_are_not_trained_together(session):
    step = make_step(minibatches=2)
    loss = sum(tf.reduce_mean(step.nets[name].get_output_for(tf.zeros([4, 2]))) for name in 'AB')
    for losses in ({'A': loss, 'B': loss}, {('A', 'B'): loss}):
        with pytest.raises(ValueError, match=r'stage both: groups of \[1, 2\] minibatches are not trained together'):
            step.train('both', losses, joint=True)


def test_state_is_a_saved_variable(session):
    step = make_step()
    pool = step.state('pool', [3, 2], per_worker=True)
    step.state('count', [], initial=2)
    tflib.init_uninitialized_vars()
    names = {variable.op.name: variable for variable in tf.global_variables()}
    assert tf.get_collection(files.PER_WORKER) == [names['State/pool']]  # of two rounds
    assert names['State/pool'].shape.as_list() == [2, 3, 2] and pool.read_value().shape.as_list() == [3, 2]
    assert names['State/count'].dtype.base_dtype == tf.int32 and session.run(names['State/count']) == 2
    assert not tf.trainable_variables('State')


def test_process_reals(session):
    values = session.run(train_step.process_reals(np.uint8([0, 51, 255]), [0, 255], [-1, 1]))
    np.testing.assert_allclose(values, [-1, -0.6, 1], atol=1e-6)


def test_lazy_optimizer_args():
    args = train_step.lazy_optimizer_args(dict(learning_rate=0.002, beta1=0.0, beta2=0.99, epsilon=1e-8), 4)
    assert args == dict(learning_rate=pytest.approx(0.0016), beta1=0.0, beta2=pytest.approx(0.991992, abs=1e-6),
                        epsilon=1e-8)
    args = train_step.lazy_optimizer_args(dict(learning_rate=0.002, beta2=0.99), 16)
    assert args == dict(learning_rate=pytest.approx(0.00188235, rel=1e-5), beta2=pytest.approx(0.990585, abs=1e-6))


def test_averages_are_those_published(session, data_dir):
    step, made = make_step([dict(minibatch_size=4, minibatch_gpu=4, rounds=1)]), None
    for case in json.loads((data_dir / 'ada' / 'ema.json').read_text()):
        size, kimg, rampup, nimg, beta = (case[name] for name in (
            'minibatch_size', 'G_smoothing_kimg', 'G_smoothing_rampup', 'cur_nimg', 'beta'))
        if rampup is None:
            assert train_step.smoothing_beta(size, kimg) == pytest.approx(beta, abs=1e-12)
        else:
            if made != (kimg, rampup):
                made, stage = (kimg, rampup), step.average('A', of='B', kimg=kimg, rampup=rampup)
            (placeholder, value), = step.sched.feed(dict(minibatch_size=size, kimg=nimg / 1000)).items()
            assert value == pytest.approx(beta, abs=1e-12)
    step.sched.check(dict(minibatch_size=4, kimg=0))
    tflib.init_uninitialized_vars()
    step.nets['B'].set_var('weight', 8.0)
    session.run(stage.op, {placeholder: 0.25})
    assert step.nets['A'].get_var('weight') == 6


def test_smoothing_beta():
    assert train_step.smoothing_beta(32, 10) == pytest.approx(0.997784, abs=1e-6)
    assert train_step.smoothing_beta(32, 10) ** (10000 / 32) == pytest.approx(0.5)
    assert train_step.smoothing_beta(32, 0) == 0
