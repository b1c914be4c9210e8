"""A server that answers the routes of docs/explorer-routes.md with made-up pictures, for tests of the page alone.

Run by hand to look at the page without TensorFlow: `python -m tests.explorer.fake_server [--kind=style] [--delay=0.5]`.
"""

import argparse
import contextlib
import io
import json
import os
import re
import socket
import socketserver
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import PIL.Image

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'explorer', 'page')
TYPES = {'.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml'}
POLICY = ("default-src 'none'; img-src 'self' blob:; media-src 'self' blob:; script-src 'self'; style-src 'self'; "
          "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TOKEN = '0123456789abcdef0123456789abcdef'
SIZE = 64
COLUMNS, ROWS = 8, 4
RUNS = ('00003-stylegan2-ada-cats-1gpu-small', '00002-stylegan2-cats-1gpu-config-f', 'my_flowers')

KINDS = {
    'style': dict(layers=10, cutoff=10, psi=True, fractional=True, noise=['seed', 'const', 'random', 'off'],
                  directions=['sefa', 'pca'], pictures=['project', 'detect'],
                  layer_sizes=[4, 4, 8, 8, 16, 16, 32, 32, 64, 64]),
    'labels': dict(layers=10, cutoff=10, psi=True, fractional=True, noise=['seed', 'const', 'random', 'off'],
                   directions=['sefa', 'pca', 'labels'], pictures=['project'], layer_sizes=[],
                   classes=[{'number': i, 'name': 'coat %d' % i} for i in range(15)]),
    'plain': dict(layers=0, cutoff=0, psi=False, fractional=True, noise=[], directions=[], pictures=[], layer_sizes=[]),
    'translator': dict(layers=0, cutoff=0, psi=False, fractional=False, noise=[], directions=[], pictures=['translate'],
                       layer_sizes=[], translations=['AtoB', 'BtoA'], height=None, width=None),
    'domains': dict(layers=0, cutoff=0, psi=False, fractional=True, noise=[], directions=[], pictures=['translate'],
                    layer_sizes=[], styles=True,
                    domains=[{'number': i, 'name': name} for i, name in enumerate(('cat', 'dog', 'wild'))]),
}


def encode(pixels, kind):
    """Bytes of an 8-bit picture [H, W, 3]."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, 'JPEG' if kind == 'jpeg' else 'PNG')
    return buffer.getvalue()


def sheet(columns, rows, tile):
    """Pictures `tile(column, row)` beside and above one another."""
    return np.concatenate([np.concatenate([tile(c, r) for c in range(columns)], axis=1) for r in range(rows)])


def draw(text, size=SIZE):
    """A made-up picture that depends on every parameter of `text`, a view; smooth in x and y."""
    view = urllib.parse.parse_qs(text)
    x, y = (float(view.get(name, ['0'])[0]) for name in 'xy')
    psi = float(view.get('psi', ['1'])[0])
    others = sum(ord(c) * (i % 7 + 1) for i, c in enumerate(str(sorted(
        (k, v) for k, v in view.items() if k not in ('x', 'y', 'psi')))))
    v, u = np.mgrid[0:size, 0:size] / size - 0.5
    radius = np.hypot(u, v * (1 + 0.3 * np.sin(y + others)))
    angle = np.arctan2(v, u)
    waves = [np.sin((i + 2) * angle + x * (0.7 + 0.2 * i) + others) * np.cos(9 * radius + y + i) for i in range(3)]
    pixels = 128 + 60 * psi * np.stack(waves, axis=-1) + 60 * (0.3 - radius)[..., np.newaxis]
    return np.uint8(np.clip(np.round(pixels / 8) * 8, 0, 255))


class FakeServer(socketserver.ThreadingMixIn, HTTPServer):
    """Serves until `close`. Attributes that tests set or read:

    delay: Seconds that a picture takes; `requests`: (method, path with query) of all, in order; `state`: of `api/info`;
    ticks: Reports of the newest run; `calibrated`; `commands`: of `control`; `started`: bodies of `api/start`.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, kind='style', delay=0.0, port=0):
        super().__init__(('127.0.0.1', port), Handler)
        self.kind, self.delay, self.state, self.ticks, self.calibrated = kind, delay, 'ready', 60, True
        self.requests, self.commands, self.started, self.bodies = [], [], [], []
        self.jobs, self.uploads, self.found = {}, 0, {}
        self.number = int(time.time() * 1000) % 10 ** 9
        self.connections = set()
        self.lock, self.drawing = threading.Lock(), threading.Lock()
        self.newest = {}
        self.run_state = 'running'
        threading.Thread(target=self.serve_forever, kwargs=dict(poll_interval=0.02), daemon=True).start()

    @property
    def address(self):
        """Address of the page, with the token."""
        return 'http://127.0.0.1:%d/#token=%s' % (self.server_port, TOKEN)

    def close(self):
        """Ends it; later connections are refused."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):  # that browsers keep open
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # browsers end connections as they like

    def info(self):
        """The answer of `api/info`."""
        if self.state != 'ready':
            texts = {'loading': 'loading cats64', 'failed': 'cats64.pkl: not a network file', 'none': ''}
            return {'state': self.state, 'text': texts[self.state], 'server': self.number, 'version': '1.0',
                    'can': self.can()}
        info = dict(state='ready', text='cats64', server=self.number, version='1.0', height=SIZE, width=SIZE,
                    channels=3, network={'number': 0, 'name': 'cats64', 'hash': '0d4a1b2c3d4e5f60'},
                    classes=[], domains=[],
                    labels=[], styles=False, translations=[], mp4=True, can=self.can(),
                    kind='style' if self.kind == 'labels' else self.kind,
                    calibration={'name': 'calibration.json', 'error_rate': 0.05} if self.calibrated else None,
                    limits={'frames': 1200, 'tiles': 36, 'steps': 1000, 'moves': 8, 'picture_bytes': 10485760})
        info.update(KINDS[self.kind])
        if not self.calibrated:
            info['pictures'] = [name for name in info['pictures'] if name != 'detect']
        return info

    def can(self):
        return {'save': True, 'train': True, 'start': True, 'networks': True}

    def job(self, kind, seconds, result):
        """Starts a job that takes `seconds`."""
        number = len(self.jobs) + 1
        self.jobs[number] = dict(job=number, kind=kind, began=time.time(), seconds=seconds, result=result,
                                 canceled=False)
        return {'job': number}

    def job_state(self, number):
        """The answer of `api/jobs/N`."""
        job = self.jobs[number]
        share = min(1.0, (time.time() - job['began']) / job['seconds'])
        state = 'canceled' if job['canceled'] else 'done' if share == 1 else 'running'
        text = 'step %d of 150, distance %.3f' % (150 * share, 0.5 - 0.3 * share)
        if job['kind'] in ('dry-run', 'start'):
            text = 'one step at 64x64: trying'
        return {'job': number, 'kind': job['kind'], 'state': state, 'progress': share, 'text': text, 'error': None,
                'picture': 1 + int(share * 10) if job['kind'] == 'project' else 0,
                'result': job['result'] if state == 'done' else None}

    def run(self, number):
        """An entry of `api/runs`."""
        kimg = self.ticks * 2.0 if number == 2 else 100.0
        return {'run': number, 'name': RUNS[2 - number], 'state': ('finished', 'lost', self.run_state)[number],
                'config': ('small', 'config-f', 'small')[number], 'kimg': kimg, 'total_kimg': 200.0, 'tick': self.ticks,
                'eta': 5210.0, 'sec_per_kimg': 31.4, 'updated': time.time(), 'waiting': list(self.commands[-1:]),
                'alarms': {'diversity collapsing': "diversity of the fakes is 0.21 of the reals' (was 0.71)"}
                if number == 0 else {}}

    def stats(self, number):
        """All lines of a run's stats.jsonl."""
        random = np.random.RandomState(number)
        ticks = self.ticks if number == 2 else 50
        noise = random.randn(1000, 6)
        return [{'nimg': 2000 * i + 2000, 'Progress/kimg': 2.0 * i + 2, 'Progress/tick': i,
                 'Timing/total_sec': 65.0 * i,
                 'Timing/sec_per_kimg': 31 + noise[i, 0], 'Progress/augment': min(0.6, 0.012 * i) + 0.004 * noise[i, 5],
                 'Loss/scores/real': 0.4 + 2 * i / (i + 30) + 0.2 * noise[i, 1],
                 'Loss/scores/fake': -0.4 - 2 * i / (i + 25) - 0.1 * number + 0.2 * noise[i, 2],
                 'Loss/gradient_penalty': 0.5 * float(np.exp(-i / 40)) + 0.05 * abs(noise[i, 3]),
                 'Loss/pl_lengths': 0.2 + 0.01 * noise[i, 4], 'Metrics/fid1k': None if i % 10 else 300 / (1 + i / 9),
                 'TrainG/learning_rate': 0.0016} for i in range(ticks)]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer('GET', b'')

    def do_POST(self):
        self.answer('POST', self.rfile.read(int(self.headers.get('Content-Length') or 0)))

    def answer(self, method, body):
        server = self.server
        path, _, query = self.path.partition('?')
        with server.lock:
            server.requests.append((method, self.path))
        if path == '/' or path.startswith('/page/'):
            return self.file('index.html' if path == '/' else path[len('/page/'):])
        if self.headers.get('X-Token') != TOKEN:
            return self.json({'error': 'wrong token'}, 401)
        parts = path[len('/api/'):].split('/')
        q = dict(urllib.parse.parse_qsl(query))
        data = json.loads(body.decode()) if self.headers.get('Content-Type') == 'application/json' else body
        server.bodies.append((path, data))
        handler = getattr(self, 'on_' + parts[0], None)
        if handler is None:
            return self.json({'error': 'no such route: ' + path}, 404)
        return handler(parts[1:], q, query, data, method)

    def file(self, name):
        path = os.path.join(PAGE, os.path.basename(name))
        if not os.path.isfile(path):
            return self.json({'error': 'no such file'}, 404)
        with open(path, 'rb') as f:
            return self.send(f.read(), TYPES[os.path.splitext(path)[1]])

    def json(self, value, status=200):
        self.send(json.dumps(value).encode(), 'application/json', status)

    def send(self, content, kind, status=200, headers=()):
        try:
            self.send_response(status)
            for name, value in [('Content-Type', kind), ('Content-Length', len(content)), ('Cache-Control', 'no-store'),
                                ('Content-Security-Policy', POLICY)] + list(headers):
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def on_info(self, parts, q, query, data, method):
        self.json(self.server.info())

    def on_networks(self, parts, q, query, data, method):
        self.json({'networks': [{'number': 0, 'name': 'cats64', 'run': None, 'kimg': None},
                                {'number': 1, 'name': RUNS[1] + '/network-snapshot-000100.pkl', 'run': 1,
                                 'kimg': 100}]})

    def on_network(self, parts, q, query, data, method):
        self.json({'state': 'loading'})

    def picture(self, pixels, q, query):
        """Draws one picture at a time; of those that wait, the newest of each client and lane is drawn."""
        server, key, n = self.server, (q.get('client'), q.get('lane')), int(q.get('n', 0))
        server.newest[key] = max(server.newest.get(key, 0), n)
        with server.drawing:
            if server.newest[key] > n:
                return self.send(b'', 'text/plain', 204)
            time.sleep(server.delay)
        form = q.get('format', 'png')
        view = re.sub(r'&?(n|client|lane|format|size)=[^&]*', '', query)
        headers = [('X-Request', n), ('X-Milliseconds', 7.4), ('X-Command', urllib.parse.quote(
            'python run_generator.py generate-images --network=cats64 --seeds=%s --truncation-psi=%s'
            % (q.get('x', 0), q.get('psi'))))]
        if '.' in q.get('x', '') or 'move' in q or 'mix' in q:
            headers.append(('X-Saved', 'needed'))
        return self.send(encode(pixels(view), form), 'image/' + form, headers=headers)

    def on_image(self, parts, q, query, data, method):
        self.picture(draw, q, query)

    def on_grid(self, parts, q, query, data, method):
        def tiles(view):
            x, y = float(q.get('x', 0)), float(q.get('y', 0))
            rest = re.sub(r'&?(x|y)=[^&]*', '', view)
            return sheet(4, 4, lambda c, r: draw('%s&x=%r&y=%r' % (rest, x + c - 1, y + r - 1)))
        self.picture(tiles, q, query)

    def on_command(self, parts, q, query, data, method):
        self.json({'command': 'python run_generator.py generate-images --seeds=%s' % q.get('x'), 'saved': True})

    def on_save(self, parts, q, query, data, method):
        self.json({'files': ['explorer/00012.png', 'explorer/00012.npz'], 'command':
                   'python run_generator.py generate-images --network=cats64 --dlatents=results/explorer/00012.npz'})

    def on_directions(self, parts, q, query, data, method):
        began = self.server.found.setdefault(q['method'], time.time())
        share = min(1, (time.time() - began) / 0.5)
        found = [{'index': i, 'value': 12.5 - i, 'name': 'coat %d' % i if q['method'] == 'labels' else None}
                 for i in range(8)]
        self.json({'state': 'ready' if share == 1 else 'computing', 'progress': share, 'method': q['method'],
                   'directions': found if share == 1 else []})

    def on_pictures(self, parts, q, query, data, method):
        if method == 'POST':
            self.server.uploads += 1
            return self.json({'picture': self.server.uploads, 'width': 64, 'height': 64})
        return self.send(encode(draw('picture=' + parts[0]), 'png'), 'image/png')

    def on_project(self, parts, q, query, data, method):
        self.json(self.server.job('project', 3, {
            'slot': 2, 'distance': 0.19, 'steps': 150, 'seconds': 21.3, 'measure': 'lpips-vgg'}))

    def on_detect(self, parts, q, query, data, method):
        self.json(self.server.job('detect', 1, {
            'verdict': 'generated by this network', 'distance': 0.021, 'p_generated': 0.4, 'p_real': 0.01,
            'p_fine': None, 'score': 0.2, 'error_rate': 0.05, 'slot': 3,
            'scope': 'Pictures of 64x64 pixels from cats64 against the built-in cats, as saved by this program; '
                     'other pictures of cats, scaled or compressed ones, were not measured.'}))

    def on_animation(self, parts, q, query, data, method):
        self.json(self.server.job('animation', 1, {
            'file': 'explorer/00013.gif', 'frames': 60, 'command': 'python run_generator.py interpolate'}))

    def on_jobs(self, parts, q, query, data, method):
        number = int(parts[0])
        if parts[1:] == ['cancel']:
            self.server.jobs[number]['canceled'] = True
            return self.json({'state': 'canceled'})
        if parts[1:] == ['picture']:
            return self.send(encode(draw('x=%f' % time.time()), 'jpeg'), 'image/jpeg')
        if parts[1:] == ['file']:
            return self.send(encode(draw('x=1'), 'png'), 'image/gif')
        return self.json(self.server.job_state(number))

    def on_runs(self, parts, q, query, data, method):
        server = self.server
        if not parts:
            return self.json({'runs': [server.run(number) for number in (2, 1, 0)]})
        number = int(parts[0])
        if parts[1:] == ['control']:
            server.commands.append(data['command'])
            return self.json({'waiting': [data['command']]})
        if parts[1:] == ['stats']:
            lines, start = server.stats(number), int(q['from'])
            return self.json({'file': 81234, 'next': len(lines), 'lines': lines[start:start + 500], 'more': False})
        if parts[1:] == ['picture']:
            tick = int(q['number'])
            pixels = sheet(COLUMNS, ROWS, lambda c, r: draw('x=%d&psi=%f' % (r * COLUMNS + c, 0.2 + tick * 0.12)))
            return self.send(encode(pixels, 'jpeg'), 'image/jpeg')
        if parts[1:] == ['strip']:
            pixels = sheet(8, 1, lambda i, _: draw('x=%s&psi=%f' % (q['cell'], 0.2 + i * 0.12), 128))
            headers = [('X-Kimg', ','.join(str(20 * i) for i in range(8)))]
            return self.send(encode(pixels, 'jpeg'), 'image/jpeg', headers=headers)
        return self.json(dict(
            server.run(number), method='StyleGAN, StyleGAN2', started=time.time() - 4000, options={},
            sheets=[{'number': 40, 'name': 'reals'}],
            log=['tick 59  kimg 118.0  lod 0.00  minibatch 16'],
            resume='python run_training.py --dataset=cats --config=small',
            pictures=[{'number': i, 'name': 'fakes%06d' % (20 * i), 'kimg': 20 * i}
                      for i in range(min(8, 1 + server.ticks // 10))],
            snapshots=[{'number': 1, 'name': 'network-snapshot-000100.pkl', 'kimg': 100}],
            grid={'columns': COLUMNS, 'rows': ROWS, 'width': SIZE, 'height': SIZE}))

    def on_start(self, parts, q, query, data, method):
        if method == 'POST':
            self.server.started.append(data)
            if data['dry_run']:
                return self.json(self.server.job('dry-run', 1, {
                    'code': 0, 'lines': ['cats: 5000 pictures of 64x64', 'one step: 1.9 s'],
                    'command': 'python run_training.py --dataset=cats --config=small --total-kimg=10'}))
            return self.json(self.server.job('start', 0.5, {'run': 2}))
        return self.json({
            'datasets': [{'number': 0, 'name': 'cats (built in)'}, {'number': 1, 'name': 'flowers'}],
            'configs': [{'name': 'small', 'method': 'StyleGAN2', 'text': 'Narrow networks, for a CPU.'},
                        {'name': 'config-f', 'method': 'StyleGAN2', 'text': 'The published networks; needs a GPU.'}],
            'options': [{'name': 'resolution', 'type': 'choice', 'choices': ['', '32', '64'], 'default': '',
                         'text': 'Crops and resizes the pictures.'},
                        {'name': 'total_kimg', 'type': 'int', 'min': 1, 'max': 1000000, 'default': 200,
                         'text': 'Thousands of real pictures to show.'},
                        {'name': 'mirror', 'type': 'bool', 'default': False,
                         'text': 'Shows each picture mirrored, too.', 'configs': ['config-f']}]})


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kind', choices=sorted(KINDS), default='style')
    parser.add_argument('--delay', type=float, default=0.0, help='seconds that a picture takes')
    parser.add_argument('--port', type=int, default=0)
    server = FakeServer(**vars(parser.parse_args()))
    print(server.address, flush=True)
    while True:
        time.sleep(1000)
