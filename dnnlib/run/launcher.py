"""Starts the workers of a training on this machine, watches them, and starts all again when one is lost.

Worker 0 has the terminal. What the others print goes to `log-worker1.txt` and so on in the run directory, whose name
worker 0 tells through a pipe. The workers end with the launcher, however it ends.
"""

import contextlib
import ctypes
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import NamedTuple

from dnnlib.disk import ignoring_full
from dnnlib.run import cluster, devices, shared_memory
from dnnlib.run.watchdog import LOST, USER_ERROR

PIPE = 'STYLEGAN2_LAUNCHER'  # number of the pipe through which worker 0 tells its run directory
POLL_SECONDS = 0.1
GRACE_SECONDS = 3.0     # for what the watchdogs say; nothing is lost by the kill that follows
ERROR_SECONDS = 1.0     # the same after a user error, which all workers see at the same time, if more than one
PYTHON_ERROR = 1        # exit code after a traceback
SAME_ERROR_SECONDS = 86400.0  # one that comes again within a day, as of a metric after every snapshot, is no accident
MAX_RESTARTS = 3        # without progress in between: a machine that fails thrice in a row needs a person
PORTS = 20000, 32000    # below the system's own, which any program may be given at any moment
SHOWN_LINES = 8         # of a lost worker
KEPT_BYTES = 1 << 16    # of output until the run directory is known


class Plan(NamedTuple):
    """What to start, and how to go on."""
    command: list               # program and arguments, the same for all workers
    workers: int                # how many, at least 1
    environments: tuple = ()    # of each worker, {variable: value} over those of this process; () = none
    cpus: tuple = ()            # of each worker, set of CPU numbers or None; () = all
    max_restarts: int = MAX_RESTARTS  # in a row without progress
    resume: object = None       # function of the run directory (None = not known) that returns the command for a
    #                             restart, and a value that changes when there is progress; None = the same command


class End(NamedTuple):
    """How the workers ended."""
    code: int           # exit code: 0, that of the worker that failed first, or 128 + number of the signal
    text: str           # what happened, a sentence without its full stop
    run_dir: str        # of worker 0, None = it didn't tell


def tell(run_dir):
    """Called by worker 0: tells its run directory to the launcher, if there is one.

    Args:
        run_dir: Path of the existing folder.
    """
    pipe = os.environ.pop(PIPE, None)
    if pipe is not None:
        with open(int(pipe), 'w') as f:
            f.write(json.dumps(os.path.abspath(run_dir)) + '\n')


def launch(plan, say=print):
    """Starts workers until they end well, end with a user error, are stopped by a signal, or fail again and again.

    SIGINT and SIGTERM are passed on once; the second one kills the workers.

    Args:
        plan: Plan.
        say: Function of a line of text.
    Returns: Exit code for this process.
    """
    command, run_dir, progress, failures, last_error = plan.command, None, None, 0, None
    with _Signals() as signals:
        while True:
            began = time.monotonic()
            end = _Start(plan, command, signals, run_dir).run(say)
            run_dir = end.run_dir
            if end.code in (0, USER_ERROR) or signals.received:
                return end.code
            command, reached = plan.resume(run_dir) if plan.resume is not None else (plan.command, None)
            error = end.text if end.code == PYTHON_ERROR and time.monotonic() - began < SAME_ERROR_SECONDS else None
            is_same = error is not None and error == last_error
            how = 'with this error' if is_same and reached != progress else 'without progress'
            failures = failures + 1 if failures and (reached == progress or is_same) else 1
            progress, last_error = reached, error
            if failures > plan.max_restarts:
                say(f'{end.text}. Giving up after {plan.max_restarts} restarts {how} in between; the same '
                    'command continues from the last state.' if plan.max_restarts else f'{end.text}.')
                return end.code
            say(f'{end.text}. Restarting all {plan.workers} workers from the last state ({failures} of '
                f'{plan.max_restarts} restarts {how}).')


def free_ports(count):
    """TCP ports that nothing on this machine uses, list of different ints."""
    ports = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as s:
            with contextlib.suppress(OSError):
                s.bind(('', port))
                ports += [port] if port not in ports else []
    return ports


