"""Draws pictures with a trained network: one per seed, or mixtures of the styles of two seeds."""

import os

import numpy as np

import dnnlib
from dnnlib import cli, images
from dnnlib.util import UserError
from generator import info
from projector import results
from training import classes, pretrained


def generate_images(submit_config, network_pkl, seeds, class_name, truncation_psi, precision, tf_config):
    """Writes `seed%04d.png` for every seed, and the contact sheet `grid.png` if there are several seeds.

    Latents and then the noise of every layer are drawn from `RandomState(seed)`, so a seed always gives the same
    picture.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: Path, URL or published name of the network file.
        seeds: List of ints.
        class_name: Names or numbers of classes, see `classes.parse_label`; `None` = labels are zero.
        truncation_psi: Truncation of all layers, 1 = none.
        precision: `float32` or `mixed`.
        tf_config: `device` and `ops`, as in `tflib.init_tf`.
    """
    tflib, Gs = _load_generator(network_pkl, tf_config)
    noise_vars = [var for name, var in Gs.components.synthesis.vars.items() if name.startswith('noise')]
    options = dict(truncation_psi=truncation_psi, randomize_noise=False, output_transform=_to_uint8(tflib),
                   **_precision_options(precision, Gs))
    labels = _labels(class_name, network_pkl, Gs)
    sheet = images.ContactSheet(len(seeds), Gs.output_shape[1:])
    for seed in cli.progress(seeds, 'images'):
        rnd = np.random.RandomState(seed)
        latents = rnd.randn(1, *Gs.input_shape[1:])
        tflib.set_vars({var: rnd.randn(*var.shape.as_list()) for var in noise_vars})
        image = Gs.run(latents, labels, **options)[0]
        images.save_png(image, os.path.join(submit_config.run_dir, 'seed{:04d}.png'.format(seed)))
        sheet.add(image)
    if len(seeds) > 1:
        images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    print('Wrote {} picture{} to {}'.format(len(seeds), '' if len(seeds) == 1 else 's', submit_config.run_dir))


def draw_dlatents(submit_config, network_pkl, dlatents, interpolate, truncation_psi, precision, tf_config):
    """Draws projected pictures: `<file>.png` for each, with its noise, and pictures in between if asked for.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: Path, URL or published name of the network file.
        dlatents: Files of `run_projector.py`, npz, of this network.
        interpolate: Number of pictures between every two files, `<file>-<next file>-%02d.png`, on a straight line in W
            with the noise of the first one.
        truncation_psi: Truncation of all layers, 1 = none.
        precision: `float32` or `mixed`.
        tf_config: `device` and `ops`, as in `tflib.init_tf`.
    Raises: UserError if a file isn't one, or belongs to a network with other layers.
    """
    loaded = [(_stem(path), results.load_projection(path)) for path in dlatents]
    tflib, Gs = _load_generator(network_pkl, tf_config)
    synthesis = Gs.components.synthesis
    options = dict(randomize_noise=False, output_transform=_to_uint8(tflib), **_precision_options(precision, Gs))
    average = Gs.get_var('dlatent_avg')
    sheet = images.ContactSheet(len(loaded) + interpolate * (len(loaded) - 1), Gs.output_shape[1:])

    def draw(values, name):
        image = synthesis.run(average + (values - average) * truncation_psi, **options)[0]
        images.save_png(image, os.path.join(submit_config.run_dir, name + '.png'))
        sheet.add(image)

    for path, (_, arrays) in zip(dlatents, loaded):
        _check_dlatents(path, arrays['dlatents'], synthesis)
    for (name, arrays), following in zip(loaded, loaded[1:] + [None]):
        noises = {var: arrays[key] for key, var in synthesis.vars.items()
                  if key in arrays and arrays[key].shape == tuple(var.shape.as_list())}
        if noises:
            tflib.set_vars(noises)
        first = arrays['dlatents'][:1]
        draw(first, name)
        for i in range(interpolate if following else 0):
            share = (i + 1) / (interpolate + 1)
            between = first + (following[1]['dlatents'][:1] - first) * share
            draw(between, '{}-{}-{:02d}'.format(name, following[0], i + 1))
    if len(loaded) > 1:
        images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'grid.png'))
    print('Wrote the pictures of {} files to {}'.format(len(loaded), submit_config.run_dir))


