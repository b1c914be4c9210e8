"""The Train tab's routes: runs, statistics that grow, pictures, steering, starting; nothing here loads TensorFlow."""

import errno
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
import types

import numpy as np
import PIL.Image
import pytest

import run_explorer
from dnnlib import UserError
from dnnlib.run import run_dir
from explorer import app as apps
from explorer import guard, jobs, run_files, runs, starting
from tests.explorer import client
from training.report import steering

PROGRAM = """
    import json, os, sys, time
    args = dict(word.partition('=')[::2] for word in sys.argv[1:])
    print('Training options:', json.dumps(args), flush=True)
    if '--dry-run' in args:
        sys.exit(2 if args['--config'] == 'config-a' else 0)
    if args['--config'] == 'config-b':
        sys.exit('run_training.py: error: no images')
    run = os.path.join(args['--result-dir'], '00000-stylegan2-cats-1gpu-config-f')
    os.makedirs(run)
    open(os.path.join(run, 'submit_config.txt'), 'w').write('')
    open(os.path.join(run, 'training_options.json'), 'w').write('{"total_kimg": 5}')
    time.sleep(8)
"""


@pytest.fixture(scope='module')
def asked(places):
    """Client of a server without a network."""
    args = run_explorer.make_parser().parse_args([
        '--network=none', f'--result-dir={places / "results"}', f'--data-dir={places / "data"}'])
    listening, app, _ = run_explorer.serve(args)
    listening.doorman = guard.Guard((), client.TOKEN)
    app.open_first()
    thread = threading.Thread(target=listening.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True)
    thread.start()
    yield client.Client(listening.server_address[1])
    listening.shutdown()
    listening.server_close()
    app.close()


@pytest.fixture
def run(places):
    """Folder of the run."""
    return places / 'results' / '00000-stylegan2-cats-1gpu-config-f'


def test_runs(asked):
    assert asked.get('/api/info')['state'] == 'none' and asked.refused('/api/image')[0] == 503
    found, = asked.get('/api/runs')['runs']
    assert found['run'] == 0 and found['state'] == 'stopped' and found['config'] == 'config-f'
    assert (found['kimg'], found['total_kimg'], found['tick'], found['eta']) == (4, 10, 4, 120.0)
    found = asked.get('/api/runs/0')
    assert [(item['name'], item['kimg']) for item in found['pictures']] == [
        ('fakes_init', 0), ('fakes000002', 2), ('fakes000004', 4)]
    assert [item['name'] for item in found['sheets']] == ['reals'] and found['method'] == 'stylegan2'
    assert found['grid'] == dict(columns=4, rows=2, width=16, height=16)
    assert found['snapshots'][0]['kimg'] == 4 and found['log'][-1].startswith('dnnlib: Stopped')
    assert asked.refused('/api/runs/7')[0] == 404 and asked.refused('/api/runs/7/stats')[0] == 404


def test_the_first_iteration_alone_says_nothing_about_the_time_left(run, tmp_path):
    shutil.copytree(str(run), str(tmp_path / '00001-x'))
    first, second = (run / 'stats.jsonl').read_text().splitlines(True)[:2]
    for lines, eta in ((first, None), (first + second, 180)):
        (tmp_path / '00001-x' / 'stats.jsonl').write_text(lines)
        found, = runs.Runs(str(tmp_path), None, runs.Numbers()).list()
        assert found['eta'] == eta and found['sec_per_kimg'] == 20


def test_how_far_a_run_is_that_stopped_after_its_last_report(tmp_path):
    (tmp_path / 'log.txt').write_text('tick 3     kimg 28.2     lod 0.00\n')
    assert run_files.kimg_reached(str(tmp_path), 28.16) == 28.16  # that of the log is rounded
    (tmp_path / 'log.txt').write_text('kimg 99.0, iteration 7: running\nPaused at kimg 40.0, as asked for\nother\n')
    assert run_files.kimg_reached(str(tmp_path), 28.16) == 40 == run_files.kimg_reached(str(tmp_path), None)
    state = tmp_path / 'state' / '000049536'
    state.mkdir(parents=True)
    (state / 'state.json').write_text('{}')
    assert run_files.kimg_reached(str(tmp_path), 28.16) == 49.536


