"""`mix`: the styles of some layers from other seeds or projected pictures."""

import argparse
import os

import numpy as np

from dnnlib import cli, images
from generator import drawing, options, writer


def add_command(commands):
    """Adds the sub-command `mix`."""
    p = commands.add_parser('mix', help='take the styles of some layers from other seeds or projected pictures')
    options.add_network(p)
    options.add_sources(p, what='pictures that are changed')
    p.add_argument('--take', type=source_and_layers, action='append', required=True, metavar='SOURCE:LAYERS',
                   help='a seed or a projection, and the layers taken from it, such as 55:0-3; may be repeated')
    p.add_argument('--share', type=cli.finite_float, default=1.0, metavar='X',
                   help='how much of the other style: 0 = nothing, 1 = all of it (default: %(default)s)')
    options.add_class(p)
    options.add_psi(p)
    options.add_drawing(p)
    p.set_defaults(run=mix)


def mix(submit_config, network_pkl, seeds, take, share, class_name, settings):
    """Writes `<seed>-mixed.png` for every seed, and `grid.png`: sources in the first row, before and after below.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        seeds: List of ints and of files of projectors.
        take: List of (seed or file, list of layers); later ones win.
        share: 0 to 1.
        class_name: Name or number of the class of the seeds, `None` = labels are zero.
        settings: drawing.Settings.
    Raises: UserError if the network has no such layer.
    """
    files = writer.PictureWriter(submit_config.run_dir, settings.outputs, settings.dtype)
    drawer = drawing.load(network_pkl, settings)
    for _, layers in take:
        drawer.check_layers('--take', layers)
    labels = drawing.chosen_label(drawer, class_name)
    before = drawer.sources(seeds, labels, settings.truncation_psi)
    others = drawer.sources([source for source, _ in take], labels, settings.truncation_psi)
    mixed = before.copy()
    for other, (_, layers) in zip(others, take):
        mixed[:, layers] += (other[layers] - mixed[:, layers]) * np.float32(share)
    columns = max(len(take), 2)
    names = [f'{options.stem(source)}: {options.ranges(layers)}' for source, layers in take]
    sheet = images.ContactSheet(columns * (1 + len(seeds)), drawer.image_shape, columns, names,
                                ['taken from'] + ['{}\nbefore, after'.format(options.stem(seed)) for seed in seeds])

    def fill(pictures):
        for pixels in pictures:
            sheet.add(pixels)
        for _ in range(columns - len(pictures)):
            sheet.skip()

    fill([writer.as_pixels(picture) for picture in drawer.pictures(others)])
    for seed, old, new in zip(seeds, drawer.pictures(before), drawer.pictures(mixed)):
        fill([writer.as_pixels(old), files.add(options.stem(seed) + '-mixed', new)])
    images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    files.close(dlatents=mixed)
    print(f"Wrote {len(seeds)} picture{'s' * (len(seeds) > 1)} and grid.png to {submit_config.run_dir}")


def source_and_layers(text):
    """Argument type: `SOURCE:LAYERS`; returns (seed or file name, list of layers)."""
    source, colon, layers = text.rpartition(':')
    if not colon or not source:
        raise argparse.ArgumentTypeError('expected a seed or file and layers, such as 55:0-3, got {!r}'.format(text))
    found = options.seeds_or_files(source)
    if len(found) != 1:
        raise argparse.ArgumentTypeError('expected one seed or file and layers, got {!r}'.format(text))
    return found[0], cli.int_list(layers)
