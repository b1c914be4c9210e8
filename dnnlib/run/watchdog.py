"""Ends a worker when another one is gone: sums over the workers wait for a lost partner for ever.

Worker 0 listens, every other worker holds a connection to it, and both sides send a byte every half second. A closed or
silent connection ends the process with exit code 75, whatever it is waiting for; whoever started the workers starts all
of them again, from the last state. Messages are lines of JSON, the byte an empty one; nothing is authenticated.
"""

import contextlib
import queue
import socket
import threading
import time

from dnnlib.run.cluster import split_address
from dnnlib.run.connection import Peer, is_final, listen, one_line, ready, token
from dnnlib.run.leaving import leave
from dnnlib.run.shared_memory import GIVEN_UP
from dnnlib.util import UserError

LOST = 75               # exit code, EX_TEMPFAIL of sysexits.h: try again
USER_ERROR = 2          # exit code of `cli.run_main`: the same again, however often it is started
BEAT_SECONDS = 0.5
LOOK_SECONDS = 0.1      # between two looks at the connections, so that a thousand of them cost nothing
SILENCE_SECONDS = 10.0  # 20 beats: a loaded machine or a lost packet is no lost worker
STOPPED_SECONDS = 2.0   # between two looks: this process was stopped, perhaps all of them, as by Ctrl-Z
CAUSE_SECONDS = 2.0     # TensorFlow 2 may notice a lost worker some moments before its watchdog
START_SECONDS = 600.0   # jobs of a cluster may start minutes apart
PORT_SECONDS = 20.0     # until a process of the previous start has left the port


@contextlib.contextmanager
def watching(cluster, start_timeout=START_SECONDS, say=print):
    """Context manager: waits for all workers, and ends this process if one of them is lost before all reach its end.

    At the end of the block all workers wait for each other, so that none is left alone with the last step. An error in
    the block ends the others: with USER_ERROR if it would come again, else with LOST, and so this one after an OSError.

    Args:
        cluster: Cluster.
        start_timeout: Seconds until all workers must be there; otherwise they end and name those that are missing.
        say: Function of a line of text, called at most once, just before the process ends.
    Yields: Watch.
    Raises: UserError if worker 0 cannot listen at its address, or another job does.
    """
    watch = (_Leader if cluster.task == 0 else _Follower)(cluster, say)
    try:
        watch.start(time.monotonic() + start_timeout, start_timeout)
        yield watch
    except (Exception, KeyboardInterrupt) as error:
        error.is_told = True
        if not is_final(error) and isinstance(error, Exception):
            time.sleep(CAUSE_SECONDS * (2 if GIVEN_UP in str(error) else 1))  # the one that is the cause goes first
        watch.close('error' if is_final(error) else 'lost', one_line(error))
        if isinstance(error, OSError) and not is_final(error):
            say(f'{watch.name(cluster.task)} {one_line(error)}')
            raise SystemExit(LOST) from error  # `cli.run_main` would end with USER_ERROR
        raise
    watch.finish()


class Watch:
    """What both sides do: a thread that sends, receives and counts the seconds."""

    def __init__(self, cluster, say):
        self._cluster, self._say, self._leaving = cluster, say, threading.Lock()
        self._peers, self._listeners = [], []
        self._values = queue.Queue()  # of worker 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._token = token(cluster)

    def share(self, value=None):
        """Worker 0's value; all workers must call this equally often.

        Args:
            value: On worker 0, something that JSON can hold; the others wait for it.
        Returns: The value.
        """
        if self._cluster.task == 0:
            for peer in self._workers():
                self._send(peer, 'value', value)
            return value
        return self._values.get()

    def close(self, kind, why):
        """Ends watching, and the other workers.

        Args:
            kind: 'error' = of the user, which would come again; 'lost' = any other.
            why: What happened to this one, for their message.
        """
        self._end.set()
        for peer in list(self._peers):
            self._send(peer, kind, self._cluster.task, why)
            peer.close()

    def _run(self):
        beat = looked = time.monotonic()
        while not self._end.wait(LOOK_SECONDS):
            peers = {peer.connection: peer for peer in list(self._peers)}
            with contextlib.suppress(ValueError):  # closed by the other thread
                for connection in ready(list(peers) + self._listeners):
                    self._read(peers.get(connection), connection)
            now = time.monotonic()
            stopped, looked = now - looked, now
            if now >= beat:
                beat = now + BEAT_SECONDS
                for peer in peers.values():
                    self._send(peer)
            for peer in peers.values():
                peer.heard = min(now, peer.heard + stopped) if stopped > STOPPED_SECONDS else peer.heard
                if now - peer.heard > SILENCE_SECONDS:
                    self._lose(peer, f'silent for {SILENCE_SECONDS:g} s')

    def _read(self, peer, connection):
        if peer is None:
            self._accept(connection)
            return
        try:
            for message in peer.receive():
                self._handle(peer, message)
        except OSError as error:
            self._lose(peer, error.strerror or str(error))

    def _workers(self):
        return [peer for peer in self._peers if peer.task is not None]

    def _send(self, peer, *message):
        with contextlib.suppress(OSError, ValueError):  # noticed when reading
            peer.send(*message)

    def name(self, task):
        """A worker in messages."""
        return f'Worker {task} ({self._cluster.addresses[task]})'

    def _leave(self, text, message=(), code=LOST):
        """Ends the process with one line of text, and sends the other workers a message first."""
        if self._end.is_set() or not self._leaving.acquire(blocking=False):
            return
        for peer in list(self._peers):
            self._send(peer, *message)
            peer.close()
        leave(lambda: self._say(text), code, refused=code == USER_ERROR)

    def _lost(self, task, why, kind='lost'):
        message = (kind, task, why) if self._cluster.task == 0 else ()
        if kind == 'error':
            self._leave(f'{self.name(task)} ended with an error: {why}', message, USER_ERROR)
        self._leave(f'{self.name(task)} is lost: {why}. Ending this worker too; restarted together, they resume from '
                    'the last state.', message)


