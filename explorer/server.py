"""The HTTP server: standard library, one thread a connection, everything limited before it is read."""

import http.client
import http.server
import io
import json
import socket
import socketserver
import sys
import threading
import time
import traceback
from typing import NamedTuple

from explorer import guard
from explorer.errors import Refused

HEAD_BYTES, QUERY_BYTES, LINE_BYTES = 8 << 10, 4 << 10, 5 << 10
SILENCE_SECONDS, HEAD_SECONDS, BODY_SECONDS = 10.0, 10.0, 60.0
CONNECTIONS, QUEUE = 16, 64
LINGER_SECONDS, LINGER_BYTES = 2.0, 16 << 20
FRESH_SECONDS = 0.3  # in which a new connection is left alone
WAIT_SECONDS = 5.0  # of a connection for another one to end
REASONS = dict(http.client.responses)
REASONS[421] = 'Misdirected Request'


class Request(NamedTuple):
    """What a route is asked."""
    method: str
    path: str      # without query, such as /api/info
    query: str
    kind: str      # content type of the body, without parameters
    body: bytes


class Reply(NamedTuple):
    """What it answers."""
    body: bytes = b''
    kind: str = 'application/json'
    status: int = 200
    headers: tuple = ()  # of (name, value)


def in_json(value, status=200):
    """A Reply of a value that JSON knows."""
    return Reply(json.dumps(value).encode(), status=status)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens, and lets at most CONNECTIONS in at a time.

    Args:
        address: (host, port); port 0 = a free one.
        doorman: guard.Guard.
        answer: Function of a Request that returns a Reply or raises Refused.
        body_limit: Function of (method, path) that returns the largest body, bytes; 0 = none may be sent.
    """

    daemon_threads, allow_reuse_address, request_queue_size = True, True, QUEUE

    def __init__(self, address, doorman, answer, body_limit):
        if ':' in address[0]:
            self.address_family = socket.AF_INET6
        self.doorman, self.answer, self.body_limit = doorman, answer, body_limit
        self._changed, self._open = threading.Condition(), {}
        super().__init__(address, Connection)

    def process_request(self, request, client_address):
        """Handles a connection in a thread of its own, once there is room for it."""
        if self._let_in(request):
            super().process_request(request, client_address)
        else:
            _refuse_connection(request)
            self.shutdown_request(request)

    def _let_in(self, request):
        end = time.monotonic() + WAIT_SECONDS
        with self._changed:
            while len(self._open) >= CONNECTIONS:
                idle = [(since, other) for other, since in self._open.items()
                        if since is not None and since < time.monotonic() - FRESH_SECONDS]
                if idle:  # browsers keep connections open; whoever is silent longest makes room
                    _hang_up(min(idle, key=lambda item: item[0])[1])
                if not self._changed.wait(max(min(end - time.monotonic(), 0.2), 0.01)) and time.monotonic() > end:
                    return False
            self._open[request] = time.monotonic()
            return True

    def mark(self, request, is_idle):
        """Notes whether a connection waits for its client."""
        with self._changed:
            if request in self._open:
                self._open[request] = time.monotonic() if is_idle else None

    def shutdown_request(self, request):
        """Ends a connection."""
        with self._changed:
            self._open.pop(request, None)
            self._changed.notify_all()
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """Connections that break are nobody's mistake; everything else is ours."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, EOFError)):
            traceback.print_exc()


