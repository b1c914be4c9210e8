"""TensorFlow, a generator and its projector of one run."""

import pathlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from projector import session as session_module
from training import pretrained

NETWORK = str(pathlib.Path(__file__).parent.parent / 'data' / 'labels3_r16.pkl')


def test_generated_pictures_are_of_the_class():
    with tf.Graph().as_default():
        settings = session_module.Settings(*[None] * 11)._replace(seed=0, label='1', precision='float32')
        session = session_module.Session(pretrained.resolve(NETWORK), settings, {'device': 'cpu'})
        stored = session.drawer.stored_noise()
        image = session.generate([5], 0.7)
        for name, noise in session.drawer.stored_noise().items():
            np.testing.assert_array_equal(noise, stored[name])  # put back
        rnd = np.random.RandomState(5)
        latents = rnd.randn(1, *session.Gs.input_shape[1:])
        for i, size in enumerate([4, 8, 8, 16, 16]):
            session.Gs.set_var('G_synthesis/noise%d' % i, rnd.randn(1, 1, size, size))
        expected, other = [session.Gs.run(latents, labels, randomize_noise=False, truncation_psi=0.7)
                           for labels in (np.float32([[0, 1, 0]]), None)]
        tflib.close_tf()
    np.testing.assert_allclose(image, expected, atol=1e-5)
    assert np.abs(image - other).max() > 1e-3
