"""Building and caching of the native operations, with fake compilers: keys, flags, errors, killed builds."""

import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import build, native_build, native_tools
from dnnlib.util import UserError

AGAIN = ' (as before; python -m dnnlib.tflib.ops.build --force tries again)'
ROOT = os.path.abspath(os.path.join(native_tools.SOURCE_DIR, *[os.pardir] * 4))
NVCC = 'Cuda compilation tools, release 12.4, V12.4.131'
NUM_KERNELS = 5  # files of operations for the CPU


def folders(compilers):
    """Names of all files and folders in the cache."""
    return sorted(name for _, names, files in os.walk(str(compilers.cache)) for name in names + files)


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def test_a_library_is_built_once(compilers, capsys):
    recipe = native_tools.recipe()
    library = native_build.obtain(recipe)
    assert library.path == str(compilers.cache / 'ops' / recipe.key / 'stylegan2_ops.so')
    assert read(library.path) == 'made by fake 1.0\n' and library.archs == ()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith('Building native operations for TensorFlow ' + tf.__version__)
    assert lines[1].startswith('Built native operations in ') and lines[1].endswith(library.path)
    count = len(compilers.calls)
    assert count == 1 + NUM_KERNELS + 1  # operations, kernels, link
    assert native_build.obtain(recipe) == library and len(compilers.calls) == count
    assert capsys.readouterr().err == ''
    assert native_build.obtain(recipe, force=True).path == library.path and len(compilers.calls) == 2 * count
    assert not [name for name in folders(compilers) if name.startswith('tmp_')]


def test_flags(compilers):
    native_build.obtain(native_tools.recipe())
    by_source = {os.path.basename(word): call for call in compilers.calls for word in call.split() if '.cc' in word}
    ops, kernel, link = by_source['ops.cc'], by_source['upfirdn_2d_cpu.cc'], compilers.calls[-1]
    for flag in tf.sysconfig.get_compile_flags():
        assert flag in ops and (flag not in kernel or not flag.startswith('-I'))
    assert ('-std=c++14' in ops) == tf.__version__.startswith('1.') and '-march' not in ops and 'CUDA' not in ops
    assert all(flag in kernel for flag in ('-O3', '-march=native', '-std=c++14', '-ffp-contract=fast'))
    assert all(flag in link for flag in tf.sysconfig.get_link_flags()) and '-shared' in link


@pytest.mark.parametrize('unknown, tries, kept', [
    ('-march=native', 3, []), ('-mprefer-vector-width=512', 2, ['-march=native'])])
def test_a_compiler_that_does_not_know_an_option_works_without(compilers, unknown, tries, kept):
    compilers.add('g++', 'case "$*" in *%s*) echo "error: bad value"; exit 1;; esac' % unknown)
    native_build.obtain(native_tools.recipe())
    kernels = [call for call in compilers.calls if '_cpu.cc' in call and '-c' in call.split()]
    assert len(kernels) == NUM_KERNELS * tries
    assert sum(unknown in call for call in kernels) == NUM_KERNELS * (tries - 1)
    last = [call for call in kernels if unknown not in call]
    assert len(last) == NUM_KERNELS and all(flag in call for call in last for flag in kept)


def test_the_first_error_is_shown_and_the_log_kept(compilers):
    compilers.add('g++', 'case "$*" in *ops.cc*) echo "a.h:1: warning: old"; echo "a.h:7:2: error: no Status"; '
                  'echo "a.h:9: error: second"; exit 1;; *) sleep 200;; esac')
    recipe, started = native_tools.recipe(), time.time()
    with pytest.raises(native_build.BuildError) as error:
        native_build.obtain(recipe)
    assert time.time() - started < 100  # the other compilers were ended
    log = str(compilers.cache / 'ops' / recipe.key / 'build.log')
    assert str(error.value) == 'g++ failed: a.h:7:2: error: no Status (log: %s)' % log
    assert 'a.h:9: error: second' in read(log) and 'ops.cc' in read(log)
    assert folders(compilers) == sorted(['ops', recipe.key, 'build.log', 'failed.json', 'lock'])


