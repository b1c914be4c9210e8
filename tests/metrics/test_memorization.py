"""MiFID against golden values, and measured on pictures."""

import json

import numpy as np
import pytest

from dnnlib import UserError
from metrics import feature_stats, memorization, metric_base, sampling
from metrics.frechet_inception_distance import frechet_distance
from metrics.memorization import memorization_distance, mifid
from metrics.metric_defaults import metric_defaults
from tests.metrics import tiny_extractor as tiny
from tests.training.golden_latent import FILES


def test_golden_values(monkeypatch):
    monkeypatch.setattr(memorization, 'TILE', 64)
    ref = FILES.arrays('mifid')
    train = np.float64(ref['train'])
    for case in map(str, ref['cases']):
        fakes = np.float64(ref[case + '/fakes'])
        fid = frechet_distance(*(feature_stats.moments(fakes) + feature_stats.moments(train)))
        distance = memorization_distance(fakes, train)
        assert fid == pytest.approx(float(ref[case + '/fid']), rel=1e-8)
        assert distance == pytest.approx(max(float(ref[case + '/distance']), 0), rel=1e-8, abs=1e-15)
        for epsilon in ref['epsilon_threshold']:
            for end, delta in (('', memorization.DELTA), ('_kaggle_demo', 1e-14)):
                found, expected = mifid(fid, distance, epsilon, delta), float(ref[f'{case}/mifid_eps{epsilon}{end}'])
                assert min(found, expected) > 1e12 if case == 'copies' else found == pytest.approx(expected, rel=1e-8)


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'metrics/test_memorization.py')


def test_without_any_features():
    with pytest.raises(UserError, match='the features of all images are 0'):
        memorization_distance(np.zeros([3, 2]), np.ones([3, 2]))
    with pytest.raises(UserError, match='the features of all images are 0'):
        memorization_distance(np.ones([3, 2]), np.zeros([3, 2]))


def test_copies_are_found(graph, tiny_extractor, picture_folder, tmp_path):
    (fakes, images), (reals, others) = picture_folder('fakes', 8), picture_folder('reals', 12, seed=1)
    results = {}
    for name, path in (('other', reals), ('same', fakes)):
        metric, = metric_base.MetricGroup([metric_defaults['mifid8_effnetlite0']], seed=0, result_dir=str(tmp_path),
                                          fakes_args=dict(tfrecord_dir=fakes)).metrics
        metric.run(fakes, dataset_args=dict(tfrecord_dir=path), mirror_augment=True, tf_config={'device': 'cpu'})
        results[name] = metric.get_results()
    x, y = tiny.features(images), tiny.features(others)
    cosines = (x @ y.T) / np.linalg.norm(x, axis=1)[:, np.newaxis] / np.linalg.norm(y, axis=1)
    assert results['other']['mifid8_effnetlite0_distance'] == pytest.approx((1 - cosines.max(axis=1)).mean(), rel=1e-4)
    assert results['same']['mifid8_effnetlite0_distance'] < 1e-6
    record = json.loads((tmp_path / 'metric-mifid8_effnetlite0.jsonl').read_text().splitlines()[0])
    assert (record['num_reals'], record['mirror_augment'], record['epsilon']) == (12, False, 0.1)
    other = results['other']
    assert other['mifid8_effnetlite0'] == pytest.approx(mifid(
        other['mifid8_effnetlite0_fid'], other['mifid8_effnetlite0_distance'], 0.1))


def test_cropped_reals_have_statistics_of_their_own(picture_folder):
    path = picture_folder('reals', 4)[0]
    hashes = set()
    for options in (dict(resolution=8), dict(resolution=16, crop=8), dict(resolution=16)):
        with sampling.open_dataset(dict(options, tfrecord_dir=path), None) as data:
            hashes.add(sampling.content_hash(data, 4))
    assert len(hashes) == 3
    with sampling.open_dataset(dict(tfrecord_dir=path, crop=8), 8) as data:  # the size of the fakes is that of the crop
        assert (data.shape, data.stored_shape) == ([3, 8, 8], [3, 16, 16])
