#!/usr/bin/env python3
"""Trains over a network that is cut, slow and lossy: two workers, each in a network namespace of this machine.

    sudo python benchmarks/worker_network.py

The workers are started by the ssh script of docs/cluster.md, with a program in the place of `ssh` that enters the
namespace of a host. First over a veth pair: one end of the link is taken down in mid-training, then the other one. All
workers must end within 15 seconds, come together again after the link is up, and continue from the last state. Then
over a relay between two TUN devices, which delays every packet and drops some, as the netem of many kernels does. The
final networks must have the bytes of those of two workers that nothing disturbed, and no process, port or unfinished
file may be left. The namespaces end with this program. Needs root on Linux, `ip`, `nsenter` and `unshare`.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks import kill_study  # noqa: E402  (found only after the line above)
from benchmarks.namespaces import Host, Relay, wait_for  # noqa: E402
from benchmarks.worker_faults import TOGETHER, listening  # noqa: E402
from dnnlib import UserError, cli  # noqa: E402

OPTIONS = kill_study.TINY + ['--total-kimg=1']
for _setting in ('sched.minibatch_size_base=16', 'sched.minibatch_gpu_base=8'):
    OPTIONS += ['--set', _setting]
PORT = 2222
DOWN_SECONDS = 5    # with both workers waiting for each other
SSH = '''#!%(python)s -S
import os, pty, sys
address, command = sys.argv[-2:]  # after the options
host = int(address.split('.')[-1]) - 1
os.environ['RESULTS'] = '%(folder)s/host%%d' %% host
sys.exit(os.WEXITSTATUS(pty.spawn(  # a terminal, as that of `ssh -tt`
    ['nsenter', '--net=/proc/%%d/ns/net' %% %(holders)r[host], 'taskset', '-c', str(%(cores)r[host]),
     'bash', '-c', command])))
'''


class Job:
    """A training on two hosts, by the script of docs/cluster.md.

    Args:
        hosts: Two Host.
        network: First three numbers of the addresses.
        folder: Gets the results of each host and what they print.
    """

    def __init__(self, hosts, network, folder):
        self.hosts, self._log = hosts, os.path.join(folder, 'log.txt')
        self.results = [os.path.join(folder, f'host{host.number}') for host in hosts]
        cores = sorted(os.sched_getaffinity(0))  # one for each, as --num-workers=2 has it
        os.makedirs(os.path.join(folder, 'bin'))
        with open(os.path.join(folder, 'bin', 'ssh'), 'w') as f:
            f.write(SSH % dict(python=sys.executable, folder=folder, holders=[host.pid for host in hosts],
                               cores=[cores[0], cores[-1]]))
        os.chmod(f.name, 0o755)
        command = f'cd {ROOT} && exec {sys.executable} run_training.py {" ".join(OPTIONS)} --result-dir=$RESULTS'
        with open(os.path.join(ROOT, 'docs', 'cluster.md')) as f:
            script = re.search('### ssh\n.*?```bash\n(.*?)```', f.read(), re.DOTALL).group(1)
        for line in (f'WORKERS=({network}.1:{PORT} {network}.2:{PORT})', f"COMMAND='{command}'"):
            script, count = re.subn('^' + line.split('=')[0] + '=.*$', lambda _, line=line: line, script, flags=re.M)
            assert count == 1, line
        with open(self._log, 'wb') as log:
            self._process = subprocess.Popen(
                ['bash', '-c', script], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True, env=dict(os.environ, PATH=f'{folder}/bin{os.pathsep}{os.environ["PATH"]}'))

    def printed(self, text):
        """How often both hosts together have printed something."""
        with open(self._log, errors='replace') as log:
            return log.read().count(text)

    def run_dir(self):
        """Run directory of worker 0, None = not yet."""
        return (kill_study.run_dirs_in(self.results[0]) + [None])[0]

    def nimg(self):
        """Images shown at the newest state."""
        run_dir = self.run_dir()
        if self._process.poll() is not None:
            raise UserError(f'the training ended too early, with {self._process.returncode}: {self.end_of_log()}')
        return kill_study.newest_nimg(run_dir) if run_dir else 0

    def end_of_log(self):
        """The last lines that were printed."""
        with open(self._log, errors='replace') as log:
            return ' / '.join(log.read().splitlines()[-8:])

    def pids(self):
        """Processes of both hosts, set."""
        return set.union(*(host.pids() for host in self.hosts))

    def cut(self, number):
        """Takes the link down at one host and up again; returns the line for the log."""
        reached = self.nimg()
        wait_for(lambda: self.nimg() > reached, 'a new state')
        reached, old, together = self.nimg(), self.pids(), self.printed(TOGETHER)
        self.hosts[number].call('ip', 'link', 'set', 'cable', 'down')
        ended = wait_for(lambda: not old & self.pids(), 'the end of both workers')
        time.sleep(DOWN_SECONDS)
        self.hosts[number].call('ip', 'link', 'set', 'cable', 'up')
        again = wait_for(lambda: self.printed(TOGETHER) == together + 2, 'all workers after the link is up')
        wait_for(lambda: self.nimg() > reached, 'a new state after the link is up')
        return ended, (f'link of host {number} down at kimg {reached / 1000:.3f}: both workers ended after {ended:.1f} '
                       f's; up {DOWN_SECONDS} s later, together after another {again:.1f} s')

    def finish(self):
        """Waits for the end; returns (bytes of the final networks, median sec/kimg, list of what is wrong)."""
        try:
            code = self._process.wait(timeout=1800)
        except subprocess.TimeoutExpired:
            raise UserError('the training does not end: ' + self.end_of_log()) from None
        if code:
            raise UserError(f'the training ended with {code}: {self.end_of_log()}')
        run_dir = self.run_dir()
        wrong = kill_study.damaged_files(run_dir)
        wrong += ['unfinished: ' + path for path, _ in kill_study.unfinished_files(run_dir)]
        wrong += [f'host {host.number}: process {pid} is left' for host in self.hosts for pid in host.pids()]
        wrong += [f'host {host.number}: port {port} is left' for host in self.hosts for port in listening(host.pid)]
        wrong += ['host 1 has a result folder'] if os.path.exists(self.results[1]) else []
        with open(os.path.join(run_dir, 'stats.jsonl')) as f:
            speed = np.median([json.loads(line)['Timing/sec_per_kimg'] for line in f][1:])  # tick 0 is one iteration
        with open(os.path.join(run_dir, 'network-final.pkl'), 'rb') as f:
            return f.read(), speed, wrong

    def stop(self):
        """Kills what is left of it."""
        for pid in self.pids() | {self._process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def train(hosts, network, folder, reference, cuts=()):
    """Trains to the end; prints a line; returns (seconds per thousand images, list of what is wrong).

    Args:
        hosts, network, folder: See Job.
        reference: Bytes that the final networks must have.
        cuts: Numbers of the hosts whose link is cut, one after another.
    """
    job, late = Job(hosts, network, folder), []
    try:
        for number in cuts:
            seconds, line = job.cut(number)
            print(line, flush=True)
            late += [f'the workers ended {seconds:.1f} s after the link was down'] if seconds > 15 else []
        networks, speed, wrong = job.finish()
    finally:
        job.stop()
    wrong += late + ([] if networks == reference else ['the final networks differ from those of undisturbed workers'])
    print(f'{network}.*: {speed:.1f} sec/kimg, ' + ('; '.join(wrong) or 'the same bytes, nothing left'), flush=True)
    return speed, wrong


def main(argv):
    """Parses the command line and runs the study; returns the exit code."""
    p = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--delay-ms', type=float, default=50, help='of the relay, in each direction (default: %(default)s)')
    p.add_argument('--loss', type=float, default=0.01, help='share of packets that it drops (default: %(default)s)')
    args = p.parse_args(argv)
    if sys.platform != 'linux' or os.geteuid() != 0:
        raise UserError('network namespaces and TUN devices need Linux and root')
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        hosts = []
        for number in range(2):
            hosts.append(Host(number))
            stack.callback(hosts[-1].close)
        subprocess.check_call(['ip', 'link', 'add', 'cable', 'netns', str(hosts[0].pid), 'type', 'veth',
                               'peer', 'name', 'cable', 'netns', str(hosts[1].pid)])
        relay = Relay(hosts, args.delay_ms / 1000, args.loss)
        stack.callback(relay.close)
        for host in hosts:
            host.connect('cable', f'10.117.0.{host.number + 1}')
            host.connect('relay', f'10.118.0.{host.number + 1}')
        reference = kill_study.final_networks(OPTIONS + ['--num-workers=2'], os.path.join(folder, 'reference'))
        quick, wrong = train(hosts, '10.117.0', os.path.join(folder, 'cut'), reference, cuts=(1, 0))
        slow, more = train(hosts, '10.118.0', os.path.join(folder, 'slow'), reference)
        wrong += more + ([] if slow > quick else ['the relay does not slow the training down'])
        print(f'With {args.delay_ms:g} ms of delay each way and {100 * args.loss:g} % of loss ({relay.carried} packets '
              f'carried, {relay.dropped} dropped): {slow / quick:.1f} times as long as over the veth pair')
    print(f'{len(wrong)} things wrong' + ''.join('\n  ' + text for text in wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    cli.run_main(main)
