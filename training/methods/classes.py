"""Generators without styles, of classes or none: BigGAN and SAGAN; with losses by name also WGAN, WGAN-GP and DCGAN.

Brock et al. 2019, Zhang et al. 2019, Arjovsky et al. 2017, Gulrajani et al. 2017, Radford et al. 2016. Stages are one
step of D or several, each with fresh images, then one of G, then its moving average Gs.
"""

import functools
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import latents, tflib
from dnnlib.images import adjust_dynamic_range
from dnnlib.tflib import latents as graph_latents
from dnnlib.tflib import random
from dnnlib.util import UserError
from training import loss_names
from training.methods import named, translating
from training.report.fakes import of_labels, Random
from training.terms import criteria, penalties
from training.train_step import Group, Method, Net, report_mean, Stage

LOSSES = {'hinge': (criteria.D_HINGE, criteria.G_wasserstein),
          'logistic': (criteria.TRANSLATION['vanilla'], criteria.G_non_saturating)}
SHARED = 'Shared/weight'  # G's embedding of the classes, which is not made orthogonal
LOOKED_AT = 1000  # labels of a dataset that are checked
SLOW_STEPS = 100  # of D before one of G where WGAN is slow


class Options(NamedTuple):
    """Options of the method; defaults are those published for BigGAN at 128 pixels."""
    G_args: dict = None            # generator: func_name and keyword arguments
    D_args: dict = None            # discriminator
    G_opt_args: dict = None        # tflib.Optimizer of the generator
    D_opt_args: dict = None        # tflib.Optimizer of the discriminator
    loss: str = 'hinge'            # what scores are worth: hinge or logistic, as published; if no loss has a name
    G_loss_args: dict = None       # loss of the generator by name: func_name and keyword arguments
    D_loss_args: dict = None       # loss of the discriminator; fakes have the labels of the reals
    num_D_steps: int = 1           # steps of D for each of G
    split_D: bool = False          # show D fakes and reals one after the other, instead of together?
    G_ortho: float = 0.0           # weight of the orthogonal regularization of G; the paper has 0.0001
    D_ortho: float = 0.0           # the same of D
    ema_decay: float = 0.9999      # decay of Gs per iteration; None = there is no Gs
    ema_start: int = 20000         # iterations before which Gs is a copy of G
    G_first: bool = False          # is G trained before D, as in SAGAN?
    reals_only: bool = False       # do only reals move the singular vectors of D, as in SAGAN?
    clip: float = None             # limit of D's weights after each of its steps, as in WGAN; None = no limit
    slow_start: bool = False       # 100 steps of D for the first 25 of G and every 500th, as in WGAN?
    G_images: int = 1              # fakes in a step of G for each in a step of D; 2 in WGAN-GP for CIFAR


def classes(streams, schedule, **options):
    """The method, for one stream of images of classes; without labels all are of one class.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule with the fields `G_lrate` and `D_lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or labels that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    check(options, data)
    shape = dict(num_channels=data.shape[0], resolution=data.shape[1], label_size=data.label_size)
    nets = OrderedDict()
    for name, role in (('G', 'generator'), ('D', 'discriminator')):
        args = dict(shape, **(getattr(options, name + '_args') or {}))
        nets[name] = Net(args.pop('func_name', f'training.networks.biggan.{name}_biggan'), args, role=role)
    prior = nets['G'].options.get('latents', 'normal')
    latents.parse(prior)
    if options.ema_decay is not None:
        nets['Gs'] = nets['G']._replace(average_of='G')
    drawn, size = 'G' if options.ema_decay is None else 'Gs', schedule.last.minibatch_gpu
    is_named = options.D_loss_args is not None
    if is_named:
        options = options._replace(**{name + '_loss_args': named.complete(name, getattr(options, name + '_loss_args'))
                                      for name in 'GD'})
    return Method(
        'latent' if is_named else 'classes', nets, groups={
            name: Group((name,), getattr(options, name + '_opt_args') or {}, name + '_lrate') for name in 'GD'},
        stages=lambda step: make_stages(step, options, prior, data),
        pictures=lambda networks, cells: translating.rows(cells, draw(networks[drawn], cells.latents, cells.labels,
                                                                      size)),
        fakes=lambda networks, count, seed: draw_seed(
            networks[drawn], data, Random(count, seed, size), prior),
        latents=lambda networks, count: latents.draw(np.random, [count] + networks['G'].input_shape[1:], prior),
        logits=named.parsed('D', options.D_loss_args).criterion in loss_names.LOGISTIC if is_named else
        options.loss == 'logistic')


def check(options, data):
    """Raises UserError for options that don't fit each other or the images and labels of a dataset."""
    if options.loss not in LOSSES:
        raise UserError(f'loss must be {" or ".join(LOSSES)}, not {options.loss!r}')
    if not isinstance(options.num_D_steps, int) or options.num_D_steps < 1:
        raise UserError(f'num_D_steps must be a whole number of at least 1, got {options.num_D_steps!r}')
    if (options.G_loss_args is None) != (options.D_loss_args is None):
        raise UserError('G_loss_args and D_loss_args belong together; give both or none')
    if options.ema_decay is not None and not 0 <= options.ema_decay < 1:
        raise UserError(f'ema_decay must be a number from 0 to below 1, or None, got {options.ema_decay!r}')
    if data.shape[1] != data.shape[2]:
        raise UserError(f'these networks draw square images, not {data.shape[1]}x{data.shape[2]}; give a --resolution')
    if data.label_size:
        labels = data.read_labels(np.arange(min(data.num_images, LOOKED_AT)))
        if not ((labels == 0) | (labels == 1)).all() or (labels.sum(axis=1) != 1).any():
            raise UserError('each image must be of one class, but the labels of this dataset combine several; '
                            '--classes=N takes the first N columns of them (for the built-in cats --classes=15, coats)')


