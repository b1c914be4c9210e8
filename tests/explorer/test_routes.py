"""The routes of a server with a small network: pictures equal to the command line's, jobs, files."""

import concurrent.futures
import io
import json
import os
import shlex
import time
import urllib.parse

import numpy as np
import PIL.Image
import pytest

import run_generator
from benchmarks import fuzz_explorer
from explorer import animating, routes, server
from generator import directions
from tests.explorer import client
from tests.explorer.client import DATA

pytestmark = pytest.mark.usefixtures('closed_sessions')


def pixels_of(body):
    """Pixels of a picture's bytes."""
    return np.asarray(PIL.Image.open(io.BytesIO(body)))


def command_of(asked, query):
    """(pixels, words of the command) of a view."""
    status, headers, body = asked.ask('GET', '/api/image?' + query)
    assert status == 200 and headers['Content-Type'] == 'image/png', body
    return body, shlex.split(urllib.parse.unquote(headers['X-Command'])), 'X-Saved' in headers


def test_what_there_is(asked, served, monkeypatch):
    info = asked.get('/api/info')
    assert (info['kind'], info['height'], info['layers'], info['cutoff'], info['psi']) == ('style', 16, 6, 6, True)
    assert info['directions'] == ['sefa', 'pca', 'labels'] and len(info['classes']) == 3
    assert info['pictures'] == ['project']
    assert info['layer_sizes'] == [4, 8, 8, 16, 16, 16] and info['network']['number'] == 0
    assert len(info['network']['hash']) == 16 and info['limits'] == routes.LIMITS
    assert [item['name'] for item in asked.get('/api/networks')['networks']][1:] == [
        '00000-stylegan2-cats-1gpu-config-f/network-snapshot-000004.pkl']
    assert asked.refused('/api/save')[0] == 405
    for path in ('/api/nothing', '/api/info/', '/page/../routes.py', '/page/%2e%2e/routes.py', '/page/no.js',
                 '/page/.html', '/etc/passwd', '/page/', '/page/page/index.html'):
        assert asked.refused(path)[0] == 404, path
    assert asked.ask('POST', '/api/save', b'{}', Content_Type='text/plain')[0] == 400
    monkeypatch.setattr(served[1].engine.artist, 'command', lambda _view: (['results/\udcff.pkl'], True))
    assert 'results' in asked.ask('GET', '/api/image?x=1')[1]['X-Command']  # a path may hold any bytes


def test_pictures_are_those_of_the_command_line(asked, tmp_path, places):
    """Bytes of whole files, of seeds and of views that were saved."""
    seeds = {'x=5&class=1': '5', 'x=-3&class=1': '4294967293', 'x=4&y=2&class=1': '204'}
    views = ['x=7.25&y=0.5&psi=0.7', 'x=7&noise=off', 'x=3&psi=-0.5&cutoff=3&class=2', 'x=2&noise=random&noiseseed=4',
             'x=1&mix=9&mixed=0-3&noise=const']
    bodies, files = {}, {}
    for query in list(seeds) + views:
        bodies[query], words, needs_file = command_of(asked, query)
        assert needs_file == (query in views) and words[:3] == ['python', 'run_generator.py', 'generate-images']
        if needs_file:
            assert '--dlatents=VIEW.npz' in words
            saved = asked.post('/api/save', view=query)
            words = shlex.split(saved['command'])
            files[query], = (word.partition('=')[2] for word in words if word.startswith('--dlatents'))
        else:
            assert f'--seeds={seeds[query]}' in words
    assert len(set(bodies.values())) == len(bodies)
    network = [word for word in words if not word.startswith('--dlatents')][3:]
    assert os.path.samefile(network[0].partition('=')[2], str(DATA / 'labels3_r16.pkl'))
    assert network[1:] == ['--device=cpu', '--ops=ref']
    for name, more in (('seeds', ['--seeds=' + ','.join(seeds.values()), '--truncation-psi=0.5', '--class=1']),
                       ('files', ['--dlatents=' + ','.join(files.values())])):
        run_generator.main(['generate-images'] + network + more + [f'--result-dir={tmp_path / name}'])
    for query, body in bodies.items():
        path = ('files/*/' + os.path.basename(files[query])[:-4] + '.png' if query in files else
                f'seeds/*/seed{int(seeds[query]):04d}.png')
        found, = tmp_path.glob(path)
        assert found.read_bytes() == body, query


