"""Three tiny methods that use everything a method can: two streams and pools, joint steps, several steps of D."""

from collections import OrderedDict

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict
from dnnlib.tflib import random
from training.train_step import Group, Method, Net, report_mean

SGD = dict(tf_optimizer='tf.train.GradientDescentOptimizer')
MOMENTUM = dict(tf_optimizer='tf.train.MomentumOptimizer')
ADAM = dict(beta1=0.5, beta2=0.99)
POOL_SIZE = 4


def toy_translator(images_in, num_channels=3, resolution=8, is_template_graph=False, components=None):
    """Images to images, by a 1x1 convolution of the channels."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    weight = tf.get_variable('weight', [num_channels, num_channels], initializer=tf.initializers.random_normal())
    bias = tf.get_variable('bias', [num_channels], initializer=tf.initializers.zeros())
    y = tf.tensordot(images_in, weight, [[1], [0]]) + bias  # NHWC
    return tf.transpose(tf.tanh(y), [0, 3, 1, 2], name='images_out')


def toy_generator(latents_in, resolution=8, is_template_graph=False, components=None):
    """Latents [N, 4] to images."""
    latents_in.set_shape([None, 4])
    weight = tf.get_variable('weight', [4, 3 * resolution ** 2], initializer=tf.initializers.random_normal(0, 0.3))
    return tf.reshape(tf.tanh(tf.matmul(latents_in, weight)), [-1, 3, resolution, resolution], name='images_out')


def toy_critic(images_in, num_channels=3, resolution=8, is_template_graph=False, components=None):
    """Images to one score."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    weight = tf.get_variable('weight', [2 * num_channels, 1], initializer=tf.initializers.random_normal())
    means = tf.reduce_mean(images_in, axis=[2, 3])
    squares = tf.reduce_mean(tf.square(images_in), axis=[2, 3])
    return tf.matmul(tf.concat([means, squares], axis=1), weight, name='scores_out')


def schedule(cur_nimg, dataset, minibatch_gpu=4, rate=0.01):
    """A schedule with rates by name, and a scalar that the method asks for."""
    return EasyDict(minibatch_size=8, minibatch_gpu=minibatch_gpu, tick_kimg=0.032, G_rate=rate, D_rate=2 * rate,
                    G_momentum=0.5 + cur_nimg / 1000, lambda_cycle=10 / (1 + cur_nimg / 100))


def query(step, name, images):
    """Images from a pool of earlier ones, each replaced with probability 1/2 (Shrivastava et al. 2017, section 2.3)."""
    shape = images.shape.as_list()
    pool = step.state(name, [POOL_SIZE] + shape[1:], per_worker=True)
    filled = step.state(name + '_filled', [], per_worker=True, initial=0)
    chosen, last = [], []
    for i in range(shape[0]):
        with tf.control_dependencies(last):
            count, old = filled.read_value(), pool.read_value()
            index = tf.where(count < POOL_SIZE, count, random.uniform([], 0, POOL_SIZE, tf.int32))
            swap = tf.logical_or(count < POOL_SIZE, random.uniform([]) < 0.5)
            is_new = tf.logical_or(count < POOL_SIZE, tf.logical_not(swap))
            chosen.append(tf.where(is_new, images[i], old[index]))
            mask = tf.reshape(tf.one_hot(index, POOL_SIZE) * tf.cast(swap, tf.float32), [-1, 1, 1, 1])
            with tf.control_dependencies([chosen[-1], mask]):
                last = [pool.assign(old * (1 - mask) + images[i] * mask),
                        filled.assign(tf.minimum(count + 1, POOL_SIZE))]
    with tf.control_dependencies(last):
        return tf.stack(chosen)


def cycle(streams, schedule, cycle_weight=1.0):
    """Two generators between streams a and b, two discriminators with pools; each pair has one optimizer."""
    def stages(step):
        a, b = step.batch['a'].images, step.batch['b'].images
        nets = step.nets
        with step.losses('G'):
            fake_b, fake_a = nets['G_ab'].get_output_for(a), nets['G_ba'].get_output_for(b)
            back = tf.reduce_mean(tf.abs(nets['G_ba'].get_output_for(fake_b) - a)) + tf.reduce_mean(
                tf.abs(nets['G_ab'].get_output_for(fake_a) - b))
            scores = tf.concat([nets['D_b'].get_output_for(fake_b), nets['D_a'].get_output_for(fake_a)], axis=0)
            G_loss = report_mean('Loss/G', tf.square(scores - 1)) + back * cycle_weight * step.sched['lambda_cycle']
        with step.losses('D'):
            fakes = dict(a=query(step, 'pool_a', tf.stop_gradient(nets['G_ba'].get_output_for(b))),
                         b=query(step, 'pool_b', tf.stop_gradient(nets['G_ab'].get_output_for(a))))
            D_loss = tf.add_n([report_mean('Loss/D_' + k, tf.square(D.get_output_for(step.batch[k].images) - 1))
                               + tf.reduce_mean(tf.square(D.get_output_for(fakes[k])))
                               for k, D in (('a', nets['D_a']), ('b', nets['D_b']))])
        return [step.train('G', {'G': G_loss}, batch='this'), step.train('D', {'D': D_loss}, batch='this')]

    def pictures(networks, cells):
        def translated(name, images):
            out = networks[name].run(images.astype(np.float32) / 127.5 - 1)
            return np.clip(np.rint((out + 1) * 127.5), 0, 255).astype(np.uint8)
        a, b = (cells.batch[name][0] for name in 'ab')
        return [a, translated('G_ab', a), b, translated('G_ba', b)]

    G, D = Net(__name__ + '.toy_translator'), Net(__name__ + '.toy_critic', role='discriminator')
    return Method('toy_cycle', OrderedDict([('G_ab', G), ('G_ba', G), ('D_a', D), ('D_b', D)]),
                  dict(G=Group(('G_ab', 'G_ba'), ADAM, 'G_rate'), D=Group(('D_a', 'D_b'), ADAM, 'D_rate')),
                  stages, pictures)


