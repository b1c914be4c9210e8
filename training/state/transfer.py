"""The networks that a training begins with: new ones, the values of a network pickle, variables that are not trained.

Variables go from one network to another by name. Where the shape differs (other channels, labels or widths), what both
have is kept and the rest is set so that the network begins as near as possible to what it did before.
"""

import collections
import math
import os
import re
from typing import NamedTuple

import numpy as np

from dnnlib import UserError, tflib
from training import image_size
from training.pretrained import PUBLISHED_FILES, load_file
from training.state import pairs, transfer_labels
from training.state.sources import check_sources, find_sources, load_sources

KINDS = ('copied', 'resized', 'fresh', 'ignored')
SHOWN = 12  # layers named in one line of the table


class Start(NamedTuple):
    """How a training begins from a network file; fields are options of the training loop."""
    resume_pkl: str             # path, URL or published name of the file; or two files, see `pairs.split`; None = new
    resume_kimg: float = None   # thousand images at which to start counting; None = see `start_kimg`
    total_kimg: float = 25000   # length of the training, thousand images
    strict: bool = False        # refuse a file whose variables are not exactly those of the networks?


def make_networks(nets, dataset, start):
    """The networks that a training begins with, and thousand images at which it starts counting; see `begin_from`.

    A file that has nothing for one of them is refused before any is made.
    """
    if start.resume_pkl is None:
        return create_networks(nets), start.resume_kimg or 0.0
    check_sources(nets, start.resume_pkl)
    networks = create_networks(nets)
    return networks, begin_from(networks, nets, dataset, start)


def create_networks(nets):
    """Makes the networks of a method, and prints the layers of those that aren't averages of others.

    Args:
        nets: Ordered {name: train_step.Net}.
    Returns: OrderedDict of tflib.Networks.
    """
    networks = collections.OrderedDict()
    for name, net in nets.items():
        networks[name] = network_of_file(name, net) if net.file is not None else networks[net.average_of].clone(
            name) if net.average_of is not None else tflib.Network(name, net.func_name, **net.options)
    for name, net in nets.items():
        if net.average_of is None:
            networks[name].print_layers()
    return networks


def network_of_file(name, net):
    """The network of a name in a file of networks, with the options that it was saved with.

    Raises: UserError if there is none of that role.
    """
    contents = load_file(net.file, (name,))
    if name not in contents.networks or contents.roles[name].role != net.role:
        raise UserError(f'{net.file}: it holds no network {name} ({net.role}); give another file')
    return contents.networks[name]


def begin_from(networks, nets, dataset, start):
    """Gives new networks the values of a file where they fit, and prints what became of every variable.

    Args:
        networks: See `create_networks`.
        nets: Ordered {name: train_step.Net} of the same networks.
        dataset: Dataset; its labels say how many labels an image has.
        start: Start.
    Returns: Thousand images at which to start counting.
    Raises: UserError if nothing fits, `strict` is not met, or no images are left to train on.
    """
    resume_pkl, contents = pairs.load(start.resume_pkl, nets, load_sources)
    try:
        names = find_sources(nets, contents)
    except UserError as error:
        raise UserError(f'{resume_pkl}: {error}') from error
    for name in [name for name in nets if name not in names]:
        print(f'{resume_pkl} holds no {nets[name].role}: {name} starts new.')
    sources = {name: contents.networks[other] for name, other in names.items()}
    labels_per_image = _labels_per_image(dataset)
    tables = collections.OrderedDict(
        (name, transfer(networks[name], source, nets[name].role, labels_per_image)) for name, source in sources.items())
    fits = len(names) == len(nets) and all(not table[kind] for table in tables.values() for kind in KINDS[1:])
    if not fits:
        print('\n'.join(describe(tables, networks, sources, resume_pkl)))
        if start.strict:
            raise UserError(f'--strict: {resume_pkl}: variables do not match (table above); use the options that it '
                            'was trained with, or drop --strict')
        for name in [name for name, table in tables.items() if not table['copied'] + table['resized']]:
            raise UserError(f'{resume_pkl}: nothing in it fits network {name}; choose another --config')
    kimg = start_kimg(resume_pkl, start.resume_kimg, fits, start.total_kimg)
    print('A network file holds networks only: moments of the optimizers, mean of the path lengths, order of the data, '
          'results of metrics and times start from scratch.')
    return kimg


