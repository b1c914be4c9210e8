"""Published datasets, read as distributed by their authors: sources for `export.export`."""

import gzip
import os
import threading

import numpy as np

from dnnlib.files import network_file
from dnnlib.util import UserError
from training.data.images import to_array
from training.data.labels import Labels, load_labels
from training.data.making import mat_file
from training.data.rules import check_resolution
from training.data.sources import ImageFiles

CELEBA_FOLDER, CELEBA_SIZE = 'img_align_celeba_png', (178, 218)


class ArraySource:
    """Images and classes held in memory.

    Args:
        name: Start of the image names in messages.
        images: uint8 [N, C, H, W].
        classes: Class of each image, int [N]; `None` = no labels.
        num_classes: Number of classes.
        picks: Numbers of the images that become the channels of each new one, int [M, 3]; `None` = use the images.
    """

    label_names = None

    def __init__(self, name, images, classes=None, num_classes=0, picks=None):
        self._name, self.images, self._picks = name, images, picks
        self._labels = None if classes is None else Labels(classes=classes, num_classes=num_classes)
        self.num_items, self.label_size = len(images if picks is None else picks), num_classes
        self.key = [name, len(images), images[:1].tobytes(), images[-1:].tobytes()]

    def name_of(self, number):
        """Name of image `number`, for messages."""
        return f'{self._name} image {number}'

    def stamp(self, number):
        """Text that changes when the image does; here `key` alone decides."""
        return str(number)

    def read(self, number):
        """Image `number`: uint8 [C, H, W]."""
        return self.images[number] if self._picks is None else self.images[self._picks[number], 0]

    def labels_at(self, numbers):
        """Labels of images: float32 [N, label_size]."""
        return self._labels.at(numbers)

    def close(self):
        """Nothing is open."""


def _read(folder, name, reader):
    """Result of `reader` on the open file `name` of a folder; UserError if the file is missing or invalid."""
    path = os.path.join(folder, name)
    try:
        with open(path, 'rb') as file:
            return reader(file)
    except FileNotFoundError:
        raise UserError('{}: no such file; expected the folder with the files as distributed by the authors'.format(
            path)) from None
    except MemoryError:
        raise
    except Exception as error:  # pylint: disable=broad-except  # damaged gzip and pickle files can raise anything
        reason = f' ({error})' if isinstance(error, UserError) else ''  # those of Python explain nothing
        raise UserError(f'{path}: not the expected file{reason}; download it again') from None


def _idx(num_dimensions):
    """Reader of a gzipped IDX file of bytes, such as those of MNIST."""
    def reader(file):
        data = gzip.GzipFile(fileobj=file).read()
        sizes = np.frombuffer(data, '>u4', num_dimensions + 1).tolist()
        if sizes[0] != 0x800 + num_dimensions:
            raise UserError('wrong kind of IDX file')
        return np.frombuffer(data, np.uint8, offset=4 + 4 * num_dimensions).reshape(sizes[1:])
    return reader


def mnist(folder):
    """MNIST (LeCun et al. 1998): 28x28 digits padded with black to 32x32, ten classes."""
    images = np.pad(_read(folder, 'train-images-idx3-ubyte.gz', _idx(3)), [(0, 0), (2, 2), (2, 2)], 'constant')
    classes = _read(folder, 'train-labels-idx1-ubyte.gz', _idx(1))
    if len(classes) != len(images) or not len(images) or classes.max() > 9:
        raise UserError('{}: {} labels from 0 to 9 for {} images; download the files again'.format(
            folder, len(classes), len(images)))
    return ArraySource('MNIST', images[:, np.newaxis], classes, 10)


def mnistrgb(folder, num_images, random_seed):
    """Stacked MNIST: each color channel of an image is a randomly drawn digit; no labels."""
    images = mnist(folder).images
    picks = np.random.RandomState(random_seed).randint(len(images), size=[num_images, 3])
    return ArraySource(f'MNIST-RGB seed {random_seed}', images, picks=picks)


def _read_batch(file):
    """Dictionary of a pickled batch, read as plain data."""
    return {key: getattr(value, 'value', value) for key, value in network_file.read_inert(file).items()}


def _cifar(folder, names, label_key, num_classes):
    images, classes = [], []
    for name in names:
        batch = _read(folder, name, lambda file: _check_batch(_read_batch(file), label_key))
        images.append(np.reshape(batch['data'], [-1, 3, 32, 32]))
        classes += list(batch[label_key])
    if not 0 <= min(classes) <= max(classes) < num_classes:
        raise UserError(f'{folder}: classes {min(classes)} to {max(classes)}; expected 0 to {num_classes - 1}')
    return ArraySource(f'CIFAR-{num_classes}', np.concatenate(images), classes, num_classes)


def _check_batch(batch, label_key):
    data, classes = batch['data'], batch[label_key]
    if not len(classes) or (type(data), data.dtype, data.shape) != (np.ndarray, np.uint8, (len(classes), 3072)):
        raise UserError('expected 3072 bytes for each label')
    if not all(isinstance(number, int) for number in classes):
        raise UserError('expected class numbers')
    return batch


def cifar10(folder):
    """CIFAR-10 (Krizhevsky 2009), Python version: the five training batches, ten classes."""
    return _cifar(folder, [f'data_batch_{i}' for i in range(1, 6)], 'labels', 10)


def cifar100(folder):
    """CIFAR-100 (Krizhevsky 2009), Python version: the training set with its hundred fine classes."""
    return _cifar(folder, ['train'], 'fine_labels', 100)


