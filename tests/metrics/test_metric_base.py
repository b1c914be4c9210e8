"""Result lines, files and arguments of metrics."""

import numpy as np
import pytest

import dnnlib
from dnnlib import UserError
from metrics import metric_base
from metrics.metric_defaults import metric_defaults

DUMMY = dict(func_name='metrics.metric_base.DummyMetric', name='dummy')


@pytest.fixture
def networks(monkeypatch):
    """Paths and sizes of `load_generator` calls; nothing is loaded."""
    calls = []
    monkeypatch.setattr(metric_base.pretrained, 'load_generator', calls.append)
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


def _nothing(dataset_args, mirror_augment):
    """Run function of a training that does nothing."""


def test_run_directory_supplies_the_data_set_and_gets_the_line(graph, networks, tmp_path, monkeypatch):
    config = dnnlib.SubmitConfig(run_dir_root=str(tmp_path), run_desc='train')
    run_dir = dnnlib.submit_run(config, _nothing, dataset_args=dict(tfrecord_dir='abc', shuffle_mb=4096, resolution=8),
                                mirror_augment=True).run_dir
    opened = []
    monkeypatch.setattr(metric_base.dataset, 'load_dataset', lambda **kwargs: opened.append(kwargs))

    class Opening(metric_base.DummyMetric):
        def _evaluate(self, Gs, Gs_kwargs, num_gpus):
            assert Gs_kwargs == dict(is_validation=True)
            self._open_dataset()
            self._report_result(1.5, suffix='_a')
            self._report_result(np.float32(0.25), suffix='_b', fmt='%.1f')

    metric = Opening('twice')
    for _ in range(2):
        metric.run('net.pkl', run_dir=run_dir, data_dir='data', tf_config={'device': 'cpu'})
    assert opened == [dict(tfrecord_dir='abc', shuffle_mb=0, resolution=8, data_dir='data')] * 2
    with open(run_dir + '/metric-twice.txt') as file:
        lines = file.read().splitlines()
    assert len(lines) == 2 and lines[1].endswith(' twice_a 1.5000     twice_b 0.2')


def test_labels_without_a_data_set_are_refused(graph, networks):
    metric = metric_base.DummyMetric('dummy')
    with pytest.raises(UserError, match='data set'):
        metric._open_dataset()


def test_published_settings():
    assert sorted(metric_defaults) == ['ppl2_wend', 'ppl_wend', 'ppl_wfull', 'ppl_zend', 'ppl_zfull']
    assert metric_defaults.ppl2_wend == dict(
        name='ppl2_wend', func_name='metrics.perceptual_path_length.PPL', num_samples=50000, epsilon=1e-4, space='w',
        sampling='end', crop=False, minibatch_per_gpu=4, Gs_overrides=dict(dtype='float32', mapping_dtype='float32'))
    for name, args in metric_defaults.items():
        assert args.name == name and args.crop == (name != 'ppl2_wend')
        assert name.split('_')[1] == args.space + args.sampling