def start_kimg(resume_pkl, resume_kimg, fits, total_kimg):
    """Thousand images at which a training from a pickle starts counting; prints where that is taken from.

    Args:
        resume_pkl, resume_kimg, total_kimg: See `Start`; without a number it is that of `snapshot-NUMBER` or
            `kimgNUMBER` in the file's name, if all variables fit and it is no published file (there it is 0), else 0.
        fits: Did all variables fit?
    Raises: UserError for no number, or one that leaves nothing to train.
    """
    match = re.search(r'(?:\b|_)(?:snapshot-|kimg)(\d{1,9})(?=[._-]|$)', os.path.basename(resume_pkl))
    kimg, why = 0.0, 'by default'
    if resume_kimg is not None:
        kimg, why = resume_kimg, 'as --set train.resume_kimg says'
    elif match and fits and os.path.basename(resume_pkl) not in PUBLISHED_FILES:
        kimg, why = float(match.group(1)), 'guessed from the name of the file; --set train.resume_kimg=0 counts from 0'
    if not isinstance(kimg, (int, float)) or not math.isfinite(kimg) or kimg < 0:
        raise UserError(f'resume_kimg must be a number of at least 0, got {kimg!r}')
    if kimg >= total_kimg > 0:
        raise UserError(f'--resume={resume_pkl}: would start at kimg {kimg:g} ({why}), at or past '
                        f'--total-kimg={total_kimg:g}; raise --total-kimg or set train.resume_kimg')
    print(f'Starting from {resume_pkl} at kimg {kimg:g} ({why}).')
    return kimg


def _labels_per_image(dataset):
    """Mean sum of the labels of an image, 1 where there are none."""
    if not dataset.label_size:
        return 1.0
    return float(np.mean(np.sum(dataset.read_labels(dataset.indices_at(0, 1000)), axis=1))) or 1.0


def transfer(network, source, role, labels_per_image=1.0):
    """Gives a network the values of another one of the same kind where they fit.

    Args:
        network: tflib.Network with initial values; changed.
        source: tflib.Network that the values come from.
        role: What both are for, see train_step.Net.
        labels_per_image: Mean sum of the labels of an image, for a discriminator that gets labels.
    Returns: {kind: list of variables' names} for KINDS: copied as they are, resized, fresh (initial value, or zero
        where that keeps what the network did), and ignored (those of the source that nothing was made of).
    """
    values, initial = tflib.run(dict(source.vars)), tflib.run(dict(network.vars))
    values = {name: x for name, x in values.items() if name != 'dlatent_avg' or np.isfinite(x).all()}  # NaN = none
    constants = {name for name in set(values) ^ set(initial) if name.split('/')[-1] == 'lod'}  # a schedule sets it
    found, new, wscale = {kind: [] for kind in KINDS}, {}, network.static_kwargs.get('use_wscale', True)
    for name, start in ((name, start) for name, start in initial.items() if name not in constants):
        old_name = _name_in_source(name, network, source)
        if old_name in values and values[old_name].shape == start.shape:
            kind, new[name] = 'copied', values[old_name]
        elif old_name in values and _can_resize(name, values[old_name], start):
            kind, new[name] = 'resized', resize(name, values[old_name], start, role, labels_per_image, wscale)
        else:
            kind = 'fresh'
            if _begins_at_zero(name, network, source):
                new[name] = np.zeros_like(start)
        found[kind].append(name)
    transfer_labels.begin(new, values, initial, labels_per_image)
    used = {_name_in_source(name, network, source) for name in found['copied'] + found['resized']}
    found['ignored'] = [name for name in values if name not in used | constants]
    tflib.set_vars({network.vars[name]: value.astype(initial[name].dtype) for name, value in new.items()})
    return found


def _num_levels(network):
    """Levels of a network of images, see `image_size`, the largest if there are several; 0 for others."""
    shapes = [shape[2:] for shape in network.output_shapes + network.input_shapes if len(shape) == 4]
    size = None if not shapes or any(None in shape for shape in shapes) else image_size.find(*max(shapes))
    return 0 if size is None else size.num_levels


def _name_in_source(name, network, source):
    """Name of the variable in the source: growing networks count the color layers from the last level."""
    offset = _num_levels(network) - _num_levels(source)
    return re.sub(r'(?<=RGB_lod)\d+', lambda match: str(int(match.group()) - offset), name)


def _begins_at_zero(name, network, source):
    """Labels that the source had not, and colors that skip connections add to the source's, begin without effect."""
    colors_are_added = all(net.static_kwargs.get('architecture', 'skip') == 'skip' for net in (network, source))
    return name.endswith('LabelConcat/weight') or (re.search(r'\dx\d+/ToRGB/weight$', name) and colors_are_added)


def _can_resize(name, old, start):
    spatial_axes = {'const': slice(2, 4), 'weight': slice(0, -2)}.get(name.split('/')[-1], slice(0, 0))
    is_of_pixels = re.search(r'noise\d+$|^(mean|deviation)$', name) is not None
    return old.ndim == start.ndim and old.shape[spatial_axes] == start.shape[spatial_axes] and not is_of_pixels


