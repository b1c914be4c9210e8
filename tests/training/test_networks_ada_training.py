"""StyleGAN2-ADA's networks train: with and without labels, by every comparison method; repeated steps are the same
bit for bit, also where networks keep a state that every evaluation changes."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import save_summaries
from training import train_step
from training.iteration import Iteration
from training.methods import stylegan2
from training.options import comparison
from training.state import transfer

SMALL = dict(fmap_base=32, fmap_max=8)
G_ARGS = dict(func_name='training.networks_ada.G_main', latent_size=6, dlatent_size=8, mapping_layers=3, **SMALL)
D_ARGS = dict(func_name='training.networks_ada.D_main', mbstd_group_size=2, architecture='skip', **SMALL)
ADAM = dict(beta1=0.0, beta2=0.99, epsilon=1e-8)
LEVEL = EasyDict(minibatch_size=4, minibatch_gpu=4, rounds=1)
WEAK = dict(func_name=__name__ + '.dim', tune_heuristic='rt', tune_kimg=0.1, initial_strength=0.5)


def dim(images, labels, strength=1):
    """Stands in for an augmentation: takes away a random share of the contrast."""
    return images * (1 - strength * random.uniform([tf.shape(images)[0], 1, 1, 1])), labels


class Data(EasyDict):
    """RGB images of 4 x 4 pixels with one of `label_size` labels."""

    def get_random_labels_tf(self, minibatch_size):
        kinds = random.uniform([minibatch_size], 0, max(self.label_size, 1), tf.int32)
        return tf.one_hot(kinds, self.label_size)

    def minibatch(self, nimg, *_args):
        rnd = np.random.RandomState(nimg)
        labels = np.eye(max(self.label_size, 1))[rnd.randint(max(self.label_size, 1), size=4)][:, :self.label_size]
        return rnd.randint(256, size=[4, 3, 4, 4]).astype(np.uint8), labels


class Training:
    """A training with the options that values of `--cmethod` ask for."""

    def __init__(self, label_size, *names, **options):
        data = Data(shape=[3, 4, 4], label_size=label_size, dynamic_range=[0, 255], held_out=[])
        options = dict(dict(
            G_args=dict(G_ARGS), D_args=dict(D_ARGS), G_opt_args=ADAM, D_opt_args=ADAM, G_smoothing_kimg=0.05,
            G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
            D_loss_args=dict(func_name='training.loss.D_logistic_r1')), **options)
        for name in names:
            for group, changes in comparison.CHANGES[name].items():
                options[group].update(changes)
        stream = EasyDict(dataset=data, skips_bad=False, minibatch=data.minibatch)
        method = stylegan2.stylegan2(dict(reals=stream), EasyDict(levels=[LEVEL], last=LEVEL), **options)
        self.networks = transfer.create_networks(method.nets)
        self._step = train_step.Step(method, self.networks, dict(reals=data), [LEVEL], 1)
        self._iteration = Iteration(method.stages(self._step), self._step, dict(reals=stream))
        tflib.init_uninitialized_vars()
        self._variables = tf.global_variables()

    def run(self, *iterations):
        """Some iterations; returns the values of all variables."""
        for i in iterations:
            self._iteration.run(dict(LEVEL, lod=0.0, new_level=False, G_lrate=0.002, D_lrate=0.002), 7,
                                EasyDict(nimg=i * 4, iteration=i))
        return tflib.run({var.op.name: var for var in self._variables})

    def restore(self, values):
        """Gives all variables the values that they had."""
        tflib.set_vars({var: values[var.op.name] for var in self._variables})


@pytest.fixture
def parallel_session():
    """A session whose operations run side by side."""
    with tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu', 'intra_op_parallelism_threads': 1,
                       'inter_op_parallelism_threads': 4})
        yield
        tflib.close_tf()


def check(training):
    """Takes steps; the second and third are repeated from the values after the first."""
    start = training.run()
    first = training.run(0)
    save_summaries(None)
    second = training.run(1, 16)
    means = save_summaries(None)
    training.restore(first)
    again = training.run(1, 16)
    assert not [name for name in second if second[name].tobytes() != again[name].tobytes()]
    assert all(np.isfinite(value).all() for value in second.values()) and np.isfinite(list(means.values())).all()
    trained = [var.op.name for name in 'GD' for var in training.networks[name].trainables.values()]
    still = [name for name in trained if np.array_equal(start[name], second[name])]
    assert not still
    return first, second, means


def test_without_labels(parallel_session):
    first, second, means = check(Training(0, 'bcr', 'zcr', 'auxrot', 'spectralnorm', augment_args=WEAK))
    for name in ('G/dlatent_avg', 'D/4x4/Conv/weight_sn', 'State/augment_strength'):
        assert np.abs(first[name] - second[name]).max() > 0, name
    assert {'Loss/bcr_penalty/real', 'Loss/bcr_penalty/fake', 'Loss/zcr_gen_penalty', 'Loss/zcr_dis_penalty',
            'Loss/rotation_entropy/real', 'Loss/rotation_entropy/fake', 'Loss/gradient_penalty', 'Loss/pl_lengths',
            'Loss/signs/real'} <= set(means)


def test_with_labels(parallel_session):
    training = Training(3, 'pagan', 'adropout', 'shallowmap', augment_args=dict(WEAK, func_name=None),
                        G_loss_args=dict(func_name='training.loss.G_logistic_ns'))
    check(training)
    G, D, Gs = [training.networks[name] for name in ('G', 'D', 'Gs')]
    assert 'LabelEmbed/weight' in D.vars and 'G_mapping/LabelEmbed/weight' in G.vars
    assert 'G_mapping/Dense1/weight' in G.vars and 'G_mapping/Dense2/weight' not in G.vars
    assert D.static_kwargs['use_pagan'] and '4x4/FromRGB/PAGAN/weight' in D.trainables
    weights = [net.get_var('G_synthesis/4x4/Conv/weight') for net in (G, Gs)]
    assert 0 < np.abs(weights[0] - weights[1]).max() < 0.1
