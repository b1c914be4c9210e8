"""What the discriminators of methods that translate see of images: all, or augmented ones (StyleGAN2-ADA).

One p is for all discriminators of a training; what it follows (`rt`) is counted over the scores of reals of them all.
A score counts as that of a real where it is above the criterion's boundary: 0 for logits, 1/2 where reals should score
1 and fakes 0.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.images import adjust_dynamic_range
from dnnlib.tflib import random
from dnnlib.util import get_obj_by_name, UserError
from training.augment import Together
from training.methods import augmented
from training.terms import criteria, penalties

DRANGE = [-1, 1]
PENALTIES = ('gp', 'lp', 'dragan')  # on a discriminator's gradient, see `gradient_penalty`


def check(augment_args, criterion):
    """Refuses augmentation that a method that translates can't have.

    Args:
        augment_args: See augmented.Augmentation; None = none.
        criterion: Key of criteria.TRANSLATION.
    Raises: UserError.
    """
    if augment_args is None:
        return
    control, _ = augmented.parse(augment_args)
    if control.tune_heuristic == 'rv':
        raise UserError('--aug=adarv: methods that translate score no held-out images; use --aug=ada')
    if control.tune_heuristic == 'rt' and criteria.TRANSLATION[criterion].boundary is None:
        raise UserError(f'--aug=ada: it follows the signs of the scores of reals, which mean nothing with criterion='
                        f'{criterion}; use --aug=fixed')
    if augment_args.get('func_name', True) is None:
        raise UserError('augment.func_name=None: no discriminator here is told p; drop it, or use --aug=noaug')


class Judging:
    """What discriminators see in a training; without augmentation it adds nothing to the graph.

    Args:
        step: Step.
        augment_args: See `check`.
        criterion: The same.
    Attributes:
        is_on: Is anything augmented?
    """

    def __init__(self, step, augment_args, criterion):
        check(augment_args, criterion)
        self.is_on = augment_args is not None
        self._augmentation = augmented.Augmentation(step, augment_args) if self.is_on else None
        self._boundary, self._scores = criteria.TRANSLATION[criterion].boundary, []

    def see(self, *pictures, maps=()):
        """Images that belong to each other as discriminators see them, augmented alike.

        Args:
            pictures: [N, C, H, W] each.
            maps: The same of planes of labels and edges, which have no colors, see `augment.Together`.
        Returns: List of both, in this order.
        """
        if not self.is_on:
            return list(pictures) + list(maps)
        together, _ = self._augmentation.apply(Together(pictures, tuple(maps)), None)
        return list(together.pictures) + list(together.maps)

    def count(self, *scores):
        """Counts scores of reals, tensors of any shape, when the stage runs that `post` is given to."""
        self._scores += [tf.reshape(values, [-1]) for values in scores] if self.is_on else []

    @property
    def post(self):
        """What the stage that evaluates the counted scores is given as `post`."""
        return [] if not self.is_on else [lambda: self._augmentation.count(
            {'real': tf.concat(self._scores, axis=0) - (self._boundary or 0)})]

    def stages(self):
        """What comes after all other stages."""
        return [] if not self.is_on else self._augmentation.stages(None, None, DRANGE)


def gradient_penalty(scored, reals, fakes, weight, given=(), kind='gp'):
    """Penalty on a discriminator's gradient between reals and fakes, [N] (Gulrajani et al. 2017, equation 3).

    Args:
        scored: Function of (images, *given) that returns scores.
        reals, fakes: [N, C, H, W] as the discriminator sees them.
        weight: Lambda.
        given: What belongs to the images, such as the other half of pairs; the gradient is taken of it, too, as
            published.
        kind: 'gp'; 'lp': norms below 1 cost nothing (Petzka et al. 2018, equation 8); 'dragan': between reals and
            noisy ones instead (Kodali et al. 2017, algorithm 1).
    """
    others = None if kind == 'dragan' else tf.stop_gradient(fakes)
    shares = random.uniform([tf.shape(reals)[0], 1, 1, 1])
    if others is None:
        mixed = penalties.surroundings(reals, shares, random.uniform(tf.shape(reals)))
    else:
        mixed = penalties.mixtures(reals, others, shares)
    inputs = [mixed] + [tf.identity(part) for part in given]
    squares = sum(penalties.gradient_penalty(scored(*inputs), part) for part in inputs)
    norms = tf.sqrt(squares + 1e-16)
    return (penalties.one_sided_penalty if kind == 'lp' else penalties.norm_penalty)(norms, weight=weight)


def sheets(augment_args, pictures, maps=(), show=None, minibatch_size=1):
    """What augmentation makes of data: {file name: rows}: of each stream, then the same for each strength.

    Args:
        augment_args: See `check`.
        pictures: List of uint8 [N, C, H, W], that of the first row first.
        maps: List of maps of numbers [N, 1, H, W], which come before the pictures.
        show: Function of a map that returns uint8 [N, C, H, W].
        minibatch_size: Images at a time.
    """
    control, options = augmented.parse(augment_args or {})  # which are never on
    if control.func_name is None:
        return {}
    pictures, maps = ([array[:augmented.SHEET_COLUMNS] for array in arrays] for arrays in (pictures, maps))
    images = [adjust_dynamic_range(array.astype(np.float32), [0, 255], DRANGE) for array in pictures]
    images += [array.astype(np.float32) for array in maps]
    inputs = [tf.placeholder(tf.float32, [None] + list(array.shape[1:])) for array in images]
    strength, seed, count = tf.placeholder(tf.float32, []), tf.placeholder(tf.int64, [2]), len(pictures)
    with random.seeded(seed):
        found, _ = get_obj_by_name(control.func_name)(
            Together(tuple(inputs[:count]), tuple(inputs[count:])), None, strength=strength, **options)
    shown = [tflib.convert_images_to_uint8(image, drange=DRANGE) for image in found.pictures] + list(found.maps)
    rows = [show(array) for array in maps] + pictures
    for p in augmented.SHEET_STRENGTHS:
        parts = []
        for i in range(0, len(images[0]), minibatch_size):
            feed = {tensor: array[i:i + minibatch_size] for tensor, array in zip(inputs, images)}
            feed.update({strength: p, seed: [i, 0]})
            parts.append(tflib.run(shown, feed))
        arrays = [np.concatenate(column) for column in zip(*parts)]
        rows += [show(array) for array in arrays[count:]] + arrays[:count]
    return {augmented.SHEET: rows}
