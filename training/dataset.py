"""Datasets for training and metrics: published TFRecords, folders and zips of images, and the built-in cats."""

import glob
import inspect
import os

import numpy as np

from dnnlib import cli
from dnnlib.memory import free_host_memory
from dnnlib.util import UserError, get_obj_by_name
from training import image_size
from training.data.base import Dataset
from training.data.cats import CatsDataset
from training.data.classes import load_names
from training.data.images import convert, CONVERTIBLE_MODES, Fit, fit_image, GRAY_MODES, MODES, to_array, wrong_mode
from training.data.rules import check_resolution, RESOLUTION_OPTION
from training.data.labels import Found, load_labels
from training.data.levels import box_downscale
from training.data.sources import beside_records, describe, first_labels, ImageFiles, uniform_shape
from training.data.tfrecords import parse_image, RecordFile, stems

IMAGE_CACHE_BYTES = 2 ** 30  # decoded images are cached if all fit into this and a quarter of the free memory
PRELOAD_IMAGES = 5000  # up to this many are decoded before training starts; more would delay it by minutes


class TFRecordDataset(Dataset):
    """Multi-resolution TFRecords in the published format: one file per level of detail.

    Levels below the full resolution that have no file are computed from it, to the same bytes.

    Args:
        tfrecord_dir: Folder of the `*.tfrecords` files.
        resolution: Size to use, see `image_size.parse`; larger files are ignored. `None` = the largest.
        label_file: `.npy` file of the labels, a path or a name inside the folder; `None` = the folder's first
            `*.labels`.
        kwargs: Arguments of `Dataset`: max_label_size, max_images, repeat, shuffle_mb, seed, bad, crop, and so on.
    Raises: UserError for a missing level, a damaged file, or unusable labels.
    """
    is_copied = True

    def __init__(self, tfrecord_dir, resolution=None, label_file=None, **kwargs):
        size = None if resolution is None else image_size.parse(resolution)
        paths = sorted(glob.glob(os.path.join(glob.escape(tfrecord_dir), '*.tfrecords')))
        if not paths:
            raise UserError(f'{tfrecord_dir}: no *.tfrecords files in this folder; create them with dataset_tool.py')
        self._files, self._files_by_size = [], {}  # the second by the height of the images
        try:
            for path in paths:
                self._files.append(RecordFile(path, skip_bad=kwargs.get('bad') == 'skip'))
                self._add_level(self._files[-1])
            size = size or image_size.find(*self._files_by_size[max(self._files_by_size)].first.shape[1:])
            remarks = self._check_levels(tfrecord_dir, size)
            full = self._files_by_size[size.shape[0]]
            num_images = len(full)
            missing = full.cut or self._missing_images(full)
            if missing is not None and kwargs.get('bad') != 'skip':
                raise UserError(missing + '; copy it again or re-create the dataset')
            if missing is not None:
                remarks.append(f'Warning: {missing}; the missing images are skipped')
            self.label_file, self._labels = self._find_labels(tfrecord_dir, label_file), None
            if self.label_file is not None and kwargs.get('max_label_size', 0) != 0:
                self._labels = load_labels(self.label_file, num_images, more=missing is not None)
            label_size = 0 if self._labels is None else self._labels.label_size
            super().__init__(
                os.path.basename(os.path.abspath(tfrecord_dir)), num_images, full.first.shape,
                label_names=load_names(tfrecord_dir, label_size), full_label_size=label_size,
                no_labels='no *.labels file beside the *.tfrecords' if self.label_file is None else '', **kwargs)
            self.not_taken, self.remarks = beside_records(tfrecord_dir, self.label_file), remarks
            if self.label_size:
                self.label_text = f'{self._labels.text(self.label_names)}, from {os.path.basename(self.label_file)}'
        except UserError:
            self._close_files()
            raise

    def _add_level(self, file):
        check_resolution(file.first.shape, file.path)
        other = self._files_by_size.setdefault(file.first.shape[1], file)
        if other is not file:
            raise UserError('{}: images {} px high as in {}; a folder holds one dataset, with one file per size, so '
                            'move one of them'.format(file.path, file.first.shape[1], os.path.basename(other.path)))

    def _check_levels(self, tfrecord_dir, size):
        names, missing = stems(file.path for file in self._files), []
        if len(names) > 1:
            raise UserError(f"{tfrecord_dir}: files of {' and '.join(names)} in one folder; move those of one away")
        for level in range(size.num_levels, 1, -1):
            height, width = size.at(level)
            if height not in self._files_by_size and level < size.num_levels:
                missing.append(f'{height}x{width}')
                continue
            shape = self._files_by_size[height].first.shape if height in self._files_by_size else (0, 0, 0)
            if shape[2] != width:
                sizes = ['{1}x{2}'.format(*file.first.shape) for _, file in sorted(self._files_by_size.items())]
                raise UserError('{}: no file of {}x{} px images, only {}; choose one of these as resolution or '
                                're-create the dataset'.format(tfrecord_dir, height, width, ', '.join(sizes)))
            channels = self._files_by_size[size.shape[0]].first.shape[0]
            if shape[0] != channels:
                raise UserError('{}: {} channels at {}x{} px but {} at {}x{} px; re-create the dataset'.format(
                    tfrecord_dir, shape[0], height, width, channels, *size.shape))
        missing = ', '.join(missing)
        return [f'{tfrecord_dir}: no files of {missing} px images; computed where needed'] if missing else []

    def _missing_images(self, full):
        """Message if a coarser level has more images than `full`, which was cut between two records; else `None`."""
        for size, file in sorted(self._files_by_size.items()):
            if size < full.first.shape[1] and file.estimated_len() > len(full):
                return '{}: only {} images, but {} has {}'.format(
                    full.path, len(full), os.path.basename(file.path), file.estimated_len())
        return None

    @staticmethod
    def _find_labels(tfrecord_dir, label_file):
        if label_file is None:
            return first_labels(tfrecord_dir)
        for path in (label_file, os.path.join(tfrecord_dir, label_file)):
            if os.path.isfile(path):
                return path
        raise UserError(f'{label_file}: no such label file, neither here nor in {tfrecord_dir}')

    def _read(self, index, lod):
        file = self._files_by_size.get(self.stored_shape[1] >> lod)
        if file is None:
            return box_downscale(self._read(index, 0), lod)
        if index >= len(file):
            raise UserError('{}: only {} of {} images; copy it again or re-create the dataset'.format(
                file.path, len(file), self.num_images))
        image = file.read(index)
        if image.shape != file.first.shape:
            raise UserError('{}: record {} has shape {} but the first has {}; re-create the dataset'.format(
                file.path, index, list(image.shape), list(file.first.shape)))
        return image

    def _labels_of(self, indices):
        return self._labels.at(indices)

    @staticmethod
    def parse_tfrecord_np(record):
        """Image of one serialized record, bytes: uint8 [C, H, W]. Raises UserError if it isn't one."""
        return parse_image(record)

    @staticmethod
    def parse_tfrecord_tf(record):
        """Image of one serialized record, a scalar string tensor: uint8 [C, H, W]."""
        import tensorflow.compat.v1 as tf
        layout = dict(shape=tf.FixedLenFeature([3], tf.int64), data=tf.FixedLenFeature([], tf.string))
        fields = tf.parse_single_example(record, layout)
        return tf.reshape(tf.decode_raw(fields['data'], tf.uint8), fields['shape'])

    def _close_files(self):
        for file in self._files:
            file.close()

    def close(self):
        """Drops what was read ahead and closes the files."""
        super().close()
        self._close_files()


