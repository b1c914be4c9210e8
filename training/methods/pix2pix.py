"""pix2pix: a translator learned from pairs (Isola et al. 2017)."""

from collections import OrderedDict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from training.methods import judging, translating
from training.methods.plateau import Plateau
from training.terms import content
from training.train_step import Group, Method, report_mean


class Options(NamedTuple):
    """Options of pix2pix; defaults are the published ones."""
    G_args: dict = None          # generator: func_name and keyword arguments; None = U-Net
    D_args: dict = None          # discriminator, which sees pairs; None = of patches of 70x70 pixels, with batch norm
    G_opt_args: dict = None      # tflib.Optimizer of the generator
    D_opt_args: dict = None      # tflib.Optimizer of the discriminator
    criterion: str = 'vanilla'   # what scores are worth: vanilla, lsgan, hinge or wgangp
    lambda_GAN: float = 1.0      # weight of the scores; 0 = learn without a discriminator, which blurs
    lambda_L1: float = 100.0     # weight of the difference from the true translation
    direction: str = 'AtoB'      # or 'BtoA'
    lambda_gp: float = 0.0       # weight of the discriminator's gradient penalty, which wgangp was made for: 10 there
    pool_size: int = 0           # earlier pairs that the discriminator is shown again; 0 = none, as published
    augment_args: dict = None    # what the discriminator sees of pairs, see `judging`; None = all


def pix2pix(streams, schedule, **options):
    """The method, for the streams 'a' and 'b', whose images are pairs.

    Args:
        streams: {'a': Stream, 'b': Stream}, in the same order.
        schedule: Schedule with the field `lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, (a, b) = Options(**options), translating.data_of(streams, is_paired=True)
    translating.criterion(options.criterion)
    judging.check(options.augment_args, options.criterion)
    if options.augment_args is not None and not options.lambda_GAN:
        raise UserError('--aug: with lambda_GAN=0 there is no discriminator whose images could be augmented; drop it')
    if options.direction not in ('AtoB', 'BtoA'):
        raise UserError(f'direction must be AtoB or BtoA, not {options.direction!r}')
    source, target = (a, b) if options.direction == 'AtoB' else (b, a)
    nets = OrderedDict([
        ('G', translating.net(options.G_args, 'training.networks.unet.G_unet', source, out_channels=target.shape[0])),
        ('D', translating.net(options.D_args, 'training.networks.patchgan.D_patchgan', source, 'discriminator',
                              num_channels=source.shape[0] + target.shape[0], norm='batch'))])
    size = schedule.last.minibatch_gpu
    return Method(
        'pix2pix', nets, {name: Group((name,), args or translating.ADAM, 'lrate') for name, args in (
            ('G', options.G_opt_args), ('D', options.D_opt_args))},
        stages=lambda step: make_stages(step, options),
        pictures=lambda networks, cells: pictures(networks, cells, options, size),
        sheets=lambda cells: judging.sheets(options.augment_args, [
            cells.batch[name][0] for name in options.direction.lower().split('to')]),
        translation=translating.translation('G', direction=options.direction))


def make_stages(step, options):
    """A step of D, then one of G with the D that made it. Dropout is drawn for each of them."""
    source, target = (step.batch[name].images for name in options.direction.lower().split('to'))
    rate, judges = Plateau(step), judging.Judging(step, options.augment_args, options.criterion)
    criterion = translating.criterion(options.criterion)

    def scores(pair, **training):
        return step.nets['D'].get_output_for(tf.concat(pair, axis=1), **training)
    with step.losses('D'):  # fakes first, as what batch norm stores depends on the order
        fakes = tf.stop_gradient(step.nets['G'].get_output_for(source))
        conditions = source
        if options.pool_size:
            conditions, fakes = tf.split(translating.query_pool(
                step, 'pool', tf.concat([source, fakes], axis=1), options.pool_size), [
                    source.shape.as_list()[1], fakes.shape.as_list()[1]], axis=1)
        fake, real = judges.see(conditions, fakes), judges.see(source, target)
        losses = [report_mean('Loss/D_fake', criterion.fake(scores(fake, is_training=True)))]
        real_scores = scores(real, is_training=True)
        judges.count(real_scores)
        losses.append(report_mean('Loss/D_real', criterion.real(real_scores)))
        D_loss = 0.5 * tf.add_n(losses)
        if options.lambda_gp:
            D_loss += report_mean('Loss/D_gp', judging.gradient_penalty(
                lambda image, condition: scores([condition, image]), real[1], fake[1], options.lambda_gp, real[:1]))
    with step.losses('G'):
        fakes = step.nets['G'].get_output_for(source, is_training=True)
        G_loss = report_mean('Loss/G_L1', options.lambda_L1 * content.difference(fakes, target))
        if options.lambda_GAN:
            scored = scores(judges.see(source, fakes), is_training=True)
            G_loss += options.lambda_GAN * report_mean('Loss/G_GAN', criterion.fooled(scored))
    trained = [step.train('D', {'D': D_loss}, batch='this', post=judges.post)] if options.lambda_GAN else []
    trained.append(step.train('G', {'G': G_loss}, batch='this', post=rate.post(G_loss)))
    return rate.stages() + trained + judges.stages()


def pictures(networks, cells, options, minibatch_size):
    """Rows of the source, its translations, the truth."""
    source, target = (cells.batch[name][0] for name in options.direction.lower().split('to'))
    return translating.rows(cells, source, translating.translate(networks['G'], source, minibatch_size), target)
