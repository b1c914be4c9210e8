"""Published datasets: from generated files of the same form to TFRecords."""

import gzip
import pickle

import numpy as np
import pytest
import scipy.io
from PIL import Image

import dataset_tool
from dnnlib import UserError
from training.dataset import TFRecordDataset

h5py = pytest.importorskip('h5py')


def _run(*args):
    return dataset_tool.main([str(arg) for arg in args])


def _order(count):
    order = np.arange(count)
    np.random.RandomState(123).shuffle(order)
    return order


def _write_idx(path, array):
    header = [0x800 + array.ndim] + list(array.shape)
    path.write_bytes(gzip.compress(np.array(header, '>u4').tobytes() + array.tobytes()))


def _mnist(folder):
    folder.mkdir()
    images = np.random.RandomState(0).randint(256, size=[7, 28, 28]).astype(np.uint8)
    _write_idx(folder / 'train-images-idx3-ubyte.gz', images)
    _write_idx(folder / 'train-labels-idx1-ubyte.gz', np.arange(3, 10, dtype=np.uint8))
    return np.pad(images, [(0, 0), (2, 2), (2, 2)], 'constant')


def test_mnist(tmp_path):
    images = _mnist(tmp_path / 'in')
    _run('create_mnist', tmp_path / 'x', tmp_path / 'in')
    with TFRecordDataset(str(tmp_path / 'x'), max_label_size='full') as dataset:
        assert dataset.shape == [1, 32, 32] and dataset.label_size == 10
        for i, number in enumerate(_order(7)):
            np.testing.assert_array_equal(dataset.read(i)[0], images[number])
        assert dataset.read_labels(range(7)).argmax(axis=1).tolist() == [3 + number for number in _order(7)]


def test_mnistrgb(tmp_path):
    images = _mnist(tmp_path / 'in')
    _run('create_mnistrgb', tmp_path / 'x', tmp_path / 'in', '--num_images=5', '--random_seed=9')
    rnd = np.random.RandomState(9)
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        assert dataset.num_images == 5 and dataset.label_size == 0
        for i in range(5):
            np.testing.assert_array_equal(dataset.read(i), images[rnd.randint(7, size=3)])


@pytest.mark.parametrize('command, names, key', [
    ('create_cifar10', ['data_batch_%d' % i for i in range(1, 6)], 'labels'),
    ('create_cifar100', ['train'], 'fine_labels')])
def test_cifar(tmp_path, command, names, key):
    (tmp_path / 'in').mkdir()
    images = np.random.RandomState(0).randint(256, size=[2 * len(names), 3, 32, 32]).astype(np.uint8)
    for i, name in enumerate(names):
        batch = {'data': images[2 * i:2 * i + 2].reshape(2, -1), key: [i, 9 - i], 'filenames': ['a', 'b']}
        (tmp_path / 'in' / name).write_bytes(pickle.dumps(batch, protocol=2))
    _run(command, tmp_path / 'x', tmp_path / 'in')
    order = _order(len(images))
    with TFRecordDataset(str(tmp_path / 'x'), max_label_size='full') as dataset:
        assert dataset.label_size == (10 if len(names) == 5 else 100)
        for i, number in enumerate(order):
            np.testing.assert_array_equal(dataset.read(i), images[number])
        classes = [label for i in range(len(names)) for label in (i, 9 - i)]
        assert dataset.read_labels(range(len(order))).argmax(axis=1).tolist() == [classes[n] for n in order]


def _svhn(folder, kind):
    """Files of SVHN with nine images; returns these and their digits."""
    folder.mkdir()
    images = np.random.RandomState(0).randint(256, size=[9, 3, 32, 32]).astype(np.uint8)
    digits = np.array([0, 9, 1, 8, 2, 7, 3, 0, 4], np.uint8)
    if kind == 'mat':
        classes = np.where(digits == 0, 10, digits).astype(np.uint8)[:, np.newaxis]
        scipy.io.savemat(str(folder / 'train_32x32.mat'), {'X': images.transpose(2, 3, 1, 0), 'y': classes},
                         do_compression=True)
    for i in range(3 if kind == 'pkl' else 0):
        part = slice(3 * i, 3 * i + 3)
        (folder / 'train_{}.pkl'.format(i + 1)).write_bytes(pickle.dumps((images[part], digits[part]), protocol=2))
    return images, digits


@pytest.mark.parametrize('kind', ['pkl', 'mat'])
def test_svhn(tmp_path, kind):
    images, digits = _svhn(tmp_path / 'in', kind)
    if kind == 'pkl':
        (tmp_path / 'in' / 'train_32x32.mat').write_text('not looked at')
    _run('create_svhn', tmp_path / 'x', tmp_path / 'in')
    with TFRecordDataset(str(tmp_path / 'x'), max_label_size='full') as dataset:
        assert dataset.num_images == 9 and dataset.label_size == 10
        for i, number in enumerate(_order(9)):
            np.testing.assert_array_equal(dataset.read(i), images[number])
        assert dataset.read_labels(range(9)).argmax(axis=1).tolist() == digits[_order(9)].tolist()


