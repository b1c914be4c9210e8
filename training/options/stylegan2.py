"""Configurations of StyleGAN2 (tables 1 and 2 of the paper), without TensorFlow: `--config=config-a` and so on."""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError
from training.options import augmenting, contest, losses, settings, tuning, width


class Config(NamedTuple):
    """A configuration of the paper."""
    adds: str               # what is new in it
    G: str                  # build function of the generator, below `training.`
    D: str                  # build function of the discriminator
    G_loss: str             # loss of the generator; that of the discriminator is D_logistic_r1
    gamma: float            # weight of R1
    lazy: bool              # regularize in iterations of its own?
    grows: bool             # grow from 8x8 pixels, see GROWING?
    G_options: dict = {}
    D_options: dict = {}


GROWN_MAIN = dict(synthesis_func='G_synthesis_stylegan_revised', fmap_base=8192)
A = Config('StyleGAN', 'networks_stylegan.G_style', 'networks_stylegan.D_basic', 'G_logistic_ns', 10, False, True)
B = A._replace(adds='+ weight demodulation', G='networks_stylegan2.G_main', D='networks_stylegan2.D_stylegan',
               G_options=GROWN_MAIN, D_options=dict(fmap_base=8192))
C = B._replace(adds='+ lazy regularization', lazy=True)
D = C._replace(adds='+ path length regularization', G_loss='G_logistic_ns_pathreg')
E = D._replace(adds='+ no growing, new architectures', D='networks_stylegan2.D_stylegan2', gamma=100, grows=False,
               G_options=dict(fmap_base=8192))
F = E._replace(adds='+ large networks', gamma=10, G_options={}, D_options={})
CONFIGS = OrderedDict(('config-' + letter, config) for letter, config in zip('abcdef', (A, B, C, D, E, F)))  # table 1
CONFIGS.update(  # table 2: config-e with the generators and discriminators of figure 7
    (f'config-e-G{g}-D{d}', E._replace(G_options=dict(E.G_options, architecture=g),
                                       D_options=dict(E.D_options, architecture=d)))
    for g in ('orig', 'resnet', 'skip') for d in ('orig', 'resnet', 'skip'))

CONFIGS['dogs-stylegan-8th'] = A._replace(  # see contest.py
    adds='eighth of a contest', G_options=dict(fmap_max=256), D_options=dict(fmap_max=256))

RATES = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}
GROWING = dict(lod_initial_resolution=8, G_lrate_base=0.001, G_lrate_dict=RATES, D_lrate_base=0.001, D_lrate_dict=RATES,
               minibatch_size_base=32, minibatch_size_dict={8: 256, 16: 128, 32: 64, 64: 32},
               minibatch_gpu_base=4, minibatch_gpu_dict={8: 32, 16: 16, 32: 8, 64: 4})
FULL_SIZE = dict(minibatch_size_base=32, minibatch_gpu_base=4, G_lrate_base=0.002, D_lrate_base=0.002)

ADAM = dict(beta1=0.0, beta2=0.99, epsilon=1e-8)
AUG = 'noaug'  # default of --aug; the paper has no augmentation

G_LOSSES = ('G_logistic', 'G_logistic_saturating', 'G_logistic_ns', 'G_logistic_ns_pathreg', 'G_wgan')
HAVE_GAMMA = ('D_logistic_r1', 'D_logistic_r2')
D_LOSSES = ('D_logistic', 'D_logistic_r1', 'D_logistic_r2', 'D_wgan', 'D_wgan_gp')

# What networks are given by the data, by another network, or at each call: not options of a training.
FROM_DATA = ('num_channels', 'resolution', 'label_size')
AT_EACH_CALL = ('is_training', 'is_validation', 'is_template_graph', 'components', 'return_dlatents',
                'dlatent_broadcast', 'force_clean_graph')