def make_stages(step, options, prior, data):
    """The stages, see above."""
    translating.is_static(step.sched['minibatch_gpu'])
    if options.D_loss_args is None:
        D_stages = [D_stage(step, options, prior, f'D{i}' if options.num_D_steps > 1 else 'D')
                    for i in range(options.num_D_steps)]
        with step.losses('G'):
            fakes, labels = draw_fakes(step, prior)
            scores = translating.in_training(step.nets['D'], fakes, labels, is_training=not options.reals_only)
            G_loss = report_mean('Loss/G', LOSSES[options.loss][1](scores))
            G_loss += orthogonality(step.nets['G'], options.G_ortho)
        G_stages = [step.train('G', {'G': G_loss})]
    else:
        D_stages, G_stages = named_stages(step, options, data)
    stages = G_stages + D_stages if options.G_first else D_stages + G_stages
    if options.ema_decay is None:
        return stages
    beta = step.sched.derive('Gs_beta', lambda sched: (
        0.0 if sched['kimg'] * 1000 / sched['minibatch_size'] + 1 < options.ema_start else options.ema_decay))
    follow = step.nets['Gs'].setup_as_moving_average_of(step.nets['G'], beta, beta_nontrainable=beta)
    return stages + [Stage('Gs', follow, rounds=False)]


def named_stages(step, options, data):
    """Stages whose losses have names: (those of D, which are one operation, those of G)."""
    nets, (reals, labels), size = step.nets, next(iter(step.batch.values())), step.sched['minibatch_gpu']
    inputs = dict(G=nets['G'], D=nets['D'], training_set=data, equalized=False)
    with_reals = dict(inputs, reals=reals, labels=labels, minibatch_size=size)
    post = [] if options.clip is None else [lambda: named.clipped(nets['D'], options.clip)]
    with step.losses('D'):
        loss = named.value('D', dict(with_reals, **options.D_loss_args)) + orthogonality(nets['D'], options.D_ortho)
    first = step.train('D', {'D': loss}, batch='next', post=post)
    needs_reals = named.parsed('G', options.G_loss_args).needs_reals
    with step.losses('G'):
        args = with_reals if needs_reals else dict(inputs, minibatch_size=size * options.G_images)
        loss = named.value('G', dict(args, **options.G_loss_args)) + orthogonality(nets['G'], options.G_ortho)
    G_stage = step.train('G', {'G': loss}, batch='next' if needs_reals else None)
    D_stages = [first] + [first._replace(name=f'D{i}', skipped=()) for i in range(1, options.num_D_steps)]
    if not options.slow_start:
        return D_stages, [G_stage]
    pace, is_due = make_pace(step, options.num_D_steps)
    return D_stages, [pace, G_stage._replace(when=is_due)]


def is_slow(G_steps):
    """Does D make many steps before this step of G, counted from 0 (Arjovsky et al. 2017, program)?"""
    return (G_steps < 25) | (G_steps % 500 == 0)


def make_pace(step, num_D_steps):
    """(stage that decides whether G is due in this iteration, the variable that says so)."""
    done, waited, is_due = (step.state('G_' + name, [], initial=value) for name, value in (
        ('steps', 0), ('waited', 0), ('due', False)))
    steps, iterations = done.read_value(), waited.read_value() + 1
    due = tf.logical_or(tf.logical_not(is_slow(steps)), iterations * num_D_steps >= SLOW_STEPS)
    op = tf.group(tf.assign(is_due, due), tf.assign(waited, tf.where(due, 0, iterations)),
                  tf.assign(done, steps + tf.cast(due, tf.int32)))
    return step.run('pace', op), is_due


