"""Result lines, files and arguments of metrics."""

import json

import numpy as np
import pytest

import dnnlib
from dnnlib import UserError
from metrics import group as group_module
from metrics import metric_base, sampling
from metrics.metric_defaults import metric_defaults, with_num_images
from tests.metrics.tiny_generator import TellingGenerator
from training import pretrained

DUMMY = dict(func_name='metrics.metric_base.DummyMetric', name='dummy')


@pytest.fixture
def networks(monkeypatch):
    """Paths that `load_generator` is given; it makes a stand-in."""
    calls = []
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: calls.append(path) or TellingGenerator())
    return calls


def test_result_line_is_the_published_one(graph, networks, monkeypatch, capsys):
    times = iter([100.0, 104.0])
    monkeypatch.setattr(metric_base.time, 'time', lambda: next(times))
    group = metric_base.MetricGroup([DUMMY])
    group.run('results/00000-x/network-snapshot-000000.pkl', tf_config={'device': 'cpu'})
    assert capsys.readouterr().out == 'network-snapshot-000000        time 4s           dummy 0.0000\n'
    assert networks == ['results/00000-x/network-snapshot-000000.pkl']


def test_long_network_names_keep_their_end(graph, networks):
    metric = metric_base.DummyMetric('dummy')
    metric.run('a' * 10 + 'b' * 26 + '.pkl', tf_config={'device': 'cpu'})
    assert metric.get_result_str().startswith('...' + 'b' * 26 + '  time ')
    metric.run('c' * 29 + '.pkl', tf_config={'device': 'cpu'})
    assert metric.get_result_str().startswith('c' * 29 + '  time ')


def _nothing(dataset_args, mirror_augment, bad):
    """Run function of a training that does nothing."""


def test_run_directory_supplies_the_data_set_and_gets_the_line(graph, networks, tmp_path, monkeypatch):
    config = dnnlib.SubmitConfig(run_dir_root=str(tmp_path), run_desc='train')
    run_dir = dnnlib.submit_run(config, _nothing, dataset_args=dict(tfrecord_dir='abc', shuffle_mb=4096, resolution=8),
                                mirror_augment=True, bad='skip').run_dir
    opened = []
    monkeypatch.setattr(sampling.dataset, 'load_dataset', lambda **kwargs: opened.append(kwargs))

    class Opening(metric_base.DummyMetric):
        def _evaluate(self, source):
            assert source.generator.options == dict(is_validation=True)
            self._open_dataset()
            self._report_result(1.5, suffix='_a')
            self._report_result(np.float32(0.25), suffix='_b', fmt='%.1f')

    metric = Opening('twice')
    for _ in range(2):
        metric.run('net.pkl', run_dir=run_dir, data_dir='data', tf_config={'device': 'cpu'})
    assert opened == [dict(tfrecord_dir='abc', shuffle_mb=0, resolution=8, data_dir='data', bad='skip')] * 2
    with open(run_dir + '/metric-twice.txt') as file:
        lines = file.read().splitlines()
    assert len(lines) == 2 and lines[1].endswith(' twice_a 1.5000     twice_b 0.2')


def test_labels_without_a_data_set_are_refused(graph, networks):
    metric = metric_base.DummyMetric('dummy')
    with pytest.raises(UserError, match='a dataset is needed'):
        metric._open_dataset()


def test_published_settings():
    fid, pr, ppl = 'frechet_inception_distance.FID', 'precision_recall.PR', 'perceptual_path_length.PPL'
    path = dict(num_samples=50000, epsilon=1e-4, minibatch_per_gpu=4,
                Gs_overrides=dict(dtype='float32', mapping_dtype='float32', num_fp16_res=0))
    tiles = dict(num_images=50000, nhood_size=3, minibatch_per_gpu=8, row_batch_size=10000, col_batch_size=10000)
    mifid = dict(num_images=10000, max_reals=200000, minibatch_per_gpu=8, epsilon=0.1)
    expected = dict(
        fid50k=(fid, dict(num_images=50000, minibatch_per_gpu=8)),
        ifid1k=('intra_fid.IntraFID', dict(num_images=1000, minibatch_per_gpu=8)),
        is50k=('inception_score.IS', dict(num_images=50000, num_splits=10, minibatch_per_gpu=8)),
        kid50k=('kernel_inception_distance.KID', dict(num_images=50000, minibatch_per_gpu=8)),
        pr50k3=(pr, tiles),
        fid50k_full=(fid, dict(num_images=50000, max_reals=10000000, minibatch_per_gpu=8)),
        kid50k_full=('kernel_inception_distance.KID', dict(num_images=50000, max_reals=1000000, minibatch_per_gpu=8)),
        pr50k3_full=(pr, dict(tiles, max_reals=200000)),
        ls=('linear_separability.LS', dict(num_samples=200000, num_keep=100000, attrib_indices=range(40),
                                           minibatch_per_gpu=4)),
        ppl_zfull=(ppl, dict(path, space='z', sampling='full', crop=True)),
        ppl_wfull=(ppl, dict(path, space='w', sampling='full', crop=True)),
        ppl_zend=(ppl, dict(path, space='z', sampling='end', crop=True)),
        ppl_wend=(ppl, dict(path, space='w', sampling='end', crop=True)),
        ppl2_wend=(ppl, dict(path, space='w', sampling='end', crop=False)),
        fd_effnetlite0=(fid, dict(num_images=50000, minibatch_per_gpu=8, extractor='effnetlite0')),
        kid_effnetlite0=('kernel_inception_distance.KID', dict(num_images=50000, minibatch_per_gpu=8,
                                                               extractor='effnetlite0')),
        pr50k3_effnetlite0=(pr, dict(tiles, extractor='effnetlite0')),
        mifid10k=('memorization.MiFID', mifid), mifid10k_effnetlite0=('memorization.MiFID', dict(
            mifid, extractor='effnetlite0')),
        domains_fid=('domains.DomainFID', dict(num_images=1000, minibatch_per_gpu=8)),
        domains_lpips=('domains.DomainLPIPS', dict(num_images=1000)),
        domains_cats=('domain_cats.DomainCats', dict(num_images=100)),
        cats=('cats_oracle.CatsOracle', dict(num_images=200)),
        nearest=('nearest.Nearest', dict(num_images=50000, num_fakes=24, num_neighbors=3, minibatch_per_gpu=8)))
    assert sorted(metric_defaults) == sorted(expected)
    for name, (func_name, kwargs) in expected.items():
        assert metric_defaults[name] == dict(kwargs, name=name, func_name='metrics.' + func_name)
    for name in expected:
        metric_base.MetricGroup([metric_defaults[name]])  # the classes take these arguments


