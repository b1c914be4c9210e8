"""Configurations of MSG-GAN (Karnewar and Wang 2020), without TensorFlow: `--config=msg-stylegan` and `msg-progan`."""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError
from training.options import losses, plain, saving, settings, tuning, width
from training.options.stylegan2 import ADAM, AT_EACH_CALL, FROM_DATA

FMAP_BASE, LATENT_SIZE, LRATE = 8192, 512, 0.003  # of both forms, as published


class Config(NamedTuple):
    """A published configuration."""
    adds: str           # what it is
    functions: tuple    # build functions of G and D, below `training.networks.`
    mapping: tuple      # options of G that are dimensions of Z and W
    minibatch: dict     # {number of devices: images per step}
    G_loss: str
    D_loss: str
    repeats: int        # iterations between two looks at the schedule
    method: dict = {}   # options of the method


CONFIGS = OrderedDict([
    ('msg-stylegan', Config(
        'form of StyleGAN', ('msg_stylegan.G_style', 'msg_stylegan.D_basic'), width.MAPPING,
        {1: 4, 2: 32, 4: 16, 8: 32}, 'logistic_ns', 'logistic_ns+r1:10', repeats=4)),
    ('msg-progan', Config(
        'form of ProGAN', ('msg_progan.G_msg', 'msg_progan.D_msg'), ('latent_size',), {1: 20}, 'rahinge_nohalf',
        'rahinge_nohalf', repeats=1, method=dict(Gs_beta=0.999)))])


def table():
    """The configurations: list of lines."""
    row = '{:<13} {:<20} {:<26} {:<15} {:<18} {}'.format
    lines = [row('config', 'minibatch', 'of 2, 4, 8 devices', 'G loss', 'D loss', 'networks')]
    for name, c in CONFIGS.items():
        more = ', '.join(str(size) for count, size in c.minibatch.items() if count > 1) or 'the same'
        lines.append(row(name, c.minibatch[1], more, c.G_loss, c.D_loss, c.adds))
    return lines + [f'G draws images of all sizes from 4x4 on, D looks at all; learning rate {LRATE} of both; '
                    '--width=1/4, --resolution=32 and --batch=16 make trainings for a CPU']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--classes', type=int, default=0, metavar='N', help='number of columns of the labels that images '
                   'are made for; msg-stylegan only (default: %(default)s)')
    losses.add(p, dict(G=(), D=()), dict(G='by config', D='by config'))
    plain.add(p, rate_default=LRATE, widths='both networks, and the sizes of Z and W (to at least '
              f'{width.MIN_MAPPING}, and never up)')


def check(args):
    """Refuses bad values of them; raises UserError."""
    plain.check(args)
    saving.check_numbers(args, classes=0)
    if args.classes and args.config == 'msg-progan':
        raise UserError(f'--classes={args.classes}: the form of ProGAN knows no labels; use --config=msg-stylegan')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    c, devices = CONFIGS[args.config], tuning.num_workers(args)
    minibatch = args.batch or c.minibatch[max(count for count in c.minibatch if count <= devices)]
    fmaps = width.fmaps(args.width, FMAP_BASE)
    G = dict(fmaps, **{key: width.mapping_size(args.width, LATENT_SIZE) for key in c.mapping})
    if args.width != 1:
        print(f'--width={args.width:g}: G and D fmap_base={fmaps["fmap_base"]}, fmap_max={fmaps["fmap_max"]}; G '
              + ', '.join(f'{key}={G[key]}' for key in c.mapping))
    by_name = {name: dict(func_name=losses.BY_NAME.format(name), terms=terms)
               for name, terms in (('G', c.G_loss), ('D', c.D_loss))}
    by_name.update(losses.of_criteria(args, dict(G='', D='+r1:10' if 'r1' in c.D_loss else ''), 10))
    method = dict(c.method, func_name='training.methods.msg.msg')
    for name, function, options in zip('GD', c.functions, (G, fmaps)):
        method[name + '_args'] = dict(options, func_name='training.networks.' + function)
        method[name + '_opt_args'], method[name + '_loss_args'] = dict(ADAM), by_name[name]
    sched = dict(minibatch_size_base=minibatch, minibatch_gpu_base=max(minibatch // devices, 1), G_lrate_base=LRATE,
                 D_lrate_base=LRATE)
    return dict(method_args=method, sched_args=tuning.sched_args(args, sched), minibatch_repeats=c.repeats,
                dataset_args=dict(max_label_size=args.classes))


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}.

    Args:
        options: Options of the training loop; they decide which functions there are.
    """
    method, found = options['method_args'], OrderedDict()
    for name in 'GD':
        found[name] = partial(settings.of_network, name, method[name + '_args'], FROM_DATA + AT_EACH_CALL + (
            'all_sizes', 'structure'))
        found[name + '_opt'] = partial(settings.of_optimizer, method[name + '_opt_args'])
        found[name + '_loss'] = partial(settings.of_function, name + '_loss', method[name + '_loss_args'],
                                        f'training.adversarial.{name}_')
    return found
