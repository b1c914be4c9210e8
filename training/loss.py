"""Loss functions. Each returns (loss [N, 1], regularisation [N] or None) for one minibatch.

`G` and `D` are `tflib.Network`s, `training_set` gives random labels, `minibatch_size` is an int, or a scalar tensor if
it changes in the course of the training; images are NCHW float32 in [-1, 1]. The regularisation term is not multiplied
by its interval: the training step does that (lazy regularisation, StyleGAN2, section 3.1).
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary


def _random_inputs(G, training_set, minibatch_size):
    latents = random.normal([minibatch_size] + G.input_shapes[0][1:])
    return latents, training_set.get_random_labels_tf(minibatch_size)


def _fake_scores(G, D, training_set, minibatch_size):
    """D's scores [N, 1] of new fakes with random labels."""
    latents, labels = _random_inputs(G, training_set, minibatch_size)
    fakes = G.get_output_for(latents, labels, is_training=True)
    return autosummary('Loss/scores/fake', D.get_output_for(fakes, labels, is_training=True))


def _scores(G, D, minibatch_size, reals, labels):
    """Fakes with the labels of the reals, D's scores of both: (fakes, fake scores, real scores)."""
    latents = random.normal([minibatch_size] + G.input_shapes[0][1:])
    fakes = G.get_output_for(latents, labels, is_training=True)
    real_scores = autosummary('Loss/scores/real', D.get_output_for(reals, labels, is_training=True))
    fake_scores = autosummary('Loss/scores/fake', D.get_output_for(fakes, labels, is_training=True))
    return fakes, fake_scores, real_scores


def G_logistic(G, D, training_set, minibatch_size):
    """Saturating logistic loss of G: -softplus(f) (Goodfellow et al. 2014, equation 1)."""
    return -tf.nn.softplus(_fake_scores(G, D, training_set, minibatch_size)), None


G_logistic_saturating = G_logistic  # its name in StyleGAN


def G_logistic_ns(G, D, training_set, minibatch_size):
    """Non-saturating logistic loss of G: softplus(-f) (Goodfellow et al. 2014, section 3)."""
    return tf.nn.softplus(-_fake_scores(G, D, training_set, minibatch_size)), None


def D_logistic(G, D, training_set, minibatch_size, reals, labels):
    """Logistic loss of D: softplus(f) + softplus(-q) (Goodfellow et al. 2014)."""
    del training_set
    _, fake_scores, real_scores = _scores(G, D, minibatch_size, reals, labels)
    return tf.nn.softplus(fake_scores) + tf.nn.softplus(-real_scores), None


def gradient_penalty(scores, images):
    """D's squared gradient at images [N, C, H, W], summed per image: [N] (Mescheder et al. 2018, equation 9)."""
    gradients, = tf.gradients(tf.reduce_sum(scores), [images])
    return tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])


def D_logistic_r1(G, D, training_set, minibatch_size, reals, labels, gamma=10.0):
    """Logistic loss of D with R1: gamma / 2 times the squared gradient at the reals (Mescheder et al. 2018)."""
    del training_set
    _, fake_scores, real_scores = _scores(G, D, minibatch_size, reals, labels)
    loss = tf.nn.softplus(fake_scores) + tf.nn.softplus(-real_scores)
    with tf.name_scope('GradientPenalty'):
        penalty = autosummary('Loss/gradient_penalty', gradient_penalty(real_scores, reals))
    return loss, penalty * (gamma * 0.5)


def D_logistic_r2(G, D, training_set, minibatch_size, reals, labels, gamma=10.0):
    """Logistic loss of D with R2: gamma / 2 times the squared gradient at the fakes (Mescheder et al. 2018)."""
    del training_set
    fakes, fake_scores, real_scores = _scores(G, D, minibatch_size, reals, labels)
    loss = tf.nn.softplus(fake_scores) + tf.nn.softplus(-real_scores)
    with tf.name_scope('GradientPenalty'):
        penalty = autosummary('Loss/gradient_penalty', gradient_penalty(fake_scores, fakes))
    return loss, penalty * (gamma * 0.5)


def G_wgan(G, D, training_set, minibatch_size):
    """Wasserstein loss of G: -f (Arjovsky et al. 2017)."""
    return -_fake_scores(G, D, training_set, minibatch_size), None


def _wgan_loss(fake_scores, real_scores, wgan_epsilon):
    """f - q, and a weak pull of the real scores to zero that fixes the drift (Karras et al. 2018, appendix A.1)."""
    with tf.name_scope('EpsilonPenalty'):
        epsilon_penalty = autosummary('Loss/epsilon_penalty', tf.square(real_scores))
    return fake_scores - real_scores + epsilon_penalty * wgan_epsilon


