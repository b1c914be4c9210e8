"""Statistics that batch norm stores: those of all workers, one after another."""

import numpy as np
import tensorflow.compat.v1 as tf

from training.blocks import norm, plain

SETTING = plain.Setting(norm='batch', init='uniform', stores_statistics=True)


def test_workers_store_what_rounds_store(session, monkeypatch):
    """Two workers with an image each against one that sees one after the other."""
    images = np.random.RandomState(0).normal(3, 2, [2, 1, 4, 5, 2]).astype(np.float32)
    x = tf.placeholder(tf.float32, [1, 4, 5, 2])

    def build(name):
        with tf.variable_scope(name):
            y = norm.batch_norm_layer(x, SETTING)
        stored = [var for var in tf.global_variables() if var.name.startswith(name) and 'moving' in var.name]
        session.run(tf.variables_initializer(tf.global_variables(name)))
        return y, stored
    one, expected = build('rounds')
    for image in images:
        session.run(one, {x: image})
    others = []
    for image in images:  # what each exchanges
        axes = (0, 1, 2)
        others.append([image.mean(axis=axes), image.var(axis=axes, ddof=1)])
    values = iter(range(2))  # mean, variance

    def all_gather(value):
        return [value, tf.constant(others[1][next(values)])]
    monkeypatch.setattr(norm.collectives, 'all_gather', all_gather)
    both, found = build('workers')
    session.run(both, {x: images[0]})
    np.testing.assert_allclose(session.run(found), session.run(expected), rtol=1e-5)
    np.testing.assert_allclose(session.run(expected)[0], 0.9 * 0.1 * others[0][0] + 0.1 * others[1][0], rtol=1e-5)