def test_what_failed_is_not_tried_again_for_a_day(compilers):
    compilers.add('g++', 'echo "a.h:7:2: error: no Status"; exit 1')
    recipe = native_tools.recipe()
    with pytest.raises(native_build.BuildError) as first:
        native_build.obtain(recipe)
    count = len(compilers.calls)
    with pytest.raises(native_build.BuildError) as second:
        native_build.obtain(recipe)
    assert len(compilers.calls) == count
    assert str(second.value) == str(first.value) + AGAIN
    with pytest.raises(native_build.BuildError) as forced:
        native_build.obtain(recipe, force=True)
    assert str(forced.value) == str(first.value) and len(compilers.calls) > count
    path = str(compilers.cache / 'ops' / recipe.key / 'failed.json')
    record = json.loads(read(path))
    with open(path, 'w') as f:
        json.dump(dict(record, time=record['time'] - 25 * 3600), f)
    compilers.add('g++')
    assert native_build.obtain(recipe) and not os.path.exists(path)


def test_a_failure_of_nvcc_is_kept_as_one(compilers):
    compilers.add('nvcc', 'echo "nvcc fatal   : no such GPU"; exit 1', NVCC)
    for end in (')', AGAIN):
        with pytest.raises(native_build.CudaError, match='no such GPU ') as error:
            native_build.obtain(native_tools.recipe(archs=('75',)))
        assert str(error.value).endswith(end)


def test_a_useless_library_is_built_anew_unless_another_process_did(compilers):
    recipe = native_tools.recipe()
    useless = native_build.stamp(native_build.obtain(recipe))
    count = len(compilers.calls)
    library = native_build.obtain(recipe, unlike=useless)
    assert len(compilers.calls) == 2 * count and native_build.stamp(library) != useless
    assert native_build.obtain(recipe, unlike=useless) == library and len(compilers.calls) == 2 * count


def test_link_errors_are_shown(compilers):
    compilers.add('g++', 'case "$*" in *-shared*) echo "x.o: undefined reference to y"; exit 1;; esac')
    with pytest.raises(native_build.BuildError, match='undefined reference to y'):
        native_build.obtain(native_tools.recipe())


def test_a_hung_compiler_is_ended(compilers, monkeypatch, tmp_path):
    compilers.add('g++', 'echo $$ >> "%s"; sleep 60' % (tmp_path / 'pids'))
    monkeypatch.setattr(native_build, 'COMPILE_SECONDS', 1)
    with pytest.raises(native_build.BuildError, match='has not finished'):
        native_build.obtain(native_tools.recipe())
    for pid in read(str(tmp_path / 'pids')).split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.parametrize('damage', ['truncated', 'garbage', 'gone', 'no record', 'broken record', 'foreign record'])
def test_damaged_libraries_are_built_anew(compilers, damage):
    recipe = native_tools.recipe()
    path = native_build.obtain(recipe).path
    record, text = os.path.join(os.path.dirname(path), 'build.json'), read(path)
    if damage == 'truncated':
        os.truncate(path, 4)
    elif damage == 'garbage':
        with open(path, 'w') as f:
            f.write('x' * len(text))
    elif damage == 'foreign record':
        values = dict(json.loads(read(record)), base='0' * 16)
        with open(record, 'w') as f:
            json.dump(values, f)
    elif damage == 'broken record':
        os.truncate(record, 20)
    else:
        os.remove(path if damage == 'gone' else record)
    assert native_build.find(recipe) is None
    count = len(compilers.calls)
    assert read(native_build.obtain(recipe).path) == text and len(compilers.calls) == 2 * count


def start_build(recipe):
    """Builds in another process; a fork, since importing TensorFlow takes seconds."""
    process = multiprocessing.get_context('fork').Process(target=native_build.obtain, args=(recipe,))
    process.start()
    return process


def wait_for(condition):
    deadline = time.time() + 60
    while not condition():
        assert time.time() < deadline
        time.sleep(0.02)


