"""Starting workers, which are small Python programs here, and what becomes of them: killed, hung, in error, stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from dnnlib import UserError
from dnnlib.run import cluster, devices, launcher

WORKER = '''
import json, os, signal, sys, time
task = json.loads(os.environ['TF_CONFIG'])['task']['index']
start = len([name for name in os.listdir('.') if name.startswith('start-%d-' % task)])
if task == 0:
    os.write(int(os.environ['STYLEGAN2_LAUNCHER']), json.dumps(os.path.abspath('run')).encode() + b'\\n')
print('hello from', task, flush=True)
with open('temporary%d' % task, 'w') as f:
    json.dump(dict(pid=os.getpid(), cpus=sorted(os.sched_getaffinity(0)), environ=dict(os.environ)), f)
os.rename('temporary%d' % task, 'start-%d-%d' % (task, start))
def meet():  # a loaded machine starts one of them much later
    while not all(os.path.exists('start-%d-%d' % (i, start)) for i in range(2)):
        time.sleep(0.01)
def hang(*_):
    while True:
        time.sleep(10)
def on(number, action):
    signal.signal(number, lambda *_: action())
def error():
    print('prog: error: no such file', file=sys.stderr)
    sys.exit(2)
'''


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, with an empty run directory `run`; what a test left running fails it."""
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / 'run').mkdir()
    monkeypatch.setattr(launcher, 'GRACE_SECONDS', 0.2)
    monkeypatch.setattr(launcher, 'ERROR_SECONDS', 0.5)
    monkeypatch.setattr(launcher, 'POLL_SECONDS', 0.02)
    yield tmp_path
    for task in range(3):
        for about in starts(task):
            assert not os.path.exists('/proc/%d' % about['pid'])


def starts(task):
    """What the starts of a worker found."""
    names = sorted(name for name in os.listdir('.') if name.startswith('start-%d-' % task))
    return [json.load(open(name)) for name in names]


def plan(code, workers=2, **fields):
    return launcher.Plan([sys.executable, '-S', '-E', '-c', WORKER + code], workers, **fields)


def test_all_end_well(folder, capfd):
    said = []
    environments = [{'MINE': str(task)} for task in range(3)]
    cpus = devices.cpu_shares(3)
    assert launcher.launch(plan('', 3, environments=environments, cpus=cpus), said.append) == 0 and not said
    found = [starts(task)[0] for task in range(3)]
    clusters = [cluster.find(about['environ']) for about in found]
    assert [c.task for c in clusters] == [0, 1, 2] and len({c[0] + (c.watch,) for c in clusters}) == 1
    assert len(set(clusters[0].addresses + (clusters[0].watch,))) == 4
    assert [about['environ']['MINE'] for about in found] == ['0', '1', '2']
    assert [set(about['cpus']) for about in found] == cpus
    assert [about['environ'].get(devices.BOUND) for about in found] == ['1'] * 3
    assert capfd.readouterr() == ('hello from 0\n', '')
    assert sorted(os.listdir('run')) == ['log-worker1.txt', 'log-worker2.txt']
    assert (folder / 'run' / 'log-worker2.txt').read_text() == 'hello from 2\n'


def test_all_are_restarted_when_one_is_killed(folder):
    said, resumed = [], []

    def resume(run_dir):
        resumed.append(run_dir)
        return plan('').command, 100

    code = 'meet()\nif task == 1: os.kill(os.getpid(), signal.SIGKILL)\nhang()'
    assert launcher.launch(plan(code, resume=resume), said.append) == 0
    assert said == ['Worker 1 was killed by SIGKILL. Restarting all 2 workers from the last state (1 of 3 restarts '
                    'without progress).']
    assert resumed == [str(folder / 'run')]
    assert (folder / 'run' / 'log-worker1.txt').read_text() == 'hello from 1\n' * 2
    first, second = [cluster.find(about['environ']) for about in starts(0)]
    assert not set(first.addresses) & set(second.addresses) and first.watch != second.watch


def test_restarts_without_progress_come_to_an_end():
    said, reached = [], iter([None, None, 5, 5, 5, 5])
    failing = plan('meet()\nif task == 0: sys.exit(3 if start else 1)\nhang()', max_restarts=2,
                   resume=lambda _: (failing.command, next(reached)))
    assert launcher.launch(failing, said.append) == 3
    counts = [line.split('(')[1][:6] for line in said[:-1]]
    assert counts == ['1 of 2', '2 of 2', '1 of 2', '2 of 2'] and len(starts(0)) == len(starts(1)) == 5
    assert said[-1] == ('Worker 0 ended with exit code 3. Giving up after 2 restarts without progress in between; the '
                        'same command continues from the last state.')
    assert launcher.launch(plan('if task == 0: sys.exit(4)\nhang()', max_restarts=0), said.append) == 4
    assert said[-1] == 'Worker 0 ended with exit code 4.'


def test_the_same_error_after_every_state_comes_to_an_end():
    said, reached = [], iter(range(9))
    failing = plan('meet()\nif task == 0: sys.exit(1)\nhang()', max_restarts=2,
                   resume=lambda _: (failing.command, next(reached)))
    assert launcher.launch(failing, said.append) == 1 and len(starts(0)) == 3
    assert said[1].endswith('(2 of 2 restarts with this error).') and 'after 2 restarts with this error in' in said[2]


@pytest.mark.parametrize('code, shown', [
    ('meet()\nerror()', []), ('meet()\nif task == 1: error()\nhang()', ['[1] prog: error: no such file'])])
