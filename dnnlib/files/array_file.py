"""Networks as plain arrays: `.npz` and `.safetensors`, with everything but the arrays in a JSON header.

An array is named `<number of the network>/<component>/<variable>`. The header lists the networks with the fields of
their pickled states. Both kinds of file can be read by anything that knows NumPy's or the safetensors format.
"""

import collections
import io
import json
import struct
import zipfile

import numpy as np

from dnnlib import util
from dnnlib.files import file_kinds, named_networks, network_file
from dnnlib.util import UserError

KINDS = ('npz', 'safetensors')
FORMAT = 'stylegan2-networks-1'
_HEADER = 'header.json'  # its array in npz files, the key of the metadata in safetensors files
_MAX_HEADER = 100 << 20  # as the authors of safetensors have it
_DTYPES = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I64': '<i8', 'I32': '<i4', 'I16': '<i2', 'I8': '|i1', 'U8': '|u1',
           'BOOL': '|b1'}
_FIELDS = ('version', 'name', 'static_kwargs', 'build_func_name')
_OPTIONAL = ('input_names', 'num_inputs')


def save(saved, path, kind):
    """Writes the networks of a pickle.

    Args:
        saved: What `network_file.read_inert` returned: a tuple or list of NetworkState and None, or one; or networks by
            name, see `named_networks`.
        path: The file; its folder must exist.
        kind: One of KINDS.
    Raises: UserError if there is anything else in it.
    """
    header = {'format': FORMAT}
    if named_networks.is_packed(saved):
        networks = list(named_networks.unpack(saved).networks.values())
        header['named'] = dict(saved, networks=list(saved['networks']))  # the names in their place
    else:
        networks = [saved] if isinstance(saved, network_file.NetworkState) else saved
    if not isinstance(networks, (tuple, list)) or not any(networks) or not all(
            item is None or isinstance(item, network_file.NetworkState) and item.state for item in networks):
        raise UserError(f'contains more than networks, which {kind} files cannot hold')
    arrays = collections.OrderedDict()
    header['networks'] = [item and _flatten(item, str(i), arrays) for i, item in enumerate(networks)]
    try:
        header = json.dumps(header, sort_keys=True)
    except TypeError as error:
        raise UserError('the options of a network cannot be written as JSON: {}'.format(error)) from error
    with util.atomic_path(path) as temp_path:
        with open(temp_path, 'wb') as f:
            (_write_npz if kind == 'npz' else _write_safetensors)(f, header, arrays)


def _flatten(network, prefix, arrays):
    """Header entry of a network; its variables go to `arrays`."""
    state = network.state
    entry = {key: state.get(key) for key in _FIELDS + _OPTIONAL if key in state or key in _FIELDS}
    source = state.get('build_module_src')
    entry['source'] = source if isinstance(source, str) and source.count('\n') == 1 else ''  # one line, not a module
    entry['variables'] = []
    for name, value in state.get('variables', ()):
        arrays[prefix + '/' + name] = np.asarray(value.value if isinstance(value, network_file.Array) else value)
        entry['variables'].append(name)
    entry['components'] = [[key, _flatten(item, prefix + '/' + key, arrays)]
                           for key, item in state.get('components', {}).items()]
    if network.class_module != network_file.CLASS_MODULE:
        entry['class_module'] = network.class_module
    return entry


def check_module(name):
    """The name of a module that the class of networks may be in, in a pickle; raises UserError for another one."""
    if name not in (network_file.CLASS_MODULE, network_file.OLD_CLASS_MODULE):
        raise UserError('networks of the class {:.40}.Network'.format(str(name)))
    return name


def _write_npz(f, header, arrays):
    np.savez(f, **dict(arrays, **{_HEADER: np.frombuffer(header.encode('utf-8'), np.uint8)}))


