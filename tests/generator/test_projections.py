"""Files of projected pictures."""

import io
from typing import NamedTuple
import zipfile

import numpy as np
import pytest

from dnnlib.util import UserError
from generator import projections


class Projection(NamedTuple):
    """What the projector hands over."""

    dlatents: np.ndarray
    noises: list
    distance: float


def test_projections_come_back(tmp_path):
    dlatents = np.random.RandomState(0).randn(1, 4, 8).astype(np.float32)
    noise = np.ones([1, 1, 4, 4], np.float32)
    path = str(tmp_path / 'a.npz')
    projections.save(path, Projection(dlatents, [noise], 0.25), 'abc', 'a.png')
    found = projections.load(path)
    np.testing.assert_array_equal(found['dlatents'], dlatents)
    np.testing.assert_array_equal(found['noise0'], noise)
    assert (str(found['network_hash']), str(found['source']), float(found['distance'])) == ('abc', 'a.png', 0.25)


@pytest.mark.parametrize('shape, count', [
    ([2, 4, 8], 2), ([4, 8], 1), ([8], 1), ([1, 8], 1), ([3, 8], 3), ([2, 1, 8], 2), ([1, 1, 2, 4, 8], 2)])
def test_shapes_of_other_projectors(shape, count):
    values = np.random.RandomState(0).randn(*shape)
    found = projections.fit('x', values, [4, 8])
    assert found.shape == (count, 4, 8)
    wanted = values.reshape([count, -1, 8])
    np.testing.assert_array_equal(found, np.repeat(wanted, 4 // wanted.shape[1], axis=1))


@pytest.mark.parametrize('shape', [[1, 6, 8], [1, 4, 7], [2, 2, 4, 8], [7], [4, 7]])
def test_dlatents_of_other_networks(shape):
    with pytest.raises(UserError, match=r'x.npy: dlatents of shape \[.*\], but those of the network are \[N, 4, 8\]'):
        projections.fit('x.npy', np.zeros(shape), [4, 8])


@pytest.mark.parametrize('arrays, wanted', [
    (dict(w=[1.0], other=[2.0]), 1), (dict(dlatents=[1.0], w=[2.0]), 1), (dict(anything=[1.0], steps=[3]), 1)])
def test_names_in_files_of_other_projectors(tmp_path, arrays, wanted):
    path = str(tmp_path / 'a.npz')
    np.savez(path, **arrays)
    assert projections.load(path)['dlatents'].tolist() == [wanted]


@pytest.mark.parametrize('value, message', [
    (dict(a=[1.0], b=[2.0]), r'under the name dlatents or w.* it holds a float64 \[1\], b float64 \[1\]'),
    (dict(steps=[3]), r'it holds steps int64 \[1\]'), (dict(w=['x']), 'expected dlatents of shape'),
    (dict(w=[[np.nan]]), 'NaN'), (dict(w=3.0), 'expected dlatents of shape'), ([['a']], 'dlatents <U1'),
    ([{}], 'numbers: it holds Python objects'), (b'<html>', 'it is a web page'),
    (b'\x80\x02}.', 'begins like no such file'),
    (b'PK\x03\x04', 'corrupt'), (b'\x93NUMPY\x01\x00', 'corrupt'), (b'', 'empty')])
def test_files_without_dlatents(tmp_path, value, message):
    path = tmp_path / 'a.npz'
    if isinstance(value, dict):
        np.savez(str(path), **value)
    elif isinstance(value, list):
        with open(str(path), 'wb') as file:
            np.save(file, np.array(value))
    else:
        path.write_bytes(value)
    with pytest.raises(UserError, match='a.npz: .*' + message):
        projections.load(str(path))


def _npy(header):
    text = header.encode().ljust(117) + b'\n'
    return b'\x93NUMPY\x01\x00' + bytes([len(text), 0]) + text


def _zipped(name, contents, damage=False):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, contents)
    data = bytearray(file.getvalue())
    if damage:
        data[30 + len(name):36 + len(name)] = b'\xff' * 6
    return bytes(data)


@pytest.mark.parametrize('data, message', [
    (_zipped('w.npy', b'abcdef' * 50, damage=True), 'corrupt'), (_npy("{'descr': ("), 'corrupt'),
    (_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999,), }"), 'corrupt'),
    (_zipped('readme.txt', b'words'), 'it holds none')])
def test_damaged_files_and_other_members(tmp_path, data, message):
    (tmp_path / 'a.npz').write_bytes(data)
    with pytest.raises(UserError, match='a.npz: .*' + message):
        projections.load(str(tmp_path / 'a.npz'))