def test_of_two_processes_one_builds(compilers):
    compilers.add('g++', 'sleep 1')
    recipe = native_tools.recipe()
    processes = [start_build(recipe) for _ in range(3)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert native_build.find(recipe) and len(compilers.calls) == NUM_KERNELS + 2


def test_a_killed_build_leaves_nothing_in_the_way(compilers, capsys):
    compilers.add('g++', 'sleep 30')
    recipe = native_tools.recipe()
    process = start_build(recipe)
    wait_for(lambda: len(compilers.calls) == NUM_KERNELS + 1)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    left = [name for name in folders(compilers) if name.startswith('tmp_')]
    assert len(left) == 1 and native_build.find(recipe) is None
    compilers.add('g++')
    assert read(native_build.obtain(recipe).path) == 'made by fake 1.0\n'
    assert 'Waiting' not in capsys.readouterr().err  # for a lock of the dead
    assert left[0] in folders(compilers)  # where locks do not work, somebody may be building in it
    old = time.time() - 2 * native_build.COMPILE_SECONDS - 1
    os.utime(str(compilers.cache / 'ops' / recipe.key / left[0]), (old, old))
    native_build.obtain(recipe, force=True)
    assert not any(name.startswith('tmp_') for name in folders(compilers))


def test_the_lock_has_a_time_out(compilers, monkeypatch, capsys):
    fcntl = pytest.importorskip('fcntl')
    recipe = native_tools.recipe()
    os.makedirs(str(compilers.cache / 'ops' / recipe.key))
    monkeypatch.setattr(native_build, 'COMPILE_SECONDS', -59.5)
    with open(str(compilers.cache / 'ops' / recipe.key / 'lock'), 'w') as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(native_build.BuildError, match='another process has been holding .*lock'):
            native_build.obtain(recipe)
    assert 'Waiting for another process' in capsys.readouterr().err


def test_what_the_key_depends_on(compilers, monkeypatch, tmp_path):
    keys = [native_tools.recipe().key]

    def changed(same_base=False):
        recipe = native_tools.recipe()
        assert recipe.key not in keys and (recipe.base == keys[-1].split('-')[0]) == same_base
        keys.append(recipe.key)

    flags, include = tf.sysconfig.get_compile_flags(), '/somewhere/else'
    monkeypatch.setattr(tf.sysconfig, 'get_compile_flags',
                        lambda: ['-I' + include if flag.startswith('-I') else flag for flag in flags])
    assert native_tools.recipe().key == keys[0]  # TensorFlow may lie anywhere
    monkeypatch.setattr(tf.sysconfig, 'get_compile_flags', lambda: flags + ['-D_GLIBCXX_USE_CXX11_ABI=7'])
    changed()
    monkeypatch.setattr(tf, '__version__', '1.99')
    changed()
    monkeypatch.setattr(native_tools, '_cpu_features', lambda: 'fewer')
    changed()
    sources = str(tmp_path / 'src')
    shutil.copytree(native_tools.SOURCE_DIR, sources)
    monkeypatch.setattr(native_tools, 'SOURCE_DIR', sources)
    assert native_tools.recipe().key == keys[-1]
    with open(os.path.join(sources, 'kernels.h'), 'a') as f:
        f.write('\n')
    changed()
    monkeypatch.setenv('CXX', compilers.add('newer', version='fake 2.0'))
    changed(same_base=True)
    compilers.add('nvcc', version=NVCC)
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', '75')
    changed(same_base=True)
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', '75,80')
    changed(same_base=True)


def test_compilers_are_looked_for(compilers, monkeypatch):
    clang = compilers.add('clang++', version='clang 17')
    compilers.add('c++', 'exit 1')
    (compilers.folder / 'g++').write_text('#!/bin/sh\nexit 1\n')  # a shim that only complains
    assert native_tools.find_cxx().command[0] == str(compilers.folder / 'c++')
    monkeypatch.setenv('PATH', str(compilers.folder))
    (compilers.folder / 'c++').unlink()
    assert native_tools.find_cxx() == native_tools.Tool([clang], 'clang 17')
    monkeypatch.setenv('CXX', clang + ' -stdlib=libc++')
    assert native_tools.find_cxx().command == [clang, '-stdlib=libc++']
    monkeypatch.setenv('CXX', 'icpc')
    with pytest.raises(native_build.BuildError, match='CXX=icpc does not run'):
        native_build.obtain(native_tools.recipe())


def test_without_a_compiler_any_library_for_this_tensorflow_serves(compilers, monkeypatch):
    library = native_build.obtain(native_tools.recipe())
    monkeypatch.setenv('PATH', '/nowhere')
    assert native_build.obtain(native_tools.recipe()) == library
    monkeypatch.setattr(tf, '__version__', '9.9')
    with pytest.raises(native_build.BuildError, match=r'no C\+\+ compiler \(g\+\+, c\+\+, clang\+\+\) on PATH'):
        native_build.obtain(native_tools.recipe())


def test_cuda_kernels(compilers, monkeypatch):
    compilers.add('nvcc', version=NVCC)
    library = native_build.obtain(native_tools.recipe(archs=('75', '80')))
    assert library.archs == ('75', '80')
    kernels = [call for call in compilers.calls if '.cu ' in call]
    assert len(kernels) == len(native_tools.sources()[2]) > 0
    assert all('/nvcc ' in call and 'code=sm_75' in call and 'code=compute_80' in call for call in kernels)
    assert '-DSTYLEGAN2_CUDA=1' in [call for call in compilers.calls if 'ops.cc ' in call][0]
    assert '/nvcc ' in compilers.calls[-1] and '-shared' in compilers.calls[-1]
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('80',))
    assert native_build.find(native_tools.recipe()) == library  # built ahead, for more than is here
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('90',))
    assert native_build.find(native_tools.recipe()) is None


