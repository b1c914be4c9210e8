"""Every case of tests/data/ada/augment.npz: values, matrices, margins, filters and gradients of the published code."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib.ops import native
from training.augment import color, corruptions, geometry, pipeline
from training.augment.parameters import Parameters

DATA = os.path.join(os.path.dirname(__file__), '..', '..', 'data', 'ada')
with np.load(os.path.join(DATA, 'augment.npz')) as _file:
    GOLDEN = {name: _file[name] for name in _file.files}
CASES = sorted({name.rsplit('/y', 1)[0] for name in GOLDEN if name.endswith('/y')})
GEOMETRY = dict(xflip_i=0, rotate90_i=0, xint_t=(0, 0), scale_s=1, rotate_pre=0, aniso_s=1, rotate_post=0,
                xfrac_t=(0, 0))  # parameters and their identity
COLOR = dict(brightness_b=0, contrast_c=1, lumaflip_i=0, hue_theta=0, saturation_s=1)
TOLERANCES = {'imgfilter': 5e-6, 'cutout': 0, 'brightness': 2e-6, 'contrast': 2e-6, 'lumaflip': 2e-6, 'hue': 2e-6,
              'saturation': 2e-6, 'noise': 2e-6}  # all others: 1e-4


def build(image, given, ops):
    """Placeholders, and what is compared, for images and parameters of these shapes."""
    native.set_mode(ops)
    x = tf.placeholder(tf.float32, image.shape)
    feeds = {name: tf.placeholder(tf.float32, value.shape) for name, value in given.items()}
    parameters, found = Parameters(**feeds), {}
    height, width = image.shape[2:]
    matrices = geometry.inverse_matrices(parameters, width, height)
    for rule in ('exact', 'published') if matrices is not None else ('exact',):
        y = pipeline.apply(x, parameters, rule)
        found[rule] = y, tf.gradients(tf.reduce_sum(tf.square(y)), x)[0]
    if matrices is not None:
        around = geometry.margins(matrices, width, height)
        found['geometry'] = matrices, around, geometry.canvas_matrices(matrices, around, width, height)
    found['C'] = color.color_matrices(parameters, image.shape[1])
    if 'imgfilter_t' in feeds:
        found['f'] = corruptions.taps(feeds['imgfilter_t'])
    return x, feeds, {name: value for name, value in found.items() if value is not None}


@pytest.fixture(scope='module')
def results():
    """Function of images and parameters that runs the pipeline; graphs are kept, one for each set of shapes."""
    kept = {}

    def run(image, given, ops):
        key = (ops, image.shape, tuple((name, given[name].shape) for name in sorted(given)))
        if key not in kept:
            graph = tf.Graph()
            with graph.as_default():
                kept[key] = build(image, given, ops), tf.Session(graph=graph)
        (x, feeds, found), session = kept[key]
        return session.run(found, {x: image, **{feeds[name]: given[name] for name in given}})
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu'})
        yield run
        tflib.close_tf()


def relative(a, b):
    """L2 distance from b, relative to it."""
    return np.linalg.norm(np.float64(a) - b) / max(np.linalg.norm(b), 1e-12)


@pytest.mark.parametrize('ops, case', [('auto', case) for case in CASES] + [
    ('ref', case) for case in CASES if case.endswith('16x16/rgb') and f'{case}/margins' in GOLDEN])
def test_published_results(results, ops, case):
    name, size = case.split('/', 1)
    image = GOLDEN['x/' + size]
    given = {key.rsplit('/', 1)[1]: value for key, value in GOLDEN.items() if key.startswith(case + '/p/')}
    for group in (GEOMETRY, COLOR):  # the rest of a group as identity, so that all cases of a size share a graph
        if set(given) & set(group):
            given = dict({key: np.float32([value] * len(image)) for key, value in group.items()}, **given)
    found = results(image, given, ops)
    expected = {key[len(case) + 1:]: value for key, value in GOLDEN.items() if key.startswith(case + '/')}

    values = found['exact'][0]
    np.testing.assert_allclose(values, expected['y'], rtol=0, atol=TOLERANCES.get(name.split('_')[0], 1e-4))
    assert np.sqrt(np.mean(np.square(values - expected['y']))) < 1e-5
    compared = [(key, rule) for key, rule in (('dx', 'exact'), ('dx_exact', 'exact'), ('dx_tf', 'published'))
                if key in expected]
    for key, rule in compared:
        assert relative(found[rule][1], expected[key]) < 1e-5
    if 'G_inv' in expected:
        matrices, margins, on_canvas = found['geometry']
        np.testing.assert_array_equal(found['published'][0], values)
        np.testing.assert_allclose(matrices, expected['G_inv'], rtol=0, atol=1e-6 * np.abs(expected['G_inv']).max())
        assert np.abs(margins - expected['margins']).max() <= 1  # rounding, where a corner lies on a pixel
        if (margins == expected['margins']).all():
            warp = expected['warp'][:, :6].reshape(-1, 2, 3)
            np.testing.assert_allclose(on_canvas, warp, rtol=0, atol=5e-5 * np.abs(warp).max())
    if 'C' in expected:
        assert np.abs(found['C'] - expected['C'])[:, :3].max() < 1e-6 * np.abs(expected['C']).max()
    if 'f' in expected:
        np.testing.assert_allclose(found['f'], expected['f'], rtol=0, atol=1e-6)


def test_every_kind_of_value_is_compared():
    kinds = {key.split('/', 3)[3] for key in GOLDEN if key.count('/') > 2}
    assert {'y', 'dx', 'dx_tf', 'dx_exact', 'G_inv', 'margins', 'warp', 'C', 'f', 'g'} <= kinds and len(CASES) > 80
