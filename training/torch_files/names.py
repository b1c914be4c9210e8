"""Which tensor of a PyTorch network is which variable of ours, and how the axes differ.

A table is a list of `Entry`; it serves in both directions. `%` stands for a resolution or an index.
"""

from typing import NamedTuple

import numpy as np


class Entry(NamedTuple):
    """One variable: its name here, its name there, and the kind of its axes (see `KINDS`)."""

    name: str
    torch: str
    kind: str


class _Kind(NamedTuple):
    """Number of axes here; functions of an array: to_torch, from_torch."""

    ndim: int
    to_torch: object
    from_torch: object


def _conv(array):
    return array.reshape(array.shape[-4:]).transpose(2, 3, 1, 0)  # some have an axis for the minibatch in front


KINDS = {
    'dense': _Kind(2, lambda a: a.T, lambda a: a.T),
    'conv': _Kind(4, lambda a: a.transpose(3, 2, 0, 1), _conv),
    # transposed convolutions of PyTorch are not given the kernel of the ordinary convolution, but its mirror image
    'up': _Kind(4, lambda a: a[::-1, ::-1].transpose(3, 2, 0, 1), lambda a: _conv(a)[::-1, ::-1]),
    # what belongs to the taps of 4x4 kernels, [I * 16] there, [16 * I] here
    'patch4': _Kind(1, lambda a: a.reshape(4, 4, -1).transpose(2, 0, 1).reshape(-1),
                    lambda a: a.reshape(-1, 4, 4).transpose(1, 2, 0).reshape(-1)),
    'bias': _Kind(1, lambda a: a, lambda a: a.reshape(-1)),
    'style': _Kind(1, lambda a: a + np.float32(1), lambda a: a.reshape(-1) - np.float32(1)),  # scales are around 1
    'table': _Kind(2, lambda a: a, lambda a: a),  # one row for each class
    'count': _Kind(0, lambda a: a.reshape(1), lambda a: a.reshape([])),
    'scalar': _Kind(0, lambda a: a, lambda a: a.reshape([])),
    'noise': _Kind(4, lambda a: a[0, 0], lambda a: a.reshape((1, 1) + a.shape[-2:])),
    'const': _Kind(4, lambda a: a[0], lambda a: a.reshape((1,) + a.shape[-3:])),
}


def scope(level):
    """Name of a resolution's variables; level 0 is the base block."""
    return '{0}x{0}'.format(4 << level)


def _dense(name, torch):
    return [Entry(name + '/weight', torch + '.weight', 'dense'), Entry(name + '/bias', torch + '.bias', 'bias')]


def ada_mapping(num_layers, labels, prefix='', lone=True):
    """Table of StyleGAN2-ADA's mapping network.

    Args:
        num_layers: Dense layers.
        labels: `dense` = labels are embedded as in StyleGAN2-ADA, `matrix` = as in StyleGAN2, None = no labels.
        prefix: Of the names there.
        lone: Is it the generator's, not the discriminator's?
    """
    found = _dense('LabelEmbed', prefix + 'embed') if labels == 'dense' else []
    found += [Entry('LabelConcat/weight', prefix + 'label.weight', 'dense')] if labels == 'matrix' else []
    name = 'Dense{}' if lone else 'Mapping{}'
    for i in range(num_layers):
        found += _dense(name.format(i), f'{prefix}fc{i}')
    return found


def ada_synthesis(num_blocks, architecture, use_noise=True, prefix=''):
    """Table of StyleGAN2-ADA's synthesis network."""
    noises, layers = [], []

    def styled(name, torch, kind='conv', noisy=use_noise):
        layers.append(Entry(name + '/weight', torch + '.weight', kind))
        layers.extend(_style(name, torch + '.affine'))
        if noisy:
            noises.append(Entry(f'noise{len(noises)}', torch + '.noise_const', 'noise'))
            layers.append(Entry(name + '/noise_strength', torch + '.noise_strength', 'scalar'))
        layers.append(Entry(name + '/bias', torch + '.bias', 'bias'))

    for level in range(num_blocks):
        here, there = scope(level), f'{prefix}b{4 << level}'
        if level == 0:
            layers.append(Entry('4x4/Const/const', there + '.const', 'const'))
            styled('4x4/Conv', there + '.conv1')
        else:
            styled(here + '/Conv0_up', there + '.conv0', 'up')
            styled(here + '/Conv1', there + '.conv1')
            if architecture == 'resnet':
                layers.append(Entry(here + '/Skip/weight', there + '.skip.weight', 'up'))
        if architecture == 'skip' or level == num_blocks - 1:
            styled(here + '/ToRGB', there + '.torgb', noisy=False)
    return noises + layers


