"""What scores are worth: the losses of adversarial training as functions of the discriminator's scores.

Scores are logits of any shape, float32; a loss has the same shape and is minimized. Those whose name begins with G_ are
minimized by the generator, those with D_ by the discriminator.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf


def G_saturating(fake_scores):
    """Saturating logistic loss: log(1 - sigmoid(f)) = -softplus(f) (Goodfellow et al. 2014, equation 1)."""
    return -tf.nn.softplus(fake_scores)


def G_non_saturating(fake_scores):
    """Non-saturating logistic loss: -log(sigmoid(f)) = softplus(-f) (Goodfellow et al. 2014, section 3)."""
    return tf.nn.softplus(-fake_scores)


def D_logistic(fake_scores, real_scores):
    """Logistic loss: softplus(f) + softplus(-q), q = scores of reals (Goodfellow et al. 2014, equation 1)."""
    return tf.nn.softplus(fake_scores) + tf.nn.softplus(-real_scores)


def G_wasserstein(fake_scores):
    """Wasserstein loss: -f (Arjovsky et al. 2017, algorithm 1)."""
    return -fake_scores


def D_wasserstein(fake_scores, real_scores):
    """Wasserstein loss: f - q, q = scores of reals (Arjovsky et al. 2017, equation 2)."""
    return fake_scores - real_scores


def drift(real_scores):
    """q^2, which keeps scores near zero where a loss depends on differences only (Karras et al. 2018, appendix A.1)."""
    return tf.square(real_scores)


def G_least_squares(fake_scores):
    """Least squares: (f - 1)^2 (Mao et al. 2017, equation 9, without its factor 1/2)."""
    return tf.square(fake_scores - 1)


def class_loss(logits, labels):
    """Cross entropy of labels of which one is 1: [N] of logits and labels [N, C] (Choi et al. 2018, equation 2)."""
    return tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.stop_gradient(labels), logits=logits)


def attribute_loss(logits, labels):
    """Cross entropy of labels of which each is 0 or 1, summed: [N] of logits and labels [N, C] (the same)."""
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits), axis=1)


class Criterion(NamedTuple):
    """A loss whose two halves are functions of the scores of one kind of image each; G minimizes `real` of fakes."""
    real: object  # what D minimizes for reals
    fake: object  # what D minimizes for fakes
    boundary: float = 0.0  # score that is neither more like those of reals nor of fakes; None = scores have no zero


def _hinge(scores):
    """Hinge: max(0, 1 - q) (Lim and Ye 2017, equation 8)."""
    return tf.nn.relu(1 - scores)


D_HINGE = Criterion(_hinge, lambda scores: _hinge(-scores))  # what D minimizes; G minimizes -f
TRANSLATION = {  # the names that programs for translation give them
    'lsgan': Criterion(G_least_squares, tf.square, 0.5),
    'vanilla': Criterion(G_non_saturating, tf.nn.softplus),
    'nonsaturating': Criterion(G_non_saturating, tf.nn.softplus),
    'wgangp': Criterion(G_wasserstein, tf.identity, None),
}
