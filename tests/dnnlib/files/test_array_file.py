"""Networks as npz and safetensors: what is in the files, and files that are damaged or hostile."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest

from dnnlib.files import array_file, network_file
from dnnlib.util import UserError
from export import arrays
from generator import info


@pytest.fixture
def saved(data_dir):
    """The networks of a pickle, not built."""
    with open(str(data_dir / 'labels3_r16.pkl'), 'rb') as f:
        return network_file.read_inert(f)


def written(saved, tmp_path, kind):
    path = tmp_path / ('x.' + kind)
    array_file.save(saved, str(path), kind)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    return path.read_bytes()


@pytest.mark.parametrize('kind', array_file.KINDS)
def test_everything_is_read_back(saved, tmp_path, kind):
    data = written(saved, tmp_path, kind)
    assert array_file.looks_like(data[:16])
    found = array_file.read(data)
    assert arrays.hashes(found) == arrays.hashes(saved) and len(found) == 3
    for old, new in zip(saved, found):
        for key in ('version', 'name', 'static_kwargs', 'build_func_name'):
            assert old.state[key] == new.state[key]
        assert list(old.state['components']) == list(new.state['components'])
        names = [[name for name, _ in net.state['components'].get('synthesis', net).state['variables']]
                 for net in (old, new)]
        assert names[0] == names[1]
    assert info.describe(data)[0] == 'Kind        StyleGAN2 file of arrays: G, D, Gs'


def test_safetensors_are_laid_out_as_their_authors_say(saved, tmp_path):
    data = written(saved, tmp_path, 'safetensors')
    size, = struct.unpack('<Q', data[:8])
    entries = json.loads(data[8:8 + size].decode('utf-8'))
    assert size % 8 == 0 and all(isinstance(text, str) for text in entries.pop('__metadata__').values())
    end = 0
    for entry in entries.values():  # without gaps, in order
        assert entry['data_offsets'][0] == end and entry['dtype'] == 'F32'
        end = entry['data_offsets'][1]
        assert end - entry['data_offsets'][0] == 4 * int(np.prod(entry['shape']))
    assert len(data) == 8 + size + end
    place = entries['2/mapping/Dense0/bias']['data_offsets']
    values = np.frombuffer(data[8 + size + place[0]:8 + size + place[1]], '<f4')
    variables = dict(saved[2].state['components']['mapping'].state['variables'])
    np.testing.assert_array_equal(values, variables['Dense0/bias'].value)


@pytest.mark.parametrize('kind', array_file.KINDS)
def test_damaged_files(saved, tmp_path, kind):
    data = written(saved[1:2], tmp_path, kind)
    rnd = np.random.RandomState(0)
    for length in (0, 5, 9, 100, len(data) // 2, len(data) - 3):
        with pytest.raises(UserError):
            array_file.read(data[:length])
    for _ in range(200):  # read or refused, never anything else
        changed = bytearray(data)
        for place in rnd.randint(0, 3000, size=3):
            changed[place] = rnd.randint(256)
        try:
            array_file.read(bytes(changed))
        except UserError:
            pass


def safetensors(entries, size=None, body=8):
    text = json.dumps(entries).encode()
    return struct.pack('<Q', len(text) if size is None else size) + text + bytes(body)


def test_hostile_files(tmp_path):
    meta = {'__metadata__': {'header.json': json.dumps({'format': array_file.FORMAT, 'networks': []})}}
    assert array_file.read(safetensors(meta)) == ()
    big = {'dtype': 'F32', 'shape': [1 << 40], 'data_offsets': [0, 8]}
    many = {'dtype': 'F32', 'shape': [25000], 'data_offsets': [0, 10 ** 5]}
    for data, message in [
            (safetensors(meta, 1 << 40), 'header of'), (safetensors(dict(meta, a=big)), 'corrupt'),
            (safetensors(dict(meta, a=dict(big, data_offsets=[0, 1 << 40]))), 'corrupt'),
            (safetensors(dict(meta, a=dict(big, shape=[-1, -2]))), 'shape'),
            (safetensors({'a': 1}), 'not written by this program'),
            (safetensors({'__metadata__': {'header.json': '{"format": "x"}'}}), "format 'x'"),
            (safetensors(dict(meta, **{str(i): many for i in range(100)}), body=10 ** 5), 'corrupt')]:
        with pytest.raises(UserError, match=message):
            array_file.read(data)
    out = io.BytesIO()
    np.savez_compressed(out, a=np.zeros(10 ** 6))
    with pytest.raises(UserError, match='compressed'):
        array_file.read(out.getvalue())
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as archive:
        objects = io.BytesIO()
        np.lib.format.write_array(objects, np.array([pickle.Pickler], object), allow_pickle=True)
        archive.writestr('header.json.npy', objects.getvalue())
    with pytest.raises(UserError, match='not written by this program'):
        array_file.read(out.getvalue())


def test_other_things_are_not_written(saved, tmp_path):
    for value in ({'a': 1}, [1], [], (saved[0], 3)):
        with pytest.raises(UserError, match='more than networks'):
            array_file.save(value, str(tmp_path / 'x.npz'), 'npz')
    saved[0].state['static_kwargs'] = {'x': b'bytes'}
    with pytest.raises(UserError, match='JSON'):
        array_file.save(saved, str(tmp_path / 'x.npz'), 'npz')
    assert not list(tmp_path.iterdir())
