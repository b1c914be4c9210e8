"""One step of StyleGAN2-ADA against the published program: losses, regularizations and all their gradients.

The networks and losses are those that train; every random number is replaced by the one that the published program was
given, see tests/data/ada.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from dnnlib.tflib import random
from tests.training.golden_ada import FILES
from training import loss
from training.augment import pipeline
from training.augment.parameters import Parameters
from training.methods.augmented import Augmentation, AugmentedDiscriminator

SMALL = dict(num_channels=3, resolution=16, label_size=0, fmap_base=64, fmap_max=16)
NO_LABELS = EasyDict(get_random_labels_tf=lambda size: tf.zeros([size, 0]))


@pytest.fixture
def golden():
    """The arrays of the published step."""
    return FILES.arrays('loss16')


class Recorded:
    """D, and what it was given and gave: `calls`, pairs of tensors."""

    def __init__(self, network):
        self._network, self.calls = network, []

    def __getattr__(self, name):
        return getattr(self._network, name)

    def get_output_for(self, images, *args, **kwargs):
        """As D's."""
        scores = self._network.get_output_for(images, *args, **kwargs)
        self.calls.append((images, scores))
        return scores


def make_networks(golden):
    """G and D with the values of the published step."""
    networks = [tflib.Network('G', 'training.networks_ada.G_main', latent_size=16, dlatent_size=16, mapping_layers=2,
                              style_mixing_prob=None, architecture='skip', **SMALL),
                tflib.Network('D', 'training.networks_ada.D_main', mbstd_group_size=2, **SMALL)]
    for network in networks:
        values = {name: golden[f'var/{network.name}/{name}'] for name in network.vars}
        assert len(values) == sum(name.startswith(f'var/{network.name}/') for name in golden)
        tflib.tfutil.set_vars({network.vars[name]: value for name, value in values.items()})
    return networks


def drawing(monkeypatch, numbers):
    """Makes normal random numbers come from a list of arrays; returns what is left of it."""
    left = list(numbers)
    monkeypatch.setattr(random, 'normal', lambda shape, dtype=tf.float32: tf.constant(left.pop(0)))
    return left


def check(key, found, tolerance=1e-5):
    """Compares by the distance with the array of this name."""
    error = distance([found], [FILES.arrays('loss16')[key]])
    FILES.note('loss16', key, error, tolerance)
    assert error < tolerance, key


def distance(actual, expected):
    """L2 distance of arrays as a share of the norm of what is expected."""
    difference = np.concatenate([np.ravel(a) - np.ravel(e) for a, e in zip(actual, expected)])
    return np.linalg.norm(difference) / np.linalg.norm(np.concatenate([np.ravel(e) for e in expected]))


def gradients_of(network, term):
    """Gradients of a term's mean: {variable: tensor}."""
    found = tf.gradients(tf.reduce_mean(term), list(network.trainables.values()))
    return {name: tf.zeros(var.shape) if gradient is None else gradient
            for (name, var), gradient in zip(network.trainables.items(), found)}


def check_gradients(golden, prefix, found, tolerance):
    """Compares gradients with those of the published step, variable by variable; returns the distance of all."""
    assert len(found) == sum(name.startswith(prefix) for name in golden)
    for name, gradient in found.items():
        if not golden[prefix + name].any():
            assert not gradient.any(), name
        else:
            check(prefix + name, gradient, tolerance)
    return distance(found.values(), [golden[prefix + name] for name in found])


def G_terms(networks, golden, monkeypatch):
    """Loss and regularization of G with the published random numbers."""
    left = drawing(monkeypatch, [golden['in/latents']] + [golden[f'in/noise_fake_{i}'] for i in range(5)] + [
        golden['in/latents'][:2]] + [golden[f'in/noise_pl_{i}'] for i in range(5)] + [golden['in/pl_noise_normal']])
    terms = loss.G_logistic_ns_pathreg(*networks, NO_LABELS, 4)
    assert not left
    return terms


def D_terms(networks, golden, monkeypatch):
    """The same of D."""
    left = drawing(monkeypatch, [golden['in/latents']] + [golden[f'in/noise_fake_{i}'] for i in range(5)])
    reals = tf.constant(golden['in/reals'])
    terms = loss.D_logistic_r1(*networks, NO_LABELS, 4, reals, tf.zeros([4, 0]), gamma=0.5)
    assert not left
    return terms


