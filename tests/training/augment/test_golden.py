"""Every case of tests/data/ada/augment.npz: values, matrices, margins, filters and gradients of the published code."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from training.augment import color, corruptions, geometry, pipeline
from training.augment.parameters import Parameters

DATA = os.path.join(os.path.dirname(__file__), '..', '..', 'data', 'ada')
with np.load(os.path.join(DATA, 'augment.npz')) as _file:
    GOLDEN = {name: _file[name] for name in _file.files}
CASES = sorted({name.rsplit('/y', 1)[0] for name in GOLDEN if name.endswith('/y')})
GEOMETRY = ('xflip', 'rotate90', 'xint', 'scale', 'rotate', 'aniso', 'xfrac')
TOLERANCES = {'imgfilter': 5e-6, 'cutout': 0, 'brightness': 2e-6, 'contrast': 2e-6, 'lumaflip': 2e-6, 'hue': 2e-6,
              'saturation': 2e-6, 'noise': 2e-6}  # all others: 1e-4


class Golden:
    """One graph and session; what was built for one set of shapes is used for every case that has it."""

    def __init__(self):
        self.built = {}

    def build(self, image, given):
        """Placeholders and results for images and parameters of these shapes."""
        key = (image.shape, tuple((name, given[name].shape) for name in sorted(given)))
        if key not in self.built:
            x = tf.placeholder(tf.float32, image.shape)
            feeds = {name: tf.placeholder(tf.float32, value.shape) for name, value in given.items()}
            parameters = Parameters(**feeds)
            found = {}
            for rule in ('exact', 'published'):
                y = pipeline.apply(x, parameters, rule)
                found[rule] = y, tf.gradients(tf.reduce_sum(tf.square(y)), x)[0]
            height, width = image.shape[2:]
            matrices = geometry.inverse_matrices(parameters, width, height)
            if matrices is not None:
                around = geometry.margins(matrices, width, height)
                found['geometry'] = matrices, around, geometry.canvas_matrices(matrices, around, width, height)
            found['C'] = color.color_matrices(parameters, image.shape[1])
            if 'imgfilter_t' in feeds:
                found['f'] = corruptions.taps(feeds['imgfilter_t'])
            self.built[key] = x, feeds, {name: value for name, value in found.items() if value is not None}
        return self.built[key]


@pytest.fixture(scope='module')
def golden():
    """A Golden in a session of its own."""
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu'})
        yield Golden()
        tflib.close_tf()


def relative(a, b):
    """L2 distance from b, relative to it."""
    return np.linalg.norm(np.float64(a) - b) / max(np.linalg.norm(b), 1e-12)


@pytest.mark.parametrize('case', CASES)
def test_published_results(golden, case):
    name, size = case.split('/', 1)
    image = GOLDEN['x/' + size]
    given = {key.rsplit('/', 1)[1]: value for key, value in GOLDEN.items() if key.startswith(case + '/p/')}
    x, feeds, fetches = golden.build(image, given)
    found = tf.get_default_session().run(fetches, {x: image, **{feeds[key]: given[key] for key in given}})
    expected = {key[len(case) + 1:]: value for key, value in GOLDEN.items() if key.startswith(case + '/')}

    values = found['exact'][0]
    np.testing.assert_allclose(values, expected['y'], rtol=0, atol=TOLERANCES.get(name.split('_')[0], 1e-4))
    np.testing.assert_array_equal(values, found['published'][0])
    assert np.sqrt(np.mean(np.square(values - expected['y']))) < 1e-5
    for key, rule in (('dx', 'exact'), ('dx_exact', 'exact'), ('dx_tf', 'published')):
        if key in expected:
            assert relative(found[rule][1], expected[key]) < 1e-5
    if 'geometry' in found:
        matrices, margins, on_canvas = found['geometry']
        np.testing.assert_allclose(matrices, expected['G_inv'], rtol=0, atol=1e-6 * np.abs(expected['G_inv']).max())
        assert np.abs(margins - expected['margins']).max() <= 1
        if (margins == expected['margins']).all():
            warp = expected['warp'][:, :6].reshape(-1, 2, 3)
            np.testing.assert_allclose(on_canvas, warp, rtol=0, atol=5e-5 * np.abs(warp).max())
    if 'C' in found:
        assert np.abs(found['C'] - expected['C'])[:, :3].max() < 1e-6 * np.abs(expected['C']).max()
    if 'f' in found:
        np.testing.assert_allclose(found['f'], expected['f'], atol=1e-6)
