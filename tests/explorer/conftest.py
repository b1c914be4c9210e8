"""A server with a small network, a run and a dataset beside it, for all tests of a module."""

import json
import shutil
import threading

import numpy as np
import PIL.Image
import pytest

import run_explorer
from explorer import guard
from tests.explorer import browser as chromium
from tests.explorer import client
from tests.explorer.fake_server import FakeServer, draw

DATA = client.DATA


@pytest.fixture(scope='module')
def places(tmp_path_factory):
    """Folders of results and datasets."""
    root = tmp_path_factory.mktemp('explorer')
    run = root / 'results' / '00000-stylegan2-cats-1gpu-config-f'
    run.mkdir(parents=True)
    (root / 'data' / 'flowers').mkdir(parents=True)
    (root / 'data' / 'empty').mkdir()
    PIL.Image.new('RGB', (16, 16)).save(str(root / 'data' / 'flowers' / 'a.png'))
    (run / 'training_options.json').write_text(json.dumps(dict(total_kimg=10, grid_args=dict(size='4x2'))))
    lines = [json.dumps({'nimg': 1000 * i, 'Progress/kimg': i, 'Progress/tick': i, 'Timing/sec_per_kimg': 20.0,
                         'Loss/scores/real': None}) for i in range(5)]
    (run / 'stats.jsonl').write_text('\n'.join(lines) + '\n{"nimg": 50')
    (run / 'log.txt').write_text('a\nb\ndnnlib: Stopped training.training_loop() in 5s.\n')
    (run / '_finished.txt').write_text('')
    rnd = np.random.RandomState(0)
    for name in ('fakes_init', 'fakes000002', 'fakes000004', 'reals'):
        pixels = np.repeat(np.repeat(rnd.randint(0, 256, [2, 4, 3]).astype(np.uint8), 16, axis=0), 16, axis=1)
        PIL.Image.fromarray(pixels).save(str(run / (name + '.png')))
    shutil.copy(str(DATA / 'configd_r16.pkl'), str(run / 'network-snapshot-000004.pkl'))
    return root


@pytest.fixture(scope='module')
def served(places):
    """(Client, App) of a server with the small network."""
    args = run_explorer.make_parser().parse_args([
        f'--network={DATA / "labels3_r16.pkl"}', f'--result-dir={places / "results"}', f'--data-dir={places / "data"}',
        '--device=cpu', '--ops=ref'])
    listening, app, address = run_explorer.serve(args)
    assert address.startswith(f'http://127.0.0.1:{listening.server_address[1]}/#token=') and len(address) > 50
    listening.doorman = guard.Guard((), client.TOKEN)
    thread = threading.Thread(target=listening.serve_forever, kwargs={'poll_interval': 0.02}, daemon=True)
    thread.start()
    asked = client.Client(listening.server_address[1])
    assert asked.ask('GET', '/')[0] in (200, 404)  # before there is a network
    assert asked.get('/api/info')['state'] == 'none' and asked.ask('GET', '/api/image')[0] == 503
    app.open_first()
    assert asked.ready()['state'] == 'ready'
    yield asked, app
    listening.shutdown()
    listening.server_close()
    app.close()


@pytest.fixture
def asked(served):
    """Client of the server."""
    return served[0]


@pytest.fixture(scope='module')
def graph():
    """A graph with a default session, in which the commands load their networks."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu', 'ops': 'ref'})
        yield
        tflib.close_tf()


@pytest.fixture(scope='module')
def browser():
    """One browser for all tests; each has a session of its own."""
    with chromium.launched() as launched:
        yield launched


@pytest.fixture
def server():
    """A server of a network with W."""
    server = FakeServer()
    yield server
    server.close()


@pytest.fixture
def page(browser, server):
    """Its page, with the first picture."""
    with chromium.opened(browser, server.address) as page:
        chromium.settled(page)
        yield page


@pytest.fixture
def photo(tmp_path):
    """A picture of 300x200 pixels."""
    path = tmp_path / 'photo.png'
    PIL.Image.fromarray(draw('x=5', 300)[:200]).save(str(path))
    return path
