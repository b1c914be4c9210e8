"""Networks as published pickles, npz and safetensors: without building them and without TensorFlow."""

import os

from dnnlib import util
from dnnlib.files import array_file, network_file
from dnnlib.util import UserError
from generator import info, network_data
from training import pretrained


def write(network_pkl, output, kind):
    """Writes the file and reads it back before it gets its name; every array must be the same.

    Args:
        network_pkl: pretrained.NetworkFile.
        output: The new file.
        kind: `pkl`, `npz` or `safetensors`.
    Raises: UserError if the file does not hold networks alone; OSError if one cannot be read or written.
    """
    data = info.read_file(network_pkl)
    with util.atomic_path(output) as temp_path:
        try:
            saved = pretrained.read_states(data)
            for note in network_file.notes_in(saved if isinstance(saved, (tuple, list)) else [saved]):
                print(f'{os.path.basename(network_pkl.name)}: {note}.')
            if kind == 'pkl':
                network_file.save(saved, temp_path)
            else:
                array_file.save(saved, temp_path, kind)
        except UserError as error:
            raise UserError('{}: {}'.format(os.path.basename(network_pkl.name), error)) from error
        with open(temp_path, 'rb') as f:
            written = f.read()
        if hashes(pretrained.read_states(written)) != hashes(saved):
            raise UserError(f'arrays differ when read back; {output} was not written')
    print('Wrote {}: {:.1f} MiB, from {:.1f} MiB; read back, all arrays are the same'.format(
        output, len(written) / 2 ** 20, len(data) / 2 ** 20))


def hashes(saved):
    """SHA-256 of the variables of each network."""
    return [network_data.hash_of(state) for _, state in info.find_networks(saved)]
