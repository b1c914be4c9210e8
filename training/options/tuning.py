"""Options of the command line that fit a training to its data and its machine."""

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
    """Adds the options to an argparse parser."""
    p = parser
    p.add_argument('--gamma', type=gamma, metavar='FLOAT',
                   help='weight of R1 or R2, or auto = 0.0002 * pixels / minibatch (default: by config)')
    p.add_argument('--minibatch-gpu', type=minibatch_gpu, metavar='N',
                   help='images per device and round, or auto = the largest number that fits in memory; the minibatch '
                   'stays the same (default: by config)')
    p.add_argument('--nan-patience', type=int, default=100, metavar='N',
                   help='after N steps in a row whose gradients are not finite, go back to the last good state, once, '
                   'then stop; 0 = never (default: %(default)s)')


def check(args, have_gamma):
    """Refuses bad values; `have_gamma` = names of the losses that --gamma is for. Raises UserError."""
    check_numbers(args, nan_patience=0)
    if args.gamma != 'auto':
        check_numbers(args, gamma=0)
    if args.gamma is not None and args.d_loss not in have_gamma + (None,):
        raise UserError(f'--gamma={args.gamma}: {args.d_loss} does not use gamma; drop --gamma')


def sched_args(args, published):
    """Options of the schedule: those of the configuration, with the minibatch per device that was asked for."""
    if args.minibatch_gpu is None:
        return dict(published)
    return dict({key: value for key, value in published.items() if key != 'minibatch_gpu_dict'},
                minibatch_gpu_base=args.minibatch_gpu)
