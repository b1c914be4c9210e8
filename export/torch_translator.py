"""`export` of networks that translate images to PyTorch: the weight file that the published programs load."""

import os

import numpy as np

from dnnlib import util
from dnnlib.files import torch_file, torch_writer
from dnnlib.util import UserError
from generator import info, network_data
from training import pretrained
from training.torch_files import names, translation
from translator import networks

_MAPS = ('UpBlock2.', 'encoder.', 'decoder.')  # of U-GAT-IT and SinCUT: values for channels have axes for pixels
_DOWN, _UP = (np.outer(taps, taps) / np.sum(taps) ** 2 for taps in ([1, 2, 1], [1, 3, 3, 1]))  # CUT's filters


def write(network_pkl, output, direction=None):
    """Writes the translator of a file under the published names and reads it back.

    Args:
        network_pkl: pretrained.NetworkFile.
        output: The new file.
        direction: See `networks.choose`.
    Raises: UserError for a network that the published programs do not have, or if the tensors read back differ; OSError
        if a file cannot be read or written.
    """
    contents = pretrained.read_contents(info.read_file(network_pkl))
    try:
        name = networks.choose(contents, direction).name
        tensors = tensors_of(contents.networks[name].state)
    except UserError as error:
        raise UserError(f'{os.path.basename(network_pkl.name)}: {error}') from error
    write_content(network_pkl, output, tensors, f'the network {name}')


def write_content(network_pkl, output, content, what):
    """Writes tensors and reads them back.

    Args:
        network_pkl: pretrained.NetworkFile that they are of.
        output: The new file.
        content: {name: array}, or {name: such a dictionary}.
        what: What they are, for the report.
    Raises: UserError if the tensors read back differ; OSError if a file cannot be written.
    """
    with util.atomic_path(output) as temp_path:
        torch_writer.save(content, temp_path)
        with open(temp_path, 'rb') as f:
            saved = torch_file.load(f)
        is_one = not any(isinstance(value, dict) for value in content.values())
        for name, tensors in {'': content}.items() if is_one else content.items():
            found = torch_file.tensors_in(saved if is_one else saved[name])
            if list(found) != list(tensors) or not all(np.array_equal(found[key], tensors[key]) for key in tensors):
                raise UserError(f'{os.path.basename(network_pkl.name)}: the tensors read back are not those that were '
                                'to be written; nothing was written')
    print(f'Wrote {output}: {os.path.getsize(output) / 2 ** 20:.1f} MiB, {what} for the published program; '
          'read back, the tensors are the same')


def tensors_of(state):
    """Tensors of a network by the published names, with the filters that its layers keep.

    Args:
        state: Dictionary of a NetworkState.
    Raises: UserError for a network of another kind, or one that differs from the published ones.
    """
    function, values = network_data.function_of(state), network_data.variables_of(state)
    if function not in _TABLES:
        raise UserError(f'the published programs have no network {function}; they have {", ".join(_TABLES)}')
    table = _TABLES[function](network_data.options_of(state))
    if {entry.name for entry in table} != set(values):
        raise UserError('its variables are not those of the published network')
    found = {entry.torch: _as_published(names.KINDS[entry.kind].to_torch(values[entry.name]), entry)
             for entry in table}
    found.update(_filters(function, network_data.options_of(state), found))
    return found


def _as_published(array, entry):
    """An array with the axes that the published layer has."""
    if entry.kind == 'bias' and (entry.name.endswith('/rho') or entry.torch.startswith(_MAPS)):
        array = array.reshape(1, -1, 1, 1)
    elif entry.kind in ('up', 'scalar'):
        array = array[np.newaxis]
    return np.array(array, np.float32, order='C')


def _filters(function, options, tensors):
    """Filters that are tensors of the published networks: {name: array}."""
    if function == 'G_sincut':
        found = {name[:-len('1.weight')] + '0.kernel': _UP for name in tensors
                 if name.endswith(('.conv2.1.weight', '.skip.1.weight'))}
        found.update((name[:-len('weight')] + 'blur.kernel', 4 * _UP) for name in tensors
                     if name.endswith('.conv.weight'))
        if not options.get('use_noise', True):  # the published file has a strength, which is not used
            found.update((name[:-len('conv.weight')] + 'noise.weight', np.zeros([1])) for name in tensors
                         if name.endswith('.conv.weight'))
        return {name: np.float32(value) for name, value in found.items()}
    if function != 'G_resnet' or not options.get('antialias'):
        return {}
    num_downs, num_blocks = options.get('num_downs', 2), options.get('num_blocks', 9)
    found, number = {}, 4
    for _ in range(num_downs):
        channels = len(tensors[f'model.{number}.weight'])
        found[f'model.{number + 3}.filt'] = np.float32(np.tile(_DOWN, (channels, 1, 1, 1)))
        number += 4
    number += num_blocks
    for _ in range(num_downs):
        channels = tensors[f'model.{number + 1}.weight'].shape[1]
        found[f'model.{number}.filt'] = np.float32(np.tile(4 * _UP, (channels, 1, 1, 1)))
        number += 4
    return found


def _resnet(options):
    usual = (('num_blocks', 9), ('num_downs', 2), ('antialias', False), ('norm', 'instance'), ('dropout', False))
    return translation.resnet(*(options.get(name, default) for name, default in usual))


def _pix2pixhd(options):
    downs, enhancers = options.get('num_downs', 4), options.get('num_enhancers', 0)
    return translation.pix2pixhd(options.get('num_blocks', 9), downs, enhancers, options.get('num_local_blocks', 3))


_TABLES = {
    'G_resnet': _resnet, 'G_pix2pixhd': _pix2pixhd,
    'G_unet': lambda options: translation.unet(options.get('num_downs', 8), options.get('norm', 'batch')),
    'G_ugatit': lambda options: translation.ugatit_generator(options.get('num_blocks', 4)),
    'G_sincut': lambda options: translation.sincut_generator(
        options.get('num_blocks', 6), options.get('num_downs', 1), options.get('use_noise', True))}