def test_without_nvcc_cuda_kernels_that_run_here_are_used(compilers, monkeypatch):
    compilers.add('nvcc', version=NVCC)
    library = native_build.obtain(native_tools.recipe(archs=('75', '80')))
    cpu_only = native_build.obtain(native_tools.recipe())
    monkeypatch.setattr(native_tools, 'driver_cuda', lambda: None)
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('86',))
    assert native_build.find(native_tools.recipe()) is None  # nvcc will build the right one
    monkeypatch.setattr(native_tools, 'find_nvcc', lambda: None)
    for arch, found in [('86', library), ('90', library), ('70', cpu_only)]:
        monkeypatch.setattr(native_tools, 'gpu_archs', lambda arch=arch: (arch,))
        assert native_build.find(native_tools.recipe()) == found


@pytest.mark.parametrize('built, wanted, runs', [
    ('75', '75', True), ('80', '86', True), ('86', '80', False), ('75,80', '75', True), ('75,80', '86', True),
    ('75,90', '80', False), ('75,90', '70', False), ('75,90', '100', True), ('75,80', '90', True), ('90a', '90', True),
    ('90a', '100', False), ('80,90a', '100', False), ('100', '90', False), ('', '75', False)])
def test_which_gpus_code_runs_on(built, wanted, runs):
    assert native_tools.covers(tuple(filter(None, built.split(','))), wanted) == runs


def test_options_of_the_compiler_reach_it_through_nvcc(compilers, monkeypatch):
    compilers.add('nvcc', version=NVCC)
    monkeypatch.setenv('CXX', compilers.add('g++') + ' -m64 -Wl,-O1')
    native_build.obtain(native_tools.recipe(archs=('75',)))
    calls = [call for call in compilers.calls if '/nvcc ' in call]
    start = '-ccbin %s -Xcompiler=-m64 -Xcompiler=-Wl\\,-O1 ' % (compilers.folder / 'g++')
    assert len(calls) == 4 and all(start in call for call in calls)


def test_why_there_are_no_cuda_kernels(compilers, monkeypatch):
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('75',))
    monkeypatch.setattr(native_tools, 'driver_cuda', lambda: (12, 2))
    monkeypatch.setattr(native_tools, 'find_nvcc', lambda: None)
    recipe = native_tools.recipe()
    assert recipe.archs == () and recipe.wanted == ('75',) and recipe.problem.startswith('no nvcc')


def test_an_nvcc_that_is_newer_than_the_driver_is_refused(compilers, monkeypatch):
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('75',))
    monkeypatch.setattr(native_tools, 'driver_cuda', lambda: (11, 8))
    compilers.add('nvcc', version=NVCC)
    assert 'nvcc is of CUDA 12.4, but the driver of the GPU knows CUDA up to 11.8' in native_tools.recipe().problem
    monkeypatch.setattr(native_tools, 'driver_cuda', lambda: (12, 0))
    assert native_tools.recipe().problem is None and native_tools.recipe().archs == ('75',)


def test_nvcc_errors_are_told_apart(compilers):
    compilers.add('nvcc', 'echo "nvcc fatal   : Unsupported gpu architecture"; exit 1', NVCC)
    with pytest.raises(native_build.CudaError, match='nvcc failed: nvcc fatal   : Unsupported gpu architecture'):
        native_build.obtain(native_tools.recipe(archs=('35',)))


@pytest.mark.parametrize('text, archs', [('75', ('75',)), ('9.0, sm_75,100', ('75', '90', '100')), ('90a', ('90a',))])
def test_architecture_lists(text, archs, monkeypatch):
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', text)
    assert native_tools.cuda_archs() == archs


@pytest.mark.parametrize('text', ['seven', '7', '75;80', ','])
def test_bad_architecture_lists(text, monkeypatch):
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', text)
    with pytest.raises(UserError, match='STYLEGAN2_CUDA_ARCHS=.*expected CUDA architectures such as 75,80,90'):
        native_tools.cuda_archs()