def _hang_up(request):
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _refuse_connection(request):
    body = json.dumps({'error': 'too many connections; try again in a moment'}).encode()
    try:
        request.settimeout(1)
        request.sendall(b'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n'
                        b'Connection: close\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
    except OSError:
        pass


class _Gone(OSError):
    """The client is gone, or too slow to be answered."""


class Connection(http.server.BaseHTTPRequestHandler):
    """One connection and its requests, one after another."""

    protocol_version, disable_nagle_algorithm, timeout = 'HTTP/1.1', True, SILENCE_SECONDS

    def setup(self):
        """Prepares what is read by hand."""
        super().setup()
        self._buffer = b''

    def handle_one_request(self):
        """Reads the head of a request, then its body, and answers."""
        self.close_connection, self.command, self.requestline = True, None, ''
        self.request_version = self.protocol_version
        try:
            self._read_request()
        except Refused as error:
            self.close_connection = True
            self._send(in_json(dict(error.more, error=str(error)), error.status))
            if error.status != 408:
                self._linger()
        except (_Gone, ConnectionError, socket.timeout):
            self.close_connection = True

    def _read_request(self):
        head = self._read_head()
        if head is None:
            return
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline(LINE_BYTES + 1)
        if len(self.raw_requestline) > LINE_BYTES:
            raise Refused('the address is too long', 414)
        if not self.parse_request():  # which has answered
            self.close_connection = True
            return
        self.server.mark(self.request, is_idle=False)
        reply = self._answer()
        self._send(reply)

    def _answer(self):
        """The Reply of a request whose head was read."""
        self.server.doorman.check_host(self.headers)
        path, _, query = self.path.partition('?')
        if len(query) > QUERY_BYTES:
            raise Refused('the query is too long', 414)
        if self.command not in ('GET', 'POST'):
            raise Refused('only GET and POST are understood', 405)
        if path.startswith('/api/'):
            self.server.doorman.check_token(self.headers)
        body = self._read_body(path)
        kind = (self.headers.get('Content-Type') or '').split(';')[0].strip().lower()
        keeps = not self.close_connection
        try:
            reply = self.server.answer(Request(self.command, path, query, kind, body))
        except Refused as error:
            reply = in_json(dict(error.more, error=str(error)), error.status)
        except Exception:  # pylint: disable=broad-except  # told on the console, never to the client
            traceback.print_exc()
            reply = in_json({'error': 'this went wrong in the server; its console says why'}, 500)
        self.close_connection = not keeps
        return reply

    def _read_head(self):
        """The bytes of a head up to its empty line; None if the client closed the connection before one began."""
        self.server.mark(self.request, is_idle=True)
        end, data = None, self._buffer
        while b'\r\n\r\n' not in data and b'\n\n' not in data:
            if len(data) > HEAD_BYTES:
                raise Refused('the headers are too long', 431)
            end = end or (time.monotonic() + HEAD_SECONDS if data else None)
            more = self._receive(end, is_begun=bool(data))
            if not more:
                return None
            data += more
        places = [data.find(mark) + len(mark) for mark in (b'\r\n\r\n', b'\n\n') if mark in data]
        place = min(places)
        if place > HEAD_BYTES:
            raise Refused('the headers are too long', 431)
        head, self._buffer = data[:place], data[place:]
        return head

    def _receive(self, end, is_begun):
        """Some bytes; empty = the client closed the connection. Raises Refused for a slow client."""
        try:
            left = SILENCE_SECONDS if end is None else end - time.monotonic()
            if left <= 0:
                raise socket.timeout()
            self.connection.settimeout(min(left, SILENCE_SECONDS))
            return self.connection.recv(1 << 16)
        except socket.timeout:
            if not is_begun:
                raise _Gone() from None
            raise Refused('the request came too slowly', 408) from None

    def _read_body(self, path):
        """The body of a request; refused by its length before it is read."""
        lengths = self.headers.get_all('Content-Length') or []
        if self.headers.get_all('Transfer-Encoding'):
            raise Refused('send a Content-Length instead of chunks', 411)
        if len(lengths) > 1 or lengths and not (lengths[0].isdigit() and len(lengths[0]) < 12):
            raise Refused('the Content-Length is no number')
        length = int(lengths[0]) if lengths else 0
        if self.command == 'POST' and not lengths:
            raise Refused('the Content-Length is missing', 411)
        if length > self.server.body_limit(self.command, path):
            raise Refused('the body is too large', 413)
        if self.headers.get('Expect', '').lower() == '100-continue':
            self.connection.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
        end, parts, found = time.monotonic() + BODY_SECONDS, [self._buffer[:length]], len(self._buffer[:length])
        self._buffer = self._buffer[length:]
        while found < length:
            part = self._receive(end, is_begun=True)
            if not part:
                raise _Gone()
            part, self._buffer = part[:length - found], part[length - found:]
            parts.append(part)
            found += len(part)
        return b''.join(parts)

    def _linger(self):
        """Takes what a refused client is still sending: closing at once would lose the answer on its way."""
        end, left = time.monotonic() + LINGER_SECONDS, LINGER_BYTES
        self.connection.shutdown(socket.SHUT_WR)
        while left > 0 and time.monotonic() < end:
            self.connection.settimeout(max(end - time.monotonic(), 0.01))
            data = self.connection.recv(1 << 16)
            if not data:
                break
            left -= len(data)

    def handle_expect_100(self):
        """Answered only where the length is known to be all right."""
        return True

    def _send(self, reply):
        """Sends a Reply in one piece."""
        lines = [f'HTTP/1.1 {reply.status} {REASONS.get(reply.status, "Error")}']
        if reply.status != 204:
            lines += [f'Content-Type: {reply.kind}', f'Content-Length: {len(reply.body)}']
        lines += [f'{name}: {value}' for name, value in guard.HEADERS + tuple(reply.headers)]
        lines.append('Connection: ' + ('close' if self.close_connection else 'keep-alive'))
        head = '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n'
        self.connection.settimeout(SILENCE_SECONDS)
        self.connection.sendall(head + (b'' if reply.status == 204 else reply.body))

    def send_error(self, code, message=None, explain=None):
        """What the base class refuses, in our form."""
        self.close_connection = True
        self._send(in_json({'error': f'this is no request that HTTP knows ({REASONS.get(int(code), "bad")})'},
                           int(code)))

    def log_message(self, *_args):
        """Requests are not logged."""