def test_recipes_are_in_the_files_and_nothing_is_overwritten(asked, places):
    folder = places / 'results' / 'explorer'
    folder.mkdir(exist_ok=True)
    (folder / '00900.png').write_bytes(b'mine')
    saved = asked.post('/api/save', view='x=8&psi=0.5')
    assert saved['files'] == ['explorer/00901.png', 'explorer/00901.npz'] and '--seeds=8' in saved['command']
    with PIL.Image.open(str(folder / '00901.png')) as image:
        assert image.text['View'] == 'x=8.0&psi=0.5' and image.text['Command'] == saved['command']
        np.testing.assert_array_equal(np.asarray(image), pixels_of(command_of(asked, 'x=8')[0]))
    with np.load(str(folder / '00901.npz')) as arrays:
        assert arrays['dlatents'].shape[:2] == (1, 6) and 'noise0' in arrays.files
    assert (folder / '00900.png').read_bytes() == b'mine'
    assert asked.post('/api/save', view='x=8')['files'][0] == 'explorer/00902.png'


def test_50_requests_at_once_and_requests_that_are_refused(asked):
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda n: asked.ask(
            'GET', f'/api/image?x={n / 10}&n={n}&client=3&format=jpeg'), range(50)))
    codes = {status for status, _, _ in found}
    assert codes <= {200, 204} and 200 in codes
    last, headers, _ = asked.ask('GET', '/api/image?n=60&client=3&format=jpeg&size=16')
    assert last == 200 and headers['X-Request'] == '60'
    assert asked.ask('GET', '/api/image?n=59&client=3')[0] == 204
    for query, status in (('x=NaN', 400), ('x=1e309', 400), ('class=3', 409), ('cutoff=7', 409), ('mix=1&mixed=6', 409),
                          ('slot=1', 409), ('picture=1', 409), ('domain=1', 409), ('labels=1', 409),
                          ('direction=AtoB', 409),
                          ('mixslot=3&mixed=0', 409), ('move=pca.0:1', 409), ('size=3', 400), ('lane=x', 400)):
        assert asked.refused('/api/image?' + query)[0] == status, query
        assert asked.refused('/api/command?' + query)[0] == status, query


def test_neighbors(asked):
    status, _, body = asked.ask('GET', '/api/grid?x=4&y=1&columns=3&rows=2&step=0.5&noise=const')
    pixels = pixels_of(body)
    assert status == 200 and pixels.shape == (32, 48, 3)
    np.testing.assert_array_equal(pixels[:16, 16:32], pixels_of(command_of(asked, 'x=4&y=1&noise=const')[0]))
    np.testing.assert_array_equal(pixels[16:, :16], pixels_of(command_of(asked, 'x=3.5&y=1.5&noise=const')[0]))


def test_directions_move_as_the_command_edit_does(asked, served):
    while asked.get('/api/directions?method=pca')['state'] == 'computing':
        time.sleep(0.02)
    assert asked.refused('/api/command?move=pca.99:1') == asked.refused('/api/image?move=pca.99:1')
    found = asked.get('/api/directions?method=pca')
    assert len(found['directions']) == 8 and found['directions'][0]['value'] > found['directions'][1]['value']
    while asked.get('/api/directions?method=labels')['state'] == 'computing':
        time.sleep(0.02)
    assert [item['name'] for item in asked.get('/api/directions?method=labels')['directions']] == ['0', '1', '2']
    _, app = served
    artist = app.engine.artist

    def check(current):
        from explorer import views
        view, _ = views.parse('x=4')
        with current.generator.as_default():
            wanted = directions.run_to_end(directions.search(current.drawer, 'pca', list(range(6))))
        moved = current.dlatents(views.parse('x=4&move=pca.1:2.5:2-3')[0])
        step = wanted.directions[1] * wanted.scales[1]
        np.testing.assert_array_equal(moved, directions.move(current.dlatents(view)[0], step, [2.5], [2, 3]))
        return True
    assert app.asker(artist, (8, 'test'))(check)
    assert asked.refused('/api/image?move=pca.8:1')[0] == 409
    assert command_of(asked, 'x=4&move=pca.1:2.5:2-3')[2]