def D_wgan(G, D, training_set, minibatch_size, reals, labels, wgan_epsilon=0.001):
    """Wasserstein loss of D: f - q + epsilon q^2 (Arjovsky et al. 2017; Karras et al. 2018)."""
    del training_set
    _, fake_scores, real_scores = _scores(G, D, minibatch_size, reals, labels)
    return _wgan_loss(fake_scores, real_scores, wgan_epsilon), None


def D_wgan_gp(G, D, training_set, minibatch_size, reals, labels, wgan_lambda=10.0, wgan_epsilon=0.001, wgan_target=1.0):
    """Wasserstein loss of D with a gradient penalty between reals and fakes (Gulrajani et al. 2017, equation 3)."""
    del training_set
    fakes, fake_scores, real_scores = _scores(G, D, minibatch_size, reals, labels)
    loss = _wgan_loss(fake_scores, real_scores, wgan_epsilon)
    with tf.name_scope('GradientPenalty'):
        mixed = tflib.lerp(tf.cast(reals, fakes.dtype), fakes, random.uniform([minibatch_size, 1, 1, 1]))
        mixed_scores = autosummary('Loss/scores/mixed', D.get_output_for(mixed, labels, is_training=True))
        with tf.control_dependencies([mixed_scores]):  # a gradient need not evaluate the scores, nor report them
            mixed_norms = autosummary('Loss/mixed_norms', tf.sqrt(gradient_penalty(mixed_scores, mixed)))
    return loss, tf.square(mixed_norms - wgan_target) * (wgan_lambda / wgan_target ** 2)


def path_lengths(images, dlatents, pl_noise):
    """How far an image moves in a random direction for a unit step in W (StyleGAN2, section 3.2).

    Args:
        images: [N, C, H, W], a function of the dlatents.
        dlatents: [N, layers, dlatent_size].
        pl_noise: Direction y like the images, N(0, 1) / sqrt(H W).
    Returns: [N].
    """
    gradients, = tf.gradients(tf.reduce_sum(images * pl_noise), [dlatents])  # J^T y
    return tf.sqrt(tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=2), axis=1))


def G_logistic_ns_pathreg(G, D, training_set, minibatch_size, pl_minibatch_shrink=2, pl_decay=0.01, pl_weight=2.0):
    """Non-saturating loss of G with path length regularisation (StyleGAN2, section 3.2, equation 4).

    Args:
        G, D, training_set, minibatch_size: See above.
        pl_minibatch_shrink: The regularisation is evaluated on new fakes of 1 / pl_minibatch_shrink of the minibatch.
        pl_decay: Decay of the running mean of the path lengths.
        pl_weight: Weight of the regularisation.
    Returns: loss [N, 1] and regularisation [N // pl_minibatch_shrink], at least [1].
    """
    latents, labels = _random_inputs(G, training_set, minibatch_size)
    fakes, dlatents = G.get_output_for(latents, labels, is_training=True, return_dlatents=True)
    scores = autosummary('Loss/scores/fake', D.get_output_for(fakes, labels, is_training=True))
    loss = tf.nn.softplus(-scores)

    with tf.name_scope('PathReg'):
        if pl_minibatch_shrink > 1:
            size = minibatch_size // pl_minibatch_shrink
            size = tf.maximum(size, 1) if tflib.is_tf_expression(size) else max(size, 1)
            latents, labels = _random_inputs(G, training_set, size)
            fakes, dlatents = G.get_output_for(latents, labels, is_training=True, return_dlatents=True)
        height, width = fakes.shape.as_list()[2:]
        pl_lengths = path_lengths(fakes, dlatents, random.normal(tf.shape(fakes)) / np.sqrt(height * width))
        pl_lengths = autosummary('Loss/pl_lengths', pl_lengths)
        with tf.variable_scope('PathReg', reuse=tf.AUTO_REUSE):
            mean_var = tf.get_variable('pl_mean', shape=[], initializer=tf.initializers.zeros(), trainable=False)
        pl_mean = mean_var + pl_decay * (tf.reduce_mean(pl_lengths) - mean_var)  # gradients pass through, as published
        kept = tf.where(tf.is_finite(pl_mean), pl_mean, mean_var)  # or one infinity would spoil every later penalty
        with tf.control_dependencies([tf.assign(mean_var, kept)]):
            penalty = autosummary('Loss/pl_penalty', tf.square(pl_lengths - pl_mean))
    return loss, penalty * pl_weight
