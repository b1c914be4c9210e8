"""StarGAN: one translator that is told labels, for one or two datasets (Choi et al. 2018)."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from dnnlib.util import UserError
from training.methods import domains, translating
from training.networks.stargan import given_size
from training.terms import criteria, penalties
from training.train_step import Between, Group, Method, report_mean

NETWORKS = 'training.networks.stargan.'
KINDS = ('attributes', 'classes')
HAIR = ('Black_Hair', 'Blond_Hair', 'Brown_Hair', 'Gray_Hair')  # of CelebA


class Options(NamedTuple):
    """Options of StarGAN; defaults are the published ones."""
    G_args: dict = None            # generator: keyword arguments
    D_args: dict = None            # discriminator
    G_opt_args: dict = None        # tflib.Optimizer of the generator
    D_opt_args: dict = None        # tflib.Optimizer of the discriminator
    kinds: tuple = ('classes',)    # of each stream: may several of its labels be 1, 'attributes', or one, 'classes'?
    exclusive: tuple = HAIR        # names of attributes of which one at most is 1, for the pictures
    lambda_cls: float = 1.0        # weight of the labels that D finds
    lambda_rec: float = 10.0       # weight of the way back
    lambda_gp: float = 10.0        # weight of the gradient penalty
    n_critic: int = 5              # steps of D for each of G


def stargan(streams, schedule, **options):
    """The method, for the stream 'a', or 'a' and 'b', whose labels mean different things.

    Args:
        streams: {'a': Stream} or {'a': Stream, 'b': Stream}.
        schedule: Schedule with the field `lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or data that don't fit.
    """
    options, names = Options(**options), tuple(streams)
    data = domains.data_of(streams, ('a', 'b')[:len(streams)])
    if len(options.kinds) != len(streams) or not set(options.kinds) <= set(KINDS):
        raise UserError(f'kinds must be {" or ".join(KINDS)} for each of the streams {", ".join(names)}, not '
                        f'{options.kinds!r}')
    if len(streams) == 2:
        translating.data_of(streams)  # of one size
    if not isinstance(options.n_critic, int) or options.n_critic < 1:
        raise UserError(f'n_critic must be a whole number from 1 on, not {options.n_critic!r}')
    sets = Sets(tuple(stream.dataset.label_size for stream in streams.values()))
    nets = OrderedDict([
        ('G', translating.net(options.G_args, NETWORKS + 'G_stargan', data, label_sizes=sets.sizes)),
        ('D', translating.net(options.D_args, NETWORKS + 'D_stargan', data, 'discriminator',
                              label_size=sum(sets.sizes)))])
    size, targets = schedule.last.minibatch_gpu, Targets(
        sets, options, [stream.dataset.label_names or () for stream in streams.values()])
    return Method(
        'stargan', nets, {name: Group((name,), args or translating.ADAM, 'lrate') for name, args in (
            ('G', options.G_opt_args), ('D', options.D_opt_args))},
        stages=lambda step: [stage for number in range(len(names)) for stage in make_stages(
            step, options, sets, number)],
        pictures=lambda networks, cells: pictures(networks, cells, size, targets),
        between=tuple(between(targets, size, number) for number in range(len(names))))


class Sets:
    """The labels that the generator is given: those of every dataset side by side, then which dataset's they are.

    Args:
        sizes: Number of labels of each dataset.
    Attributes:
        sizes, size: As given; number of all of them.
    """

    def __init__(self, sizes):
        self.sizes = sizes
        self.size = given_size(sizes)

    def given(self, labels, number):
        """Labels [N, size] for labels [N, sizes[number]] of one dataset, tensors; those of the others are 0."""
        zeros = tf.zeros_like(labels[:, :1])
        parts = [labels if i == number else tf.tile(zeros, [1, size]) for i, size in enumerate(self.sizes)]
        parts += [zeros + float(i == number) for i in range(len(self.sizes))] if len(self.sizes) > 1 else []
        return tf.concat(parts, axis=1)

    def rows(self, labels, number):
        """The same of labels that are an array: float32 [N, size]."""
        rows, first = np.zeros([len(labels), self.size], np.float32), sum(self.sizes[:number])
        rows[:, first:first + self.sizes[number]] = labels
        if len(self.sizes) > 1:
            rows[:, sum(self.sizes) + number] = 1
        return rows

    def found(self, logits, number):
        """Those of one dataset of the logits [N, sum(sizes)] that D finds."""
        first = sum(self.sizes[:number])
        return logits[:, first:first + self.sizes[number]]


def make_stages(step, options, sets, number):
    """A step of D and, in every `n_critic`-th iteration, one of G with the D that it made.

    Args:
        step: Step.
        options: Options.
        sets: Sets.
        number: Of the stream.
    """
    (images, labels), end = step.batch['ab'[number]], ('', '_b')[number]
    G, D = (step.nets[name] for name in 'GD')
    kind, own = options.kinds[number], sets.given(labels, number)
    with step.losses('D' + end):
        targets = shuffled(labels)
        fakes = tf.stop_gradient(G.get_output_for(images, sets.given(targets, number)))
        real_scores, logits = D.get_output_for(images)
        parts = [('real', 1, -real_scores), ('fake', 1, D.get_output_for(fakes)[0]),
                 ('cls', options.lambda_cls, label_loss(sets.found(logits, number), labels, kind)),
                 ('gp', options.lambda_gp, gradient_penalty(D, images, fakes))]
        D_loss = total(f'D{end}', parts)
    with step.losses('G' + end):
        targets = shuffled(labels)
        fakes = G.get_output_for(images, sets.given(targets, number))
        scores, logits = D.get_output_for(fakes)
        parts = [('fake', 1, -scores),
                 ('rec', options.lambda_rec, tf.abs(images - G.get_output_for(fakes, own))),
                 ('cls', options.lambda_cls, label_loss(sets.found(logits, number), targets, kind))]
        G_loss = total(f'G{end}', parts)
    return [step.train('D' + end, {'D': D_loss}, batch='this'),
            step.train('G' + end, {'G': G_loss}, batch='this', every=options.n_critic)._replace(at_end=True)]


def total(tag, parts):
    """Sum of the means of parts (name, weight, loss), which are reported."""
    return tf.add_n([weight * report_mean(f'Loss/{tag}_{name}', loss) for name, weight, loss in parts])


def shuffled(labels):
    """The labels of a minibatch in a random order."""
    order = tf.argsort(random.uniform(tf.shape(labels)[:1]))
    return tf.gather(labels, order)


def label_loss(logits, labels, kind):
    """What labels that D found are worth: [N].

    Args:
        logits, labels: [N, C].
        kind: One of KINDS.
    """
    if kind == 'classes':
        return criteria.class_loss(logits, labels)
    return criteria.attribute_loss(logits, labels)


def gradient_penalty(D, reals, fakes):
    """(|gradient of the summed scores| - 1)^2 between reals and fakes: [N] (Gulrajani et al. 2017, equation 3)."""
    points = penalties.mixtures(reals, fakes, random.uniform(tf.stack([tf.shape(reals)[0], 1, 1, 1])))
    squares = penalties.gradient_penalty(D.get_output_for(points)[0], points)
    return penalties.norm_penalty(tf.sqrt(squares))


class Targets:
    """The labels that pictures show translations to: one after another of every dataset.

    Args:
        sets: Sets.
        options: Options.
        label_names: Names of the labels of each dataset; empty = they have none.
    Attributes:
        sets: As given.
    """

    def __init__(self, sets, options, label_names):
        self.sets, self.kinds = sets, options.kinds
        self._exclusive = [[i for i, name in enumerate(names) if name in options.exclusive] for names in label_names]

    def of(self, labels, number):
        """Targets for pictures of a dataset: list of float32 [N, size], see Sets.

        A class is set and the others are cleared; so are attributes of which one at most may be 1; others are flipped.

        Args:
            labels: Own labels of the pictures, float32 [N, sizes[number]].
            number: Of the dataset.
        """
        found = []
        for other, size in enumerate(self.sets.sizes):
            own = labels if other == number else np.zeros([len(labels), size], np.float32)
            found += [self.sets.rows(self.changed(own, other, label), other) for label in range(size)]
        return found

    def changed(self, labels, number, label):
        """Labels [N, sizes[number]] of pictures of a dataset, with one of them, by its number, changed."""
        rows, group = labels.copy(), self._exclusive[number]
        if self.kinds[number] == 'classes':
            rows[:] = 0
        elif label in group:
            rows[:, group] = 0
        else:
            rows[:, label] = 1 - rows[:, label]
            return rows
        rows[:, label] = 1
        return rows


def between(targets, minibatch_size, number=0):
    """The train_step.Between of the pictures of one dataset and its labels.

    Args:
        targets: Targets.
        minibatch_size: Pictures at a time.
        number: Of the dataset.
    """
    def run(networks, images, labels, _given=None):
        return draw(networks['G'], images, minibatch_size, targets.sets.rows(labels, number))
    is_classes = targets.kinds[number] == 'classes'
    return Between(run, 'ab'[number], change=None if is_classes else lambda labels, label: targets.changed(
        labels, number, label))


def draw(network, images, minibatch_size, rows):
    """Translations of pictures, uint8 [N, C, H, W], to labels as the generator is given them, [N, size]."""
    return domains.to_pictures(network.run(images.astype(np.float32) / 127.5 - 1, rows, minibatch_size=minibatch_size))


def pictures(networks, cells, minibatch_size, targets):
    """Rows of pictures, and of their translations to all labels, for one dataset after the other."""
    found = []
    for number, (images, labels) in enumerate(cells.batch.values()):
        columns = [images] + [draw(networks['G'], images, minibatch_size, rows) for rows in targets.of(labels, number)]
        found += translating.rows(cells, *columns)
    return found
