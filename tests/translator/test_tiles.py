"""Borders and tiles of images of any size."""

import numpy as np
import pytest

from translator import tiles


@pytest.mark.parametrize('size, multiple', [((21, 30), 4), ((8, 8), 8), ((5, 9), 32), ((1, 3), 4)])
def test_a_border_is_reflected_and_cropped_again(size, multiple):
    image = np.random.RandomState(0).rand(2, *size)
    padded, corner = tiles.pad(image, multiple)
    assert all(side % multiple == 0 and 0 <= side - old < multiple for side, old in zip(padded.shape[1:], size))
    np.testing.assert_array_equal(tiles.crop(padded, corner, size), image)
    if corner[0] and size[0] > 1:
        np.testing.assert_array_equal(padded[:, corner[0] - 1], padded[:, corner[0] + 1])


def test_tiles_cover_everything_and_overlap_by_what_is_asked_for():
    for size, tile, overlap in ((64, 16, 4), (60, 16, 6), (20, 16, 15), (16, 16, 4), (12, 16, 4), (17 * 4, 32, 0)):
        found = tiles.starts(size, min(tile, size), overlap, 4)
        assert found[0] == 0 and found[-1] + min(tile, size) == size and all(start % 4 == 0 for start in found)
        for first, second in zip(found, found[1:]):
            assert first < second <= first + tile - min(overlap, tile - 4)


def test_tiles_are_put_together_where_they_were_and_fade_into_each_other():
    image = np.random.RandomState(0).rand(3, 40, 64).astype(np.float32)
    np.testing.assert_allclose(tiles.in_tiles(image, 16, 8, 4, lambda part, number: part), image, rtol=1e-6)
    steps = tiles.in_tiles(image[:1, :16, :24], 16, 8, 4, lambda part, number: np.full_like(part, number))
    np.testing.assert_allclose(steps[0, 5], [0] * 8 + [i / 9 for i in range(1, 9)] + [1] * 8, rtol=1e-6)
    whole = tiles.in_tiles(image, 64, 8, 4, lambda part, number: np.full_like(part[:1], part.shape[1]))
    assert whole.shape == (1, 40, 64) and np.unique(whole).tolist() == [40]
