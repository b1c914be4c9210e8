"""Configurations of ProGAN (Karras et al. 2018), without TensorFlow: `--config=progan` and `--config=progan-paper`."""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError, cli
from training import loss_names
from training.options import contest, losses, plain, saving, settings, tuning, width
from training.options.stylegan2 import ADAM, AT_EACH_CALL, FROM_DATA

NETWORKS = 'training.networks.progan.{}_paper'
G_LOSS, D_LOSS = 'wgan', 'wgan+gp:10+drift:0.001'
TICK_KIMG = {4: 160, 8: 140, 16: 120, 32: 100, 64: 80, 128: 60, 256: 40, 512: 20, 1024: 10}
MOST_PER_GPU = {256: 16, 512: 8, 1024: 4}  # images at once, as published for 16 GB
FMAP_BASE = 8192  # of both networks
LRATE = 0.001


class Table(NamedTuple):
    """Numbers of a published preset."""
    minibatch: int           # images per step
    sizes: dict              # {resolution: images per step}
    lrates: dict = {}        # {resolution: learning rate of both networks}
    phase_kimg: int = 600    # thousand images at a resolution, and of a fade to the next
    total_kimg: int = 12000  # length of the training
    group_size: int = 4      # of the minibatch standard deviation


PAPER = Table(16, {256: 14, 512: 6, 1024: 3}, phase_kimg=800, total_kimg=19000, group_size=16)
BY_DEVICES = OrderedDict([
    (1, Table(4, {4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8, 512: 4}, {1024: 0.0015})),
    (2, Table(8, {4: 256, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8}, {512: 0.0015, 1024: 0.002})),
    (4, Table(16, {4: 512, 8: 256, 16: 128, 32: 64, 64: 32, 128: 16}, {256: 0.0015, 512: 0.002, 1024: 0.003})),
    (8, Table(32, {4: 512, 8: 256, 16: 128, 32: 64, 64: 32}, {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}))])
CONFIGS = OrderedDict([('progan', BY_DEVICES), ('progan-paper', PAPER), ('dogs-progan', BY_DEVICES)])
MILD = [0.1, 0.1, 0.1, 0.02]  # jitter of dogs-progan, see contest.py


def table_of(config, num_devices):
    """The Table of a configuration: of `progan` the one for so many devices, or the next smaller number."""
    if CONFIGS[config] is PAPER:
        return PAPER
    return BY_DEVICES[max(count for count in BY_DEVICES if count <= max(num_devices, 1))]


