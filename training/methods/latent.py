"""Generators without styles, whose losses have names: DCGAN, WGAN, WGAN-GP, with or without classes.

Radford et al. 2016, Arjovsky et al. 2017, Gulrajani et al. 2017. Stages are one step of D or several, each with fresh
images, then one of G, then its moving average Gs, if there is one.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import latents
from dnnlib.util import UserError
from training import image_size, loss_names
from training.methods import by_name, classes, translating
from training.report.fakes import Random
from training.train_step import Group, Method, Net, Stage

SLOW_STEPS = 100  # of D before one of G where WGAN is slow


class Options(NamedTuple):
    """Options of the method."""
    G_args: dict = None        # generator: func_name and keyword arguments
    D_args: dict = None        # discriminator
    G_opt_args: dict = None    # tflib.Optimizer of the generator
    D_opt_args: dict = None    # tflib.Optimizer of the discriminator
    G_loss_args: dict = None   # loss of the generator: func_name and keyword arguments
    D_loss_args: dict = None   # loss of the discriminator; fakes have the labels of the reals
    num_D_steps: int = 1       # steps of D for each of G
    clip: float = None         # limit of D's weights after each of its steps, as in WGAN; None = no limit
    slow_start: bool = False   # 100 steps of D for the first 25 of G and every 500th, as in WGAN's program?
    G_images: int = 1          # fakes in a step of G for each in a step of D; 2 in WGAN-GP for CIFAR
    ema_decay: float = None    # decay of Gs per iteration; None = there is no Gs, as published


def latent(streams, schedule, **options):
    """The method, for one stream of reals.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule with the fields `G_lrate` and `D_lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    check(options)
    losses = {name: by_name.complete(name, getattr(options, name + '_loss_args')) for name in 'GD'}
    by_name.check_classes(data, losses)
    shape = dict(num_channels=data.shape[0], resolution=image_size.option(*data.shape[1:]), label_size=data.label_size)
    nets = OrderedDict()
    for name, role in (('G', 'generator'), ('D', 'discriminator')):
        args = dict(shape, **(getattr(options, name + '_args') or {}))
        nets[name] = Net(args.pop('func_name', f'training.networks.dcgan.{name}_dcgan'), args, role=role)
    prior = nets['G'].options.get('latents', 'normal')
    latents.parse(prior)
    if options.ema_decay is not None:
        nets['Gs'] = nets['G']._replace(average_of='G')
    drawn, size = 'G' if options.ema_decay is None else 'Gs', schedule.last.minibatch_gpu
    return Method(
        'latent', nets, groups={name: Group((name,), getattr(options, name + '_opt_args') or {}, name + '_lrate')
                                for name in 'GD'},
        stages=lambda step: make_stages(step, options, losses, data),
        pictures=lambda networks, cells: translating.rows(
            cells, classes.draw(networks[drawn], cells.latents, cells.labels, size)),
        fakes=lambda networks, count, seed: classes.draw_seed(networks[drawn], data, Random(count, seed, size), prior),
        latents=lambda networks, count: latents.draw(np.random, [count] + networks['G'].input_shape[1:], prior),
        logits=by_name.parsed('D', losses['D']).criterion in loss_names.LOGISTIC)


def check(options):
    """Raises UserError for values of Options that make no sense."""
    for name in ('num_D_steps', 'G_images'):
        translating.check_count(name, getattr(options, name))
    if options.clip is not None and not options.clip > 0:
        raise UserError(f'clip must be a number above 0, or None, got {options.clip!r}')
    if options.ema_decay is not None and not 0 <= options.ema_decay < 1:
        raise UserError(f'ema_decay must be a number from 0 to below 1, or None, got {options.ema_decay!r}')


def make_stages(step, options, losses, data):
    """The stages, see above; those of D are one operation.

    Args:
        step: Step.
        options: Options.
        losses: {'G' or 'D': func_name and keyword arguments}.
        data: Dataset, gives random labels.
    """
    G, D, (reals, labels) = step.nets['G'], step.nets['D'], next(iter(step.batch.values()))
    size = translating.is_static(step.sched['minibatch_gpu'])
    inputs = dict(G=G, D=D, training_set=data, equalized=False)
    with_reals = dict(inputs, reals=reals, labels=labels, minibatch_size=size)
    clip = [] if options.clip is None else [lambda: by_name.clipped(D, options.clip)]
    with step.losses('D'):
        loss = by_name.value('D', dict(with_reals, **losses['D']))
    first = step.train('D', {'D': loss}, batch='next', at_step=clip)
    needs_reals = by_name.parsed('G', losses['G']).needs_reals
    with step.losses('G'):
        args = with_reals if needs_reals else dict(inputs, minibatch_size=size * options.G_images)
        loss = by_name.value('G', dict(args, **losses['G']))
    G_stages = [step.train('G', {'G': loss}, batch='next' if needs_reals else None)]
    if options.slow_start:
        pace, is_due = make_pace(step, options.num_D_steps)
        G_stages = [pace, G_stages[0]._replace(when=is_due)]
    if options.ema_decay is not None:
        follow = step.nets['Gs'].setup_as_moving_average_of(G, options.ema_decay, beta_nontrainable=options.ema_decay)
        G_stages.append(Stage('Gs', follow, rounds=False))
    return [first] + [first._replace(name=f'D{i}', skipped=()) for i in range(1, options.num_D_steps)] + G_stages


def is_slow(G_steps):
    """Does D make many steps before this step of G, an int64 tensor, counted from 0 (Arjovsky et al. 2017, program)?"""
    is_500th = tf.equal(G_steps // 500 * 500, G_steps)  # TensorFlow 1.14 has no remainder of int64 on GPUs
    return tf.logical_or(G_steps < 25, is_500th)


def make_pace(step, num_D_steps):
    """(stage that decides whether G is due in this iteration, the variable that says so)."""
    done, waited, is_due = (step.state('G_' + name, [], initial=value) for name, value in (
        ('steps', np.int64(0)), ('waited', np.int64(0)), ('due', False)))
    steps, iterations = done.read_value(), waited.read_value() + 1
    due = tf.logical_or(tf.logical_not(is_slow(steps)), iterations * num_D_steps >= SLOW_STEPS)
    op = tf.group(tf.assign(is_due, due), tf.assign(waited, tf.where(due, np.int64(0), iterations)),
                  tf.assign(done, steps + tf.cast(due, tf.int64)))
    return step.run('pace', op), is_due