def _write_safetensors(f, header, arrays):
    codes = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
    entries, offset = collections.OrderedDict([('__metadata__', {_HEADER: header})]), 0
    for name, array in arrays.items():
        entries[name] = {'dtype': codes[array.dtype], 'shape': list(array.shape),
                         'data_offsets': [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(entries).encode('utf-8')
    text += b' ' * (-len(text) % 8)
    f.write(struct.pack('<Q', len(text)) + text)
    for array in arrays.values():
        f.write(np.ascontiguousarray(array).tobytes())


def looks_like(start):
    """Do the first 16 bytes of a file look like one of KINDS?"""
    return start[:4] == b'PK\x03\x04' or start[8:9] == b'{' and struct.unpack('<Q', start[:8])[0] <= _MAX_HEADER


def read(data):
    """Networks of a file, given as bytes.

    Returns: Tuple of NetworkState, and None where the file has none; or networks by name, see `named_networks`.
    Raises: UserError if it is corrupt or something else.
    """
    try:
        header, arrays = _read_npz(data) if data[:4] == b'PK\x03\x04' else _read_safetensors(data)
        found = json.loads(header)
        if found['format'] != FORMAT:
            raise UserError('networks in the format {:.40}, known is {}'.format(repr(found['format']), FORMAT))
        networks = tuple(entry and _unflatten(entry, str(i), arrays) for i, entry in enumerate(found['networks']))
        named = found.get('named')
        return networks if named is None else dict(named, networks=collections.OrderedDict(
            zip(named['networks'], networks)))
    except UserError:
        raise
    except Exception as error:  # NumPy and zipfile raise anything for a corrupt archive
        if file_kinds.is_cut(data):
            raise UserError(file_kinds.cut_message(len(data))) from error
        raise UserError('not written by this program, corrupt or truncated '
                        f'({type(error).__name__}: {str(error):.200})') from error


def _unflatten(entry, prefix, arrays):
    network = network_file.NetworkState(check_module(entry.get('class_module', network_file.CLASS_MODULE)))
    state = {key: entry[key] for key in _FIELDS + _OPTIONAL if key in entry or key in _FIELDS}
    components = {key: _unflatten(item, prefix + '/' + key, arrays) for key, item in entry['components']}
    if components or network.class_module == network_file.CLASS_MODULE:
        state['components'] = components
    state['build_module_src'] = entry.get('source', '')
    state['variables'] = [(name, arrays[prefix + '/' + name][()]) for name in entry['variables']]
    network.set_state(state)
    return network


def _read_npz(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        items = archive.infolist()
        if any(item.compress_type != zipfile.ZIP_STORED for item in items) or sum(
                item.file_size for item in items) > len(data):
            raise UserError('refused: a compressed archive, which this program does not write')
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        header = arrays[_HEADER].tobytes().decode('utf-8')
        return header, {name: arrays[name] for name in arrays.files if name != _HEADER}


def _read_safetensors(data):
    size, = struct.unpack('<Q', data[:8])
    if size > min(_MAX_HEADER, len(data) - 8):
        raise UserError('corrupt or truncated: a header of {} bytes'.format(size))
    entries = json.loads(data[8:8 + size].decode('utf-8'))
    header, arrays, total = entries.pop('__metadata__')[_HEADER], {}, 0
    for name, entry in entries.items():
        begin, end = entry['data_offsets']
        if 0 <= begin <= end and end > len(data) - 8 - size:
            raise UserError('corrupt or ' + file_kinds.cut_message(len(data)))
        total += end - begin
        if not 0 <= begin <= end or total > len(data):
            raise UserError('corrupt or truncated: {:.80} is at {} to {}'.format(name, begin, end))
        values = np.frombuffer(data[8 + size + begin:8 + size + end], _DTYPES[entry['dtype']])
        if any(axis < 0 for axis in entry['shape']):
            raise UserError('corrupt: {:.80} has the shape {}'.format(name, entry['shape']))
        arrays[name] = values.reshape(entry['shape']).copy()
    return header, arrays
