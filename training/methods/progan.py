"""ProGAN: networks that grow, Wasserstein loss with a gradient penalty, classes by an auxiliary classifier.

Karras et al. 2018, appendix A. Stages are D, the moving average Gs of G, then G. All networks are told the level of
detail before, and the optimizers forget their moments at a new level.
"""

import functools
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib import latents, tflib
from dnnlib.util import UserError
from training import image_size, loss_names
from training.methods import by_name, growing
from training.report.fakes import of_labels, Random
from training.train_step import Group, Method, Net, Stage

G_PAPER, D_PAPER = 'training.networks.progan.G_paper', 'training.networks.progan.D_paper'


class Options(NamedTuple):
    """Options of the method."""
    G_args: dict = None        # generator: func_name and keyword arguments
    D_args: dict = None        # discriminator
    G_opt_args: dict = None    # tflib.Optimizer of the generator
    D_opt_args: dict = None    # tflib.Optimizer of the discriminator
    G_loss_args: dict = None   # loss of the generator: func_name and keyword arguments
    D_loss_args: dict = None   # loss of the discriminator
    Gs_beta: float = 0.999     # decay of Gs per step of D, whatever the minibatch; as published
    reset_opt_for_new_lod: bool = True  # forget the moments where a level begins? They are of other gradients


def progan(streams, schedule, **options):
    """The method, for one stream of reals.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    if not 0 <= options.Gs_beta < 1:
        raise UserError(f'Gs_beta must be a number from 0 to below 1, got {options.Gs_beta!r}')
    nets = make_nets(options, dict(G=G_PAPER, D=D_PAPER), data)
    nets['Gs'] = nets['G']._replace(average_of='G')
    losses = make_losses(options)
    by_name.check_classes(data, losses)
    return make_method('progan', nets, options, schedule, data, lambda step: make_stages(step, data, options, losses))


def make_nets(options, functions, data):
    """{'G' and 'D': Net}, ordered; `functions`: names of the build functions, unless `options` have others."""
    shape = dict(num_channels=data.shape[0], resolution=image_size.option(*data.shape[1:]), label_size=data.label_size)
    nets = OrderedDict()
    for name, role in (('G', 'generator'), ('D', 'discriminator')):
        args = dict(shape, **(getattr(options, name + '_args') or {}))
        nets[name] = Net(args.pop('func_name', functions[name]), args, role=role)
    return nets


def make_losses(options):
    """{'G' and 'D': func_name and options of its loss}."""
    return {name: by_name.complete(name, getattr(options, name + '_loss_args')) for name in 'GD'}


def make_method(name, nets, options, schedule, data, stages, saved_as=('G', 'D', 'Gs')):
    """The method of a generator and a discriminator that are made of latents and labels.

    Args:
        name: Of the method.
        nets: {name: Net} of G, D and perhaps Gs, which is drawn then.
        options: NamedTuple with `G_opt_args`, `D_opt_args` and `D_loss_args`.
        schedule: Schedule.
        data: Dataset.
        stages, saved_as: See Method.
    """
    size, drawn, prior = schedule.last.minibatch_gpu, 'Gs' if 'Gs' in nets else 'G', nets['G'].options.get(
        'latents', 'normal')
    criterion = by_name.parsed('D', make_losses(options)['D']).criterion
    return Method(
        name, nets, saved_as=saved_as, stages=stages,
        groups={name: Group((name,), getattr(options, name + '_opt_args') or {}, name + '_lrate') for name in 'GD'},
        pictures=lambda networks, cells: draw(networks[drawn], cells, size),
        fakes=lambda networks, count, seed: draw_seed(networks[drawn], data, Random(count, seed, size), prior),
        latents=lambda networks, count: latents.draw(np.random, [count] + networks['G'].input_shape[1:], prior),
        logits=criterion in loss_names.LOGISTIC)


def make_stages(step, data, options, losses):
    """The stages, see above.

    Args:
        step: Step.
        data: Dataset, gives random labels.
        options: Options.
        losses: {'G' or 'D': func_name and keyword arguments}.
    Returns: List of Stage.
    Raises: UserError if the schedule grows but a network can't.
    """
    G, D, Gs, lod = step.nets['G'], step.nets['D'], step.nets['Gs'], step.sched['lod']
    reals, labels = next(iter(step.batch.values()))
    before = []
    if tflib.is_tf_expression(lod):
        growing.check_growing(OrderedDict([('G', G), ('D', D)]))
        reals = growing.fade_reals(reals, lod, data.shape)
        before.append(step.run('lod', growing.set_lod([G, D], lod)))
    inputs = dict(G=G, D=D, training_set=data, minibatch_size=step.sched['minibatch_gpu'])
    with_reals = dict(inputs, reals=reals, labels=labels)
    D_stage = train(step, 'D', dict(with_reals, **losses['D']), 'this')
    average = Stage('Gs', Gs.setup_as_moving_average_of(G, beta=options.Gs_beta), rounds=False)
    G_stage = train_G(step, inputs, with_reals, losses['G'])
    if tflib.is_tf_expression(lod) and options.reset_opt_for_new_lod:
        before.append(step.reset_moments('reset'))
    return before + [D_stage, average, G_stage]


def train_G(step, inputs, with_reals, loss_args):
    """The stage of G, which looks at reals only if its loss compares with them.

    Args:
        step: Step.
        inputs, with_reals: Arguments of its loss, without and with reals and their labels.
        loss_args: func_name and options of the loss.
    """
    if by_name.parsed('G', loss_args).needs_reals:
        return train(step, 'G', dict(with_reals, **loss_args), 'this')
    return train(step, 'G', dict(inputs, **loss_args), None)


def train(step, name, loss_args, batch, at_step=()):
    """The stage of a network, with its regularization in every step.

    Args:
        step: Step.
        name: 'G' or 'D', of network and group.
        loss_args: func_name and keyword arguments of the loss.
        batch: See Stage.
        at_step: See Step.train.
    """
    with step.losses(name):
        total = by_name.value(name, loss_args)
    return step.train(name, {name: total}, batch=batch, at_step=at_step)


def to_bytes(network, latents_in, labels, minibatch_size):
    """Pictures uint8 [N, C, H, W] of latents and labels: 127.5 x + 127.5, halves to even, as ProGAN rounds."""
    options = dict(is_validation=True) if 'is_validation' in network.option_names else {}  # without truncation
    images = network.run(*[latents_in, labels][:network.num_inputs], minibatch_size=minibatch_size, **options)
    return np.clip(np.rint(images * np.float32(127.5) + np.float32(127.5)), 0, 255).astype(np.uint8)


def draw(network, cells, minibatch_size):
    """Rows of the picture grid, see `Method.pictures`."""
    pictures = to_bytes(network, cells.latents, cells.labels, minibatch_size)
    return [pictures[begin:begin + cells.size[0]] for begin in range(0, len(pictures), cells.size[0])]


def draw_seed(network, data, pictures, prior='normal'):
    """Pictures of random latents and of the labels of random images: iterator of Later, see `fakes.of_labels`."""
    return of_labels(
        pictures, data, lambda rnd, size: latents.draw(rnd, [size] + network.input_shape[1:], prior),
        functools.partial(to_bytes, network, minibatch_size=pictures.minibatch_size))