def test_networks_of_runs_of_the_same_name_differ(tmp_path):
    for folder in (tmp_path, tmp_path / 'tiny'):
        (folder / '00000-a-1gpu-b').mkdir(parents=True)
        for name in ('stats.jsonl', 'network-snapshot-000000.pkl'):
            (folder / '00000-a-1gpu-b' / name).write_text('')
    found = runs.Runs(str(tmp_path), None, runs.Numbers())
    names = {item['name'] for item in found.networks()}
    assert names == {item['name'] + '/network-snapshot-000000.pkl' for item in found.list()} and len(names) == 2


def test_statistics_from_where_one_was(asked, run):
    first = asked.get('/api/runs/0/stats')
    assert [line['Progress/kimg'] for line in first['lines']] == [0, 1, 2, 3, 4]
    assert not first['reset'] and not first['more']
    again = f'/api/runs/0/stats?from={first["next"]}&file={first["file"]}'
    assert asked.get(again)['lines'] == [] and asked.get(again)['next'] == first['next']  # half a line is none
    with open(str(run / 'stats.jsonl'), 'a') as file:
        file.write('00, "Loss/x": NaN}\nnonsense\n' + '{"nimg": 1}\n' * 700)
    found = asked.get(again)
    assert found['lines'][0] == {'nimg': 5000, 'Loss/x': None} and len(found['lines']) == 500 and found['more']
    rest = asked.get(f'/api/runs/0/stats?from={found["next"]}&file={first["file"]}')
    assert len(rest['lines']) == 201 and not rest['more']
    lines = (run / 'stats.jsonl').read_text().splitlines(True)
    (run / 'other').write_text(''.join(lines[:5]))
    os.replace(str(run / 'other'), str(run / 'stats.jsonl'))  # as a training that goes back does it
    found = asked.get(f'/api/runs/0/stats?from={rest["next"]}&file={first["file"]}')
    assert found['reset'] and len(found['lines']) == 5
    for query in ('from=-1', 'from=1e309', 'file=x'):
        assert asked.refused('/api/runs/0/stats?' + query)[0] == 400


def test_pictures_and_the_same_cell_over_time(asked, run):
    found = asked.get('/api/runs/0')
    last = found['pictures'][-1]['number']
    status, headers, body = asked.ask('GET', f'/api/runs/0/picture?number={last}&size=0')
    assert status == 200 and body == (run / 'fakes000004.png').read_bytes() and headers['Content-Type'] == 'image/png'
    status, headers, body = asked.ask('GET', f'/api/runs/0/picture?number={last}&size=64')
    assert PIL.Image.open(io.BytesIO(body)).size == (64, 32) and headers['Content-Type'] == 'image/jpeg'
    status, headers, body = asked.ask('GET', '/api/runs/0/strip?cell=5&size=16')
    strip = np.asarray(PIL.Image.open(io.BytesIO(body)))
    assert strip.shape == (16, 48, 3) and headers['X-Kimg'] == '0,2,4'
    expected = np.asarray(PIL.Image.open(str(run / 'fakes000002.png')))[16:, 16:32]
    assert np.abs(np.int32(strip[:, 16:32]) - expected).mean() < 6
    for path in ('picture?number=999', 'strip?cell=8', 'picture?size=64', 'picture?number=0&size=1', 'strip?count=1'):
        assert asked.refused('/api/runs/0/' + path)[0] in (400, 404)