class _Leader(Watch):
    """Worker 0, which listens."""

    def __init__(self, cluster, say):
        super().__init__(cluster, say)
        self._missing = set(range(1, len(cluster.addresses)))
        self._has_started = False
        self._changed = threading.Condition()

    def start(self, deadline, seconds):
        """Returns when all workers are there."""
        self._listeners.append(listen(self._cluster, min(deadline, time.monotonic() + PORT_SECONDS)))
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: not self._missing, max(deadline - time.monotonic(), 0)):
                names = ', '.join(self.name(task) for task in sorted(self._missing)[:8])
                more = f' and {len(self._missing) - 8} others' if len(self._missing) > 8 else ''
                self._leave(f'Not here after {seconds:g} s: {names}{more}. Start them, or wait longer with '
                            '--start-timeout.', ('missing', names + more))
            self._has_started = True  # from here on nobody may leave
        self.share()

    def finish(self):
        """Waits until the other workers are done, and lets them go."""
        with self._changed:
            self._changed.wait_for(lambda: all(peer.is_done for peer in self._workers()))
        self._end.set()
        self._thread.join()
        for peer in self._peers:
            self._send(peer, 'done')
            peer.close()
        self._listeners.pop().close()

    def close(self, kind, why):
        """See Watch."""
        super().close(kind, why)
        for listener in self._listeners:
            listener.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            self._peers.append(Peer(listener.accept()[0]))

    def _handle(self, peer, message):
        with self._changed:
            if peer.task is not None and message[0] in ('lost', 'error'):
                self._lost(peer.task, str(message[-1]), message[0])
            elif peer.task is not None and message[0] == 'done':
                peer.is_done = True
            elif message[:2] != ['hello', self._token] or not isinstance(message[-1], int):
                self._refuse(peer, 'stranger')
            elif message[-1] not in self._missing:
                self._refuse(peer, 'twice')
            else:
                peer.task = message[-1]
                self._missing.discard(peer.task)
            self._changed.notify_all()

    def _refuse(self, peer, why):
        self._send(peer, why)
        peer.close()
        self._peers.remove(peer)

    def _lose(self, peer, why):
        with self._changed:
            if self._has_started and peer.task is not None and not peer.is_done:
                self._lost(peer.task, why)
            elif peer in self._peers:  # a stranger, a worker that may come back, or one that has nothing left to do
                peer.close()
                self._peers.remove(peer)
                self._missing |= {peer.task} - {None}


class _Follower(Watch):
    """Every other worker."""

    def start(self, deadline, seconds):
        """Returns when all workers are there."""
        why, address = 'no answer', split_address(self._cluster.watch)
        while time.monotonic() < deadline:
            try:
                peer = Peer(socket.create_connection(address, min(5, max(deadline - time.monotonic(), 0.1))))
                peer.task = 0
                peer.send('hello', self._token, self._cluster.task)
                message = self._wait(peer, deadline)
                if message[0] == 'value':
                    self._peers.append(peer)
                    self._thread.start()
                    return
                peer.close()
                if message[0] in ('lost', 'error'):
                    self._lost(message[1], message[2], message[0])
                if message[0] == 'stranger':
                    raise UserError(f'{self._cluster.watch} belongs to another job; give the workers other ports')
                if message[0] == 'missing':
                    self._leave(f'Not here after {seconds:g} s: {message[1]}.')
                why = f'it has a worker {self._cluster.task} already' if message[0] == 'twice' else why
            except OSError as error:
                why = error.strerror or str(error)
            time.sleep(BEAT_SECONDS)
        self._leave(f'Not here after {seconds:g} s: {self.name(0)}, which watches at {self._cluster.watch} ({why}). '
                    'Start it, or wait longer with --start-timeout.')

    def _wait(self, peer, deadline):
        """The first message of worker 0; raises OSError if it is lost."""
        while True:
            time.sleep(LOOK_SECONDS)
            if ready([peer.connection]):
                messages = peer.receive()
                if messages:
                    for message in messages[1:]:
                        self._handle(peer, message)
                    return messages[0]
            peer.send()
            now = time.monotonic()
            if now - peer.heard > SILENCE_SECONDS or now > deadline + SILENCE_SECONDS:
                raise OSError('silent')

    def finish(self):
        """Waits until all workers are done."""
        for peer in self._peers:
            self._send(peer, 'done')
        self._end.wait()
        self._thread.join()

    def _handle(self, peer, message):
        if message[0] == 'value':
            self._values.put(message[1])
        elif message[0] in ('lost', 'error'):
            self._lost(message[1], message[2], message[0])
        elif message[0] == 'done':
            self._end.set()
            peer.close()

    def _lose(self, peer, why):
        self._lost(0, why)
