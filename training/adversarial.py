"""Losses by names such as `rals:0.9+r1:10`, see `training.loss_names`: a criterion, and penalties added to it.

Arguments and results are those of the functions in `training.loss`. Discriminators may give logits of the labels beside
the scores, or take no labels.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.tflib import latents, random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import UserError
from training import loss as published
from training import loss_names
from training.terms import criteria, penalties


class Drawn(NamedTuple):
    """Fakes of a minibatch."""
    images: tf.Tensor  # [N, C, H, W]
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
    if 'drift' in wanted.terms:
        loss += autosummary('Loss/epsilon_penalty', criteria.drift(real_scores)) * wanted.terms['drift'][0]
    reg = []
    for name, scores, images in (('r1', real_scores, reals), ('r2', fake_scores, drawn.images)):
        if name in wanted.terms:
            tag = 'Loss/gradient_penalty' if name == 'r1' else 'Loss/r2_penalty'
            reg.append(autosummary(tag, penalties.gradient_penalty(scores, images)) * (wanted.terms[name][0] / 2))
    for name in ('gp', 'lp', 'dragan'):
        if name in wanted.terms:
            reg.append(_norm_penalty(D, name, wanted.terms[name], reals, drawn))
    return loss, _sum(reg + _orthogonal(D, wanted, equalized))


def _draw(G, minibatch_size, labels):
    """Drawn fakes of labels."""
    z = latents.draw([minibatch_size] + G.input_shapes[0][1:], G.static_kwargs.get('latents', 'normal'))
    options = dict(is_training=True) if 'is_training' in G.option_names else {}
    return Drawn(G.get_output_for(*[z, labels][:G.num_inputs], **options), labels)


def _judge(D, images, labels, kind, count=True):
    """D's scores [N, 1] of images, and its logits of their labels [N, L] or None.

    Args:
        kind: What the images are, for the report; `None` = don't report.
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
    Raises: UserError if D has no such classifier.
    """
    weight, = [wanted.terms[name][0] for name in ('ac', 'ac_reals') if name in wanted.terms] or [None]
    if weight is None:
        return 0.0
    if any(logits is None for logits, _, _ in judged):
        raise UserError('a loss with the term ac: this discriminator has no auxiliary classifier; ProGAN and the '
                        'configurations with --condition=classifier have one')
    found = [autosummary('Loss/classes/' + kind, criteria.class_loss(logits, labels)) for logits, labels, kind in judged
             if labels.shape.as_list()[1] and ('ac' in wanted.terms or kind == 'real')]
    return tf.expand_dims(tf.add_n(found), 1) * weight if found else 0.0


def _norm_penalty(D, name, weight_and_target, reals, drawn):
    """Penalty on the norm of D's gradient, [N]: 'gp', 'lp' or 'dragan'."""
    weight, target = weight_and_target
    shares = random.uniform([tf.shape(reals)[0], 1, 1, 1])
    if name == 'dragan':
        points = penalties.surroundings(reals, shares, random.uniform(tf.shape(reals)))
    else:
        points = penalties.mixtures(reals, drawn.images, shares)
    scores, _ = _judge(D, points, drawn.labels, 'mixed', count=False)
    with tf.control_dependencies([scores]):  # a gradient need not evaluate the scores, nor report them
        norms = autosummary('Loss/mixed_norms', penalties.gradient_norms(scores, points))
    return (penalties.one_sided_penalty if name == 'lp' else penalties.norm_penalty)(norms, target, weight)


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
