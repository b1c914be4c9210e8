"""Spectral normalization against NumPy: values, gradients, and what is stored when."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from training.blocks import spectral

WEIGHT = np.random.RandomState(0).randn(3, 3, 2, 5).astype(np.float32)
START = np.random.RandomState(1).randn(1, 5).astype(np.float32)


def iterate(u, weight=WEIGHT):
    """(next u, largest singular value) by one step."""
    matrix = weight.reshape(-1, 5).astype(np.float64)
    v = u @ matrix.T
    u = v / np.linalg.norm(v) @ matrix
    return u / np.linalg.norm(u), np.linalg.norm(u)


def test_values_gradients_and_state(session):
    weight = tf.constant(WEIGHT)
    with tf.variable_scope('a'):
        trained = spectral.normalize(weight, is_training=True)
    with tf.variable_scope('a', reuse=True):
        seen = spectral.normalize(weight, is_training=False)
    variable, = tf.global_variables()
    assert variable.op.name == 'a/weight_sn' and variable not in tf.trainable_variables()
    direction = np.random.RandomState(2).randn(*WEIGHT.shape).astype(np.float32)
    slope = tf.reduce_sum(tf.gradients(tf.reduce_sum(seen * direction[::-1]), weight)[0] * direction)
    tflib.set_vars({variable: START})
    u, norm = iterate(START)
    for _ in range(2):
        np.testing.assert_allclose(session.run(seen), WEIGHT / norm, rtol=1e-4)
    differences = [(WEIGHT + step * direction) / iterate(START, WEIGHT + step * direction)[1] for step in (1e-3, -1e-3)]
    wanted = np.vdot(direction[::-1], differences[0] - differences[1]) / 2e-3
    np.testing.assert_allclose(session.run(slope), wanted, rtol=1e-3)  # through the vectors as well
    for _ in range(60):
        np.testing.assert_allclose(session.run(trained), WEIGHT / norm, rtol=1e-4)
        np.testing.assert_allclose(session.run(variable), u, rtol=1e-3, atol=1e-4)
        u, norm = iterate(u)
    np.testing.assert_allclose(norm, np.linalg.svd(WEIGHT.reshape(-1, 5))[1][0], rtol=1e-3)


def test_evaluations_of_one_session_call_go_one_after_another(session):
    with random.seeded(tf.constant([0, 0])):
        results = []
        for _ in range(3):
            with tf.variable_scope('a', reuse=tf.AUTO_REUSE):
                results.append(spectral.normalize(tf.constant(WEIGHT), is_training=True))
    variable, = tf.global_variables()
    tflib.set_vars({variable: START})
    norms = [(WEIGHT / value).mean() for value in session.run(results)]
    u = START
    for norm in norms:
        u, wanted = iterate(u)
        np.testing.assert_allclose(norm, wanted, rtol=1e-4)
    np.testing.assert_allclose(session.run(variable), u, rtol=1e-4, atol=1e-5)


def test_saved_vectors_of_several_workers(session, monkeypatch):
    """Each worker makes the steps that as many rounds would have made, and stores what the last one does."""
    weight, found = tf.constant(WEIGHT), []
    monkeypatch.setattr(spectral.collectives, 'num_workers', lambda: 2)
    for worker in (0, 1):
        monkeypatch.setattr(spectral.collectives, 'worker', lambda worker=worker: worker)
        with tf.variable_scope('a', reuse=tf.AUTO_REUSE):
            found.append(spectral.normalize_saved(weight, spectral.Saved(is_training=True)))
    with tf.variable_scope('a', reuse=True):
        seen = spectral.normalize_saved(weight, spectral.Saved())
        table = spectral.normalize_saved(tf.transpose(tf.reshape(weight, [-1, 5])), spectral.Saved(transposed=True))
    vector, value = tf.global_variables()
    assert [var.op.name for var in (vector, value)] == ['a/u0', 'a/sv0'] and not tf.trainable_variables()
    norms, u = [], START
    for _ in range(2):
        v = u @ WEIGHT.reshape(-1, 5).T
        v /= np.linalg.norm(v)
        u = v @ WEIGHT.reshape(-1, 5)
        norms.append(np.linalg.norm(u))
        u /= norms[-1]
    for one, norm in zip(found, norms):
        tflib.set_vars({vector: START})
        np.testing.assert_allclose(session.run(seen), WEIGHT / norms[0], rtol=1e-4)
        np.testing.assert_allclose(session.run(table), WEIGHT.reshape(-1, 5).T / norms[0], rtol=1e-4)
        np.testing.assert_allclose(session.run(one), WEIGHT / norm, rtol=1e-4)
        np.testing.assert_allclose(session.run(vector), u, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(session.run(value), [norms[1]], rtol=1e-4)
