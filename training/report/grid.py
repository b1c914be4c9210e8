"""The grids of reals and fakes that a training writes."""

import os
import re
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib.images import save_image_grid
from dnnlib.util import UserError
from training.report.alarms import diversity

# name: (area width, area height, smallest gw, smallest gh)
GRID_SIZES = {'1080p': (1920, 1080, 3, 2), '4k': (3840, 2160, 7, 4), '8k': (7680, 4320, 7, 4)}
GRID_LAYOUTS = ('random', 'row_per_class', 'col_per_class', 'class4x4')
MAX_GRID_DRAWS = 10 ** 6
DIVERSITY_IMAGES = 32


def parse_grid_size(size, shape):
    """Columns and rows of the snapshot grid.

    Args:
        size: '1080p', '4k' or '8k' (as many images as fit, at most 32 x 32), or an explicit size such as '8x4', columns
            before rows.
        shape: [C, H, W] of an image.
    Returns: (gw, gh).
    Raises: UserError for another text.
    """
    if size in GRID_SIZES:
        width, height, min_gw, min_gh = GRID_SIZES[size]
        return int(np.clip(width // shape[2], min_gw, 32)), int(np.clip(height // shape[1], min_gh, 32))
    match = re.match('([1-9][0-9]{0,2})x([1-9][0-9]{0,2})$', str(size))
    if not match:
        raise UserError(f'grid size must be {", ".join(sorted(GRID_SIZES))} or columns x rows such as 8x4, got '
                        f'{size!r}')
    return int(match.group(1)), int(match.group(2))


def setup_snapshot_image_grid(training_set, size='1080p', layout='random'):
    """Chooses the reals and labels of the snapshot grid from the start of the dataset's stream.

    Args:
        training_set: Dataset; its position is moved.
        size: See `parse_grid_size`.
        layout: 'random', or one class per row ('row_per_class'), column ('col_per_class') or 4 x 4 block ('class4x4').
    Returns: (gw, gh), reals uint8 [gw * gh, C, H, W], labels float32 [gw * gh, label_size]; cells of classes that were
        not found stay zero.
    Raises: UserError for an unknown size or layout.
    """
    gw, gh = parse_grid_size(size, training_set.shape)
    if layout not in GRID_LAYOUTS:
        raise UserError(f'grid layout must be one of {", ".join(GRID_LAYOUTS)}, got {layout!r}')
    training_set.seek(0)
    if layout == 'random':
        reals, labels = training_set.get_minibatch_np(gw * gh)
        return (gw, gh), reals, labels
    block_w, block_h = {'row_per_class': (gw, 1), 'col_per_class': (1, gh), 'class4x4': (4, 4)}[layout]
    return ((gw, gh),) + _class_grid(training_set, gw, gh, block_w, block_h)


def _class_grid(training_set, gw, gh, block_w, block_h):
    """Fills blocks of cells with images of one class each, in the order in which the dataset yields them."""
    blocks_w, blocks_h = -(-gw // block_w), -(-gh // block_h)
    blocks = [[] for _ in range(blocks_w * blocks_h)]  # numbers of images
    class_step = max(training_set.label_size, 1)
    for index, first in _classes_in_order(training_set):
        for block in blocks[first::class_step]:
            if len(block) < block_w * block_h:
                block.append(index)
                break
        if all(len(block) == block_w * block_h for block in blocks):
            break

    all_reals = np.zeros([gw * gh] + list(training_set.shape), training_set.dtype)
    all_labels = np.zeros([gw * gh, training_set.label_size], np.float32)
    for i, block in enumerate(blocks):
        for j, index in enumerate(block):
            x = i % blocks_w * block_w + j % block_w
            y = i // blocks_w * block_h + j // block_w
            if x < gw and y < gh:
                cell = x + y * gw
                index, all_reals[cell] = training_set.read_good(index)
                all_labels[cell] = training_set.read_labels([index])[0]
    return all_reals, all_labels


def _classes_in_order(training_set, chunk=1000):
    """Yields number and class of each image of the stream; labels alone are read, since rare classes take long."""
    for position in range(0, MAX_GRID_DRAWS, chunk):
        indices = training_set.indices_at(position, min(chunk, MAX_GRID_DRAWS - position))
        labels = training_set.read_labels(indices)
        classes = np.argmax(labels, axis=1) if training_set.label_size else np.zeros(len(indices), int)
        yield from zip(indices.tolist(), classes.tolist())


class Cells(NamedTuple):
    """What the pictures of a training are made of: one reading of the data and one latent for each cell of the grid."""
    size: tuple                 # (columns, rows)
    batch: dict                 # {stream: (uint8 [N, C, H, W], float32 [N, label_size])}
    latents: np.ndarray = None  # [N, ...]; None = the method draws from none

    @property
    def labels(self):
        """Labels of the first stream, float32 [N, label_size]."""
        return next(iter(self.batch.values()))[1]

    def take(self, indices):
        """Some of the cells, as one row."""
        return Cells((len(indices), 1), {name: (images[indices], labels[indices])
                                         for name, (images, labels) in self.batch.items()},
                     None if self.latents is None else self.latents[indices])


class SnapshotGrid:
    """The same cells drawn again and again; writes `reals.png`, of further streams `reals-<name>.png`.

    Args:
        streams: {name: Stream}; their positions are moved.
        run_dir: Folder of the pictures.
        method: Method.
        grid_args: `size` and `layout`, see `setup_snapshot_image_grid`.
    Attributes:
        cells: Cells; without latents before `draw_latents`.
    """

    def __init__(self, streams, run_dir, method, grid_args):
        self._run_dir, self._method = run_dir, method
        batch, grid_args = OrderedDict(), dict(grid_args)
        for number, (name, stream) in enumerate(streams.items()):
            data = stream.sheet()
            size, reals, labels = setup_snapshot_image_grid(data, **grid_args)
            if data is not stream.dataset:
                data.close()
            grid_args['size'] = '{}x{}'.format(*size)  # the same cells of all streams
            batch[name] = (reals, labels)
            save_image_grid(reals, os.path.join(run_dir, f'reals-{name}.png' if number else 'reals.png'),
                            drange=stream.dataset.dynamic_range, grid_size=size)
        self.cells = Cells(size, batch)
        reals, _ = next(iter(batch.values()))
        self._diversity_of_reals = diversity(reals[self._some_cells()])

    def draw_latents(self, networks):
        """Draws the latents from NumPy's global random numbers, as published, if the method has any."""
        if self._method.latents is not None:
            self.cells = self.cells._replace(latents=self._method.latents(networks, len(self.cells.labels)))

    def arrays(self):
        """What a state keeps of the cells: {name: array}; the images are read again."""
        found = OrderedDict() if self.cells.latents is None else OrderedDict(latents=self.cells.latents)
        for number, (name, (_, labels)) in enumerate(self.cells.batch.items()):
            found[f'labels_{name}' if number else 'labels'] = labels
        return found

    def restore(self, arrays):
        """Takes over what `arrays` returned."""
        batch = OrderedDict()
        for number, (name, (images, labels)) in enumerate(self.cells.batch.items()):
            batch[name] = (images, arrays.get(f'labels_{name}' if number else 'labels', labels))
        self.cells = self.cells._replace(batch=batch, latents=arrays.get('latents'))

    def save_fakes(self, networks, file_name):
        """Writes the method's pictures under a name in the run directory."""
        self._save(self._method.pictures(networks, self.cells), file_name)

    def save_sheets(self):
        """Writes the method's pictures of data alone, if it has any."""
        sheets = {} if self._method.sheets is None else self._method.sheets(self.cells)
        for file_name, rows in sheets.items():
            self._save(rows, file_name)

    def _save(self, rows, file_name):
        if len({row.shape[1] for row in rows}) > 1:  # gray pictures beside those in color
            rows = [np.repeat(row, 3, axis=1) if row.shape[1] == 1 else row for row in rows]
        most = [max(sizes) for sizes in zip(*(row.shape for row in rows))]  # whole pictures differ in size
        rows = [np.pad(row, [(0, n - size) for n, size in zip(most, row.shape)], 'constant') for row in rows]
        save_image_grid(np.concatenate(rows), os.path.join(self._run_dir, file_name), drange=[0, 255],
                        grid_size=(most[0], len(rows)))

    def diversity(self, networks):
        """How much the pictures of some cells differ, as a share of how much the reals there do.

        Of a method that generates from nothing but latents; `None` for others.
        """
        if self._method.fakes is None:
            return None
        fakes = np.concatenate(self._method.pictures(networks, self.cells.take(self._some_cells())))
        return diversity(fakes) / max(self._diversity_of_reals, 1e-8)

    def _some_cells(self):
        count = len(self.cells.labels)
        return np.linspace(0, count - 1, min(count, DIVERSITY_IMAGES)).astype(int)