@pytest.mark.parametrize('name, num_images, renamed', [
    ('fid5k', 5000, 'fid250'), ('is123', 123, 'is250'), ('kid1k', 1000, 'kid250'), ('pr10k3', 10000, 'pr2503'),
    ('ppl_wend2k', 2000, 'ppl_wend250'), ('ppl2_wend7', 7, 'ppl2_wend250'), ('fd1k_effnetlite0', 1000,
                                                                            'fd250_effnetlite0'),
    ('kid_effnetlite0', 50000, 'kid250_effnetlite0'), ('pr5k3_effnetlite0', 5000, 'pr2503_effnetlite0'),
    ('fid5k_full', 5000, 'fid250_full'), ('pr5k3_full', 5000, 'pr2503_full'), ('ls20k', 20000, 'ls250'),
    ('nearest300', 300, 'nearest250'), ('mifid2k', 2000, 'mifid250')])
def test_any_number_of_images_has_a_name(name, num_images, renamed):
    assert name in metric_defaults
    settings = metric_defaults[name]
    assert settings.name == name and num_images == settings.get('num_images', settings.get('num_samples'))
    assert with_num_images(name, 250) == renamed and renamed in metric_defaults
    assert with_num_images(name, 3000) == renamed.replace('250', '3k')
    assert settings.func_name == metric_defaults[renamed].func_name


@pytest.mark.parametrize('name', ['fid', 'fid0', 'fid5kk', 'pr50k4', 'ppl2_zend', 'fid50k_effnetlite0', 'xfid5k', ''])
def test_other_names_are_no_metrics(name):
    assert name not in metric_defaults
    with pytest.raises(KeyError):
        metric_defaults[name]
    with pytest.raises(KeyError):
        with_num_images(name, 5)


class Failing(metric_base.DummyMetric):
    """Fails when its name says so."""

    def _evaluate(self, source):
        if self.name == 'failing':
            raise MemoryError('no memory\nat all')
        for index in self._rounds(3):
            self._begin -= 10  # every round seems to take ten seconds
        self._report_result(index)


def test_no_metric_ends_a_training(graph, networks, monkeypatch, capsys):
    names = ['failing', 'slow', 'good']
    group = metric_base.MetricGroup([dict(DUMMY, func_name=__name__ + '.Failing', name=name) for name in names])
    group.metrics[1].settings = group.metrics[1].settings._replace(seconds=15)
    group.run_in_training('net.pkl', tf_config={'device': 'cpu'})
    lines = capsys.readouterr().out.splitlines()
    assert 'metric failing: no memory at all' in lines and 'metric slow: not measured within 15s' in lines
    assert lines[-1].endswith('good 2.0000')
    assert group.metrics[0].settings.seconds == 60 * group_module.TRAINING_MINUTES
    monkeypatch.setattr(group.metrics[2], 'name', 'failing')
    group.run_in_training('net.pkl', tf_config={'device': 'cpu'})
    seen = []
    monkeypatch.setattr(metric_base, 'autosummary', lambda name, value: seen.append(name))
    group.update_autosummaries()
    assert not seen  # the value of the earlier network is not reported for this one


def test_features_are_shared_by_metrics_with_the_same_key_and_then_dropped():
    group = metric_base.MetricGroup([dict(DUMMY, name=name) for name in 'abcd'])
    for metric, key in zip(group.metrics, ['x', None, 'x', 'y']):
        metric.fakes_key = key
    places, left = [], []
    for metric in group._in_turn():
        places.append(metric.shared)
        if metric.shared is not None:
            metric.shared[metric.fakes_key] = 'features'
            left.append(metric.shared)
    assert places[0] is places[2] is left[0] and places[1] is None and places[3] is None
    assert left[0] == {} and group.metrics[0].shared is None


def test_a_cpu_is_no_gpu():
    assert metric_base.has_gpu({'device': 'cpu'}) is False


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match='sed'):
        metric_base.MetricGroup([DUMMY], sed=3)


def test_results_are_written_with_how_they_were_measured(graph, networks, tmp_path):
    group = metric_base.MetricGroup([DUMMY], result_dir=str(tmp_path), seed=7)
    for _ in range(2):
        group.run('some/net.pkl', tf_config={'device': 'cpu'})
    assert [line.split()[-2:] for line in (tmp_path / 'metric-dummy.txt').open()] == [['dummy', '0.0000']] * 2
    for line in (tmp_path / 'metric-dummy.jsonl').open():
        record = json.loads(line)
        assert record['network_pkl'] == 'some/net.pkl' and record['network'] == 'net' and record['seed'] == 7
        assert record['results'] == {'dummy': 0.0}
