"""Projects pictures into the latent space of a generator: finds the latent code whose image is closest to each."""

import argparse
import csv
import json
import os
import sys
import time
import zipfile

import numpy as np
import tqdm

import dnnlib
from dnnlib import cli, images, util
from dnnlib.util import UserError
from training import pretrained

NUM_STEPS = 1000
COLUMNS = ('picture', 'source', 'step', 'distance', 'seconds')
SHEET_ROWS = 16  # pictures on the contact sheet, the first


def project_generated_images(submit_config, network_pkl, seeds, truncation_psi, projection, device):
    """Projects generated images, which is the test of a projector: they have an exact answer.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`, named `seed%04d-...`.
        network_pkl: Path, URL or published name of the network file.
        seeds: List of ints; latents and noise as in `run_generator.py generate-images`.
        truncation_psi: Truncation of all layers, 1 = none.
        projection: Dictionary: `num_steps`, `num_snapshots` and `seed` (of the projection's own noise).
        device: `auto`, `cpu` or `gpu:N`.
    """
    session = _Session(submit_config.run_dir, network_pkl, projection, device)
    noise_vars = [var for name, var in session.Gs.components.synthesis.vars.items() if name.startswith('noise')]
    session.prepare()
    for seed in seeds:
        rnd = np.random.RandomState(seed)
        latents = rnd.randn(1, *session.Gs.input_shape[1:])
        session.tflib.set_vars({var: rnd.randn(*var.shape.as_list()) for var in noise_vars})
        target = session.Gs.run(latents, None, randomize_noise=False, truncation_psi=truncation_psi)
        session.project(target, 'seed{:04d}'.format(seed), 'seed {}'.format(seed))


def project_real_images(submit_config, network_pkl, dataset, data_dir, num_images, projection, device):
    """Projects the first images of a data set.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`, named `image%04d-...`.
        network_pkl: Path, URL or published name of the network file.
        dataset: Name of the data set in `data_dir`, of the network's resolution. The built-in `cats` are the held-out
            ones, which no training has seen, in the network's resolution.
        data_dir: Folder of the data sets; `None` = the working directory.
        num_images: Number of images.
        projection, device: As in `project_generated_images`.
    Raises: UserError if the data set cannot be opened, has fewer images or another shape.
    """
    from training import dataset as datasets
    session = _Session(submit_config.run_dir, network_pkl, projection, device)
    shape = session.Gs.output_shape[1:]
    options = dict(max_label_size=0, repeat=False, shuffle_mb=0)
    if dataset == 'cats' and (data_dir is None or not os.path.exists(os.path.join(data_dir, dataset))):
        options.update(resolution=shape[1], held_out=True)
    with datasets.load_dataset(data_dir=data_dir, tfrecord_dir=dataset, **options) as reals:
        if reals.shape != shape:
            raise UserError('{}: images of shape {}, but the network makes {}; project-images crops and scales images '
                            'to fit'.format(dataset, reals.shape, shape))
        if reals.num_images < num_images:
            raise UserError('--num-images={}, but {} has {} images'.format(num_images, dataset, reals.num_images))
        session.prepare()
        for index in range(num_images):
            session.project(_to_target(reals.read(index)), 'image{:04d}'.format(index), '{} {}'.format(dataset, index))


def project_images(submit_config, network_pkl, path, projection, device):
    """Projects an image file, or all images of a folder or zip in sorted order.

    The centre square of each is scaled to the network's size. All are read before the first is projected, so that a
    damaged one is reported at once.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`, named `image%04d-...`.
        network_pkl: Path, URL or published name of the network file.
        path: Image file, folder or zip.
        projection, device: As in `project_generated_images`.
    Raises: UserError naming the file that is no image.
    """
    source = _ImageSource(path)
    session = _Session(submit_config.run_dir, network_pkl, projection, device)
    channels, resolution = session.Gs.output_shape[1:3]
    for name in source.names:
        source.read(name, channels, resolution)
    session.prepare()
    for index, name in enumerate(source.names):
        session.project(_to_target(source.read(name, channels, resolution)), 'image{:04d}'.format(index), name)


