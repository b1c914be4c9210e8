"""The laws of the parameters (StyleGAN2-ADA, appendix B; tables of Karras et al. 2020), and values at a percentile."""

import json
import math
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import random
from training.augment import corruptions
from training.augment.parameters import Options, draw
from training.options import augmentation

ALL = Options(**dict.fromkeys(augmentation.MULTIPLIERS, 1))
COUNT = 20000
DATA = os.path.join(os.path.dirname(__file__), '..', '..', 'data', 'ada')
TURN, EIGHTH = math.pi / math.sqrt(3), 0.125 / math.sqrt(3)  # standard deviations of uniform laws
LAWS = {  # parameter: (share that is not the identity, as a function of q; identity; mean and std of the rest)
    'xflip_i': (lambda q: q / 2, 0, 1, 0), 'lumaflip_i': (lambda q: q / 2, 0, 1, 0),
    'rotate90_i': (lambda q: q * 3 / 4, 0, 2, math.sqrt(2 / 3)), 'xint_t': (lambda q: q, 0, 0, EIGHTH),
    'scale_s': (lambda q: q, 1, 0, 0.2), 'aniso_s': (lambda q: q, 1, 0, 0.2),
    'rotate_pre': (lambda q: 1 - math.sqrt(1 - q), 0, 0, TURN),
    'rotate_post': (lambda q: 1 - math.sqrt(1 - q), 0, 0, TURN), 'xfrac_t': (lambda q: q, 0, 0, 0.125),
    'brightness_b': (lambda q: q, 0, 0, 0.2), 'contrast_c': (lambda q: q, 1, 0, 0.5),
    'hue_theta': (lambda q: q, 0, 0, TURN), 'saturation_s': (lambda q: q, 1, 0, 1),
    'imgfilter_t': (lambda q: q, 1, 0, 1),
    'noise_sigma': (lambda q: q, 0, 0.07979, 0.06028), 'cutout_size': (lambda q: q, 0, 0.5, 0),
    'cutout_center': (lambda q: 1, -1, 0.5, 0.28868)}


@pytest.fixture(scope='module')
def drawn():
    """{strength: parameters of COUNT images as arrays, of two calls}."""
    with tf.Graph().as_default(), tf.Session() as session:
        strength, seed = tf.placeholder(tf.float32, []), tf.placeholder(tf.int64, [2])
        with random.seeded(seed):
            calls = [draw(ALL, COUNT, strength)._asdict() for _ in range(2)]
        fetches = [{name: value for name, value in call.items() if value is not None} for call in calls]
        return {p: session.run(fetches, {strength: p, seed: [3, 4]}) for p in (0.3, 0, 1, 7)}


@pytest.mark.parametrize('name', sorted(LAWS))
def test_laws(drawn, name):
    share, identity, mean, std = LAWS[name]
    values = drawn[0.3][0][name].reshape(COUNT, -1)
    is_active = values != identity
    if name != 'imgfilter_t':  # one gate for both axes; one for each band
        assert (is_active.all(axis=1) == is_active.any(axis=1)).all()
    bound = 4 * math.sqrt(share(0.3) * (1 - share(0.3)) / COUNT)
    assert np.abs(is_active.mean(axis=0) - share(0.3)).max() <= bound + 1e-9
    for column, active in zip(values.T, is_active.T):
        rest = np.log2(column[active]) if identity == 1 else column[active]
        assert abs(rest.mean() - mean) <= 4 * std / math.sqrt(len(rest)) + 1e-6
        assert abs(rest.std() - std) <= 4 * std / math.sqrt(2 * len(rest)) + 1e-6
    if name == 'rotate90_i':
        each = [np.mean(values == i) for i in (1, 2, 3)]
        assert np.abs(np.subtract(each, 0.075)).max() < 4 * math.sqrt(0.075 / COUNT)


def test_share_that_is_cut_out(session):
    """7/16 of each side on average, as a rectangle may lie half outside."""
    parameters = draw(Options(cutout=1), 5000)
    cut = 1 - session.run(tf.reduce_mean(corruptions.corrupt(tf.ones([5000, 1, 32, 32]), parameters), axis=[1, 2, 3]))
    assert abs(cut.mean() - 0.4375 ** 2) < 4 * cut.std() / math.sqrt(len(cut)) and 0.05 < cut.min() < cut.max() <= 0.25


