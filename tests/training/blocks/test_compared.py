"""Layers of PA-GAN and adaptive dropout: laws of the draws."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from training.blocks import compared


def test_bits_become_active_one_after_another(session):
    strength = tf.placeholder(tf.float32, [])
    bits = compared.draw_bits(4000, strength, 4, 0.5)
    for p, wanted in [(0, [0, 0, 0, 0]), (0.4, [0.5, 0.1, 0, 0]), (0.5, [0.5, 0.5, 0, 0]), (1, [0.5] * 4),
                      (9, [0.5] * 4)]:  # 0.4 x 4 = 1.6 of 4 bits: the second is at 1 - 0.4 / 0.5 of its half
        drawn = session.run(bits, {strength: p})
        assert set(np.unique(drawn)) <= {0, 1}
        np.testing.assert_allclose(drawn.mean(axis=0), wanted, atol=0.04)
    assert abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.08
    few = np.float32([[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(session.run(compared.signs_of(tf.constant(few))), [[1], [-1], [-1], [1]])


@pytest.mark.parametrize('shape', [[50, 2, 2, 40], [50, 40]])
def test_dropout_multiplies_whole_maps(session, shape):
    logs = np.log(session.run(compared.adaptive_dropout(tf.ones(shape), 0.3)))
    maps = logs.reshape(50, -1, 40)
    np.testing.assert_array_equal(maps, np.tile(maps[:, :1], [1, maps.shape[1], 1]))
    assert abs(maps[:, 0].mean()) < 0.03 and maps[:, 0].std() == pytest.approx(0.3, rel=0.1)
