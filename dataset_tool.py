"""Converts pictures, published datasets or the built-in cats to TFRecords; compares and checks datasets."""

import os
import warnings

from dnnlib import cli, images  # first: says if a package is missing
import numpy as np
from PIL import Image, ImageShow

from dnnlib.run import devices
from dnnlib.util import UserError
from training import image_size
from training.data.images import FILTERS, Fit, FITS
from training.data.making import arguments, cats_commands, export as dataset_export
from training.data.making.boxes import POLICIES
from training.data.making.check_pairs import check_pairs, check_unpaired
from training.data.making import findings as dataset_findings, lsun as dataset_lsun, published
from training.data.making.pictures import Filters, PictureSource
from training.data.making.writer import check_new_dir
from training.data.sources import tell
from training.dataset import load_dataset


def create_from_images(tfrecord_dir, image_dir, shuffle, labels, bad, workers, **options):
    """Converts a folder or zip of images to TFRecords; subfolders or `dataset.json` become labels.

    Args:
        tfrecord_dir: Folder to write.
        image_dir: Folder or zip.
        shuffle: Shuffle the images?
        labels: 1 = labels are needed, 0 = leave them out, `None` = take them if there are any.
        bad: 'stop' or 'skip'.
        workers: Number of threads.
        options: Fields of images.Fit and pictures.Filters; `None` = the default.
    """
    _check_combination(options)
    given = {name: value for name, value in options.items() if value is not None}
    filters = Filters(**{name: given.pop(name) for name in Filters._fields if name in given})
    check_new_dir(cli.writable_dir(tfrecord_dir))
    source = PictureSource(image_dir, Fit(**given), filters, bad == 'skip', None if labels is None else bool(labels))
    dataset_export.export(source, tfrecord_dir, bool(shuffle), bad == 'skip', workers=workers)


def _check_combination(options):
    """Raises UserError for an option of `create_from_images` that has no effect with the others."""
    given = {name for name, value in options.items() if value not in (None, False)}
    needs = [('resolution', ('fit', 'resample', 'bbox')), ('bbox', ('square', 'box_policy')),
             ('fit', ('short_side', 'crops'))]
    if 'channels' not in given:
        needs.append(('resolution', ('background',)))
    for needed, names in needs:
        for name in names:
            if name in given and needed not in given:
                raise UserError(f'--{name.replace("_", "-")} has no effect without --{needed}'
                                f'{"=random" if needed == "fit" else ""}; add it')
    if given & {'short_side', 'crops'} and options['fit'] != 'random':
        raise UserError(f'--fit={options["fit"]}: --short-side and --crops are for --fit=random')
    if 'short_side' in given and options['short_side'] < min(image_size.parse(options['resolution']).shape):
        raise UserError(f'--short-side={options["short_side"]}: crops of {options["resolution"]} pixels are larger; '
                        'give at least their shorter side')


def create_published(tfrecord_dir, make_source, shuffle=True, skip_bad=False, max_images=None, workers=1, **options):
    """Converts a published dataset to TFRecords.

    Args:
        tfrecord_dir: Folder to write.
        make_source: Function or class of `making.published` or `making.lsun`.
        shuffle, skip_bad, max_images, workers: See `making.export.export`.
        options: Arguments of `make_source`.
    """
    check_new_dir(cli.writable_dir(tfrecord_dir))
    dataset_export.export(make_source(**options), tfrecord_dir, bool(shuffle), skip_bad, max_images, workers)


def display(tfrecord_dir, output, num_images):
    """Shows the first images of a dataset side by side, in a window or as a PNG file."""
    with load_dataset(tfrecord_dir=tfrecord_dir, max_images=num_images) as dataset:
        tell(dataset)
        grid = images.create_image_grid(np.stack([dataset.read(i) for i in range(dataset.num_images)]))
        picture = images.convert_to_pil_image(grid, dataset.dynamic_range)
    if output is not None:
        images.save_png(picture, output)
        print(f'Wrote {output}')
    elif not ImageShow.show(picture):
        raise UserError('no program found to show pictures; use --output=FILE.png')


