"""`--precision`: which options it changes, what it refuses, what it measures, and what a resumed run takes over."""

import contextlib
import json
from types import SimpleNamespace

import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from training.options import precision, precision_probe

TF1 = tf.__version__.startswith('1.')
NETWORKS = {'config-f': precision.BASE, 'auto': precision.ADA,
            'config-a': ('training.networks_stylegan.G_style', 'training.networks_stylegan.D_basic')}
FOUND = dict(seconds=2.0, half_seconds=1.0, ratio=2.0, pairs=3)


def options(config):
    """Options of a training as far as they matter here."""
    G, D = NETWORKS[config]
    return dict(G_args=dict(func_name=G), D_args=dict(func_name=D, mbstd_group_size=4), tf_config=dict(device='cpu'))


def with_half(config, **more):
    """The same, with half-precision blocks."""
    found = options(config)
    for name in ('G_args', 'D_args'):
        found[name].update(num_fp16_res=4, **more)
    return found


def applied(config, asked, cmethod='nocmethod'):
    """The options with a value of `--precision`."""
    found = options(config)
    precision.apply(found, SimpleNamespace(config=config, precision=asked, cmethod=cmethod))
    return found


def test_float32_changes_nothing():
    for config, asked in [('config-f', None), ('config-f', 'float32'), ('auto', 'float32'), ('config-a', None)]:
        assert applied(config, asked) == options(config)
    assert applied('auto', None, cmethod='zcr') == options('auto')


def test_ada_is_mixed_on_a_gpu_as_published():
    found = applied('auto', None)
    assert found['G_args'] == dict(func_name=precision.ADA[0], num_fp16_res=4, conv_clamp=256)
    assert found['D_args'] == dict(func_name=precision.ADA[1], mbstd_group_size=4, num_fp16_res=4, conv_clamp=256)
    assert 'precision' not in found


@pytest.mark.skipif(TF1, reason='TensorFlow 1 has no bfloat16 convolution on the CPU')
def test_mixed_is_asked_for():
    found = applied('config-f', 'mixed')
    assert found['precision'] == 'mixed' and found['G_args'] == dict(func_name=precision.BASE[0], num_fp16_res=4)
    assert found['D_args']['num_fp16_res'] == 4
    with pytest.raises(UserError, match='--precision=mixed: the networks of --config=config-a have no mixed precision'):
        applied('config-a', 'mixed')
    for name in ('zcr', 'wgangp'):
        with pytest.raises(UserError, match=f'--precision=mixed: --cmethod={name} trains in float32, as published'):
            applied('auto', 'mixed', cmethod=name)


@pytest.mark.skipif(not TF1, reason='newer TensorFlow has bfloat16 convolutions')
def test_tensorflow_1_on_a_cpu_is_refused():
    with pytest.raises(UserError, match='TensorFlow 1.* has no bfloat16 convolution for the CPU; drop --precision'):
        applied('config-f', 'mixed')


@pytest.fixture
def measured(monkeypatch):
    """Sets what the trial finds and what the machine is; returns how often it was measured."""
    count = []

    def install(ratio=2.0, machine='CPU one', half='bfloat16', missing=None):
        def run(_args, **_kwargs):
            count.append(half)
            return SimpleNamespace(returncode=0, stdout=json.dumps(dict(FOUND, ratio=ratio)).encode())
        monkeypatch.setattr(precision, 'device_of', lambda tf_config: (half, machine, missing))
        monkeypatch.setattr(precision.subprocess, 'run', run)
        return count
    return install


def test_the_faster_type_is_noted_and_taken_again(measured, tmp_path, capsys):
    count = measured()
    given = options('config-f')
    chosen = precision.choose(given, 'mixed', str(tmp_path))
    assert chosen == dict(given, tf_config=dict(device='cpu', mixed='bfloat16')) and len(count) == 1
    assert ('bfloat16: an iteration takes 2 s in float32, 1 s with bfloat16 (ratio 2.00, median of 3, on CPU one)'
            in capsys.readouterr().out)
    assert precision.choose(given, 'mixed', str(tmp_path)) == chosen
    assert 'bfloat16 as measured at the first start' in capsys.readouterr().out
    from_state = dict(given, resume_state=str(tmp_path / 'state' / '000001'))
    assert precision.choose(from_state, 'mixed')['tf_config']['mixed'] == 'bfloat16' and len(count) == 1
    assert precision.choose(given, None) is given


