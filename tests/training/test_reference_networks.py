"""Tests of the networks against the reference files in tests/data, computed by the published system."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import network_pickle
from training.pretrained import BUILD_MODULES

CLOSE = dict(rtol=1e-4, atol=1e-4)


def assert_gradients_close(actual, expected):
    # both are float32, summed in another order
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=3e-4 * np.abs(expected).max())


@pytest.mark.parametrize('name', ['configf_r32', 'labels3_r16', 'gresnet_dskip_r32', 'configa_r16',
                                  'configd_r16'])
def test_reference_pickle_gives_the_reference_results(session, data_dir, name):
    _G, D, Gs = network_pickle.load(str(data_dir / (name + '.pkl')), BUILD_MODULES)
    with np.load(str(data_dir / (name + '.npz'))) as arrays:
        ref = dict(arrays)
    latents, labels = ref['latents'], ref.get('labels')

    np.testing.assert_allclose(Gs.components.mapping.run(latents, labels), ref['dlatents'], **CLOSE)
    for key, options in [('images', dict(truncation_psi=None)), ('images_default', {}),
                         ('images_psi06_cutoff3', dict(truncation_psi=0.6, truncation_cutoff=3))]:
        np.testing.assert_allclose(Gs.run(latents, labels, randomize_noise=False, **options), ref[key], **CLOSE)
    single = Gs.run(latents, labels, randomize_noise=False, truncation_psi=None, minibatch_size=1)
    np.testing.assert_allclose(single, ref['images'], **CLOSE)

    np.testing.assert_allclose(D.run(ref['images'], labels, minibatch_size=1), ref['scores_minibatch1'], **CLOSE)
    x = tf.constant(ref['images'])
    scores = D.get_output_for(x, None if labels is None else tf.constant(labels, tf.float32))
    scores, gradients = session.run([scores, tf.gradients(scores, [x])[0]])
    np.testing.assert_allclose(scores, ref['scores_minibatch4'], **CLOSE)
    assert_gradients_close(gradients, ref['grad_images'])

    w = tf.constant(ref['dlatents'][:2])
    images = Gs.components.synthesis.get_output_for(w, randomize_noise=False)
    gradients, = tf.gradients(images * ref['grad_projection'], [w])
    assert_gradients_close(session.run(gradients), ref['grad_dlatents'])
