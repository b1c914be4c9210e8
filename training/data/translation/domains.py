"""Pictures with labels: of domains, one folder each, or of attributes that a list names."""

from typing import NamedTuple

import numpy as np

from dnnlib.seeds import step_seed
from dnnlib.util import UserError
from training.data import labels as labeling
from training.data.translation import attributes as lists
from training.data.translation import pictures, transforms
from training.data.translation.dataset import TranslationDataset
from training.data.translation.sheets import Sheet

AREAS, RATIOS = (0.8, 1.0), (0.9, 1.1)  # of random crops, of the picture and of their sides; as published
ATTEMPTS = 10  # to find a crop that fits


class Options(NamedTuple):
    """What the dataset does beside translating's."""
    balanced: bool = False       # draw every domain as often as the others, pictures with repetition?
    pairs: bool = False          # two pictures of one domain, side by side in the channels?
    attributes: str = None       # list of attributes, see `attributes`; None = domains are folders
    chosen: tuple = None         # names of the attributes that are labels; None = all
    square: bool = False         # cut the largest square out of the center first?
    crop_prob: float = 0.0       # probability of a random crop that is scaled to the whole size


class DomainDataset(TranslationDataset):
    """Pictures with labels. What is drawn of the n-th of the endless stream is a function of (seed, n).

    Args:
        tfrecord_dir: Folder or zip of pictures, folder of TFRecords.
        kwargs: Fields of Options, and arguments of TranslationDataset; pictures are scaled to crop_size, whatever their
            shape.
    Attributes:
        options: Options.
    Raises: UserError for pictures without labels, or options that don't fit.
    """

    _labels_read = 'any'

    def __init__(self, tfrecord_dir, **kwargs):
        self.options = Options(**{name: kwargs.pop(name) for name in Options._fields if name in kwargs})
        if not 0 <= self.options.crop_prob <= 1:
            raise UserError(f'crop_prob must be from 0 to 1, not {self.options.crop_prob!r}')
        super().__init__(tfrecord_dir, **kwargs)
        try:
            self._read_labels()
        except UserError:
            self._close_sources()
            raise
        self._channels, self._partners_of, self._by_domain = self.shape[0], None, None
        if self.options.pairs:
            self.shape = [2 * self._channels] + self.shape[1:]

    def _read_labels(self):
        """Labels of the pictures of both sources, by place."""
        if self.options.attributes is not None:
            path = self.options.attributes
            found = lists.read(path, self.options.chosen)
            rows, train, test = lists.find(found, self.source.names, path)
            if self.test_source is not None:
                train = sorted(train + test)
                self._test_rows, test, more = lists.find(found, self.test_source.names, path)
                test = sorted(test + more)
            elif test:
                self.test_source, self._test_rows = self.source, rows
            left = len(self.source.names) - len(train) - len(test) * (self.test_source is self.source)
            if left:
                self.remarks.append(f'Left out: {left} pictures that are not in {path}')
            self._rows, names = rows, found.names
            self.select(train, test if self.test_source is not None else None)
        else:
            self._rows, names = _of_source(self.source)
            self._test_rows = None if self.test_source is None else _of_source(self.test_source, names)[0]
        self.label_size, self.label_names = self._rows.shape[1], names
        counts = self._rows[self.numbers].sum(axis=0).astype(int)
        listed = names or range(self.label_size)
        self.label_text = ', '.join(f'{name} ({count})' for name, count in zip(listed, counts))
        if self.options.attributes is None and not counts.all():
            raise UserError(f'{self.name}: no picture of {listed[int(counts.argmin())]}')

    def _labels_of(self, indices):
        return self._rows[[self.numbers[index] for index in indices]]

    def hold_out(self, share):
        """See Dataset."""
        super().hold_out(share)
        self._by_domain = self._partners_of = None
        return self

    def indices_at(self, position, count):
        """See Dataset; balanced, the domain of each image is drawn first."""
        if not self.options.balanced:
            return super().indices_at(position, count)
        if self._by_domain is None:
            domains = self.read_labels(self._stream).argmax(axis=1)
            found = [self._stream[domains == number] for number in range(self.label_size)]
            self._by_domain = [numbers for numbers in found if len(numbers)]
        chosen = []
        for place in range(position, position + count):
            rnd = np.random.RandomState(step_seed(self.seed, place, 'domain', 0))
            numbers = self._by_domain[rnd.randint(len(self._by_domain))]
            chosen.append(numbers[rnd.randint(len(numbers))])
        return np.asarray(chosen, np.int64)

    def _partner(self, index):
        """The other picture of a pair: fixed, of the same domain, perhaps the same one."""
        if self._partners_of is None:
            rnd, domains = np.random.RandomState(self.seed), self.read_labels(self._stream).argmax(axis=1)
            found = {}
            for number in range(self.label_size):
                numbers = self._stream[domains == number]
                found.update(zip(numbers.tolist(), rnd.permutation(numbers).tolist()))
            self._partners_of = found  # all at once, since other threads look at it
        return self._partners_of.get(int(index), int(index))

    def _open(self, source, number):
        image = pictures.to_mode(source.open(number), self._channels, source.where(number))
        return center_square(image) if self.options.square else image

    def _cached_bytes(self):
        if not self.options.crop_prob:
            return super()._cached_bytes()
        return sum(np.prod(header[1]) for header in self.headers if header) * self.shape[0]

    def _draw(self, position, index):
        parts = [self._draw_one(position, index, 'crop')]
        if self.options.pairs:
            parts.append(self.read_good(self._partner(index), 0, lambda number, _: self._draw_one(
                position, number, 'partner'))[1])
        return np.concatenate(parts)

    def _draw_one(self, position, index, name):
        """An image as it is at a position of the stream, [C, H, W]; `name` sets two draws apart."""
        rnd, transform = np.random.RandomState(step_seed(self.seed, position, name, 0)), self._transform
        drawn, where = transforms.draw(rnd), self.source.where(self.numbers[index])
        if not self.options.crop_prob:
            return self._finished(self._scaled(index, transform, drawn), transform, drawn, where)
        image = self._whole(index)
        if rnd.random_sample() < self.options.crop_prob:
            image = image.crop(random_box(image.size, rnd))
        pixels = transforms.to_array(transforms.scale(image, transform, drawn))
        return self._finished(pixels, transform, drawn, where)

    def _whole(self, index):
        """The picture of an image, PIL.Image."""
        found = self._cache.get(index)
        if found is None:
            found = self._open(self.source, self.numbers[index])
            if self._cache_fits:
                self._cache[index] = found
        return found

    def _scaled(self, index, transform, drawn):
        return super()._scaled(index, transform, drawn) if not self.options.crop_prob else self._whole(index)

    def sheet(self):
        """Dataset of what the fixed sheets show: one domain after the other, of pairs one picture, beginning with the
        second domain.
        """
        source, numbers = self.shown()
        rows = self._test_rows if self.test_numbers is not None else self._rows
        order = interleaved(rows[numbers], int(self.options.pairs)) if self.options.attributes is None else range(
            len(numbers))
        return LabeledSheet(self, source, [numbers[i] for i in order], rows)

    def trained(self, numbers=None):
        """Dataset of the pictures that are trained on, without anything random, in a random order.

        Args:
            numbers: Places in the source; `None` = all of them.
        """
        numbers = [self.numbers[i] for i in self._stream] if numbers is None else numbers
        return LabeledSheet(self, self.source, np.random.RandomState(0).permutation(numbers).tolist(), self._rows)

    @property
    def opens_trained(self):
        """Further options of load_dataset that open what `trained` returns."""
        found = dict(class_name='training.data.translation.domains.open_trained')
        return found if not len(self.held_out) else dict(found, numbers=[int(self.numbers[i]) for i in self._stream])


