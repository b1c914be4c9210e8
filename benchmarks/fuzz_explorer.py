"""Broken and hostile requests to the explorer's server: no trace, no hang, no file.

    python benchmarks/fuzz_explorer.py --requests=10000 --seed=1

Each request is a good one that was changed: other parameters, numbers, bodies, headers, bytes. Afterwards the server
must answer a good request at once, nothing may have been printed on its console, and no file may have appeared outside
of the folder in which pictures are saved. A few hundred of them run in the suite.
"""

import argparse
import collections
import contextlib
import io
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import run_explorer  # noqa: E402  (found only after the line above)
from explorer import guard, server  # noqa: E402

TOKEN = 'the-token'
NUMBERS = ['NaN', 'inf', '-inf', '1e309', '-1e309', '1e-400', '0x1', '', ' ', '-0', '00', '1e5',
           '99999999999999999999', '-1', '1.5', '٣', '%00', '../../etc/passwd', '$(reboot)', "' or 1=1", '<script>',
           '0-99999', '9-1', '1,1', '1:2:3', 'é']
ROUTES = ['/', '/page/index.html', '/api/info', '/api/networks', '/api/network', '/api/image', '/api/grid',
          '/api/command', '/api/directions', '/api/save', '/api/pictures', '/api/pictures/1', '/api/project',
          '/api/detect', '/api/animation', '/api/jobs', '/api/jobs/1', '/api/jobs/1/picture', '/api/jobs/1/file',
          '/api/jobs/1/cancel', '/api/runs', '/api/runs/0', '/api/runs/0/stats', '/api/runs/0/picture',
          '/api/runs/0/strip', '/api/runs/0/control', '/api/start', '/api/%2e%2e/x', '/../x', '//evil.org/',
          '/page/..%2froutes.py', '/page/../server.py', '/api/runs/../../x']
NAMES = ['x', 'y', 'psi', 'cutoff', 'mix', 'mixed', 'mixslot', 'noise', 'noiseseed', 'class', 'move', 'slot',
         'picture', 'domain', 'labels', 'direction', 'n', 'client', 'lane', 'format', 'size', 'columns', 'rows',
         'step', 'method', 'from', 'file', 'number', 'cell', 'count', 'view', 'views', 'frames', 'fps', 'loop',
         'kind', 'curve', 'fit', 'steps', 'space', 'distance', 'command', 'dataset', 'config', 'name', 'options',
         'tried', '__proto__', 'é']
GOOD = ['0', '1', '0.5', '3', 'seed', 'const', 'png', 'jpeg', 'sefa', 'sefa.0:1', 'x=1', 'gif', 'crop', 'w', 'auto',
        'main', '0-2']
HEADERS = ['Host: evil.org', 'Origin: http://evil.org', 'Content-Length: -5', 'Content-Length: 99999999999',
           'Expect: 100-continue', 'Transfer-Encoding: chunked', 'X-Token: x', 'Connection: close',
           'Content-Type: text/html', 'A' * 9000 + ': b', 'Bad Header', ': x', 'Content-Type: image/png',
           'Content-Type: image/webp', 'Cookie: a=b', 'Range: bytes=0-1']

QUERIES = {'/api/image': ['x=1', 'x=0.5&psi=0.7&n=3&client=1&format=jpeg', 'x=1&mix=2&mixed=0-3', 'noise=off&cutoff=2',
                          'x=-5&y=1e3&noise=random&noiseseed=3', 'move=pca.0:1', 'slot=1', 'lane=compare&size=32'],
           '/api/grid': ['x=1&columns=2&rows=2'], '/api/command': ['x=1', 'x=1.5'], '/api/directions': ['method=pca'],
           '/api/runs/0/stats': ['from=0&file=0'], '/api/runs/0/picture': ['number=0&size=64']}
BODIES = {'/api/save': b'{"view": "x=1.5"}', '/api/network': b'{"number": 0}', '/api/project': b'{"picture": 1}',
          '/api/animation': b'{"views": ["x=1", "x=2"], "frames": 2}', '/api/jobs/1/cancel': b'{}'}


def mutated(rnd, data):
    """Bytes with some of them changed, left out or doubled."""
    data = bytearray(data)
    for _ in range(rnd.randrange(1, 8)):
        place = rnd.randrange(len(data) + 1)
        kind = rnd.randrange(3)
        if kind == 0:
            data[place:place + 1] = bytes([rnd.randrange(256)])
        elif kind == 1:
            del data[place:place + rnd.randrange(1, 20)]
        else:
            data[place:place] = data[place:place + rnd.randrange(1, 50)]
    return bytes(data)


def value(rnd, depth=0):
    """A value for JSON."""
    kind = rnd.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return rnd.choice(NUMBERS + GOOD)
    if kind == 2:
        return rnd.choice([0, 1, -1, 2 ** 31, 2 ** 63, 10 ** 30, 0.5, 1e300, -1e300])
    if kind == 3:
        return rnd.choice([True, False, None])
    if kind < 6:
        return rnd.choice(GOOD)
    if kind == 6:
        return [value(rnd, depth + 1) for _ in range(rnd.randrange(5))]
    return {rnd.choice(NAMES): value(rnd, depth + 1) for _ in range(rnd.randrange(5))}