def style_mixing_example(submit_config, network_pkl, row_seeds, col_seeds, col_styles, truncation_psi, precision,
                         tf_config):
    """Writes `<row seed>-<column seed>.png` for every pair, the sources `<seed>-<seed>.png`, and all as `grid.png`.

    A picture has the styles of its row's seed, but for the layers `col_styles`, which are its column's (StyleGAN,
    section 3.1). The noise is the network's own.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: Path, URL or published name of the network file.
        row_seeds, col_seeds: Lists of ints, and of npz files of `run_projector.py`, which are not truncated.
        col_styles: List of layer numbers, 0 is the coarsest.
        truncation_psi: Truncation of all layers, 1 = none.
        precision: `float32` or `mixed`.
        tf_config: `device` and `ops`, as in `tflib.init_tf`.
    Raises: UserError if the network has no such layer.
    """
    tflib, Gs = _load_generator(network_pkl, tf_config)
    mapping, synthesis = Gs.components.mapping, Gs.components.synthesis
    num_layers = synthesis.input_shape[1]
    if max(col_styles) >= num_layers:
        raise UserError('--col-styles names layer {}, but the network has layers 0 to {}'.format(
            max(col_styles), num_layers - 1))
    options = dict(randomize_noise=False, minibatch_size=4, output_transform=_to_uint8(tflib),
                   **_precision_options(precision, Gs))

    seeds = sorted(set(row_seeds + col_seeds), key=lambda seed: (isinstance(seed, str), seed))  # numbers, then files
    dlatent_avg = Gs.get_var('dlatent_avg')
    dlatents = {}
    for seed in seeds:
        if isinstance(seed, str):
            dlatents[seed] = results.load_projection(seed)['dlatents'][0]
            _check_dlatents(seed, dlatents[seed][np.newaxis], synthesis)
        else:
            latents = np.random.RandomState(seed).randn(1, *Gs.input_shape[1:])
            dlatents[seed] = (dlatent_avg + (mapping.run(latents, None) - dlatent_avg) * truncation_psi)[0]
    sources = dict(zip(seeds, synthesis.run(np.stack([dlatents[seed] for seed in seeds]), **options)))

    def save(image, row_seed, col_seed):
        name = '{}-{}.png'.format(_stem(row_seed), _stem(col_seed))
        images.save_png(image, os.path.join(submit_config.run_dir, name))

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
    p = commands.add_parser('generate-images', help='write one picture per seed, or per projected picture')
    _add_network(p)
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument('--seeds', type=cli.seed_list, metavar='LIST', help='random seeds, e.g. 0-3,8')
    what.add_argument('--dlatents', type=cli.comma_list, metavar='FILES',
                      help='npz files of run_projector.py, joined by commas; drawn without truncation if none is given')
    p.add_argument('--interpolate', type=int, metavar='N', default=0,
                   help='for --dlatents: pictures between every two files (default: %(default)s)')
    p.add_argument('--class', dest='class_name', metavar='NAME',
                   help='class of the pictures, by name or number; several joined by commas if labels combine them')
    _add_others(p, None)
    p.set_defaults(run=generate_images)


def add_style_mixing_example(commands):
    """Adds the sub-command `style-mixing-example`."""
    p = commands.add_parser('style-mixing-example', help='write mixtures of the styles of two seeds')
    _add_network(p)
    p.add_argument('--row-seeds', type=seeds_or_files, metavar='LIST', required=True,
                   help='seeds of the rows, or npz files of run_projector.py')
    p.add_argument('--col-seeds', type=seeds_or_files, metavar='LIST', required=True, help='the same of the columns')
    p.add_argument('--col-styles', type=cli.int_list, metavar='LIST', default='0-6',
                   help='layers taken from the column (default: %(default)s)')
    _add_others(p)
    p.set_defaults(run=style_mixing_example)


