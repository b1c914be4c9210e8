"""Streams of data: which images an iteration reads, whatever was read before."""

import numpy as np
import pytest

from dnnlib import UserError
from training.data import changes
from training.data.base import Dataset
from training.data.streams import Draws, flips, open_streams, Stream


class Numbered(Dataset):
    """Images in order whose pixels are their number, brighter on the right; one of them may be unreadable."""

    def __init__(self, bad_index=None, **kwargs):
        super().__init__('numbered', 100, [1, 8, 8], shuffle_mb=0, **kwargs)
        self._bad_index = bad_index

    def _read(self, index, lod):
        if index == self._bad_index:
            raise UserError('damaged')
        return np.full([1, 8 >> lod, 8 >> lod], index, np.uint8) + np.repeat(np.uint8([0, 100]), 4 >> lod)

    def _labels_of(self, indices):
        return np.zeros([len(indices), 0], np.float32)


def numbers(stream, nimg, size=4, **kwargs):
    """The numbers of the images in a minibatch."""
    images, labels = stream.minibatch(nimg, dict(minibatch_size=size, lod=0.0), **kwargs)
    assert images.dtype == np.uint8 and images.shape == (size, 1, 8, 8) and labels.shape == (size, 0)
    return images.min(axis=(1, 2, 3)).tolist()


@pytest.mark.parametrize('shape', [(3, 5, 16), (1, 4, 8), (3, 4, 4), (1, 3, 20)])
def test_flip(shape):
    image = np.random.RandomState(0).randint(256, size=shape).astype(np.uint8)
    before = image.copy()
    changes.flip(image)
    np.testing.assert_array_equal(image, before[:, :, ::-1])


def test_half_of_the_images_are_mirrored():
    draws = Draws(seed=3, name='reals', nimg=32, mirror=True)
    reals = np.random.RandomState(0).randint(256, size=[1000, 1, 2, 2]).astype(np.uint8)
    whole, part = reals.copy(), reals[100:200].copy()
    draws.apply(whole, np.arange(1000), 1000, whole)
    draws.apply(part, np.arange(100, 200), 1000, part)
    is_flipped = [np.array_equal(a, b[:, :, ::-1]) and not np.array_equal(a, b) for a, b in zip(whole, reals)]
    assert all(f or np.array_equal(a, b) for f, a, b in zip(is_flipped, whole, reals))
    assert 440 < sum(is_flipped) < 560
    np.testing.assert_array_equal(part, whole[100:200])
    for other in (dict(nimg=64), dict(name='other'), dict(slot=1)):
        changed = reals.copy()
        draws._replace(**other).apply(changed, np.arange(1000), 1000, changed)
        assert not np.array_equal(whole, changed)


def test_the_position_is_the_images_shown_times_the_slots():
    with Numbered() as data:
        stream = Stream(data)
        assert [numbers(stream, nimg)[0] for nimg in (0, 4, 8)] == [0, 4, 8]
        assert numbers(stream, 8, slot=0, slots=2) == [16, 17, 18, 19]
        assert numbers(stream, 8, slot=1, slots=2) == [20, 21, 22, 23]  # fresh data within the iteration
        assert numbers(stream, 12, slot=0, slots=2) == [24, 25, 26, 27]
        assert numbers(stream, 12, slot=0, slots=2) == [24, 25, 26, 27]


def test_a_slot_that_is_not_due_leaves_a_gap():
    with Numbered() as data, Numbered() as other:
        stream, resumed = Stream(data), Stream(other)
        for nimg in (0, 4):
            numbers(stream, nimg, slot=0, slots=2)
        numbers(stream, 4, slot=1, slots=2)
        assert numbers(stream, 8, slot=0, slots=2) == numbers(resumed, 8, slot=0, slots=2)


def test_sequential_reading_does_not_seek(monkeypatch):
    with Numbered() as data:
        monkeypatch.setattr(data, 'seek', lambda position: pytest.fail('the images read ahead are lost'))
        stream = Stream(data)
        for nimg in (0, 4, 8):
            for slot in (0, 1):
                numbers(stream, nimg, slot=slot, slots=2)


def test_images_have_the_level_of_detail():
    with Numbered() as data:
        images, _ = Stream(data).minibatch(0, dict(minibatch_size=3, lod=1.5))
    assert images.shape == (3, 1, 4, 4)


def flipped_images(name, slot, nimg=0):
    with Numbered() as data:
        images, _ = Stream(data, name, seed=1, mirror_augment=True).minibatch(
            nimg, dict(minibatch_size=32, lod=0.0), slot, 2)
    return (images[:, 0, 0, 0] > images[:, 0, 0, -1]).tolist()


def test_streams_and_slots_are_mirrored_apart():
    found = [flipped_images(*args) for args in (('reals', 0), ('reals', 1), ('A', 0), ('B', 0), ('reals', 0, 32))]
    assert all(0 < sum(flips) < 32 for flips in found)
    assert len({tuple(flips) for flips in found}) == len(found)
    assert found[0] == flipped_images('reals', 0)
    assert found[0] == flips(1, 0, 'mirror', 32).tolist()  # as before there were other streams


def test_opening(capsys):
    args = dict(class_name=__name__ + '.Numbered')
    with open_streams(dict(A=args, B=dict(args, seed=9)), seed=5, bad='skip', holdout=0.1) as streams:
        assert list(streams) == ['A', 'B'] and streams['B'].name == 'B'
        assert all(stream.skips_bad and len(stream.dataset.held_out) == 10 for stream in streams.values())
    assert capsys.readouterr().out.count('Dynamic range') == 2
    with open_streams(dict(A=dict(args, bad_index=1)), seed=5) as streams:
        with pytest.raises(UserError, match='damaged'):
            numbers(streams['A'], 0)
    with open_streams(dict(A=dict(args, bad_index=1)), seed=5, bad='skip') as streams:
        assert 1 not in numbers(streams['A'], 0)


def test_further_streams_have_further_seeds():
    args = dict(class_name=__name__ + '.Numbered')
    with open_streams(dict(A=args, B=args, C=dict(args, seed=2)), seed=5) as streams:
        assert [stream.dataset.seed for stream in streams.values()] == [5, 6, 2]


@pytest.mark.parametrize('names, holdout, expected', [
    (['reals'], 0, ['= 20']), (['reals'], 0.25, ['= 15, and 5 held out']), (['a', 'b'], 0, ['= 20 of a', '= 20 of b'])])
def test_how_many_images_there_are_is_told(names, holdout, expected, capsys):
    args = dict(tfrecord_dir='cats', resolution=8, max_images=20)
    with open_streams(dict.fromkeys(names, args), 0, holdout=holdout):
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('Images ')]
    assert lines == ['Images        ' + text for text in expected]
