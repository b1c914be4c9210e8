"""The numeric self-test: passes on this machine, finds wrong kernels, and touches nothing of its caller's."""

import contextlib
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import layout, self_test
from dnnlib.tflib.ops import native, native_tools
from dnnlib.util import UserError

ROOT = os.path.abspath(os.path.join(native_tools.SOURCE_DIR, *[os.pardir] * 4))
CPU = {'device': 'cpu'}


@pytest.fixture(autouse=True)
def no_mode_from_outside(monkeypatch):
    monkeypatch.delenv('STYLEGAN2_OPS', raising=False)


def test_this_machine_is_right():
    checks, device = self_test.run(CPU)
    assert device == 'CPU' and [item for item in checks if not item.ok] == []
    names = [item.name for item in checks]
    assert len(set(names)) == len(names)
    for part in ('matrix product', 'convolution 3x3, stride 2', 'transposed convolution', 'convolution 1x1'):
        assert part + ', float32' in names
    for part in ('fused_bias_act lrelu', 'fused_bias_act swish', 'upfirdn_2d up 2, down 1', 'styled_bias_act',
                 'warp_2d'):
        assert {part + ', ref, float32', part + ', native, float32'} <= set(names)
    assert 'second gradients, native, float32' in names
    half = {name.split(', ')[0] for name in names if 'bfloat16' in name}
    assert ('second gradients' in half) == bool(half) == (not tf.__version__.startswith('1.'))


def test_reference_operations_alone(capsys):
    checks, _ = self_test.run(dict(CPU, ops='ref'))
    assert not [item.name for item in checks if 'native' in item.name] and all(item.ok for item in checks)
    self_test.check(dict(CPU, ops='ref'))
    assert re.match(r'Self-test: %d operations agree with NumPy on the CPU \(\d+\.\d s\)\n$' % len(checks),
                    capsys.readouterr().out)


def test_nothing_of_the_caller_is_touched(session):
    operations, data_format, mode = len(session.graph.get_operations()), layout.data_format(), native.mode()
    layout.set_data_format('NCHW')
    self_test.run(CPU)
    assert tf.get_default_session() is session and tf.get_default_graph() is session.graph
    assert len(session.graph.get_operations()) == operations and native.mode() == mode
    assert layout.data_format() == 'NCHW' != data_format


def test_the_other_layout(monkeypatch):
    """Channels first as on a GPU, for those operations that the CPU can do so."""
    with self_test.fresh_session(CPU) as session:
        layout.set_data_format('NCHW')
        for case in self_test._own_cases('float32', 'native') + self_test._own_cases('float32', 'ref'):
            check = self_test._compare(session, case, 1e-5, 'float32')
            assert check.ok, check


def test_the_device_computes_it(monkeypatch):
    """What depends on constants only, TensorFlow computes while it optimizes a graph, and always on the CPU."""
    executed, fresh_session = set(), self_test.fresh_session

    class Recorder:
        def __init__(self, session):
            self._session = session

        def run(self, fetches, feed=None):
            metadata = tf.RunMetadata()
            found = self._session.run(fetches, feed, tf.RunOptions(output_partition_graphs=True), metadata)
            executed.update(node.op for graph in metadata.partition_graphs for node in graph.node)
            return found

    @contextlib.contextmanager
    def recorded(config_dict):
        with fresh_session(config_dict) as session:
            yield Recorder(session)

    monkeypatch.setattr(self_test, 'fresh_session', recorded)
    assert all(item.ok for item in self_test.run(CPU)[0])
    for pattern in ('UpFirDn2D', 'FusedBiasAct', 'StyledBiasAct', 'StyledBiasActGrad', 'StyledBiasActGrad2', 'Warp2D',
                    r'\w*MatMul', r'\w*Conv2D', r'\w*Conv2DBackpropInput', r'\w*Conv2DBackpropFilter'):  # also _Mkl...
        assert any(re.match(pattern + '$', name) for name in executed), (pattern, executed)


def test_the_fallback_is_left_to_the_line_of_the_device(monkeypatch, capsys):
    monkeypatch.setattr(native, '_told', set())
    monkeypatch.setattr(native, '_outcome', lambda: (None, None, None, 'no compiler today'))
    self_test.check(CPU)
    tflib.init_tf(CPU)
    try:
        print(tflib.device_description())
        assert native.choose() == 'ref'
    finally:
        tflib.close_tf()
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count('no compiler today') == 1


def wrong(function, factor):
    return lambda *args, **kwargs: function(*args, **kwargs) * factor


