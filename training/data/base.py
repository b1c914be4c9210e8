"""What every dataset has in common: an endless, seekable stream of minibatches over images read by index."""

import contextlib
import functools
import threading

import numpy as np

from dnnlib.seeds import step_seed
from dnnlib.util import UserError
from training import image_size
from training.data import ahead, changes
from training.data.rules import check_int, check_resolution
from training.data.tensors import Tensors

MAX_BAD_RUN = 100  # this many unreadable images in a row are no accident
HOLD_OUT_SEED = 2019


class Dataset(Tensors):
    """Base class of datasets. Subclasses implement `_read` and, if labeled, `_labels_of`.

    The n-th image of the endless stream is a function of (seed, n) alone: epoch `n // num_images` visits every image
    once, in an order drawn from (seed, epoch), or in file order when `shuffle_mb` is 0.

    Args:
        name: Short name for messages and logs.
        num_images: Total number of images.
        shape: `[C, H, W]` of an image at full resolution; a size that networks support, see `image_size`.
        label_names: One name per label column; `None` if the columns have no names.
        full_label_size: Total number of label columns.
        max_label_size: 0 uses no labels (networks are unlabeled unless asked otherwise), `'full'` all columns, an int
            the first that many (an error if there are none); `'any'` = all there are, if any.
        max_images: Use only the first this many images; `None` uses all.
        repeat: Start over after the last image, as training does? If not, the last minibatch may be smaller and is
            followed by EOFError.
        shuffle_mb: 0 keeps the file order; any other value shuffles whole epochs (a window size in the original, whose
            default it keeps).
        seed: Seed of the order, int; fixed by default so that runs are repeatable.
        bad: What to do about an unreadable image: `'stop'` raises UserError, since a damaged file is usually a mistake;
            `'skip'` takes the next image and its label instead, prints a line and counts it.
        no_labels: Why there are no labels, for the message.
        crop: Size of a part of the images, see `image_size.parse`, that is taken instead of them: the center, or at
            random in minibatches if `crops_at_random` is set, as by a training; `None` = no crop.
        jitter, noise, moves: What a training changes in reals, see `changes`.
    Attributes:
        stored_shape: `[C, H, W]` before the crop.
        bad_images: Numbers of the images skipped so far, set of int.
        not_taken, remarks: List of (file, reason) of what is beside the images and is not read; lines on what is odd.
        on_skip: `None`, or called with number, file name and reason when an image is skipped for the first time.
        label_text: Where the labels come from and how many classes there are; '' = without labels, or not known.
    Raises: UserError for an unusable number of images, size or label size.
    """

    _check_shape = staticmethod(check_resolution)  # a subclass may allow other sizes
    is_copied = False  # are images only copied when they are read, rather than decoded?

    def __init__(self, name, num_images, shape, label_names=None, full_label_size=0, max_label_size=0, max_images=None,
                 repeat=True, shuffle_mb=4096, seed=0, bad='stop', no_labels='', crop=None, jitter=None, noise=0.0,
                 moves=None):
        check_int('max_images', max_images, 1, optional=True)
        check_int('shuffle_mb', shuffle_mb, 0)
        check_int('seed', seed, 0)
        if bad not in ('stop', 'skip'):
            raise UserError(f"bad must be 'stop' or 'skip', not {bad!r}")
        if num_images < 1:
            raise UserError(f'{name}: no images; a dataset needs at least one')
        if max_label_size not in ('full', 'any'):
            check_int("max_label_size, unless it is 'full' or 'any',", max_label_size, 0)
        if full_label_size == 0 and max_label_size not in (0, 'any'):
            raise UserError(f'{name}: no labels, but --classes or max_label_size={max_label_size} asks for them'
                            f'{no_labels and ": " + no_labels}; or do without labels')
        self.stored_shape, self.crops_at_random, self._crops = [int(size) for size in shape], False, crop is not None
        shape = changes.check(self.stored_shape, crop, jitter, noise, moves)
        self.jitter, self.moves = (amounts if amounts and any(amounts) else None for amounts in (jitter, moves))
        self.resolution_log2 = self._check_shape(shape, name)
        self.name = name
        self.num_images = min(num_images, num_images if max_images is None else max_images)
        self.shape = [int(size) for size in shape]
        self.resolution = image_size.option(*self.shape[1:])
        self.dtype, self.label_dtype, self.dynamic_range = 'uint8', 'float32', [0, 255]
        self.label_size = full_label_size if isinstance(max_label_size, str) else min(max_label_size, full_label_size)
        self.label_names = list(label_names[:self.label_size]) if label_names and self.label_size else None
        self.position, self.repeat, self.shuffle, self.seed, self.noise = 0, repeat, shuffle_mb > 0, seed, noise
        self.bad_images, self.not_taken, self.remarks, self.label_text, self.on_skip = set(), [], [], '', None
        self._skip_bad = bad == 'skip'
        self._bad = {}  # unreadable images: (number, level of detail) -> (message, reason)
        self._minibatch_size, self._lod, self._orders = 1, 0, {}
        self._stream = np.arange(self.num_images)  # the images that the stream consists of
        self.held_out = self._stream[:0]
        self._ahead, self._local = ahead.LookAhead(self), threading.local()

    @property
    def num_shown(self):
        """Number of images that sheets of pictures are made of."""
        return self.num_images

    def _read(self, index, lod):
        """One image as stored, uint8 [C, H / 2^lod, W / 2^lod]; called from several threads at once."""
        raise TypeError(f'{type(self).__name__} does not implement _read')

    def _read_crop(self, index, lod, position=None):
        """One image as it is seen; `position` in the stream: where its crop lies is drawn for it."""
        if not self._crops:
            return self._read(index, lod)
        place = None if position is None else np.random.RandomState(step_seed(self.seed, position, 'crop', 0))
        return changes.cut(self._read(index, 0), self.shape, place, lod)

    def _labels_of(self, indices):
        """All label columns of the images `indices` [N]: float32 [N, full_label_size]."""
        return np.zeros([len(indices), 0], np.float32)

    def name_of(self, index):
        """Name of the file of an image, for messages."""
        return f'image {index}'

    def read(self, index, lod=0):
        """Reads one image.

        Args:
            index: Number of the image in file order, 0 <= index < num_images.
            lod: Level of detail, 0 = full resolution; a fraction is rounded down.
        Returns: uint8 [C, H / 2^lod, W / 2^lod].
        Raises: UserError naming file and index if it can't be read, IndexError outside the dataset.
        """
        if not 0 <= index < self.num_images:
            raise IndexError(f'{self.name}: image {index} of {self.num_images}')
        return self.read_good(index, self._checked_lod(lod))[1]

    def read_good(self, index, lod=0, read=None):
        """An image, or, if it can't be read and `bad` is `'skip'`, the next readable one.

        Args:
            index: Number of the image in file order, 0 <= index < num_images.
            lod: Level of detail, int. `read`: function of number and level that reads an image; `None` = as usual.
        Returns: (its number, uint8 [C, H / 2^lod, W / 2^lod]); depends only on the files.
        Raises: UserError naming file and index, or that MAX_BAD_RUN images in a row can't be read.
        """
        message = None
        for candidate in range(int(index), int(index) + min(MAX_BAD_RUN, self.num_images)):
            candidate %= self.num_images
            if candidate != index and (candidate in self.held_out) != (index in self.held_out):
                continue
            if (candidate, lod) not in self._bad:
                try:
                    return candidate, (read or self._read_crop)(candidate, lod)
                except UserError as error:
                    message = f'image {candidate} of {self.name}: {error}'
                    if not self._skip_bad:
                        raise UserError(message + ' (to skip such images: --bad=skip)') from None
                    self._bad[candidate, lod] = message, str(error)
            message, reason = self._bad[candidate, lod]
            collected = getattr(self._local, 'skipped', None)
            if collected is None:
                self.tell_skipped(candidate, message, reason)
            else:
                collected.append((candidate, message, reason))
        raise UserError('{}: image {} and the {} after it are all unreadable{}'.format(
            self.name, index, min(MAX_BAD_RUN, self.num_images) - 1, '' if message is None else '; ' + message))

    @contextlib.contextmanager
    def collecting(self, skipped):
        """Context manager: what this thread skips is added to a list, for `tell_skipped`, rather than told."""
        self._local.skipped = skipped
        try:
            yield
        finally:
            self._local.skipped = None

    def tell_skipped(self, index, message, reason):
        """Counts, prints and lists an unreadable image, unless that has been done."""
        if index not in self.bad_images:
            self.bad_images.add(index)
            print(f'Skipped {message} ({len(self.bad_images)} so far)')
            if self.on_skip is not None:
                self.on_skip(index, self.name_of(index), reason)

    def hold_out(self, share):
        """Removes a fixed random subset from the stream and the random labels; `held_out` is its numbers, int64 [N].

        Args:
            share: Share of the images, 0 to 1. Call this before reading anything.
        Returns: The dataset itself.
        Raises: UserError if a share above 0 leaves no image on one side.
        """
        count = int(round(share * self.num_images))
        if share and not 0 < count < self.num_images:
            raise UserError(
                f'{self.name}: holding out {share:g} of {self.num_images} images leaves no images on one side; '
                'choose a different --holdout')
        order = np.random.RandomState(HOLD_OUT_SEED).permutation(self.num_images)
        self._stream, self.held_out = np.sort(order[count:]), order[:count]
        return self

    def preload(self):
        """Reads every image if there are few and they will be cached, to find damaged ones now; otherwise does nothing.

        Raises: UserError naming the unreadable image.
        """

    def read_labels(self, indices):
        """Labels of the images `indices` (int [N]): float32 [N, label_size]."""
        indices = np.asarray(indices, np.int64)
        if self.label_size == 0:
            return np.zeros([len(indices), 0], np.float32)
        return np.ascontiguousarray(self._labels_of(indices)[:, :self.label_size], np.float32)

    def seek(self, position):
        """Makes the next minibatch start at image number `position` (int >= 0) of the endless stream."""
        self.position = int(position)

    def indices_at(self, position, count):
        """Numbers of the `count` images that start at `position` of the stream: int64 [count], fewer at the end."""
        indices = []
        while len(indices) < count and (self.repeat or position < len(self._stream)):
            epoch, offset = divmod(position, len(self._stream))
            part = self._order(epoch)[offset:offset + count - len(indices)]
            indices.extend(part)
            position += len(part)
        return np.asarray(indices, np.int64)

    def _order(self, epoch):
        if not self.shuffle:
            return self._stream
        orders = self._orders  # another thread may replace it, so read it once and never modify it
        if (self.seed, epoch) in orders:
            return orders[self.seed, epoch]
        order = np.random.RandomState([self.seed % 2 ** 32, epoch % 2 ** 32]).permutation(self._stream)
        kept = {key: value for key, value in orders.items() if key == (self.seed, epoch - 1)}  # keep one more
        kept[self.seed, epoch] = order
        self._orders = kept
        return order

    def configure(self, minibatch_size, lod=0):
        """Sets the size and level of detail of the next minibatches; the position in the stream stays."""
        check_int('minibatch_size', minibatch_size, 1)
        self._minibatch_size = int(minibatch_size)
        self._lod = self._checked_lod(lod)

    def read_with(self, readers):
        """Lets the threads of ahead.Readers read minibatches, which others share; by default it has one of its own."""
        self._ahead.use(readers)

    def get_minibatch_np(self, minibatch_size, lod=0, places=None, draws=None):
        """Next minibatch of the stream; those after it are then prepared by other threads.

        Args:
            minibatch_size: Number of images, int >= 1. `places`: tuple of those that are read, by number; `None` = all.
            lod: Level of detail, 0 = full resolution; a fraction is rounded down.
            draws: What becomes of the images, see `streams.Draws`; `None` = nothing.
        Returns: `(images, labels)`, uint8 [N, C, H / 2^lod, W / 2^lod] and float32 [N, label_size].
        Raises: UserError for an unreadable image, EOFError after the last image if the dataset does not repeat.
        """
        self.configure(minibatch_size, lod)
        return self._next_minibatch(places, draws)

    def _next_minibatch(self, places=None, draws=None):
        order = self.seed, self.shuffle, self.crops_at_random
        images, labels = self._ahead.take(
            ahead.Request(self.position, self._minibatch_size, self._lod, order, places, draws))
        if len(images) == 0:
            raise EOFError(f'{self.name}: no images after the first {self.num_images}')
        self.position += len(images) if places is None else self._minibatch_size
        return images, labels

    def read_into(self, images, indices, positions, lod):
        """Reads images of the stream; called from several threads at once.

        Args:
            images: uint8 [N, C, H / 2^lod, W / 2^lod], filled.
            indices: Their numbers in file order, int64 [N]; changed where others are read instead.
            positions: Their positions in the stream, N ints.
            lod: Level of detail, int.
        Returns: Their labels, float32 [N, label_size].
        """
        for i, position in enumerate(positions):
            read = functools.partial(self._read_crop, position=position if self.crops_at_random else None)
            indices[i], images[i] = self.read_good(indices[i], lod, read)
        return self.read_labels(indices)

    def _checked_lod(self, lod):
        lod = int(np.floor(lod))
        if not 0 <= lod <= self.resolution_log2 - 2:
            raise UserError('{}: no level of detail {} of {} px images; choose 0 to {}'.format(
                self.name, lod, self.resolution, self.resolution_log2 - 2))
        return lod

    def get_random_labels_np(self, minibatch_size):
        """Labels of `minibatch_size` images drawn with NumPy's global generator: float32 [N, label_size]."""
        return self.read_labels(self._stream[np.random.randint(len(self._stream), size=[minibatch_size])])

    def close(self):
        """Drops what was read ahead; the dataset can't be used afterward."""
        self._ahead.close()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self.close()