def test_architectures_from_the_driver(monkeypatch):
    class Driver:
        """Two GPUs: compute capability 8.6 and 7.5."""
        caps = [(8, 6), (7, 5)]

        def cuDeviceGetCount(self, count):
            count._obj.value = len(self.caps)
            return 0

        def cuDeviceGet(self, device, index):
            device._obj.value = 10 + index
            return 0

        def cuDeviceGetAttribute(self, value, attribute, device):
            value._obj.value = self.caps[device.value - 10][attribute - 75]
            return 0

        def cuDriverGetVersion(self, version):
            version._obj.value = 12040
            return 0

    monkeypatch.setattr(native_tools, '_driver', Driver)
    monkeypatch.setattr(tf.test, 'is_built_with_cuda', lambda: True)
    assert native_tools.gpu_archs.__wrapped__() == ('75', '86') and native_tools.driver_cuda() == (12, 4)
    monkeypatch.setattr(tf.test, 'is_built_with_cuda', lambda: False)
    assert native_tools.gpu_archs.__wrapped__() == ()


def test_the_driver_is_asked_by_its_own_library(monkeypatch):
    asked = []

    def load(name):
        asked.append(name)
        raise OSError('no such library')

    monkeypatch.setattr(ctypes, 'CDLL', load)
    assert native_tools._driver.__wrapped__() is None and asked == ['libcuda.so.1']


def test_the_command_builds_and_lists(compilers, capsys):
    build.main(['--list'])
    assert capsys.readouterr().out == 'No library has been built yet.\n'
    build.main([])
    path = native_build.find(native_tools.recipe()).path
    assert capsys.readouterr().out == '%s (C++ for the CPU, 0.0 MB)\n' % path
    count = len(compilers.calls)
    build.main([])
    assert len(compilers.calls) == count
    build.main(['--force'])
    assert len(compilers.calls) == 2 * count
    compilers.add('nvcc', version=NVCC)
    build.main(['--cuda-archs=75,80'])
    assert '(C++ for the CPU, CUDA sm_75, CUDA sm_80, 0.0 MB)' in capsys.readouterr().out
    build.main(['--list'])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and sorted(line[0] for line in lines) == [' ', '*']
    assert lines[0].split(': ')[1].startswith('TensorFlow %s, ' % tf.__version__)


def test_the_command_refuses_what_it_cannot_do(compilers, monkeypatch):
    with pytest.raises(UserError, match='--cuda-archs=x: expected CUDA architectures'):
        build.main(['--cuda-archs=x'])
    monkeypatch.setattr(native_tools, 'find_nvcc', lambda: None)
    with pytest.raises(UserError, match='no CUDA kernels: no nvcc'):
        build.main(['--cuda-archs=75'])
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', '75')
    with pytest.raises(UserError, match='no CUDA kernels: no nvcc'):
        build.main([])


def test_the_command_does_without_cuda_kernels_that_nobody_asked_for(compilers, monkeypatch, capsys):
    compilers.add('nvcc', 'echo "nvcc fatal : unsupported GNU version"; exit 1', NVCC)
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ('75',))
    monkeypatch.setattr(native_tools, 'driver_cuda', lambda: None)
    build.main([])
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith('(C++ for the CPU, 0.0 MB)')
    assert second.startswith('No CUDA kernels: nvcc failed: nvcc fatal : unsupported GNU version')
    with pytest.raises(native_build.CudaError, match='unsupported GNU version'):
        build.main(['--cuda-archs=75'])
    monkeypatch.setenv('STYLEGAN2_CUDA_ARCHS', '75')
    with pytest.raises(native_build.CudaError, match='unsupported GNU version'):
        build.main([])


def test_the_command_without_a_compiler_ends_with_one_line(tmp_path):
    env = dict(os.environ, PATH='/nowhere', STYLEGAN2_CACHE=str(tmp_path), CXX='', TF_CPP_MIN_LOG_LEVEL='3',
               XDG_CACHE_HOME=str(tmp_path))
    run = subprocess.run([sys.executable, '-m', 'dnnlib.tflib.ops.build'], env=env, cwd=ROOT, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, universal_newlines=True)
    assert (run.returncode, run.stdout) == (2, '')
    assert run.stderr == 'python -m dnnlib.tflib.ops.build: error: no C++ compiler (g++, c++, clang++) on PATH\n'
