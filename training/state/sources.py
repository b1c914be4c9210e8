"""Which networks of a file a training begins from."""

import collections

import tensorflow.compat.v1 as tf

from dnnlib import UserError, util
from training.pretrained import listed, load_file, PUBLISHED_ROLES, read_contents
from training.state import pairs

AVERAGES_ALONE = ('stargan2', 'classes')  # methods whose published files hold averages, not called so, and perhaps no D


def find_sources(nets, contents):
    """Which network of a file each network of a method begins from.

    It is the only one with the same role, of those that are averages if that one is an average; if the file or the
    method has several, the one of the same name. A file of networks by name may hold generators alone, as published
    ones that translate pictures do: networks of other roles are left out then. Of AVERAGES_ALONE both a network and its
    average begin from what there is, and a discriminator is left out.

    Args:
        nets: Ordered {name: train_step.Net}.
        contents: named_networks.Contents of the file.
    Returns: OrderedDict, {name: name in the file}.
    Raises: UserError naming a network that the file has nothing for.
    """
    found = collections.OrderedDict()
    for name, net in nets.items():
        alike, rivals = ([other for other, role in those.items() if role.role == net.role and (
            role.average_of is None) == (net.average_of is None)] for those in (contents.roles, nets))
        if len(alike) > 1 or len(rivals) > 1:
            alike = [other for other in alike if other == name]
        if not alike and net.role != 'generator' and contents.method != 'stylegan2' and all(
                role.role == 'generator' for role in contents.roles.values()):
            continue
        if not alike and contents.method in AVERAGES_ALONE and net.role == 'discriminator':
            continue
        if not alike and contents.method in AVERAGES_ALONE and net.average_of in found:
            alike = [found[net.average_of]]
        if not alike:
            average = '' if net.average_of is None else ', an average'
            many = '' if len(rivals) < 2 else (f'the method has {len(rivals)} like that, and needs all in one file, '
                                               'or two generators in two files joined by a comma; ')
            raise UserError(f'it holds {listed(contents)}, but nothing for {name} ({net.role}{average}); {many}choose '
                            'another --config or file')
        found[name] = alike[0]
    return found


def load_sources(file):
    """As `pretrained.load_file`, for networks that only give others their values.

    Their variables are taken out of TensorFlow's lists, so that no state of the training holds them, and those of a
    worker that has read the file are those of the others.
    """
    contents = load_file(file)
    names = {var.name for network in contents.networks.values() for var in network.vars.values()}
    for key in (tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.TRAINABLE_VARIABLES):
        variables = tf.get_collection_ref(key)
        variables[:] = [var for var in variables if var.name not in names]
    return contents


def check_sources(nets, resume_pkl):
    """Refuses a file that has nothing for a network, without building any; one that can't be read fails later.

    The published triple is not read twice, since large files take seconds.

    Args:
        nets: Ordered {name: train_step.Net}.
        resume_pkl: See transfer.Start.
    Raises: UserError.
    """
    if set(nets) == set(PUBLISHED_ROLES):
        return
    try:
        name, contents = pairs.load(resume_pkl, nets, _states_of)
    except (UserError, OSError):
        return
    try:
        find_sources(nets, contents)
    except UserError as error:
        raise UserError(f'{name}: {error}') from error


def _states_of(file):
    """Contents of a pretrained.NetworkFile, with states in the place of networks."""
    is_url = util.is_url(file.path, allow_file_urls=True)
    with util.open_url(file.path, cache_dir=util.cache_dir()) if is_url else open(file.path, 'rb') as f:
        return read_contents(f.read())