def test_bad_files_of_svhn(tmp_path):
    images, digits = _svhn(tmp_path / 'in', 'pkl')
    for value, text in ((images, 'expected a pair'), ((images, digits, digits), 'expected a pair'),
                        ((images, digits[:8]), 'expected images'),
                        ((images.astype(np.float32), digits), 'expected images'), ((images, digits + 1), 'digits'),
                        ((images[:, :1], digits), 'expected images'), ((images, digits[:, np.newaxis]), 'digits'),
                        ((images, print), 'asks for .*print')):
        (tmp_path / 'in' / 'train_2.pkl').write_bytes(pickle.dumps(value, protocol=2))
        with pytest.raises(UserError, match='train_2.pkl: not the expected file .*' + text):
            _run('create_svhn', tmp_path / 'x', tmp_path / 'in')
    (tmp_path / 'in' / 'train_2.pkl').unlink()
    with pytest.raises(UserError, match='train_2.pkl: no such file'):
        _run('create_svhn', tmp_path / 'x', tmp_path / 'in')
    (tmp_path / 'nothing').mkdir()
    with pytest.raises(UserError, match='train_32x32.mat: no such file'):
        _run('create_svhn', tmp_path / 'x', tmp_path / 'nothing')
    empty = {'X': np.zeros([32, 32, 3, 0], np.uint8), 'y': np.zeros([0, 1], np.uint8)}
    for content, text in (({'X': images.transpose(2, 3, 1, 0), 'y': digits}, 'classes from 1 to 10'),
                          ({'X': images}, 'not the file'), (empty, 'no images|not the file')):
        scipy.io.savemat(str(tmp_path / 'nothing' / 'train_32x32.mat'), content)
        with pytest.raises(UserError, match=text):
            _run('create_svhn', tmp_path / 'x', tmp_path / 'nothing')
    (tmp_path / 'nothing' / 'train_32x32.mat').write_bytes(b'text' * 100)
    with pytest.raises(UserError, match='train_32x32.mat: not the expected file'):
        _run('create_svhn', tmp_path / 'x', tmp_path / 'nothing')
    assert not (tmp_path / 'x').exists()


def test_celeba(tmp_path):
    folder = tmp_path / 'in' / 'img_align_celeba_png'
    folder.mkdir(parents=True)
    pixels = np.random.RandomState(0).randint(256, size=[3, 218, 178, 3]).astype(np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(str(folder / '{:06d}.png'.format(i)))
    _run('create_celeba', tmp_path / 'x', tmp_path / 'in', '--cx=90', '--cy=110')
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        for i, number in enumerate(_order(3)):
            np.testing.assert_array_equal(dataset.read(i).transpose(1, 2, 0), pixels[number, 46:174, 26:154])
    Image.new('RGB', (178, 217)).save(str(folder / '000001.png'))
    with pytest.raises(UserError, match='000001.png: 178x217 RGB; expected 178x218 RGB'):
        _run('create_celeba', tmp_path / 'y', tmp_path / 'in')
    with pytest.raises(UserError, match='--cx=20'):
        _run('create_celeba', tmp_path / 'z', tmp_path / 'in', '--cx=20')


def test_hdf5(tmp_path):
    images = np.random.RandomState(0).randint(256, size=[4, 3, 16, 16]).astype(np.uint8)
    with h5py.File(str(tmp_path / 'in.h5'), 'w') as file:
        file['data16x16'], file['data8x8'], file['other'] = images, images[:, :, ::2, ::2], np.zeros([2])
    np.save(str(tmp_path / 'in-labels.npy'), np.eye(4))
    _run('create_from_hdf5', tmp_path / 'x', tmp_path / 'in.h5', '--shuffle=0')
    with TFRecordDataset(str(tmp_path / 'x'), max_label_size='full') as dataset:
        np.testing.assert_array_equal(np.stack([dataset.read(i) for i in range(4)]), images)
        np.testing.assert_array_equal(dataset.read_labels(range(4)), np.eye(4))
    with h5py.File(str(tmp_path / 'bad.h5'), 'w') as file:
        file['data'] = images.astype(np.float32)
    (tmp_path / 'text.h5').write_text('text')
    for name, text in (('bad', 'no images'), ('text', 'not an HDF5 file'), ('nope', 'no such file')):
        with pytest.raises(UserError, match=name + '.h5: ' + text):
            _run('create_from_hdf5', tmp_path / 'y', tmp_path / (name + '.h5'))


@pytest.mark.parametrize('content, text', [
    (pickle.dumps(print), 'refused: the file asks for builtins.print'), (b'text', 'not the expected file'),
    (pickle.dumps({'data': np.zeros([2, 3072], np.uint8), 'fine_labels': [0]}, protocol=2), 'expected 3072 bytes'),
    (pickle.dumps({'data': np.zeros([1, 3072], np.uint8), 'fine_labels': [100]}, protocol=2), 'classes 100 to 100')],
    ids=range(4))
def test_bad_files(tmp_path, content, text):
    (tmp_path / 'in').mkdir()
    with pytest.raises(UserError, match='train: no such file'):
        _run('create_cifar100', tmp_path / 'x', tmp_path / 'in')
    (tmp_path / 'in' / 'train').write_bytes(content)
    with pytest.raises(UserError, match=text):
        _run('create_cifar100', tmp_path / 'x', tmp_path / 'in')
    for name in ('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz'):
        (tmp_path / 'in' / name).write_bytes(content)
    with pytest.raises(UserError, match='not the expected file'):
        _run('create_mnist', tmp_path / 'x', tmp_path / 'in')
    assert not (tmp_path / 'x').exists()