@pytest.mark.parametrize('name, message', [
    ('upfirdn_2d', r'upfirdn_2d up 2, down 1, native, float32: relative error 0\.\d+, at most 2e-05 expected; use '
     r'--ops=ref \(--no-selftest skips the test\)$'),
    ('conv2d', 'convolution 3x3, float32: .*; install another TensorFlow '),
    ('fused_bias_act', 'fused_bias_act lrelu, native, float32')])
def test_wrong_operations_are_named(monkeypatch, name, message):
    monkeypatch.setattr(self_test, name, wrong(getattr(self_test, name), 1.001))
    with pytest.raises(UserError, match='self-test failed on the CPU with TensorFlow .*: ' + message):
        self_test.check(CPU)


def test_wrong_gradients_are_found(monkeypatch):
    right = self_test.fused_bias_act

    def forgets_the_bias(x, b, **kwargs):
        return right(x, tf.stop_gradient(b) * 0.5 + b * 0.5, **kwargs)

    monkeypatch.setattr(self_test, 'fused_bias_act', forgets_the_bias)
    bad = [item.name for item in self_test.run(dict(CPU, ops='ref'))[0] if not item.ok]
    assert 'fused_bias_act lrelu, ref, float32' in bad and not any('upfirdn' in name for name in bad)


def test_wrong_second_gradients_are_found(monkeypatch):
    right = self_test.fused_bias_act

    def differs(x, b, impl, **kwargs):
        return right(x, b, impl=impl, **kwargs) * (1 + (impl == 'native') * 1e-3)

    monkeypatch.setattr(self_test, 'fused_bias_act', differs)
    monkeypatch.setattr(self_test, '_own_cases', lambda dtype, impl: [])
    assert [item.name for item in self_test.run(CPU)[0] if not item.ok] == ['second gradients, native, float32']


def test_nan_and_what_tensorflow_refuses(monkeypatch):
    def refuses(*_args, **_kwargs):
        raise tf.errors.InternalError(None, None, 'cuDNN failed\nto initialize')

    monkeypatch.setattr(self_test, 'conv2d', refuses)
    monkeypatch.setattr(self_test, 'upfirdn_2d', wrong(self_test.upfirdn_2d, np.float32('nan')))
    checks = {item.name: item for item in self_test.run(dict(CPU, ops='ref'))[0]}
    assert checks['convolution 1x1, float32'].problem == 'cuDNN failed to initialize'
    assert checks['upfirdn_2d up 1, down 2, ref, float32'].error == float('inf')
    with pytest.raises(UserError, match='convolution 3x3, float32: cuDNN failed to initialize; '):
        self_test.check(dict(CPU, ops='ref'))


WRONG_KERNEL = '''
#undef upfirdn_cpu
extern "C" void upfirdn_cpu(const UpFirDnParams* p, index_t begin, index_t end) {
  right_upfirdn_cpu(p, begin, end);
  if (begin == 0 && p->dtype == FLOAT32) static_cast<float*>(p->y)[0] += 1;
}
'''
TRAIN = '''
import sys
from dnnlib import cli
from dnnlib.tflib.ops import native_tools
import run_training
native_tools.SOURCE_DIR = sys.argv[1]
cli.run_main(run_training.main, sys.argv[2:])
'''


def test_training_with_a_wrong_kernel_is_refused(tmp_path):
    sources = tmp_path / 'src'
    shutil.copytree(native_tools.SOURCE_DIR, str(sources))
    kernel = sources / 'upfirdn_2d_cpu.cc'
    kernel.write_text('#define upfirdn_cpu right_upfirdn_cpu\n' + kernel.read_text() + WRONG_KERNEL)
    env = dict(os.environ, STYLEGAN2_CACHE=str(tmp_path / 'cache'), TF_CPP_MIN_LOG_LEVEL='3')
    options = ['--dataset=cats', '--device=cpu', '--total-kimg=1', '--result-dir=' + str(tmp_path / 'results')]
    run = subprocess.run([sys.executable, '-c', TRAIN, str(sources)] + options, cwd=ROOT, env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert run.returncode == 2, run.stderr
    last = run.stderr.splitlines()[-1]
    assert 'error: self-test failed on the CPU' in last and 'upfirdn_2d up 2, down 1, native, float32' in last
    assert 'use --ops=ref' in last and not (tmp_path / 'results').exists()
    assert [line.split()[0] for line in run.stderr.splitlines()[:-1]] == ['Building', 'Built']
