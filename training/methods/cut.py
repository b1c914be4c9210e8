"""CUT and FastCUT: one translator whose patches should tell their source (Park et al. 2020)."""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from dnnlib.util import call_func_by_name, UserError
from training.methods import judging, translating
from training.methods.plateau import Plateau
from training.networks import patch_mlp
from training.terms import content, nce, penalties
from training.train_step import Group, Method, Net, report_mean


SAMPLERS = ('mlp_sample', 'sample', 'reshape')


class Options(NamedTuple):
    """Options of CUT; defaults are the published ones."""
    G_args: dict = None              # generator: func_name and keyword arguments; None = ResNet of 9 blocks
    F_args: dict = None              # what patches are compared by; None = two layers for each tap
    D_args: dict = None              # discriminator; None = of patches of 70x70 pixels
    G_opt_args: dict = None          # tflib.Optimizer of the generator
    F_opt_args: dict = None          # tflib.Optimizer of F
    D_opt_args: dict = None          # tflib.Optimizer of the discriminator
    criterion: str = 'lsgan'         # what scores are worth: lsgan, vanilla, nonsaturating, hinge or wgangp
    lambda_GAN: float = 1.0          # weight of the scores
    lambda_NCE: float = 1.0          # weight of the contrast of patches; FastCUT: 10
    nce_idt: bool = True             # contrast B and its translation, too? FastCUT: no
    nce_layers: tuple = (0, 4, 8, 12, 16)  # layers of the generator that are compared
    netF: str = 'mlp_sample'         # how they are: samples by the network F, `sample` = themselves, `reshape` = their
    #                                  averages over 4x4 parts of the image
    nce_T: float = 0.07              # temperature of the contrast
    num_patches: int = 256           # samples of each layer
    nce_includes_all_negatives_from_minibatch: bool = False  # look for negatives in all images, not one?
    flip_equivariance: bool = False  # mirror half of the minibatches? FastCUT: yes
    lambda_R1: float = 0.0           # weight of the discriminator's gradients at reals; SinCUT: 1
    lambda_identity: float = 0.0     # weight of leaving B as it is; SinCUT: 1
    lambda_gp: float = 0.0           # weight of the gradient penalty, which wgangp was made for: 10 there
    pool_size: int = 0               # earlier fakes that the discriminator is shown again; 0 = none, as published
    augment_args: dict = None        # what the discriminator sees of images, see `judging`; None = all


def cut(streams, schedule, **options):
    """The method, for the streams 'a' and 'b'.

    Args:
        streams: {'a': Stream, 'b': Stream}.
        schedule: Schedule with the field `lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    smooth = dict(antialias=True, init='xavier')
    return make('cut', streams, schedule, Options(**options), ('training.networks.resnet.G_resnet', smooth),
                ('training.networks.patchgan.D_patchgan', smooth))


def make(name, streams, schedule, options, G, D):
    """The method `name` on networks of these kinds; see `cut`.

    Args:
        name, streams, schedule: As in `cut`.
        options: Options, or a tuple with the same fields.
        G, D: (func_name, options) of generator and discriminator, where the options of the method don't say otherwise.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    a, b = translating.data_of(streams)
    translating.criterion(options.criterion)
    judging.check(options.augment_args, options.criterion)
    if options.netF not in SAMPLERS:
        raise UserError(f'netF must be {", ".join(SAMPLERS)}, not {options.netF!r}')
    has_F, set_of_F = options.netF == 'mlp_sample', set(options.F_args or ()) - {'func_name'}
    if set_of_F and not has_F:
        raise UserError(f'netF={options.netF} has no network F; drop F.{min(set_of_F)}, or choose netF=mlp_sample')
    if options.lambda_identity and not options.nce_idt:
        raise UserError('lambda_identity compares B with its translation, which nce_idt=no leaves out; set it to 0')
    G = translating.net(options.G_args, G[0], a, out_channels=b.shape[0], **G[1])
    nets = OrderedDict([('G', G)])
    if has_F:
        F_args = dict(dict(func_name='training.networks.patch_mlp.F_mlp', widths=tap_widths(G, options.nce_layers),
                           input_names=[f'tap{number}' for number in options.nce_layers]), **(options.F_args or {}))
        nets['F'] = Net(F_args.pop('func_name'), F_args, role='sampler')
    nets['D'] = translating.net(options.D_args, D[0], b, 'discriminator', **D[1])
    size = schedule.last.minibatch_gpu
    return Method(
        name, nets, {name: Group((name,), getattr(options, name + '_opt_args') or translating.ADAM, 'lrate')
                     for name in nets},
        stages=lambda step: make_stages(step, options), pictures=lambda networks, cells: translating.rows(
            cells, cells.batch['a'][0], translating.translate(networks['G'], cells.batch['a'][0], size)),
        sheets=lambda cells: judging.sheets(options.augment_args, [cells.batch['b'][0]], minibatch_size=size),
        translation=translating.translation('G', size))


