"""The scripts of docs/cluster.md start the right workers, and all again when one is lost.

They run as they are on the page, with an `ssh`, `srun` and `python` in front of them that tell what they were asked.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SSH = '''#!%s -S
import os, pty, sys
host, command = sys.argv[-2:]  # after the options
with open('hosts.txt', 'a') as f:
    f.write(host + ' ')
os.makedirs('stylegan2', exist_ok=True)
sys.exit(os.WEXITSTATUS(pty.spawn(['bash', '-c', command])))  # a terminal, in which Ctrl-C is a signal
''' % sys.executable
SRUN = '''#!%s -S
import os, subprocess, sys
tasks = [dict(os.environ, SLURM_PROCID=str(i), SLURM_NODEID=str(i // 4), SLURM_STEP_NUM_TASKS='8', SLURM_JOB_ID='7',
              SLURM_STEP_NODELIST='node[1-2]', SLURM_STEP_TASKS_PER_NODE='4(x2)', SLURM_STEP_ID='0') for i in (0, 5)]
processes = [subprocess.Popen(sys.argv[sys.argv.index('python'):], env=task) for task in tasks]
sys.exit(max(process.wait() for process in processes))
''' % sys.executable
PYTHON = '''#!/bin/bash
exec %s - "$@" <<'END'
import json, os, sys
sys.path.insert(0, %r)
from dnnlib.run import cluster
found = cluster.find(os.environ)
folder = os.environ['TOLD']
starts = sum(name.startswith('worker%%d-' %% found.task) for name in os.listdir(folder))
with open(os.path.join(folder, 'worker%%d-%%d' %% (found.task, starts)), 'w') as f:
    json.dump([found, sys.argv[1:]], f)
codes = os.environ['CODES'].split() + ['0'] * 9  # of the starts; two joined by a comma are those of two workers
code = codes[starts].split(',')[found.task] if ',' in codes[starts] else codes[starts]
if code == 'hang':
    import signal, time
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    open('hangs%%d' %% found.task, 'w').close()
    time.sleep(60)
sys.exit(int(code))
END
''' % (sys.executable, ROOT)


def page():
    with open(os.path.join(ROOT, 'docs', 'cluster.md')) as f:
        return f.read()


@pytest.fixture
def run(tmp_path):
    """Function of a script, exit codes of the starts, and variables; returns (its code, {name: what was asked})."""
    for name, text in [('ssh', SSH), ('srun', SRUN), ('python', PYTHON)]:
        (tmp_path / 'bin').mkdir(exist_ok=True)
        (tmp_path / 'bin' / name).write_text(text)
        (tmp_path / 'bin' / name).chmod(0o755)

    def call(script, codes, **variables):
        told = tmp_path / ('told%d' % len(os.listdir(str(tmp_path))))
        told.mkdir()
        environ = dict(os.environ, PATH='%s%s%s' % (tmp_path / 'bin', os.pathsep, os.environ['PATH']), CODES=codes,
                       TOLD=str(told), **variables)
        # where tests run in the background, Ctrl-C is ignored, which a script cannot change
        call.process = subprocess.Popen(['bash', '-c', script], cwd=str(tmp_path), env=environ,
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        return call.process.wait(), {path.name: json.loads(path.read_text()) for path in told.iterdir()}
    return call


def script_of(section):
    """The bash script of a section of the page."""
    return re.search('### %s\n.*?```bash\n(.*?)```' % section, page(), re.DOTALL).group(1)


def test_ssh(run, tmp_path):
    code, told = run(script_of('ssh'), '75')
    assert code == 0 and len(told) == 4  # 2 workers, started twice
    for task in range(2):
        for start in range(2):
            (addresses, number, watch, *_), argv = told['worker%d-%d' % (task, start)]
            assert (addresses, number, watch) == (['node1:2222', 'node2:2222'], task, 'node1:2223')
            assert argv == ['run_training.py', '--dataset=/data/faces', '--result-dir=/results']
    assert sorted((tmp_path / 'hosts.txt').read_text().split()) == ['node1'] * 2 + ['node2'] * 2
    code, told = run(script_of('ssh'), '2,75')  # the error of the user counts
    assert code == 2 and len(told) == 2
    code, told = run(script_of('ssh').replace('GRACE=30', 'GRACE=2'), '75,hang')
    assert code == 0 and len(told) >= 4  # more where a machine takes longer to start one of the others


@contextlib.contextmanager
def interrupting(run, folder, number, tasks):
    """Sends a signal to the script once these workers hang; when they get it, they end well."""
    def send():
        for _ in range(1000):
            if all((folder / ('hangs%d' % task)).exists() for task in tasks):
                break
            time.sleep(0.02)
        os.kill(run.process.pid, number)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


def test_ctrl_c_reaches_the_workers_behind_ssh(run, tmp_path):
    with interrupting(run, tmp_path / 'stylegan2', signal.SIGINT, tasks=[0, 1]):
        code, told = run(script_of('ssh'), 'hang hang')
    assert code == 0 and len(told) == 2  # not started again


def test_slurm(run):
    code, told = run(script_of('SLURM'), '75')
    assert code == 0 and len(told) == 4
    (addresses, number, watch, *_), argv = told['worker5-1']
    assert (len(addresses), number, addresses[5], watch) == (8, 5, 'node2:20225', 'node1:20228')
    assert argv == ['run_training.py', '--dataset=/data/faces', '--result-dir=/results']


def test_kubernetes(run, tmp_path):
    lines = re.search('\n +- [|]\n(.*?)\n {6}volumes:', page(), re.DOTALL).group(1).splitlines()
    script = '\n'.join(line[10:] for line in lines).replace('/results', str(tmp_path / 'results'))
    (tmp_path / 'results' / '00000-run').mkdir(parents=True)
    for index, codes, wanted in (('0', '0', 75), ('1', '2', 2), ('0', '0', 0), ('1', '0', 0)):
        if wanted == 0:  # not stopped before
            (tmp_path / 'results' / '00000-run' / 'network-final.pkl').touch()
        code, told = run(script, codes, JOB_COMPLETION_INDEX=index)
        ((addresses, task, watch, *_), argv), = told.values()
        assert code == wanted and addresses == ['stylegan2-0.stylegan2:2222', 'stylegan2-1.stylegan2:2222']
        assert (task, watch) == (int(index), 'stylegan2-0.stylegan2:2223') and argv[0] == 'run_training.py'
    with interrupting(run, tmp_path, signal.SIGTERM, tasks=[1]):
        assert run(script, 'hang', JOB_COMPLETION_INDEX='1')[0] == 0
