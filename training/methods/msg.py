"""MSG-GAN: G draws images of all sizes from 4x4 pixels on, D looks at all of them (Karnewar and Wang 2020).

Stages are D, the moving average Gs of G, then G, or Gs last. Reals of smaller sizes are means over squares of pixels.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.util import UserError
from training import image_size
from training.methods import progan
from training.train_step import Stage

STYLEGAN = 'training.networks.msg_stylegan'
NETWORKS = dict(G=STYLEGAN + '.G_style', D=STYLEGAN + '.D_basic')


class Options(NamedTuple):
    """Options of the method; defaults are those of the form of StyleGAN."""
    G_args: dict = None        # generator: func_name and keyword arguments
    D_args: dict = None        # discriminator
    G_opt_args: dict = None    # tflib.Optimizer of the generator
    D_opt_args: dict = None    # tflib.Optimizer of the discriminator
    G_loss_args: dict = None   # loss of the generator: func_name and keyword arguments
    D_loss_args: dict = None   # loss of the discriminator
    Gs_kimg: float = 10.0      # half-life of Gs in thousand images; as published
    Gs_beta: float = None      # decay of Gs per iteration instead, after the step of G; 0.999 in the form of ProGAN


def msg(streams, schedule, **options):
    """The method, for one stream of reals.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or data that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    if options.Gs_beta is not None and not 0 <= options.Gs_beta < 1:
        raise UserError(f'Gs_beta must be a number from 0 to below 1, or None, got {options.Gs_beta!r}')
    nets, levels = progan.make_nets(options, NETWORKS, data), image_size.parse(data.shape[1:]).num_levels
    is_labeled = nets['D'].func_name == NETWORKS['D']
    if not is_labeled:
        if data.label_size:
            raise UserError(f'MSG-GAN in the form of ProGAN knows no labels, but the dataset has {data.label_size}; '
                            'give --set dataset.max_label_size=0')
        for net in nets.values():
            del net.options['label_size']
    names = [f'images_lod{lod}_in' for lod in range(levels - 2, -1, -1)] + ['labels_in'] * is_labeled
    nets['D'].options['input_names'] = names
    nets['Gs'] = nets['G']._replace(average_of='G')
    return progan.make_method('msg', nets, options, schedule, data,
                              lambda step: make_stages(step, data, options, levels - 1),
                              ('G', 'D', 'Gs') if is_labeled else None)


def make_stages(step, data, options, sizes):
    """The stages, see above.

    Args:
        step: Step.
        data: Dataset, gives random labels.
        options: Options.
        sizes: Number of sizes of images.
    """
    reals, labels = next(iter(step.batch.values()))
    losses, G, Gs = progan.make_losses(options), step.nets['G'], step.nets['Gs']
    inputs = dict(G=AllSizes(G), D=Pyramids(step.nets['D']), training_set=data,
                  minibatch_size=step.sched['minibatch_gpu'])
    with_reals = dict(inputs, reals=pyramid(reals, sizes), labels=labels)
    D_stage = progan.train(step, 'D', dict(with_reals, **losses['D']), 'this')
    G_stage = progan.train_G(step, inputs, with_reals, losses['G'])
    if options.Gs_beta is None:
        return [D_stage, step.average('Gs', of='G', kimg=options.Gs_kimg), G_stage]
    return [D_stage, G_stage,
            Stage('Gs', Gs.setup_as_moving_average_of(G, beta=options.Gs_beta), rounds=False)]


def pyramid(images, sizes):
    """Images of several sizes, each half the next one, by means over squares of 2x2 pixels.

    Args:
        images: [N, C, H, W], the largest.
        sizes: How many.
    Returns: List of [N, C, h, w], the smallest first.
    """
    # a gradient at the largest must not go through the smaller ones
    return [tflib.shrink_images(images, 2 ** lod) for lod in range(sizes - 1, 0, -1)] + [tf.identity(images)]


class _Seen:
    """A network as the losses see it."""

    def __init__(self, network):
        self._network = network

    def __getattr__(self, name):
        return getattr(self._network, name)


class AllSizes(_Seen):
    """A generator that returns images of all sizes; one alone beside its dlatents, which are asked for path lengths."""

    def get_output_for(self, *inputs, **options):
        """As of the Network."""
        return self._network.get_output_for(*inputs, **dict(options, all_sizes='return_dlatents' not in options))


class Pyramids(_Seen):
    """A discriminator that is given images of all sizes as one input, a list.

    Or the largest alone, by `training.loss`, whose path lengths come with scores that nobody looks at.
    """

    def get_output_for(self, images, *others, **options):
        """As of the Network, if that has so many inputs; without options that it doesn't have."""
        if not isinstance(images, (list, tuple)):
            images = pyramid(images, sum(len(shape) == 4 for shape in self._network.input_shapes))
        options = {name: value for name, value in options.items() if name in self._network.option_names}
        return self._network.get_output_for(*(list(images) + list(others))[:self._network.num_inputs], **options)
