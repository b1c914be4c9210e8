"""Losses by names such as `rals:0.9+r1:10`, see `training.loss_names`: a criterion, and penalties added to it.

Arguments and results are those of the functions in `training.loss`. Discriminators may give logits of the labels beside
the scores, or take no labels.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import UserError
from training import loss as published
from training import loss_names
from training.terms import criteria, named, penalties


class Drawn(NamedTuple):
    """Fakes of a minibatch."""
    images: tf.Tensor  # [N, C, H, W]
    labels: tf.Tensor  # [N, label_size]


def G_loss(G, D, training_set, minibatch_size, reals=None, labels=None, terms='logistic_ns'):
    """Loss of G by its name.

    Args:
        reals, labels: Reals with their labels, only for a relativistic criterion.
        terms: The name.
        others: See `training.loss`.
    Returns: loss [N, 1] and regularization, [N] or a scalar, None if no term asks for one.
    """
    wanted = loss_names.parse(terms, 'G')
    drawn = _draw(G, minibatch_size, training_set.get_random_labels_tf(minibatch_size))
    fake_scores, logits = _judge(D, drawn.images, drawn.labels, 'fake')
    real_scores = _judge(D, reals, labels, 'real', count=False)[0] if wanted.needs_reals else None
    loss = criteria.G_loss(criteria.ADVERSARIAL[wanted.criterion], fake_scores, real_scores, wanted.target)
    loss += _classified(wanted, [(logits, drawn.labels, 'fake')])
    reg = []
    if 'pl' in wanted.terms:  # of new fakes
        _, lengths = published.G_logistic_ns_pathreg(
            G, D, training_set, minibatch_size, pl_weight=wanted.terms['pl'][0])
        reg.append(lengths)
    return loss, _sum(reg + _orthogonal(G, wanted))


def D_loss(G, D, training_set, minibatch_size, reals, labels, terms='logistic_ns'):
    """Loss of D by its name; fakes have the labels of the reals.

    Args:
        terms: The name.
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
    reg = named.D_penalties(
        wanted.terms, lambda points: _judge(D, points, labels, 'mixed', count=False)[0], reals, drawn.images,
        (real_scores, fake_scores))
    return loss, _sum(reg + _orthogonal(D, wanted))


def _draw(G, minibatch_size, labels):
    """Drawn fakes of labels."""
    latents = random.normal([minibatch_size] + G.input_shapes[0][1:])
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
        judged: List of (logits, labels, what the images are).
    Raises: UserError if D has no such classifier, or the images no labels.
    """
    if 'ac' not in wanted.terms:
        return 0.0
    if any(logits is None for logits, _, _ in judged):
        raise UserError('a loss with the term ac: this discriminator has no auxiliary classifier; use --config=progan')
    if not judged[0][1].shape.as_list()[1]:
        raise UserError('a loss with the term ac: there are no labels to tell apart; give --classes=N, or drop it')
    found = [autosummary('Loss/classes/' + kind, criteria.class_loss(logits, labels))
             for logits, labels, kind in judged]
    return tf.expand_dims(tf.add_n(found), 1) * wanted.terms['ac'][0]


def _orthogonal(network, wanted):
    """List of the weighted penalty on the kernels of a network, whose layers divide them by the root of the fan-in."""
    if 'orthogonal' not in wanted.terms:
        return []
    kernels = [var for var in network.trainables.values() if var.shape.ndims == 4]
    return [wanted.terms['orthogonal'][0] * tf.add_n([penalties.orthogonality(
        kernel / float(kernel.shape[:3].num_elements()) ** 0.5) for kernel in kernels])]


def _sum(parts):
    """Sum of a list, None if it is empty."""
    return sum(parts[1:], parts[0]) if parts else None
