"""Snapshot grids: sizes, class layouts, files."""

import numpy as np
import PIL.Image
import pytest

from dnnlib import EasyDict, UserError
from training.data.cats import CatsDataset
from training.report import grid as snapshot


class LabelledSet:
    """Images of one pixel: the n-th has the value n and the class n % num_classes."""

    def __init__(self, num_classes):
        self.shape = [1, 1, 1]
        self.label_size = num_classes
        self.dtype = 'uint8'
        self.dynamic_range = [0, 255]
        self.position = None

    def seek(self, position):
        self.position = position

    def indices_at(self, position, count):
        return np.arange(position, position + count)

    def read(self, index):
        return np.uint8(index).reshape(1, 1, 1)

    def read_good(self, index):
        return index, self.read(index)

    def read_labels(self, indices):
        return np.eye(self.label_size, dtype=np.float32)[np.asarray(indices) % self.label_size]

    def get_minibatch_np(self, minibatch_size):
        numbers = self.indices_at(self.position, minibatch_size)
        self.position += minibatch_size
        return np.stack([self.read(number) for number in numbers]), self.read_labels(numbers)


@pytest.mark.parametrize('size, resolution, expected', [
    ('8k', 1024, (7, 4)), ('8k', 512, (15, 8)), ('8k', 256, (30, 16)), ('8k', 128, (32, 32)), ('4k', 1024, (7, 4)),
    ('1080p', 1024, (3, 2)), ('1080p', 64, (30, 16)), ('8x4', 64, (8, 4)), ('1x1', 8, (1, 1))])
def test_sizes(size, resolution, expected):
    assert snapshot.parse_grid_size(size, [3, resolution, resolution]) == expected


@pytest.mark.parametrize('size', ['8', '0x4', '8 x 4', '5k', '8x4x2', None])
def test_bad_sizes(size):
    with pytest.raises(UserError, match='grid size must be 1080p, 4k, 8k or columns x rows such as 8x4'):
        snapshot.parse_grid_size(size, [3, 64, 64])


def grid(layout, size, num_classes=3):
    """Pixels and classes of a grid, both [gh, gw]."""
    (gw, gh), reals, labels = snapshot.setup_snapshot_image_grid(LabelledSet(num_classes), size, layout)
    return reals.reshape(gh, gw), np.argmax(labels, axis=1).reshape(gh, gw)


def test_random_layout_is_the_start_of_the_stream():
    reals, _ = grid('random', '3x2')
    np.testing.assert_array_equal(reals, [[0, 1, 2], [3, 4, 5]])


def test_one_class_per_row():
    reals, classes = grid('row_per_class', '2x4')
    np.testing.assert_array_equal(classes, [[0, 0], [1, 1], [2, 2], [0, 0]])  # the fourth row is the first class again
    np.testing.assert_array_equal(reals, [[0, 3], [1, 4], [2, 5], [6, 9]])


def test_one_class_per_column():
    np.testing.assert_array_equal(grid('col_per_class', '3x2')[1], [[0, 1, 2], [0, 1, 2]])


def test_blocks_of_classes_are_cut_at_the_edge():
    classes = grid('class4x4', '6x4', num_classes=2)[1]
    np.testing.assert_array_equal(classes, [[0, 0, 0, 0, 1, 1]] * 4)


def test_missing_classes_stay_black(monkeypatch):
    monkeypatch.setattr(snapshot, 'MAX_GRID_DRAWS', 3)
    reals, _ = grid('row_per_class', '2x2')
    np.testing.assert_array_equal(reals, [[0, 0], [1, 0]])


def test_unknown_layout():
    with pytest.raises(UserError, match="grid layout must be one of random, .* got 'rows'"):
        grid('rows', '2x2')


def test_pictures_of_reals_and_fakes(tmp_path):
    calls = []

    def run(latents, labels, is_validation):
        calls.append((latents.shape, labels.shape, is_validation))
        return np.linspace(-1, 1, 6)[sum(call[0][0] for call in calls[:-1]):][:len(latents)].reshape(-1, 1, 1, 1)
    network = EasyDict(input_shape=[None, 5], run=run)
    pictures = snapshot.SnapshotGrid(LabelledSet(2), str(tmp_path), [-1, 1], 4, dict(size='3x2'))
    pictures.draw_latents(network)
    pictures.save_fakes(network, 'fakes_init.png')
    assert calls == [((4, 5), (4, 2), True), ((2, 5), (2, 2), True)]  # in chunks
    np.testing.assert_array_equal(PIL.Image.open(str(tmp_path / 'reals.png')), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(PIL.Image.open(str(tmp_path / 'fakes_init.png')), [[0, 51, 102], [153, 204, 255]])


def test_diversity_is_relative_to_the_reals(tmp_path):
    pictures = snapshot.SnapshotGrid(LabelledSet(2), str(tmp_path), [-1, 1], 4, dict(size='3x2'))
    pictures.draw_latents(EasyDict(input_shape=[None, 5]))
    reals = np.arange(6.0)  # the pixels of the set
    half = iter([reals[:4], reals[4:]])
    network = EasyDict(run=lambda *_, **__: (next(half) * 10 / 127.5 - 1).reshape(-1, 1, 1, 1))
    assert pictures.diversity(network) == pytest.approx(10)


def test_rows_of_the_cats_have_one_colour_each():
    with CatsDataset(resolution=8, max_label_size=15) as cats:
        (gw, gh), reals, labels = snapshot.setup_snapshot_image_grid(cats, '2x16', 'row_per_class')
    assert (gw, gh) == (2, 16) and reals.shape == (32, 3, 8, 8) and reals.reshape(32, -1).any(axis=1).all()
    assert np.argmax(labels, axis=1).tolist() == [i // 2 % 15 for i in range(32)]


def test_classes_that_no_image_has_do_not_take_for_ever(monkeypatch):
    monkeypatch.setattr(snapshot, 'MAX_GRID_DRAWS', 2000)
    with CatsDataset(resolution=8, max_label_size='full') as cats:  # the first group decides: columns 15 to 65 never do
        reads, read_good = [], cats.read_good
        monkeypatch.setattr(cats, 'read_good', lambda index: reads.append(index) or read_good(index))
        _, reals, _ = snapshot.setup_snapshot_image_grid(cats, '2x16', 'row_per_class')
    assert len(reads) == 30 and not reals[30:].any()