def D_stage(step, options, prior, name):
    """A step of D on fresh reals and as many fakes."""
    D, (reals, labels) = step.nets['D'], next(iter(step.batch.values()))
    criterion = LOSSES[options.loss][0]
    with step.losses(name):
        fakes, fake_labels = draw_fakes(step, prior)
        fakes = tf.stop_gradient(fakes)
        if options.split_D or options.reals_only:
            fake_scores = translating.in_training(D, fakes, fake_labels, is_training=not options.reals_only)
            with tf.control_dependencies([fake_scores]):  # they begin from the vectors before this step
                real_scores = translating.in_training(D, tf.identity(reals), labels)
        else:
            scores = translating.in_training(D, tf.concat([fakes, reals], 0), tf.concat([fake_labels, labels], 0))
            fake_scores, real_scores = tf.split(scores, 2)
        loss = report_mean('Loss/D_real', criterion.real(real_scores))
        loss += report_mean('Loss/D_fake', criterion.fake(fake_scores)) + orthogonality(D, options.D_ortho)
    return step.train(name, {'D': loss}, batch='next')


def draw_fakes(step, prior):
    """(images, labels) of random latents and, all with the same probability, classes."""
    G, size = step.nets['G'], step.sched['minibatch_gpu']
    labels = draw_labels(size, G.input_shapes[1][1])
    return translating.in_training(G, graph_latents.draw([size] + G.input_shape[1:], prior), labels), labels


def draw_labels(size, label_size):
    """One-hot labels [size, label_size] of random classes."""
    if not label_size:
        return tf.zeros([size, 0])
    return tf.one_hot(random.uniform([size], 0, label_size, tf.int32), label_size)


def orthogonality(network, weight):
    """Weighted penalties of all weights of a network but for G's embedding (Brock et al. 2019, equation 3)."""
    if not weight:
        return 0.0
    return weight * tf.add_n([penalties.orthogonality(tf.transpose(var) if is_table(network, name) else var)
                              for name, var in network.trainables.items() if var.shape.ndims > 1 and name != SHARED])


def is_table(network, name):
    """Has a weight a row for each class, rather than a column for each result?"""
    return name == 'Embed/weight' or name.replace('/weight', '/u0') not in network.vars


def draw(network, latents_in, labels, minibatch_size):
    """Pictures uint8 [N, C, H, W] of latents [N, latent_size] and labels [N, label_size]."""
    found = network.run(latents_in, labels, minibatch_size=minibatch_size)
    return np.clip(np.rint(adjust_dynamic_range(found, [-1, 1], [0, 255])), 0, 255).astype(np.uint8)


def draw_seed(network, data, pictures, prior):
    """Pictures of random latents and of the labels of random images; see `Method.fakes`.

    Args:
        network: Generator.
        data: Dataset whose labels are drawn.
        pictures: Random.
        prior: How latents are drawn, see dnnlib.latents.
    Returns: Iterator of Later.
    """
    return of_labels(
        pictures, data, lambda rnd, size: latents.draw(rnd, [size] + network.input_shape[1:], prior),
        functools.partial(network.run, output_transform=dict(func=tflib.convert_images_to_uint8)))


def standing_statistics(network, passes, prior='normal', minibatch_size=16):
    """Replaces what batch norm stored by the mean over some minibatches (Brock et al. 2019, section 4.2).

    Networks that can't hold sums (norm='batch') move their averages that often instead, as published.

    Args:
        network: Generator; changed.
        passes: Minibatches, list of (latents, labels), or a number of them to be drawn with the seed 0.
        prior, minibatch_size: Of latents that are drawn.
    """
    if isinstance(passes, int):
        rnd, label_size = np.random.RandomState(0), network.input_shapes[1][1]
        passes = [(latents.draw(rnd, [minibatch_size] + network.input_shape[1:], prior), np.eye(
            label_size, dtype=np.float32)[rnd.randint(max(label_size, 1), size=minibatch_size)] if label_size
                   else np.zeros([minibatch_size, 0])) for _ in range(passes)]
    if network.static_kwargs.get('norm') == 'standing':
        tflib.set_vars({var: np.zeros(var.shape.as_list(), np.float32) for name, var in network.vars.items()
                        if name.rsplit('/', 1)[-1] in ('moving_mean', 'moving_variance', 'count')})
    for found, labels in passes:
        network.run(found, labels, is_training=True, sums=True)