def picture(kind='PNG', size=(40, 30), mode='RGB'):
    """Bytes of a picture."""
    file = io.BytesIO()
    PIL.Image.fromarray(np.random.RandomState(1).randint(0, 256, [size[1], size[0], 3]).astype(np.uint8)).convert(
        mode).save(file, kind)
    return file.getvalue()


def send(asked, data, kind='image/png'):
    """(status, reply) of a picture that is sent."""
    status, _, body = asked.ask('POST', '/api/pictures', data, Content_Type=kind)
    return status, json.loads(body.decode())


def test_pictures_are_taken_with_limits(asked, places):
    before = sorted(str(path) for path in places.rglob('*'))
    for kind, mode in (('PNG', 'RGB'), ('PNG', 'L'), ('PNG', 'P'), ('JPEG', 'L'), ('WEBP', 'RGB'), ('PNG', 'RGBA')):
        status, found = send(asked, picture(kind, mode=mode), 'image/' + kind.lower())
        assert status == 200 and (found['width'], found['height']) == (40, 30), found
        assert asked.ask('GET', f'/api/pictures/{found["picture"]}')[0] == 200
    huge = io.BytesIO()
    PIL.Image.new('1', (9000, 9000)).save(huge, 'PNG')
    for data in (b'', b'x' * 99, picture()[:200], huge.getvalue(), picture(size=(9, 5)), picture('GIF'),
                 picture('TIFF'), b'GIF89a' + b'\0' * 50, picture('JPEG')):
        assert send(asked, data)[0] == 400
    assert send(asked, picture(), 'image/jpeg')[0] == send(asked, picture(), 'text/html')[0] == 400
    assert asked.refused('/api/pictures/99999')[0] == 409
    assert before == sorted(str(path) for path in places.rglob('*'))  # nothing was stored


def test_projection(asked):
    number = send(asked, picture())[1]['picture']
    job = asked.post('/api/project', picture=number, steps=4, distance='pixel')['job']
    found = asked.finished(job)
    assert found['state'] == 'done' and found['picture'] >= 2, found
    slot = found['result']['slot']
    body, words, needs_file = command_of(asked, f'slot={slot}')
    last = pixels_of(asked.ask('GET', f'/api/jobs/{job}/picture')[2])
    assert needs_file and np.abs(np.int32(pixels_of(body)) - last).max() <= 1
    assert pixels_of(body).shape == (16, 16, 3) and command_of(asked, f'slot={slot}&psi=0')[0] != body
    assert command_of(asked, f'x=1&mixslot={slot}&mixed=0-5&noise=const')[0] == command_of(
        asked, f'slot={slot}&noise=const')[0]
    running = asked.post('/api/project', picture=number, steps=1000, distance='pixel')['job']
    while asked.get(f'/api/jobs/{running}')['picture'] < 2:
        time.sleep(0.05)
    assert asked.ask('GET', f'/api/jobs/{running}/picture')[1]['Content-Type'] == 'image/jpeg'
    assert asked.ask('GET', '/api/image?x=1.5')[0] == 200  # drawn beside it
    asked.post(f'/api/jobs/{running}/cancel')
    assert asked.finished(running)['state'] == 'canceled'
    assert asked.refused('/api/project', 'POST', picture=99999)[0] == 409
    assert asked.refused('/api/detect', 'POST', picture=number)[0] == 409
    assert asked.refused('/api/project', 'POST', picture=number, steps=1e309)[0] == 400
    assert [item['kind'] for item in asked.get('/api/jobs')['jobs']][:2] == ['project', 'project']