class _Signals:
    """Context manager: records SIGINT and SIGTERM in `received`, a list."""

    def __enter__(self):
        self.received = []
        self._previous = {number: signal.signal(number, lambda number, _: self.received.append(number))
                          for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        for number, handler in self._previous.items():
            signal.signal(number, handler)


class _Output:
    """What a worker prints: into its log once the run directory is known, and the last lines for messages."""

    def __init__(self):
        self.pipe, self.write_end = os.pipe()
        os.set_blocking(self.pipe, False)
        self._data, self._file = b'', None

    def fileno(self):
        """Of the end to read from."""
        return self.pipe

    def read(self):
        """Takes what is there; returns False at the end of the pipe."""
        while True:
            try:
                data = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._data = (self._data + data)[-KEPT_BYTES:]
            self._write(data)

    def _write(self, data):
        if self._file is not None:
            with ignoring_full():
                self._file.write(data)

    def log_to(self, path):
        """Appends to this file from now on, beginning with what was printed before."""
        if self._file is None:
            with ignoring_full(), contextlib.suppress(FileNotFoundError):  # a refused run has no directory
                self._file = open(path, 'ab', buffering=0)
            self._write(self._data)

    def lines(self):
        """All lines that are kept, list of str."""
        return self._data.decode('utf-8', 'replace').rstrip().splitlines()

    def close(self):
        """Reads the rest and closes the files."""
        self.read()
        os.close(self.pipe)
        if self._file is not None:
            self._file.close()


class _Start:
    """One start of all workers."""

    def __init__(self, plan, command, signals, run_dir):
        self._plan, self._signals, self._run_dir = plan, signals, run_dir
        self._outputs = [_Output() for _ in range(plan.workers)]  # what worker 0 tells, and what the others print
        self._processes = []
        ports = free_ports(plan.workers + 1)
        addresses = [f'127.0.0.1:{port}' for port in ports]
        with shared_memory.create(plan.workers) as memory:
            for task in range(plan.workers):
                environ = dict(os.environ, **(plan.environments[task] if plan.environments else {}))
                environ.update({cluster.TF_CONFIG: cluster.tf_config(addresses[:-1], task),
                                cluster.WATCH: addresses[-1], shared_memory.SHARED: ','.join(map(str, memory))})
                if plan.cpus and plan.cpus[task] is not None:
                    environ[devices.BOUND] = '1'
                self._processes.append(self._start(command, task, environ, memory))

    def _start(self, command, task, environ, files):
        end, kwargs = self._outputs[task].write_end, dict(pass_fds=files)
        if task == 0:
            environ[PIPE], kwargs['pass_fds'] = str(end), files + [end]
        else:
            environ['PYTHONUNBUFFERED'], kwargs['stdout'], kwargs['stderr'] = '1', end, subprocess.STDOUT
        try:
            return subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True,  # no Ctrl-C but what is passed
                preexec_fn=_bound_to(os.getpid(), self._plan.cpus[task] if self._plan.cpus else None), **kwargs)
        finally:
            os.close(end)

    def run(self, say):
        """Waits for the end; returns End."""
        try:
            first, hung = self._wait()
            for output in self._outputs:
                output.read()
            self._open_logs(ended=True)
            return self._end(first, hung, say)
        finally:
            self._kill()
            for output in self._outputs:
                output.close()

    def _wait(self):
        """(worker that failed first or None, workers that had to be killed); all have ended then."""
        first, deadline, passed = None, None, 0
        with selectors.DefaultSelector() as selector:
            for output in self._outputs:
                selector.register(output, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(POLL_SECONDS):
                    if not key.fileobj.read():
                        selector.unregister(key.fileobj)
                self._open_logs()
                codes = [process.poll() for process in self._processes]
                failed = [task for task, code in enumerate(codes) if code]
                if failed and first is None:
                    first = min(failed, key=lambda task: codes[task] == LOST)  # rather the cause than what it caused
                    deadline = time.monotonic() + (ERROR_SECONDS if USER_ERROR in codes else GRACE_SECONDS)
                if None not in codes:
                    return first, []
                if deadline is not None and time.monotonic() > deadline:
                    return first, self._kill()
                if len(self._signals.received) > passed:
                    passed += 1
                    self._pass_on(self._signals.received[passed - 1], passed)

    def _pass_on(self, number, times):
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(number if times == 1 else signal.SIGKILL)

    def _kill(self):
        """Kills the workers that still run, and what failed ones have left; returns the former, list of int."""
        running = [task for task, process in enumerate(self._processes) if process.poll() is None]
        for task, process in enumerate(self._processes):
            if task in running or process.returncode:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return running

    def _open_logs(self, ended=False):
        told = self._outputs[0].lines()
        if told:
            self._run_dir = json.loads(told[0])
        if told or ended and self._run_dir is not None:  # by an earlier worker 0
            for task, output in enumerate(self._outputs[1:], 1):
                output.log_to(os.path.join(self._run_dir, f'log-worker{task}.txt'))

    def _end(self, first, hung, say):
        codes = [process.returncode for process in self._processes]
        if self._signals.received:
            number = self._signals.received[0]
            code = 128 + number if any(codes) else 0
            return End(code, f'Stopped by {signal.Signals(number).name}', self._run_dir)
        if first is None:
            return End(0, 'All workers are done', self._run_dir)
        if USER_ERROR in codes:
            first = codes.index(USER_ERROR)
        if codes[first] == LOST and hung:
            first, what = hung[0], 'did not answer and was killed'
        elif codes[first] < 0:
            what = f'was killed by {signal.Signals(-codes[first]).name}'
        else:
            what = f'ended with exit code {codes[first]}'
        if first > 0 and codes[first] != -signal.SIGKILL:  # worker 0 was seen
            for line in self._outputs[first].lines()[-(1 if codes[first] == USER_ERROR else SHOWN_LINES):]:
                say(f'[{first}] {line}')
        code = codes[first] if codes[first] > 0 else 128 - codes[first]
        return End(code, f'Worker {first} {what}', self._run_dir)


def _bound_to(parent, cpus):
    """A function for a new process: it ends with its parent, and runs on these CPUs, `None` = all."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == 'linux' else None  # loaded before the fork

    def prepare():
        if libc is not None:
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(LOST)
        if cpus is not None:
            os.sched_setaffinity(0, cpus)
    return prepare
