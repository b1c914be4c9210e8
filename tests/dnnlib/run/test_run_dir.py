"""Names and files of run directories, continuing in one, refused runs, and the run context."""

import ast
import json
import os
import pickle
import re
import subprocess
import sys

import pytest

import dnnlib
from dnnlib.run import run_dir


def hello(number, submit_config):
    print('number', number, dnnlib.make_run_dir_path('x', 'y') == os.path.join(submit_config.run_dir, 'x', 'y'))


def refuse(write_first):
    if write_first:
        open(dnnlib.make_run_dir_path('fakes.png'), 'w').close()
    raise dnnlib.UserError('no such dataset')


def fail_to_start(error):
    for name in ('skipped.csv', 'b-skipped.csv', 'minibatch_gpu.json', 'precision.json', 'reals-augmented.png',
                 'fakes_init.png', 'classes.json', 'events.out.tfevents.1.host'):
        open(dnnlib.make_run_dir_path(name), 'w').close()
    raise {'OSError': OSError, 'ImportError': ImportError, 'KeyboardInterrupt': KeyboardInterrupt}[error](error)


def stop(submit_config):
    submit_config.stopped_by = 2
    assert 'abort.txt' not in os.listdir(submit_config.run_dir)


def crash():
    raise ZeroDivisionError('oops')


def stop_when_asked():
    context = dnnlib.RunContext.get()
    assert context is dnnlib.RunContext.get()
    context.update(loss=1, cur_epoch=2, max_epoch=3)
    assert not context.should_stop()
    open(dnnlib.make_run_dir_path('abort.txt'), 'w').close()
    context.update()
    assert context.should_stop() and context.get_last_update_interval() >= 0
    assert context.get_time_since_start() >= context.get_time_since_last_update()


def _config(root, desc='test'):
    return dnnlib.SubmitConfig(run_dir_root=str(root), run_desc=desc)


def test_run_writes_the_published_files(tmp_path):
    dnnlib.RunContext.get()  # as of a training that was called without a run
    config = dnnlib.submit_run(_config(tmp_path / 'a' / 'results'), hello, number=3)
    assert config.run_dir == str(tmp_path / 'a' / 'results' / '00000-test')
    files = {name: open(os.path.join(config.run_dir, name), 'rb').read() for name in os.listdir(config.run_dir)}
    assert sorted(files) == ['_finished.txt', 'log.txt', 'run.txt', 'submit_config.pkl', 'submit_config.txt',
                             'training_options.json']
    assert files['_finished.txt'] == b''
    assert json.loads(files['training_options.json'].decode()) == {'number': 3}
    assert pickle.loads(files['submit_config.pkl'])['run_func_kwargs'] == {'number': 3}
    name = 'tests.dnnlib.run.test_run_dir.hello'
    assert ast.literal_eval(files['submit_config.txt'].decode())['run_func_name'] == name
    running, printed, finished = files['log.txt'].decode().splitlines()
    assert (running, printed) == ('dnnlib: Running {}() on localhost...'.format(name), 'number 3 True')
    assert re.match('dnnlib: Finished {}[(][)] in [0-9]+s[.]$'.format(name), finished)
    info = ast.literal_eval(files['run.txt'].decode())
    assert info['task_name'].endswith('-00000-test') and info['host_name'] == 'localhost'
    assert re.match('[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}$', info['start_time']) and info['stop_time']
    assert dnnlib.submit_config is None and dnnlib.make_run_dir_path('x') == os.path.join(os.getcwd(), 'x')


def test_function_by_name_and_other_options_file(tmp_path):
    config = _config(tmp_path)
    config.options_file = None
    config = dnnlib.submit_run(config, 'tests.dnnlib.run.test_run_dir.hello', number=1)
    assert 'training_options.json' not in os.listdir(config.run_dir)


def test_ids_count_up_from_the_largest(tmp_path):
    for name in ['00003-old', '7', 'other']:
        (tmp_path / name).mkdir()
    (tmp_path / '00099-a-file').write_text('')
    assert dnnlib.submit_run(_config(tmp_path), hello, number=0).run_name == '00008-test'
    assert [run_id for run_id, _ in run_dir.list_runs(str(tmp_path))] == [3, 7, 8]
    assert run_dir.list_runs(str(tmp_path / 'missing')) == []


