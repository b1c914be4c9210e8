"""Writes sets of several domains of cats: a folder for each domain, or a list of attributes."""

import json
import os
from collections import OrderedDict

from PIL import Image

from dnnlib import cli
from dnnlib.util import atomic_path, UserError
from training import image_size
from training.data import cats_domains
from training.data.cats import compose
from training.data.making.writer import check_new_dir


def write_set(folder, name, resolution, train, test):
    """Writes a set into a new folder, which appears when it is complete.

    Args:
        folder: Folder to write.
        name: One of cats_domains.SETS.
        resolution: Width and height of a cat, pixels.
        train, test: Number of pictures to train and to test with.
    Returns: Number of pictures.
    Raises: UserError for options that don't fit, or a folder that is there.
    """
    size, width = image_size.parse(resolution).shape
    if size != width:
        raise UserError(f'--resolution={size}x{width}: cats are square')
    check_new_dir(cli.writable_dir(folder))
    tasks = [('/'.join(filter(None, (phase, domain, f'{number:06d}.png'))), cat)
             for phase, held_out, first, count in (('train', False, 0, train), ('test', True, train, test))
             for domain, cats in cats_domains.choose(name, held_out, count).items()
             for number, cat in enumerate(cats, first)]
    pictures = OrderedDict((file, cat.tolist()) for file, cat in tasks)
    with atomic_path(folder) as temp_path:
        for file, cat in cli.progress(tasks, 'pictures'):
            path = os.path.join(temp_path, *file.split('/'))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Image.fromarray(compose(cat, size).transpose(1, 2, 0)).save(path, 'PNG')
        text = json.dumps(OrderedDict([('set', name), ('resolution', size), ('pictures', pictures)]))
        with open(os.path.join(temp_path, cats_domains.TRUTH_FILE), 'w', encoding='utf-8') as out:
            out.write(text.replace('], "', '],\n"') + '\n')
        if name not in cats_domains.DOMAINS:
            with open(os.path.join(temp_path, cats_domains.LIST_FILE), 'w', encoding='utf-8') as out:
                out.write(attribute_list(pictures))
    return len(pictures)


def attribute_list(pictures):
    """Text of a list of attributes, as CelebA's, of {name of a file: layer numbers of its cat}."""
    flags = cats_domains.attributes_of(list(pictures.values()))
    lines = [str(len(pictures)), ' '.join(cats_domains.ATTRIBUTES)]
    return '\n'.join(lines + [' '.join([os.path.basename(name)] + [str(2 * int(flag) - 1) for flag in row])
                              for name, row in zip(pictures, flags)]) + '\n'
