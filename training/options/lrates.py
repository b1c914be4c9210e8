"""`--lr-schedule` and the same for one network: how learning rates change, see `training.rates`."""

import argparse

from dnnlib import UserError
from training import rates

FLAGS = dict(lr_schedule='G and D', g_lr_schedule='G', d_lr_schedule='D')


def add(parser):
    """Adds the options to an argparse parser or group."""
    for name, networks in FLAGS.items():
        more = '' if len(networks) == 1 else (
            f': {", ".join(rates.SCHEDULES)}, with options as in cosine:length=1000,min=1e-5; times in thousand images')
        parser.add_argument('--' + name.replace('_', '-'), type=_argument, metavar='NAME',
                            help=f'how the learning rate of {networks} changes{more} (default: '
                            f'{"constant" if more else "--lr-schedule"})')


def _argument(text):
    """Argument type: a text of `training.rates`."""
    try:
        rates.parse(text)
        rates.at(text, 0, 0.001)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def of(args):
    """Options of the schedule that the parsed command line asks for: {name: text}."""
    found = {'G_lrate_schedule': args.g_lr_schedule or args.lr_schedule,
             'D_lrate_schedule': args.d_lr_schedule or args.lr_schedule}
    return {name: text for name, text in found.items() if text is not None}