def test_uniform_laws_have_ends(drawn):
    for name, limit in (('xint_t', 0.125), ('rotate_pre', math.pi), ('rotate_post', math.pi), ('hue_theta', math.pi)):
        values = drawn[1][0][name]
        assert limit * 0.999 < values.max() <= limit and -limit <= values.min() < -limit * 0.999
    assert 0 <= drawn[1][0]['cutout_center'].min() and drawn[1][0]['cutout_center'].max() <= 1


def test_everything_is_independent(drawn):
    columns = [values.reshape(COUNT, -1) for call in drawn[0.3] for values in call.values()]
    correlations = np.corrcoef(np.concatenate(columns, axis=1).T) - np.eye(sum(c.shape[1] for c in columns))
    pairs = correlations.size / 2
    # beyond 4 deviations: one of 16,000 pairs; of the two axes of a gate only the sizes of what is cut out are the same
    same = np.abs(correlations) > 0.99
    assert same.sum() == 4 and np.mean(np.abs(correlations[~same]) > 4 / math.sqrt(COUNT)) < 5 / pairs
    neighbors = np.concatenate([c[1:] for c in columns], axis=1), np.concatenate([c[:-1] for c in columns], axis=1)
    between_images = np.mean((neighbors[0] - neighbors[0].mean(0)) * (neighbors[1] - neighbors[1].mean(0)), axis=0)
    varies = neighbors[0].std(0) * neighbors[1].std(0)
    assert np.abs(between_images / np.maximum(varies, 1e-9)).max() < 5 / math.sqrt(COUNT)


def test_strength_0_is_the_identity_and_above_1_is_1(drawn):
    for name, (_, identity, _, _) in LAWS.items():
        if name != 'cutout_center':
            assert (drawn[0][0][name] == identity).all()
        np.testing.assert_array_equal(drawn[7][0][name], drawn[1][0][name])
    assert (drawn[1][0]['scale_s'] != 1).all() and (drawn[1][0]['rotate_pre'] != 0).all()


def test_operations_that_are_off_are_left_out():
    with tf.Graph().as_default():
        parameters = draw(Options(rotate=1, hue=0.5), 2)
    assert [name for name, value in parameters._asdict().items() if value is not None] == [
        'rotate_pre', 'rotate_post', 'hue_theta']


def test_bands_have_multipliers_of_their_own(session):
    options = Options(imgfilter=0.5, imgfilter_bands=(1, 0, 0.5, 2))
    gains = session.run(draw(options, COUNT).imgfilter_t)
    assert np.abs((gains != 1).mean(axis=0) - [0.5, 0, 0.25, 1]).max() < 4 * 0.5 / math.sqrt(COUNT)


def test_debug_percentile(session):
    with open(os.path.join(DATA, 'debug_percentile.json'), encoding='utf-8') as f:
        golden = json.load(f)
    names = dict(xflip='xflip_i', rotate90='rotate90_i', xint='xint_t', scale='scale_s', rotate_post='rotate_post',
                 aniso='aniso_s', xfrac='xfrac_t', brightness='brightness_b', contrast='contrast_c',
                 lumaflip='lumaflip_i', hue='hue_theta', saturation='saturation_s', noise='noise_sigma',
                 cutout='cutout_center')
    options = Options(**dict.fromkeys(augmentation.MULTIPLIERS, 1))
    for percentile, expected in golden.items():
        parameters = draw(options, 2, strength=0, debug_percentile=float(percentile))
        gains = corruptions.band_gains(parameters.imgfilter_t)
        found = session.run(dict({key: getattr(parameters, names[key]) for key in names}, imgfilter=gains))
        for key, value in expected.items():
            np.testing.assert_allclose(found[key].reshape(2, -1), [value] * 2, rtol=1e-6, atol=1e-6, err_msg=key)
        assert (session.run(parameters.cutout_size) == 0.5).all()


def test_a_percentile_is_a_share():
    with pytest.raises(UserError, match=r'debug_percentile=50: expected a number in \[0, 1\]'):
        draw(ALL, 1, debug_percentile=50)
