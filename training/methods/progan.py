"""ProGAN: networks that grow, Wasserstein loss with a gradient penalty, classes by an auxiliary classifier.

Karras et al. 2018, appendix A. Stages are D, the moving average Gs of G, then G. All networks are told the level of
detail before, and the optimizers forget their moments at a new level.
"""

import functools
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib import tflib
from dnnlib.util import UserError
from training import image_size, loss_names
from training.methods import growing, named
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
    shape = dict(num_channels=data.shape[0], resolution=image_size.option(*data.shape[1:]), label_size=data.label_size)
    nets = OrderedDict()
    for name, func_name, role in (('G', G_PAPER, 'generator'), ('D', D_PAPER, 'discriminator')):
        args = dict(shape, **(getattr(options, name + '_args') or {}))
        nets[name] = Net(args.pop('func_name', func_name), args, role=role)
    nets['Gs'] = nets['G']._replace(average_of='G')
    size = schedule.last.minibatch_gpu
    losses = {name: named.complete(name, getattr(options, name + '_loss_args')) for name in 'GD'}
    return Method(
        'progan', nets, saved_as=('G', 'D', 'Gs'),
        groups={name: Group((name,), getattr(options, name + '_opt_args') or {}, name + '_lrate') for name in 'GD'},
        stages=lambda step: make_stages(step, data, options, losses),
        pictures=lambda networks, cells: draw(networks['Gs'], cells, size),
        fakes=lambda networks, count, seed: draw_seed(networks['Gs'], data, Random(count, seed, size)),
        latents=lambda networks, count: np.random.randn(count, *networks['G'].input_shape[1:]),
        logits=named.parsed('D', losses['D']).criterion in loss_names.LOGISTIC)


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
    if named.parsed('G', losses['G']).needs_reals:
        G_stage = train(step, 'G', dict(with_reals, **losses['G']), 'this')
    else:
        G_stage = train(step, 'G', dict(inputs, **losses['G']), None)
    if tflib.is_tf_expression(lod) and options.reset_opt_for_new_lod:
        before.append(step.reset_moments('reset'))
    return before + [D_stage, average, G_stage]


def train(step, name, loss_args, batch):
    """The stage of a network, with its regularization in every step.

    Args:
        step: Step.
        name: 'G' or 'D', of network and group.
        loss_args: func_name and keyword arguments of the loss.
        batch: See Stage.
    """
    with step.losses(name):
        total = named.value(name, loss_args)
    return step.train(name, {name: total}, batch=batch)


def to_bytes(network, latents, labels, minibatch_size):
    """Pictures uint8 [N, C, H, W] of latents and labels: 127.5 x + 127.5, halves to even, as the release rounds."""
    images = network.run(latents, labels, minibatch_size=minibatch_size)
    return np.clip(np.rint(images * np.float32(127.5) + np.float32(127.5)), 0, 255).astype(np.uint8)


def draw(network, cells, minibatch_size):
    """Rows of the picture grid, see `Method.pictures`."""
    pictures = to_bytes(network, cells.latents, cells.labels, minibatch_size)
    return [pictures[begin:begin + cells.size[0]] for begin in range(0, len(pictures), cells.size[0])]


def draw_seed(network, data, pictures):
    """Pictures of random latents and of the labels of random images: iterator of Later, see `fakes.of_labels`."""
    return of_labels(
        pictures, data, lambda rnd, size: rnd.randn(size, *network.input_shape[1:]),
        functools.partial(to_bytes, network, minibatch_size=pictures.minibatch_size))
