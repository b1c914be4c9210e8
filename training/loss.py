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
from dnnlib.tflib import collectives, random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import call_func_by_name, UserError
from training.terms import consistency, criteria, penalties
from training.terms.penalties import gradient_penalty, path_lengths


class Judged(NamedTuple):
    """One minibatch as a loss of D sees it."""
    latents: tf.Tensor      # [N, latent_size]
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
    return Judged(latents, fakes, fake_scores, real_scores)


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
        uncounted = dict(count=False) if hasattr(D, 'augment') else {}  # mixtures are no fakes
        mixed_scores = autosummary('Loss/scores/mixed', D.get_output_for(mixed, labels, is_training=True, **uncounted))
        with tf.control_dependencies([mixed_scores]):  # a gradient need not evaluate the scores, nor report them
            norms = autosummary('Loss/mixed_norms', tf.sqrt(gradient_penalty(mixed_scores, mixed)))
    return loss, penalties.norm_penalty(norms, wgan_target, wgan_lambda)


class Drawn(NamedTuple):
    """One minibatch of fakes as a loss of G sees it."""
    latents: tf.Tensor   # [N, latent_size]
    labels: tf.Tensor    # [N, label_size]
    fakes: tf.Tensor     # [N, C, H, W]
    dlatents: tf.Tensor  # [N, layers, dlatent_size]


def _draw(G, training_set, minibatch_size):
    latents, labels = _random_inputs(G, training_set, minibatch_size)
    return Drawn(latents, labels, *G.get_output_for(latents, labels, is_training=True, return_dlatents=True))


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
    drawn = _draw(G, training_set, minibatch_size)
    loss = criteria.G_non_saturating(_scores_of(D, drawn))
    return loss, _path_penalty(G, training_set, minibatch_size, drawn, pl_minibatch_shrink, pl_decay) * pl_weight


def _scores_of(D, drawn):
    return autosummary('Loss/scores/fake', D.get_output_for(drawn.fakes, drawn.labels, is_training=True))


def _path_penalty(G, training_set, minibatch_size, drawn, pl_minibatch_shrink, pl_decay):
    """Squared distance of path lengths from their running mean, which is updated; [N // pl_minibatch_shrink]."""
    with tf.name_scope('PathReg'):
        if pl_minibatch_shrink > 1:
            size = minibatch_size // pl_minibatch_shrink
            size = tf.maximum(size, 1) if tflib.is_tf_expression(size) else max(size, 1)
            drawn = _draw(G, training_set, size)
        height, width = drawn.fakes.shape.as_list()[2:]
        direction = random.normal(tf.shape(drawn.fakes)) / np.sqrt(height * width)
        lengths = autosummary('Loss/pl_lengths', path_lengths(drawn.fakes, drawn.dlatents, direction))
        with tf.variable_scope('PathReg', reuse=tf.AUTO_REUSE):
            mean_var = tf.get_variable('pl_mean', shape=[], initializer=tf.initializers.zeros(), trainable=False)
        kept, means = mean_var, []
        for batch_mean in collectives.all_gather(tf.reduce_mean(lengths)):  # of each worker, as their rounds follow
            means.append(kept + pl_decay * (batch_mean - kept))  # gradients pass through, as published
            kept = tf.where(tf.is_finite(means[-1]), means[-1], kept)  # or one infinity would spoil all later penalties
        mean = means[collectives.worker()]
        with tf.control_dependencies([tf.assign(mean_var, kept)]):
            return autosummary('Loss/pl_penalty', penalties.path_length_penalty(lengths, mean))


def G_compared(
        G, D, training_set, minibatch_size, zcr_gen_weight=0.0, zcr_noise_std=0.1, auxrot_alpha=0.0,
        pl_minibatch_shrink=2, pl_decay=0.01, pl_weight=2.0):
    """`G_logistic_ns_pathreg` and G's terms of methods that ADA is compared with (Karras et al. 2020, section 4.1).

    Args:
        zcr_gen_weight: Latent consistency (zCR): weight of the distance of the images of near latents, which G makes
            large; 0.02 as published.
        zcr_noise_std: How near: standard deviation of what is added to a latent.
        auxrot_alpha: Auxiliary rotation: weight of how badly D tells the fakes' rotations apart; 10 as published. D has
            `score_max=5`.
        others: See `G_logistic_ns_pathreg`.
    Returns: See `G_logistic_ns_pathreg`.
    """
    drawn = _draw(G, training_set, minibatch_size)
    loss = criteria.G_non_saturating(_scores_of(D, drawn))
    if zcr_gen_weight:
        near = _near_fakes(G, drawn, zcr_noise_std)
        distance = autosummary('Loss/zcr_gen_penalty', consistency.image_distance(drawn.fakes, near))
        loss -= distance * zcr_gen_weight
    if auxrot_alpha:
        loss += _rotation_entropy(D, drawn.fakes, drawn.labels, 'fake') * auxrot_alpha
    return loss, _path_penalty(G, training_set, minibatch_size, drawn, pl_minibatch_shrink, pl_decay) * pl_weight


