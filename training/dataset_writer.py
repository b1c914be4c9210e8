"""Writes data sets as multi-resolution TFRecords in the published format."""

import os

import numpy as np

from dnnlib.util import UserError
from training import image_size
from training.dataset_base import check_resolution, halve, quantize
from training.tfrecords import frame_record, serialize_image


class TFRecordExporter:
    """Context manager that writes one data set; the files get their names when it ends without an error.

    Args:
        tfrecord_dir: Folder to write, created if need be; its last component begins the file names.
        expected_images: Number of images that will be added, int.
    Raises: UserError if the folder holds a data set already.
    """

    def __init__(self, tfrecord_dir, expected_images):
        self.tfrecord_dir = os.path.abspath(tfrecord_dir)
        self.expected_images = expected_images
        self.num_images = 0
        self.shape = None
        self._prefix = os.path.join(self.tfrecord_dir, os.path.basename(self.tfrecord_dir))
        self._files = []  # one per level of detail, full resolution first
        self._final_paths = {}
        self._created_dir = not os.path.isdir(self.tfrecord_dir)
        if not self._created_dir and any(name.endswith('.tfrecords') for name in os.listdir(self.tfrecord_dir)):
            raise UserError('{}: this folder holds a data set already; remove it or give another folder'.format(
                tfrecord_dir))
        os.makedirs(self.tfrecord_dir, exist_ok=True)

    def choose_shuffled_order(self):
        """The published order: numbers 0 to expected_images - 1, shuffled with seed 123."""
        order = np.arange(self.expected_images)
        np.random.RandomState(123).shuffle(order)
        return order

    def add_image(self, image):
        """Appends one image at every level of detail.

        Args:
            image: uint8 [C, H, W], 1, 3 or 4 channels, of a size that networks can have, see `image_size`.
        Raises: UserError if it is something else or has another shape than the first one.
        """
        if self.shape is None:
            check_resolution(image.shape, 'image 0')
            self.shape = image.shape
            for log2 in range(image_size.find(*image.shape[1:]).num_levels, 1, -1):
                self._files.append(self._open('-r{:02d}.tfrecords'.format(log2)))
        if image.shape != self.shape or image.dtype != np.uint8:
            raise UserError('image {}: expected uint8 {}, got {} {}'.format(
                self.num_images, list(self.shape), image.dtype, list(image.shape)))
        pixels = image.astype(np.float32)
        for level, file in enumerate(self._files):
            pixels = pixels if level == 0 else halve(pixels)
            file.write(frame_record(serialize_image(quantize(pixels))))
        self.num_images += 1

    def add_labels(self, labels):
        """Writes the labels of all images added so far.

        Args:
            labels: [num_images, label_size], stored as float32.
        Raises: UserError if the number of rows differs.
        """
        labels = np.asarray(labels, np.float32)
        if labels.ndim != 2 or len(labels) != self.num_images:
            raise UserError('expected labels [{}, columns], got {}'.format(self.num_images, list(labels.shape)))
        with self._open('-rxx.labels') as file:
            np.save(file, labels)

    def close(self):
        """Closes the files and gives them their names."""
        self._close_files()
        for temp_path, path in self._final_paths.items():
            os.replace(temp_path, path)
        self._final_paths = {}

    def discard(self):
        """Closes and removes the files, and the folder if it is new."""
        self._close_files()
        for temp_path in self._final_paths:
            os.remove(temp_path)
        self._final_paths = {}
        if self._created_dir and not os.listdir(self.tfrecord_dir):
            os.rmdir(self.tfrecord_dir)

    def _open(self, suffix):
        temp_path = self._prefix + suffix + '.tmp'
        self._final_paths[temp_path] = self._prefix + suffix
        return open(temp_path, 'wb')

    def _close_files(self):
        for file in self._files:
            file.close()
        self._files = []

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        if exc_type is None:
            self.close()
        else:
            self.discard()