def table():
    """The configurations: list of lines."""
    row = '{:<9} {:<29} {:<17} {:<9} {:<22} {:<5} {:<4} {:<5}  {}'.format
    lines = [row('config', 'generator', 'discriminator', 'fmap_base', 'loss of generator', 'gamma', 'lazy', 'grows',
                 'new')]
    for name, c in CONFIGS.items():
        if len(name) == len('config-a'):
            G = c.G_options.get('synthesis_func', c.G.split('.')[1])
            fmap_base = c.D_options.get('fmap_base', 8192 if c == A else 16384)  # or the networks' default
            lines.append(row(name, G, c.D.split('.')[1], fmap_base, c.G_loss, c.gamma, 'yes' if c.lazy else 'no',
                             'yes' if c.grows else 'no', c.adds))
    lines.append('config-e-G{orig,resnet,skip}-D{orig,resnet,skip}: config-e, which is -Gskip-Dresnet, with other '
                 'architectures')
    for title, sched in [('grows: from 8x8 pixels', GROWING), ('others: full size at once', FULL_SIZE)]:
        lines.append('{}; minibatch {}; per GPU {}; learning rate {}'.format(title, *(
            ', '.join([str(sched[name + '_base'])] + ['{1} at {0}'.format(*item) for item in sorted(
                sched.get(name + '_dict', {}).items())]) for name in ('minibatch_size', 'minibatch_gpu', 'G_lrate'))))
    return lines + contest.describe_all(CONFIGS)


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    losses.add(parser, dict(G=G_LOSSES, D=D_LOSSES), dict(G='by config', D='D_logistic_r1'))
    tuning.add(parser)
    augmenting.add(parser, AUG)


def check(args):
    """Refuses bad values of them; raises UserError."""
    tuning.check(args)
    augmenting.check(args, AUG)
    if args.gamma is not None and args.d_loss not in HAVE_GAMMA + (None,) and not losses.is_criterion(args.d_loss):
        raise UserError(f'--gamma={args.gamma}: {args.d_loss} does not use gamma; drop --gamma')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    """
    contest.prefer(args)
    c = CONFIGS[args.config]
    D_loss = args.d_loss or 'D_logistic_r1'
    gamma = dict(gamma=c.gamma if args.gamma is None else args.gamma) if D_loss in HAVE_GAMMA else {}
    options = dict(
        freeze_d=args.freeze_d, freeze_mapping=args.freeze_mapping,
        G_args=dict(c.G_options, func_name='training.' + c.G), D_args=dict(c.D_options, func_name='training.' + c.D),
        G_opt_args=dict(ADAM), D_opt_args=dict(ADAM),
        G_loss_args=dict(func_name='training.loss.' + (args.g_loss or c.G_loss)),
        D_loss_args=dict(func_name='training.loss.' + D_loss, **gamma),
        sched_args=tuning.sched_args(args, GROWING if c.grows else FULL_SIZE))
    usual = dict(G='+pl' if c.G_loss.endswith('pathreg') else '', D='+r1')
    for name, loss in losses.of_criteria(args, usual, c.gamma if args.gamma in (None, 'auto') else args.gamma).items():
        options[name + '_loss_args'] = loss
    if not c.lazy:
        options['lazy_regularization'] = False
    width.apply(options, args.width)
    augment_args = augmenting.augment_args(args, AUG)
    if augment_args is not None:
        options['augment_args'] = augment_args
    tuning.note_single_images(options)
    return options


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}.

    Args:
        options: Options of the training loop; they decide which functions there are.
    """
    found = OrderedDict()
    for name in ('G', 'D'):
        found[name] = partial(settings.of_network, name, options[name + '_args'], FROM_DATA + AT_EACH_CALL)
    for name in ('G_opt', 'D_opt'):
        found[name] = partial(settings.of_optimizer, options[name + '_args'])
    for name in ('G_loss', 'D_loss'):
        found[name] = partial(settings.of_function, name, options[name + '_args'], f'training.loss.{name[0]}_')
    if options.get('augment_args') is not None:
        found['augment'] = partial(settings.of_augmentation, options['augment_args'])
    return found