def extract(tfrecord_dir, output_dir):
    """Writes every image of a dataset as `img00000000.png` and so on, in stored order."""
    cli.writable_dir(output_dir)
    with load_dataset(tfrecord_dir=tfrecord_dir) as dataset:
        tell(dataset)
        os.makedirs(output_dir, exist_ok=True)
        for index in cli.progress(list(range(dataset.num_images)), 'images'):
            picture = images.convert_to_pil_image(dataset.read(index), dataset.dynamic_range)
            images.save_png(picture, os.path.join(output_dir, f'img{index:08d}.png'))
    print(f'Wrote {dataset.num_images} images to {output_dir}')


def compare(tfrecord_dir_a, tfrecord_dir_b, ignore_labels):
    """Compares two datasets image by image, in stored order, and counts the identical ones."""
    label_size = 0 if ignore_labels else 'any'
    with load_dataset(tfrecord_dir=tfrecord_dir_a, max_label_size=label_size) as a, \
            load_dataset(tfrecord_dir=tfrecord_dir_b, max_label_size=label_size) as b:
        for path, dataset in ((tfrecord_dir_a, a), (tfrecord_dir_b, b)):
            if dataset.remarks or dataset.not_taken:
                print(f'{path}:')
            tell(dataset)
        if a.num_images != b.num_images:
            print(f'Different number of images: {a.num_images} and {b.num_images}')
        if a.shape != b.shape:
            print(f'Different image shapes: {a.shape} and {b.shape}')
        if a.label_size != b.label_size:
            print(f'Different label sizes: {a.label_size} and {b.label_size}')
        indices = list(range(min(a.num_images, b.num_images)))
        same_images = 0
        for index in cli.progress(indices, 'images') if a.shape == b.shape else ():
            difference = np.abs(np.int32(a.read(index)) - np.int32(b.read(index)))
            same_images += not difference.any()
            if difference.any():
                print(f'Image {index} differs: {np.count_nonzero(difference)} of {difference.size} values, by at most '
                      f'{difference.max()}')
        print(f'Identical images: {same_images} / {max(a.num_images, b.num_images)}')
        if not ignore_labels:
            same_labels = 0
            if a.label_size == b.label_size:
                same_labels = np.all(a.read_labels(indices) == b.read_labels(indices), axis=1).sum()
            print(f'Identical labels: {same_labels} / {max(a.num_images, b.num_images)}')


def check(path, workers, resolution, pairs, pairs_with):
    """Prints the problems of a dataset, file by file, and its labels; returns the exit code, 1 if there are any."""
    def progress(items):
        return cli.progress(items, 'files')
    if pairs or pairs_with is not None:
        if resolution is not None:
            raise UserError('--resolution has no effect on pairs, which training scales; drop it')
        report = check_pairs(path, pairs_with, workers, progress)
    else:
        report = check_unpaired(path, workers, progress, resolution)
    print('\n'.join(dataset_findings.table(report)))
    return 1 if report.findings else 0


