"""`blend`: the coarse layers of one network with the fine ones of another that was trained further from it."""

import os
import re

from dnnlib import cli, images, util
from dnnlib.util import UserError
from generator import drawing, options
from training import pretrained

_PREVIEW_SEEDS = list(range(1, 9))


def add_command(commands):
    """Adds the sub-command `blend`."""
    p = commands.add_parser('blend', help='write a network with the coarse layers of one and the fine ones of another')
    p.add_argument('network_pkl', metavar='A', help='network pickle of the coarse layers, the mapping and D')
    p.add_argument('network_b', metavar='B', help='network pickle of the fine layers, usually trained on from A')
    p.add_argument('--at', type=options.positive_int, required=True, metavar='RES',
                   help='the lowest resolution whose layers are those of B, such as 32')
    options.add_running(p)
    p.set_defaults(run=blend, prepare=prepare)


def prepare(args):
    """Arguments of `blend`, those of the command line. Raises: UserError for a resolution that no network has."""
    if args['at'] & (args['at'] - 1) or args['at'] < 8:
        raise UserError(f"--at must be a power of two, at least 8, got {args['at']}")
    return args


def blend(submit_config, network_pkl, network_b, at, settings):
    """Writes `blended.pkl`, and `grid.png`: seeds drawn by A, by B and by the blend (Pinkney & Adler 2020).

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl, network_b: pretrained.NetworkFile of A and of B.
        at: Layers of this resolution and above are those of B.
        settings: drawing.Settings.
    Raises: UserError if the networks have other layers, or none of that resolution.
    """
    cli.load_tensorflow().init_tf(settings.tf_config, verbose=True)
    from dnnlib.tflib import network_pickle
    print(f'Loading networks from {util.public_url(network_pkl.name)} and {util.public_url(network_b.name)} ...')
    G, D, Gs = pretrained.load_networks(network_pkl)
    highest = 2 ** (Gs.components.synthesis.input_shape[1] // 2 + 1)
    if at > highest:
        raise UserError(f'--at={at}, but the highest layers of {network_pkl.name} are those of {highest}x{highest}')
    other_G, _, other_Gs = pretrained.load_networks(network_b)
    check_alike(Gs.components.synthesis, other_Gs.components.synthesis)
    sheet = images.ContactSheet(3 * len(_PREVIEW_SEEDS), Gs.output_shape[1:], columns=len(_PREVIEW_SEEDS))

    def draw(generator):
        drawer = drawing.Drawer(generator, settings.precision)
        for picture in drawer.generate(_PREVIEW_SEEDS, truncation_psi=drawer.preview_psi(0.7)):
            sheet.add(picture)

    draw(Gs)
    draw(other_Gs)
    for network, other in ((G, other_G), (Gs, other_Gs)):
        count = copy_fine_layers(network.components.synthesis, other.components.synthesis, at)
    draw(Gs)
    path = os.path.join(submit_config.run_dir, 'blended.pkl')
    network_pickle.save((G, D, Gs), path)
    images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    print(f'Wrote {path} with {count} variables of {at}x{at} and above from {util.public_url(network_b.name)}; '
          'grid.png: A, B, blend')


def copy_fine_layers(synthesis, other, at):
    """Copies the variables of layers of resolution `at` and above; returns their number. See `check_alike`."""
    from dnnlib import tflib
    shapes = check_alike(synthesis, other)
    num_levels = synthesis.input_shape[1] // 2 + 1
    lowest = shapes['4x4/Const/const'][2]
    names = [name for name in synthesis.vars if resolution_of(name, shapes[name], num_levels, lowest) >= at]
    tflib.set_vars({synthesis.vars[name]: other.get_var(name) for name in names})
    return len(names)


def check_alike(synthesis, other):
    """Shapes of the variables of two synthesis networks by name; UserError if they don't have the same ones."""
    shapes, others = [{name: var.shape.as_list() for name, var in net.vars.items()} for net in (synthesis, other)]
    if shapes != others:
        different = sorted(name for name in set(shapes) | set(others) if shapes.get(name) != others.get(name))
        first = different[0]
        raise UserError(f"the networks differ in {len(different)} variables, such as {first}: "
                        f"{shapes.get(first, 'none')} and {others.get(first, 'none')}")
    return shapes


def resolution_of(name, shape, num_levels, lowest=4):
    """Resolution by which the layer of a variable of a synthesis network is called, 0 if it belongs to none.

    Args:
        name: Local name of the variable.
        shape: Its shape.
        num_levels: Logarithm of the highest resolution.
        lowest: Height of the layers called 4x4; another one if pictures are not square or their sides no
            power of two.
    """
    block, lod = re.match('([0-9]+)x[0-9]+/', name), re.match('ToRGB_lod([0-9]+)/', name)
    if block:
        return int(block.group(1))
    if lod:
        return 2 ** num_levels >> int(lod.group(1))
    return shape[2] * 4 // lowest if re.match('noise[0-9]+$', name) else 0