def test_sides_of_images_of_grids_whose_size_is_not_said():
    for side in (16, 32, 64, 128, 256, 512, 1024):
        for axis, whole, least in ((0, 7680, 7), (1, 4320, 4)):
            found = runs._sides(int(np.clip(whole // side, least, 32)) * side, '8k', axis)
            assert side in found  # where there are several a network file is asked
    assert runs._sides(64, '4x2', 1) == [32] and runs._sides(63, '4x2', 0) == [] == runs._sides(64, None, 0)


def fail(*_args):
    raise OSError(errno.EROFS, 'Read-only file system')


def test_a_run_that_disappears_while_it_is_read(asked, monkeypatch):
    monkeypatch.setattr(run_files, 'command_of', fail)
    assert asked.refused('/api/runs/0')[0] == 404
    monkeypatch.setattr(run_dir, 'locked', fail)
    assert asked.get('/api/runs')['runs']
    monkeypatch.setattr(run_dir, 'list_runs', fail)
    assert asked.get('/api/runs')['runs'] == []


def test_numbers_of_files_are_none_that_javascript_rounds(run, monkeypatch):
    known = runs.Runs(str(run.parent), None, runs.Numbers())
    number = known.number(str(run))
    monkeypatch.setattr(os, 'fstat', lambda _: types.SimpleNamespace(st_ino=2 ** 63 - 1, st_size=10 ** 6))
    found = known.stats(number, 0, 0)
    assert 0 < found['file'] < 2 ** 53 and not known.stats(number, found['next'], found['file'])['reset']


def test_steering_takes_a_running_training(asked, run, monkeypatch):
    assert asked.refused('/api/runs/0/control', 'POST', command='pause')[0] == 409
    os.rename(str(run / '_finished.txt'), str(run / 'kept'))
    try:
        assert asked.get('/api/runs/0')['state'] == 'lost'  # nobody holds its lock
        with run_dir.locked(str(run)):
            assert asked.get('/api/runs/0')['state'] == 'running'
            assert asked.post('/api/runs/0/control', command='snapshot') == {'waiting': ['snapshot']}
            assert asked.post('/api/runs/0/control', command='pause') == {'waiting': ['snapshot', 'pause']}
            assert asked.get('/api/runs')['runs'][0]['waiting'] == ['snapshot', 'pause']
            assert json.loads((run / steering.CONTROL_FILE).read_text()) == {'commands': ['snapshot', 'pause']}
            (run / steering.STATE_FILE).write_text('{}')
            assert asked.get('/api/runs/0')['state'] == 'paused'
            assert asked.refused('/api/runs/0/control', 'POST', command='rm -rf')[0] == 400
            assert asked.refused('/api/runs/0/control', 'POST')[0] == 400
            monkeypatch.setattr(steering, 'write_text', fail)
            status, text = asked.refused('/api/runs/0/control', 'POST', command='stop')
            assert status == 409 and 'Read-only' in text
    finally:
        os.rename(str(run / 'kept'), str(run / '_finished.txt'))
        for name in (steering.CONTROL_FILE, steering.STATE_FILE):
            os.remove(str(run / name))


def test_starting(asked, places, tmp_path, monkeypatch):
    program = tmp_path / 'program.py'
    program.write_text(textwrap.dedent(PROGRAM))
    monkeypatch.setattr(starting, '_program', lambda: [sys.executable, str(program)])
    form = asked.get('/api/start')
    assert [item['name'] for item in form['datasets']] == ['cats (built in)', 'flowers']  # not the empty folder
    names = {item['name'] for item in form['configs']}
    assert {'config-f', 'auto', 'progan', 'biggan-128', 'cyclegan', 'stargan'} <= names
    assert all(item['text'] for item in form['configs'] + form['options'])
    wanted = dict(dataset=1, config='config-f', name='my_cats', options={'total_kimg': 5, 'mirror': True, 'width': '1'})
    changes = [dict(config='x'), dict(name='../x'), dict(name=''), dict(name='a' * 41), dict(name=5), dict(options=[])]
    changes += [dict(name='2024-faces')]  # would be taken for a run
    changes += [dict(options=options) for options in ({'x': 1}, {'total_kimg': 1e309}, {'width': '9'}, {'seed': 1.5})]
    for change in changes + [dict(options={'mirror': True}, config='cyclegan')]:
        assert asked.refused('/api/start', 'POST', **dict(dict(wanted, dry_run=True), **change))[0] == 400
    for options, text in (({'foo': 1}, 'option foo;'), ({'resolution': 33}, 'one of 8, 16, 32, 64, 128, 256, 512, ')):
        assert text in asked.refused('/api/start', 'POST', **dict(wanted, options=options, dry_run=True))[1]
    assert asked.refused('/api/start', 'POST', **dict(wanted, dataset=9, dry_run=True))[0] == 404
    assert asked.refused('/api/start', 'POST', **dict(wanted, dry_run=False))[0] == 409
    bad = asked.post('/api/start', **dict(wanted, config='config-a', dry_run=True))['job']
    assert asked.finished(bad)['result']['code'] == 2
    assert asked.refused('/api/start', 'POST', **dict(wanted, config='config-a', dry_run=False, tried=bad))[0] == 409
    tried = asked.post('/api/start', dry_run=True, **wanted)['job']
    result = asked.finished(tried)['result']
    assert result['code'] == 0 and '"--dry-run": ""' in result['lines'][0]
    assert result['command'].startswith('python run_training.py --dataset=flowers --config=config-f --data-dir=')
    assert ' --total-kimg=5 --mirror-augment=yes' in result['command'] and '--width' not in result['command']
    other = dict(wanted, options={})
    assert asked.refused('/api/start', 'POST', dry_run=False, tried=tried, **other)[0] == 409  # another one was tried
    job = asked.finished(asked.post('/api/start', dry_run=False, tried=tried, **wanted)['job'])
    assert job['state'] == 'done', job
    found, = (item for item in asked.get('/api/runs')['runs'] if item['run'] == job['result']['run'])
    assert found['name'] == 'my_cats/00000-stylegan2-cats-1gpu-config-f' and found['total_kimg'] == 5
    log, = (places / 'results' / 'my_cats').glob('started-*.log')
    assert asked.get(f'/api/runs/{found["run"]}')['resume'] == result['command']
    assert 'Training options' in log.read_text() and not log.stat().st_mode & stat.S_IXUSR
    tried = asked.post('/api/start', dry_run=True, **dict(wanted, config='config-b', name='b'))['job']
    asked.finished(tried)
    job = asked.post('/api/start', dry_run=False, tried=tried, **dict(wanted, config='config-b', name='b'))['job']
    assert asked.finished(job)['error'] == 'run_training.py: error: no images'


def test_words_of_values_that_are_zero():
    wanted = starting.check(dict(dataset=0, config='config-f', name='a', options={
        'seed': 0, 'holdout': 0, 'mirror': False, 'resolution': '', 'width': 1}))
    words = starting.Starter(apps.Options(), None, runs.Numbers()).words(wanted, True)
    assert '--seed=0' in words and not [word for word in words if re.match('--(holdout|mirror|resolution|width)', word)]


def test_canceling_a_training_that_has_no_folder_yet_ends_it(tmp_path, monkeypatch):
    processes, start = [], subprocess.Popen
    monkeypatch.setattr(starting, '_program', lambda: [sys.executable, '-c', 'import time; time.sleep(60)'])
    monkeypatch.setattr(subprocess, 'Popen', lambda *args, **options: processes.append(start(*args, **options)) or
                        processes[-1])
    starter = starting.Starter(apps.Options(result_dir=str(tmp_path)), runs.Runs(str(tmp_path), None, runs.Numbers()),
                               runs.Numbers())
    job = jobs.Job(1, 'start', None)
    job.cancel()
    with pytest.raises(jobs.Canceled):
        starter.start(job, dict(dataset=0, config='config-f', name='a', options={}))
    end = time.monotonic() + 10
    while processes[0].returncode is None and time.monotonic() < end:  # nobody but a thread of its own waits for it
        time.sleep(0.02)
    assert processes[0].returncode == -signal.SIGTERM


def test_command_lines_that_are_refused(tmp_path):
    parse = run_explorer.make_parser().parse_args
    for argv in (['--network=' + str(tmp_path / 'no.pkl')], ['--run=' + str(tmp_path / 'no')],
                 ['--data-dir=' + str(tmp_path / 'no')], ['--network=none', f'--result-dir={__file__}']):
        with pytest.raises(UserError):
            run_explorer.make_app(parse(argv))
    with pytest.raises(SystemExit):
        parse(['--port=99999'])
    with pytest.raises(UserError, match='cannot listen'):
        run_explorer.serve(parse(['--network=none', f'--result-dir={tmp_path}', '--host=192.0.2.1']))