def D_compared(
        G, D, training_set, minibatch_size, reals, labels, gamma=10.0, r2_gamma=0.0, bcr_real_weight=0.0,
        bcr_fake_weight=0.0, bcr_augment=None, zcr_dis_weight=0.0, zcr_noise_std=0.1, auxrot_beta=0.0):
    """`D_logistic_r1` and D's terms of methods that ADA is compared with (Karras et al. 2020, section 4.1).

    Args:
        gamma, r2_gamma: R1 and R2: see `D_logistic_r1` and `D_logistic_r2`.
        bcr_real_weight, bcr_fake_weight: Balanced consistency (bCR): weight of how much the scores of reals and of
            fakes change if they are augmented by `bcr_augment`; 10 and 10 as published.
        bcr_augment: {'func_name': function of images and labels, ...: its other arguments}; comes after the
            augmentation that D has. As published `training.augment.augment_pipeline` with xint 1, xint_max 1/32.
        zcr_dis_weight: Latent consistency (zCR): weight of how much the scores of fakes change if a little is added
            to the latents; 0.2 as published.
        zcr_noise_std: Standard deviation of what is added.
        auxrot_beta: Auxiliary rotation: weight of how badly D tells the reals' rotations apart; 5 as published. D has
            `score_max=5`.
    Returns: loss [N, 1] and regularization [N].
    """
    del training_set
    judged = _judge(G, D, minibatch_size, reals, labels)
    loss = _logistic(judged)
    for kind, images, scores, weight in (('real', reals, judged.real_scores, bcr_real_weight),
                                         ('fake', judged.fakes, judged.fake_scores, bcr_fake_weight)):
        if weight:
            again, again_labels = _augment_again(bcr_augment, _seen(D, images), labels)
            others = autosummary(f'Loss/scores/{kind}_bcr', _score(D, again, again_labels))
            loss += autosummary('Loss/bcr_penalty/' + kind, consistency.score_consistency(scores, others)) * weight
    if zcr_dis_weight:
        drawn = Drawn(judged.latents, labels, judged.fakes, None)
        others = autosummary('Loss/scores/fake_zcr', _score(D, _near_fakes(G, drawn, zcr_noise_std), labels))
        difference = consistency.score_consistency(judged.fake_scores, others)
        loss += autosummary('Loss/zcr_dis_penalty', difference) * zcr_dis_weight
    if auxrot_beta:
        loss += _rotation_entropy(D, reals, labels, 'real') * auxrot_beta
    reg = _squared_gradients(judged.real_scores, reals) * (gamma * 0.5)
    if r2_gamma:
        r2 = autosummary('Loss/r2_penalty', gradient_penalty(judged.fake_scores, judged.fakes))
        reg += r2 * (r2_gamma * 0.5)
    return loss, reg


def _near_fakes(G, drawn, noise_std):
    """Fakes of latents to which a little noise is added, [N, C, H, W]."""
    latents = drawn.latents + random.normal(tf.shape(drawn.latents)) * noise_std
    with tf.control_dependencies([drawn.fakes]):  # the mean of W is updated once more, always in the same order
        return G.get_output_for(latents, drawn.labels, is_training=True)


def _rotation_entropy(D, images, labels, kind):
    """Cross-entropy of D's guess by how much images are turned, [N, 1]."""
    turned, labels = consistency.rotations(images), tf.tile(labels, [4, 1])
    logits = _score(D, _augment(D, turned, labels), labels, score_size=5)[:, 1:]
    return autosummary('Loss/rotation_entropy/' + kind, consistency.rotation_entropy(logits))


def _augment(D, images, labels):
    """Images as D sees them: augmented, if D is an `AugmentedDiscriminator` (training/methods/augmented.py)."""
    return D.augment(images, labels)[0] if hasattr(D, 'augment') else images


def _seen(D, images):
    """What D saw of images that it has scored."""
    return D.seen(images) if hasattr(D, 'seen') else images


def _score(D, images, labels, **options):
    """D's scores of images that it does not augment."""
    if hasattr(D, 'augment'):
        options['augment'] = False
    return D.get_output_for(images, labels, is_training=True, **options)


def _augment_again(bcr_augment, images, labels):
    if not bcr_augment:
        raise UserError('D_loss.bcr_augment is missing: balanced consistency needs the func_name of an augmentation, '
                        "such as {'func_name': 'training.augment.augment_pipeline', 'xint': 1, 'xint_max': 0.03125}")
    return call_func_by_name(images, labels, **bcr_augment)