def test_an_error_of_the_user_ends_all_and_is_shown_once(code, shown, capfd, monkeypatch):
    monkeypatch.setattr(launcher, 'ERROR_SECONDS', 0.2 if shown else 5.0)  # as long as a loaded machine may need
    said = []
    assert launcher.launch(plan(code), said.append) == 2 and said == shown
    assert len(starts(0)) == 1 and capfd.readouterr().err.count('no such file') == (not shown)


def test_a_log_is_not_begun_where_there_is_no_directory(folder):
    output = launcher._Output()
    os.write(output.write_end, b'hello\n')
    os.close(output.write_end)
    output.read()
    output.log_to(str(folder / 'gone' / 'log-worker1.txt'))
    assert output.lines() == ['hello'] and not (folder / 'gone').exists()
    output.log_to(str(folder / 'run' / 'log-worker1.txt'))
    output.close()
    assert (folder / 'run' / 'log-worker1.txt').read_text() == 'hello\n'


def test_a_hung_worker_is_killed():
    said = []
    code = ('meet()\nif start == 0 and task == 1: os.kill(os.getpid(), signal.SIGSTOP)\n'
            'if start == 0: sys.exit(75)')
    assert launcher.launch(plan(code), said.append) == 0
    assert said[-1].startswith('Worker 1 did not answer and was killed. Restarting all 2 workers')


def interrupt(*numbers):
    """Sends signals to this process once both workers are ready."""
    def send():
        while not (os.path.exists('ready0') and os.path.exists('ready1')):
            time.sleep(0.01)
        for number in numbers:
            time.sleep(0.1)
            os.kill(os.getpid(), number)
    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_once(number):
    code = ('count = []\nsignal.signal(signal.%s, lambda *_: count.append(1))\nopen("ready%%d" %% task, "w").close()\n'
            'while not count: time.sleep(0.01)\ntime.sleep(0.2)\nprint("got", len(count))' % number.name)
    thread = interrupt(number)
    assert launcher.launch(plan(code)) == 0
    thread.join()
    assert open('run/log-worker1.txt').read() == 'hello from 1\ngot 1\n' and len(starts(0)) == 1


def test_a_second_signal_kills():
    code = 'signal.signal(signal.SIGINT, lambda *_: None)\nopen("ready%d" % task, "w").close()\nhang()'
    thread, before = interrupt(signal.SIGINT, signal.SIGINT), signal.getsignal(signal.SIGINT)
    assert launcher.launch(plan(code)) == 128 + signal.SIGINT and len(starts(0)) == 1
    thread.join()
    assert signal.getsignal(signal.SIGINT) == before


def test_workers_end_with_a_killed_launcher():
    code = 'from dnnlib.run import launcher\nlauncher.launch(launcher.Plan(%r, 2))' % (plan('hang()').command,)
    process = subprocess.Popen([sys.executable, '-c', code], env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    while not (starts(0) and starts(1)):
        time.sleep(0.01)
    process.kill()
    process.wait()
    for task in range(2):
        pid = starts(task)[0]['pid']
        for _ in range(500):
            if not os.path.exists('/proc/%d' % pid):
                break
            time.sleep(0.01)  # the fixture fails if it stays


def test_what_a_worker_leaves_behind_ends_with_it():
    code = ('meet()\nif start == 0 and task == 1:\n    import subprocess\n'
            '    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])\n'
            '    open("child", "w").write(str(child.pid)); sys.exit(1)\nif start == 0: hang()')
    assert launcher.launch(plan(code)) == 0
    pid = open('child').read()
    for _ in range(500):
        if not os.path.exists('/proc/' + pid) or 'Z' in open('/proc/%s/stat' % pid).read().split()[2]:
            return
        time.sleep(0.01)
    pytest.fail('it is still there')


def test_gpus_are_divided(monkeypatch):
    monkeypatch.setattr(devices.shutil, 'which', lambda name: None)
    monkeypatch.setattr(devices.glob, 'glob', lambda pattern: ['/dev/nvidia%d' % i for i in range(4)])
    assert devices.visible_gpus({}) == ['0', '1', '2', '3']
    assert devices.visible_gpus({'CUDA_VISIBLE_DEVICES': '2, GPU-8932f937,-1,3'}) == ['2', 'GPU-8932f937']
    assert [devices.gpu_of(i, 2, {'CUDA_VISIBLE_DEVICES': '5,3'}) for i in range(2)] == ['5', '3']
    assert devices.gpu_of(1, 2, {'CUDA_VISIBLE_DEVICES': '7'}) == '7'  # chosen for this worker
    assert devices.gpu_of(0, 2, {'CUDA_VISIBLE_DEVICES': ''}) is None
    with pytest.raises(UserError, match='8 workers are on this machine, but this machine has 4 GPUs'):
        devices.gpu_of(0, 8, {})
    monkeypatch.setattr(devices.glob, 'glob', lambda pattern: ['/dev/nvidia0'])
    with pytest.raises(UserError, match='2 workers are on this machine, but this machine has 1 GPU$'):
        devices.gpu_of(1, 2, {})


def test_cpus_are_divided(monkeypatch):
    monkeypatch.setattr(devices.os, 'sched_getaffinity', lambda pid: {0, 1, 2, 5, 7}, raising=False)
    assert devices.cpu_shares(2) == [{0, 1}, {2, 5, 7}]
    assert devices.cpu_shares(7) == [{0}, {1}, {2}, {5}, {7}, {0}, {1}]
