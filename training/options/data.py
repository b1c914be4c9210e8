"""The dataset of a command line, looked at before anything long begins and without TensorFlow."""

import argparse
import os
import re
from typing import NamedTuple

from dnnlib.run.heartbeat import Heartbeat
from dnnlib.util import UserError
from training.data.sources import keeping_headers
from training.dataset import load_dataset
from training.options import settings

LOOKING = 'Looking at the dataset; many pictures on a slow disk take minutes...'


class Data(NamedTuple):
    """What options may depend on."""
    shape: list      # [C, H, W] of the images
    label_size: int  # number of label columns


def threads(text):
    """Argument type: a number of threads from 1 on, or `auto`."""
    if text == 'auto':
        return text
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected auto or a number of at least 1, got {text!r}')
    return int(text)


def look(args, max_label_size=0):
    """Opens the dataset of a command line, once, and closes it; what there is to say is said when it is trained on.

    Args:
        args: Parsed command line; what was found is kept in it.
        max_label_size: Which labels are used if `--set` does not say.
    Returns: Data.
    Raises: UserError if the dataset is missing or unusable.
    """
    if getattr(args, 'found_data', None) is None:
        found = dict(tfrecord_dir=args.dataset, max_label_size=max_label_size, bad=args.bad)
        if args.resolution is not None:
            found['resolution'] = args.resolution
        for text in args.assignments:
            if text.startswith('dataset.'):
                _, key, value = settings.parse_assignment(text, ('dataset',))
                if key in ('resolution', 'max_label_size', 'max_images', 'crop'):  # the others are checked later
                    found[key] = value
        with Heartbeat(lambda: LOOKING, first=3), keeping_headers(), \
                load_dataset(data_dir=args.data_dir, **found) as dataset:
            args.found_data = Data(dataset.shape, dataset.label_size)
    return args.found_data


def check_path(args, name):
    """Raises UserError if the dataset of an option, by its name, does not exist; `None` and cats always do."""
    given = getattr(args, name)
    path = os.path.join(args.data_dir or '', given or '')
    if given not in (None, 'cats') and not os.path.exists(path):
        raise UserError(f'--{name.replace("_", "-")}={given}: there is no {path!r}; give a folder or zip of images, a '
                        'folder of TFRecords, or cats')


def name_of(args):
    """Name of the data of a parsed command line, as it stands in names of run directories."""
    paths = [args.dataset] if args.dataset is not None else [args.dataset_a, args.dataset_b]
    return '-'.join(re.sub('[^a-zA-Z0-9_.-]', '_', os.path.splitext(os.path.basename(os.path.abspath(path)))[0])
                    for path in paths)
