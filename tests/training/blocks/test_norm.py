"""Statistics that batch norm stores: those of all workers, one after another."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from training.blocks import norm, plain

SETTING = plain.Setting(norm='batch', init='uniform', stores_statistics=True)


def test_workers_store_what_rounds_store(session, monkeypatch):
    """Two workers with two evaluations each in one session call, against one that does these in two rounds."""
    images = np.random.RandomState(0).normal(3, 2, [2, 2, 1, 4, 5, 2]).astype(np.float32)
    x = tf.placeholder(tf.float32, images.shape[1:])

    def build(name):
        with random.seeded(tf.constant([0, 0])), tf.variable_scope(name, reuse=tf.AUTO_REUSE):
            y = [norm.batch_norm_layer(image, SETTING) for image in tf.unstack(x)]
        stored = [var for var in tf.global_variables() if var.name.startswith(name) and 'moving' in var.name]
        session.run(tf.variables_initializer(tf.global_variables(name)))
        return y, stored
    one, expected = build('rounds')
    for of_worker in images:
        session.run(one, {x: of_worker})
    other = [image.mean(axis=(0, 1, 2)) if kind == 'mean' else image.var(axis=(0, 1, 2), ddof=1)
             for image in images[1] for kind in ('mean', 'variance')]  # what it sends
    values = iter(other)
    monkeypatch.setattr(norm.collectives, 'all_gather', lambda value: [value, tf.constant(next(values))])
    both, found = build('workers')
    session.run(both, {x: images[0]})
    np.testing.assert_allclose(session.run(found), session.run(expected), rtol=1e-6)
    own = [image.mean(axis=(0, 1, 2)) for image in images[0]]
    weights = 0.1 * 0.9 ** np.arange(3, -1, -1)
    np.testing.assert_allclose(session.run(expected)[0], weights @ [*own, other[0], other[2]], rtol=1e-5)
