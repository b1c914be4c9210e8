"""Every case of tests/data/ada/augment.npz: values, matrices, margins, filters and gradients of the published code."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib.ops import native
from tests.training.golden_ada import FILES
from training.augment import color, corruptions, geometry, pipeline
from training.augment.parameters import Parameters

GOLDEN = FILES.arrays('augment')
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
        found['g'] = corruptions.band_gains(feeds['imgfilter_t'])
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


def check_gradient(key, found):
    """Compares by the L2 distance, relative to what is expected."""
    expected = GOLDEN[key]
    error = np.linalg.norm(np.float64(found) - expected) / max(np.linalg.norm(expected), 1e-12)
    FILES.note('augment', key, error, 1e-5)
    assert error < 1e-5, key


@pytest.mark.parametrize('ops, case', [('auto', case) for case in CASES] + [
    ('ref', case) for case in CASES if f'{case}/margins' in GOLDEN])
def test_published_results(results, ops, case):
    name, size = case.split('/', 1)
    image = GOLDEN['x/' + size]
    given = {key.rsplit('/', 1)[1]: GOLDEN[key] for key in GOLDEN if key.startswith(case + '/p/')}
    for group in (GEOMETRY, COLOR):  # the rest of a group as identity, so that all cases of a size share a graph
        if set(given) & set(group):
            given = dict({key: np.float32([value] * len(image)) for key, value in group.items()}, **given)
    found = results(image, given, ops)

    def compare(key, actual, atol=0.0, relative=0.0):
        FILES.compare('augment', f'{case}/{key}', actual, atol + relative * np.abs(GOLDEN[f'{case}/{key}']).max())

    values = found['exact'][0]
    compare('y', values, TOLERANCES.get(name.split('_')[0], 1e-4))
    assert np.sqrt(np.mean(np.square(values - GOLDEN[f'{case}/y']))) < 1e-5
    for key, rule in (('dx', 'exact'), ('dx_exact', 'exact'), ('dx_tf', 'published')):
        if f'{case}/{key}' in GOLDEN:
            check_gradient(f'{case}/{key}', found[rule][1])
    if f'{case}/G_inv' in GOLDEN:
        matrices, margins, on_canvas = found['geometry']
        np.testing.assert_array_equal(found['published'][0], values)
        compare('G_inv', matrices, relative=1e-6)
        compare('margins', margins, 1)  # rounding, where a corner lies on a pixel
        warp = GOLDEN[f'{case}/warp']
        if (margins == GOLDEN[f'{case}/margins']).all():
            whole = np.concatenate([on_canvas.reshape(-1, 6), np.zeros([len(warp), 2])], axis=1)
            compare('warp', whole, relative=5e-5)
    if f'{case}/C' in GOLDEN:
        expected = GOLDEN[f'{case}/C'][:, :3]  # the last row is used by nobody
        FILES.compare('augment', f'{case}/C', found['C'][:, :3], 1e-6 * np.abs(expected).max(), part=np.s_[:, :3])
    for key in ('g', 'f'):
        if f'{case}/{key}' in GOLDEN:
            compare(key, found[key], 1e-6)


def test_filters():
    FILES.compare('augment', 'fbank', corruptions.filter_bank(), 1e-7)


def test_every_kind_of_value_is_compared(request):
    FILES.check_all_used(request, 'augment/test_golden.py')
    FILES.check_all_owned()
    assert len(CASES) > 80
