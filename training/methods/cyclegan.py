"""CycleGAN: two translators between domains without pairs, each of which undoes the other (Zhu et al. 2017)."""

from collections import OrderedDict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from training.methods import judging, translating
from training.methods.plateau import Plateau
from training.terms import content
from training.train_step import Group, Method, report_mean


class Options(NamedTuple):
    """Options of CycleGAN; defaults are the published ones."""
    G_args: dict = None            # both generators: func_name and keyword arguments; None = ResNet of 9 blocks
    D_args: dict = None            # both discriminators; None = of patches of 70x70 pixels
    G_opt_args: dict = None        # tflib.Optimizer of the generators
    D_opt_args: dict = None        # tflib.Optimizer of the discriminators
    criterion: str = 'lsgan'       # what scores are worth: lsgan, vanilla, hinge or wgangp
    lambda_gp: float = 0.0         # weight of the discriminators' gradient penalty, which wgangp was made for: 10 there
    lambda_A: float = 10.0         # weight of the way from A to B and back
    lambda_B: float = 10.0         # weight of the way from B to A and back
    lambda_identity: float = 0.5   # weight, times these, of leaving alone what is in the target domain; 0 = off
    pool_size: int = 50            # earlier fakes that discriminators are shown again; 0 = none
    augment_args: dict = None      # what discriminators see of images, see `judging`; None = all


def cyclegan(streams, schedule, **options):
    """The method, for the streams 'a' and 'b'.

    Args:
        streams: {'a': Stream, 'b': Stream}.
        schedule: Schedule with the field `lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, (a, b) = Options(**options), translating.data_of(streams)
    translating.criterion(options.criterion)
    judging.check(options.augment_args, options.criterion)
    G, D = 'training.networks.resnet.G_resnet', 'training.networks.patchgan.D_patchgan'
    nets = OrderedDict([
        ('G_ab', translating.net(options.G_args, G, a, out_channels=b.shape[0])),
        ('G_ba', translating.net(options.G_args, G, b, out_channels=a.shape[0])),
        ('D_a', translating.net(options.D_args, D, a, 'discriminator')),
        ('D_b', translating.net(options.D_args, D, b, 'discriminator'))])
    size = schedule.last.minibatch_gpu
    return Method(
        'cyclegan', nets, dict(G=Group(('G_ab', 'G_ba'), options.G_opt_args or translating.ADAM, 'lrate'),
                               D=Group(('D_a', 'D_b'), options.D_opt_args or translating.ADAM, 'lrate')),
        stages=lambda step: make_stages(step, options),
        pictures=lambda networks, cells: pictures(networks, cells, size),
        sheets=lambda cells: judging.sheets(options.augment_args, [cells.batch[name][0] for name in 'ab']),
        translation=translating.translation('G_ab', size))  # the way back is in the pictures


def make_stages(step, options):
    """One stage, in which all networks step from what they were before it: the published order, with the fakes and the
    discriminators of before the step of the generators."""
    translating.is_static(step.sched['minibatch_gpu'])
    a, b = step.batch['a'].images, step.batch['b'].images
    rate, judges = Plateau(step), judging.Judging(step, options.augment_args, options.criterion)
    with step.losses('GD'):
        fake_b, fake_a = call(step, 'G_ab', a), call(step, 'G_ba', b)
        G_loss = G_losses(step, (a, b), (fake_a, fake_b), options, judges)
        D_loss = tf.add_n([D_losses(step, *args, options, judges) for args in (
            ('D_A', 'D_b', b, fake_b), ('D_B', 'D_a', a, fake_a))])
    trained = step.train('GD', dict(G=G_loss, D=D_loss), batch='this', joint=True, post=judges.post + rate.post(G_loss))
    return rate.stages() + [trained] + judges.stages()


def call(step, name, images):
    """A network's graph of the training."""
    return step.nets[name].get_output_for(images, is_training=True)


def G_losses(step, reals, fakes, options, judges):
    """Loss of both generators; parts have the published names, `idt_A` that of the generator from A to B.

    Args:
        step: Step.
        reals, fakes: Images of (A, B).
        options: Options.
        judges: judging.Judging.
    """
    (a, b), (fake_a, fake_b) = reals, fakes
    scored = translating.criterion(options.criterion).fooled
    losses = [('G_A', scored(call(step, 'D_b', *judges.see(fake_b)))),
              ('G_B', scored(call(step, 'D_a', *judges.see(fake_a)))),
              ('cycle_A', options.lambda_A * content.difference(call(step, 'G_ba', fake_b), a)),
              ('cycle_B', options.lambda_B * content.difference(call(step, 'G_ab', fake_a), b))]
    if options.lambda_identity:
        losses += [(name, options.lambda_identity * weight * content.difference(call(step, network, image), image))
                   for name, weight, network, image in (('idt_A', options.lambda_B, 'G_ab', b),
                                                        ('idt_B', options.lambda_A, 'G_ba', a))]
    return tf.add_n([report_mean('Loss/' + name, loss) for name, loss in losses])


def D_losses(step, tag, name, reals, fakes, options, judges):
    """Loss of the discriminator `name`, which sees earlier fakes as well."""
    criterion, fakes = translating.criterion(options.criterion), translating.query_pool(
        step, 'pool_' + name[-1], fakes, options.pool_size)
    (reals,), (fakes,) = judges.see(reals), judges.see(fakes)
    real_scores = call(step, name, reals)
    judges.count(real_scores)
    real = tf.reduce_mean(criterion.real(real_scores))
    loss = report_mean('Loss/' + tag, 0.5 * (real + tf.reduce_mean(criterion.fake(call(step, name, fakes)))))
    if options.lambda_gp:
        loss += report_mean(f'Loss/{tag}_gp', judging.gradient_penalty(
            step.nets[name].get_output_for, reals, fakes, options.lambda_gp))
    return loss


def pictures(networks, cells, minibatch_size):
    """Rows of A, its translations, B, its translations."""
    a, b = (cells.batch[name][0] for name in 'ab')
    return translating.rows(cells, a, translating.translate(networks['G_ab'], a, minibatch_size),
                            b, translating.translate(networks['G_ba'], b, minibatch_size))
