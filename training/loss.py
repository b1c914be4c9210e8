"""Losses by their published names. Each returns (loss [N, 1], regularization [N] or None) for one minibatch.

They draw fakes, let D score them, report, and leave the formulas to `training.terms`. `G` and `D` are
`tflib.Network`s, `training_set` gives random labels, `minibatch_size` is an int, or a scalar tensor if it changes
during the training; images are NCHW float32 in [-1, 1]. The regularization term is not multiplied by its interval: the
training step does that (lazy regularization, StyleGAN2, section 3.1).
"""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary
from training.terms import criteria, penalties
from training.terms.penalties import gradient_penalty, path_lengths


class Judged(NamedTuple):
    """One minibatch as a loss of D sees it."""
    fakes: tf.Tensor        # [N, C, H, W], with the labels of the reals
    fake_scores: tf.Tensor  # [N, 1]
    real_scores: tf.Tensor  # [N, 1]


def _random_inputs(G, training_set, minibatch_size):
    latents = random.normal([minibatch_size] + G.input_shapes[0][1:])
    return latents, training_set.get_random_labels_tf(minibatch_size)


def _fake_scores(G, D, training_set, minibatch_size):
    """D's scores [N, 1] of new fakes with random labels."""
    latents, labels = _random_inputs(G, training_set, minibatch_size)
    fakes = G.get_output_for(latents, labels, is_training=True)
    return autosummary('Loss/scores/fake', D.get_output_for(fakes, labels, is_training=True))


def _judge(G, D, minibatch_size, reals, labels):
    """Draws a fake for every real, lets D score both."""
    latents = random.normal([minibatch_size] + G.input_shapes[0][1:])
    fakes = G.get_output_for(latents, labels, is_training=True)
    real_scores = autosummary('Loss/scores/real', D.get_output_for(reals, labels, is_training=True))
    fake_scores = autosummary('Loss/scores/fake', D.get_output_for(fakes, labels, is_training=True))
    return Judged(fakes, fake_scores, real_scores)


def _logistic(judged):
    return criteria.D_logistic(judged.fake_scores, judged.real_scores)


def _wasserstein(judged, wgan_epsilon):
    with tf.name_scope('EpsilonPenalty'):
        drift = autosummary('Loss/epsilon_penalty', criteria.drift(judged.real_scores))
    return criteria.D_wasserstein(judged.fake_scores, judged.real_scores) + drift * wgan_epsilon


def _squared_gradients(scores, images):
    with tf.name_scope('GradientPenalty'):
        return autosummary('Loss/gradient_penalty', gradient_penalty(scores, images))


def G_logistic(G, D, training_set, minibatch_size):
    """Saturating logistic loss of G: -softplus(f) (Goodfellow et al. 2014, equation 1)."""
    return criteria.G_saturating(_fake_scores(G, D, training_set, minibatch_size)), None


G_logistic_saturating = G_logistic  # its name in StyleGAN


def G_logistic_ns(G, D, training_set, minibatch_size):
    """Non-saturating logistic loss of G: softplus(-f) (Goodfellow et al. 2014, section 3)."""
    return criteria.G_non_saturating(_fake_scores(G, D, training_set, minibatch_size)), None


def G_wgan(G, D, training_set, minibatch_size):
    """Wasserstein loss of G: -f (Arjovsky et al. 2017)."""
    return criteria.G_wasserstein(_fake_scores(G, D, training_set, minibatch_size)), None


def D_logistic(G, D, training_set, minibatch_size, reals, labels):
    """Logistic loss of D: softplus(f) + softplus(-q) (Goodfellow et al. 2014)."""
    del training_set
    return _logistic(_judge(G, D, minibatch_size, reals, labels)), None


def D_logistic_r1(G, D, training_set, minibatch_size, reals, labels, gamma=10.0):
    """Logistic loss of D with R1: gamma / 2 times the squared gradient at the reals (Mescheder et al. 2018)."""
    del training_set
    judged = _judge(G, D, minibatch_size, reals, labels)
    return _logistic(judged), _squared_gradients(judged.real_scores, reals) * (gamma * 0.5)


