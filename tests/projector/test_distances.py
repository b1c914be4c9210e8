"""All measures between two images, and the perceptual distance in bfloat16."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from metrics import weights
from projector import distances
from tests.metrics.features import lpips_reference, test_lpips_alex

ARRAYS = lpips_reference.narrow_weights()


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """A narrow VGG16, and no AlexNet, as on a machine that cannot fetch it."""
    def missing():
        raise UserError('nothing can be fetched')

    monkeypatch.setattr(weights, 'lpips_vgg16', lambda: ARRAYS)
    monkeypatch.setattr(weights, 'lpips_alexnet', missing)


def _pair(size, seed=0):
    return np.float32(np.random.RandomState(seed).uniform(-1, 1, [2, 3, size, size]))


def test_all_measures_that_can_be_had_are_given(session, capsys):
    target, image = _pair(32)
    found = distances.AllDistances([3, 32, 32]).measure(target, image)
    assert found['lpips-alex'] is None
    assert 'lpips-alex is not measured: nothing can be fetched' in capsys.readouterr().out
    expected = lpips_reference.distance(image[np.newaxis], target[np.newaxis], ARRAYS)[0]
    np.testing.assert_allclose([found['lpips-vgg'], found['pixel']], [expected, np.mean((target - image) ** 2)],
                               rtol=1e-3)


def test_small_images_and_masks(session, capsys):
    measures = distances.AllDistances([3, 8, 8])
    target, image = _pair(8)
    mask = np.zeros([1, 8, 8], np.float32)
    mask[:, :4] = 1
    found = measures.measure(target, image, mask)
    assert found['lpips-vgg'] is None and found['lpips-alex'] is None and not capsys.readouterr().out
    np.testing.assert_allclose(found['pixel'], np.mean((target - image)[:, :4] ** 2) / 2, rtol=1e-5)


@pytest.mark.parametrize('name, channels, size', [
    ('pixel', 3, (16, 8)), ('pixel', 4, (16, 16)), ('lpips-vgg', 1, (16, 32)), ('lpips-vgg', 4, (32, 32)),
    ('lpips-alex', 3, (33, 40))])
def test_squared_distances_of_embedded_images_are_their_distances(session, monkeypatch, name, channels, size):
    monkeypatch.setattr(weights, 'lpips_alexnet', test_lpips_alex.narrow_weights)
    images = np.random.RandomState(0).uniform(-1, 1, [2, 3, channels] + list(size))
    measure = distances.Distance(name)
    features = [measure.features(tf.constant(part, tf.float32)) for part in images]
    expected, a, b = session.run([measure.distance(*features, num_channels=channels)]
                                 + [measure.embedding(part, channels) for part in features])
    assert a.ndim == 2 and a.dtype == np.float32
    np.testing.assert_allclose(np.square(a - b).sum(axis=1), expected, rtol=1e-4)


def test_bfloat16_changes_distances_and_gradients_little(session):
    if not distances.can_be_half('lpips-vgg'):
        pytest.skip('this TensorFlow has no bfloat16 convolution for the CPU')
    assert not distances.can_be_half('lpips-alex')
    values = []
    for half in (False, True):
        measure = distances.Distance('lpips-vgg', half)
        target, image = [tf.constant(part[np.newaxis]) for part in _pair(32)]
        distance = measure.distance(measure.features(image), measure.features(target), 3)
        values.append(session.run([distance, tf.gradients(distance, [image])[0]]))
    (full, full_gradient), (half, half_gradient) = values
    assert full[0] != half[0]
    np.testing.assert_allclose(half, full, rtol=0.01)
    cosine = np.sum(full_gradient * half_gradient) / np.linalg.norm(full_gradient) / np.linalg.norm(half_gradient)
    assert cosine > 0.98
