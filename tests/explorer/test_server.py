"""The HTTP server of the explorer: who may ask, limits, slow and broken clients."""

import json
import socket
import time

import pytest

from explorer import guard, routes, server
from tests.explorer.client import TOKEN, serving

HEAD = b'Host: localhost\r\nX-Token: ' + TOKEN.encode() + b'\r\n'


def echo(request):
    """Answers with the request."""
    if request.path == '/api/broken':
        raise KeyError('a mistake')
    return server.in_json(dict(request._asdict(), body=len(request.body)))


@pytest.fixture(scope='module')
def client():
    with serving(echo, routes.body_limit, allowed=['hub.example.org', '.proxy.org']) as found:
        yield found


def test_requests_reach_their_route_and_every_reply_has_the_headers(client):
    status, headers, body = client.ask('GET', '/api/x?a=b%20c')
    assert status == 200 and json.loads(body.decode()) == dict(
        method='GET', path='/api/x', query='a=b%20c', kind='', body=0)
    for name, value in guard.HEADERS:
        assert headers[name] == value
    assert 'Server' not in headers and headers['Content-Type'] == 'application/json'
    body = client.ask('POST', '/api/pictures', b'x' * 100, Content_Type='image/png; a=b')[2]
    assert json.loads(body.decode()) == dict(
        method='POST', path='/api/pictures', query='', kind='image/png', body=100)
    assert client.ask('GET', '/', X_Token=None)[0] == 200  # the page asks for the token later
    first = client.raw(b'GET /api/a HTTP/1.1\r\n' + HEAD + b'\r\nGET /api/b HTTP/1.1\r\nConnection: close\r\n' + HEAD
                       + b'\r\n')
    assert first.count(b'HTTP/1.1 200 OK') == 2 and b'/api/b' in first  # one connection, two requests


@pytest.mark.parametrize('headers, status', [
    ({'X_Token': None}, 401), ({'X_Token': 'x'}, 401), ({'X_Token': TOKEN + 'x'}, 401), ({'X_Token': '\xe9'}, 401),
    ({'Host': 'evil.org'}, 421), ({'Host': 'localhost.evil.org'}, 421), ({'Host': '127.0.0.1@evil.org'}, 421),
    ({'Host': '127.0.0.2'}, 421), ({'Host': ''}, 421), ({'Host': 'xproxy.org'}, 421),
    ({'Origin': 'http://evil.org'}, 403), ({'Origin': 'null'}, 403), ({'Origin': 'http://localhost:1'}, 403),
    ({'Origin': 'file://localhost'}, 403), ({'Origin': 'http://[::1'}, 403)])
def test_strangers_are_refused(client, headers, status):
    found, _, body = client.ask('GET', '/api/x', **headers)
    assert found == status and set(json.loads(body.decode())) == {'error'}


@pytest.mark.parametrize('headers', [
    {'Host': 'localhost:9999', 'Origin': 'http://localhost:9999'}, {'Host': '[::1]:80', 'Origin': 'http://[::1]:80'},
    {'Host': 'hub.example.org', 'Origin': 'https://hub.example.org'}, {'Host': 'HUB.example.org:8443'},
    {'Host': 'localhost:1', 'Origin': 'https://a.proxy.org'}])
def test_tunnels_and_named_proxies_are_let_in(client, headers):
    assert client.ask('GET', '/api/x', **headers)[0] == 200


