"""TensorFlow, a generator and its projector of one run."""

import pathlib

import numpy as np
import tensorflow.compat.v1 as tf

from projector.session import Session

NETWORK = str(pathlib.Path(__file__).parent.parent / 'data' / 'labels3_r16.pkl')


def test_generated_pictures_are_of_the_class():
    with tf.Graph().as_default():
        session = Session(NETWORK, dict(seed=0, label='1'), {'device': 'cpu'})
        image = session.generate(5, 0.7)
        latents = np.random.RandomState(5).randn(1, *session.Gs.input_shape[1:])
        expected, other = [session.Gs.run(latents, labels, randomize_noise=False, truncation_psi=0.7)
                           for labels in (np.float32([[0, 1, 0]]), None)]
        session.tflib.close_tf()
    np.testing.assert_allclose(image, expected, atol=1e-5)
    assert np.abs(image - other).max() > 1e-3