def D_logistic_r2(G, D, training_set, minibatch_size, reals, labels, gamma=10.0):
    """Logistic loss of D with R2: gamma / 2 times the squared gradient at the fakes (Mescheder et al. 2018)."""
    del training_set
    judged = _judge(G, D, minibatch_size, reals, labels)
    return _logistic(judged), _squared_gradients(judged.fake_scores, judged.fakes) * (gamma * 0.5)


def D_wgan(G, D, training_set, minibatch_size, reals, labels, wgan_epsilon=0.001):
    """Wasserstein loss of D: f - q + epsilon q^2 (Arjovsky et al. 2017; Karras et al. 2018)."""
    del training_set
    return _wasserstein(_judge(G, D, minibatch_size, reals, labels), wgan_epsilon), None


def D_wgan_gp(G, D, training_set, minibatch_size, reals, labels, wgan_lambda=10.0, wgan_epsilon=0.001, wgan_target=1.0):
    """Wasserstein loss of D with a gradient penalty between reals and fakes (Gulrajani et al. 2017, equation 3)."""
    del training_set
    judged = _judge(G, D, minibatch_size, reals, labels)
    loss = _wasserstein(judged, wgan_epsilon)
    with tf.name_scope('GradientPenalty'):
        mixed = penalties.mixtures(reals, judged.fakes, random.uniform([minibatch_size, 1, 1, 1]))
        mixed_scores = autosummary('Loss/scores/mixed', D.get_output_for(mixed, labels, is_training=True))
        with tf.control_dependencies([mixed_scores]):  # a gradient need not evaluate the scores, nor report them
            norms = autosummary('Loss/mixed_norms', tf.sqrt(gradient_penalty(mixed_scores, mixed)))
    return loss, penalties.norm_penalty(norms, wgan_target, wgan_lambda)


def G_logistic_ns_pathreg(G, D, training_set, minibatch_size, pl_minibatch_shrink=2, pl_decay=0.01, pl_weight=2.0):
    """Non-saturating loss of G with path length regularization (StyleGAN2, section 3.2, equation 4).

    Args:
        G, D, training_set, minibatch_size: See above.
        pl_minibatch_shrink: The regularization is evaluated on new fakes, 1 / pl_minibatch_shrink of the minibatch,
            since it needs a second pass through G; 2 as published.
        pl_decay: Share of a minibatch in the running mean of the path lengths.
        pl_weight: Weight of the regularization.
    Returns: loss [N, 1] and regularization [N // pl_minibatch_shrink], at least [1].
    """
    latents, labels = _random_inputs(G, training_set, minibatch_size)
    fakes, dlatents = G.get_output_for(latents, labels, is_training=True, return_dlatents=True)
    scores = autosummary('Loss/scores/fake', D.get_output_for(fakes, labels, is_training=True))
    loss = criteria.G_non_saturating(scores)

    with tf.name_scope('PathReg'):
        if pl_minibatch_shrink > 1:
            size = minibatch_size // pl_minibatch_shrink
            size = tf.maximum(size, 1) if tflib.is_tf_expression(size) else max(size, 1)
            latents, labels = _random_inputs(G, training_set, size)
            fakes, dlatents = G.get_output_for(latents, labels, is_training=True, return_dlatents=True)
        height, width = fakes.shape.as_list()[2:]
        direction = random.normal(tf.shape(fakes)) / np.sqrt(height * width)
        lengths = autosummary('Loss/pl_lengths', path_lengths(fakes, dlatents, direction))
        with tf.variable_scope('PathReg', reuse=tf.AUTO_REUSE):
            mean_var = tf.get_variable('pl_mean', shape=[], initializer=tf.initializers.zeros(), trainable=False)
        mean = mean_var + pl_decay * (tf.reduce_mean(lengths) - mean_var)  # gradients pass through, as published
        kept = tf.where(tf.is_finite(mean), mean, mean_var)  # or one infinity would spoil every later penalty
        with tf.control_dependencies([tf.assign(mean_var, kept)]):
            penalty = autosummary('Loss/pl_penalty', penalties.path_length_penalty(lengths, mean))
    return loss, penalty * pl_weight
