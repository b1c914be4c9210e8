"""Draws pictures with a trained network: one per seed, mixtures, walks, edits; shows what is in a network file."""

from collections import OrderedDict
import importlib
import os

import dnnlib  # first: says if a package is missing
import numpy as np

from dnnlib import cli, images
from dnnlib.util import UserError
from generator import drawing, options, plain, projections, writer
from training import pretrained

COMMANDS = OrderedDict([  # those of modules of their own, of which only what is used is loaded
    ('interpolate', 'generator.interpolate'), ('grid', 'generator.grid'), ('mix', 'generator.mix'),
    ('directions', 'generator.directions'), ('edit', 'generator.edit'), ('blend', 'generator.blend'),
    ('export', 'export.command'), ('info', 'generator.info')])


def generate_images(submit_config, network_pkl, seeds, class_name, class_rows, standing, settings):
    """Writes `seed%04d.png` for every seed, and the contact sheet `grid.png` if there are several seeds.

    Latents and then the noise of every layer are drawn from `RandomState(seed)`, so a seed always gives the same
    picture.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        seeds: List of ints.
        class_name: Names or numbers of classes, see `classes.parse_label`; `None` = labels are zero.
        class_rows: List of classes, or ['all']: each seed is drawn in each of them, `class00-seed%04d.png`; they are
            the rows of the contact sheet, the seeds its columns. `None` = see `class_name`.
        standing: See `plain.load`.
        settings: drawing.Settings.
    """
    files = writer.PictureWriter(submit_config.run_dir, settings.outputs, settings.dtype)
    drawer = plain.load(network_pkl, settings, standing)
    psi = drawer.psi_of(settings.truncation_psi)
    if class_rows is None:
        labels, names = drawing.chosen_label(drawer, class_name), [f'seed{seed:04d}' for seed in seeds]
        sheet = images.ContactSheet(len(seeds), drawer.image_shape)
    else:
        rows = plain.labels_of_classes(drawer, class_rows)
        names = [f'class{number:02d}-seed{seed:04d}' for number in np.argmax(rows, axis=1) for seed in seeds]
        sheet = images.ContactSheet(len(names), drawer.image_shape, columns=len(seeds))
        labels, seeds = np.repeat(rows, len(seeds), axis=0), seeds * len(rows)
    pictures = drawer.generate(seeds, labels, truncation_psi=psi)
    for name, picture in zip(cli.progress(names, 'images'), pictures):
        sheet.add(files.add(name, picture))
    if len(names) > 1:
        images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    files.close(seeds=np.array(seeds))
    print(f"Wrote {len(names)} picture{'' if len(names) == 1 else 's'} to {submit_config.run_dir}")


def draw_dlatents(submit_config, network_pkl, dlatents, interpolate, settings):
    """Draws projected pictures: `<file>.png` for each, with its noise, and pictures in between if asked for.

    A file of several pictures makes `<file>-00.png`, `<file>-01.png` and so on.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        dlatents: Files of dlatents of this network, npz or npy, see `projections.load`.
        interpolate: Number of pictures between every two, `<file>-<next file>-%02d.png`, on a straight line in W with
            the noise of the first one.
        settings: drawing.Settings.
    Raises: UserError if a file isn't one, or belongs to a network with other layers.
    """
    loaded = [(path, projections.load(path, or_latents=True)) for path in dlatents]
    files, drawer = writer.PictureWriter(submit_config.run_dir, settings.outputs, settings.dtype), plain.load(
        network_pkl, settings)
    has_w = isinstance(drawer, drawing.Drawer)
    for path, arrays in loaded:
        if has_w != ('dlatents' in arrays):
            raise UserError(f'{path}: it holds {"latents" if has_w else "dlatents"}, and the network takes '
                            f'{"dlatents" if has_w else "latents"}; give files that were made with this network')
    if not has_w:
        _draw_latents(drawer, loaded, files, interpolate)
        print(f'Wrote the pictures of {len(loaded)} file{"" if len(loaded) == 1 else "s"} to {submit_config.run_dir}')
        return
    points = []  # (name, dlatents [1, layers, D], arrays of the file) of every picture
    for path, arrays in loaded:
        values = drawer.fit(path, arrays['dlatents'])
        points += [(options.stem(path) + (f'-{i:02d}' if len(values) > 1 else ''), values[i:i + 1], arrays)
                   for i in range(len(values))]
    sheet = images.ContactSheet(len(points) + interpolate * (len(points) - 1), drawer.image_shape)

    def draw(values, name):
        sheet.add(files.add(name, drawer.pictures(drawer.truncate(values, settings.truncation_psi))[0]))

    for (name, first, arrays), following in zip(points, points[1:] + [None]):
        drawer.set_noise(arrays)
        draw(first, name)
        for i in range(interpolate if following else 0):
            share = (i + 1) / (interpolate + 1)
            between = first + (following[1] - first) * share
            draw(between, f'{name}-{following[0]}-{i + 1:02d}')
    if len(points) > 1:
        images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    files.close()
    print(f'Wrote the pictures of {len(loaded)} file{"" if len(loaded) == 1 else "s"} to {submit_config.run_dir}')


