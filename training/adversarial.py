"""Losses by names such as `rals:0.9+r1:10`, see `training.loss_names`: a criterion, and penalties added to it.

Arguments and results are those of the functions in `training.loss`. Discriminators may give logits of the labels beside
the scores, or take no labels. Where networks draw and see images of several sizes, a list takes the place of images.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.tflib import latents as graph_latents
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import UserError
from training import loss as published
from training import loss_names
from training.terms import criteria, named, penalties


MAX_RATIO = 1e8  # of the two gradients of a one-stage loss; D's gradient at a fake is negligible then


class Drawn(NamedTuple):
    """Fakes of a minibatch."""
    images: tf.Tensor  # [N, C, H, W], or a list of them: of all sizes
    labels: tf.Tensor  # [N, label_size]


def G_loss(G, D, training_set, minibatch_size, reals=None, labels=None, terms='logistic_ns', equalized=True):
    """Loss of G by its name.

    Args:
        training_set: Gives random labels of fakes; None = they have those of the reals.
        reals, labels: Reals with their labels, only for a relativistic criterion.
        terms: The name.
        equalized: Do layers divide their weights by the root of the fan-in, as those of StyleGAN and ProGAN?
        others: See `training.loss`.
    Returns: loss [N, 1] and regularization, [N] or a scalar, None if no term asks for one.
    Raises: UserError for a term that the networks don't have.
    """
    wanted = loss_names.parse(terms, 'G')
    drawn = _draw(G, minibatch_size, labels if training_set is None else training_set.get_random_labels_tf(
        minibatch_size))
    fake_scores, logits = _judge(D, drawn.images, drawn.labels, 'fake')
    real_scores = _judge(D, reals, labels, 'real', count=False)[0] if wanted.needs_reals else None
    loss = criteria.G_loss(criteria.ADVERSARIAL[wanted.criterion], fake_scores, real_scores, wanted.target)
    loss += _classified(wanted, [(logits, drawn.labels, 'fake')])
    reg = []
    if 'pl' in wanted.terms:  # of new fakes
        if 'mapping' not in G.components:
            raise UserError('a loss with the term pl: this generator has no W; leave it out')
        _, lengths = published.G_logistic_ns_pathreg(
            G, D, training_set, minibatch_size, pl_weight=wanted.terms['pl'][0])
        reg.append(lengths)
    return loss, _sum(reg + _orthogonal(G, wanted, equalized))


def D_loss(G, D, training_set, minibatch_size, reals, labels, terms='logistic_ns', equalized=True):
    """Loss of D by its name; fakes have the labels of the reals.

    Args:
        terms, equalized: See `G_loss`.
        others: See `training.loss`.
    Returns: As `G_loss`.
    """
    del training_set
    wanted = loss_names.parse(terms, 'D')
    drawn = _draw(G, minibatch_size, labels)
    real_scores, real_logits = _judge(D, reals, labels, 'real')
    fake_scores, fake_logits = _judge(D, drawn.images, labels, 'fake')
    loss = criteria.D_loss(criteria.ADVERSARIAL[wanted.criterion], real_scores, fake_scores, wanted.target)
    loss += _classified(wanted, [(real_logits, labels, 'real'), (fake_logits, labels, 'fake')])
    loss += _drift(wanted, real_scores)
    reg = _penalties(D, wanted, reals, drawn, (real_scores, fake_scores))
    return loss, _sum(reg + _orthogonal(D, wanted, equalized))


def one_stage_loss(G, D, minibatch_size, reals, labels, terms, together=False):
    """One loss for G and D, whose gradients train both in a single backward pass (Shen et al. 2021, section 3).

    D minimizes it. The gradient that arrives at a fake is multiplied by the ratio of what one score changes in the loss
    of G to what it changes in that of D, so that G minimizes its own. Both gradients are those of two losses on the
    same fakes if no score depends on other images, or the ratio is the same for all of them. Penalties are not for G.

    Args:
        minibatch_size, reals, labels: See `training.loss`; fakes have the labels of the reals.
        terms: Names of the losses of (G, D).
        together: Show D reals and fakes in one minibatch, and halve the loss, as published for WGAN? With batch norm
            real scores depend on fakes then, and the gradients of G are others.
        Layers are taken to use weights as they are, as DCGAN's.
    Returns: loss [N, 1] and regularization, [N] or a scalar, None if no term asks for one.
    """
    for_G, for_D = (loss_names.parse(text, network) for text, network in zip(terms, 'GD'))
    drawn, ratios = _draw(G, minibatch_size, labels), []
    fakes = scale_gradient(drawn.images, lambda: ratios[0])
    if together:
        both = _judge(D, tf.concat([reals, fakes], axis=0), tf.concat([labels, labels], axis=0), 'both')[0]
        real_scores, fake_scores = (autosummary('Loss/scores/' + kind, scores) for kind, scores in zip(
            ('real', 'fake'), tf.split(both, 2)))
    else:
        real_scores, fake_scores = (_judge(D, images, labels, kind)[0]
                                    for images, kind in ((reals, 'real'), (fakes, 'fake')))
    ratios.append(tf.reshape(score_ratio(for_G, for_D, tf.stop_gradient(fake_scores)), [-1, 1, 1, 1]))
    loss = criteria.D_loss(criteria.ADVERSARIAL[for_D.criterion], real_scores, fake_scores, for_D.target)
    loss = loss / 2 if together else loss
    fixed = drawn._replace(images=tf.stop_gradient(drawn.images))
    reg = _penalties(D, for_D, reals, fixed, (real_scores, fake_scores))
    return loss + _drift(for_D, real_scores), _sum(reg + _orthogonal(D, for_D, False) + _orthogonal(G, for_G, False))


def score_ratio(for_G, for_D, fake_scores):
    """What a score changes in the loss of G, divided by what it changes in that of D, at most MAX_RATIO: [N, 1].

    -1 where G maximizes what D minimizes; -exp(-s) of non-saturating logistic losses (Shen et al. 2021, equation 14).

    Args:
        for_G, for_D: loss_names.Loss.
        fake_scores: [N, 1].
    """
    loss = criteria.ADVERSARIAL[for_D.criterion]
    of_D, = tf.gradients(loss.scale * loss.fake(fake_scores, for_D.target), [fake_scores])
    of_G, = tf.gradients(criteria.G_loss(criteria.ADVERSARIAL[for_G.criterion], fake_scores, None, for_G.target),
                         [fake_scores])
    return autosummary('Loss/ratio', tf.clip_by_value(tf.div_no_nan(of_G, of_D), -MAX_RATIO, MAX_RATIO))


def scale_gradient(x, factor):
    """x; its gradient is multiplied by what `factor`, a function without arguments, returns once it is asked for."""
    @tf.custom_gradient
    def identity(x):
        return tf.identity(x), lambda dy: dy * factor()
    return identity(x)


def _draw(G, minibatch_size, labels):
    """Drawn fakes of labels."""
    shape, prior = [minibatch_size] + G.input_shapes[0][1:], G.static_kwargs.get('latents', 'normal')
    latents = random.normal(shape) if prior == 'normal' else graph_latents.draw(shape, prior)
    options = dict(is_training=True) if 'is_training' in G.option_names else {}
    return Drawn(G.get_output_for(*[latents, labels][:G.num_inputs], **options), labels)


def _judge(D, images, labels, kind, count=True):
    """D's scores [N, 1] of images, and its logits of their labels [N, L] or None.

    Args:
        kind: What the images are, for the report.
        count: See `methods.augmented.AugmentedDiscriminator`.
    """
    options = dict(is_training=True) if 'is_training' in D.option_names else {}
    if hasattr(D, 'augment') and not count:
        options['count'] = False
    outputs = D.get_output_for(*[images, labels][:D.num_inputs], **options)
    scores, logits = outputs if isinstance(outputs, tuple) else (outputs, None)
    return autosummary('Loss/scores/' + kind, scores), logits


def _classified(wanted, judged):
    """Weighted cross entropy of the auxiliary classifier, [N, 1] or 0.

    Args:
        wanted: loss_names.Loss.
        judged: List of (logits, labels, what the images are); with the term `ac_reals` the reals count alone.
    Raises: UserError if D has no such classifier, or the images no labels.
    """
    weight, = [wanted.terms[name][0] for name in ('ac', 'ac_reals') if name in wanted.terms] or [None]
    if weight is None:
        return 0.0
    if any(logits is None for logits, _, _ in judged):
        raise UserError('a loss with the term ac: this discriminator has no auxiliary classifier; ProGAN and the '
                        'configurations with --condition=classifier have one')
    if not judged[0][1].shape.as_list()[1]:
        raise UserError('a loss with the term ac: there are no labels to tell apart; give --classes=N, or drop it')
    found = [autosummary('Loss/classes/' + kind, criteria.class_loss(logits, labels)) for logits, labels, kind in judged
             if 'ac' in wanted.terms or kind == 'real']
    return tf.expand_dims(tf.add_n(found), 1) * weight


def _drift(wanted, real_scores):
    if 'drift' not in wanted.terms:
        return 0.0
    return autosummary('Loss/epsilon_penalty', criteria.drift(real_scores)) * wanted.terms['drift'][0]


def _penalties(D, wanted, reals, drawn, scores):
    """List of weighted penalties on the gradients of D, see `terms.named`."""
    return named.D_penalties(wanted.terms, lambda points: _judge(D, points, drawn.labels, 'mixed', count=False)[0],
                             reals, drawn.images, scores)


def _orthogonal(network, wanted, equalized):
    """List of the weighted penalty on the kernels of a network, as its layers use them."""
    if 'orthogonal' not in wanted.terms:
        return []
    kernels = [var for var in network.trainables.values() if var.shape.ndims == 4]
    if not kernels:
        raise UserError('a loss with the term orthogonal: this network has no convolutions; leave it out')
    return [wanted.terms['orthogonal'][0] * tf.add_n([penalties.orthogonality(
        kernel / float(kernel.shape[:3].num_elements()) ** 0.5 if equalized else kernel) for kernel in kernels])]


def _sum(parts):
    """Sum of a list, None if it is empty."""
    return sum(parts[1:], parts[0]) if parts else None
