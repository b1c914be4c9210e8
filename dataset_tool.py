"""Data set tool: makes TFRecords of images or of the built-in cats; shows, extracts, compares and checks data sets."""

import argparse
import os

import numpy as np
from PIL import ImageShow

from dnnlib import cli, images
from dnnlib.util import UserError
from training import classes, dataset_check, image_size
from training.cats import CatsDataset
from training.dataset import ImageDataset, load_dataset
from training.dataset_writer import TFRecordExporter


def export(dataset, tfrecord_dir, shuffle):
    """Writes all images of a `Dataset`, and its labels if there are any, as TFRecords."""
    with TFRecordExporter(tfrecord_dir, dataset.num_images) as exporter:
        order = exporter.choose_shuffled_order() if shuffle else np.arange(dataset.num_images)
        for index in cli.progress(list(order), 'images'):
            exporter.add_image(dataset.read(index))
        if dataset.label_size:
            exporter.add_labels(dataset.read_labels(order))
    if dataset.label_names:
        classes.save_names(tfrecord_dir, dataset.label_names)
    print('Wrote {} images {} and {} label columns to {}'.format(
        dataset.num_images, dataset.shape, dataset.label_size, tfrecord_dir))


def create_from_images(tfrecord_dir, image_dir, shuffle, resolution):
    """Makes TFRecords of a folder or zip of images; sub-folders or `dataset.json` become labels."""
    cli.writable_dir(tfrecord_dir)
    with ImageDataset(image_dir, resolution=resolution, max_label_size='full') as dataset:
        export(dataset, tfrecord_dir, shuffle)


def create_cats(tfrecord_dir, resolution, max_images, held_out):
    """Makes TFRecords of the built-in cats, with labels."""
    cli.writable_dir(tfrecord_dir)
    with CatsDataset(resolution, held_out=held_out, max_images=max_images, max_label_size='full') as dataset:
        export(dataset, tfrecord_dir, shuffle=False)  # they are in random order already


def display(tfrecord_dir, output, num_images):
    """Shows the first images of a data set side by side, in a window or as a PNG file."""
    with load_dataset(tfrecord_dir=tfrecord_dir, max_images=num_images) as dataset:
        grid = images.create_image_grid(np.stack([dataset.read(i) for i in range(dataset.num_images)]))
        picture = images.convert_to_pil_image(grid, dataset.dynamic_range)
    if output is not None:
        images.save_png(picture, output)
        print('Wrote {}'.format(output))
    elif not ImageShow.show(picture):
        raise UserError('no program to show pictures with; give --output=FILE.png')


def extract(tfrecord_dir, output_dir):
    """Writes every image of a data set as `img00000000.png` and so on, in stored order."""
    cli.writable_dir(output_dir)
    with load_dataset(tfrecord_dir=tfrecord_dir) as dataset:
        os.makedirs(output_dir, exist_ok=True)
        for index in cli.progress(list(range(dataset.num_images)), 'images'):
            picture = images.convert_to_pil_image(dataset.read(index), dataset.dynamic_range)
            images.save_png(picture, os.path.join(output_dir, 'img{:08d}.png'.format(index)))
    print('Wrote {} images to {}'.format(dataset.num_images, output_dir))


def compare(tfrecord_dir_a, tfrecord_dir_b, ignore_labels):
    """Compares two data sets image by image, in stored order, and counts those that are the same."""
    label_size = 0 if ignore_labels else 'full'
    with load_dataset(tfrecord_dir=tfrecord_dir_a, max_label_size=label_size) as a, \
            load_dataset(tfrecord_dir=tfrecord_dir_b, max_label_size=label_size) as b:
        if a.num_images != b.num_images:
            print('Different number of images: {} and {}'.format(a.num_images, b.num_images))
        if a.shape != b.shape:
            print('Different image shapes: {} and {}'.format(a.shape, b.shape))
        if a.label_size != b.label_size:
            print('Different label sizes: {} and {}'.format(a.label_size, b.label_size))
        indices = list(range(min(a.num_images, b.num_images)))
        same_images = 0
        for index in cli.progress(indices, 'images') if a.shape == b.shape else ():
            difference = np.abs(np.int32(a.read(index)) - np.int32(b.read(index)))
            same_images += not difference.any()
            if difference.any():
                print('Image {} differs: {} of {} values, by at most {}'.format(
                    index, np.count_nonzero(difference), difference.size, difference.max()))
        print('Identical images: {} / {}'.format(same_images, max(a.num_images, b.num_images)))
        if not ignore_labels:
            same_labels = 0
            if a.label_size == b.label_size:
                same_labels = np.all(a.read_labels(indices) == b.read_labels(indices), axis=1).sum()
            print('Identical labels: {} / {}'.format(same_labels, max(a.num_images, b.num_images)))


