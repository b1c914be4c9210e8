"""Options of the command line that all configurations of StyleGAN share."""

import argparse

from dnnlib import UserError, cli
from training.options.saving import check_numbers


def gamma(text):
    """Argument type: a finite number, or `auto`."""
    return text if text == 'auto' else cli.finite_float(text)


def minibatch_gpu(text):
    """Argument type: a number of images from 1 on, or `auto`."""
    if text == 'auto':
        return text
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number of images or auto, got {text!r}')
    return int(text)


def add(parser):
    """Adds the options to an argparse parser or group."""
    p = parser
    p.add_argument('--gamma', type=gamma, metavar='FLOAT',
                   help='weight of R1 or R2, or auto = 0.0002 * pixels / minibatch (default: by config)')
    p.add_argument('--minibatch-gpu', type=minibatch_gpu, metavar='N',
                   help='images per device and round, or auto = the largest number that fits in memory; the minibatch '
                   'stays the same (default: by config)')
    p.add_argument('--freeze-d', type=int, default=0, metavar='N',
                   help='do not train the first N layers of the discriminator (default: %(default)s)')
    p.add_argument('--freeze-mapping', action='store_true', help='do not train the mapping network')


def check(args):
    """Refuses bad values; raises UserError."""
    check_numbers(args, freeze_d=0)
    if args.gamma != 'auto':
        check_numbers(args, gamma=0)
    frozen = '--freeze-d' if args.freeze_d else '--freeze-mapping' if args.freeze_mapping else None
    if frozen and args.resume in ('auto', 'none'):
        raise UserError(f'{frozen}: untrained layers would stay random; give --resume=PKL as well')


def sched_args(args, published):
    """Options of the schedule: those of the configuration, with the minibatch per device that was asked for."""
    if args.minibatch_gpu is None:
        return dict(published)
    return dict({key: value for key, value in published.items() if key != 'minibatch_gpu_dict'},
                minibatch_gpu_base=args.minibatch_gpu)