def add_create_commands(commands):
    """Adds `create_from_images` and those that draw cats."""
    p = commands.add_parser('create_from_images', help='convert a folder or zip of images to TFRecords')
    p.add_argument('tfrecord_dir', help='folder to write')
    p.add_argument('image_dir', help='folder or zip; subfolders or dataset.json become labels')
    p.add_argument('--shuffle', type=int, choices=[0, 1], default=1,
                   help='1 = shuffle the images in a fixed order (default: %(default)s)')
    p.add_argument('--labels', type=int, choices=[0, 1],
                   help='1 = stop if there are no labels, 0 = leave them out (default: take them if there are any)')
    p.add_argument('--resolution', type=image_size.argument, metavar='PIXELS',
                   help='crop, resize and convert every image to this size, a side or height x width, such as 160x128 '
                   '(default: keep them as they are)')
    p.add_argument('--fit', choices=FITS, help='crop = largest center crop, pad = whole picture with borders, '
                   'stretch = whole picture, proportions ignored, random = scaled to --short-side, then a crop at a '
                   'random place, always the same for a picture (default: crop)')
    p.add_argument('--short-side', type=arguments.positive, metavar='PIXELS',
                   help='shorter side of pictures before a random crop (default: that of --resolution)')
    p.add_argument('--crops', type=arguments.positive, metavar='N',
                   help='random crops of each picture or box (default: 1)')
    p.add_argument('--channels', type=int, choices=(1, 3, 4),
                   help='1 = gray, 3 = RGB, 4 = RGB and alpha (default: 1 if all pictures are gray, otherwise 3)')
    p.add_argument('--background', type=arguments.color, metavar='COLOR',
                   help='color behind transparent parts and of the borders (default: white)')
    p.add_argument('--resample', choices=sorted(FILTERS),
                   help='area = mean of the covered pixels, as INTER_AREA of OpenCV; lanczos = sharper (default: '
                   'lanczos)')
    p.add_argument('--min-size', type=arguments.positive, metavar='PIXELS',
                   help='skip pictures whose shorter side is smaller')
    p.add_argument('--aspect-range', type=arguments.aspect_range, metavar='LOW,HIGH',
                   help='skip pictures whose width/height is outside this range, such as 0.5,2')
    p.add_argument('--bbox', type=arguments.bbox, metavar='FILE[:MARGIN]',
                   help='crop to boxes of a CSV file (file, left, top, right, bottom), a JSON file, or a folder of XML '
                   'as PASCAL VOC has it; MARGIN on each side, such as 0.1 or 10%% of it, or 10px')
    p.add_argument('--square', action='store_true', help='make boxes square, as far as the picture reaches')
    p.add_argument('--box-policy', choices=POLICIES,
                   help='boxes = only the boxes; whole = the whole picture instead if it has one box that covers three '
                   'quarters of it; both = the boxes and all whole pictures (default: boxes)')
    p.add_argument('--exclude', metavar='FILE', help='skip the pictures whose names a text file lists, one in a line')
    p.add_argument('--bad', choices=('stop', 'skip'), default='stop',
                   help='skip = skip unusable images instead of stopping (default: %(default)s)')
    _add_workers(p)
    p.set_defaults(run=create_from_images)
    cats_commands.add(commands, _add_workers)


def add_published_commands(commands):
    """Adds one command per published dataset."""
    def add(name, make_source, source, text, **defaults):
        p = commands.add_parser(name, help=f'convert {text} to TFRecords')
        p.add_argument('tfrecord_dir', help='folder to write')
        p.add_argument('path' if source == 'hdf5_filename' else 'folder', metavar=source,
                       help='the dataset as distributed by its authors')
        _add_workers(p)
        p.set_defaults(run=create_published, make_source=make_source, **defaults)
        return p

    add('create_mnist', published.mnist, 'mnist_dir', 'MNIST (gray, 32x32)')
    p = add('create_mnistrgb', published.mnistrgb, 'mnist_dir', 'stacked MNIST (three digits each)', shuffle=False)
    p.add_argument('--num_images', type=arguments.positive, default=1000000, metavar='N', help='(default: %(default)s)')
    p.add_argument('--random_seed', type=int, default=123, metavar='N', help='(default: %(default)s)')
    add('create_cifar10', published.cifar10, 'cifar10_dir', 'CIFAR-10 (Python version)')
    add('create_cifar100', published.cifar100, 'cifar100_dir', 'CIFAR-100 (Python version)')
    add('create_svhn', published.svhn, 'svhn_dir', 'SVHN (32x32)')
    p = add('create_lsun', dataset_lsun.lsun, 'lmdb_dir', 'LSUN (square)', shuffle=False, skip_bad=True)
    p.add_argument('--resolution', type=image_size.argument, default=256, metavar='PIXELS',
                   help='side, or height x width (default: %(default)s)')
    _add_max_images(p)
    p = add('create_lsun_wide', dataset_lsun.lsun_wide, 'lmdb_dir', 'LSUN (with black bars above and below)',
            shuffle=False, skip_bad=True)
    p.add_argument('--width', type=arguments.positive, default=512, metavar='PIXELS',
                   help='side of the square images, a power of two (default: %(default)s)')
    p.add_argument('--height', type=arguments.positive, default=384, metavar='PIXELS',
                   help='height of the picture between the bars (default: %(default)s)')
    _add_max_images(p)
    p = add('create_celeba', published.CelebaSource, 'celeba_dir', 'aligned CelebA (128x128)')
    p.add_argument('--cx', type=int, default=89, metavar='X', help='center of the crop, pixels (default: %(default)s)')
    p.add_argument('--cy', type=int, default=121, metavar='Y', help='center of the crop, pixels (default: %(default)s)')
    p = add('create_from_hdf5', published.Hdf5Source, 'hdf5_filename', 'an HDF5 file')
    p.add_argument('--shuffle', type=int, choices=[0, 1], default=1,
                   help='1 = shuffle the images in a fixed order (default: %(default)s)')


