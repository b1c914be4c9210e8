"""The two published files of a method with two generators, CycleGAN's `latest_net_G_A.pth` and `latest_net_G_B.pth`."""

import os
import re
from collections import OrderedDict

from dnnlib import UserError
from dnnlib.files.named_networks import Contents, Role
from training.pretrained import listed, resolve

NAMES = OrderedDict([('A', 'G_ab'), ('B', 'G_ba')])  # how the names of published files end -> networks of ours
_END = re.compile(r'(.*_G_)([AB])(\.pth?)$')


def split(resume):
    """The two files that are meant, (A to B, B to A): 'X_G_A.pth,X_G_B.pth'; None if it isn't two files.

    Args:
        resume: What `--resume` names.
    """
    parts = resume.split(',')
    if len(parts) != 2 or os.path.exists(resume):
        return None
    ends = [_END.match(part) for part in parts]
    if all(ends) and [end.group(2) for end in ends] == ['B', 'A']:
        parts.reverse()
    return tuple(parts)


def named(resume):
    """What `--resume` names, with the two files of a folder that holds such a pair in its place.

    A folder with several holds the one called `latest`, or else the last by name.
    """
    if not os.path.isdir(resume):
        return resume
    ends = [end for end in map(_END.match, sorted(os.listdir(resume))) if end and end.group(2) == 'A']
    pairs = [pair for pair in ([os.path.join(resume, end.group(1) + letter + end.group(3)) for letter in NAMES]
                               for end in ends) if os.path.isfile(pair[1])]
    pairs.sort(key=lambda pair: (os.path.basename(pair[0]).startswith('latest'), _numbers(pair[0])))
    return ','.join(pairs[-1]) if pairs else resume


def _numbers(path):
    return [int(part) if part.isdigit() else part for part in re.split('([0-9]+)', os.path.basename(path))]


def load(resume, nets, load_file):
    """The networks that a training begins from.

    Args:
        resume: Network file, or two of them, see `split`; of a published pair one is enough for a method that has both.
        nets: {name: train_step.Net} of the method.
        load_file: See `pretrained.load_file`.
    Returns: (what is said to be their name, Contents).
    Raises: UserError if the method hasn't two generators, or a file holds something else than one.
    """
    paths, has_both = split(resume), set(NAMES.values()) <= set(nets)
    if paths is None and has_both:
        end = _END.match(resume)
        both = None if end is None else tuple(end.group(1) + letter + end.group(3) for letter in NAMES)
        paths = both if both is not None and all(map(os.path.isfile, both)) else None
    if paths is None:
        file = resolve(resume)
        return file.name, load_file(file)
    if not has_both:
        raise UserError(f'--resume={resume}: two files are for methods with two generators, such as cyclegan; give one')
    networks = OrderedDict()
    for path, name in zip(paths, NAMES.values()):
        contents = load_file(resolve(path))
        if [role.role for role in contents.roles.values()] != ['generator']:
            raise UserError(f'{path}: expected one generator, not {listed(contents)}')
        networks[name], = contents.networks.values()
    return ' and '.join(paths), Contents('cyclegan', networks, OrderedDict(
        (name, Role('generator', None, ('images',))) for name in networks))
