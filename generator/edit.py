"""`edit`: moves pictures along directions found by `directions`."""

import os
import zipfile
from typing import NamedTuple

import numpy as np

from dnnlib import cli, images
from dnnlib.util import UserError
from generator import drawing, options, writer
from generator.directions import move


class Moves(NamedTuple):
    """Which directions pictures are moved along, and how far."""

    directions: str  # path of the npz file that `directions` wrote
    index: list  # numbers of the directions in it
    strengths: list  # in standard deviations of W along the direction
    layers: list  # that change; None = those of the file


def add_command(commands):
    """Adds the sub-command `edit`."""
    p = commands.add_parser('edit', help='move pictures along directions that the command directions found')
    options.add_network(p)
    options.add_sources(p, what='pictures that are changed')
    p.add_argument('--directions', metavar='FILE', required=True, help='directions.npz of this network')
    p.add_argument('--index', type=cli.int_list, default='0', metavar='LIST',
                   help='which directions, 0 is the first; each gets a row (default: %(default)s)')
    p.add_argument('--strengths', type=options.float_list, default='-3,-1.5,0,1.5,3', metavar='LIST',
                   help='how far, in standard deviations of W along the direction (default: %(default)s)')
    p.add_argument('--layers', type=cli.int_list, metavar='LIST',
                   help='layers that change (default: those of the file)')
    options.add_class(p)
    options.add_psi(p)
    options.add_drawing(p)
    p.set_defaults(run=edit, prepare=prepare)


def prepare(args):
    """Arguments of `edit`, from those of the command line.

    Raises: UserError if the file of directions is something else or lacks one of them.
    """
    found = load_directions(args['directions'])
    if max(args['index']) >= len(found['directions']):
        raise UserError(f"--index names direction {max(args['index'])}, but {args['directions']} has 0 to "
                        f"{len(found['directions']) - 1}")
    return cli.gather(args, Moves, 'moves')


def edit(submit_config, network_pkl, seeds, moves, class_name, settings):
    """Writes `<seed>-direction<index>-<strength>.png` for all of them, and `grid.png`.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        seeds: List of ints and of files of projectors.
        moves: Moves.
        class_name: Name or number of the class, `None` = labels are zero.
        settings: drawing.Settings.
    Raises: UserError if the directions are those of another network.
    """
    files = writer.PictureWriter(submit_config.run_dir, settings.outputs, settings.dtype)
    found, strengths = load_directions(moves.directions), moves.strengths
    drawer = drawing.load(network_pkl, settings)
    layers = found['layers'].tolist() if moves.layers is None else moves.layers
    if found['directions'].shape[1] != len(drawer.dlatent_avg) or max(found['layers']) >= drawer.num_layers:
        raise UserError(f"{moves.directions}: directions of {found['directions'].shape[1]} numbers in "
                        f"{max(found['layers']) + 1} layers are not those of this network")
    drawer.check_layers('--layers', layers)
    dlatents = drawer.sources(seeds, drawing.chosen_label(drawer, class_name), settings.truncation_psi)
    rows = [(seed, base, index) for seed, base in zip(seeds, dlatents) for index in moves.index]
    sheet = images.ContactSheet(len(rows) * len(strengths), drawer.image_shape, columns=len(strengths))
    for seed, base, index in cli.progress(rows, 'rows'):
        step = found['directions'][index] * found['scales'][index]
        for strength, picture in zip(strengths, drawer.pictures(move(base, step, strengths, layers))):
            sheet.add(files.add(f'{options.stem(seed)}-direction{index}{strength:+.2f}', picture))
    images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    files.close()
    print(f'Wrote {len(rows) * len(strengths)} pictures and grid.png to {submit_config.run_dir}')


def load_directions(path):
    """Arrays of a file of `directions`: `directions` [K, D], `scales` [K], `layers` [L].

    Raises: UserError if it is something else; OSError if it cannot be read.
    """
    try:
        with open(path, 'rb') as f, np.load(f, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ('directions', 'scales', 'layers')}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, AttributeError, TypeError):
        found = None
    if (not found or found['directions'].ndim != 2 or found['scales'].shape != found['directions'].shape[:1]
            or not found['layers'].size):
        raise UserError(f'{path}: not a file of directions; give the directions.npz of the command directions')
    return found