def _add_max_images(parser):
    parser.add_argument('--max_images', type=arguments.positive, metavar='N',
                        help='stop after this many images (default: all)')


def _add_workers(parser):
    parser.add_argument('--workers', type=arguments.positive, default=devices.num_cores(), metavar='N',
                        help='number of threads (default: one for each core that it may use)')


def add_inspect_commands(commands):
    """Adds `display`, `extract`, `compare` and `check`."""
    dataset_help = "folder of TFRecords, folder or zip of images, or 'cats'"
    p = commands.add_parser('display', help='show the first images of a dataset side by side')
    p.add_argument('tfrecord_dir', help=dataset_help)
    p.add_argument('--output', metavar='FILE', help='write a PNG file instead of opening a window')
    p.add_argument('--num_images', type=arguments.positive, default=64, metavar='N',
                   help='images to show (default: %(default)s)')
    p.set_defaults(run=display)

    p = commands.add_parser('extract', help='write every image of a dataset as a PNG file')
    p.add_argument('tfrecord_dir', help=dataset_help)
    p.add_argument('output_dir', help='folder to write')
    p.set_defaults(run=extract)

    p = commands.add_parser('compare', help='compare two datasets image by image')
    p.add_argument('tfrecord_dir_a', help=dataset_help)
    p.add_argument('tfrecord_dir_b', help=dataset_help)
    p.add_argument('--ignore_labels', type=int, choices=[0, 1], default=0,
                   help='1 compares the images only (default: %(default)s)')
    p.set_defaults(run=compare)

    p = commands.add_parser('check', help='list the problems of a dataset, file by file; exit code 1 if there are any')
    p.add_argument('path', help='folder or zip of images, or folder of TFRecords')
    p.add_argument('--resolution', type=image_size.argument, metavar='PIXELS',
                   help='report only what remains a problem when every image is converted to this size')
    p.add_argument('--pairs', action='store_true',
                   help='pairs for pix2pix or pix2pixHD: trainA and trainB with the same file names, pictures side by '
                   'side, or label maps in train_label')
    p.add_argument('--pairs_with', metavar='NAME',
                   help='folder or zip of the other side, whose files have the same names')
    _add_workers(p)
    p.set_defaults(run=check)


def main(argv):
    """Command line; returns the exit code."""
    parser = cli.ArgumentParser(prog='dataset_tool.py', description=__doc__)
    commands = parser.add_subparsers(dest='command', metavar='COMMAND')
    add_create_commands(commands)
    add_published_commands(commands)
    add_inspect_commands(commands)
    _, run, args = cli.parse_command(parser, argv)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # too large pictures are errors
        return run(**args)


if __name__ == '__main__':
    cli.run_main(main)
