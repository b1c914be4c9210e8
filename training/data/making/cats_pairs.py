"""Writes sets of two sides of cats in the published layouts of folders, with a file that names the parts of a cat."""

import json
import os
from collections import OrderedDict

import numpy as np
from PIL import Image

from dnnlib import cli
from dnnlib.images import create_image_grid
from dnnlib.util import atomic_path, UserError
from training import image_size
from training.data import cats_pairs
from training.data.cats import compose, label_map
from training.data.making.writer import check_new_dir

LAYOUTS = ('beside', 'folders')  # of pairs: A|B side by side in one file, or in two folders under one name


def write_set(folder, pair, resolution, counts, layout=None):
    """Writes a set into a new folder, which appears when it is complete.

    Args:
        folder: Folder to write.
        pair: Key of cats_pairs.PAIRS.
        resolution: Width and height of a cat, pixels.
        counts: (pictures of each side to train with, to test with); `None` = the default.
        layout: Of LAYOUTS; `None` = the first, where there is a choice.
    Returns: Number of files.
    Raises: UserError for options that don't fit the pair, or a folder that is there.
    """
    if layout is not None and (cats_pairs.PAIRS[pair].group is not None or pair == 'masks'):
        raise UserError(f'--layout={layout}: only pairs have a choice, and --pair={pair} has none; leave it out')
    if pair == 'sheets' and counts != (None, None):
        raise UserError('--pair=sheets: each side is one sheet of 64 cats; leave out --train and --test')
    size, width = image_size.parse(resolution).shape
    if size != width:
        raise UserError(f'--resolution={size}x{width}: cats are square')
    check_new_dir(cli.writable_dir(folder))
    counts = [SHEET if pair == 'sheets' else default if count is None else count
              for count, default in zip(counts, (1000, 200))]
    tasks, pictures = [], OrderedDict()
    for phase, held_out, count in (('train', False, counts[0]), ('test', True, counts[1])):
        sides = OrderedDict((side, cats_pairs.choose(pair, side, held_out, count)) for side in 'ab')
        tasks += list(_tasks(pair, phase, sides, layout or LAYOUTS[0]))
    with atomic_path(folder) as temp_path:
        for name, make, cats in cli.progress(tasks, 'pictures'):
            path = os.path.join(temp_path, *name.split('/'))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            make(cats, size).save(path, 'PNG')
            pictures[name] = np.asarray(cats).tolist()
        text = json.dumps(OrderedDict(pair=pair, resolution=size, pictures=pictures))
        with open(os.path.join(temp_path, cats_pairs.TRUTH_FILE), 'w', encoding='utf-8') as file:
            file.write(text.replace(']], "', ']],\n"').replace('], "', '],\n"').replace(': {"', ': {\n"', 1) + '\n')
    return len(pictures)


SHEET = cats_pairs.SHEET_CELLS ** 2


def _tasks(pair, phase, sides, layout):
    """(name of a file, function of (cats, resolution) that draws it, cats) of every file of one phase."""
    if pair == 'sheets':
        return [(f'{phase}{side.upper()}/sheet.png', _sheet, cats) for side, cats in sides.items()]
    if cats_pairs.PAIRS[pair].group is not None:
        return [(f'{phase}{side.upper()}/{number:05d}.png', _cat, cat)
                for side, cats in sides.items() for number, cat in enumerate(cats)]
    source = {'outline': _outline, 'gray': _gray, 'masks': _labels}[pair]
    folders = {phase + 'A': source, phase + 'B': _cat}
    if pair == 'masks':
        folders = {phase + '_label': source, phase + '_inst': _instances, phase + '_img': _cat}
    elif layout == 'beside':
        folders = {phase: lambda cat, size: _beside(source(cat, size), _cat(cat, size))}
    return [(f'{folder}/{number:05d}.png', make, cat)
            for folder, make in folders.items() for number, cat in enumerate(sides['b'])]


def _cat(cat, size):
    return Image.fromarray(compose(cat, size).transpose(1, 2, 0))


def _sheet(cats, size):
    cells = np.stack([compose(cat, size) for cat in cats])
    grid = create_image_grid(cells, (cats_pairs.SHEET_CELLS, cats_pairs.SHEET_CELLS))
    return Image.fromarray(np.uint8(grid).transpose(1, 2, 0))


def _outline(cat, size):
    return Image.fromarray(cats_pairs.outline(label_map(cat, size))).convert('RGB')


def _gray(cat, size):
    return Image.fromarray(np.ascontiguousarray(cats_pairs.luminance(compose(cat, size)).transpose(1, 2, 0)))


def _labels(cat, size):
    return Image.fromarray(label_map(cat, size))


def _instances(cat, size):
    return Image.fromarray(cats_pairs.instances(label_map(cat, size)).astype(np.uint16))


def _beside(left, right):
    both = Image.new('RGB', (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both
