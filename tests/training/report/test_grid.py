"""Snapshot grids: sizes, class layouts, files."""

from collections import OrderedDict

import numpy as np
import PIL.Image
import pytest

from dnnlib import UserError
from training.data.cats import CatsDataset
from training.data.streams import Stream
from training.report import grid as snapshot
from training.train_step import Method


class LabeledSet:
    """Images of one pixel: the n-th has the value n and the class n % num_classes."""

    def __init__(self, num_classes):
        self.shape = [1, 1, 1]
        self.label_size = num_classes
        self.dtype = 'uint8'
        self.dynamic_range = [0, 255]
        self.position = None
        self.moves = self.jitter = self.noise = None

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

    def get_minibatch_np(self, minibatch_size, **_options):
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
    (gw, gh), reals, labels = snapshot.setup_snapshot_image_grid(LabeledSet(num_classes), size, layout)
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


def method(pictures, **options):
    """A method that draws with a function of (networks, cells), by default one with two random numbers a cell."""
    return Method(**dict(dict(
        name='m', nets={}, groups={}, stages=None, pictures=pictures, fakes='some',
        latents=lambda networks, count: np.random.randn(count, networks['width'])), **options))


def one_stream():
    return OrderedDict(reals=Stream(LabeledSet(2)))


def test_pictures_of_reals_and_fakes(tmp_path):
    def pictures(networks, cells):
        assert networks == dict(width=5) and cells.size == (3, 2)
        assert cells.latents.shape == (6, 5) and cells.labels.shape == (6, 2)
        return [np.uint8(values).reshape(3, 1, 1, 1) for values in ([0, 51, 102], [153, 204, 255])]
    grid = snapshot.SnapshotGrid(one_stream(), str(tmp_path), method(pictures), dict(size='3x2'))
    grid.draw_latents(dict(width=5))
    grid.save_fakes(dict(width=5), 'fakes_init.png')
    np.testing.assert_array_equal(PIL.Image.open(str(tmp_path / 'reals.png')), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(PIL.Image.open(str(tmp_path / 'fakes_init.png')), [[0, 51, 102], [153, 204, 255]])


def test_several_streams_and_rows_of_another_number(tmp_path):
    def pictures(_networks, cells):
        return [cells.batch[name][0][:2] for name in ('a', 'b', 'a')]
    streams = OrderedDict((name, Stream(LabeledSet(2), name)) for name in ('a', 'b'))
    grid = snapshot.SnapshotGrid(streams, str(tmp_path), method(pictures, latents=None), dict(size='3x2'))
    grid.draw_latents({})
    grid.save_fakes({}, 'fakes_init.png')
    assert grid.cells.latents is None and list(grid.arrays()) == ['labels', 'labels_b']
    for name in ('reals.png', 'reals-b.png'):
        np.testing.assert_array_equal(PIL.Image.open(str(tmp_path / name)), [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(PIL.Image.open(str(tmp_path / 'fakes_init.png')), [[0, 1]] * 3)


def test_rows_of_pictures_of_two_sizes(tmp_path):
    def pictures(_networks, _cells):
        return [np.full([2, 1, 2, 3], 10, np.uint8), np.full([2, 3, 3, 1], 20, np.uint8)]
    grid = snapshot.SnapshotGrid(one_stream(), str(tmp_path), method(pictures, latents=None), dict(size='2x1'))
    grid.save_fakes({}, 'fakes_init.png')
    found = np.asarray(PIL.Image.open(str(tmp_path / 'fakes_init.png')))
    assert found.shape == (6, 6, 3)
    np.testing.assert_array_equal(found[..., 0], [[10] * 6] * 2 + [[0] * 6] + [[20, 0, 0] * 2] * 3)


def test_latents_and_labels_are_restored(tmp_path):
    first, second = (snapshot.SnapshotGrid(one_stream(), str(tmp_path), method(None), dict(size='3x2'))
                     for _ in range(2))
    for grid in (first, second):
        grid.draw_latents(dict(width=5))
    assert not np.array_equal(first.cells.latents, second.cells.latents)
    arrays = first.arrays()
    assert list(arrays) == ['latents', 'labels']  # as in states of before there were several streams
    second.restore(dict(arrays, labels=arrays['labels'][::-1]))
    np.testing.assert_array_equal(first.cells.latents, second.cells.latents)
    np.testing.assert_array_equal(first.cells.labels[::-1], second.cells.labels)


def test_diversity_is_relative_to_the_reals(tmp_path):
    def pictures(_networks, cells):
        assert cells.latents.shape == (6, 1)
        return [cells.batch['reals'][0] * np.uint8(10)]
    grid = snapshot.SnapshotGrid(one_stream(), str(tmp_path), method(pictures), dict(size='3x2'))
    grid.draw_latents(dict(width=1))
    assert grid.diversity({}) == pytest.approx(10)
    grid = snapshot.SnapshotGrid(one_stream(), str(tmp_path), method(pictures, fakes=None), dict(size='3x2'))
    assert grid.diversity({}) is None


def test_diversity_looks_at_some_cells(tmp_path):
    def pictures(_networks, cells):
        assert len(cells.labels) == len(cells.latents) == 32
        return [cells.batch['reals'][0]]
    grid = snapshot.SnapshotGrid(one_stream(), str(tmp_path), method(pictures), dict(size='10x10'))
    grid.draw_latents(dict(width=1))
    assert grid.diversity({}) == pytest.approx(1)


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
