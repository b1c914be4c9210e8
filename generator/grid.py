"""`grid`: seeds against truncation, one picture of all."""

import os

import numpy as np

from dnnlib import cli, images
from generator import drawing, options, writer


def add_command(commands):
    """Adds the sub-command `grid`."""
    p = commands.add_parser('grid', help='draw seeds (rows) with several strengths of truncation (columns)')
    options.add_network(p)
    options.add_sources(p, what='rows')
    p.add_argument('--psis', type=options.float_list, default='0,0.25,0.5,0.75,1', metavar='LIST',
                   help='truncation of the columns; files are truncated too (default: %(default)s)')
    options.add_class(p)
    options.add_drawing(p)
    p.set_defaults(run=draw_grid)


def draw_grid(submit_config, network_pkl, seeds, psis, class_name, settings):
    """Writes `<seed>-psi<psi>.png` for every pair, and all as `grid.png`.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        seeds: List of ints and of files of projectors: the rows.
        psis: List of floats: the columns.
        class_name: Name or number of the class, `None` = labels are zero.
        settings: drawing.Settings.
    """
    files = writer.PictureWriter(submit_config.run_dir, settings.outputs, settings.dtype)
    drawer = drawing.load(network_pkl, settings)
    dlatents = drawer.sources(seeds, drawing.chosen_label(drawer, class_name))
    sheet = images.ContactSheet(len(seeds) * len(psis), drawer.image_shape, len(psis),
                                ['psi {:g}'.format(psi) for psi in psis], [options.stem(seed) for seed in seeds])
    for seed, row in zip(cli.progress(seeds, 'rows'), dlatents):
        pictures = drawer.pictures(np.stack([drawer.truncate(row, psi) for psi in psis]))
        for psi, picture in zip(psis, pictures):
            sheet.add(files.add('{}-psi{:.2f}'.format(options.stem(seed), psi), picture))
    images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    files.close(psis=np.array(psis))
    print('Wrote {} pictures and grid.png to {}'.format(len(seeds) * len(psis), submit_config.run_dir))