def test_float32_is_taken_where_it_is_faster(measured, capsys):
    measured(ratio=1.02)
    chosen = precision.choose(options('config-f'), 'mixed')
    assert chosen['tf_config']['mixed'] == 'float32'
    assert 'float32, because bfloat16 is not faster here' in capsys.readouterr().out


def test_16_bits_are_taken_where_float32_needs_too_much_memory(monkeypatch, measured, capsys):
    @contextlib.contextmanager
    def no_streams(*_args, **_options):
        yield {}

    class Timed:
        def __init__(self, _streams, options):
            self._type = options['tf_config']['mixed']

        def seconds(self):
            if self._type == 'float32':
                raise tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating')
            return 3.0

    monkeypatch.setattr(precision_probe, 'Timed', Timed)
    monkeypatch.setattr('training.data.streams.open_streams', no_streams)
    given = dict(options('config-f'), dataset_args={})
    found = precision_probe.measure(given, 'bfloat16')
    assert found == dict(seconds=None, half_seconds=3.0, ratio=None, pairs=1)
    measured(**{key: found[key] for key in ['ratio']})
    assert precision.choose(given, 'mixed')['tf_config']['mixed'] == 'bfloat16'
    assert 'bfloat16, because memory runs out in float32: an iteration takes 1 s' in capsys.readouterr().out


def test_another_machine_is_said(measured, tmp_path, capsys):
    measured()
    precision.choose(options('config-f'), 'mixed', str(tmp_path))
    count = measured(machine='CPU two')
    assert precision.choose(options('config-f'), 'mixed', str(tmp_path))['tf_config']['mixed'] == 'bfloat16'
    assert 'bfloat16 as at the first start, on CPU one; this is CPU two' in capsys.readouterr().out and len(count) == 1
    measured(half='float16', machine='GPU', ratio=3.0)
    chosen = precision.choose(with_half('config-f'), 'mixed', str(tmp_path))
    assert 'bfloat16 was chosen on CPU one, which this machine has not; measured again' in capsys.readouterr().out
    assert chosen['tf_config']['mixed'] == 'float16'
    assert chosen['G_args']['conv_clamp'] == chosen['D_args']['conv_clamp'] == 256
    assert json.loads((tmp_path / precision.CHOICE_FILE).read_text())['machine'] == 'GPU'


def test_a_state_from_elsewhere_takes_its_type_along(measured, tmp_path, capsys):
    measured()
    state = tmp_path / 'copied'
    precision.choose(options('config-f'), 'mixed', str(tmp_path))
    state.mkdir()
    (tmp_path / precision.CHOICE_FILE).rename(state / precision.CHOICE_FILE)
    count = measured(ratio=0.5)
    given = dict(options('config-f'), resume_state=str(state))
    assert precision.choose(given, 'mixed', str(tmp_path))['tf_config']['mixed'] == 'bfloat16'
    assert 'bfloat16 as measured at the first start' in capsys.readouterr().out and len(count) == 1


def test_files_never_ask_for_half_precision_without_the_clamp():
    plain = with_half('config-f')['G_args']
    for dtype, added in (('float16', dict(conv_clamp=256)), ('bfloat16', dict(conv_clamp=256)),
                         ('float32', dict(num_fp16_res=0))):
        found = precision.with_type(with_half('config-f'), dtype)
        assert found['G_args'] == dict(plain, **added) and found['tf_config']['mixed'] == dtype
        ada = with_half('auto', conv_clamp=256)  # as published
        assert precision.with_type(ada, dtype)['D_args'] == ada['D_args']


def test_a_trial():
    dense = dict(
        G_args=dict(func_name='tests.training.dense.generator'), seed=0, tf_config=dict(device='cpu'),
        D_args=dict(func_name='tests.training.dense.discriminator'),
        G_loss_args=dict(func_name='training.loss.G_logistic_ns'),
        D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma=1.0),
        dataset_args=dict(tfrecord_dir='cats', resolution=8), sched_args=dict(minibatch_size_base=4))
    found = precision._measure(dense, 'bfloat16', 'this machine')
    assert found['pairs'] == precision_probe.MOST_PAIRS and found['type'] in ('float32', 'bfloat16')
    assert 0.2 < found['ratio'] / (found['seconds'] / found['half_seconds']) < 5


def test_a_trial_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(precision.subprocess, 'run', lambda *args, **kwargs: SimpleNamespace(
        returncode=2, stderr=b'something\nthe data are gone\n'))
    with pytest.raises(UserError, match=r'the trial iterations failed \(the data are gone\)'):
        precision._measure(options('config-f'), 'bfloat16', 'this machine')