def open_trained(numbers=None, bad='stop', **kwargs):
    """What `trained` of a DomainDataset returns, in a random order, for metrics: a dataset of its own.

    Args:
        numbers: Places in the source; `None` = all that are trained on.
        bad, kwargs: Of DomainDataset.
    """
    return DomainDataset(bad=bad, **kwargs).trained(numbers)


class LabeledSheet(Sheet):
    """What the sheets and the metrics of a training see: pictures without anything random, and their labels.

    Args:
        data: DomainDataset.
        source: One of its sources.
        numbers: Places in it.
        rows: Labels by place.
    """

    def __init__(self, data, source, numbers, rows):
        super().__init__(data, source, numbers, bad='skip' if data._skip_bad else 'stop')
        self._rows = rows[numbers]
        self.label_size, self.label_names = data.label_size, data.label_names

    def _labels_of(self, indices):
        return self._rows[indices]


def _of_source(source, names=None):
    """(labels by place, float32 [N, domains], names of the domains) of a source, as folders or dataset.json say.

    Args:
        source: pictures.PictureFiles or pictures.Images.
        names: Domains that there must be; `None` = those that are found.
    Raises: UserError for pictures without labels, or other domains.
    """
    if isinstance(source, pictures.Images):
        return source.labels()
    found = source.files.find_labels() if len(source.names) == len(source.files.names) else labeling.from_folders(
        source.names)
    if found.labels is None:
        raise UserError(f'{source.files.path}: no domains; {found.source}')
    rows = found.labels.at(np.arange(len(source.names)))
    if names is not None and found.names != names:
        raise UserError(f'{source.where(0)}: the pictures to test with are of {", ".join(found.names or ())}, those to '
                        f'train with of {", ".join(names)}')
    return rows, found.names


def interleaved(rows, shift=0):
    """Places of images in an order in which domains take turns.

    Args:
        rows: Labels, one-hot, [N, domains].
        shift: Number of the domain that begins; others than the first are taken from the end.
    """
    domains, queues = rows.argmax(axis=1), []
    for number in np.roll(np.arange(rows.shape[1]), -shift):
        places = np.flatnonzero(domains == number)
        queues.append((places[::-1] if shift else places).tolist())
    found = []
    for turn in range(max(map(len, queues))):
        found += [queue[turn] for queue in queues if turn < len(queue)]
    return found


def center_square(image):
    """The largest square in the center of a PIL image."""
    width, height = image.size
    side = min(width, height)
    left, top = int(round((width - side) / 2)), int(round((height - side) / 2))
    return image if width == height else image.crop((left, top, left + side, top + side))


def random_box(size, rnd):
    """Corners of a random crop, as torchvision's RandomResizedCrop draws it: (left, top, right, bottom).

    Args:
        size: (width, height) of the picture.
        rnd: RandomState.
    """
    width, height = size
    for _ in range(ATTEMPTS):
        area = width * height * rnd.uniform(*AREAS)
        ratio = np.exp(rnd.uniform(*np.log(RATIOS)))
        w, h = int(round(np.sqrt(area * ratio))), int(round(np.sqrt(area / ratio)))
        if 0 < w <= width and 0 < h <= height:
            left, top = rnd.randint(width - w + 1), rnd.randint(height - h + 1)
            return left, top, left + w, top + h
    w, h = min(width, int(round(height * RATIOS[1]))), min(height, int(round(width / RATIOS[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h