def test_step_of_g_without_augmentation(session, golden, monkeypatch):
    G, D = make_networks(golden)
    value, reg = G_terms([G, D], golden, monkeypatch)
    tflib.init_uninitialized_vars()
    found = session.run(dict(value=value, reg=reg, of_value=gradients_of(G, value), of_reg=gradients_of(G, reg)))
    check('noaug/G_loss', found['value'])
    check_gradients(golden, 'noaug/grad_G_loss/', found['of_value'], 1e-4)
    check('noaug/G_reg', np.tile(found['reg'], 2))
    check('noaug/pl_penalty', found['reg'] / 2)  # the weight
    check_gradients(golden, 'noaug/grad_G_reg/', found['of_reg'], 1e-4)
    mean, = [var for var in tf.global_variables() if var.op.name.endswith('pl_mean')]
    check('noaug/pl_mean_after', session.run(mean))


def check_D(session, golden, prefix, D, terms):
    """Compares images, scores, loss, R1 and their gradients; `D`: Recorded."""
    value, reg = terms
    of_value = prefix.replace('_exact', '')  # the same by both rules of the warp
    fetches = dict(value=value, reg=reg, of_value=gradients_of(D, value), of_reg=gradients_of(D, reg), calls=D.calls)
    found = session.run(fetches)
    assert len(D.calls) == 2
    for (images, scores), kind in zip(found['calls'], ('real', 'fake')):
        check(f'{of_value}{kind}_images_aug', images)
        check(f'{of_value}{kind}_scores', scores)
    check(of_value + 'D_loss', found['value'])
    check_gradients(golden, of_value + 'grad_D_loss/', found['of_value'], 1e-4)
    check(prefix + 'D_reg', found['reg'])
    check(prefix + 'r1_penalty', found['reg'] / 0.25)  # half of gamma
    assert check_gradients(golden, prefix + 'grad_D_reg/', found['of_reg'], 1e-2) < 1e-3


def test_step_of_d_without_augmentation(session, golden, monkeypatch):
    G, D = make_networks(golden)
    D = Recorded(D)
    check_D(session, golden, 'noaug/', D, D_terms([G, D], golden, monkeypatch))
    check('noaug/fake_images', session.run(D.calls[1][0]))


GIVEN = []  # parameters of the next augmentations


def given(images, labels, strength=1, warp_gradient='exact'):
    """The augmentation with the parameters that are next."""
    return pipeline.apply(images, GIVEN.pop(0), warp_gradient), labels


def augmenting(D, golden, rule, kinds):
    """D behind the augmentation of the published step: the parameters of 'real' or 'fake' images one after another."""
    GIVEN[:] = [Parameters(**{name.split('/')[1]: tf.constant(golden[name], tf.float32) for name in golden
                              if name.startswith(f'aug_{kind}/')}) for kind in kinds]
    assert all(parameters.hue_theta is not None for parameters in GIVEN)
    step = EasyDict(state=lambda *_args, initial: tf.Variable(initial), progress={})
    augmentation = Augmentation(step, dict(func_name=__name__ + '.given', initial_strength=1.0, warp_gradient=rule))
    return AugmentedDiscriminator(D, augmentation)


@pytest.mark.parametrize('rule, prefix', [('published', 'aug/'), ('exact', 'aug_exact/')])
def test_step_of_g_with_augmentation(session, golden, monkeypatch, rule, prefix):
    G, D = make_networks(golden)
    drawing(monkeypatch, [golden['in/latents']] + [golden[f'in/noise_fake_{i}'] for i in range(5)])
    value, _ = loss.G_logistic_ns(G, augmenting(D, golden, rule, ['fake']), NO_LABELS, 4)
    found = session.run(dict(value=value, of_value=gradients_of(G, value)))
    check('aug/G_loss', found['value'])
    check_gradients(golden, prefix + 'grad_G_loss/', found['of_value'], 1e-4)


@pytest.mark.parametrize('rule, prefix', [('published', 'aug/'), ('exact', 'aug_exact/')])
def test_step_of_d_with_augmentation(session, golden, monkeypatch, rule, prefix):
    G, D = make_networks(golden)
    D = Recorded(D)
    terms = D_terms([G, augmenting(D, golden, rule, ['real', 'fake'])], golden, monkeypatch)
    tflib.init_uninitialized_vars()
    check_D(session, golden, prefix, D, terms)


def test_every_array_is_used(request):
    FILES.check_all_used(request, 'test_published_step.py')
