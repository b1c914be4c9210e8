"""Choosing and loading the native operations: modes, warnings, fall-back, programs without a compiler."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib.tflib as tflib
from dnnlib.tflib import layout
from dnnlib.tflib.ops import native, native_build, native_tools
from dnnlib.util import UserError
from training.data import crc32c
from tests.dnnlib.tflib.ops.fake_compilers import FakeCompilers

ROOT = os.path.abspath(os.path.join(native_tools.SOURCE_DIR, *[os.pardir] * 4))
OPS = ('fused_bias_act', 'styled_bias_act', 'styled_bias_act_grad', 'styled_bias_act_grad2', 'up_fir_dn2d')


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """An empty graph, no mode from outside, nothing told yet."""
    monkeypatch.delenv('STYLEGAN2_OPS', raising=False)
    monkeypatch.setattr(native, '_told', set())
    with tf.Graph().as_default():
        yield


@pytest.fixture
def none_here(monkeypatch):
    """A machine on which native operations cannot be built."""
    monkeypatch.setattr(native, '_outcome', lambda: (None, None, None, 'no compiler today'))


@pytest.fixture
def some_here(monkeypatch):
    """A machine that has them for the CPU; what they compute does not matter."""
    library = native_build.Library('/cache/ops.so', (), 1.0)
    recipe = native_tools.Recipe(None, None, (), (), 'no nvcc', 'base', 'key')
    monkeypatch.setattr(native, '_outcome', lambda: ('module', library, recipe, None))
    return library, recipe


def test_the_library_has_all_operations():
    module = native.load()
    assert [name for name in OPS if not callable(getattr(module, name, None))] == []
    assert native.load() is module and os.path.isfile(native.library_path())
    assert native.choose() == 'native' and native.missing() is None


def test_checksums(monkeypatch):
    function = native.crc32c()
    if {'sse4_2', 'crc32'} & set(native_tools._cpu_features().split()):
        assert function is not None
    if function is not None:  # the processor knows the instruction
        for size in list(range(50)) + [1000, 50001]:
            data = np.random.RandomState(size).randint(256, size=size).astype(np.uint8)
            assert function(data) == crc32c.crc32c(data)
        with crc32c.using(lambda data: len(data)):
            assert crc32c.crc32c(b'123') == 3
    assert native._SAMPLE_CRC == crc32c.crc32c(native._SAMPLE)
    with monkeypatch.context() as changed:
        changed.setattr(native, '_SAMPLE_CRC', 1)  # as if the function were wrong
        assert native.crc32c() is None
    monkeypatch.setenv('STYLEGAN2_OPS', 'ref')
    assert native.crc32c() is None


@pytest.mark.parametrize('mode, impl, chosen', [
    (None, None, 'native'), ('auto', None, 'native'), ('native', None, 'native'), ('ref', None, 'ref'),
    ('ref', 'auto', 'ref'), ('ref', 'native', 'native'), ('ref', 'cuda', 'native'), ('native', 'ref', 'ref')])
def test_choice(some_here, mode, impl, chosen):
    native.set_mode(mode)
    assert native.choose(impl) == chosen


@pytest.mark.parametrize('mode, impl', [('native', None), ('native', 'auto'), ('auto', 'native'), ('ref', 'cuda')])
def test_what_is_asked_for_and_missing_is_an_error(none_here, mode, impl):
    native.set_mode(mode)
    with pytest.raises(UserError, match='no native operations: no compiler today; --ops=ref'):
        native.choose(impl)


def test_auto_falls_back_with_one_line(none_here, capsys):
    assert [native.choose(), native.choose('auto'), native.choose('ref')] == ['ref'] * 3
    assert capsys.readouterr().err == 'Native operations are not used, which is slower: no compiler today.\n'
    with pytest.raises(UserError, match='no native operations: no compiler today'):
        native.load()


def test_who_has_seen_the_description_needs_no_warning(none_here, capsys):
    assert native.describe() == 'reference: no compiler today' and native.choose() == 'ref'
    assert capsys.readouterr().err == ''


def test_ref_asks_nobody(monkeypatch):
    monkeypatch.setattr(native, '_outcome', lambda: pytest.fail('ref needs no library'))
    native.set_mode('ref')
    assert native.choose() == 'ref' and native.describe() == 'reference'


def test_unknown_names():
    with pytest.raises(ValueError, match="not 'fast'"):
        native.choose('fast')
    with pytest.raises(UserError, match='ops=fast: expected auto, ref, native'):
        native.set_mode('fast')


def test_the_mode_belongs_to_the_graph(monkeypatch):
    native.set_mode('ref')
    with tf.Graph().as_default():
        assert native.mode() == 'auto'
        native.set_mode('native')
        assert native.mode() == 'native'
    assert native.mode() == 'ref'
    monkeypatch.setenv('STYLEGAN2_OPS', 'native')
    assert native.mode() == 'ref'
    native.set_mode(None)
    assert native.mode() == 'native'
    monkeypatch.setenv('STYLEGAN2_OPS', 'slow')
    with pytest.raises(UserError, match='STYLEGAN2_OPS=slow: expected auto, ref, native'):
        native.choose()


def test_the_session_sets_the_mode():
    tflib.init_tf({'device': 'cpu', 'ops': 'ref'})
    assert native.mode() == 'ref' and tflib.device_description().endswith('NHWC; ops: reference')
    tflib.close_tf()
    with pytest.raises(UserError, match='ops=fast'):
        tflib.init_tf({'device': 'cpu', 'ops': 'fast'})


def test_description(some_here, monkeypatch):
    library, recipe = some_here
    assert native.describe() == 'native (C++ for the CPU)'
    monkeypatch.setattr(native, '_outcome', lambda: ('module', library._replace(archs=('75', '90')), recipe, None))
    assert native.describe() == 'native (C++ and CUDA sm_75, sm_90)'
    monkeypatch.setattr(native, '_outcome', lambda: (None, None, None, 'a broken leg'))
    assert native.describe() == 'reference: a broken leg'
    native.set_mode('native')
    with pytest.raises(UserError, match='a broken leg'):
        native.describe()


def test_a_gpu_without_cuda_kernels_uses_the_reference(some_here, monkeypatch):
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('75',))
    assert native.choose() == 'native'  # NHWC: a graph for the CPU
    layout.set_data_format('NCHW')
    assert native.choose() == 'ref' and native.describe() == 'reference: no nvcc'
    with pytest.raises(UserError, match='no nvcc'):
        native.choose('native')
    with tf.Session():  # which is on the CPU of this machine, or whatever TensorFlow finds
        assert native.choose() == ('ref' if tf.test.is_gpu_available() else 'native')


def test_a_gpu_that_the_library_is_not_for_uses_the_reference(some_here, monkeypatch):
    library, recipe = some_here
    monkeypatch.setattr(native, '_outcome', lambda: ('module', library._replace(archs=('75', '90')), recipe, None))
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('80',))
    assert native.choose() == 'native'  # NHWC: a graph for the CPU
    layout.set_data_format('NCHW')
    assert native.describe() == 'reference: the library is for sm_75, sm_90, this GPU is sm_80'
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('75', '100'))
    assert native.describe() == 'native (C++ and CUDA sm_75, sm_90)'


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    """A fake compiler, whose libraries cannot be loaded."""
    fakes = FakeCompilers(monkeypatch, tmp_path)
    fakes.add('g++')
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ())
    return fakes


def test_a_library_that_does_not_load_is_built_once(fakes):
    module, library, recipe, reason = native._outcome.__wrapped__()
    assert module is None and library is None and recipe is None
    assert 'stylegan2_ops.so' in reason and '\n' not in reason
    again = native._outcome.__wrapped__()[3]  # another process, later
    assert again == reason + ' (as before; python -m dnnlib.tflib.ops.build --force tries again)'
    assert len([call for call in fakes.calls if 'ops.cc ' in call]) == 1


def test_a_library_of_something_else_is_replaced(fakes, monkeypatch):
    path = native_build.obtain(native_tools.recipe()).path
    os.utime(path, (1e9, 1e9))  # of another day
    loaded = []

    def load(path):
        loaded.append(path)
        if len(loaded) == 1:
            raise tf.errors.NotFoundError(None, None, 'undefined symbol: _ZN10tensorflow8internal')
        return 'module'

    monkeypatch.setattr(tf, 'load_op_library', load)
    module, library, _, reason = native._outcome.__wrapped__()
    assert (module, reason) == ('module', None) and loaded == [library.path] * 2
    assert len([call for call in fakes.calls if 'ops.cc ' in call]) == 2


def test_without_working_cuda_compiler_the_cpu_has_its_kernels(fakes, monkeypatch):
    fakes.add('nvcc', 'echo "nvcc fatal : unsupported GNU version"; exit 1', 'release 12.4')
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('75',))
    monkeypatch.setattr(native_tools, 'driver_cuda', lambda: None)
    monkeypatch.setattr(tf, 'load_op_library', lambda path: 'module')
    module, library, recipe, _ = native._outcome.__wrapped__()
    assert module == 'module' and library.archs == ()
    assert recipe.problem.startswith('nvcc failed: nvcc fatal : unsupported GNU version (log: ')


def test_a_wrong_list_of_architectures_is_an_error_in_every_mode(fakes, monkeypatch):
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', 'turing')
    with pytest.raises(UserError, match='STYLEGAN2_CUDA_ARCHS=turing'):
        native._outcome.__wrapped__()


def test_a_compile_error_is_the_reason(fakes):
    fakes.add('g++', 'echo "ops.cc:1:1: error: expected unqualified-id"; exit 1')
    assert native._outcome.__wrapped__()[3].startswith('g++ failed: ops.cc:1:1: error: expected unqualified-id (log: ')


def run_program(tmp_path, *options, **env):
    """Draws one picture in a process that finds no compiler and an empty cache; returns the finished process."""
    env = dict(os.environ, PATH='/nowhere', CXX='', STYLEGAN2_CACHE=str(tmp_path / 'cache'), TF_CPP_MIN_LOG_LEVEL='3',
               XDG_CACHE_HOME=str(tmp_path / 'xdg'), TMPDIR=str(tmp_path), **env)
    command = [sys.executable, 'run_generator.py', 'generate-images', '--seeds=0', '--device=cpu',
               '--result-dir=' + str(tmp_path / 'results')] + list(options)
    return subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)


def test_a_program_without_a_compiler_says_so_and_works(tmp_path):
    run = run_program(tmp_path)
    reason = 'no C++ compiler (g++, c++, clang++) on PATH'
    assert run.returncode == 0, run.stderr
    assert run.stderr == '' and (run.stdout.count(reason), run.stdout.count('slower')) == (1, 0)
    assert 'NHWC; ops: reference: %s\n' % reason in run.stdout and 'Wrote 1 picture' in run.stdout


def test_a_program_that_must_have_native_operations_ends_with_one_line(tmp_path):
    run = run_program(tmp_path, '--ops=native')
    assert run.returncode == 2
    assert run.stderr.startswith('run_generator.py: error: no native operations: no C++ compiler')
    assert len(run.stderr.splitlines()) == 1
    run = run_program(tmp_path, STYLEGAN2_OPS='fast')
    assert run.returncode == 2 and "'fast'" in run.stderr and len(run.stderr.splitlines()) == 1
