"""Draws pictures with a trained network: one per seed, or mixtures of the styles of two seeds."""

import os

import numpy as np
import PIL.Image

import dnnlib
from dnnlib import cli, images
from dnnlib.util import UserError
from training import pretrained

_MAX_SHEET_SIZE = 4096  # of a contact sheet's longer side in pixels; more pictures are shrunk to fit


def generate_images(submit_config, network_pkl, seeds, truncation_psi, device):
    """Writes `seed%04d.png` for every seed, and the contact sheet `grid.png` if there are several seeds.

    Latents and then the noise of every layer are drawn from `RandomState(seed)`, so a seed always gives the same
    picture. Labels are zero.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: Path, URL or published name of the network file.
        seeds: List of ints.
        truncation_psi: Truncation of all layers, 1 = none.
        device: `auto`, `cpu` or `gpu:N`.
    """
    tflib, Gs = _load_generator(network_pkl, device)
    noise_vars = [var for name, var in Gs.components.synthesis.vars.items() if name.startswith('noise')]
    options = dict(truncation_psi=truncation_psi, randomize_noise=False, output_transform=_to_uint8(tflib))
    sheet = _ContactSheet(len(seeds), Gs.output_shape[2])
    for seed in cli.progress(seeds, 'images'):
        rnd = np.random.RandomState(seed)
        latents = rnd.randn(1, *Gs.input_shape[1:])
        tflib.set_vars({var: rnd.randn(*var.shape.as_list()) for var in noise_vars})
        image = Gs.run(latents, None, **options)[0]
        images.save_png(image, os.path.join(submit_config.run_dir, 'seed{:04d}.png'.format(seed)))
        sheet.add(image)
    if len(seeds) > 1:
        images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    print('Wrote {} picture{} to {}'.format(len(seeds), '' if len(seeds) == 1 else 's', submit_config.run_dir))


def style_mixing_example(submit_config, network_pkl, row_seeds, col_seeds, col_styles, truncation_psi, device):
    """Writes `<row seed>-<column seed>.png` for every pair, the sources `<seed>-<seed>.png`, and all as `grid.png`.

    A picture has the styles of its row's seed, but for the layers `col_styles`, which are its column's (StyleGAN,
    section 3.1). The noise is the network's own.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: Path, URL or published name of the network file.
        row_seeds, col_seeds: Lists of ints.
        col_styles: List of layer numbers, 0 is the coarsest.
        truncation_psi: Truncation of all layers, 1 = none.
        device: `auto`, `cpu` or `gpu:N`.
    Raises: UserError if the network has no such layer.
    """
    tflib, Gs = _load_generator(network_pkl, device)
    mapping, synthesis = Gs.components.mapping, Gs.components.synthesis
    num_layers = synthesis.input_shape[1]
    if max(col_styles) >= num_layers:
        raise UserError('--col-styles names layer {}, but the network has layers 0 to {}'.format(
            max(col_styles), num_layers - 1))
    options = dict(randomize_noise=False, minibatch_size=4, output_transform=_to_uint8(tflib))

    seeds = sorted(set(row_seeds + col_seeds))
    latents = np.stack([np.random.RandomState(seed).randn(*Gs.input_shape[1:]) for seed in seeds])
    dlatent_avg = Gs.get_var('dlatent_avg')
    dlatents = dlatent_avg + (mapping.run(latents, None) - dlatent_avg) * truncation_psi  # [seeds, layers, D]
    dlatents = dict(zip(seeds, dlatents))
    sources = dict(zip(seeds, synthesis.run(np.stack([dlatents[seed] for seed in seeds]), **options)))

    def save(image, row_seed, col_seed):
        images.save_png(image, os.path.join(submit_config.run_dir, '{}-{}.png'.format(row_seed, col_seed)))

    for seed in seeds:
        save(sources[seed], seed, seed)
    blank = np.zeros_like(sources[seeds[0]])
    rows = [np.concatenate([blank] + [sources[seed] for seed in col_seeds], axis=1)]
    for row_seed in cli.progress(row_seeds, 'rows'):
        mixed = np.stack([dlatents[row_seed]] * len(col_seeds))
        for i, col_seed in enumerate(col_seeds):
            mixed[i, col_styles] = dlatents[col_seed][col_styles]
        row = synthesis.run(mixed, **options)
        for col_seed, image in zip(col_seeds, row):
            save(image, row_seed, col_seed)
        rows.append(np.concatenate([sources[row_seed]] + list(row), axis=1))
    images.save_png(np.concatenate(rows), os.path.join(submit_config.run_dir, 'grid.png'))
    print('Wrote {} pictures and grid.png to {}'.format(
        len(seeds) + len(row_seeds) * len(col_seeds), submit_config.run_dir))


