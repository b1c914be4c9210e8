"""Fixtures of the metric tests."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from metrics import weights
from metrics.features import efficientnet_lite0, inception_v3, vgg16
from tests.metrics import tiny_extractor as tiny_extractor_module
from tests.metrics.features import feature_reference, lpips_reference, weight_writers
from tests.metrics.tiny_generator import empty_cache


@pytest.fixture
def narrow_lpips(monkeypatch):
    """Random weights of a narrow network in place of the real ones: small, quick, offline."""
    arrays = lpips_reference.narrow_weights()
    monkeypatch.setattr(weights, 'lpips_vgg16', lambda: arrays)
    return arrays


@pytest.fixture
def graph():
    """An empty default graph without a session."""
    with tf.Graph().as_default() as current:
        yield current


@pytest.fixture
def narrow_networks(monkeypatch, tmp_path):
    """Random weights of narrow feature networks in place of the real ones; the cache is empty.

    Returns: Dictionary of references: `effnetlite0` and `vgg16` are state dictionaries, `inception` an object.
    """
    references = dict(effnetlite0=feature_reference.effnet_state(), vgg16=feature_reference.vgg_state(),
                      inception=feature_reference.Inception())
    empty_cache(tmp_path, monkeypatch)
    for module, state in ((efficientnet_lite0, references['effnetlite0']), (vgg16, references['vgg16']),
                          (inception_v3, references['inception'].state)):
        path = tmp_path / (module.__name__ + '.pth')
        path.write_bytes(weight_writers.torch_file(state, False))
        monkeypatch.setenv(module.VARIABLE, str(path))
        monkeypatch.setattr(module, 'CANDIDATES', [c._replace(sha256='') for c in module.CANDIDATES])
    return references


@pytest.fixture
def tiny_extractor(monkeypatch, tmp_path):
    """A tiny network in place of all extractors; the cache is empty."""
    empty_cache(tmp_path, monkeypatch)
    tiny_extractor_module.use(monkeypatch)


@pytest.fixture
def picture_folder(tmp_path):
    """Function (name, number, size, seed): makes a folder of random pictures; returns its path and [N, 3, H, W]."""
    def make(name, count=12, size=16, seed=0):
        rnd = np.random.RandomState(seed)
        coarse = rnd.randint(0, 256, [count, 3, 4, 4]).astype(np.uint8)
        images = coarse.repeat(size // 4, axis=2).repeat(size // 4, axis=3)
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(str(tmp_path / name / '{:03d}.png'.format(i)))
        return str(tmp_path / name), images
    return make
