"""Configurations of OSGAN (Shen et al. 2021), without TensorFlow; its networks are DCGAN's.

Numbers are those of its program for CelebA.
"""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import latents
from training import loss_names
from training.options import classes, losses, plain, saving, settings
from training.options.classes import AT_EACH_CALL, FROM_DATA

NETWORKS = 'training.networks.dcgan.{}_dcgan'
ADAM = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.5, beta2=0.999, epsilon=1e-8)
RESOLUTION, KIMG = 64, 6078  # 30 epochs of CelebA's 202,599 pictures
DECAY = 'step:at=2026;3039,gamma=0.1'  # after 10 and 15 epochs


class Config(NamedTuple):
    """A published configuration."""
    adds: str           # what it is for
    lrates: tuple       # learning rates of (G, D)
    loss: str = 'logistic_ns'  # of both networks
    fmaps: int = 128    # feature maps at half the size of the images
    latent_size: int = 100  # dimensions of Z
    norm: str = 'batch'  # normalization of D
    method: dict = {}   # options of the method
    schedule: str = ''  # of both rates, as training.rates writes it; '' = they don't change
    batch: int = 128    # images per step
    batch_gpu: int = 128  # images per device and round


CONFIGS = OrderedDict([
    ('osgan', Config('one stage', (0.0002, 0.0001), latent_size=128, norm='group')),
    ('osgan-symmetric', Config('one stage, G maximizes what D minimizes', (0.0002, 4e-5), 'logistic_saturating',
                               schedule=DECAY)),
    ('osgan-wgan', Config('one stage, D sees reals and fakes together', (0.0001, 1.35e-5), 'wgan',
                          method=dict(together=True, clip=0.01), schedule=DECAY))])


def table():
    """The configurations: list of lines."""
    row = '{:<16} {:<20} {:<7} {:<8} {:<6} {:<4} {:<6} {}'.format
    lines = [row('config', 'loss', 'rate G', 'rate D', 'fmaps', 'Z', 'D norm', 'trained in')]
    for name, c in CONFIGS.items():
        lines.append(row(name, c.loss, *c.lrates, c.fmaps, c.latent_size, c.norm, c.adds))
    return lines + [f'minibatches of 128; {RESOLUTION} pixels, or --resolution from 8 on; --stages=2 compares two '
                    'stages; --width=1/4 and --batch=32 make trainings for a CPU']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--stages', type=int, choices=(1, 2), help='1 = a joint step of G and D by one backward pass; 2 = a '
                   'step of D, then one of G (default: by config)')
    p.add_argument('--classes', type=int, default=0, metavar='N', help='number of columns of the labels that images '
                   'are made for (default: %(default)s)')
    p.add_argument('--latents', default='normal', metavar='NAME', help=f'what Z is drawn from: {latents.HELP} '
                   '(default: %(default)s)')
    losses.add(p, dict(G=(), D=()), dict(G='by config', D='by config'))
    plain.add(p, '128', plain.NORM, rate=None)


def check(args):
    """Refuses bad values of them; raises UserError."""
    latents.parse(args.latents)
    plain.check(args)
    saving.check_numbers(args, classes=0)
    for network, text in (('G', args.g_loss), ('D', args.d_loss)):
        if text is not None and args.stages != 2 and not any(text.startswith('train.num_stages') for text in (
                args.assignments)):
            loss_names.check_one_stage(text, network)


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    c = CONFIGS[args.config]
    if args.resolution is None:
        args.resolution = RESOLUTION
    fmaps = max(round(c.fmaps * args.width), 1)
    if args.width != 1:
        print(f'--width={args.width:g}: G and D fmaps={fmaps}')
    terms = dict(G=c.loss, D=c.loss)
    terms.update((name, loss['terms']) for name, loss in losses.of_criteria(args, dict(G='', D=''), 10).items())
    method = dict(c.method, func_name='training.methods.osgan.osgan')
    if args.stages is not None:
        method['num_stages'] = args.stages
    if method.get('num_stages') == 2:
        method.pop('together', None)
    for name, options in (('G', dict(latent_size=c.latent_size, latents=args.latents)), ('D', dict(norm=c.norm))):
        method[name + '_args'] = dict(options, func_name=NETWORKS.format(name), fmaps=fmaps)
        method[name + '_opt_args'], method[name + '_loss_args'] = dict(ADAM), dict(terms=terms[name])
    options = dict(method_args=method, sched_args=classes.sched_args(args, c), minibatch_repeats=1,
                   dataset_args=dict(max_label_size=args.classes))
    if args.total_kimg is None:
        options['total_kimg'] = KIMG
    return options


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}.

    Args:
        options: Options of the training loop; they decide which functions there are.
    """
    method, found = options['method_args'], OrderedDict()
    for name in 'GD':
        found[name] = partial(settings.of_network, name, method[name + '_args'], FROM_DATA + AT_EACH_CALL)
        found[name + '_opt'] = partial(settings.of_optimizer, method[name + '_opt_args'])
    return found