def _style(name, torch):
    return [Entry(name + '/mod_weight', torch + '.weight', 'dense'),
            Entry(name + '/mod_bias', torch + '.bias', 'style')]


def _conv_layer(name, weight, bias):
    return [Entry(name + '/weight', weight, 'conv'), Entry(name + '/bias', bias, 'bias')]


def ada_discriminator(num_blocks, architecture, mapping_layers=None):
    """Table of StyleGAN2-ADA's discriminator; mapping_layers: None = it takes no labels."""
    found = [] if mapping_layers is None else ada_mapping(mapping_layers, 'dense', 'mapping.', lone=False)
    for level in range(num_blocks - 1, 0, -1):
        here, there = scope(level), f'b{4 << level}'
        names = ['FromRGB'] if architecture == 'skip' or level == num_blocks - 1 else []
        for name in names + ['Conv0', 'Conv1_down']:
            torch = '{}.{}'.format(there, {'Conv1_down': 'conv1'}.get(name, name.lower()))
            found += _conv_layer(f'{here}/{name}', torch + '.weight', torch + '.bias')
        if architecture == 'resnet':
            found.append(Entry(here + '/Skip/weight', there + '.skip.weight', 'conv'))
    if architecture == 'skip':
        found += _conv_layer('4x4/FromRGB', 'b4.fromrgb.weight', 'b4.fromrgb.bias')
    found += _conv_layer('4x4/Conv', 'b4.conv.weight', 'b4.conv.bias')
    return found + _dense('4x4/Dense0', 'b4.fc') + _dense('Output', 'b4.out')


def mit_mapping(num_layers):
    """Table of the mapping network of the re-implementation under the MIT license."""
    return [entry for i in range(num_layers) for entry in _dense(f'Dense{i}', f'style.{i + 1}')]


def mit_synthesis(num_blocks):
    """Table of its synthesis network."""
    found = [Entry(f'noise{i}', f'noises.noise_{i}', 'noise') for i in range(2 * num_blocks - 1)]

    def styled(name, torch, kind):
        return [Entry(name + '/weight', torch + '.conv.weight', kind)] + _style(name, torch + '.conv.modulation') + [
            Entry(name + '/noise_strength', torch + '.noise.weight', 'scalar'),
            Entry(name + '/bias', torch + '.activate.bias', 'bias')]

    def to_rgb(name, torch):
        return [Entry(name + '/weight', torch + '.conv.weight', 'conv')] + _style(name, torch + '.conv.modulation') + [
            Entry(name + '/bias', torch + '.bias', 'bias')]

    found += [Entry('4x4/Const/const', 'input.input', 'const')] + styled('4x4/Conv', 'conv1', 'conv')
    found += to_rgb('4x4/ToRGB', 'to_rgb1')
    for level in range(1, num_blocks):
        here = scope(level)
        found += styled(here + '/Conv0_up', f'convs.{2 * level - 2}', 'up')
        found += styled(here + '/Conv1', f'convs.{2 * level - 1}', 'conv')
        found += to_rgb(here + '/ToRGB', f'to_rgbs.{level - 1}')
    return found


def mit_discriminator(num_blocks):
    """Table of its discriminator."""
    found = _conv_layer(scope(num_blocks - 1) + '/FromRGB', 'convs.0.0.weight', 'convs.0.1.bias')
    for index in range(1, num_blocks):
        here, there = scope(num_blocks - index), f'convs.{index}'
        found += _conv_layer(here + '/Conv0', there + '.conv1.0.weight', there + '.conv1.1.bias')
        found += _conv_layer(here + '/Conv1_down', there + '.conv2.1.weight', there + '.conv2.2.bias')
        found.append(Entry(here + '/Skip/weight', there + '.skip.1.weight', 'conv'))
    found += _conv_layer('4x4/Conv', 'final_conv.0.weight', 'final_conv.1.bias')
    return found + _dense('4x4/Dense0', 'final_linear.0') + _dense('Output', 'final_linear.1')