def tap_widths(net, taps):
    """Channels of layers of a generator that is not made yet: list of ints.

    Args:
        net: Net.
        taps: Numbers of the layers.
    """
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [1, net.options['num_channels'], None, None])
        found = call_func_by_name(images, func_name=net.func_name, **dict(net.options, taps=taps, encode_only=True))
    return [tap.shape.as_list()[3] for tap in found]


def make_stages(step, options):
    """A step of D, then a joint one of G and F with the D that made it. Both draw whether the minibatch is mirrored."""
    a, b = step.batch['a'].images, step.batch['b'].images
    G, D = (partial(translating.in_training, step.nets[name]) for name in 'GD')
    rate, judges = Plateau(step), judging.Judging(step, options.augment_args, options.criterion)
    criterion = translating.criterion(options.criterion)
    with step.losses('D'):
        fakes = tf.stop_gradient(step.nets['G'].get_output_for(mirror_half(a, options)[0]))
        if options.pool_size:
            fakes = translating.query_pool(step, 'pool', fakes, options.pool_size)
        (real,), (fake,) = judges.see(b), judges.see(fakes)
        real_scores = D(real)
        judges.count(real_scores)
        losses = [report_mean('Loss/D_fake', criterion.fake(D(fake))),
                  report_mean('Loss/D_real', criterion.real(real_scores))]
        D_loss = 0.5 * tf.add_n(losses)
        if options.lambda_gp:
            D_loss += report_mean('Loss/D_gp', judging.gradient_penalty(
                step.nets['D'].get_output_for, real, fake, options.lambda_gp))
        if options.lambda_R1:
            D_loss += report_mean('Loss/D_R1', 0.5 * options.lambda_R1 * penalties.gradient_penalty(real_scores, b))
    with step.losses('G'):
        sources, is_mirrored = mirror_half(tf.concat([a, b], axis=0) if options.nce_idt else a, options)
        fakes = G(sources)
        fakes, same = tf.split(fakes, 2) if options.nce_idt else (fakes, None)
        G_loss = report_mean('Loss/G_GAN', options.lambda_GAN * criterion.fooled(D(*judges.see(fakes))))
        contrast = report_mean('Loss/NCE', contrast_losses(step, a, fakes, is_mirrored, options))
        if options.nce_idt:
            own = report_mean('Loss/NCE_Y', contrast_losses(step, b, same, is_mirrored, options))
            contrast = 0.5 * (contrast + own)
        G_loss += contrast
        if options.lambda_identity:
            G_loss += report_mean('Loss/idt', options.lambda_identity * content.difference(same, b))
    trained = [step.train('D', {'D': D_loss}, batch='this', post=judges.post),
               step.train('G', OrderedDict((name, G_loss) for name in step.nets if name != 'D'), batch='this',
                          joint=True, post=rate.post(G_loss))]
    return rate.stages() + trained + judges.stages()


def mirror_half(images, options):
    """Images mirrored left to right with probability 1/2, if that is wanted, and whether they are, a boolean tensor."""
    if not options.flip_equivariance:
        return images, tf.constant(False)
    is_mirrored = random.uniform([]) < 0.5
    return tf.cond(is_mirrored, lambda: tf.reverse(images, [3]), lambda: tf.identity(images)), is_mirrored


def contrast_losses(step, sources, translations, is_mirrored, options):
    """Mean over layers of how badly patches of translations tell where in their sources they are from, times lambda.

    Args:
        step: Step.
        sources, translations: [N, C, H, W].
        is_mirrored: Are the translations those of mirrored sources? Boolean tensor.
        options: Options.
    Returns: Scalar.
    """
    G, taps = step.nets['G'], options.nce_layers
    queries, keys = [translating.in_training(G, images, taps=taps, encode_only=True, return_as_list=True)
                     for images in (translations, sources)]
    rows = zip(*[samples(query, key, is_mirrored, options) for query, key in zip(queries, keys)])
    if 'F' in step.nets:
        queries, keys = [step.nets['F'].get_output_for(*found, return_as_list=True) for found in rows]
    else:
        queries, keys = [[patch_mlp.unit_rows(values) for values in found] for found in rows]
    groups = 1 if options.nce_includes_all_negatives_from_minibatch else step.sched['minibatch_gpu']
    losses = [tf.reduce_mean(nce.patch_nce(query, key, groups, options.nce_T)) for query, key in zip(queries, keys)]
    return options.lambda_NCE * tf.add_n(losses) / len(losses)


def samples(query, key, is_mirrored, options):
    """Rows of the feature maps of a translation and of its source, of the same places; see `contrast_losses`."""
    if options.netF == 'reshape':
        if options.flip_equivariance:
            query = tf.cond(is_mirrored, lambda: tf.reverse(query, [2]), lambda: tf.identity(query))
        return nce.averages(query), nce.averages(key)
    height, width = key.shape.as_list()[1:3]
    positions = nce.draw_positions(height, width, options.num_patches)
    return (nce.sample(query, tf.where(is_mirrored, nce.mirrored(positions, width), positions)),
            nce.sample(key, positions))
