"""The grids of reals and fakes that a training run writes."""

import os
import re

import numpy as np

from dnnlib.images import adjust_dynamic_range, save_image_grid
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
        raise UserError('grid size must be {} or columns x rows such as 8x4, got {!r}'.format(
            ', '.join(sorted(GRID_SIZES)), size))
    return int(match.group(1)), int(match.group(2))


def setup_snapshot_image_grid(training_set, size='1080p', layout='random'):
    """Chooses the reals and labels of the snapshot grid from the start of the data set's stream.

    Args:
        training_set: Data set; its position is moved.
        size: See `parse_grid_size`.
        layout: 'random', or one class per row ('row_per_class'), column ('col_per_class') or 4 x 4 block ('class4x4').
    Returns: (gw, gh), reals uint8 [gw * gh, C, H, W], labels float32 [gw * gh, label_size]; cells of classes that were
        not found stay zero.
    Raises: UserError for an unknown size or layout.
    """
    gw, gh = parse_grid_size(size, training_set.shape)
    if layout not in GRID_LAYOUTS:
        raise UserError('grid layout must be one of {}, got {!r}'.format(', '.join(GRID_LAYOUTS), layout))
    training_set.seek(0)
    if layout == 'random':
        reals, labels = training_set.get_minibatch_np(gw * gh)
        return (gw, gh), reals, labels
    block_w, block_h = {'row_per_class': (gw, 1), 'col_per_class': (1, gh), 'class4x4': (4, 4)}[layout]
    return ((gw, gh),) + _class_grid(training_set, gw, gh, block_w, block_h)


def _class_grid(training_set, gw, gh, block_w, block_h):
    """Fills blocks of cells with images of one class each, in the order in which the data set yields them."""
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


class SnapshotGrid:
    """The same latents and labels drawn again and again, beside reals with these labels; writes `reals.png`.

    Args:
        training_set: Data set; its position is moved.
        run_dir: Folder of the pictures.
        drange_net: [low, high] of the networks' images.
        minibatch_size: Images generated at a time.
        grid_args: `size` and `layout`, see `setup_snapshot_image_grid`.
    """

    def __init__(self, training_set, run_dir, drange_net, minibatch_size, grid_args):
        self._run_dir = run_dir
        self._drange = drange_net
        self._minibatch_size = minibatch_size
        self.size, reals, self.labels = setup_snapshot_image_grid(training_set, **grid_args)
        self.latents = None
        self._diversity_of_reals = diversity(reals[self._some_cells()])
        save_image_grid(reals, os.path.join(run_dir, 'reals.png'), drange=training_set.dynamic_range,
                        grid_size=self.size)

    def draw_latents(self, network):
        """Draws the latents for a generator from NumPy's global random numbers, as published."""
        self.latents = np.random.randn(len(self.labels), *network.input_shape[1:])

    def save_fakes(self, network, file_name):
        """Writes the generator's images, without truncation, under a name in the run directory."""
        fakes = self._draw(network, np.arange(len(self.labels)))
        save_image_grid(fakes, os.path.join(self._run_dir, file_name), drange=[0, 255], grid_size=self.size)

    def diversity(self, network):
        """How much the generator's images of some cells differ, as a share of how much the reals there do."""
        return diversity(self._draw(network, self._some_cells())) / max(self._diversity_of_reals, 1e-8)

    def _some_cells(self):
        count = len(self.labels)
        return np.linspace(0, count - 1, min(count, DIVERSITY_IMAGES)).astype(int)

    def _draw(self, network, cells):
        """Fakes of some cells, uint8 [N, C, H, W]; as float32 there is one minibatch of them at a time."""
        chunks = []
        for begin in range(0, len(cells), self._minibatch_size):
            chunk = cells[begin:begin + self._minibatch_size]
            fakes = network.run(self.latents[chunk], self.labels[chunk], is_validation=True)
            fakes = np.rint(adjust_dynamic_range(fakes, self._drange, [0, 255]))
            chunks.append(np.clip(fakes, 0, 255).astype(np.uint8))
        return np.concatenate(chunks)
