"""A discriminator that sees augmented images, and how strongly they are augmented (StyleGAN2-ADA, Karras et al. 2020).

p, the probability of every augmentation, is a variable of the state. It is constant, or follows how much D overfits:
`rt` is the mean sign of D's scores of reals, `rv` says where the score of held-out images lies between those of reals
(0) and of fakes (1); see section 3.1. While it is above the target, p rises, else it falls.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.images import adjust_dynamic_range
from dnnlib.tflib import collectives, random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import UserError, get_obj_by_name
from training.train_step import Stage, process_reals

HEURISTICS = OrderedDict([  # name -> statistics that it needs, each a row of the sums
    ('rt', ('signs/real',)), ('rv', ('scores/real', 'scores/fake', 'scores/valid'))])
TARGETS = dict(rt=0.6, rv=0.5)  # as published
SMALLEST_GAP = 1e-8  # between D's scores of reals and fakes, as published
MAX_VALID_IMAGES, MAX_VALID_BYTES = 10000, 1 << 30  # held-out images that are kept in memory; the number as published
SHEET, SHEET_STRENGTHS, SHEET_COLUMNS = 'reals-augmented.png', (0.2, 0.6, 1.0), 16


class Control(NamedTuple):
    """How p is chosen. Further keys of `augment_args` are keyword arguments of the function that augments."""
    tune_heuristic: str = None     # 'rt' or 'rv', see above; None = p stays as it is
    tune_target: float = None      # of the heuristic; None = 0.6 for rt, 0.5 for rv, as published
    tune_kimg: float = 500         # thousand images in which p can move by 1; as published
    stat_decay_kimg: float = 0     # half-life of the heuristic's statistics; 0 = since the last change of p
    initial_strength: float = 0    # p at the start
    max_strength: float = 1        # ceiling of p: from 1 on all augmentations are always on, which leaks
    func_name: str = 'training.augment.augment_pipeline'  # what augments; None = only tell D, if it takes p


def parse(augment_args):
    """Control and the other keyword arguments of `augment_args`; raises UserError for values that make no sense."""
    control = Control(**{key: value for key, value in augment_args.items() if key in Control._fields})
    if control.tune_heuristic not in (None,) + tuple(HEURISTICS):
        raise UserError(f"augment.tune_heuristic must be 'rt', 'rv' or None, got {control.tune_heuristic!r}")
    for name in ('tune_target', 'tune_kimg', 'stat_decay_kimg', 'initial_strength', 'max_strength'):
        value = getattr(control, name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number and (name, value) != ('tune_target', None):
            raise UserError(f'augment.{name} must be a number, got {value!r}')
    if not control.tune_kimg > 0 or not control.stat_decay_kimg >= 0:
        raise UserError(f'augment.tune_kimg must be above 0 and stat_decay_kimg at least 0, got {control.tune_kimg:g} '
                        f'and {control.stat_decay_kimg:g}')
    if not 0 <= control.initial_strength <= control.max_strength:
        raise UserError(f'the augmentation begins at p = {control.initial_strength:g}; expected 0 to the ceiling of '
                        f'{control.max_strength:g}')
    if control.tune_target is None:
        control = control._replace(tune_target=TARGETS.get(control.tune_heuristic))
    if control.tune_heuristic is None and control.initial_strength == 0:
        control = control._replace(func_name=None)  # never on, so it is left out of the graph, as published
    return control, {key: value for key, value in augment_args.items() if key not in Control._fields}


def overfitting(heuristic, means):
    """How much D overfits: 0 = not at all, 1 = completely (Karras et al. 2020, equation 1).

    Args:
        heuristic: 'rt' or 'rv'.
        means: Mean of each of its statistics, tensor [n] or list.
    """
    if heuristic == 'rt':
        return means[0]
    real, fake, valid = means[0], means[1], means[2]
    return (real - valid) / tf.maximum(real - fake, SMALLEST_GAP)


def means_of(sums):
    """Means of statistics, 0 where nothing was counted.

    Args:
        sums: Number of values and their sum, [n, 2].
    Returns: [n].
    """
    return sums[:, 1] / tf.where(sums[:, 0] > 0, sums[:, 0], tf.ones_like(sums[:, 0]))


class Augmentation:
    """p, the statistics that change it, and the function that augments, in the graph of a training.

    Args:
        step: Step; gets the state and what ticks report.
        augment_args: Fields of Control and keyword arguments of the function.
    Attributes:
        strength: p as a scalar float32 tensor, read in each session call.
    Raises: UserError for bad values.
    """

    def __init__(self, step, augment_args):
        self._control, self._options = parse(augment_args)
        self._step, heuristic = step, self._control.tune_heuristic
        self._function = None if self._control.func_name is None else get_obj_by_name(self._control.func_name)
        # as many digits as the published program's, which steps of 1e-5 add up in
        self._p = step.state('augment_strength', [], initial=np.float64(self._control.initial_strength))
        self._counted = () if heuristic is None else HEURISTICS[heuristic]
        self._sums = step.state('augment_sums', [len(self._counted), 2]) if heuristic else None
        self.strength = tf.cast(self._p.read_value(), tf.float32, name='augment_strength')
        step.progress['Progress/augment'] = self._p
        if heuristic is not None:
            step.monitors.append(Ceiling(self._p, self._control.max_strength))

    def apply(self, images, labels):
        """Images [N, C, H, W] and labels [N, L] as D sees them; of the same shapes."""
        if self._function is None:
            return images, labels
        return self._function(images, labels, strength=self.strength, **self._options)

    def count(self, scores):
        """Operation that adds scores to the statistics; whoever evaluates it decides which evaluations count.

        Args:
            scores: {'real', 'fake' or 'valid': scores of D [N, 1]}.
        """
        reports, counts = [], {}
        for kind, values in scores.items():
            signs = tf.sign(values)
            reports += [autosummary('Loss/signs/' + kind, signs), autosummary('Loss/squares/' + kind, values ** 2)]
            if kind == 'valid':  # the losses report the others
                reports.append(autosummary('Loss/scores/valid', values))
            counts.update({'signs/' + kind: signs, 'scores/' + kind: values})
        if any(name in counts for name in self._counted):
            added = [_count_and_sum(counts[name]) if name in counts else tf.zeros([2]) for name in self._counted]
            last = []
            for counted in collectives.all_gather(tf.stack(added)):  # one after another, as rounds add them
                with tf.control_dependencies(last):
                    last = [tf.assign_add(self._sums, counted)]
            reports += last
        return tf.group(*reports)

    def stages(self, D, data, drange_net):
        """What comes after the stages of G and D: list of Stage, none if p is constant.

        Args:
            D: Network.
            data: Dataset, whose held-out images `rv` looks at.
            drange_net: [low, high] of the networks' images.
        Raises: UserError if `rv` has no held-out images, or the networks grow.
        """
        heuristic = self._control.tune_heuristic
        if heuristic is None:
            return []
        found = [self._valid_stage(D, data, drange_net)] if heuristic == 'rv' else []
        with tf.name_scope('augment'):
            tune = self._step.run('augment', self._tune(), every=self._step.repeats)
        return found + [tune._replace(at_end=True)]

    def _tune(self):
        """Operation that moves p, for the iterations between two looks at the schedule, and forgets the statistics."""
        control, nimg = self._control, self._step.sched['minibatch_size']
        nimg = (tf.cast(nimg, tf.float64) if tflib.is_tf_expression(nimg) else nimg) * self._step.repeats
        sums = self._sums.read_value()
        r = tf.cast(overfitting(control.tune_heuristic, means_of(sums)), tf.float64)
        p = self._p.read_value() + tf.sign(r - control.tune_target) * (nimg / (1000 * control.tune_kimg))
        p = tf.clip_by_value(p, np.float64(0), np.float64(control.max_strength))
        half_life = 1000 * control.stat_decay_kimg
        decay = tf.cast(0.5 ** (nimg / half_life), tf.float32) if half_life > 0 else 0.0
        return tf.group(autosummary('Progress/overfitting', r), tf.assign(self._p, p),
                        tf.assign(self._sums, sums * decay))

    def _valid_stage(self, D, data, drange_net):
        """Scores as many held-out images as a minibatch has, one after another, augmented as the others."""
        size = self._step.sched['minibatch_gpu']
        if tflib.is_tf_expression(self._step.sched['lod']):
            raise UserError("the heuristic rv can't follow networks that grow; use rt (--aug=ada)")
        if not len(data.held_out):
            raise UserError('the heuristic rv (--aug=adarv) compares reals with held-out images, and none are held '
                            'out; give --holdout, such as --holdout=0.1')
        most = min(MAX_VALID_IMAGES, max(MAX_VALID_BYTES // int(np.prod(data.shape)), 1))
        numbers = data.held_out[:most]
        images, labels = np.stack([data.read(n) for n in numbers]), data.read_labels(numbers)
        position = self._step.state('augment_valid', [], initial=np.int64(0))

        def read(begin):  # worker after worker, round after round
            places = (np.arange(begin, begin + size) + offset) % len(numbers)
            return images[places], labels[places]
        with self._step.losses('valid'):
            begin, workers, offset = position.read_value(), collectives.num_workers(), collectives.worker() * size
            some, some_labels = tf.py_func(read, [begin], [tf.uint8, tf.float32], stateful=False)
            some.set_shape([size] + list(data.shape))
            some_labels.set_shape([size, data.label_size])
            judge = AugmentedDiscriminator(D, self)
            scores = judge.get_output_for(process_reals(some, data.dynamic_range, drange_net), some_labels,
                                          is_training=True)
            op = tf.group(self.count({'valid': scores}), tf.assign(position, begin + size * workers))
        return Stage('valid', op)


def _count_and_sum(values):
    """[number of values, their sum], float32; 0, 0 if that is not finite, as it would stay for good."""
    both = tf.stack([tf.cast(tf.size(values), tf.float32), tf.reduce_sum(values)])
    return tf.where(tf.is_finite(both[1]), both, tf.zeros([2]))


class AugmentedDiscriminator:
    """A discriminator as losses see it: it augments images before it scores them. Everything else is the network's.

    Args:
        network: tflib.Network of the discriminator; it is told p, if it has the option `augment_strength`.
        augmentation: Augmentation.
        reals: Images; all others are fakes.
    """

    def __init__(self, network, augmentation, reals=None):
        self._network, self._augmentation, self._reals = network, augmentation, reals
        self._scores = {}  # 'real', 'fake' -> list of tensors
        self._seen = []  # (images, what the network saw of them)

    def __getattr__(self, name):
        return getattr(self._network, name)

    def augment(self, images, labels):
        """Augments images and labels as before they are scored, for further terms of a loss."""
        return self._augmentation.apply(images, labels)

    def seen(self, images):
        """What the network saw of images that it was asked to score last."""
        return [augmented for given, augmented in self._seen if given is images][-1]

    def get_output_for(self, images, labels, augment=True, count=True, **options):
        """Scores of images [N, C, H, W] with labels [N, L].

        Args:
            images, labels: Inputs of the network.
            augment: Augment the images, and count the scores? Not for what is augmented already.
            count: Count the scores? Not for what is neither real nor a fake.
            options: Of the network.
        """
        given = images
        if augment:
            images, labels = self.augment(images, labels)
            self._seen.append((given, images))
        if 'augment_strength' in self._network.option_names:
            options = dict(options, augment_strength=self._augmentation.strength)
        scores = self._network.get_output_for(images, labels, **options)
        if augment and count:
            self._scores.setdefault('real' if given is self._reals else 'fake', []).append(scores)
        return scores

    def count(self):
        """Operation that counts the scores of one evaluation of everything that was asked so far."""
        return self._augmentation.count({kind: scores[0] if len(scores) == 1 else tf.concat(scores, axis=0)
                                         for kind, scores in sorted(self._scores.items())})


class Ceiling:
    """Says at a tick that p has reached its ceiling, once.

    Args:
        p: Variable.
        ceiling: Highest value.
    """

    def __init__(self, p, ceiling):
        self._p, self._ceiling, self._was_said = p, ceiling, False

    def __call__(self):
        if not self._was_said and tflib.run(self._p) >= self._ceiling:
            self._was_said = True
            print(f'Augmentation: p has reached its ceiling of {self._ceiling:g} (--p-max). If augmentations leak into '
                  'the fakes, lower it; with --holdout the scores of D tell whether it memorizes or is just ahead of G')


def sheets(augment_args, cells, drange_net, minibatch_size):
    """What augmentation makes of reals: {file name: rows of uint8 [N, C, H, W]}: reals, then one row for each strength.

    Args:
        augment_args: See Augmentation; `None` = no augmentation, no sheet.
        cells: grid.Cells of the picture grid.
        drange_net: [low, high] of the networks' images.
        minibatch_size: Images at a time.
    """
    control, options = parse(augment_args) if augment_args is not None else (Control(func_name=None), {})
    if control.func_name is None:
        return {}
    reals, labels = next(iter(cells.batch.values()))
    count = min(cells.size[0], SHEET_COLUMNS)
    images = adjust_dynamic_range(reals[:count].astype(np.float32), [0, 255], drange_net)
    images_in = tf.placeholder(tf.float32, [None] + list(images.shape[1:]))
    labels_in = tf.placeholder(tf.float32, [None, labels.shape[1]])
    strength, seed = tf.placeholder(tf.float32, []), tf.placeholder(tf.int64, [2])
    with random.seeded(seed):
        augmented, _ = get_obj_by_name(control.func_name)(images_in, labels_in, strength=strength, **options)
    pictures = tflib.convert_images_to_uint8(augmented, drange=list(drange_net))
    rows = [reals[:count]]
    for p in SHEET_STRENGTHS:
        rows.append(np.concatenate([tflib.run(pictures, {
            images_in: images[i:i + minibatch_size], labels_in: labels[i:i + minibatch_size], strength: p,
            seed: [i, 0]}) for i in range(0, count, minibatch_size)]))
    return {SHEET: rows}