def _read_digits(file):
    """Images and classes of a pickle of SVHN, read as plain data."""
    pair = network_file.read_inert(file)
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise UserError('expected a pair of images and classes')
    return _check_digits(*[np.asarray(getattr(item, 'value', item)) for item in pair])


def _read_mat_digits(file):
    """Images and classes of a MATLAB file of SVHN, where images come last and the digit 0 is class 10."""
    found = mat_file.read(file.read())
    classes = found['y'].reshape(-1)
    if not np.isin(classes, range(1, 11)).all():
        raise UserError('expected classes from 1 to 10')
    return _check_digits(np.ascontiguousarray(found['X'].transpose(3, 2, 0, 1)), classes % 10)


def _check_digits(images, classes):
    if (images.dtype, images.shape, classes.shape) != (np.uint8, (len(images), 3, 32, 32), (len(images),)) or not (
            np.isin(classes, range(10)).all()):
        raise UserError('expected images uint8 [N, 3, 32, 32] and as many digits from 0 to 9')
    return images, classes


def svhn(folder):
    """SVHN (Netzer et al. 2011), 32x32: the training set in its stored order, with the digits as ten classes.

    Args:
        folder: Holds `train_1.pkl` to `train_3.pkl`, each a pair of images and classes, or the authors'
            `train_32x32.mat`.
    """
    names = [f'train_{i}.pkl' for i in range(1, 4)]
    if any(os.path.exists(os.path.join(folder, name)) for name in names):
        parts = [_read(folder, name, _read_digits) for name in names]
    else:
        parts = [_read(folder, 'train_32x32.mat', _read_mat_digits)]
    images, classes = [np.concatenate(arrays) for arrays in zip(*parts)]
    if not len(images):
        raise UserError(f'{folder}: no images; download the files again')
    return ArraySource('SVHN', images, classes, 10)


class CelebaSource:
    """CelebA (Liu et al. 2015), aligned: 128x128 pixels around a point in every 178x218 picture.

    Args:
        folder: Folder that holds `img_align_celeba_png`.
        cx, cy: The point, pixels from the left and from the top.
    """

    label_names, label_size = None, 0

    def __init__(self, folder, cx, cy):
        self._box = (cx - 64, cy - 64, cx + 64, cy + 64)
        if not (64 <= cx <= CELEBA_SIZE[0] - 64 and 64 <= cy <= CELEBA_SIZE[1] - 64):
            raise UserError('--cx={} --cy={}: expected 64 to {} and 64 to {}'.format(
                cx, cy, CELEBA_SIZE[0] - 64, CELEBA_SIZE[1] - 64))
        self._files = ImageFiles(os.path.join(folder, CELEBA_FOLDER))
        self.not_taken = self._files.not_taken
        self.num_items = len(self._files.names)
        self.key = [os.path.abspath(folder), self._box]

    def name_of(self, number):
        """Name of the file of image `number`."""
        return self._files.names[number]

    def stamp(self, number):
        """Text that changes when the file of an image does."""
        return self._files.stamp(self._files.names[number])

    def read(self, number):
        """Image `number`: uint8 [3, 128, 128]. Raises UserError if its file has the wrong size or mode."""
        name = self._files.names[number]
        image = self._files.open_image(name)
        if (image.mode, image.size) != ('RGB', CELEBA_SIZE):
            raise UserError('{}: {}x{} {}; expected {}x{} RGB'.format(
                self._files.where(name), *(image.size + (image.mode,) + CELEBA_SIZE)))
        return to_array(image.crop(self._box))

    def close(self):
        """Closes the image files."""
        self._files.close()


class Hdf5Source:
    """Images of an HDF5 file: its array `data*` with the widest images, uint8 [N, C, H, W].

    Labels come from `<name of the file>-labels.npy` if it exists.

    Args:
        path: Name of the file.
    Raises: UserError if h5py is not installed or there are no such images.
    """

    label_names = None

    def __init__(self, path):
        try:
            import h5py
        except ImportError:
            raise UserError('HDF5 files need the package h5py; install it with pip') from None
        if not os.path.isfile(path):
            raise UserError(f'{path}: no such file')
        try:
            self._file = h5py.File(path, 'r')
        except OSError:
            raise UserError(f'{path}: not an HDF5 file') from None
        found = [value for key, value in self._file.items() if key.startswith('data') and len(
            getattr(value, 'shape', ())) == 4 and value.dtype == np.uint8 and len(value)]
        if not found:
            self._file.close()
            raise UserError(f'{path}: no images; expected an array data* of uint8 [N, C, H, W]')
        self._images = max(found, key=lambda value: value.shape[3])
        check_resolution(self._images.shape[1:], path)
        self._lock = threading.Lock()
        self.num_items = len(self._images)
        label_path = os.path.splitext(path)[0] + '-labels.npy'
        self._labels = load_labels(label_path, self.num_items) if os.path.isfile(label_path) else None
        self.label_size = 0 if self._labels is None else self._labels.label_size
        self.key = [os.path.abspath(path), os.path.getsize(path), os.path.getmtime(path), self._images.name]

    def name_of(self, number):
        """Name of image `number`, for messages."""
        return f'{self._images.name} image {number}'

    def stamp(self, number):
        """Text that changes when the image does; here `key` alone decides."""
        return str(number)

    def read(self, number):
        """Image `number`: uint8 [C, H, W]. Raises UserError if the file is damaged there."""
        try:
            with self._lock:
                return self._images[number]
        except (OSError, ValueError):
            raise UserError(f'{self.name_of(number)}: the file is damaged there; copy it again') from None

    def labels_at(self, numbers):
        """Labels of images: float32 [N, label_size]."""
        return self._labels.at(numbers)

    def close(self):
        """Closes the file."""
        self._file.close()
