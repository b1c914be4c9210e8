"""What losses by name have in common, whatever the method: penalties on the gradients of D.

Names and weights are those of `training.loss_names`.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary
from training.terms import penalties


def D_penalties(terms, judge, reals, fakes, scores):
    """Weighted penalties on the gradients of D: list of [N].

    Args:
        terms: {name: (weight, norm that costs nothing)}; those that are no such penalties are not looked at.
        judge: Function of images [N, C, H, W] that returns D's scores [N, 1] of them.
        reals, fakes: [N, C, H, W]; or lists of them, of all sizes, and so is what `judge` is given.
        scores: Scores of the reals and of the fakes, [N, 1] each, functions of these images.
    """
    found = []
    for name, tag, score, images in (('r1', 'Loss/gradient_penalty', scores[0], reals),
                                     ('r2', 'Loss/r2_penalty', scores[1], fakes)):
        if name in terms:
            found.append(autosummary(tag, penalties.gradient_penalty(score, images)) * (terms[name][0] / 2))
    return found + [norm_penalty(name, terms[name], judge, reals, fakes) for name in ('gp', 'lp', 'dragan')
                    if name in terms]


def norm_penalty(name, weight_and_target, judge, reals, fakes):
    """Penalty on the norm of D's gradient, [N]: 'gp', 'lp' or 'dragan'; arguments as of `D_penalties`."""
    weight, target = weight_and_target
    shares = random.uniform([tf.shape(_sizes(reals)[0])[0], 1, 1, 1])
    points = [penalties.surroundings(of_size, shares, random.uniform(tf.shape(of_size))) if name == 'dragan' else
              penalties.mixtures(of_size, other, shares) for of_size, other in zip(_sizes(reals), _sizes(fakes))]
    points = points if isinstance(reals, (list, tuple)) else points[0]
    scores = judge(points)
    with tf.control_dependencies([scores]):  # a gradient need not evaluate the scores, nor report them
        norms = autosummary('Loss/mixed_norms', penalties.gradient_norms(scores, points))
    return (penalties.one_sided_penalty if name == 'lp' else penalties.norm_penalty)(norms, target, weight)


def _sizes(images):
    """Images of all sizes as a list."""
    return images if isinstance(images, (list, tuple)) else [images]