def add_generate_images(commands):
    """Adds the sub-command `generate-images`."""
    p = commands.add_parser('generate-images', help='write one picture per seed')
    _add_network(p)
    p.add_argument('--seeds', type=cli.seed_list, metavar='LIST', required=True, help='random seeds, e.g. 0-3,8')
    _add_others(p)
    p.set_defaults(run=generate_images)


def add_style_mixing_example(commands):
    """Adds the sub-command `style-mixing-example`."""
    p = commands.add_parser('style-mixing-example', help='write mixtures of the styles of two seeds')
    _add_network(p)
    p.add_argument('--row-seeds', type=cli.seed_list, metavar='LIST', required=True, help='seeds of the rows')
    p.add_argument('--col-seeds', type=cli.seed_list, metavar='LIST', required=True, help='seeds of the columns')
    p.add_argument('--col-styles', type=cli.int_list, metavar='LIST', default='0-6',
                   help='layers taken from the column (default: %(default)s)')
    _add_others(p)
    p.set_defaults(run=style_mixing_example)


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the sub-command."""
    parser = cli.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(metavar='COMMAND', dest='command')
    add_generate_images(commands)
    add_style_mixing_example(commands)
    name, run, args = cli.parse_command(parser, argv)
    pretrained.check_network_file(args['network_pkl'])
    config = dnnlib.SubmitConfig(
        run_dir_root=cli.writable_dir(args.pop('result_dir')), run_desc=name, options_file=None)
    dnnlib.submit_run(config, run, **args)


class _ContactSheet:
    """One RGB image of equal square cells, filled row by row."""

    def __init__(self, count, size):
        self._columns = int(np.ceil(np.sqrt(count)))
        self._cell = max(min(size, _MAX_SHEET_SIZE // self._columns), 1)
        self._filled = 0
        rows = (count - 1) // self._columns + 1
        self.canvas = PIL.Image.new('RGB', (self._columns * self._cell, rows * self._cell))

    def add(self, image):
        """Fills the next cell with a uint8 image [H, W, 1 or 3]."""
        picture = PIL.Image.fromarray(np.broadcast_to(image, image.shape[:2] + (3,)).copy())
        if picture.size != (self._cell, self._cell):
            picture = picture.resize((self._cell, self._cell), PIL.Image.LANCZOS)
        row, column = divmod(self._filled, self._columns)
        self.canvas.paste(picture, (column * self._cell, row * self._cell))
        self._filled += 1


def _load_generator(network_pkl, device):
    """Starts TensorFlow; returns (the module tflib, Gs)."""
    tflib = cli.load_tensorflow()
    tflib.init_tf({'device': device})
    print('Loading networks from {} ...'.format(network_pkl))
    return tflib, pretrained.load_generator(network_pkl)


def _to_uint8(tflib):
    return dict(func=tflib.convert_images_to_uint8, nchw_to_nhwc=True)


def _add_network(p):
    p.add_argument('--network', dest='network_pkl', metavar='PKL', default=pretrained.DEMO_NETWORK,
                   help='network pickle: path, URL or published name (default: the cats that come with this program)')


def _add_others(p):
    p.add_argument('--truncation-psi', type=cli.finite_float, default=0.5, metavar='PSI',
                   help='0 = the average picture, 1 = no truncation (default: %(default)s)')
    p.add_argument('--result-dir', default='results', metavar='DIR',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(p)


if __name__ == '__main__':
    cli.run_main(main)
