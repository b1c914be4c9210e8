"""Options that the commands of `run_generator.py` share, and the types of their values."""

import argparse
import os

from dnnlib import cli, latents
from dnnlib.util import UserError
from generator import projections, writer
from generator.drawing import Settings
from training import pretrained

# The shipped network by its short name, even where a file of that name lies in the working directory.
DEMO = pretrained.NetworkFile('cats64', pretrained.DEMO_NETWORK, os.path.dirname(pretrained.DEMO_NETWORK))
NOISES = {
    'seed': 'drawn from the seed, as published', 'const': 'the one stored in the network',
    'random': 'new for every picture'}


def add_network(p):
    """Adds `--network`."""
    p.add_argument('--network', dest='network_pkl', metavar='PKL', default=DEMO,
                   help='network pickle: path, URL or published name; or a run directory, for its newest one (default: '
                   'the cats shipped with this program)')


def add_sources(p, option='--seeds', required=True, what='pictures'):
    """Adds an option that takes seeds and files of projectors."""
    p.add_argument(option, dest=option[2:].replace('-', '_'), type=seeds_or_files, metavar='LIST', required=required,
                   help=f'{what}: random seeds such as 0-3,8, and projections (.npz, .npy), not truncated')


def add_class(p):
    """Adds `--class`."""
    p.add_argument('--class', dest='class_name', metavar='NAME',
                   help='class of the pictures, by name or number; several joined by commas if labels combine them')


def add_latents(p):
    """Adds `--latents`."""
    p.add_argument('--latents', type=_prior, metavar='NAME',
                   help=f'what Z is drawn from: {latents.HELP} (default: as in the training)')


def _prior(text):
    """Argument type: the name of a distribution of latents."""
    try:
        latents.parse(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_psi(p, default=0.5):
    """Adds `--truncation-psi`."""
    p.add_argument('--truncation-psi', type=cli.finite_float, default=default, metavar='PSI',
                   help='0 = the average picture, 1 = no truncation (default: 0.5)')


def add_drawing(p, noises=('const', 'random'), outputs=writer.KINDS):
    """Adds what every command has that draws: noise, files, device."""
    meanings = '; '.join(f'{noise} = {NOISES[noise]}' for noise in noises)
    p.add_argument('--noise', choices=noises, default=noises[0],
                   help=f'noise of the layers: {meanings} (default: %(default)s)')
    p.add_argument('--outputs', type=choice_list(outputs), default=outputs[:1], metavar='LIST',
                   help=f"files to write, some of {', '.join(outputs)} (default: {outputs[0]})")
    p.add_argument('--dtype', choices=('uint8', 'float32'), default='uint8',
                   help='type of the arrays in npz: uint8 NHWC, or float32 NCHW around [-1, 1] (default: %(default)s)')
    p.add_argument('--minibatch', dest='minibatch_size', type=positive_int, default=4, metavar='N',
                   help='pictures computed at a time (default: %(default)s)')
    add_running(p)


def add_running(p):
    """Adds `--result-dir`, `--precision`, `--device` and `--ops`."""
    p.add_argument('--result-dir', default='results', metavar='DIR',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_precision(p)
    cli.add_common(p)


def gather_drawing(args):
    """Arguments with those of `add_psi`, `add_drawing` and `add_running`, but for `result_dir`, as `settings`.

    Args:
        args: Dictionary of the arguments by name; not changed.
    Returns: New dictionary; what a command has no option for has the default of `Settings`.
    Raises: UserError if they contradict each other.
    """
    if args.get('dtype') == 'float32' and 'npz' not in args['outputs']:
        raise UserError('--dtype=float32 is for npz files; add npz to --outputs')
    args = dict(args)
    tf_config = cli.pop_tf_config(args)
    return cli.gather(dict(args, tf_config=tf_config), Settings, 'settings')


def seeds_or_files(text):
    """Argument type: as `cli.seed_list`, but parts that end with `.npz` or `.npy` are files; list of ints and texts."""
    found = []
    for part in text.split(','):
        found += [part] if part.endswith(projections.ENDINGS) else cli.seed_list(part)
    return found


def float_list(text):
    """Argument type: numbers joined by commas, such as `-1,0,2.5`; list of floats."""
    return [cli.finite_float(part) for part in text.split(',')]


def positive_int(text):
    """Argument type: an int of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number of at least 1, got {text!r}')
    return int(text)


def choice_list(choices):
    """Argument type: some of the given names, joined by commas."""
    def parse(text):
        names = cli.comma_list(text)
        unknown = [name for name in names if name not in choices]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(choices)}, got {text!r}")
        return names
    return parse


def stem(seed_or_file):
    """Name of a seed or a file in the names of pictures."""
    if isinstance(seed_or_file, int):
        return f'seed{seed_or_file:04d}'
    return os.path.splitext(os.path.basename(seed_or_file))[0]


def ranges(numbers):
    """Whole numbers as `cli.int_list` takes them: `0-3,8` of 0, 1, 2, 3, 8."""
    found = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ','.join(f'{first}-{last}' if last > first else str(first) for first, last in found)