def _generator_method(name, stages, groups):
    G, D = Net(__name__ + '.toy_generator'), Net(__name__ + '.toy_critic', role='discriminator')
    nets = OrderedDict([('G', G), ('D', D), ('Gs', G._replace(average_of='G'))])

    def draw(networks, latents):
        out = networks['Gs'].run(latents)
        return np.clip(np.rint((out + 1) * 127.5), 0, 255).astype(np.uint8)

    def fakes(networks, count, seed):
        rnd = np.random.RandomState(seed)
        for begin in range(0, count, 4):
            yield draw(networks, rnd.randn(min(4, count - begin), 4))
    return Method(name, nets, groups, stages, lambda networks, cells: [draw(networks, cells.latents)], fakes,
                  latents=lambda networks, count: np.random.randn(count, 4))


def joint(streams, schedule):
    """One stage in which G and D step at the same time, from the same fakes."""
    def stages(step):
        with step.losses('GD'):
            reals = next(iter(step.batch.values())).images
            fakes = step.nets['G'].get_output_for(random.normal([step.sched['minibatch_gpu'], 4]))
            fake_scores = step.nets['D'].get_output_for(fakes)
            D_loss = report_mean('Loss/D', tf.nn.softplus(fake_scores)) + tf.reduce_mean(
                tf.nn.softplus(-step.nets['D'].get_output_for(reals)))
            G_loss = report_mean('Loss/G', tf.nn.softplus(-fake_scores))
        return [step.train('GD', dict(G=G_loss, D=D_loss), batch='this', joint=True), step.average('Gs', 'G', 0.05)]
    return _generator_method('toy_joint', stages, dict(G=Group(('G',), ADAM, 'G_rate'),
                                                       D=Group(('D',), ADAM, 'D_rate')))


def critics(streams, schedule, n_critic=2):
    """Several steps of D on fresh data, with clipped weights (Arjovsky et al. 2017, algorithm 1).

    One more runs only while a gate is open, which a stage opens and closes; D's rate is a variable that falls whenever
    D's loss did not. G's momentum is a field of the schedule.
    """
    def stages(step):
        rate = step.sched['D_rate'] = step.state('D_rate', [], initial=0.02)
        best = step.state('best', [], initial=1000.0)
        gate = step.state('gate', [], initial=True)
        D, G = step.nets['D'], step.nets['G']
        reals = next(iter(step.batch.values())).images
        with step.losses('D'):
            fakes = G.get_output_for(random.normal([step.sched['minibatch_gpu'], 4]))
            D_loss = report_mean('Loss/D', D.get_output_for(fakes)) - tf.reduce_mean(D.get_output_for(reals))
        with step.losses('G'):
            fakes = G.get_output_for(random.normal([step.sched['minibatch_gpu'], 4]))
            G_loss = -report_mean('Loss/G', D.get_output_for(fakes))

        def clip():
            return tf.group(*[tf.assign(var, tf.clip_by_value(var.read_value(), -0.5, 0.5))
                              for var in D.trainables.values()])

        def note():  # the state's variables change by what was seen
            seen, now = best.read_value(), rate.read_value()
            return tf.group(tf.assign(best, tf.minimum(seen, D_loss)),
                            tf.assign(rate, tf.where(D_loss < seen, now, now * 0.9)))
        found = [step.train('D%d' % i, {'D': D_loss}, batch='next', post=[clip] + [note] * (i == 0))
                 for i in range(n_critic)]
        passed = step.state('passed', [], initial=0)
        gated = step.train('gated', {'D': D_loss}, batch='next', post=[clip, lambda: tf.assign_add(passed, 1)])
        found.append(gated._replace(when=gate))
        flip = tf.assign(gate, tf.logical_not(gate.read_value()))
        return found + [step.train('G', {'G': G_loss}), step.average('Gs', 'G', 0.05), step.run('flip', flip, every=3)]
    return _generator_method('toy_critics', stages, dict(G=Group(('G',), MOMENTUM, 'G_rate', scheduled=dict(
        momentum='G_momentum')), D=Group(('D',), SGD, 'D_rate')))
