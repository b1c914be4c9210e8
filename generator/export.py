"""`export`: the networks of a file as plain arrays, without building them and without TensorFlow."""

import argparse
import os

from dnnlib import array_file
from dnnlib.util import UserError
from generator import info
from training import pretrained


def add_command(commands):
    """Adds the sub-command `export`."""
    p = commands.add_parser('export', help='write the networks of a file as npz or safetensors')
    p.add_argument('network_pkl', metavar='FILE', help='network file: path, URL or published name')
    p.add_argument('output', metavar='OUTPUT', type=output_file,
                   help='the file to write, whose extension says what: .npz or .safetensors')
    p.set_defaults(run=export)


def output_file(text):
    """Argument type: a path with one of the extensions that can be written."""
    if os.path.splitext(text)[1][1:] not in array_file.KINDS:
        raise argparse.ArgumentTypeError('expected a file name that ends with .{}, got {!r}'.format(
            ' or .'.join(array_file.KINDS), text))
    return text


def export(network_pkl, output):
    """Writes the file and reads it back; every array must be the same.

    Args:
        network_pkl: Path, URL or published name of a network file.
        output: The new file.
    Raises: UserError if the file does not hold networks alone; OSError if one cannot be read or written.
    """
    if os.path.isdir(output) or not os.path.isdir(os.path.dirname(output) or '.'):
        raise UserError('cannot write {!r}: its folder is not there, or it is a folder itself'.format(output))
    data = info.read_file(network_pkl)
    try:
        saved = pretrained.read_states(data)
        array_file.save(saved, output, os.path.splitext(output)[1][1:])
    except UserError as error:
        raise UserError('{}: {}'.format(os.path.basename(network_pkl), error)) from error
    with open(output, 'rb') as f:
        written = f.read()
    if hashes(array_file.read(written)) != hashes(saved):
        raise UserError('{}: the arrays read back are not those that were written'.format(output))
    print('Wrote {}: {:.1f} MiB, from {:.1f} MiB; read back, all arrays are the same'.format(
        output, len(written) / 2 ** 20, len(data) / 2 ** 20))


def hashes(saved):
    """SHA-256 of the variables of each network."""
    return [info.hash_of(state) for _, state in info.find_networks(saved)]
