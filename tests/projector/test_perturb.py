"""Changes of pictures for the robustness table."""

import numpy as np
import pytest

from dnnlib.util import UserError
from projector import perturb


def _picture(channels=3):
    ramp = np.linspace(60, 190, 32)
    pixels = np.stack([ramp[:, np.newaxis] + 0 * ramp, ramp + 0 * ramp[:, np.newaxis], np.full([32, 32], 120.0),
                       np.full([32, 32], 200.0)])
    pixels += np.random.RandomState(0).uniform(-15, 15, [1, 32, 32]) * np.reshape([1, 1, 1, 0], [4, 1, 1])
    return np.uint8(pixels[:channels])


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('change', perturb.ROBUSTNESS)
def test_every_change_keeps_shape_and_content(change, channels):
    pixels = _picture(channels)
    found = perturb.apply(pixels, change)
    assert found.shape == pixels.shape and found.dtype == np.uint8
    difference = np.abs(found.astype(int) - pixels)
    assert 0 < difference.max() and difference.mean() < 30
    if channels == 4:
        assert np.abs(found[3].astype(int) - 200).max() <= 1


def test_each_change_does_what_it_says():
    pixels = _picture()
    np.testing.assert_array_equal(perturb.apply(pixels, 'jpeg=75,blur=1'), perturb.blur(perturb.jpeg(pixels, 75), 1))
    noise = np.random.RandomState(0).randint(256, size=[3, 32, 32]).astype(np.uint8)
    errors = [np.square(perturb.jpeg(noise, quality).astype(float) - noise).mean() for quality in (90, 50, 10)]
    assert errors[0] < errors[1] < errors[2]
    assert perturb.resize(noise, 0.5).std() < noise.std() and perturb.blur(noise, 1).std() < noise.std()
    ramp = np.uint8(np.tile(np.arange(32) * 4, [1, 32, 1]))
    assert abs(int(np.ptp(perturb.crop(ramp, 0.5))) - 62) < 4
    flat = np.full([3, 4, 4], 120, np.uint8)
    np.testing.assert_array_equal(perturb.color(flat, 0.2)[:, 0, 0], [171, 120, 69])
    np.testing.assert_array_equal(perturb.apply(pixels, ''), pixels)


@pytest.mark.parametrize('text', ['sharpen=1', 'jpeg=0', 'jpeg', 'crop=2', 'resize=x'])
def test_unknown_changes_are_refused(text):
    with pytest.raises(UserError):
        perturb.parse(text)
