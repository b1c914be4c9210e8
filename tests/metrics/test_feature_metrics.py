"""Whole metrics of networks and of pictures, on narrow feature networks."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from dnnlib import UserError, tflib
from metrics import feature_metric, linear_separability, metric_base, sampling, sources
from metrics.frechet_inception_distance import frechet_distance
from metrics.inception_score import inception_score
from metrics.metric_defaults import metric_defaults
from tests.metrics.features import feature_reference
from tests.metrics.tiny_generator import PlainGenerator, classifier_of_pixel
from training import pretrained

CPU = {'device': 'cpu'}


@pytest.fixture
def network(monkeypatch):
    """A stand-in for a generator of 16 pixels in place of any network file."""
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: PlainGenerator())


def _run(name, fakes=None, reals=None, mirror=False, run_dir=None, **settings):
    """Record of a metric."""
    metric, = metric_base.MetricGroup([metric_defaults[name]], fakes_args=fakes and dict(tfrecord_dir=fakes),
                                      **dict(dict(seed=0), **settings)).metrics
    metric.run(fakes or 'net.pkl', run_dir, dataset_args=reals and dict(tfrecord_dir=reals), mirror_augment=mirror,
               tf_config=CPU)
    return metric.get_record()


def test_frechet_distance_of_folders_equals_numpy(graph, narrow_networks, picture_folder):
    (path_a, images_a), (path_b, images_b) = picture_folder('a', 12), picture_folder('b', 10, seed=1)
    record = _run('fd50_effnetlite0', path_a, path_b)
    moments = []
    for images in (images_a, images_b):
        x = feature_reference.effnet_features(images, narrow_networks['effnetlite0'])
        moments += [x.mean(axis=0), np.cov(x, rowvar=False)]
    assert record['results']['fd50_effnetlite0'] == pytest.approx(frechet_distance(*moments), rel=1e-3)
    assert (record['num_fakes'], record['num_reals'], record['extractor']) == (12, 10, 'effnetlite0')
    assert len(record['weights_sha256']) == 64 and 'bilinear' in record['resize'] and record['dataset'] == 'b'


def test_full_metrics_measure_all_reals_as_they_are(graph, tiny_extractor, picture_folder):
    fakes, reals = picture_folder('fakes', 6)[0], picture_folder('reals', 12, seed=1)[0]
    for name, whole in [('fid6_full', 'fid12'), ('kid6_full', 'kid12'), ('pr63_full', 'pr123')]:
        record = _run(name, fakes, reals, mirror=True)
        assert (record['num_fakes'], record['num_reals'], record['mirror_augment']) == (6, 12, False)
        expected = _run(whole, fakes, reals, mirror=False)['results']  # as many of each as there are
        assert list(record['results'].values()) == list(expected.values()), name
    record = _run('fid6', fakes, reals, mirror=True)  # the others: as many as fakes, as trained
    assert (record['num_fakes'], record['num_reals'], record['mirror_augment']) == (6, 6, True)


def test_a_folder_equals_itself(graph, narrow_networks, picture_folder):
    path, _ = picture_folder('a', 12)
    assert abs(_run('fid50', path, path)['results']['fid50']) < 1e-4
    assert _run('pr503', path, path)['results'] == {'pr503_precision': 1.0, 'pr503_recall': 1.0}
    assert abs(_run('kid50', path, path)['results']['kid50']) < 1  # a subset against itself: biased, but finite


def test_inception_score_of_a_folder_equals_numpy(graph, narrow_networks, picture_folder):
    path, images = picture_folder('a', 20)
    results = _run('is20', path)['results']
    with sampling.open_dataset(dict(tfrecord_dir=path)) as data:
        sampling.prepare_order(data)
        order = data.indices_at(0, 20)
    p = narrow_networks['inception'].probabilities(images[order])
    scores = [inception_score(p[2 * i:2 * i + 2]) for i in range(10)]
    assert results['is20_mean'] == pytest.approx(np.mean(scores), rel=1e-4)
    assert results['is20_std'] == pytest.approx(np.std(scores), rel=1e-2)


@pytest.mark.parametrize('name', ['kid10_effnetlite0', 'pr103', 'is20', 'fid10'])
def test_networks_are_measured_reproducibly(graph, network, tiny_extractor, picture_folder, name):
    path, _ = picture_folder('a', 12)
    first, again, other = (_run(name, None, path, seed=seed)['results'] for seed in (1, 1, 2))
    assert first == again and all(np.isfinite(value) for value in first.values())
    assert name == 'pr103' or first != other


def test_metrics_of_a_group_share_the_fakes(graph, network, tiny_extractor, picture_folder, monkeypatch):
    path, _ = picture_folder('a', 12)
    names = ['kid10_effnetlite0', 'pr103_effnetlite0', 'fd10_effnetlite0']
    drawn = []
    build = sources.Generator.build
    monkeypatch.setattr(sources.Generator, 'build', lambda self, *args: drawn.append(self) or build(self, *args))
    group = metric_base.MetricGroup([metric_defaults[name] for name in names])  # without a seed
    group.run('net.pkl', dataset_args=dict(tfrecord_dir=path), mirror_augment=False, tf_config=CPU)
    records = [metric.get_record() for metric in group.metrics]
    assert len(drawn) == 1 and len({record['seed'] for record in records}) == 1 and records[2]['num_fakes'] == 10
    alone = _run(names[2], None, path, seed=records[2]['seed'])['results']
    assert records[2]['results'] == pytest.approx(alone, rel=1e-5)


def test_statistics_of_reals_are_kept(graph, network, tiny_extractor, picture_folder, tmp_path, monkeypatch):
    path, _ = picture_folder('a', 12)
    hashed = []
    content_hash = sampling.content_hash
    monkeypatch.setattr(sampling, 'content_hash', lambda *args: hashed.append(args) or content_hash(*args))
    metric, = metric_base.MetricGroup([metric_defaults['fd10_effnetlite0']], seed=0).metrics

    def run():
        metric.run('net.pkl', dataset_args=dict(tfrecord_dir=path), mirror_augment=False, tf_config=CPU)
        return metric.get_record()['results']

    before = run()
    assert len(list((tmp_path / 'cache').glob('*.npz'))) == 1
    monkeypatch.setattr(sampling, 'image_minibatches', lambda *args: pytest.fail('the reals were read again'))
    assert run() == before and len(hashed) == 1


def test_statistics_are_not_kept_for_other_data(graph, network, tiny_extractor, picture_folder, tmp_path):
    path, images = picture_folder('a', 12)
    values = [_run('fd12_effnetlite0', None, path)['results']['fd12_effnetlite0']]
    values.append(_run('fd12_effnetlite0', None, path, mirror=True)['results']['fd12_effnetlite0'])
    for i, image in enumerate(images):
        Image.fromarray(255 - image.transpose(1, 2, 0)).save(path + '/{:03d}.png'.format(i))
    values.append(_run('fd12_effnetlite0', None, path)['results']['fd12_effnetlite0'])
    assert len(set(values)) == 3 and len(list((tmp_path / 'cache').glob('*.npz'))) == 3
    metric, = metric_base.MetricGroup([metric_defaults['fd12_effnetlite0']]).metrics  # others may stand in for bad ones
    metric.run('net.pkl', dataset_args=dict(tfrecord_dir=path, bad='skip'), mirror_augment=False, tf_config=CPU)
    assert len(list((tmp_path / 'cache').glob('*.npz'))) == 4


def test_fakes_are_the_generators_pictures(graph, network, tiny_extractor, picture_folder, tmp_path):
    """A network against its own pictures: nothing is as near as they are to themselves."""
    (tmp_path / 'own').mkdir()
    (tmp_path / 'training').mkdir()
    with tf.Graph().as_default(), tflib.create_session(CPU).as_default():
        with sources.open_network('', dict(is_validation=True), None, 1) as source:
            images = np.concatenate(list(source.minibatches(24, 8, seed=3)))
    for i, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(str(tmp_path / 'own' / '{:03d}.png'.format(i)))
    assert len(np.unique(images.reshape(24, -1), axis=0)) == 24
    record = _run('nearest100', None, str(tmp_path / 'own'), seed=3, run_dir=str(tmp_path / 'training'),
                  result_dir=str(tmp_path))
    assert record['results']['nearest100_fakes'] < 0.01 * record['results']['nearest100_reals']
    assert [row[0] for row in record['nearest']] == list(range(24))
    grid = np.asarray(Image.open(str(tmp_path / 'nearest-net.png'))).transpose(2, 0, 1)
    np.testing.assert_array_equal(grid[:, :16, :16], grid[:, :16, 16:32])  # beside itself
    assert grid.shape == (3, 8 * 16, 3 * (4 * 16 + 2)) and grid[:, :, 64:66].min() == 255
    assert sorted(path.name for path in (tmp_path / 'training').iterdir()) == [
        'metric-nearest100.jsonl', 'metric-nearest100.txt', 'nearest-net.png']
    assert _run('fd24_effnetlite0', None, str(tmp_path / 'own'), seed=3)['results']['fd24_effnetlite0'] < 1e-3


class CollectTwice(feature_metric.FeatureMetric):
    """Features of fakes drawn and looked at in one session call, and of the same fakes as bytes."""

    def _evaluate(self, source):
        self._build_extractor()
        self.at_once = list(self._of_fakes(source, self._network.features, self.num_images))
        features_of = self._on_all_gpus(self._network.features, source.shape)
        self.apart = [features_of(images) for images in source.minibatches(
            self.num_images, self.minibatch_per_gpu, self._seed)]
        self._report_result(0)


def test_fakes_are_looked_at_as_bytes(graph, network, tiny_extractor):
    metric = CollectTwice('twice', 10, 4, 'effnetlite0')
    metric.settings = metric.settings._replace(seed=3)
    metric.run('net.pkl', tf_config=CPU)
    at_once, apart = np.float32(metric.at_once), np.float32(metric.apart)
    assert at_once.shape == (3, 4, 6) and len(np.unique(at_once.reshape(12, 6), axis=0)) == 12
    np.testing.assert_allclose(at_once, apart, rtol=1e-6)


def test_cats_are_read_at_the_size_of_the_fakes(graph, network, tiny_extractor, picture_folder):
    assert _run('fd4_effnetlite0', None, 'cats')['resolution'] == 16
    assert _run('fd4_effnetlite0', picture_folder('a', 4, size=32)[0], 'cats')['resolution'] == 32


def test_bad_data_is_refused(graph, network, tiny_extractor, picture_folder):
    one, _ = picture_folder('one', 1)
    with pytest.raises(UserError, match='at least 2 images, got 1'):
        _run('fd10_effnetlite0', None, one)
    with pytest.raises(UserError, match='a dataset is needed; give --dataset'):
        _run('fd10_effnetlite0')
    with pytest.raises(UserError, match='it measures a network'):
        _run('ppl_wend4', one)
    with pytest.raises(UserError, match='3 images are too few for 10 splits'):
        _run('is3', one)
    with pytest.raises(UserError, match='at least 2 images'):
        _run('fid1', one, one)
    with pytest.raises(UserError, match='2 images are too few for 3 neighbors'):
        _run('nearest2', None, picture_folder('b', 2)[0])


def test_labels_must_be_the_networks(graph, tiny_extractor, picture_folder, monkeypatch):
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: PlainGenerator(label_size=3))
    with pytest.raises(UserError, match='the network has 3 labels, the dataset 0'):
        _run('fd10_effnetlite0', None, picture_folder('a', 12)[0])


def test_time_is_up_in_the_middle(graph, network, tiny_extractor, picture_folder):
    with pytest.raises(metric_base.TimeIsUp, match='not measured within 0s'):
        _run('fd10_effnetlite0', None, picture_folder('a', 12)[0], seconds=0)


def test_extractors_are_built_of_their_modules():
    for name, (module, network_class) in feature_metric.EXTRACTORS.items():
        assert network_class.__module__ == module.__name__ and callable(module.load), name


@pytest.fixture
def classifiers(tmp_path, monkeypatch):
    """Folder with a classifier of images of 16 pixels, as a network file."""
    from dnnlib.tflib import network_pickle
    with tf.Graph().as_default(), tflib.create_session(CPU).as_default():
        network_pickle.save(tflib.Network('classifier', classifier_of_pixel),
                            str(tmp_path / 'celebahq-classifier-00-male.pkl'))
    monkeypatch.setattr(pretrained, 'BUILD_MODULES', (classifier_of_pixel.__module__,))
    monkeypatch.setenv(linear_separability.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def test_linear_separability_of_a_network(graph, network, classifiers, monkeypatch):
    def run(indices, resolution=16, **kwargs):
        metric = linear_separability.LS('ls', 48, 24, indices, 4)
        metric.settings = metric.settings._replace(seed=1)
        if resolution != 16:
            monkeypatch.setattr(pretrained, 'load_generator', lambda path: PlainGenerator(resolution))
        metric.run('net.pkl', tf_config=CPU, **kwargs)
        record = metric.get_record()
        assert [len(sha256) for sha256 in record['weights_sha256']] == [64] * len(indices)
        return record['results']

    results = run([0])  # several of them: test_networks_measured
    assert sorted(results) == ['ls_w', 'ls_z'] and all(1 <= value <= 2 for value in results.values())
    with pytest.raises(UserError, match='celebahq-classifier-01-smiling.pkl'):
        run([1])
    with pytest.raises(UserError, match='the classifiers take images of'):
        run([0], resolution=32)


def test_separable_attributes_have_a_score_of_one():
    metric = linear_separability.LS('ls', 200, 100, [0], 4)
    rnd = np.random.RandomState(0)
    points = rnd.randn(200, 4)
    assert metric._entropy(points, 20 * points[:, 1]) < 0.1
    assert metric._entropy(points, rnd.randn(200)) > 0.8
    assert metric._entropy(points, np.ones(200)) == 0


def test_records_are_json(graph, network, tiny_extractor, picture_folder, tmp_path):
    record = _run('kid10_effnetlite0', None, picture_folder('a', 12)[0], mirror=True, result_dir=str(tmp_path))
    line, = (tmp_path / 'metric-kid10_effnetlite0.jsonl').read_text().splitlines()
    assert dict(record, network_pkl='net.pkl') == json.loads(line)
    assert record['mirror_augment'] and record['num_subsets'] == 1 and record['subset_size'] == 10
