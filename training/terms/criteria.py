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
    """A loss whose parts are functions of the scores of one kind of image each."""
    real: object  # what D minimizes for reals
    fake: object  # what D minimizes for fakes
    boundary: float = 0.0  # score that is neither more like those of reals nor of fakes; None = scores have no zero
    generator: object = None  # what G minimizes for fakes; None = `real`

    def fooled(self, scores):
        """What G minimizes for the scores of its fakes."""
        return (self.generator or self.real)(scores)


def _hinge(scores):
    """Hinge: max(0, 1 - q) (Lim and Ye 2017, equation 8)."""
    return tf.nn.relu(1 - scores)


D_HINGE = Criterion(_hinge, lambda scores: _hinge(-scores))  # what D minimizes; G minimizes -f
TRANSLATION = {  # the names that programs for translation give them
    'lsgan': Criterion(G_least_squares, tf.square, 0.5),
    'vanilla': Criterion(G_non_saturating, tf.nn.softplus),
    'nonsaturating': Criterion(G_non_saturating, tf.nn.softplus),
    'wgangp': Criterion(G_wasserstein, tf.identity, None),
    'hinge': D_HINGE._replace(generator=G_wasserstein),
}


class Adversarial(NamedTuple):
    """A loss by name: what D and G minimize, put together of functions of scores, see `D_loss` and `G_loss`.

    Functions of reals take the target too, the value that scores of reals should have, 1 unless they are smoothed.
    """
    real: object            # function of (scores, target): what D minimizes for reals
    fake: object            # the same for fakes
    generator: object = None  # the same: what G minimizes for fakes; None = `real`
    reference: str = None   # what scores are compared with: None = nothing; 'pair' = each with one of the other kind;
    #                         'mean' = with the mean of the other kind (Jolicoeur-Martineau 2019, section 3)
    scale: float = 1.0      # factor of both losses
    of_mean: object = None  # function of scores whose mean over the minibatch takes their place; None = no mean


def _logistic(scores, target):
    """softplus(-s) + (1 - t) s: the cross entropy of sigmoid(s) with a target t (Salimans et al. 2016, section 3.4)."""
    loss = tf.nn.softplus(-scores)
    return loss if target == 1 else loss + (1 - target) * scores


def _distance(scores, target):
    return tf.square(scores - target)


def _distance_below(scores, target):
    return tf.square(scores + target)


LOGISTIC = Adversarial(_logistic, lambda scores, _target: tf.nn.softplus(scores))
SQUARES = Adversarial(_distance, lambda scores, _target: tf.square(scores))
SQUARES_OF_SIGMOID = Adversarial(lambda scores, target: tf.square(tf.sigmoid(scores) - target),
                                 lambda scores, _target: tf.square(tf.sigmoid(scores)))
WASSERSTEIN = Adversarial(lambda scores, _target: -scores, lambda scores, _target: scores)
HINGE = Adversarial(lambda scores, _target: D_HINGE.real(scores), lambda scores, _target: D_HINGE.fake(scores),
                    WASSERSTEIN.real)
AVERAGED = dict(  # relativistic average losses, without the factor 1/2 that their author's program has
    ragan=LOGISTIC._replace(reference='mean'), rals=Adversarial(_distance, _distance_below, reference='mean'),
    rahinge=HINGE._replace(generator=None, reference='mean'))
ADVERSARIAL = dict(
    {name: loss._replace(scale=0.5) for name, loss in AVERAGED.items()},
    logistic_ns=LOGISTIC,
    logistic_saturating=LOGISTIC._replace(generator=lambda scores, _target: G_saturating(scores)),
    lsgan=SQUARES,
    lsgan_half=SQUARES._replace(scale=0.5),  # the paper's
    lsgan_of_mean=SQUARES._replace(scale=0.5, of_mean=tf.identity),
    lsgan_sigmoid=SQUARES_OF_SIGMOID,
    lsgan_sigmoid_of_mean=SQUARES._replace(scale=0.5, of_mean=tf.sigmoid),
    hinge=HINGE,
    wgan=WASSERSTEIN,
    rsgan=LOGISTIC._replace(reference='pair'),
    rlsgan=SQUARES._replace(reference='pair'),
    rhinge=HINGE._replace(reference='pair'),
    **{name + '_nohalf': loss for name, loss in AVERAGED.items()})


def D_loss(loss, real_scores, fake_scores, target=1):
    """What D minimizes.

    Args:
        loss: Adversarial, one of ADVERSARIAL.
        real_scores, fake_scores: [N, 1].
        target: See Adversarial; below 1 = one-sided label smoothing (Salimans et al. 2016, section 3.4).
    Returns: [N, 1], or one number for all if that is what the loss gives.
    """
    if loss.reference == 'pair':
        return loss.real(real_scores - fake_scores, target)
    reals, fakes = _compared(loss, real_scores, fake_scores)
    return loss.scale * (loss.real(reals, target) + loss.fake(fakes, target))


def G_loss(loss, fake_scores, real_scores=None, target=1):
    """What G minimizes; arguments as of `D_loss`, scores of reals only if the loss has a reference."""
    if loss.reference == 'pair':
        return loss.real(fake_scores - real_scores, target)
    if loss.reference == 'mean':
        reals, fakes = _compared(loss, real_scores, fake_scores)
        return loss.scale * (loss.real(fakes, target) + loss.fake(reals, target))
    return loss.scale * (loss.generator or loss.real)(_of_mean(loss, fake_scores), target)


def _compared(loss, real_scores, fake_scores):
    """Scores of reals and fakes, relative to the mean of the others where the loss asks for that."""
    if loss.reference == 'mean':
        means = tf.reduce_mean(real_scores), tf.reduce_mean(fake_scores)
        real_scores, fake_scores = real_scores - means[1], fake_scores - means[0]
    return _of_mean(loss, real_scores), _of_mean(loss, fake_scores)


def _of_mean(loss, scores):
    return scores if loss.of_mean is None else tf.reduce_mean(loss.of_mean(scores))