def resize(name, old, start, role, labels_per_image=1.0, wscale=True):
    """Value of a variable whose shape differs from that of the source.

    Feature maps that both networks have are copied. Weights of new inputs are zero, so that what the layer computes
    stays the same; new outputs have their initial values. Colors: gray is spread over the new channels, or is their
    mean. Labels: each new one begins as the mean of the old ones.

    Args:
        name: Local name.
        old: Value in the source.
        start: Initial value in the network, of as many axes.
        role: What the network is for, see train_step.Net.
        labels_per_image: Mean sum of the labels of an image.
        wscale: Are weights divided by the root of the number of their inputs at run time?
    Returns: Array like `start`.
    """
    layer, kind = (name.split('/')[-2:] if '/' in name else ['', name])
    if layer == 'StyleMod':  # scales, then shifts
        halves = zip(np.split(old, 2, axis=-1), np.split(start, 2, axis=-1))
        return np.concatenate([_overlap(a, b, wscale) for a, b in halves], axis=-1)
    if layer == 'LabelConcat':
        return _overlap(np.repeat(old.mean(axis=0, keepdims=True), len(start), axis=0), start, wscale=False)
    scores = role == 'discriminator' and layer in ('Output', 'Dense1')
    if scores and old.shape[-1] != start.shape[-1]:  # one by label
        mean = old.mean(axis=-1, keepdims=True) / (labels_per_image if start.shape[-1] > 1 else 1)
        return _overlap(np.repeat(mean, start.shape[-1], axis=-1), start, wscale)
    if layer.startswith('ToRGB') and kind in ('weight', 'bias'):
        return _overlap(_colors(old, start.shape[-1], -1), start, wscale)
    if layer.startswith('FromRGB') and kind == 'weight':
        colors, old_colors = start.shape[-2], old.shape[-2]
        old = _colors(old, colors, -2)
        if 1 in (colors, old_colors):  # sum over the colors as before
            old = old * old_colors / colors
            old = old * np.sqrt(colors / old_colors) if wscale else old
        return _overlap(old, start, wscale)
    if role == 'discriminator' and name.endswith('4x4/Conv/weight'):  # the minibatch stddev is behind the other maps
        parts = zip(*[np.split(array, [array.shape[-1]], axis=-2) for array in (old, start)])
        return np.concatenate([_overlap(a, b, wscale) if a.size else b for a, b in parts], axis=-2)
    if role == 'generator' and (layer, kind) == ('Dense0', 'weight') and old.shape[1:] == start.shape[1:]:
        count = min(len(old), len(start))  # labels come or go beside the latents: the normalization makes up for it
        return np.concatenate([old[:count], start[count:]])
    return _overlap(old, start, wscale)


def _colors(old, count, axis):
    """Repeats gray, or takes the mean of colors for gray; otherwise unchanged."""
    if old.shape[axis] == 1:
        return np.repeat(old, count, axis=axis)
    return old.mean(axis=axis, keepdims=True) if count == 1 else old


def _overlap(old, start, wscale):
    """The part of `old` that fits into `start`; weights [..., inputs, outputs] of new inputs become zero."""
    new = start.copy()
    both = tuple(slice(0, min(a, b)) for a, b in zip(old.shape, start.shape))
    if start.ndim not in (2, 4) or old.shape[-2] >= start.shape[-2]:
        new[both] = old[both]
        return new
    new[..., both[-1]] = 0
    new[both] = old[both] * (np.sqrt(start.shape[-2] / old.shape[-2]) if wscale else 1)
    return new


def describe(tables, networks, sources, resume_pkl):
    """The table of what became of the variables: list of lines.

    Args:
        tables: {name of a network: result of `transfer`}.
        networks, sources: {name: tflib.Network}.
        resume_pkl: Where the sources come from.
    """
    def kind_of(network):
        shape = next((shape for shape in network.output_shapes + network.input_shapes if len(shape) == 4), None)
        labels = [shape[1] for name, shape in zip(network.input_names, network.input_shapes) if 'label' in name]
        size = '' if shape is None else f'{shape[2]}x{shape[3]} pixels, {shape[1]} channels, '
        return size + f'{sum(labels)} labels'
    first = next(iter(tables))
    lines = [f'Networks from {resume_pkl}: {kind_of(sources[first])} -> {kind_of(networks[first])}']
    row = '{:<8}' + ' {:>18}' * len(KINDS)
    lines.append(row.format('network', *KINDS) + '   variables (numbers)')
    for name, table in tables.items():
        cells = []
        for kind in KINDS:
            variables = (sources if kind == 'ignored' else networks)[name].vars
            size = sum(variables[local].shape.num_elements() for local in table[kind])
            cells.append(f'{len(table[kind])} ({size:,})')
        lines.append(row.format(name, *cells))
    told = []
    for name, table in tables.items():
        for kind in KINDS[1:]:
            if table[kind] and (kind, table[kind]) not in told:  # Gs is as G
                lines.append(f'{name} {kind}: {_layers(table[kind])}')
                told.append((kind, table[kind]))
    return lines


def _layers(names):
    """Layers of variables, in one line."""
    layers = list(collections.OrderedDict.fromkeys(
        name.rpartition('/')[0] if re.search('(weight|bias|strength)$', name) else name for name in names))
    more = f', and {len(layers) - SHOWN} more' if len(layers) > SHOWN else ''
    return ', '.join(layers[:SHOWN]) + more
