"""The network of landmarks, masks, places and losses of heat maps, against the published program and formulas."""

import json

import numpy as np
import tensorflow.compat.v1 as tf

from tests.training import golden_domains as golden
from training.blocks import landmarks
from training.blocks.resample import resize_bilinear
from training.networks import fan, stargan2
from training.terms import wing
from training.torch_files import domains as tables
from training.torch_files.weights import Weights

CASE = 'fan_wing'


def published_weights(given):
    """{tensor: array} of the published network, by the recipe of the README."""
    with open(golden.path_of('default_shapes.json'), encoding='utf-8') as file:
        shapes = json.load(file)['stargan2/fan (98 landmarks)']['state_dict']
    rnd, found = np.random.RandomState(given['recipe_seed']), {}
    for name, shape in shapes.items():
        last = name.rsplit('.', 1)[1]
        if last == 'num_batches_tracked':
            continue
        if last == 'running_var':
            value = 0.5 + rnd.rand(*shape)
        elif last in ('running_mean', 'bias'):
            value = (0.2 if last == 'running_mean' else 0.1) * rnd.randn(*shape)
        elif len(shape) == 1:
            value = 0.7 + 0.6 * rnd.rand(*shape)
        else:
            value = rnd.randn(*shape) * np.sqrt(2 / np.prod(shape[1:]))
        found[name] = np.float32(value)
    found.update({name: given[name] for name in ('l0.weight', 'l0.bias')})
    return found


def check_mask(found, wanted):
    """Thresholds flip single pixels."""
    assert found.shape == wanted.shape and np.mean(np.abs(found - wanted) > 5e-3) <= 0.003


def test_published_network(session):
    given = golden.FILES.arrays(CASE)
    weights = Weights('FAN', {})
    weights.arrays = published_weights(given)
    values = weights.variables(tables.fan())
    weights.finish()
    network = golden.network('H', 'training.networks.fan.H_fan', values, resolution=64)
    maps = network.run(np.float32(given['x']))
    np.testing.assert_allclose(maps[:, given['heatmap_channels']], given['heatmap'], atol=2e-3)
    np.testing.assert_allclose(maps.mean(axis=(2, 3)), given['heatmap_mean'], atol=2e-3)
    np.testing.assert_allclose(maps.std(axis=(2, 3)), given['heatmap_std'], atol=2e-3)
    np.testing.assert_allclose(fan.coordinates(64, 64)[np.newaxis, 1:, ::8, ::8], given['boundary_channel'], atol=1e-6)
    masks = session.run(landmarks.masks_of(tf.constant(maps)))
    check_mask(masks[:, :1, ::4, ::4], given['mask1_every4'])
    check_mask(masks[:, 1:, ::4, ::4], given['mask2_every4'])
    np.testing.assert_array_equal(landmarks.places_of(maps[:, :98]) * (64 // 64), given['landmarks_256'])


def drawn(points, sigma, size, amplitude=1.0):
    """Maps of points, float32 [N, K, size, size]."""
    places = np.arange(size)
    parts = [np.exp(-(places - points[..., i, np.newaxis]) ** 2 / (2 * sigma ** 2)) for i in range(2)]
    return np.float32(np.reshape(amplitude, np.shape(amplitude) + (1, 1)) * parts[1][..., np.newaxis] * parts[0][
        ..., np.newaxis, :])


def test_masks_and_places_of_drawn_maps(session):
    given = golden.FILES.arrays(CASE)
    maps = drawn(given['pre_points'], given['pre_sigma'], 256, given['pre_amplitude'])
    masks = session.run(landmarks.masks_of(tf.constant(maps)))
    for number in (1, 2):
        check_mask(masks[:, number - 1:number, ::2, ::2], given[f'pre_mask{number}_every2'])
        np.testing.assert_allclose(masks[:, number - 1].sum(axis=(1, 2)), given[f'pre_mask{number}_sum'], rtol=2e-3)
    maps = drawn(given['dec_points'], given['dec_sigma'], 64)
    np.testing.assert_array_equal(landmarks.places_of(maps), given['dec_landmarks_64'])


def test_losses_and_filter(session):
    given = golden.FILES.arrays(CASE)
    prediction, target = tf.constant(np.float64(given['aw_pred'])), tf.constant(np.float64(given['aw_target']))
    loss = wing.adaptive_wing(prediction, target)
    other = wing.adaptive_wing(prediction, target, alpha=2.3, omega=10.0, epsilon=0.8, theta=0.4)
    maps, targets, masks = (given[f'aw_map_{name}'] for name in ('pred', 'target', 'mask'))
    weights = wing.boundary_weights(tf.constant(np.float32(targets[np.newaxis])))
    mean = tf.reduce_mean(tf.cast(weights, tf.float64) * wing.adaptive_wing(
        tf.constant(np.float64(maps)), tf.constant(np.float64(targets))))
    difference = tf.constant(np.float64(given['wing_diff']))
    found = session.run([loss, tf.gradients(loss, prediction)[0], other, mean, wing.wing(difference),
                         wing.wing(difference, 5.0, 0.5)])
    for value, key in zip(found, ('aw_loss', 'aw_grad', 'aw_loss_a2p3_w10_e0p8_t0p4', 'aw_map_weighted_mean',
                                  'wing_loss', 'wing_loss_w5_e0p5')):
        np.testing.assert_allclose(value, given[key], rtol=1e-6, atol=1e-6, err_msg=key)
    np.testing.assert_array_equal(session.run(weights)[0] > 1, masks > 0)
    image = tf.constant(np.float32(given['hpf_in'].transpose(0, 2, 3, 1)))
    filtered = session.run(stargan2.high_pass(image, float(given['hpf_w'])))
    np.testing.assert_allclose(filtered.transpose(0, 3, 1, 2), given['hpf_out'], atol=1e-5)


def test_bilinear(session):
    image = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    found = session.run([resize_bilinear(tf.constant(image), 4, 8, align) for align in (False, True)])
    np.testing.assert_allclose(found[0][0, 0, :, 0], [0, 1, 3, 4])
    np.testing.assert_allclose(found[0][0, 0, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    np.testing.assert_allclose(found[1][0, 0, 0], np.linspace(0, 3, 8), rtol=1e-6)


def test_every_array_of_these_cases_is_used(request):
    golden.FILES.check_all_used(request, 'blocks/test_landmarks.py')
