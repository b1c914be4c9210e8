"""Tells the other workers of an error that ends this one before it has joined them, so that they don't wait for it."""

import contextlib
import socket
import time

from dnnlib.run import connection
from dnnlib.run.cluster import split_address

TELL_SECONDS = 20.0  # the others may still be loading TensorFlow; whoever comes later waits for --start-timeout
LOOK_SECONDS = 0.1


def tell(cluster, error, seconds=TELL_SECONDS):
    """Tells an error to the workers that come within some seconds; returns early if all have, or nobody can.

    Args:
        cluster: Cluster; worker 0 listens at `watch` and answers, the others connect to it, and its watchdog tells all.
        error: Exception.
        seconds: How long to try.
    """
    kind = 'error' if connection.is_final(error) else 'lost'
    message, deadline = (kind, cluster.task, connection.one_line(error)), time.monotonic() + seconds
    error.is_told = True
    with contextlib.suppress(Exception):  # what is to be told counts, not that it could not be
        (_answer if cluster.task == 0 else _connect)(cluster, message, deadline)


def _answer(cluster, message, deadline):
    """Worker 0's side."""
    missing, peers = set(range(1, len(cluster.addresses))), {}
    with connection.listen(cluster, deadline) as listener:
        while missing and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
            for found in connection.ready([listener] + list(peers)):
                if found is listener:
                    accepted = listener.accept()[0]
                    peers[accepted] = connection.Peer(accepted)
                    continue
                with contextlib.suppress(OSError):
                    said = _receive(peers[found])
                    if said is None:  # a sign of life only
                        continue
                    is_ours = said[:2] == ['hello', connection.token(cluster)]
                    peers[found].send(*(message if is_ours else ('stranger',)))
                    missing -= {said[-1]} if is_ours else set()
                peers.pop(found).close()


def _receive(peer):
    return next(iter(peer.receive()), None)


def _connect(cluster, message, deadline):
    """The side of every other worker."""
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            peer = connection.Peer(socket.create_connection(split_address(cluster.watch), 5))
            peer.send('hello', connection.token(cluster), cluster.task)
            peer.send(*message)
            while True:  # until worker 0 has read it and closes
                if _receive(peer) is not None:
                    peer.close()
                    return
        time.sleep(connection.RETRY_SECONDS)
