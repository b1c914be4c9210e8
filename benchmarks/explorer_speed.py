"""How fast the explorer's server answers, and whether it keeps its memory: a client that renders nothing.

    python benchmarks/explorer_speed.py                      # the shipped network
    python benchmarks/explorer_speed.py --network=FILE --seconds=10

Prints the median and the 95th percentile of a reply at rest, of one while moving, of a grid of neighbors, the pictures
a second of a drag (how many differ, and have the pixels of the command line), and the resident memory before and after
1,000 changes of every control.
"""

import argparse
import http.client
import io
import os
import sys
import threading
import time

import numpy as np
import PIL.Image

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import run_explorer  # noqa: E402  (found only after the line above)
from dnnlib import memory  # noqa: E402
from explorer import views  # noqa: E402

TOKEN_OF = '#token='


class Client:
    """One connection that stays open, as a browser's."""

    def __init__(self, address):
        host, _, self._token = address.partition('/' + TOKEN_OF)
        self._connection = http.client.HTTPConnection(host.partition('//')[2], timeout=120)

    def get(self, path):
        """(status, body) of a GET."""
        try:
            return self._get(path)
        except (ConnectionError, http.client.HTTPException):  # the server ends those that are silent for 10 s
            self._connection.close()
            return self._get(path)

    def _get(self, path):
        self._connection.request('GET', path, headers={'X-Token': self._token})
        reply = self._connection.getresponse()
        return reply.status, reply.read()


def start(network):
    """(Client, address, app, seconds until the first picture) of a new server."""
    begin = time.monotonic()
    args = run_explorer.make_parser().parse_args([] if network is None else ['--network=' + network])
    listening, app, address = run_explorer.serve(args)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    app.open_first()
    client = Client(address)
    while client.get('/api/image?x=1')[0] == 503:
        time.sleep(0.05)
        if app.engine.state == 'failed':
            sys.exit(app.engine.text)
    return client, address, app, time.monotonic() - begin


def latency(client, path, count):
    """Milliseconds of replies, sorted array; `path` is a function of the number of the request."""
    found = []
    for number in range(count):
        begin = time.monotonic()
        status, _ = client.get(path(number))
        found.append(1000 * (time.monotonic() - begin))
        assert status == 200, status
    return np.sort(found)


def drag(client, seconds, form):
    """(pictures, different ones, [(query, bytes)]) of a drag that asks again as soon as it is answered."""
    end, shown, x = time.monotonic() + seconds, [], 0.0
    while time.monotonic() < end:
        x += 0.013
        query = f'x={x:.6f}&y={x / 7:.6f}&psi=0.7'
        status, body = client.get(f'/api/image?{query}&format={form}')
        assert status == 200
        shown.append((query, body))
    return len(shown), len({body for _, body in shown}), shown


def compare(app, shown, count=20):
    """How many of some PNGs have exactly the pixels that the command line draws of the same dlatents and noise."""
    equal = 0
    artist = app.engine.artist
    for query, body in shown[::max(len(shown) // count, 1)][:count]:
        arrays = app.asker(artist, (8, 'compare'))(lambda current, q=query: current.arrays(views.parse(q)[0]))

        def draw(current, arrays=arrays):
            with current.generator.as_default():
                drawer = current.drawer
                stored = drawer.stored_noise()
                drawer.set_noise(arrays)
                try:  # as `draw_dlatents` of run_generator.py
                    return drawer.pictures(drawer.truncate(drawer.fit('', arrays['dlatents']), 1.0))[0]
                finally:
                    drawer.set_noise(stored)
        equal += np.array_equal(app.asker(artist, (8, 'compare'))(draw), np.asarray(PIL.Image.open(io.BytesIO(body))))
    return equal


def change_everything(client, count, layers):
    """Changes of every control at random."""
    rnd = np.random.RandomState(0)
    for _ in range(count):
        fields = dict(
            x=f'{rnd.uniform(-1e6, 1e6):.4f}', y=f'{rnd.uniform(-1e4, 1e4):.4f}', psi=f'{rnd.uniform(-1, 2):.3f}',
            noise=rnd.choice(views.NOISES), noiseseed=rnd.randint(1000), cutoff=rnd.randint(layers + 1),
            mix=rnd.randint(10 ** 6), mixed=f'{rnd.randint(layers)}', format=rnd.choice(['png', 'jpeg']),
            move=f'sefa.{rnd.randint(8)}:{rnd.uniform(-5, 5):.3f}:0-{rnd.randint(layers)}')
        status, body = client.get('/api/image?' + '&'.join(f'{name}={value}' for name, value in fields.items()))
        assert status == 200, body


def row(name, found):
    """A line of the table."""
    print(f'| {name} | {np.median(found):.1f} | {np.percentile(found, 95):.1f} | {len(found)} |', flush=True)


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--network', metavar='FILE', help='network file (default: the shipped one)')
    parser.add_argument('--seconds', type=float, default=3, metavar='SEC', help='length of a drag (default: 3)')
    parser.add_argument('--count', type=int, default=200, metavar='N', help='requests of a kind (default: 200)')
    args = parser.parse_args()
    client, _, app, seconds = start(args.network)
    print(f'first picture {seconds:.1f} s after the start')
    layers = app.engine.artist.layers
    for path in ('/api/image?x=0.5', '/api/grid?x=0.5', '/api/image?x=0.5&format=jpeg'):
        client.get(path)
    while layers and app.finder.find('sefa')['state'] == 'computing':
        time.sleep(0.1)
    print('| reply | p50 ms | p95 ms | requests |\n|---|---|---|---|')
    row('whole seed, PNG', latency(client, lambda n: f'/api/image?x={n}', args.count))
    row('between seeds, PNG', latency(client, lambda n: f'/api/image?x={n}.5&y={n / 3:.3f}', args.count))
    row('between seeds, JPEG', latency(client, lambda n: f'/api/image?x={n}.5&y={n / 3:.3f}&format=jpeg', args.count))
    row('the same place, other psi, JPEG', latency(
        client, lambda n: f'/api/image?x=3.5&psi={n / 1000}&format=jpeg', args.count))
    row('grid of 4x4', latency(client, lambda n: f'/api/grid?x={n}', max(args.count // 10, 1)))
    for form in ('jpeg', 'png'):
        count, different, shown = drag(client, args.seconds, form)
        text = f'drag of {args.seconds:g} s, {form}: {count / args.seconds:.1f} pictures/s, {different} differ'
        if form == 'png' and layers:
            text += f'; {compare(app, shown)} of 20 have the pixels of the command line'
        print(text, flush=True)
    if layers:
        change_everything(client, 200, layers)
        before = memory.host_memory_gb()
        change_everything(client, 1000, layers)
        print(f'resident memory {before:.3f} GiB, after 1,000 changes of every control {memory.host_memory_gb():.3f}')
    app.close()


if __name__ == '__main__':
    main()
