"""Options of the command line about the data of methods that translate: two sides, sizes, crops; no TensorFlow."""

import os
from collections import OrderedDict

from dnnlib import UserError
from training.data import cats_pairs
from training.data.translation import layouts, transforms
from training.options import data, saving, settings

LOADED = ('resize_and_crop', 'scale_width', 'scale_width_and_crop', 'scale_shortside', 'scale_shortside_and_crop')
SIZED = transforms.CROPPED + transforms.TO_WIDTH  # ways that know a crop size; scale_width's is the least height


def add(parser):
    """Adds the options to an argparse parser or group."""
    p, usual = parser, transforms.Transform()
    p.add_argument('--dataset-a', metavar='NAME', help='side A, instead of --dataset: folder or zip of pictures, or '
                   'folder of TFRecords')
    p.add_argument('--dataset-b', metavar='NAME', help='side B; pairs have the same file names on both sides')
    p.add_argument('--direction', choices=('AtoB', 'BtoA'), default='AtoB', help='which side is translated to the '
                   'other (default: %(default)s)')
    p.add_argument('--preprocess', choices=transforms.WAYS, metavar='WAY', help='how pictures become images: '
                   f'{", ".join(transforms.WAYS)} (default: {usual.preprocess})')
    p.add_argument('--load-size', type=int, metavar='PIXELS', help='size that pictures are scaled to (default: '
                   f'{usual.load_size}, or in that proportion to the crops; ugatit: 30 more than the crops)')
    p.add_argument('--crop-size', type=int, metavar='PIXELS', help='side of the crops that are trained on (default: '
                   f'--resolution, or {usual.crop_size})')
    p.add_argument('--no-flip', action='store_true', help='do not mirror half of the images left to right')


def check(args, c):
    """Refuses bad values of them, and those that would do nothing.

    Args:
        args: Parsed command line.
        c: translation.Config.
    Raises: UserError.
    """
    sides = [args.dataset_a, args.dataset_b]
    if (args.dataset is not None) == any(sides) or any(sides) and not all(sides):
        raise UserError(f'--config={args.config}: give --dataset with both sides, or --dataset-a and --dataset-b')
    if c.kind == layouts.PAIRED:
        check_pairs(os.path.join(args.data_dir or '', args.dataset or args.dataset_a))
    data.check_path(args, 'dataset_a')
    data.check_path(args, 'dataset_b')
    if any(sides) and c.kind == layouts.LABELS:
        raise UserError(f'--config={args.config}: give --dataset with the folders train_label, train_img and, for '
                        'instances, train_inst')
    if args.direction == 'BtoA' and c.kind == layouts.LABELS:
        raise UserError('--direction=BtoA: photos are drawn from maps only; drop it')
    if args.mirror_augment:
        raise UserError('--mirror-augment: half of the images are mirrored anyway; drop it (--no-flip mirrors none)')
    if isinstance(args.resolution, list):
        raise UserError('--resolution: crops are square; give one side, or --preprocess=none to keep the size of the '
                        'pictures')
    if args.resolution is not None and args.crop_size not in (None, args.resolution):
        raise UserError(f'--resolution={args.resolution} --crop-size={args.crop_size}: both are the side of the crops; '
                        'give one of them')
    saving.check_numbers(args, load_size=4, crop_size=4)
    way = args.preprocess or transforms.Transform(**c.data).preprocess
    for flag, value, ways in (('--load-size', args.load_size, LOADED), ('--crop-size', args.crop_size, SIZED),
                              ('--resolution', args.resolution, LOADED + SIZED)):
        if value is not None and way not in ways:
            raise UserError(f'{flag}={value}: has no effect with --preprocess={way}; drop it or choose another '
                            f'--preprocess, such as {ways[0]}')


def check_pairs(path):
    """Raises UserError if pictures of a folder are those of an unpaired set of cats, whose sides have equal names."""
    folder = cats_pairs.folder_of(path)
    if folder is None:
        return
    pair = cats_pairs.read_truth(folder).pair
    if cats_pairs.PAIRS[pair].group is not None:
        others = ', '.join(name for name, other in cats_pairs.PAIRS.items() if other.group is None)
        raise UserError(f'{path}: the two sides of the set {pair!r} show different cats, though under the same names; '
                        f'train on it with --config=cyclegan or cut, or make a set of pairs ({others}) with '
                        'dataset_tool.py create_cats_pairs')


def data_args(args, c):
    """Options that the datasets of both sides share; arguments as for `check`."""
    default = transforms.Transform(**c.data)
    crop = args.crop_size or args.resolution or default.crop_size
    way = args.preprocess or default.preprocess
    if way not in transforms.CROPPED:
        load = args.resolution or default.load_size
    elif c.margin is not None:
        load = crop + c.margin(crop)
    else:
        load = int(round(default.load_size * crop / default.crop_size))
    if c.kind == layouts.LABELS and way == 'scale_width' and args.crop_size is None:
        crop = transforms.MULTIPLE  # as published there, pictures keep their proportions whatever their height
    found = dict(c.data, preprocess=way, load_size=args.load_size or load, crop_size=crop,
                 flip=default.flip and not args.no_flip)
    if c.settles:
        found['settle_images'] = 'decay'  # until `finish` knows the length of an epoch
    if c.kind != layouts.UNPAIRED:
        found['paired'] = True
    return found


def stream_args(args, c):
    """{stream: options of its dataset}; arguments as for `check`."""
    if args.dataset is None:
        found = OrderedDict(a=dict(tfrecord_dir=args.dataset_a), b=dict(tfrecord_dir=args.dataset_b))
    else:
        sides = layouts.find(os.path.join(args.data_dir or '', args.dataset), c.kind)
        found = OrderedDict((name, dict(side, tfrecord_dir=args.dataset)) for name, side in sides.items())
    if c.kind == layouts.UNPAIRED and args.direction == 'BtoA':
        found = OrderedDict(a=found['b'], b=found['a'])
    for options in found.values():
        options['class_name'] = 'training.data.translation.dataset.TranslationDataset'
    return found


def of_dataset():
    """Options of the datasets that `--set` can change."""
    from training.data.translation.dataset import TranslationDataset
    defaults = dict(transforms.Transform._field_defaults, max_images=None, shuffle_mb=4096)
    of_class = settings.defaults_of(TranslationDataset.__init__)
    return dict(defaults, **{name: of_class[name] for name in ('channels', 'settle_images')})
