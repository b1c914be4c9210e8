"""Perceptual path length against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError
from dnnlib.tflib import random
from metrics import sampling
from metrics import perceptual_path_length as ppl
from metrics.features import detectors
from tests.metrics.features import lpips_reference
from tests.metrics.tiny_generator import PlainGenerator, tiny_generator
from training import pretrained


def _metric(**kwargs):
    options = dict(name='ppl', num_samples=6, epsilon=1e-4, space='w', sampling='end', crop=False, minibatch_per_gpu=4,
                   Gs_overrides={})
    return ppl.PPL(**dict(options, **kwargs))


def _slerp(a, b, t):
    """Rotation from a to b by the fraction t of their angle."""
    a, b = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    angle = np.arccos(np.sum(a * b, axis=-1, keepdims=True))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def test_slerp_equals_the_sine_formula(session):
    rnd = np.random.RandomState(0)
    a, b, t = rnd.randn(5, 7), rnd.randn(5, 7) * 3, rnd.rand(5, 1)
    found = session.run(ppl.slerp(tf.constant(np.float32(a)), tf.constant(np.float32(b)), tf.constant(np.float32(t))))
    np.testing.assert_allclose(found, _slerp(a, b, t), atol=1e-5)


def test_crop_is_the_face(session):
    images = np.arange(32 * 32, dtype=np.float32).reshape(1, 1, 32, 32)
    np.testing.assert_array_equal(session.run(ppl.crop_center(tf.constant(images))), images[:, :, 12:28, 8:24])


@pytest.mark.parametrize('count', [1, 2, 50, 100, 101, 1000])
def test_trimming_drops_both_ends(count):
    values = np.random.RandomState(1).exponential(size=count).astype(np.float32)
    try:
        low, high = np.percentile(values, 1, method='lower'), np.percentile(values, 99, method='higher')
    except TypeError:  # before NumPy 1.22
        low, high = (np.percentile(values, q, interpolation=i) for q, i in ((1, 'lower'), (99, 'higher')))
    kept = [value for value in values if low <= value <= high]
    np.testing.assert_array_equal(ppl.trimmed(values), np.sort(np.float64(kept)))
    assert count < 101 or len(kept) < count


@pytest.mark.parametrize('space, sampling, crop', [('w', 'full', False), ('z', 'full', True), ('w', 'end', True)])
def test_distances_equal_the_definition(session, narrow_lpips, space, sampling, crop):
    epsilon = 0.1  # large, so that float32 is exact enough
    Gs = tiny_generator(32)
    mapping, synthesis = Gs.components.mapping, Gs.components.synthesis
    metric = _metric(space=space, sampling=sampling, crop=crop, epsilon=epsilon, minibatch_per_gpu=2)
    seed = tf.constant([3, 4])
    with random.seeded(seed):
        distances_op = metric._distances(Gs, dict(is_validation=True), tf.zeros([2, 0]),
                                         detectors.LpipsVgg16(narrow_lpips))
    with random.seeded(seed):
        draws = [random.normal([2, 2] + Gs.input_shape[1:]), random.uniform([2, 1])]
    distances, latents, t = session.run([distances_op] + draws)
    t = t if sampling == 'full' else np.zeros_like(t)
    if space == 'w':
        ends = mapping.run(latents.reshape(4, -1), None).reshape([2, 2] + mapping.output_shape[1:])
        points = [ends[:, 0] * (1 - s[:, np.newaxis]) + ends[:, 1] * s[:, np.newaxis] for s in (t, t + epsilon)]
    else:
        points = [mapping.run(_slerp(latents[:, 0], latents[:, 1], s), None) for s in (t, t + epsilon)]
    images = [synthesis.run(dlatents, randomize_noise=False) for dlatents in points]
    if crop:
        images = [image[:, :, 12:28, 8:24] for image in images]
    expected = lpips_reference.distance(images[0], images[1], narrow_lpips) / epsilon ** 2
    np.testing.assert_allclose(distances, expected, rtol=5e-3)


class Isometry:
    """A generator of which mapping and synthesis keep all distances: pixels are latents, turned."""

    input_shape, output_shape, static_kwargs = [None, 48], [None, 1, 48], {}

    def __init__(self):
        self.components = EasyDict(mapping=self, synthesis=self)
        self._turn = np.linalg.qr(np.random.RandomState(0).randn(48, 48))[0].astype(np.float32)

    def get_output_for(self, x, _labels=None, **_options):
        """Images [N, 3, 4, 4] of dlatents [N, 1, 48]; dlatents of latents [N, 48]."""
        if x.shape.ndims == 2:
            return x[:, np.newaxis] @ self._turn
        return tf.reshape(x @ self._turn, [-1, 3, 4, 4])


class SquaredDifference:
    """Stands in for LPIPS."""

    @staticmethod
    def features(images):
        """The images."""
        return [images]

    @staticmethod
    def distance(features_a, features_b):
        """Squared Euclidean distance."""
        return tf.reduce_sum(tf.square(features_a[0] - features_b[0]), axis=[1, 2, 3])


@pytest.mark.parametrize('space, sampling', [('z', 'full'), ('z', 'end'), ('w', 'full')])
def test_path_length_of_an_isometry_is_that_of_the_path(session, space, sampling):
    metric = _metric(space=space, sampling=sampling, epsilon=1e-2, minibatch_per_gpu=8)
    seed = tf.constant([1, 2])
    with random.seeded(seed):
        distances_op = metric._distances(Isometry(), {}, tf.zeros([8, 0]), SquaredDifference)
    with random.seeded(seed):
        latents_op = random.normal([8, 2, 48])
    distances, latents = session.run([distances_op, latents_op])
    if space == 'w':  # a straight line
        expected = np.square(latents[:, 1] - latents[:, 0]).sum(axis=1)
    else:  # an arc of the unit sphere
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (latents[:, 0], latents[:, 1]))
        expected = np.arccos((a * b).sum(axis=1)) ** 2
    np.testing.assert_allclose(distances, expected, rtol=1e-3)


def test_whole_metric_of_a_network_file(graph, narrow_lpips, data_dir, capsys):
    metric = _metric(space='z', sampling='full')
    metric.run(str(data_dir / 'configf_r32.pkl'), tf_config={'device': 'cpu'})
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith('configf_r32                    time ')
    assert 0 < float(line.split(' ppl ')[1]) < np.inf


def test_labelled_network_uses_the_data_sets_labels(graph, narrow_lpips, monkeypatch):
    class Data:
        label_size = 3
        closed = False

        def get_random_labels_tf(self, count):
            return tf.one_hot([0] * count, 3)

        def close(self):
            self.closed = True

    data = Data()
    monkeypatch.setattr(sampling.dataset, 'load_dataset', lambda **kwargs: data)
    monkeypatch.setattr(pretrained, 'load_generator',
                        lambda path: tiny_generator(16, label_size=3))
    config = {'device': 'cpu'}
    metric = _metric()
    metric.run('net.pkl', dataset_args={}, mirror_augment=False, tf_config=config)
    assert ' ppl ' in metric.get_result_str() and data.closed
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: PlainGenerator(label_size=3))
    data.label_size = 2
    with pytest.raises(UserError, match='3 labels, the dataset 2'):
        metric.run('net.pkl', dataset_args={}, mirror_augment=False, tf_config=config)
    with pytest.raises(UserError, match='a dataset is needed; give --dataset'):
        metric.run('net.pkl', tf_config=config)


def test_unknown_space_is_refused():
    with pytest.raises(UserError, match="got 'y' and 'end'"):
        _metric(space='y')
