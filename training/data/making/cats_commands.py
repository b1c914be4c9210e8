"""The commands of `dataset_tool.py` that draw the built-in cats."""

from dnnlib import cli
from training import image_size
from training.data.cats import CatsDataset
from training.data.cats_domains import SETS
from training.data.cats_pairs import PAIRS, TRUTH_FILE
from training.data.making import arguments, cats_domains, cats_pairs, export as dataset_export
from training.data.making.writer import check_new_dir


def create_cats(tfrecord_dir, resolution, max_images, held_out, workers):
    """Converts the built-in cats to TFRecords, with labels."""
    check_new_dir(cli.writable_dir(tfrecord_dir))
    dataset = CatsDataset(resolution, held_out=held_out, max_images=max_images, max_label_size='full')
    source = dataset_export.DatasetSource(dataset, ['cats', resolution, held_out])
    dataset_export.export(source, tfrecord_dir, shuffle=False, workers=workers)  # they are already in random order


def create_cats_pairs(folder, pair, resolution, train, test, layout):
    """Writes two sides of cats whose true translations are known, as folders of pictures."""
    count = cats_pairs.write_set(folder, pair, resolution, (train, test), layout)
    print(f'Wrote {count} pictures to {folder}; {TRUTH_FILE} in it says what they show')


def create_cats_domains(folder, domains, resolution, train, test):
    """Writes several domains of cats whose true translations are known, as folders of pictures or with a list."""
    count = cats_domains.write_set(folder, domains, resolution, train, test)
    print(f'Wrote {count} pictures to {folder}')


def add(commands, add_workers):
    """Adds `create_cats`, `create_cats_pairs` and `create_cats_domains`.

    Args:
        commands: What argparse calls sub-parsers.
        add_workers: Function that adds the number of processes to one.
    """
    p = commands.add_parser('create_cats', help='convert the built-in cats to TFRecords')
    p.add_argument('tfrecord_dir', help='folder to write')
    p.add_argument('--resolution', type=image_size.argument, default=64, metavar='PIXELS',
                   help='width and height, at most 128 (default: %(default)s)')
    p.add_argument('--max_images', type=arguments.positive, default=10000, metavar='N',
                   help='number of cats, of 324000 (default: %(default)s)')
    p.add_argument('--held_out', action='store_true', help='use the 36000 cats that training never sees')
    add_workers(p)
    p.set_defaults(run=create_cats)

    p = commands.add_parser('create_cats_pairs', help='draw two sides of cats whose true translations are known')
    p.add_argument('folder', help='folder to write')
    p.add_argument('--pair', choices=sorted(PAIRS), default='coats', help='what the sides are: ' + '; '.join(
        f'{name} = {PAIRS[name].text}' for name in sorted(PAIRS)) + ' (default: %(default)s)')
    p.add_argument('--resolution', type=image_size.argument, default=64, metavar='PIXELS',
                   help='width and height of a cat, at most 128 (default: %(default)s)')
    p.add_argument('--train', type=arguments.positive, metavar='N',
                   help='pictures of each side to train with (default: 1000)')
    p.add_argument('--test', type=arguments.positive, metavar='N',
                   help='pictures of each side to test with, of cats that are in no training (default: 200)')
    p.add_argument('--layout', choices=cats_pairs.LAYOUTS,
                   help='of pairs: beside = A and B side by side in one file, folders = trainA, trainB and so on with '
                   'the same names (default: beside)')
    p.set_defaults(run=create_cats_pairs)

    p = commands.add_parser('create_cats_domains', help='draw domains of cats whose true translations are known')
    p.add_argument('folder', help='folder to write')
    p.add_argument('--domains', choices=SETS, default='families', help='what they are: families = three, of several '
                   'coats each; coats = five; attributes = a list of eight (default: %(default)s)')
    p.add_argument('--resolution', type=image_size.argument, default=64, metavar='PIXELS',
                   help='width and height, at most 128 (default: %(default)s)')
    p.add_argument('--train', type=arguments.positive, default=1800, metavar='N',
                   help='pictures to train with (default: %(default)s)')
    p.add_argument('--test', type=arguments.positive, default=200, metavar='N',
                   help='pictures to test with, of cats that are in no training (default: %(default)s)')
    p.set_defaults(run=create_cats_domains)