def snapshot_steps(num_steps, num_snapshots):
    """Numbers of the steps, counted from 1, after which an image is written: set of ints, evenly spaced."""
    return {num_steps - i * num_steps // num_snapshots for i in range(num_snapshots)}


class _ImageSource:
    """Image files given by the path of one, of a folder or of a zip."""

    def __init__(self, path):
        from training import dataset_sources
        self._path = path
        self._decode = dataset_sources.decode_image
        is_file = os.path.isfile(path) and not zipfile.is_zipfile(path)
        self._files = None if is_file else dataset_sources.ImageFiles(path)
        self.names = [os.path.basename(path)] if is_file else self._files.names

    def read(self, name, channels, resolution):
        """The image, cropped and scaled: uint8 [C, H, W]."""
        if self._files is not None:
            return self._files.read_image(name, channels, resolution)
        with open(self._path, 'rb') as file:
            return self._decode(file.read(), self._path, channels, resolution)


class _Session:
    """TensorFlow, the generator, the projector, and the files of one run."""

    def __init__(self, run_dir, network_pkl, projection, device):
        tflib = cli.load_tensorflow()
        from projector.projector import Projector
        self.tflib = tflib
        self._run_dir = run_dir
        self._num_steps = projection['num_steps']
        self._snapshot_steps = snapshot_steps(projection['num_steps'], projection['num_snapshots'])
        self._rows = []
        self._sheet = []
        tflib.init_tf({'device': device, 'rnd.np_random_seed': projection['seed']})
        print('Device: {}'.format(tflib.device_description()))
        print('Loading networks from {} ...'.format(network_pkl))
        self.Gs = pretrained.load_generator(network_pkl)
        self._projector = Projector()
        self._projector.num_steps = self._num_steps

    def prepare(self):
        """Builds the projector; only now, since this takes long and a bad image should be reported before."""
        self._projector.set_network(self.Gs)

    def project(self, target, name, source):
        """Projects a target [1, C, H, W], range [-1, 1]; writes its files `<name>-...` and the table of distances."""
        self._save_image(target, name + '-target.png')
        shown = [target]
        begin = time.time()
        self._projector.start(target)
        self._note(name, source, 0, begin)
        # not to the log file, which is a copy of the standard streams
        with tqdm.tqdm(total=self._num_steps, desc=name, unit='step', disable=None, file=sys.__stderr__) as bar:
            while self._projector.get_cur_step() < self._num_steps:
                distance, _ = self._projector.step()
                bar.set_postfix_str('distance {:.4f}'.format(distance), refresh=False)
                bar.update()
                step = self._projector.get_cur_step()
                if step in self._snapshot_steps:
                    shown.append(self._projector.get_images())
                    self._save_image(shown[-1], '{}-step{:04d}.png'.format(name, step))
                    bar.clear()
                    self._note(name, source, step, begin)
        self._save_table()
        self._save_sheet(shown)

    def _save_sheet(self, shown):
        """Adds a row, the target and its snapshots, to the contact sheet, which has at most SHEET_ROWS."""
        if len(self._sheet) < SHEET_ROWS and len(shown) > 1:
            pixels = images.adjust_dynamic_range(np.concatenate(shown), [-1, 1], [0, 255])
            self._sheet.append(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
            images.save_image_grid(np.concatenate(self._sheet), os.path.join(self._run_dir, 'grid.png'),
                                   drange=[0, 255], grid_size=(len(shown), len(self._sheet)))

    def _save_image(self, image, file_name):
        images.save_image_grid(image, os.path.join(self._run_dir, file_name), drange=[-1, 1])

    def _note(self, name, source, step, begin):
        """Adds a row to the table and prints it."""
        seconds = time.time() - begin
        row = (name, source, step, round(self._projector.get_distance(), 6), round(seconds, 2))
        self._rows.append(dict(zip(COLUMNS, row)))
        text = '{}: step {:4d}/{}, distance {:.4f}'.format(name, step, self._num_steps, row[3])
        if step > 0:
            left = seconds / step * (self._num_steps - step)
            text += ', {:.1f} steps/s, eta {}'.format(step / seconds, util.format_time(left))
        print(text)

    def _save_table(self):
        with util.atomic_path(os.path.join(self._run_dir, 'distances.csv')) as temp_path:
            with open(temp_path, 'w', newline='', encoding='utf-8') as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(self._rows)
        with util.atomic_path(os.path.join(self._run_dir, 'distances.jsonl')) as temp_path:
            with open(temp_path, 'w', encoding='utf-8') as file:
                file.writelines(json.dumps(row) + '\n' for row in self._rows)


def _to_target(pixels):
    """uint8 [C, H, W] to float32 [1, C, H, W], range [-1, 1]."""
    return images.adjust_dynamic_range(pixels[np.newaxis], [0, 255], [-1, 1])


def _at_least(minimum):
    """Argument type: int not below `minimum`."""
    def parse(text):
        if not text.isdigit() or int(text) < minimum:
            raise argparse.ArgumentTypeError('expected a whole number of at least {}, got {!r}'.format(minimum, text))
        return int(text)
    return parse


def _add_generated(commands):
    p = commands.add_parser('project-generated-images', help='project generated images')
    _add_network(p)
    p.add_argument('--seeds', type=cli.seed_list, metavar='LIST', default='0,1,2',
                   help='random seeds of the images (default: %(default)s)')
    p.add_argument('--truncation-psi', type=cli.finite_float, metavar='PSI', default=1.0,
                   help='0 = the average image, 1 = no truncation (default: %(default)s)')
    _add_others(p)
    p.set_defaults(run=project_generated_images)


def _add_real(commands):
    p = commands.add_parser('project-real-images', help='project the images of a data set')
    _add_network(p)
    p.add_argument('--dataset', metavar='NAME', required=True, help='data set; cats = held-out ones of the built-in')
    p.add_argument('--data-dir', metavar='DIR', help='folder that holds the data set')
    p.add_argument('--num-images', type=_at_least(1), metavar='N', default=3,
                   help='number of images (default: %(default)s)')
    _add_others(p)
    p.set_defaults(run=project_real_images)


def _add_images(commands):
    p = commands.add_parser('project-images', help='project your own image files')
    p.add_argument('path', metavar='PATH', help='image file, or folder or zip of images')
    _add_network(p)
    _add_others(p)
    p.set_defaults(run=project_images)


def _add_network(p):
    p.add_argument('--network', dest='network_pkl', metavar='PKL', default=pretrained.DEMO_NETWORK,
                   help='network pickle: path, URL or published name (default: the cats that come with this program)')


def _add_others(p):
    p.add_argument('--num-steps', type=_at_least(1), metavar='N', default=NUM_STEPS,
                   help='optimization steps per image (default: %(default)s)')
    p.add_argument('--num-snapshots', type=_at_least(0), metavar='N', default=5,
                   help='images written on the way (default: %(default)s)')
    p.add_argument('--seed', type=_at_least(0), metavar='N', default=0,
                   help="seed of the projection's own random noise (default: %(default)s)")
    p.add_argument('--result-dir', metavar='DIR', default='results',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(p)


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the sub-command."""
    parser = cli.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(metavar='COMMAND', dest='command')
    _add_generated(commands)
    _add_real(commands)
    _add_images(commands)
    name, run, args = cli.parse_command(parser, argv)
    pretrained.check_network_file(args['network_pkl'])
    path = args.get('path') or args.get('data_dir')
    if path is not None and not os.path.exists(path):
        raise UserError('{}: there is no such file or folder'.format(path))
    args['projection'] = {key: args.pop(key) for key in ('num_steps', 'num_snapshots', 'seed')}
    config = dnnlib.SubmitConfig(
        run_dir_root=cli.writable_dir(args.pop('result_dir')), run_desc=name, options_file=None)
    dnnlib.submit_run(config, run, **args)


if __name__ == '__main__':
    cli.run_main(main)