def _draw_latents(drawer, loaded, files, interpolate):
    """Draws `<file>.png` of latents; arguments as in `draw_dlatents`, `loaded` as [(path, arrays)]."""
    if interpolate:
        raise UserError('--interpolate leads through W, which this network lacks; use the command interpolate')
    for path, arrays in loaded:
        if arrays['latents'].shape[1:] != tuple(drawer.Gs.input_shape[1:]) or (
                'labels' in arrays and arrays['labels'].shape[1] != drawer.label_size):
            raise UserError(f'{path}: its latents or labels are those of another network')
        for i, picture in enumerate(drawer.draw(arrays['latents'], arrays.get('labels'))):
            files.add(options.stem(path) + (f'-{i:02d}' if len(arrays['latents']) > 1 else ''), picture)
    files.close()


def style_mixing_example(submit_config, network_pkl, row_seeds, col_seeds, col_styles, class_name, settings):
    """Writes `<row seed>-<column seed>.png` for every pair, the sources `<seed>-<seed>.png`, and all as `grid.png`.

    A picture has the styles of its row's seed, but for the layers `col_styles`, which are its column's (StyleGAN,
    section 3.1). The noise is the network's own.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        row_seeds, col_seeds: Lists of ints, and of files of dlatents, npz or npy, which are not truncated.
        col_styles: List of layer numbers, 0 is the coarsest; None = the published 0 to 6, or the first half of a
            network that has no more than these.
        class_name: Names or numbers of classes of all seeds, see `classes.parse_label`; `None` = labels are zero.
        settings: drawing.Settings.
    Raises: UserError if the network has no such layer.
    """
    drawer, files = _start(submit_config, network_pkl, settings)
    if col_styles is None:
        col_styles = list(range(7 if drawer.num_layers > 7 else drawer.num_layers // 2))
        if len(col_styles) < 7:
            print(f'The network has {drawer.num_layers} layers: --col-styles is {options.ranges(col_styles)}, not 0-6')
    drawer.check_layers('--col-styles', col_styles)
    seeds = sorted(set(row_seeds + col_seeds), key=lambda seed: (isinstance(seed, str), seed))  # numbers, then files
    labels = drawing.chosen_label(drawer, class_name)
    dlatents = dict(zip(seeds, drawer.sources(seeds, labels, settings.truncation_psi)))
    sources = dict(zip(seeds, drawer.pictures(np.stack([dlatents[seed] for seed in seeds]))))

    def save(picture, row_seed, col_seed):
        return files.add(f'{_short_name(row_seed)}-{_short_name(col_seed)}', picture)

    tiles = {seed: save(sources[seed], seed, seed) for seed in seeds}
    sheet = [np.concatenate([np.zeros_like(tiles[seeds[0]])] + [tiles[seed] for seed in col_seeds], axis=1)]
    for row_seed in cli.progress(row_seeds, 'rows'):
        mixed = np.stack([dlatents[row_seed]] * len(col_seeds))
        for i, col_seed in enumerate(col_seeds):
            mixed[i, col_styles] = dlatents[col_seed][col_styles]
        row = [save(picture, row_seed, col_seed) for col_seed, picture in zip(col_seeds, drawer.pictures(mixed))]
        sheet.append(np.concatenate([tiles[row_seed]] + row, axis=1))
    images.save_png(np.concatenate(sheet), os.path.join(submit_config.run_dir, 'grid.png'))
    files.close()
    print(f'Wrote {len(seeds) + len(row_seeds) * len(col_seeds)} pictures and grid.png to {submit_config.run_dir}')


def _start(submit_config, network_pkl, settings):
    """Loads the network; returns (Drawer, PictureWriter)."""
    files = writer.PictureWriter(submit_config.run_dir, settings.outputs, settings.dtype)
    return drawing.load(network_pkl, settings), files


def _short_name(seed_or_file):
    """Name of a seed or a file in the published names of mixtures."""
    return str(seed_or_file) if isinstance(seed_or_file, int) else options.stem(seed_or_file)


def add_generate_images(commands):
    """Adds the sub-command `generate-images`."""
    p = commands.add_parser('generate-images', help='write one picture per seed, or per projected picture')
    options.add_network(p)
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument('--seeds', type=cli.seed_list, metavar='LIST', help='random seeds, e.g. 0-3,8')
    what.add_argument('--dlatents', type=cli.comma_list, metavar='FILES',
                      help='projections (.npz, .npy), joined by commas; truncated only with --truncation-psi')
    p.add_argument('--interpolate', type=int, metavar='N', default=0,
                   help='for --dlatents: pictures between every two projections (default: %(default)s)')
    options.add_class(p)
    p.add_argument('--class-rows', type=cli.comma_list, metavar='NAMES', help='classes, joined by commas, or all: draw '
                   'each seed in each class, one row of the sheet for each')
    options.add_psi(p, None)
    options.add_latents(p)
    p.add_argument('--standing', type=int, default=0, metavar='N', help='for BigGAN: batch norm uses the statistics of '
                   'N minibatches, such as 16, instead of those of the training (default: %(default)s)')
    p.add_argument('--all-sizes', action='store_true', help='for MSG-GAN: draw the images of all sizes side by side, '
                   'enlarged to the full size')
    options.add_drawing(p, ('seed', 'const', 'random'))
    p.set_defaults(run=generate_images)


def add_style_mixing_example(commands):
    """Adds the sub-command `style-mixing-example`."""
    p = commands.add_parser('style-mixing-example', help='write mixtures of the styles of two seeds')
    options.add_network(p)
    p.add_argument('--row-seeds', type=options.seeds_or_files, metavar='LIST', default='85,100,75',
                   help='seeds of the rows, or projections (.npz, .npy) (default: %(default)s)')
    p.add_argument('--col-seeds', type=options.seeds_or_files, metavar='LIST', default='55,821,1789',
                   help='the same of the columns (default: %(default)s)')
    p.add_argument('--col-styles', type=cli.int_list, metavar='LIST',
                   help='layers taken from the column (default: 0-6, the first half of at most 7 layers)')
    options.add_class(p)
    options.add_psi(p)
    options.add_drawing(p)
    p.set_defaults(run=style_mixing_example)


def make_parser(command=None):
    """The parser of all sub-commands, or of those that can be meant where the first argument is `command`."""
    parser = cli.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(metavar='COMMAND', dest='command')
    add_generate_images(commands)
    add_style_mixing_example(commands)
    for name in () if command in commands.choices else [command] if command in COMMANDS else COMMANDS:
        importlib.import_module(COMMANDS[name]).add_command(commands)
    return parser


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the sub-command."""
    name, run, args = cli.parse_command(make_parser(*argv[:1]), argv)
    if name in ('info', 'export'):
        run(**args)
        return
    args = args.pop('prepare', dict)(args)
    if run is generate_images:
        run, args = _choose_input(args)
    _check_sources(args)  # now, before TensorFlow is loaded
    args = options.gather_drawing(args)
    for key in [key for key in args if key.startswith('network')]:
        args[key] = pretrained.resolve(args[key])
        pretrained.check_network_file(args[key])
    if args.get('class_name') is not None:
        drawing.check_class(args['class_name'], args['network_pkl'])
    config = dnnlib.SubmitConfig(
        run_dir_root=cli.writable_dir(args.pop('result_dir')), run_desc=name, options_file=None)
    dnnlib.submit_run(config, run, **args)


def _check_sources(args):
    """Raises UserError or OSError for a file that is given in place of seeds and holds no dlatents."""
    sources = [source for name in ('seeds', 'row_seeds', 'col_seeds', 'dlatents') for source in args.get(name) or ()]
    for source in sources + [source for source, _ in args.get('take', ())]:
        if isinstance(source, str):
            projections.load(source, or_latents=source in (args.get('dlatents') or ()))


def _choose_input(args):
    """Returns `generate_images` or `draw_dlatents`, and its arguments, from those of the command line."""
    dlatents, between = args['dlatents'], args['interpolate']
    psi, noise = args['truncation_psi'], args['noise']
    if between < 0 or between and len(dlatents or []) < 2:
        raise UserError(f'--interpolate={between}: expected a positive number, and at least two files in --dlatents')
    if dlatents is None:
        run, others = generate_images, ('dlatents', 'interpolate')
        if args['class_name'] is not None and args['class_rows'] is not None:
            raise UserError('--class and --class-rows exclude each other; give the classes to --class-rows')
        if args['standing'] < 0:
            raise UserError(f'--standing={args["standing"]}: expected a number of minibatches from 0 on')
    elif not dlatents or any(args[name] for name in ('class_name', 'class_rows', 'latents', 'standing', 'all_sizes')):
        raise UserError('--dlatents needs at least one file, and no --class, --class-rows, --latents, --standing or '
                        '--all-sizes: dlatents have their class already')
    else:  # there is no seed: the noise of the files, or the network's own
        run, others, psi = draw_dlatents, ('seeds', 'class_name', 'class_rows', 'standing'), 1.0 if psi is None else psi
        noise = 'const' if noise == 'seed' else noise
    kept = {key: value for key, value in args.items() if key not in others}
    return run, dict(kept, truncation_psi=psi, noise=noise)


if __name__ == '__main__':
    cli.run_main(main)
