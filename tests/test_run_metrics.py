"""The command line of run_metrics.py as a user types it, with tiny generators and narrow feature networks."""

import hashlib
import json
import os
import signal
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

import run_metrics
from dnnlib import EasyDict, UserError, cli
from metrics import metric_base, sampling, weights
from metrics.features import efficientnet_lite0, inception_v3, weight_files
from metrics.metric_defaults import metric_defaults, too_few_images
from metrics.tables import make_table
from tests.metrics import tiny_extractor
from tests.metrics.features import feature_reference, lpips_reference, weight_writers
from tests.metrics.tiny_generator import PlainGenerator, empty_cache, tiny_generator
from tests.training import golden_domains
from training import pretrained


@pytest.fixture
def program(tmp_path, monkeypatch, capsys):
    """Function of arguments: (exit code, standard output, standard error); works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    empty_cache(tmp_path, monkeypatch)
    monkeypatch.setattr(weights, 'lpips_vgg16', lpips_reference.narrow_weights)
    (tmp_path / 'eff.pth').write_bytes(weight_writers.torch_file(feature_reference.effnet_state(), False))
    monkeypatch.setenv(efficientnet_lite0.VARIABLE, str(tmp_path / 'eff.pth'))
    monkeypatch.setattr(efficientnet_lite0, 'CANDIDATES', [
        candidate._replace(sha256='') for candidate in efficientnet_lite0.CANDIDATES])
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: PlainGenerator())
    for name in ('net.pkl', 'other.pkl'):
        (tmp_path / name).write_bytes(b'\x80\x04.')
    rnd = np.random.RandomState(0)
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        for i in range(6):
            image = Image.fromarray(rnd.randint(0, 256, [16, 16, 3]).astype(np.uint8))
            image.save(str(tmp_path / folder / ('%d.png' % i)))

    def run(*args, network='--network=net.pkl'):
        with tf.Graph().as_default(), pytest.raises(SystemExit) as info:
            cli.run_main(run_metrics.main, ([network] if network else []) + ['--device=cpu'] + list(args))
        captured = capsys.readouterr()
        return info.value.code or 0, captured.out, captured.err

    return run


def test_metrics_are_printed_and_logged(program, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: tiny_generator(16))
    monkeypatch.setitem(metric_defaults, 'ppl2_wend', EasyDict(metric_defaults.ppl2_wend, num_samples=8))
    code, out, err = program('--metrics=ppl2_wend', '--dataset=cats', '--mirror-augment=true')
    assert code == 0, err
    line, = [line for line in out.splitlines() if line.startswith('net     ')]
    assert float(line.split(' ppl2_wend ')[1]) > 0
    folder = tmp_path / 'results' / '00000-run-metrics'
    assert line in (folder / 'log.txt').read_text()
    assert (folder / 'metric-ppl2_wend.txt').read_text() == line + '\n'
    record = json.loads((folder / 'metric-ppl2_wend.jsonl').read_text())
    assert record['network_pkl'] == 'net.pkl' and record['num_samples'] == 8


def test_translations_between_domains(program, tmp_path, monkeypatch):
    tiny_extractor.use(monkeypatch)
    rnd = np.random.RandomState(0)
    for place in ('val/x', 'val/y', 'val/z', 'two/x', 'two/y'):
        (tmp_path / place).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(rnd.randint(0, 256, [64, 72, 3]).astype(np.uint8)).save(str(tmp_path / place / f'{i}.png'))
    network = f'--network={golden_domains.path_of("stargan2_afhq.pt")}'
    monkeypatch.setitem(metric_defaults, 'domains_fid2', EasyDict(metric_defaults['domains_fid2'], num_outputs=1))
    code, out, err = program('--metrics=domains_fid2', '--inputs=val', '--dataset=val', '--seed=3', network=network)
    assert code == 0 and ' domains_fid2_latent ' in out and ' domains_fid2_reference ' in out, err
    record = json.loads((tmp_path / 'results' / '00000-run-metrics' / 'metric-domains_fid2.jsonl').read_text())
    assert sorted(record['of_pairs']['latent']) == ['x-y', 'x-z', 'y-x', 'y-z', 'z-x', 'z-y']
    assert record['num_fakes'] == 12 and record['seed'] == 3
    code, _, err = program('--metrics=domains_fid2', '--inputs=two', '--dataset=two', network=network)
    assert code == 2 and 'two: it has the domains x, y, but the network has 3' in err


def test_several_networks_and_seeds_make_a_table(program, tmp_path, monkeypatch):
    tiny_extractor.use(monkeypatch)
    code, out, err = program('--network', 'net.pkl', 'other.pkl', '--metrics=fd_effnetlite0,pr50k3_effnetlite0',
                             '--num-images=6', '--seed=0-1', '--reals=a', '--json=all.json', network=None)
    assert code == 0, err
    lines = out.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith('| network |'))
    assert lines[head] == '| network | fd6_effnetlite0 | pr63_effnetlite0_precision | pr63_effnetlite0_recall |'
    records = json.loads((tmp_path / 'all.json').read_text())
    assert [(r['network_pkl'], r['seed'], r['metric']) for r in records] == [
        (pkl, seed, metric) for pkl in ('net.pkl', 'other.pkl') for seed in (0, 1)
        for metric in ('fd6_effnetlite0', 'pr63_effnetlite0')]
    sha256 = records[0]['weights_sha256'][:8]
    assert lines[head + 5:head + 7] == [
        '{}: 6 reals, 6 fakes, effnetlite0 (tiny.pth, sha256 {}...), resized: none'.format(
            name, sha256) for name in ('fd6_effnetlite0', 'pr63_effnetlite0')]
    for line, pkl in zip(lines[head + 2:], ('net.pkl', 'other.pkl')):
        values = [r['results']['fd6_effnetlite0'] for r in records
                  if r['network_pkl'] == pkl and r['metric'] == 'fd6_effnetlite0']
        assert line.startswith('| {} | {:.4g} +- {:.2g} |'.format(pkl, np.mean(values), np.std(values, ddof=1)))


def test_contents_are_hashed_once(program, monkeypatch):
    tiny_extractor.use(monkeypatch)
    hashed = []
    content_hash = sampling.content_hash
    monkeypatch.setattr(sampling, 'content_hash', lambda *args: hashed.append(args) or content_hash(*args))
    code, _, err = program('--network', 'net.pkl', 'other.pkl', '--metrics=fd6_effnetlite0,kid6_effnetlite0',
                           '--reals=a', network=None)
    assert code == 0 and len(hashed) == 1, err


def test_what_was_measured_before_an_error_is_kept(program, tmp_path, monkeypatch):
    evaluate = metric_base.DummyMetric._evaluate

    def failing(self, *args):
        if self.name == 'second' and self.settings.seed == 1:
            raise UserError('no more')
        evaluate(self, *args)
    monkeypatch.setattr(metric_base.DummyMetric, '_evaluate', failing)
    for name in ('first', 'second'):
        monkeypatch.setitem(metric_defaults, name, EasyDict(func_name='metrics.metric_base.DummyMetric', name=name))
    code, out, err = program('--metrics=first,second,first', '--seed=0-1', '--json=all.json')
    assert code == 2 and 'no more' in err
    records = json.loads((tmp_path / 'all.json').read_text())
    assert [(record['metric'], record['seed']) for record in records] == [('first', 0), ('second', 0), ('first', 1)]
    assert '| network | first | second |' in out


def test_a_request_to_end_keeps_what_was_measured(program, tmp_path, monkeypatch):
    def evaluate(self, *args):
        if self.name == 'second':
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        self._report_result(1.0)
    monkeypatch.setattr(metric_base.DummyMetric, '_evaluate', evaluate)
    for name in ('first', 'second'):
        monkeypatch.setitem(metric_defaults, name, EasyDict(func_name='metrics.metric_base.DummyMetric', name=name))
    previous = signal.getsignal(signal.SIGTERM)
    code, _, _ = program('--metrics=first,second', '--json=new/all.json')
    assert code == 143 and signal.getsignal(signal.SIGTERM) == previous
    assert [record['metric'] for record in json.loads((tmp_path / 'new' / 'all.json').read_text())] == ['first']


def test_sheets_of_our_programs_are_no_pictures(program, tmp_path, monkeypatch):
    tiny_extractor.use(monkeypatch)
    Image.new('RGB', (48, 32)).save(str(tmp_path / 'a' / 'grid.png'))
    code, _, err = program('--fakes=a', '--reals=b', '--metrics=fd50_effnetlite0', network=None)
    assert code == 2 and 'grid.png' in err
    (tmp_path / 'a' / 'run.txt').write_text('')
    code, out, err = program('--fakes=a', '--reals=b', '--metrics=fd50_effnetlite0', network=None)
    assert code == 0, err
    assert 'Not taken: 2\n     1  .txt: not a picture\n     1  a sheet of pictures that a run wrote\n' in out
    names = sorted(name for name in os.listdir(str(tmp_path / 'b')) if name.endswith('.png'))
    (tmp_path / 'b' / names[-1]).write_bytes((tmp_path / 'b' / names[-1]).read_bytes()[:60])
    code, out, err = program('--fakes=a', '--reals=b', '--metrics=fd50_effnetlite0', '--bad=skip', network=None)
    assert code == 0 and f'{names[-1]}: ' in out, err
    lists = [path.read_text() for path in sorted(tmp_path.glob('results/*/skipped.csv'))]
    assert f',{names[-1]},' in lists[-1]
    assert any('\n,grid.png,a sheet of pictures that a run wrote\n' in text for text in lists)


def test_weights_are_looked_for_before_anything_is_measured(program, monkeypatch):
    monkeypatch.setattr(weight_files, '_fetch', lambda what, candidate: 'no network')
    monkeypatch.delenv('STYLEGAN2_INCEPTION', raising=False)
    monkeypatch.setattr(metric_base.MetricBase, 'run', lambda *args, **kwargs: pytest.fail('something was measured'))
    code, _, err = program('--metrics=fd6_effnetlite0,fid6', '--reals=a')
    assert code == 2 and 'the weights of Inception-v3 (2015-12-05) are missing and could not be fetched' in err


def test_pictures_that_cannot_be_read(program, tmp_path, monkeypatch):
    tiny_extractor.use(monkeypatch)
    (tmp_path / 'a' / '0.png').write_bytes(b'no picture')
    code, _, err = program('--metrics=fd6_effnetlite0', '--reals=a')
    assert code == 2 and '0.png' in err
    code, out, err = program('--metrics=fd6_effnetlite0', '--reals=a', '--bad=skip')
    assert code == 0 and 'Skipped image 0 of a: ' in out and '0.png' in out and '(1 so far)' in out, err
    assert 'Warning: fd6_effnetlite0 says nothing: of 6 images its error' in out
    assert 'use at least fd1k_effnetlite0' in out


def test_metrics_of_few_images_are_warned_of():
    assert too_few_images(['fid50', 'pr9993', 'ppl_wend', 'is1k', 'ls', 'nearest10']) == [
        'Warning: fid50 says nothing: of 50 images its error is larger than what networks differ by, and a covariance '
        'of 1280 or 2048 features is not known from fewer images than features; use at least fid1k',
        'Warning: pr9993 says nothing: of 999 images its error is larger than what networks differ by; use at least '
        'pr1k3']


def test_folders_are_compared(program, tmp_path):
    code, out, err = program('--fakes=a', '--reals=a', '--metrics=fd50_effnetlite0', network=None)
    assert code == 0, err
    line, = [line for line in out.splitlines() if line.startswith('a     ')]
    assert abs(float(line.split(' fd50_effnetlite0 ')[1])) < 1e-4
    code, out, err = program('--fakes=a', '--dataset=b', '--metrics=fd50_effnetlite0', '--resolution=8', network=None)
    assert code == 0, err
    record = json.loads((tmp_path / 'results' / '00001-run-metrics' / 'metric-fd50_effnetlite0.jsonl').read_text())
    assert record['results']['fd50_effnetlite0'] > 1e-3 and record['resolution'] == 8 and record['num_fakes'] == 6


@pytest.mark.parametrize('kind, words', [
    ('none', ['could not be fetched', 'cache']), ('folder', ['this is a folder', 'give the path of']),
    ('missing', ['no such file', 'give the path of']),
    ('wrong', ['with sha256 6726825d', 'replace the file']), ('cut off', ['with sha256', 'replace the file']),
    ('cut off graph', ['not a frozen TensorFlow graph, or corrupt or truncated'])])
def test_bad_weights_are_one_line(program, tmp_path, monkeypatch, kind, words):
    monkeypatch.setattr(weight_files, '_fetch', lambda what, candidate: 'no network')
    monkeypatch.delenv('STYLEGAN2_INCEPTION', raising=False)
    path = tmp_path / ('classify_image_graph_def.pb' if 'graph' in kind else 'pt_inception-2015-12-05-6726825d.pth')
    if kind != 'none':
        monkeypatch.setenv('STYLEGAN2_INCEPTION', str(path))
    if kind == 'folder':
        path.mkdir()
    if kind == 'wrong':
        path.write_bytes(b'another file')
    if kind == 'cut off':
        whole = weight_writers.torch_file({'a': np.ones(1000, np.float32)}, False)
        monkeypatch.setattr(inception_v3, 'CANDIDATES', [
            weight_files.Candidate(path.name, sha256=hashlib.sha256(whole).hexdigest())])
        path.write_bytes(whole[:-100])
    if kind == 'cut off graph':
        path.write_bytes(weight_writers.graph_file({'a': np.ones(1000, np.float32)}, {})[:-100])
    code, _, err = program('--metrics=fid10', '--fakes=a', '--reals=b', network=None)
    assert code == 2 and err.count('\n') == 1, err
    assert all(word in err for word in words + [path.name]), err


def test_table_of_results():
    records = [dict(network_pkl='x/n.pkl', results={'fid5k': 2.0}), dict(network_pkl='x/n.pkl', results={'fid5k': 4.0}),
               dict(network_pkl='m.pkl', results={'ppl_wend': 123.456})]
    assert make_table(records).splitlines() == [
        '| network | fid5k | ppl_wend |', '|---|---|---|', '| n.pkl | 3 +- 1.4 |  |', '| m.pkl |  | 123.5 |']
    records = [dict(network_pkl=name, results={'fid5k': 2.0}) for name in ('x/n.pkl', 'y/n.pkl', 'y/m.pkl')]
    assert [line.split(' | ')[0] for line in make_table(records).splitlines()[2:]] == [
        '| x/n.pkl', '| y/n.pkl', '| m.pkl']


@pytest.mark.parametrize('args, part', [
    (['--metrics=fid'], "unknown metric 'fid'; did you mean fid50k? choose from cats, domains_cats,"),
    (['--metrics=ppl_wend,abc'], "unknown metric 'abc'; choose from"),
    (['--metrics='], 'names of metrics'), (['--network=missing.pkl'], 'missing.pkl'),
    (['--data-dir=nowhere'], 'nowhere'), (['--dataset=nosuch'], 'nosuch'),
    (['--metrics=fd1k_effnetlite0'], 'compares with real pictures; give --dataset'),
    (['--fakes=a'], 'expected either --network'), (['--num-gpus=0'], '--num-gpus=0: expected at least 1'),
    (['--mirror-augment=2'], 'true or false'), (['--num-images=0'], 'expected 1 to'), (['--crop=8'], 'and --dataset'),
    (['--seed=2147483648'], 'below 2147483648'), (['--json=net.pkl/x'], 'net.pkl'),
    (['--inputs=nosuch'], '--inputs=nosuch: no such file or folder'),
    (['--metrics=domains_lpips'], 'domains_lpips measures translations; give --inputs'),
    (['--direction=BtoA'], 'are for a --network that translates; give --inputs as well'),
    (['--inputs=a', '--metrics=ppl_wend'], '--metrics=ppl_wend measures networks that draw from latents'),
    (['--json=.'], '--json=.: this is a folder'), (['--num-images=10000001'], 'expected 1 to 10000000'),
    (['--metrics=fd10000001_effnetlite0'], 'unknown metric')])
def test_bad_options_are_refused_in_one_line(program, monkeypatch, args, part):
    monkeypatch.setattr(cli, 'load_tensorflow', lambda: pytest.fail('TensorFlow was loaded'))
    code, _, err = program(*args)
    assert code == 2 and err.count('\n') == 1 and part in err, err
    assert not os.path.exists('results')


def test_a_network_or_pictures_are_needed(program):
    code, _, err = program('--fakes=a', '--reals=b')
    assert code == 2 and 'expected either --network=PKL or --fakes=PATH, not both' in err
    for metric in ('ppl_wend', 'ls'):
        code, _, err = program('--fakes=a', '--reals=b', '--metrics=fd6_effnetlite0,' + metric, network=None)
        assert code == 2 and f'--metrics={metric} measures a network, not pictures' in err
    code, _, err = program('--fakes=nosuch', network=None)
    assert code == 2 and 'nosuch' in err
    code, _, err = program('--metrics=fid10', network=None)
    assert code == 2 and 'expected either --network=PKL or --fakes=PATH' in err
