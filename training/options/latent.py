"""Configurations of DCGAN, WGAN and WGAN-GP, without TensorFlow: `--config=wgan-gp` and so on, with or without classes.

Numbers are those of the published programs, as far as they are known.
"""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError, cli, latents
from training import loss_names, rates
from training.options import losses, plain, saving, settings, tuning
from training.options.classes import AT_EACH_CALL, FROM_DATA
from training.options.progan import columns

NETWORKS = OrderedDict([  # --networks -> module, names of the build functions, options of both, what they are
    ('dcgan', ('dcgan', 'dcgan', {}, 'transposed convolutions')),
    ('mlp', ('mlp', 'mlp', {}, 'matrix products only')),
    ('resnet', ('wgan', 'wgan_resnet', {}, 'residual blocks')),
    ('resnet-small', ('wgan', 'wgan_resnet', dict(small=True), 'residual blocks of one width'))])
FMAPS = {'dcgan': 64, 'resnet': 64, 'resnet-small': 128}  # at half the size of the images
OF_LEVELS = ('level', 'coarse')  # options of LAPGAN's networks at each call
UNITS, LAYERS = 512, 3  # of the networks of matrix products
WITH_GRADIENTS = ('r1', 'r2', 'gp', 'lp', 'dragan')  # terms that look at single images, which batch norm mixes
CONDITIONS = ('concat', 'dot', 'projection', 'classifier')


class Config(NamedTuple):
    """A published configuration."""
    adds: str           # what it is
    networks: str       # key of NETWORKS
    D_loss: str         # see training.loss_names; G has the same criterion
    opt: dict           # of both networks
    lrate: float        # of both networks
    batch: int          # images per step
    condition: str      # how labels enter the discriminator, if there are classes
    ac: tuple           # weights of an auxiliary classifier: (terms of G, terms of D)
    iterations: int     # length of the training
    d_steps: int = 1    # steps of the discriminator for each of the generator
    method: dict = {}   # further options of the method
    sched: dict = {}    # schedules of the rates, for this minibatch
    data: dict = {}     # further options of the dataset


RMSPROP = dict(tf_optimizer='dnnlib.tflib.optimizers.RMSProp', decay=0.99, epsilon=1e-8)
WGAN_AC, ODENA_AC = ('ac:0.1', 'ac_reals:1'), ('ac:1', 'ac:1')
CLIP = 0.01


def _adam(beta1, beta2):
    return dict(tf_optimizer='tf.train.AdamOptimizer', beta1=beta1, beta2=beta2)


CONFIGS = OrderedDict([
    ('dcgan', Config('DCGAN', 'dcgan', 'logistic_ns', _adam(0.5, 0.999), 0.0002, 128, 'concat', ODENA_AC, 40000)),
    ('wgan', Config('WGAN, weights clipped', 'dcgan', 'wgan', RMSPROP, 0.00005, 64, 'concat', ODENA_AC, 200000, 5,
                    dict(slow_start=True))),
    ('wgan-gp', Config('WGAN with a gradient penalty', 'resnet', 'wgan+gp:10', _adam(0.0, 0.9), 0.0001, 64,
                       'classifier', WGAN_AC, 200000, 5)),
    ('wgan-gp-cifar', Config('the same for CIFAR', 'resnet-small', 'wgan+gp:10', _adam(0.0, 0.9), 0.0002, 64,
                             'classifier', WGAN_AC, 100000, 5, dict(G_images=2),
                             {name + '_lrate_schedule': 'linear:length=6400' for name in 'GD'}, dict(noise=1 / 128)))])


def table():
    """The configurations: list of lines."""
    row = '{:<14} {:<13} {:<12} {:<9} {:<7} {:<7} {:<8} {}'.format
    lines = [row('config', 'networks', 'loss of D', 'minibatch', 'rate', 'D steps', 'kimg', 'for')]
    for name, c in CONFIGS.items():
        lines.append(row(name, c.networks, c.D_loss, c.batch, f'{c.lrate:g}', c.d_steps, c.iterations * c.batch // 1000,
                         c.adds))
    return lines + ['--networks and --condition combine with all of them; --width=1/4 and --resolution=32 make '
                    'trainings for a CPU']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--networks', choices=list(NETWORKS), help='; '.join(
        f'{name}: {of[-1]}' for name, of in NETWORKS.items()) + ' (default: by config)')
    p.add_argument('--classes', type=columns, default=0, metavar='N', help='number of columns of the labels that '
                   'images are made for, or all (default: %(default)s)')
    p.add_argument('--condition', choices=CONDITIONS, help='how labels enter the discriminator: concat: as a further '
                   'channel; dot: a score for each; projection: of features; classifier: it tells them apart (default: '
                   'by config)')
    losses.add(p, dict(G=(), D=()), dict(G='by config', D='by config'))
    p.add_argument('--clip', type=cli.finite_float, metavar='LIMIT', help='limit of the weights of the discriminator '
                   f'after each of its steps, 0 = none (default: {CLIP} if its loss is wgan without a penalty on '
                   'gradients)')
    p.add_argument('--d-steps', type=int, metavar='N', help='steps of the discriminator for each of the generator '
                   '(default: by config)')
    p.add_argument('--latents', default='normal', metavar='NAME', help=f'what Z is drawn from: {latents.HELP} '
                   '(default: %(default)s)')
    plain.add(p, rounds=plain.NORM)


