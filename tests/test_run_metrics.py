"""The command line of run_metrics.py as a user types it, with a tiny generator and a narrow distance network."""

import os

import pytest
import tensorflow.compat.v1 as tf

import run_metrics
from dnnlib import EasyDict, cli
from metrics import weights
from metrics.metric_defaults import metric_defaults
from tests.metrics import lpips_reference
from tests.metrics.tiny_generator import tiny_generator
from training import pretrained


@pytest.fixture
def program(tmp_path, monkeypatch, capsys):
    """Function of arguments: (exit code, standard output, standard error); works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, 'lpips_vgg16', lpips_reference.narrow_weights)
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: tiny_generator(16))
    (tmp_path / 'net.pkl').write_bytes(b'\x80\x04')

    def run(*args):
        with tf.Graph().as_default(), pytest.raises(SystemExit) as info:
            cli.run_main(run_metrics.main, ['--network=net.pkl', '--device=cpu'] + list(args))
        captured = capsys.readouterr()
        return info.value.code or 0, captured.out, captured.err

    return run


def test_metrics_are_printed_and_logged(program, tmp_path, monkeypatch):
    monkeypatch.setitem(metric_defaults, 'ppl2_wend', EasyDict(metric_defaults.ppl2_wend, num_samples=8))
    code, out, err = program('--metrics=ppl2_wend', '--dataset=cats', '--mirror-augment=true')
    assert code == 0, err
    line, = [line for line in out.splitlines() if line.startswith('net     ')]
    assert float(line.split(' ppl2_wend ')[1]) > 0
    folder = tmp_path / 'results' / '00000-run-metrics'
    assert line in (folder / 'log.txt').read_text()
    assert not list(folder.glob('metric-*'))  # as published: results are printed only


@pytest.mark.parametrize('args, part', [
    (['--metrics=fid50k'], 'not in this version'), (['--metrics=ppl_wend,abc'], "'abc': no such metric"),
    (['--metrics='], 'names of metrics'), (['--network=missing.pkl'], 'missing.pkl'),
    (['--data-dir=nowhere'], 'nowhere'), (['--dataset=nosuch'], 'nosuch'),
    (['--num-gpus=0'], 'num_gpus'), (['--mirror-augment=2'], 'true or false')])
def test_bad_options_are_refused_in_one_line(program, monkeypatch, args, part):
    monkeypatch.setattr(cli, 'load_tensorflow', lambda: pytest.fail('TensorFlow was loaded'))
    code, _, err = program(*args)
    assert code == 2 and err.count('\n') == 1 and part in err, err
    assert not os.path.exists('results')