def test_ids_are_unique_when_processes_start_together(tmp_path):
    code = ('import sys, dnnlib\n'
            'for i in range(10):\n'
            '    dnnlib.submit_run(dnnlib.SubmitConfig(run_dir_root=sys.argv[1], run_desc=sys.argv[2]), "os.getcwd")\n')
    processes = [subprocess.Popen([sys.executable, '-c', code, str(tmp_path), 'desc%d' % i], stdout=subprocess.DEVNULL)
                 for i in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    ids = [run_id for run_id, _ in run_dir.list_runs(str(tmp_path))]
    assert len(ids) == len(set(ids)) == len(os.listdir(str(tmp_path))) == 40


def test_only_one_process_is_in_a_run_directory(tmp_path):
    first = dnnlib.submit_run(_config(tmp_path), hello, number=1)
    assert not run_dir.is_locked(first.run_dir)
    with run_dir.locked(first.run_dir):
        assert run_dir.is_locked(first.run_dir)
        with pytest.raises(run_dir.FolderLocked, match='another process is running in'):
            dnnlib.submit_run(_config(tmp_path), hello, resume_run_dir=first.run_dir, number=2)
    assert os.path.exists(os.path.join(first.run_dir, '_finished.txt'))


def look(submit_config):
    assert run_dir.is_locked(submit_config.run_dir)


def test_a_new_run_directory_is_locked_from_the_beginning(tmp_path):
    dnnlib.submit_run(_config(tmp_path), look)


def test_bad_descriptions_and_roots_are_refused(tmp_path):
    for desc in ['a/b', 'a b', 'a\nb']:
        with pytest.raises(dnnlib.UserError, match='description'):
            dnnlib.submit_run(_config(tmp_path / 'new', desc), hello, number=0)
    assert not (tmp_path / 'new').exists()
    (tmp_path / 'file').write_text('')
    with pytest.raises((dnnlib.UserError, OSError)):
        dnnlib.submit_run(_config(tmp_path / 'file'), hello, number=0)
    with pytest.raises(dnnlib.UserError, match='cannot create the result folder'):
        dnnlib.submit_run(_config(tmp_path / 'file' / 'x'), hello, number=0)
    with pytest.raises(TypeError, match='run_dir_rot'):
        dnnlib.SubmitConfig(run_dir_rot='x')


def test_refused_run_leaves_nothing_but_what_it_wrote_itself(tmp_path):
    with pytest.raises(dnnlib.UserError, match='no such dataset'):
        dnnlib.submit_run(_config(tmp_path / 'new'), refuse, write_first=False)
    assert os.listdir(str(tmp_path)) == []
    with pytest.raises(dnnlib.UserError):
        dnnlib.submit_run(_config(tmp_path), refuse, write_first=True)
    assert 'fakes.png' in os.listdir(str(tmp_path / '00000-test'))
    for error in (OSError, ImportError, KeyboardInterrupt):
        with pytest.raises(error):
            dnnlib.submit_run(_config(tmp_path), fail_to_start, error=error.__name__)
        assert os.listdir(str(tmp_path)) == ['00000-test']


def test_crash_is_in_the_log_and_marks_the_end(tmp_path):
    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError):
        dnnlib.submit_run(_config(tmp_path), crash)
    assert (tmp_path / '00000-test' / '_finished.txt').exists()
    assert 'ZeroDivisionError: oops' in (tmp_path / '00000-test' / 'log.txt').read_text()
    assert (sys.stdout, sys.stderr) == before and dnnlib.submit_config is None


def test_resumed_run_appends_to_the_log(tmp_path):
    first = dnnlib.submit_run(_config(tmp_path), hello, number=1)
    second = dnnlib.submit_run(_config(tmp_path), hello, resume_run_dir=first.run_dir, number=2)
    assert (second.run_dir, second.run_id, second.task_name) == (first.run_dir, first.run_id, first.task_name)
    log = (tmp_path / '00000-test' / 'log.txt').read_text()
    assert 'number 1' in log and 'number 2' in log
    assert len(run_dir.list_runs(str(tmp_path))) == 1
    for bad in [tmp_path, tmp_path / '00001-missing']:
        with pytest.raises(dnnlib.UserError, match='not a run directory'):
            dnnlib.submit_run(_config(tmp_path), hello, resume_run_dir=str(bad), number=2)


class Hostile:
    def __reduce__(self):
        return os.mkdir, ('made-by-a-pickle',)


def test_configurations_are_read_without_running_anything(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    config = _config(tmp_path)
    config.run_func_kwargs = dnnlib.EasyDict(dataset_args=dnnlib.EasyDict(tfrecord_dir='ffhq'), evil=Hostile())
    path = tmp_path / 'submit_config.pkl'
    path.write_bytes(pickle.dumps(config, protocol=3))
    loaded = run_dir.load_submit_config(str(tmp_path))
    assert loaded['run_func_kwargs']['dataset_args'] == {'tfrecord_dir': 'ffhq'}
    assert os.listdir(str(tmp_path)) == ['submit_config.pkl']
    for damaged in [b'', b'hello there', path.read_bytes()[:-20], pickle.dumps([1])]:
        path.write_bytes(damaged)
        with pytest.raises(dnnlib.UserError, match='submit_config.pkl'):
            run_dir.load_submit_config(str(tmp_path))


def test_run_context_stops_when_asked(tmp_path):
    dnnlib.submit_run(_config(tmp_path), stop_when_asked)
    with dnnlib.RunContext() as context:  # outside a run: nothing is written
        context.update()
    assert not context.should_stop()


def test_a_stopped_run_says_so_and_forgets_that_it_was_asked_to(tmp_path):
    config = dnnlib.submit_run(_config(tmp_path), stop)
    (tmp_path / '00000-test' / 'abort.txt').write_text('')
    dnnlib.submit_run(_config(tmp_path), stop, resume_run_dir=config.run_dir)
    log = (tmp_path / '00000-test' / 'log.txt').read_text()
    assert log.count('dnnlib: Stopped tests.dnnlib.run.test_run_dir.stop()') == 2 and 'Finished' not in log
