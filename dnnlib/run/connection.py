"""Connections between the watchdogs of the workers: lines of JSON, and empty lines as signs of life."""

import contextlib
import errno
import hashlib
import json
import selectors
import socket
import threading
import time

from dnnlib.run.cluster import split_address
from dnnlib.util import UserError, first_line

SEND_SECONDS = 5.0      # of waiting until the other side reads; half of the silence that counts as lost
RETRY_SECONDS = 0.5
HELLO_BYTES = 1 << 10   # longest line of a stranger
LINE_BYTES = 1 << 24    # of a worker: all options of a training, with room
FINAL = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)  # would come again


def is_final(error):
    """Would an error come again in a restart? One of the user does; one of a disk or network may have passed."""
    return isinstance(error, UserError) or isinstance(error, OSError) and error.errno in FINAL


def one_line(error):
    """What happened to a worker that ended with an error, for the others."""
    text = first_line(error)
    return text if is_final(error) else f'ended with an error ({type(error).__name__}: {text})'


def token(cluster):
    """What the workers of a job say first, so that those of another are not taken for them."""
    return hashlib.sha256(json.dumps([cluster.addresses, cluster.watch, cluster.run]).encode()).hexdigest()


class Peer:
    """A connection and what is known about its other end."""

    def __init__(self, connection):
        connection.settimeout(SEND_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.task = None                # which worker it is, once it said so
        self.is_done = False            # has it reached the end?
        self.heard = time.monotonic()   # when it was last heard
        self._sending = threading.Lock()
        self._received = b''

    def send(self, *message):
        """Sends a message, or the byte that says that this process is alive."""
        with self._sending:
            self.connection.sendall((json.dumps(message) if message else '').encode() + b'\n')

    def receive(self):
        """The messages that have arrived, non-empty lists.

        Raises: OSError if the connection is closed, or what arrived are no messages.
        """
        try:
            data = self.connection.recv(1 << 16)
        except ConnectionError:  # the same, with something on the way
            data = b''
        if not data:
            raise OSError('closed the connection')
        self.heard = time.monotonic()
        *lines, self._received = (self._received + data).split(b'\n')
        if len(self._received) > (HELLO_BYTES if self.task is None else LINE_BYTES):
            raise OSError('sent something else')
        try:
            messages = [json.loads(line.decode()) for line in lines if line]
        except ValueError:
            messages = [None]
        if not all(isinstance(message, list) and message for message in messages):
            raise OSError('sent something else')
        return messages

    def close(self):
        """Closes the connection so that what was sent still arrives: unread bytes would reset it."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(0)
            while self.connection.recv(1 << 16):
                pass
        self.connection.close()


def ready(sockets):
    """Those of some sockets that have something to read, list; raises ValueError if one is closed."""
    with selectors.DefaultSelector() as selector:
        for item in sockets:
            selector.register(item, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(0)]


def listen(cluster, deadline):
    """A socket that listens at the watchdog's address, and at no other.

    Args:
        cluster: Cluster.
        deadline: `time.monotonic()` until which a name may be unknown, or the port taken by a process that is ending.
    Raises: UserError if that is impossible, or other hosts could not reach it.
    """
    host, port = split_address(cluster.watch)
    while True:
        listener = None
        try:
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            others = {split_address(other)[0] for other in cluster.addresses} - {host}
            if _is_loopback(address[0]) and not all(_is_loopback(_resolve(other)) for other in others):
                raise UserError(f'{host} is {address[0]} on this machine, which the other hosts cannot reach; give an '
                                'address that they know, or correct /etc/hosts')
            listener = socket.socket(family, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
            listener.settimeout(0)  # a connection may be gone before it is accepted
            return listener
        except OSError as error:
            if listener is not None:
                listener.close()
            may_pass = error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL) or isinstance(error, socket.gaierror)
            if not may_pass or time.monotonic() > deadline:
                raise UserError(f'worker 0 cannot listen at {cluster.watch} ({error.strerror}); it must be an address '
                                'of this machine and a free port') from error
        time.sleep(RETRY_SECONDS)


def _resolve(host):
    try:
        return socket.getaddrinfo(host, None)[0][4][0]
    except OSError:
        return ''


def _is_loopback(address):
    return address.startswith('127.') or address == '::1'
