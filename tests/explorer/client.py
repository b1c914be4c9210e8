"""A client of the explorer's server, for tests."""

import contextlib
import http.client
import json
import pathlib
import socket
import threading
import time

from explorer import guard, server

TOKEN = 'a-token-of-the-tests'
DATA = pathlib.Path(__file__).parent.parent / 'data'


class Client:
    """Asks a server that listens on this machine."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, **headers):
        """(status, headers, body) of a request; headers by names with `_` for `-`, None = without it."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        sent = {'X-Token': TOKEN}
        if body is not None:
            sent['Content-Type'] = 'application/json'
        sent.update((name.replace('_', '-'), value) for name, value in headers.items())
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def get(self, path):
        """The JSON of a GET that succeeds."""
        status, _, body = self.ask('GET', path)
        assert status == 200, body
        return json.loads(body.decode())

    def post(self, path, **fields):
        """The JSON of a POST that succeeds."""
        status, _, body = self.ask('POST', path, json.dumps(fields))
        assert status == 200, body
        return json.loads(body.decode())

    def ready(self):
        """Waits until the network is there; returns `api/info`."""
        while True:
            found = self.get('/api/info')
            if found['state'] != 'loading':
                return found
            time.sleep(0.05)

    def finished(self, job):
        """Waits for the end of a job; returns its description."""
        while True:
            found = self.get(f'/api/jobs/{job}')
            if found['state'] not in ('waiting', 'running'):
                return found
            time.sleep(0.05)

    def refused(self, path, method='GET', **fields):
        """(status, sentence) of a request that is refused."""
        status, _, body = self.ask(method, path, json.dumps(fields) if method == 'POST' else None)
        found = json.loads(body.decode())
        assert status >= 400 and 10 < len(found['error']) < 300
        return status, found['error']

    def raw(self, data, seconds=20):
        """What comes back for bytes, until the server closes."""
        with socket.create_connection(('127.0.0.1', self.port), timeout=seconds) as connection:
            connection.sendall(data)
            found = b''
            while True:
                part = connection.recv(1 << 16)
                if not part:
                    return found
                found += part


@contextlib.contextmanager
def serving(answer, body_limit, allowed=()):
    """Context manager: a server with an answer function; yields its Client."""
    listening = server.Server(('127.0.0.1', 0), guard.Guard(allowed, TOKEN), answer, body_limit)
    thread = threading.Thread(target=listening.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True)
    thread.start()
    try:
        yield Client(listening.server_address[1])
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
