"""Fixtures of the metric tests."""

import pytest
import tensorflow.compat.v1 as tf

from metrics import weights
from tests.metrics import lpips_reference


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