def test_films(asked, places, monkeypatch, capsys):
    job = asked.post('/api/animation', views=['x=1&noise=const', 'x=2&noise=const'], frames=3, loop=False)['job']
    found = asked.finished(job)
    assert found['state'] == 'done', found
    status, headers, body = asked.ask('GET', f'/api/jobs/{job}/file')
    film = PIL.Image.open(io.BytesIO(body))
    assert film.n_frames == found['result']['frames'] == 4 and headers['Content-Type'] == 'image/gif'
    assert '--seeds=1,2 --frames=3 --fps=30 --curve=linear' in found['result']['command']
    first = np.int32(np.asarray(film.convert('RGB'))) - pixels_of(command_of(asked, 'x=1&noise=const')[0])
    assert np.abs(first).mean() < 8  # 256 colors
    name = os.path.basename(found['result']['file'])
    assert (places / 'results' / 'explorer' / name).read_bytes() == body
    assert asked.refused('/api/animation', 'POST', views=['x=1'])[0] == 400
    assert asked.refused('/api/animation', 'POST', views=['x=1'] * 10, frames=240)[0] == 409
    assert asked.refused('/api/animation', 'POST', views=['x=1', 'y=NaN'])[0] == 400
    assert animating.RANK > 2
    files = sorted(os.listdir(str(places / 'results' / 'explorer')))
    for name in ('__init__', 'add', 'cancel'):
        monkeypatch.setattr(animating._Gif, name, lambda *_args: 1 / 0)  # `add` fails first, then `cancel` of that, too
        job = asked.post('/api/animation', views=['x=1', 'x=2'], frames=3)['job']
        assert asked.finished(job)['state'] == 'failed'
        assert sorted(os.listdir(str(places / 'results' / 'explorer'))) == files
        if name == '__init__':
            monkeypatch.undo()
    assert 'ZeroDivisionError' in capsys.readouterr().err


def test_broken_requests_leave_no_trace(asked, places, monkeypatch, capsys):
    """Some of those that `benchmarks/fuzz_explorer.py` sends; another network takes too long here."""
    for name in ('HEAD_SECONDS', 'BODY_SECONDS', 'SILENCE_SECONDS'):
        monkeypatch.setattr(server, name, 1.0)
    monkeypatch.setattr(fuzz_explorer, 'TOKEN', client.TOKEN)
    monkeypatch.setattr(fuzz_explorer, 'ROUTES', [route for route in fuzz_explorer.ROUTES if route != '/api/network'])
    found, wrong = fuzz_explorer.fuzz(asked.port, 300, 3, str(places))
    assert not wrong and found['200'] > 10 and found['400'] > 50 and not capsys.readouterr().err


def test_another_network(asked, served):
    """The last test: the network is changed, to one of StyleGAN, which truncates some layers by itself."""
    snapshot = asked.get('/api/networks')['networks'][1]
    assert snapshot['kimg'] == 4 and asked.refused('/api/network', 'POST', number=999)[0] == 404
    assert asked.post('/api/network', number=snapshot['number']) == {'state': 'loading'}
    info = asked.ready()
    assert (info['state'], info['classes'], info['layers'], info['cutoff']) == ('ready', [], 6, 6)
    assert info['network']['number'] == snapshot['number'] and info['layer_sizes'] == [4, 8, 8, 16, 16, 16]
    for query in ('class=0', 'slot=1', 'move=labels.0:1'):  # the slot is one of the other network
        assert asked.refused('/api/image?' + query)[0] == 409
    assert asked.refused('/api/directions?method=labels')[0] == 409
    whole, between = (pixels_of(command_of(asked, f'x={x}&noise=const')[0]) for x in (4, 4.000001))
    assert np.abs(np.int32(whole) - between).max() <= 2