def check(path, workers):
    """Prints what is wrong with which files of a data set; returns the exit code, 1 if anything is."""
    num_files, findings = dataset_check.check(path, workers, lambda items: cli.progress(items, 'files'))
    print('\n'.join(dataset_check.table(num_files, findings)))
    return 1 if findings else 0


def _resolution(text):
    sides = [int(side) for side in text.split('x') if side.isdigit()]
    if len(sides) != text.count('x') + 1 or len(sides) > 2:
        raise argparse.ArgumentTypeError(
            'expected a side such as 256 or height x width such as 160x128, got {!r}'.format(text))
    try:
        return image_size.option(*image_size.parse(sides[0] if len(sides) == 1 else sides).shape)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError('expected a positive number, got {!r}'.format(text))
    return int(text)


def add_create_commands(commands):
    """Adds `create_from_images` and `create_cats`."""
    p = commands.add_parser('create_from_images', help='make TFRecords of a folder or zip of images')
    p.add_argument('tfrecord_dir', help='folder to write')
    p.add_argument('image_dir', help='folder or zip; sub-folders or dataset.json become labels')
    p.add_argument('--shuffle', type=int, choices=[0, 1], default=1,
                   help='mix the images in a fixed random order (default: %(default)s)')
    p.add_argument('--resolution', type=_resolution, metavar='PIXELS',
                   help='crop, scale and convert every image to this size, a side or height x width, such as 160x128 '
                   '(default: take them as they are)')
    p.set_defaults(run=create_from_images)

    p = commands.add_parser('create_cats', help='make TFRecords of the built-in cats')
    p.add_argument('tfrecord_dir', help='folder to write')
    p.add_argument('--resolution', type=_resolution, default=64, metavar='PIXELS',
                   help='width and height, at most 128 (default: %(default)s)')
    p.add_argument('--max_images', type=_positive, default=10000, metavar='N',
                   help='number of cats, of 324000 (default: %(default)s)')
    p.add_argument('--held_out', action='store_true', help='take the 36000 cats that training never sees')
    p.set_defaults(run=create_cats)


def add_inspect_commands(commands):
    """Adds `display`, `extract`, `compare` and `check`."""
    dataset_help = "folder of TFRecords, folder or zip of images, or 'cats'"
    p = commands.add_parser('display', help='show the first images of a data set side by side')
    p.add_argument('tfrecord_dir', help=dataset_help)
    p.add_argument('--output', metavar='FILE', help='write a PNG file instead of opening a window')
    p.add_argument('--num_images', type=_positive, default=64, metavar='N', help='how many (default: %(default)s)')
    p.set_defaults(run=display)

    p = commands.add_parser('extract', help='write every image of a data set as a PNG file')
    p.add_argument('tfrecord_dir', help=dataset_help)
    p.add_argument('output_dir', help='folder to write')
    p.set_defaults(run=extract)

    p = commands.add_parser('compare', help='compare two data sets image by image')
    p.add_argument('tfrecord_dir_a', help=dataset_help)
    p.add_argument('tfrecord_dir_b', help=dataset_help)
    p.add_argument('--ignore_labels', type=int, choices=[0, 1], default=0,
                   help='1 compares the images only (default: %(default)s)')
    p.set_defaults(run=compare)

    p = commands.add_parser('check', help='list what is wrong with which files; exit code 1 if anything is')
    p.add_argument('path', help='folder or zip of images, or folder of TFRecords')
    p.add_argument('--workers', type=_positive, default=os.cpu_count() or 1, metavar='N',
                   help='threads that decode (default: all processors)')
    p.set_defaults(run=check)


def main(argv):
    """Command line; prints the help if there are no arguments. Returns the exit code."""
    parser = cli.ArgumentParser(prog='dataset_tool.py', description=__doc__)
    commands = parser.add_subparsers(dest='command', metavar='COMMAND')
    add_create_commands(commands)
    add_inspect_commands(commands)
    if not argv:
        parser.print_help()
        return 0
    _, run, args = cli.parse_command(parser, argv)
    return run(**args)


if __name__ == '__main__':
    cli.run_main(main)
