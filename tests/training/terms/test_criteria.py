"""Criteria in closed form, at large scores, and that each pulls scores the right way."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from training.terms import criteria

FAKE = np.float32([[-100], [-2], [0], [0.5], [100]])
REAL = np.float32([[3], [-1], [0], [100], [-100]])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


@pytest.mark.parametrize('name, expected', [
    ('G_saturating', lambda f: np.log(1 - sigmoid(f))), ('G_non_saturating', lambda f: -np.log(sigmoid(f))),
    ('G_wasserstein', lambda f: -f), ('drift', lambda q: q ** 2)])
def test_of_one_score(session, name, expected):
    values = session.run(getattr(criteria, name)(tf.constant(FAKE)))
    assert values.shape == FAKE.shape and np.isfinite(values).all()
    np.testing.assert_allclose(values[:4], expected(FAKE[:4]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('name, expected', [
    ('D_logistic', lambda f, q: -np.log(1 - sigmoid(f)) - np.log(sigmoid(q))), ('D_wasserstein', lambda f, q: f - q)])
def test_of_fake_and_real(session, name, expected):
    values = session.run(getattr(criteria, name)(tf.constant(FAKE), tf.constant(REAL)))
    assert values.shape == FAKE.shape
    np.testing.assert_allclose(values[:4], expected(FAKE[:4], REAL[:4]), rtol=1e-5)
    assert values[4, 0] == pytest.approx(200)  # the worst scores: no overflow


@pytest.mark.parametrize('name', ['G_saturating', 'G_non_saturating', 'G_wasserstein', 'D_logistic', 'D_wasserstein'])
def test_gradients_are_those_of_differences_and_point_the_right_way(session, name):
    scores = [tf.constant(FAKE[1:4]), tf.constant(REAL[:3])][:1 if name.startswith('G_') else 2]
    function = getattr(criteria, name)
    slopes = session.run(tf.gradients(function(*scores), scores))
    for i, slope in enumerate(slopes):
        up, down = [session.run(function(*scores[:i], scores[i] + step, *scores[i + 1:])) for step in (1e-2, -1e-2)]
        np.testing.assert_allclose(slope, (up - down) / 2e-2, rtol=1e-3)
        assert (slope > 0 if name.startswith('D_') and i == 0 else slope < 0).all()  # of fakes down for D only