def seeds_or_files(text):
    """Argument type: as `cli.seed_list`, but parts that end with `.npz` are names of files; list of ints and texts."""
    found = []
    for part in text.split(','):
        found += [part] if part.endswith('.npz') else cli.seed_list(part)
    return found


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the sub-command."""
    parser = cli.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(metavar='COMMAND', dest='command')
    add_generate_images(commands)
    add_style_mixing_example(commands)
    info.add_command(commands)
    name, run, args = cli.parse_command(parser, argv)
    if run is info.print_info:
        run(**args)
        return
    if run is generate_images:
        dlatents, interpolate = args.pop('dlatents'), args.pop('interpolate')
        if args['truncation_psi'] is None:
            args['truncation_psi'] = 0.5 if dlatents is None else 1.0
        if interpolate < 0 or interpolate and len(dlatents or []) < 2:
            raise UserError('--interpolate takes a positive number and at least two files in --dlatents')
        if dlatents is not None:
            if not dlatents or args.pop('class_name') is not None:
                raise UserError('--dlatents takes files, and no --class')
            del args['seeds']
            run, args = draw_dlatents, dict(args, dlatents=dlatents, interpolate=interpolate)
    args['tf_config'] = cli.pop_tf_config(args)
    pretrained.check_network_file(args['network_pkl'])
    config = dnnlib.SubmitConfig(
        run_dir_root=cli.writable_dir(args.pop('result_dir')), run_desc=name, options_file=None)
    dnnlib.submit_run(config, run, **args)


def _stem(seed_or_file):
    """Name of a seed or a file in the names of pictures."""
    return os.path.splitext(os.path.basename(str(seed_or_file)))[0]


def _check_dlatents(path, dlatents, synthesis):
    """Raises UserError if dlatents [N, layers, D] of a file are not those of a network."""
    if list(dlatents.shape[1:]) != synthesis.input_shape[1:]:
        raise UserError('{}: dlatents of shape {}, but those of the network are {}'.format(
            path, list(dlatents.shape[1:]), synthesis.input_shape[1:]))


def _load_generator(network_pkl, tf_config):
    """Starts TensorFlow; returns (the module tflib, Gs)."""
    tflib = cli.load_tensorflow()
    tflib.init_tf(tf_config, verbose=True)
    print('Loading networks from {} ...'.format(network_pkl))
    return tflib, pretrained.load_generator(network_pkl)


def _labels(class_name, network_pkl, Gs):
    """Label of the class, float32 [1, label_size]; `None` = zero, after a hint if there are classes."""
    label_size = Gs.input_shapes[1][1]
    names = classes.load_names(os.path.dirname(network_pkl), label_size)
    if class_name is not None:
        return classes.parse_label(class_name, label_size, names)[np.newaxis]
    if label_size > 0:
        print('The network has classes; --class chooses one: {}'.format(
            ', '.join(names) if names else '0 to {}'.format(label_size - 1)))
    return None


def _precision_options(precision, Gs):
    """Options of the synthesis network for a precision; says what is computed if it is not the usual."""
    from dnnlib.tflib import precision as precisions
    options, text = precisions.synthesis_options(precision, Gs)
    if precision != 'float32':
        print('Precision: {}'.format(text))
    return options


def _to_uint8(tflib):
    return dict(func=tflib.convert_images_to_uint8, nchw_to_nhwc=True)


def _add_network(p):
    p.add_argument('--network', dest='network_pkl', metavar='PKL', default=pretrained.DEMO_NETWORK,
                   help='network pickle: path, URL or published name (default: the cats that come with this program)')


def _add_others(p, default_psi=0.5):
    p.add_argument('--truncation-psi', type=cli.finite_float, default=default_psi, metavar='PSI',
                   help='0 = the average picture, 1 = no truncation (default: 0.5)')
    p.add_argument('--result-dir', default='results', metavar='DIR',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_precision(p)
    cli.add_common(p)


if __name__ == '__main__':
    cli.run_main(main)
