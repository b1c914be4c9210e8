"""Configurations of LAPGAN (Denton et al. 2015), without TensorFlow: `--config=lapgan` and `--config=lapgan-lsun`."""

import argparse
import re
from collections import OrderedDict
from typing import NamedTuple

from dnnlib import UserError
from training import image_size
from training.options import losses, plain, saving, tuning
from training.options.progan import columns

NETWORKS = 'training.networks.lapgan.{}_lapgan'
LOSS = 'logistic_ns'
SGD = dict(tf_optimizer='dnnlib.tflib.optimizers.SGD')
G_UNITS, D_UNITS, FMAPS = 8000, 1600, 64
BATCH = 64  # reals in a step of D, and as many fakes; as published
G_IMAGES = 2  # minibatches of fakes in a step of G; as published. Named, so that it tells runs apart, as LATENTS
LATENTS = 'uniform'  # of G; as published


class Config(NamedTuple):
    """A published configuration."""
    adds: str         # what it is for
    resolution: int   # of the images
    base: int         # of the smallest
    fmaps: int        # feature maps of the convolutions
    lrate: float      # of all networks
    total_kimg: int   # length of the training
    sched: dict = {}  # further options of the schedule
    method: dict = {}  # further options of the method


CONFIGS = OrderedDict([
    ('lapgan', Config('CIFAR', 32, 8, FMAPS, 0.02, 25000, {  # divided by 1.000004 after each of its 45 thousand images
        name + '_lrate_schedule': 'exponential:length=45,gamma=0.999996' for name in 'GD'})),
    ('lapgan-lsun', Config('larger images, whose steps depend on scores', 64, 16, 128, 0.01, 8000,
                           method=dict(gate=[0.3, 0.7])))])


def table():
    """The configurations: list of lines."""
    row = '{:<12} {:<7} {:<9} {:<6} {:<5} {:<6} {}'.format
    lines = [row('config', 'pixels', 'smallest', 'fmaps', 'rate', 'kimg', 'for')]
    for name, c in CONFIGS.items():
        lines.append(row(name, c.resolution, c.base, c.fmaps, f'{c.lrate:g}', c.total_kimg, c.adds))
    return lines + [f'SGD, minibatches of {BATCH}, losses {LOSS}; --width=1/8 makes trainings for a CPU']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--base', type=int, metavar='PIXELS', help='side of the smallest images (default: by config)')
    p.add_argument('--levels', type=_heights, metavar='PIXELS', help='train only the levels of these sizes, such as 8 '
                   'or 16,32; the others stay as --resume gives them (default: all at once)')
    p.add_argument('--classes', type=columns, default=0, metavar='N', help='number of columns of the labels that '
                   'images are made for, or all (default: %(default)s)')
    losses.add(p, dict(G=(), D=()), dict(G=LOSS, D=LOSS))
    plain.add(p, f', of D; G draws twice as many (default: {BATCH})', rate='all networks', widths='all networks')


def _heights(text):
    """Argument type: sizes joined by commas."""
    parts = text.split(',')
    if not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f'expected sizes in pixels such as 16,32, got {text!r}')
    return [int(part) for part in parts]


def check(args):
    """Refuses bad values of them; raises UserError."""
    plain.check(args)
    saving.check_numbers(args, base=4)
    if args.classes != 'full' and args.classes < 0:
        raise UserError(f'--classes={args.classes}: expected 0 or more, or all')
    _check_levels(args)


def _check_levels(args):
    """Refuses a size that no level has, as far as the command line tells; see networks.lapgan.level_sizes."""
    c = CONFIGS[args.config]
    if not args.levels or any(re.match('[GD][.]base|dataset[.]', text) for text in args.assignments):
        return
    size, base = image_size.parse(args.resolution or c.resolution), args.base or c.base
    sizes = [size.at(r) for r in range(2, size.num_levels + 1)]
    heights = [sides[0] for sides, next_sides in zip(sizes, sizes[1:] + [[base + 1]]) if max(next_sides) > base]
    wrong = [height for height in args.levels if height not in heights]
    if wrong:
        raise UserError(f'--levels={wrong[0]}: there is no level of {wrong[0]} pixels; choose from '
                        f'{", ".join(map(str, heights))}')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    c = CONFIGS[args.config]
    if args.resolution is None:
        args.resolution = c.resolution
    both = dict(base=args.base or c.base, fmaps=max(round(c.fmaps * args.width), 1))
    units = {name: max(round(count * args.width), 1) for name, count in (('G', G_UNITS), ('D', D_UNITS))}
    if args.width != 1:
        print(f'--width={args.width:g}: fmaps={both["fmaps"]}, base_units={units["G"]} of G and {units["D"]} of D')
    found = {name: dict(func_name=losses.BY_NAME.format(name), terms=LOSS) for name in 'GD'}
    found.update(losses.of_criteria(args, dict(G='', D=''), 10))
    method = dict(c.method, func_name='training.methods.lapgan.lapgan', levels=args.levels, G_images=G_IMAGES)
    for name in 'GD':
        method.update({name + '_args': dict(both, func_name=NETWORKS.format(name), base_units=units[name]),
                       name + '_opt_args': dict(SGD), name + '_loss_args': found[name]})
    method['G_args']['latents'] = LATENTS
    sched = dict(minibatch_size_base=BATCH, minibatch_gpu_base=BATCH, G_lrate_base=c.lrate, D_lrate_base=c.lrate,
                 **c.sched)
    options = dict(method_args=method, sched_args=tuning.sched_args(args, sched), minibatch_repeats=1,
                   dataset_args=dict(max_label_size=args.classes))
    if args.classes:
        options['grid_args'] = dict(size='8k', layout='row_per_class')
    if args.total_kimg is None:
        options['total_kimg'] = c.total_kimg
    return options
