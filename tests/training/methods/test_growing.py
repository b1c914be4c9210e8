"""What growing networks need of a training."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from tests.training.test_train_step import number_net
from training.methods import growing


def growing_net(latents_in, is_template_graph=False, components=None):
    """A network with a level of detail."""
    return number_net(latents_in) * tf.get_variable('part/lod', shape=[], trainable=False)


@pytest.mark.parametrize('lod, size', [
    (0.0, (16, 8)), (0.25, (16, 8)), (1.0, (16, 8)), (2.0, (16, 8)), (1.25, (28, 20)), (2.0, (28, 20))])
def test_fade_of_reals(session, lod, size):
    full = np.random.RandomState(0).rand(2, 3, *size).astype(np.float32)

    def level(k):  # the level k, pixels repeated to full size
        small = full.reshape(2, 3, size[0] >> k, 1 << k, size[1] >> k, 1 << k).mean(axis=(3, 5))
        return small, small.repeat(1 << k, axis=2).repeat(1 << k, axis=3)
    floor = int(lod)
    faded = session.run(growing.fade_reals(tf.constant(level(floor)[0]), lod, [3] + list(size)))
    expected = level(floor)[1]
    if lod > floor:
        expected = expected * (1 - (lod - floor)) + level(floor + 1)[1] * (lod - floor)
    np.testing.assert_allclose(faded, expected, atol=1e-6)


def test_networks_that_cannot_grow_are_refused(session):
    networks = dict(E=tflib.Network('E', 'tests.training.test_train_step.number_net'))
    with pytest.raises(UserError, match=re.escape(
            'network E cannot grow; use the networks of config-a to config-d, or set lod_initial_resolution to None')):
        growing.check_growing(networks)


def test_networks_are_told_the_level(session):
    network = tflib.Network('A', __name__ + '.growing_net')
    assert not growing.can_grow(network)  # its variable is that of a part
    tflib.run(growing.set_lod([network], 1.5))
    assert network.get_var('part/lod') == 1.5
