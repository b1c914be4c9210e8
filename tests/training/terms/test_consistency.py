"""Consistency terms against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from training.terms import consistency

RND = np.random.RandomState(0)
IMAGES, OTHERS = [RND.randn(3, 2, 4, 4).astype(np.float32) for _ in range(2)]


def test_distances(session):
    scores, others = RND.randn(2, 3, 1).astype(np.float32)
    results = session.run([consistency.score_consistency(scores, others),
                           consistency.image_distance(tf.constant(IMAGES), OTHERS)])
    np.testing.assert_allclose(results[0], (scores - others) ** 2, rtol=1e-5)
    np.testing.assert_allclose(results[1][:, 0], np.mean((IMAGES - OTHERS) ** 2, axis=(1, 2, 3)), rtol=1e-5)


def test_rotations_are_quarter_turns(session):
    turned = session.run(consistency.rotations(tf.constant(IMAGES)))
    for k in range(4):
        np.testing.assert_array_equal(turned[3 * k:3 * k + 3], np.rot90(IMAGES, k, axes=(2, 3)))
    with pytest.raises(UserError, match='square images only, these have 5x4 pixels'):
        consistency.rotations(tf.zeros([1, 3, 4, 5]))


def test_entropy_of_the_rotations_of_an_image(session):
    logits = RND.randn(12, 4).astype(np.float32)
    wanted = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[np.arange(12), np.arange(12) // 3]
    result = session.run(consistency.rotation_entropy(tf.constant(logits)))
    np.testing.assert_allclose(result, wanted.reshape(4, 3).mean(axis=0)[:, np.newaxis], rtol=1e-5)
