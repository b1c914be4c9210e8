"""Tests of the networks against the reference files in tests/data, computed by the published system."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.files import network_file
from dnnlib.tflib import network_pickle
from generator import info, network_data
from tests.dnnlib.tflib.test_network_pickle import Fake, pickled
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


def older(network, version):
    """A network that pickles as one of an older version: without components if there are none."""
    state = dict(network.state, version=version, build_module_src='raise SystemExit\n')
    state['variables'] = [(name, getattr(value, 'value', value)) for name, value in state['variables']]
    state['components'] = {key: older(item, version) for key, item in state['components'].items()}
    if not state['components']:
        del state['components']
    return Fake(state)


def test_older_pickles_of_stylegan_1(session, data_dir, tmp_path):
    """Versions 2 and 3, which StyleGAN 1 wrote, under the protocols of Python 2 and 3."""
    original = (data_dir / 'configa_r16.pkl').read_bytes()
    networks = network_file.read_inert(original)
    expected = [network_data.hash_of(network.state) for network in networks]
    for version, protocol in [(2, 2), (2, 3), (3, 2), (3, 4)]:
        data = pickled(tuple(older(network, version) for network in networks), protocol)
        found = network_file.read_inert(data)
        assert [network_data.hash_of(network.state) for network in found] == expected
        lines = info.describe(data)
        assert lines[:3] == info.describe(original)[:3] and 'state version %d' % version in lines[3]
    (tmp_path / 'old.pkl').write_bytes(pickled(tuple(older(network, 2) for network in networks), 2))
    Gs = network_pickle.load(str(tmp_path / 'old.pkl'), BUILD_MODULES, only=2)
    with np.load(str(data_dir / 'configa_r16.npz')) as ref:
        images = Gs.run(ref['latents'], None, randomize_noise=False)
        np.testing.assert_allclose(images, ref['images_default'], **CLOSE)