def body_of(rnd, path):
    """A body, bytes."""
    kind = rnd.randrange(6)
    if kind == 0:
        return bytes(rnd.randrange(256) for _ in range(rnd.randrange(200)))
    if kind == 1 or path == '/api/pictures':
        start = rnd.choice([b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\2\0\0\0', b'\xff\xd8\xff\xe0',
        b'RIFF\0\0\0\0WEBP'])
        return start + bytes(rnd.randrange(256) for _ in range(rnd.randrange(300)))
    text = json.dumps(value(rnd, 0) if kind == 2 else {rnd.choice(NAMES): value(rnd) for _ in range(rnd.randrange(6))})
    return mutated(rnd, text.encode()) if kind == 3 else text.replace('1e+300',
    '1e999' if kind == 4 else '1e300').encode()


def request_of(rnd, host):
    """The bytes of a request."""
    path = rnd.choice(ROUTES)
    method = rnd.choice(['GET', 'GET', 'POST', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'get',
    'DELETE']) if rnd.random() < 0.3 else (
        'POST' if path in ('/api/save', '/api/network', '/api/project', '/api/pictures', '/api/animation', '/api/start',
        '/api/detect')
        or path.endswith(('cancel', 'control')) else 'GET')
    is_good = rnd.random() < 0.4  # but for what is changed at random below
    query = rnd.choice(QUERIES.get(path, [''])) if is_good else '&'.join(
        f'{rnd.choice(NAMES)}={rnd.choice(NUMBERS + GOOD)}' for _ in range(rnd.randrange(5)))
    body = b'' if method != 'POST' else BODIES[path] if is_good and path in BODIES else body_of(rnd, path)
    lines = [f'{method} {path}{"?" + query if query else ""} HTTP/1.1', f'Host: {host}', f'X-Token: {TOKEN}']
    lines += ['Content-Type: application/json', f'Content-Length: {len(body)}'] if method == 'POST' else []
    if rnd.random() < 0.3:
        lines.insert(rnd.randrange(1, len(lines) + 1), rnd.choice(HEADERS))
    data = ('\r\n'.join(lines) + '\r\n\r\n').encode('utf-8', 'replace') + body
    return mutated(rnd, data) if rnd.random() < 0.2 else data


def send(port, data, seconds=15):
    """The status of the answer; 'closed', or 'silent' if nothing came, after this side has sent all it has."""
    with socket.create_connection(('127.0.0.1', port), timeout=seconds) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            found = connection.recv(1 << 16)
        except socket.timeout:
            return 'silent'
        except OSError:
            return 'closed'
        parts = found.split(b' ', 2)
        return parts[1].decode('latin-1') if parts[0] == b'HTTP/1.1' else 'closed' if not found else 'odd'


def is_alive(port):
    """Does the server answer a good request at once?"""
    begin = time.monotonic()
    status = send(port, f'GET /api/info HTTP/1.1\r\nHost: localhost\r\nX-Token: {TOKEN}\r\n\r\n'.encode())
    return status == '200' and time.monotonic() - begin < 5


def files_in(folder):
    """All files below a folder, but saved pictures and films, and folders of names that a start would make."""
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names
                  if os.path.basename(path) != 'explorer')


def fuzz(port, count, seed, folder):
    """Sends requests; returns ({status: how often}, list of what was wrong)."""
    rnd, found, wrong, before = random.Random(seed), collections.Counter(), [], files_in(folder)
    for number in range(count):
        data = request_of(rnd, f'localhost:{port}')
        status = send(port, data)
        found[status] += 1
        if status in ('silent', 'odd', '500'):
            wrong.append(f'{status}: {data[:300]!r}')
        if number % 200 == 199 and not is_alive(port):
            wrong.append(f'not alive after request {number}')
    if not is_alive(port):
        wrong.append('not alive at the end')
    wrong += [f'a new file: {name}' for name in files_in(folder) if name not in before]
    return dict(found), wrong


def main():
    """Fuzzes a server with the shipped network; the exit code says whether anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--requests', type=int, default=10000, metavar='N', help='how many (default: 10000)')
    parser.add_argument('--seed', type=int, default=1, metavar='N', help='of the random numbers (default: 1)')
    args = parser.parse_args()
    server.HEAD_SECONDS = server.BODY_SECONDS = server.SILENCE_SECONDS = 2.0  # as many wait for the rest of a request
    console = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        for name in ('results', 'data'):
            os.mkdir(os.path.join(folder, name))
        listening, app, _ = run_explorer.serve(run_explorer.make_parser().parse_args(
            [f'--result-dir={folder}/results', f'--data-dir={folder}/data']))
        listening.doorman = guard.Guard((), TOKEN)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        app.open_first()
        while app.engine.state == 'loading':
            time.sleep(0.1)
        begin = time.monotonic()
        with contextlib.redirect_stderr(console):
            found, wrong = fuzz(listening.server_address[1], args.requests, args.seed, folder)
        seconds = time.monotonic() - begin
        listening.shutdown()
        app.close()
    if console.getvalue():
        wrong.append('on the console: ' + console.getvalue()[:2000])
    print(f'{args.requests} requests in {seconds:.0f} s: ' + ', '.join(
        f'{count} {status}' for status, count in sorted(found.items())))
    print('\n'.join(wrong) or 'nothing was wrong: no trace, no hang, no file')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