@pytest.mark.parametrize('data, status', [
    (b'GET /api/x?' + b'a' * 4200 + b' HTTP/1.1\r\n' + HEAD + b'\r\n', 414),
    (b'GET /' + b'a' * 6000 + b' HTTP/1.1\r\n' + HEAD + b'\r\n', 414),
    (b'GET / HTTP/1.1\r\nA: ' + b'a' * 9000 + b'\r\n\r\n', 431),
    (b'GET / HTTP/1.1\r\n' + b'A: b\r\n' * 200 + b'\r\n', 431),
    (b'nonsense\r\n\r\n', 400), (b'GET / HTTP/9.9\r\n\r\n', 505), (b'\x16\x03\x01\x02\x00\r\n\r\n', 400),
    (b'PUT /api/x HTTP/1.1\r\n' + HEAD + b'\r\n', 405), (b'GET / HTTP/1.1\r\n\r\n', 421),
    (b'GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n', 421),
    (b'POST /api/x HTTP/1.1\r\n' + HEAD + b'\r\n', 411),
    (b'POST /api/x HTTP/1.1\r\n' + HEAD + b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411),
    (b'POST /api/x HTTP/1.1\r\n' + HEAD + b'Content-Length: -1\r\n\r\n', 400),
    (b'POST /api/x HTTP/1.1\r\n' + HEAD + b'Content-Length: 1\r\nContent-Length: 2\r\n\r\n', 400),
    (b'POST /api/x HTTP/1.1\r\n' + HEAD + b'Content-Length: 70000\r\n\r\n', 413),
    (b'POST /api/pictures HTTP/1.1\r\n' + HEAD + b'Content-Length: 10485761\r\n\r\n', 413),
    (b'POST /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n', 401)])
def test_what_is_too_large_or_no_request_is_refused(client, data, status, capsys):
    found = client.raw(data)
    assert int(found.split(b' ')[1]) == status and found.count(b'HTTP/1.1') == 1
    assert json.loads(found.split(b'\r\n\r\n')[1].decode())['error'] and not capsys.readouterr().err


def test_our_own_mistakes_are_told_on_the_console_alone(client, capsys):
    status, _, body = client.ask('GET', '/api/broken')
    assert status == 500 and b'mistake' not in body
    assert 'a mistake' in capsys.readouterr().err


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client):
    status, _, body = client.ask('POST', '/api/x', b'x' * (3 << 20))
    assert status == 413 and b'too large' in body


def test_slow_clients(client, monkeypatch):
    monkeypatch.setattr(server, 'HEAD_SECONDS', 0.4)
    monkeypatch.setattr(server, 'BODY_SECONDS', 0.4)
    monkeypatch.setattr(server, 'SILENCE_SECONDS', 0.4)
    begin = time.monotonic()
    assert client.raw(b'') == b'' and b' 408 ' in client.raw(b'GET /')  # silent, and stopped in the middle
    assert b' 408 ' in client.raw(b'POST /api/x HTTP/1.1\r\n' + HEAD + b'Content-Length: 9\r\n\r\nx')
    with socket.create_connection(('127.0.0.1', client.port)) as drop:  # a byte now and then is too slow, too
        with pytest.raises(OSError):
            for _ in range(100):
                drop.sendall(b'G')
                time.sleep(0.05)
    assert time.monotonic() - begin < 10


def test_connections_that_wait_make_room_for_new_ones(client):
    idle = [socket.create_connection(('127.0.0.1', client.port)) for _ in range(40)]
    assert client.ask('GET', '/api/x')[0] == 200
    for connection in idle:
        connection.close()


def test_no_more_than_so_many_connections_work_at_a_time(monkeypatch):
    monkeypatch.setattr(server, 'WAIT_SECONDS', 0.1)
    monkeypatch.setattr(server, 'CONNECTIONS', 2)
    running = []

    def slow(_request):
        running.append(1)
        time.sleep(0.6)
        return server.in_json({})
    with serving(slow, routes.body_limit) as client:
        sockets = [socket.create_connection(('127.0.0.1', client.port)) for _ in range(3)]
        for connection in sockets:
            connection.sendall(b'GET /api/x HTTP/1.1\r\n' + HEAD + b'\r\n')
            time.sleep(0.05)
        found = [int(connection.recv(100).split(b' ')[1]) for connection in sockets]
        assert found == [200, 200, 503] and len(running) == 2
        for connection in sockets:
            connection.close()