class ImageDataset(Dataset):
    """Images of a folder or zip, read directly; subfolders or `dataset.json` give the labels.

    Args:
        path: Folder or zip file.
        resolution: Center-crop each image, resize it to this size, see `image_size.parse`, and convert its mode. `None`
            requires that all images have one size and one mode, L, RGB or RGBA, so that nothing is altered unasked.
        kwargs: Arguments of `Dataset`: max_label_size, max_images, repeat, shuffle_mb, seed, bad, crop, and so on.
    Raises: UserError naming an unusable file, unless it may be skipped.
    """

    def __init__(self, path, resolution=None, **kwargs):
        size = None if resolution is None else image_size.parse(resolution).shape
        self.files = ImageFiles(path)
        try:
            headers = [self._header(name, kwargs.get('bad') == 'skip') for name in self.files.names]
            if resolution is None:
                shape, self._fit = uniform_shape(self.files, headers), None
            else:
                shape = [1 if all(mode in GRAY_MODES for mode, _ in filter(None, headers)) else 3] + size
                self._fit = Fit(resolution, channels=shape[0])
            found = Found() if kwargs.get('max_label_size', 0) == 0 else self.files.find_labels()
            self._labels = found.labels
            name = os.path.basename(os.path.abspath(path))
            super().__init__(name[:-4] if name.endswith('.zip') else name, len(headers), shape,
                             label_names=found.names, no_labels=found.source,
                             full_label_size=0 if self._labels is None else self._labels.label_size, **kwargs)
        except UserError:
            self.files.close()
            raise
        self.not_taken = list(self.files.not_taken)
        small = [] if size is None else [of for _, of in filter(None, headers) if of[0] < size[1] or of[1] < size[0]]
        if small:
            self.remarks.append(f'Enlarged to {size[1]}x{size[0]}: {len(small)} of {len(headers)} pictures, which are '
                                f'smaller, such as {small[0][0]}x{small[0][1]}')
        if self.label_size:
            self.label_text = found.text()
        self._cache = {}
        free = free_host_memory()
        limit = IMAGE_CACHE_BYTES if free is None else min(IMAGE_CACHE_BYTES, free // 4)
        self._cache_fits = self.num_images * int(np.prod(self.stored_shape)) <= limit

    def _header(self, name, skip_bad):
        """Mode and size of an image; `None` if it is unusable and may be skipped."""
        try:
            mode, size = self.files.read_header(name)
            if mode not in CONVERTIBLE_MODES:
                raise wrong_mode(self.files.where(name), mode, 'RGB', RESOLUTION_OPTION)
            return mode, size
        except UserError:
            if not skip_bad:
                raise
            return None

    def _read(self, index, lod):
        image = self._cache.get(index)
        if image is None:
            image = self._decode(self.files.names[index])
            if self._cache_fits:
                self._cache[index] = image
                self.is_copied = len(self._cache) == self.num_images
        return box_downscale(image, lod)

    def _decode(self, name):
        image = self.files.open_image(name)
        if self._fit is not None and image.mode in CONVERTIBLE_MODES:
            image = fit_image(convert(image, self.stored_shape[0], self._fit.background), self._fit)
        if image.mode != MODES[self.stored_shape[0]]:
            raise wrong_mode(self.files.where(name), image.mode, MODES[self.stored_shape[0]], RESOLUTION_OPTION)
        pixels = to_array(image)
        if list(pixels.shape) != self.stored_shape:
            height, width = pixels.shape[1:]
            changed = self.files.read_header(name)[1] == (width, height)  # at the start it was that of the dataset
            raise UserError('{}: {}x{} pixels instead of {}x{}; {}'.format(
                self.files.where(name), width, height, self.stored_shape[2], self.stored_shape[1],
                'the file has changed since the start' if changed else 'its header says otherwise, so replace it'))
        return pixels

    def name_of(self, index):
        """Name of the file of an image, relative to the folder or zip."""
        return self.files.names[index]

    def preload(self):
        """Decodes every image if there are few and they fit the cache, to find damaged ones now."""
        if self._cache_fits and self.num_images <= PRELOAD_IMAGES:
            print(f'Decoding {self.num_images} images...')
            self._ahead.read_each(cli.progress(range(self.num_images), 'images'), self.read_good)

    def _labels_of(self, indices):
        return self._labels.at(indices)

    def close(self):
        """Drops what was read ahead and closes the zip file."""
        super().close()
        self.files.close()


def load_dataset(class_name=None, data_dir=None, verbose=False, **kwargs):
    """Opens a dataset.

    Args:
        class_name: Full name of a class, called with `kwargs`; `None` = depends on `tfrecord_dir`: a folder of
            TFRecords, a folder or zip of images, or `'cats'`, the built-in dataset unless `data_dir` has such a folder.
        data_dir: Folder that a relative `tfrecord_dir` is in; `None` = the working directory.
        verbose: Print class, shape, dynamic range and label size?
        kwargs: `tfrecord_dir` and arguments of the class.
    Returns: A `Dataset`.
    Raises: UserError if there is no such dataset or it is unusable.
    """
    if class_name is not None:
        if data_dir is not None and 'tfrecord_dir' in kwargs:
            kwargs.update(tfrecord_dir=os.path.join(data_dir, kwargs['tfrecord_dir']))
        dataset = get_obj_by_name(class_name)(**kwargs)
    else:
        dataset = _open_by_path(kwargs.pop('tfrecord_dir', None), data_dir, kwargs)
    if verbose:
        describe(dataset)
    return dataset


def _open_by_path(tfrecord_dir, data_dir, kwargs):
    if tfrecord_dir is None:
        raise UserError("no dataset given; expected a folder of TFRecords, a folder or zip of images, or 'cats'")
    path = tfrecord_dir if data_dir is None else os.path.join(data_dir, tfrecord_dir)
    if tfrecord_dir == 'cats' and (data_dir is None or not os.path.exists(path)):
        return CatsDataset(**_known(CatsDataset, kwargs))
    if not os.path.exists(path):
        raise UserError(
            f"{path}: no such dataset; expected a folder of TFRecords, a folder or zip of images, or 'cats'")
    if glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        return TFRecordDataset(path, **_known(TFRecordDataset, kwargs))
    return ImageDataset(path, **_known(ImageDataset, kwargs))


def _known(dataset_class, kwargs):
    """`kwargs`; UserError naming those that neither the class nor `Dataset` accepts."""
    names = set(inspect.signature(dataset_class).parameters) | set(inspect.signature(Dataset).parameters)
    unknown = sorted(set(kwargs) - names)
    if unknown:
        raise UserError(f"options unknown to {dataset_class.__name__}: {', '.join(unknown)}; remove them")
    return kwargs