def sched_args(table, num_devices=1):
    """Options of the schedule for a number of devices, as published: see `Table`.

    Minibatches are rounded down to multiples of the number of devices, and limited by what fits on a device.
    """
    base = max(table.minibatch // num_devices, 1) * num_devices
    fitted = {}
    for size in sorted(set(table.sizes) | set(MOST_PER_GPU)):
        per_gpu = max(table.sizes.get(size, table.minibatch) // num_devices, 1)
        fitted[size] = min(per_gpu, MOST_PER_GPU.get(size, per_gpu)) * num_devices
    fitted = {size: count for size, count in fitted.items() if count != base}
    return dict(
        lod_initial_resolution=4, lod_training_kimg=table.phase_kimg, lod_transition_kimg=table.phase_kimg,
        minibatch_size_base=base, minibatch_size_dict=fitted, minibatch_gpu_base=base // num_devices,
        minibatch_gpu_dict={size: count // num_devices for size, count in fitted.items()},
        G_lrate_base=LRATE, G_lrate_dict=dict(table.lrates), D_lrate_base=LRATE, D_lrate_dict=dict(table.lrates),
        tick_kimg_base=160, tick_kimg_dict=dict(TICK_KIMG))


def table():
    """The configurations: list of lines."""
    row = '{:<20} {:<9} {:<54} {:<34} {:<6} {:<5}'.format
    lines = [row('config', 'minibatch', 'at resolutions', 'learning rate 0.001, but', 'phases', 'kimg')]
    found = [(f'progan, {count} GPU{"" if count == 1 else "s"}', table) for count, table in BY_DEVICES.items()]
    for name, t in found + [('progan-paper', PAPER)]:
        sizes, rates = (', '.join(f'{value} at {size}' for size, value in sorted(numbers.items())) or 'none'
                        for numbers in (t.sizes, t.lrates))
        lines.append(row(name, t.minibatch, sizes, rates, t.phase_kimg, t.total_kimg).rstrip())
    lines.append(f'grow from 4x4 pixels; losses {G_LOSS} and {D_LOSS}; with --classes=N also +ac (AC-GAN); '
                 '--width=1/4, --resolution=32 and --phase-kimg=20 make trainings for a CPU')
    return lines + contest.describe_all(CONFIGS)


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--classes', type=columns, metavar='N', help='number of columns of the labels that images are made '
                   'for, or all: D tells them apart as well (default: 0; dogs-progan: all)')
    p.add_argument('--phase-kimg', type=cli.finite_float, metavar='KIMG', help='thousand images at a resolution, and '
                   'of a fade to the next (default: by config)')
    losses.add(p, dict(G=(), D=()), dict(G=G_LOSS, D=D_LOSS))
    plain.add(p, ', at every resolution (default: by config)', rate='both networks at every resolution')


def columns(text):
    """Argument type: a number of columns, or all."""
    return 'full' if text == 'all' else int(text)


def check(args):
    """Refuses bad values of them; raises UserError."""
    plain.check(args)
    for network, text in (('G', args.g_loss), ('D', args.d_loss)):
        if text is not None:
            loss_names.check_terms(text, network, [name for name in loss_names.TERMS if name != 'pl'])
    if args.classes not in (None, 'full') and args.classes < 0:
        raise UserError(f'--classes={args.classes}: expected 0 or more, or all')
    saving.check_positive(args, 'phase_kimg')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    contest.prefer(args)
    is_contest = args.config in contest.ENTRIES
    if args.classes is None:
        args.classes = 'full' if is_contest else 0
    devices = tuning.num_workers(args)
    if args.batch is not None and args.minibatch_gpu is None:
        args.minibatch_gpu = max(args.batch // devices, 1)
    c = table_of(args.config, devices)
    sched = sched_args(c, devices)
    if args.phase_kimg is not None:
        share = min(args.phase_kimg / c.phase_kimg, 1)  # or a short training would have no ticks
        sched.update(lod_training_kimg=args.phase_kimg, lod_transition_kimg=args.phase_kimg,
                     tick_kimg_base=round(160 * share, 3),
                     tick_kimg_dict={size: round(kimg * share, 3) for size, kimg in TICK_KIMG.items()})
    fmaps = width.fmaps(args.width, FMAP_BASE)
    if args.width != 1:
        print(f'--width={args.width:g}: G and D fmap_base={fmaps["fmap_base"]}, fmap_max={fmaps["fmap_max"]}')
    ac = '+ac:1' if args.classes else ''
    by_name = {name: dict(func_name=losses.BY_NAME.format(name), terms=terms + ac)
               for name, terms in (('G', G_LOSS), ('D', D_LOSS))}
    by_name.update(losses.of_criteria(args, dict(G=ac, D='+gp:10' + ac), 10))
    method = dict(
        func_name='training.methods.progan.progan',
        G_args=dict(fmaps, func_name=NETWORKS.format('G')),
        D_args=dict(fmaps, func_name=NETWORKS.format('D'), mbstd_group_size=c.group_size),
        G_opt_args=dict(ADAM), D_opt_args=dict(ADAM), G_loss_args=by_name['G'], D_loss_args=by_name['D'])
    options = dict(method_args=method, sched_args=tuning.sched_args(args, sched),
                   dataset_args=dict(max_label_size=args.classes, **(dict(jitter=MILD) if is_contest else {})))
    if args.classes:
        options['grid_args'] = dict(size='8k', layout='row_per_class')
    if args.total_kimg is None:
        options['total_kimg'] = c.total_kimg
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
        found[name + '_loss'] = partial(settings.of_function, name + '_loss', method[name + '_loss_args'],
                                        f'training.adversarial.{name}_')
    return found
