"""Where the pictures of one side are: a folder, a zip, or another dataset; halves of pictures; maps of numbers."""

import glob
import os
import re

import numpy as np
from PIL import Image

from dnnlib.util import UserError
from training.data.images import convert, CONVERTIBLE_MODES, GRAY_MODES, MODES, wrong_mode
from training.data.sources import ImageFiles
from training.dataset import load_dataset

WHITE = (255, 255, 255)  # behind transparency
DEEP = ('I;16', 'I;16B', 'I;16L', 'I;16N', 'I')  # gray of 16 bits, as different versions of Pillow call it
MAX_DEEP = 2 ** 16 - 1
MAX_LABEL = 2 ** 8 - 1  # number of a map of one byte
MAX_NUMBER = 2 ** 24 - 1  # of a map of three bytes
HALVES = ('left', 'right')
# what Cityscapes adds to the names of a photo, its labels and its instances, which are a pair without it
SUFFIX = re.compile('_(leftImg8bit|gtFine_labelIds|gtFine_instanceIds|gtFine_color)$')


def pair_key(name):
    """What the files of a pair have in common: the name, with folders, without its ending and what Cityscapes adds."""
    return SUFFIX.sub('', os.path.splitext(name)[0])


class PictureFiles:
    """The image files of a folder or zip.

    Args:
        path: Folder or zip.
        inside: Folder in the zip whose pictures these are, with `/` at the end; '' = all.
        half: 'left' or 'right' half of each picture, None = all of it.
    Attributes:
        files, half: ImageFiles; as given.
        names: Names of the files, relative to the folder or zip.
        not_taken: List of (file, reason).
    Raises: UserError if there are no pictures.
    """

    def __init__(self, path, inside='', half=None):
        self.files, self.half = ImageFiles(path), half
        self.names = [name for name in self.files.names if name.startswith(inside)]
        self.not_taken = [item for item in self.files.not_taken if item[0].startswith(inside)]
        self._inside = inside

    def keys(self):
        """What makes two files a pair, for each name: the name in its folder without ending."""
        return [pair_key(name[len(self._inside):]) for name in self.names]

    def where(self, index):
        """Full name of a file, for messages."""
        return self.files.where(self.names[index])

    def header(self, index):
        """(mode, (width, height)) of a picture, of its half where halves are meant, without decoding it.

        Raises: UserError for an unreadable picture, or one that can't be halved.
        """
        mode, (width, height) = self.files.read_header(self.names[index])
        if self.half is not None:
            if width % 2:
                raise UserError(f'{self.where(index)}: {width} pixels wide, but a pair side by side has an even width')
            width //= 2
        return mode, (width, height)

    def open(self, index):
        """A PIL image of any mode, or its half."""
        image = self.files.open_image(self.names[index])
        if self.half is None:
            return image
        begin = HALVES.index(self.half) * (image.size[0] // 2)
        return image.crop((begin, 0, begin + image.size[0] // 2, image.size[1]))

    def close(self):
        """Closes the zip."""
        self.files.close()


class Images:
    """The images of another dataset, such as TFRecords, as pictures.

    Args:
        dataset: Dataset.
    Attributes:
        names, not_taken, half: As in PictureFiles.
    """

    half = None

    def __init__(self, dataset):
        self._dataset, self.not_taken = dataset, dataset.not_taken
        self.names = [f'image {index}' for index in range(dataset.num_images)]

    def keys(self):
        """What makes two images a pair: their numbers."""
        return self.names

    def where(self, index):
        """Name of an image, for messages."""
        return f'{self._dataset.name}: {self.names[index]}'

    def header(self, index):
        """(mode, (width, height)) of an image."""
        del index
        channels, height, width = self._dataset.shape
        return MODES[channels], (width, height)

    def open(self, index):
        """A PIL image."""
        pixels = self._dataset.read(index)
        return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))

    def labels(self):
        """(labels of the images, float32 [N, label_size], names of the labels or `None`)."""
        if not self._dataset.label_size:
            raise UserError(f'{self._dataset.name}: this dataset has no labels; give pictures in one folder per domain')
        return self._dataset.read_labels(range(self._dataset.num_images)), self._dataset.label_names

    def close(self):
        """Closes the dataset."""
        self._dataset.close()


def open_source(path, folder=None, half=None, max_label_size=0):
    """The pictures of a side.

    Args:
        path: Folder or zip of pictures, folder of TFRecords, or 'cats'.
        folder: Folder in it that is meant; None = all of it.
        half: See PictureFiles.
        max_label_size: Labels of TFRecords and cats that are read, see Dataset.
    Returns: PictureFiles or Images.
    Raises: UserError if there are no pictures.
    """
    if os.path.isdir(path) and folder is not None:
        path, folder = os.path.join(path, folder), None
    is_cats = path == 'cats' and not os.path.exists(path)
    if is_cats or os.path.isdir(path) and glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        if half is not None:
            raise UserError(f'{path}: pairs side by side are expected as pictures in a folder or zip')
        return Images(load_dataset(tfrecord_dir=path, max_label_size=max_label_size))
    return PictureFiles(path, '' if folder is None else folder + '/', half)


def is_gray(mode):
    """Is a picture of this mode gray?"""
    return mode in GRAY_MODES or mode in DEEP


def check_mode(mode, where, is_map):
    """Raises UserError if pictures, or maps of numbers, of this mode can't be read."""
    if is_map and mode not in ('1', 'L', 'P', 'RGB') + DEEP:
        raise UserError(f'{where}: color mode {mode}; a map of numbers is gray of 8, 16 or 32 bits, a palette, or RGB '
                        'as in COCO')
    if mode not in CONVERTIBLE_MODES + DEEP:
        raise wrong_mode(where, mode, 'RGB', '')


def to_mode(image, channels, where):
    """A picture of any mode as gray, RGB or RGBA of 8 bits.

    Args:
        image: PIL.Image.
        channels: 1, 3 or 4.
        where: Name of the file, for messages.
    Raises: UserError for an unknown mode, or numbers above 16 bits.
    """
    if image.mode in DEEP:  # the published programs cut everything above 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > MAX_DEEP:
            raise UserError(f'{where}: gray of more than 16 bits, up to {values.max()}; convert it to 8 or 16 bits')
        image = Image.fromarray(np.uint8(np.rint(values / (MAX_DEEP / 255))))
    check_mode(image.mode, where, is_map=False)
    return convert(image, channels, WHITE)


def to_numbers(image, max_id, where):
    """The numbers of a map, as a PIL image of mode I; a palette's are its indices, those of RGB R + 256 G + 65536 B.

    Args:
        image: PIL.Image.
        max_id: Largest number allowed.
        where: Name of the file, for messages.
    Raises: UserError naming the first number that is out of range.
    """
    check_mode(image.mode, where, is_map=True)
    numbers = np.asarray(image).astype(np.int64)
    if numbers.ndim == 3:
        numbers = numbers @ [1, 2 ** 8, 2 ** 16]
    wrong = numbers[(numbers < 0) | (numbers > max_id)]
    if wrong.size:
        advice = 'change the map'
        if max_id <= MAX_LABEL:  # not of instances
            more = f', allow more labels by --set train.label_nc={wrong.max() + 1}'
            advice += (more if max_id < wrong.max() <= MAX_LABEL else '') + (
                ', or, if these are pictures, --set train.label_nc=0')
        raise UserError(f'{where}: the map holds {wrong[0]}, but numbers here are from 0 to {max_id}; {advice}')
    return Image.fromarray(numbers.astype(np.int32))


def to_bytes(numbers, channels):
    """Numbers [1, H, W] as bytes, the lowest first: uint8 [channels, H, W]."""
    return np.concatenate([numbers >> 8 * i & 255 for i in range(channels)]).astype(np.uint8)