def check(args):
    """Refuses bad values of them; raises UserError."""
    latents.parse(args.latents)
    plain.check(args)
    saving.check_numbers(args, d_steps=1)
    if args.classes != 'full' and args.classes < 0:
        raise UserError(f'--classes={args.classes}: expected 0 or more, or all')
    if args.condition is not None and not args.classes:
        raise UserError(f'--condition={args.condition}: there are no classes; give --classes=N or all as well')
    if args.clip is not None and args.clip < 0:
        raise UserError(f'--clip={args.clip:g}: expected a number of at least 0')
    if isinstance(args.resolution, list):
        raise UserError('--resolution: these networks draw square images; give one side')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    c = CONFIGS[args.config]
    if args.resolution is None:
        args.resolution = 32 if args.config.endswith('-cifar') else 64
    by_name = losses_of(args, c)
    terms = loss_names.parse(by_name['D']['terms'], 'D')
    method = dict(c.method, func_name='training.methods.latent.latent',
                  num_D_steps=args.d_steps or c.d_steps, G_opt_args=dict(c.opt), D_opt_args=dict(c.opt),
                  G_loss_args=by_name['G'], D_loss_args=by_name['D'], **networks_of(args, c, terms))
    is_clipped = terms.criterion == 'wgan' and not set(WITH_GRADIENTS) & set(terms.terms)
    method['clip'] = (args.clip or None) if args.clip is not None else CLIP if is_clipped else None
    sched = dict(minibatch_size_base=c.batch, minibatch_gpu_base=c.batch, G_lrate_base=c.lrate, D_lrate_base=c.lrate,
                 **{name: rates.stretched(text, (args.batch or c.batch) / c.batch) for name, text in c.sched.items()})
    options = dict(method_args=method, sched_args=tuning.sched_args(args, sched), minibatch_repeats=1,
                   dataset_args=dict(c.data, max_label_size=args.classes))
    if args.classes:
        options['grid_args'] = dict(size='8k', layout='row_per_class')
    if args.total_kimg is None:
        options['total_kimg'] = c.iterations * options['sched_args']['minibatch_size_base'] / 1000
    return options


def losses_of(args, c):
    """{'G' or 'D': loss_args}: those of the command line, else of the configuration."""
    ac = c.ac if args.classes and (args.condition or c.condition) == 'classifier' else ('', '')
    added = {name: '+' + terms if terms else '' for name, terms in zip('GD', ac)}
    criterion, plus, terms = c.D_loss.partition('+')
    found = {name: dict(func_name=losses.BY_NAME.format(name), terms=text + added[name])
             for name, text in (('G', criterion), ('D', c.D_loss))}
    found.update(losses.of_criteria(args, dict(G=added['G'], D=plus + terms + added['D']), 10))
    return found


def networks_of(args, c, D_terms):
    """{'G_args', 'D_args'}: networks of the command line, else of the configuration, as wide as was asked for.

    Args:
        args, c: Parsed command line, Config.
        D_terms: loss_names.Loss of the discriminator.
    """
    kind = args.networks or c.networks
    module, name, both, _ = NETWORKS[kind]
    condition = args.condition or c.condition
    if kind == 'mlp':
        both = dict(hidden=[max(round(UNITS * args.width), 1)] * LAYERS)
    else:
        both = dict(both, fmaps=max(round(FMAPS[kind] * args.width), 1))
    G, D = dict(both, latents=args.latents), dict(both, condition=condition)
    if kind != 'mlp':
        G['condition'] = 'norm' if condition == 'classifier' and kind != 'dcgan' else 'concat'
        looks_at_images = bool(set(WITH_GRADIENTS) & set(D_terms.terms))
        D['norm'] = 'none' if kind == 'resnet-small' else 'layer' if looks_at_images else 'batch'
    if args.width != 1:
        print(f'--width={args.width:g}: G and D ' + ', '.join(f'{key}={value}' for key, value in both.items()))
    return {of + '_args': dict(options, func_name=f'training.networks.{module}.{of}_{name}')
            for of, options in (('G', G), ('D', D))}


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}.

    Args:
        options: Options of the training loop; they decide which functions there are.
    """
    method, found = options['method_args'], OrderedDict()
    for name in 'GD':
        found[name] = partial(settings.of_network, name, method[name + '_args'], FROM_DATA + AT_EACH_CALL + OF_LEVELS)
        found[name + '_opt'] = partial(settings.of_optimizer, method[name + '_opt_args'])
        found[name + '_loss'] = partial(settings.of_function, name + '_loss', method[name + '_loss_args'],
                                        f'training.adversarial.{name}_')
    return found
