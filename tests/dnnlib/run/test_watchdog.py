"""Workers that are lost, late, strangers, or in error, and the values that worker 0 shares.

The processes are small, stand still in the C library as TensorFlow does, and wait for five seconds instead of ten.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from dnnlib import UserError
from dnnlib.run import connection, launcher, watchdog
from dnnlib.run.cluster import Cluster, tf_config

WORKERS = '''
import ctypes, errno, json, os, signal, sys
from dnnlib import cli
from dnnlib.run import cluster, shared_memory, watchdog
watchdog.SILENCE_SECONDS, watchdog.BEAT_SECONDS, watchdog.LOOK_SECONDS = 5.0, 0.2, 0.05
def main(argv):
    with watchdog.watching(cluster.find(os.environ), float(argv[1]), say=lambda text: print(text, flush=True)):
        print('together', flush=True)
        if argv[0] == 'error':
            raise ValueError('no such file\\nand more')
        if argv[0] == 'victim':
            raise ValueError('Graph execution error:\\nNode: A\\n' + shared_memory.GIVEN_UP)
        if argv[0] == 'user':
            open('no/data')
        if argv[0] == 'disk':
            raise OSError(errno.EIO, 'Input/output error')
        if argv[0] == 'stop':
            os.kill(os.getpid(), signal.SIGSTOP)
        ctypes.CDLL(None).pause()
pids = {}
for out, action, timeout, environ in json.loads(sys.argv[1]):
    pid = os.fork()
    if not pid:
        os.environ.update(environ)
        os.dup2(os.open(out, os.O_CREAT | os.O_WRONLY), 1)
        cli.run_main(main, [action, timeout], prog='prog')
    pids[pid] = out
    print(pid, flush=True)
while pids:
    pid, status = os.wait()
    with open(pids.pop(pid) + '.code', 'w') as f:
        f.write('%d.' % (-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)))
'''


PORTS = iter(launcher.free_ports(100))  # at once, so that no two clusters have the same one


def make_cluster(count):
    addresses = tuple('127.0.0.1:%d' % next(PORTS) for _ in range(count + 1))
    return Cluster(addresses[:count], 0, addresses[count])


def until(condition):
    """The value of `condition()` once it is true."""
    for _ in range(6000):
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail('nothing happened for a minute')


class Job:
    """Worker processes that do something each; `None` = one that never starts."""

    def __init__(self, *actions, timeout=60):
        self.cluster, self.actions, self.timeout, self.workers = make_cluster(len(actions)), actions, timeout, []

    def arguments(self, folder):
        """Of the processes, in worker order."""
        present = [task for task, action in enumerate(self.actions) if action is not None]
        self.outs = [os.path.join(folder, self.cluster.addresses[task].replace(':', '-')) for task in present]
        return [(out, self.actions[task], str(self.timeout), {
            'TF_CONFIG': tf_config(self.cluster.addresses, task), 'STYLEGAN2_WATCH': self.cluster.watch})
                for task, out in zip(present, self.outs)]

    def lines(self, number):
        """What a process has printed."""
        if not os.path.exists(self.outs[number]):
            return []
        with open(self.outs[number]) as f:
            return f.read().splitlines()

    def code(self, number):
        """Exit code of a process."""
        def read():
            if os.path.exists(self.outs[number] + '.code'):
                with open(self.outs[number] + '.code') as f:
                    return f.read()
        return int(until(lambda: (read() or '').endswith('.') and read())[:-1])

    def ends(self):
        """(exit codes, what they printed) in worker order."""
        return [self.code(i) for i in range(len(self.outs))], [self.lines(i) for i in range(len(self.outs))]

    def name(self, task):
        """Of a worker in messages."""
        return 'Worker %d (%s)' % (task, self.cluster.addresses[task])


@pytest.fixture(scope='module')
def jobs(tmp_path_factory):
    """All at once, since most of the time they wait, and from one interpreter."""
    jobs = dict(
        killed=Job('wait', 'wait', 'wait'), leader_stops=Job('stop', 'wait'),
        follower_stops=Job('wait', 'stop'), error=Job('wait', 'error'), victim=Job('victim', 'error'),
        user=Job('user', 'wait'),
        disk=Job('wait', 'disk'), late=Job('wait', None, 'wait', timeout=8), no_leader=Job(None, 'wait', timeout=1))
    folder = str(tmp_path_factory.mktemp('watchdog'))
    arguments = {name: job.arguments(folder) for name, job in jobs.items()}
    parent = subprocess.Popen([sys.executable, '-c', WORKERS, json.dumps(sum(arguments.values(), []))],
                              env=dict(os.environ, PYTHONPATH=os.getcwd()), stdout=subprocess.PIPE)
    for name, job in jobs.items():
        job.workers = [int(parent.stdout.readline()) for _ in arguments[name]]
    yield jobs
    for job in jobs.values():
        for number, pid in enumerate(job.workers):
            if not os.path.exists(job.outs[number] + '.code'):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()


def test_the_cause_is_named_where_a_sum_was_given_up(jobs):
    """Both fail at the same time, but only one with what went wrong."""
    codes, outs = jobs['victim'].ends()
    assert codes == [watchdog.LOST, 1]
    assert outs[0][1].startswith(
        jobs['victim'].name(1) + ' is lost: ended with an error (ValueError: no such file). Ending this worker too')


def test_a_killed_worker_ends_the_others(jobs):
    job = jobs['killed']
    for number in range(3):
        until(lambda: job.lines(number) == ['together'])
    os.kill(job.workers[2], signal.SIGKILL)
    start = time.time()
    codes, outs = job.ends()
    assert codes == [watchdog.LOST, watchdog.LOST, -signal.SIGKILL] and time.time() - start < 10
    line = (job.name(2) + ' is lost: closed the connection. Ending this worker too; restarted together, they resume '
            'from the last state.')
    assert outs[:2] == [['together', line]] * 2


def test_a_stopped_process_ends_the_others_and_itself_when_it_wakes_up(jobs):
    for job, stopped in ((jobs['leader_stops'], 0), (jobs['follower_stops'], 1)):
        assert job.code(1 - stopped) == watchdog.LOST
        os.kill(job.workers[stopped], signal.SIGCONT)
        codes, outs = job.ends()
        assert codes == [watchdog.LOST] * len(codes)
        for task, out in enumerate(outs):
            line = ' is lost: ' if task == stopped else job.name(stopped) + ' is lost: silent for 5 s'
            assert len(out) == 2 and line in out[1]


def test_who_was_stopped_does_not_take_the_others_for_silent(monkeypatch):
    """Two looks are 30 seconds apart, as after Ctrl-Z; from then on the others have ten more seconds."""
    times, lost = iter([0.0, 0.1, 30.0] + [30.0 + i for i in range(1, 30)]), []
    monkeypatch.setattr(watchdog, 'LOOK_SECONDS', 0)
    monkeypatch.setattr(watchdog, 'time', SimpleNamespace(monotonic=lambda: lost.append(next(times)) or lost[-1]))
    watch = watchdog.Watch(make_cluster(2), print)
    watch._lose = lambda peer, why: watch._end.set()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch._peers.append(SimpleNamespace(connection=ours, heard=0.0, send=lambda *_message: None))
        watch._run()
    assert lost[-1] == 40.0


def test_an_error_is_told_to_the_others(jobs):
    job = jobs['error']
    codes, outs = job.ends()
    assert codes == [watchdog.LOST, 1]
    assert outs[0][1].startswith(job.name(1) + ' is lost: ended with an error (ValueError: no such file). Ending')


def test_an_error_of_the_user_ends_all_with_its_code(jobs):
    codes, outs = jobs['user'].ends()
    assert codes == [2, 2] and outs[0] == ['together']
    assert outs[1][-1] == jobs['user'].name(0) + " ended with an error: [Errno 2] No such file or directory: 'no/data'"


def test_an_error_of_the_disk_or_network_is_no_error_of_the_user(jobs):
    codes, outs = jobs['disk'].ends()
    assert codes == [watchdog.LOST] * 2
    assert outs[0][1].startswith(jobs['disk'].name(1) + ' is lost: ended with an error (OSError: [Errno 5] Input/outp')
    assert outs[1][1] == jobs['disk'].name(1) + ' ended with an error (OSError: [Errno 5] Input/output error)'


def test_workers_that_never_arrive_are_named(jobs):
    codes, outs = jobs['late'].ends()
    assert codes == [watchdog.LOST] * 2
    for out in outs:
        assert len(out) == 1 and out[0].startswith('Not here after 8 s: ' + jobs['late'].name(1) + '.')
    codes, (out,) = jobs['no_leader'].ends()
    assert codes == [watchdog.LOST] and 'Not here after 1 s: ' + jobs['no_leader'].name(0) + ', which' in out[0]


def test_values_strangers_and_the_end():
    cluster, seen, strangers, order = make_cluster(3), [], [], []

    def work(task):
        with watchdog.watching(cluster._replace(task=task), 20) as watch:
            seen.append((task, watch.share({'seed': 1} if task == 0 else None), watch.share(2 if task == 0 else None)))
            time.sleep(0.3 * task)
            order.append('end')
        order.append('left')

    def say(*lines):
        s = socket.create_connection(('127.0.0.1', int(cluster.watch.split(':')[1])))
        s.sendall(b''.join(line + b'\n' for line in lines))
        strangers.append(s)

    threads = [threading.Thread(target=work, args=(task,)) for task in range(3)]
    threads[0].start()
    for _ in range(100):
        try:
            say(b'GET / HTTP/1.1')
            break
        except OSError:
            time.sleep(0.02)
    say(b'["hello", "of another job", 1]')
    say(b'["lost", 1, "x"]')
    say(b'[' + b'x' * 2000)
    say()
    token = connection.token(cluster)
    say(('["hello", "%s", [1]]' % token).encode(), ('["hello", "%s", 7]' % token).encode())
    say(('["hello", "%s", 1]' % token).encode())
    time.sleep(0.3)
    strangers[-1].close()  # a worker that was killed before all were there may come back
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(seen) == [(task, {'seed': 1}, 2) for task in range(3)]
    assert order == ['end'] * 3 + ['left'] * 3  # all wait for the last
    strangers[1].settimeout(5)
    received = b''.join(iter(lambda: strangers[1].recv(100), b''))
    assert received.strip() == b'["stranger"]'
    for s in strangers:
        s.close()


def test_the_port_of_another_job():
    cluster, ports = make_cluster(2), []
    other = cluster._replace(run='8.0', task=1)
    leader = threading.Thread(target=lambda: ports.append(_enter(cluster)))
    leader.start()
    with pytest.raises(UserError, match='belongs to another job; give the workers other ports'):
        _enter(other)
    _enter(cluster._replace(task=1))
    leader.join(20)
    assert ports == [None]


def _enter(cluster):
    with watchdog.watching(cluster, 20):
        pass


def test_addresses_that_cannot_be_used(monkeypatch):
    monkeypatch.setattr(watchdog, 'PORT_SECONDS', 0.0)
    cluster = make_cluster(2)
    with pytest.raises(UserError, match='worker 0 cannot listen at 192.0.2.1:2222 .*address of this machine'):
        _enter(cluster._replace(watch='192.0.2.1:2222'))
    with socket.socket() as taken:
        host, port = cluster.watch.split(':')
        taken.bind((host, int(port)))
        taken.listen(1)
        with pytest.raises(UserError, match='worker 0 cannot listen at .*free port'):
            _enter(cluster)
    with pytest.raises(UserError, match='127.0.0.1 is 127.0.0.1 on this machine, which the other hosts cannot reach'):
        _enter(cluster._replace(addresses=('127.0.0.1:1', '192.0.2.1:1')))
    with connection.listen(cluster, 0) as listener:
        assert listener.getsockname() == (host, int(port))  # not at all addresses


@pytest.mark.parametrize('kind, code', [('error', watchdog.USER_ERROR), ('lost', watchdog.LOST)])
def test_only_a_recurring_error_is_a_refusal(monkeypatch, kind, code):
    left, said = [], []
    monkeypatch.setattr(watchdog, 'leave', lambda say, code, refused: left.append((say(), code, refused)))
    watch = watchdog._Leader(Cluster(['a:1', 'b:2'], 0, 'a:3'), said.append)
    watch._lost(1, 'no data', kind)
    assert left == [(None, code, kind == 'error')] and said[0].startswith('Worker 1 (b:2) ')
