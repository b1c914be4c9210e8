"""Artists of other networks: without W, translators, domains; and verdicts. Their pictures are the command line's."""

import io
import json
import os
import shutil
import time

import numpy as np
import PIL.Image
import pytest

import run_generator
import run_translator
from dnnlib.files import torch_file, torch_writer
from explorer import app as apps
from explorer import opening, projecting, stores, uploads, views
from explorer.errors import Refused
from projector.calibration import Calibration, Conditions, Content, Measured
from tests.training import golden_classes, golden_domains
from tests.training.golden_latent import DATA
from tests.training.torch_files.test_translators import file_of
from training import pretrained

pytestmark = pytest.mark.usefixtures('closed_sessions')
RUNNING = {'device': 'cpu', 'ops': 'ref'}
FLAGS = ['--device=cpu', '--ops=ref']


def opened(path):
    """(artist, Stores) of a network file."""
    kept = stores.Stores(stores.Slots(), uploads.Uploads())
    return opening.open_artist(pretrained.resolve(str(path)), {'--device': 'cpu', '--ops': 'ref'}, RUNNING, kept), kept


def picture(height=64, width=64, seed=0):
    """Bytes of a smooth picture."""
    small = np.random.RandomState(seed).randint(0, 256, [4, 4, 3], np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(small).resize((width, height), PIL.Image.BICUBIC).save(file, 'PNG')
    return file.getvalue()


def view(text):
    """View of a query string."""
    return views.parse(text)[0]


def pixels_in(folder, name):
    """Pixels of the picture of a name below a folder."""
    found, = folder.rglob(name)
    return np.asarray(PIL.Image.open(str(found)))


def test_a_generator_without_w(tmp_path, graph):
    artist, _ = opened(os.path.join(DATA, 'progan_r16.pkl'))
    whole, between = view('x=100'), view('x=100.3&y=0.5')
    assert artist.info()['noise'] == [] and artist.is_plain(whole) and not artist.is_plain(between)
    np.savez(str(tmp_path / 'between.npz'), **artist.arrays(between))
    words, is_whole = artist.command(whole)
    assert is_whole and '--seeds=100' in words
    run_generator.main(words[2:] + [f'--result-dir={tmp_path / "a"}'])
    words, is_whole = artist.command(between, str(tmp_path / 'between.npz'))
    assert not is_whole
    run_generator.main(words[2:] + [f'--result-dir={tmp_path / "b"}'])
    np.testing.assert_array_equal(pixels_in(tmp_path / 'a', 'seed0100.png'), artist.draw(whole))
    np.testing.assert_array_equal(pixels_in(tmp_path / 'b', 'between.png'), artist.draw(between))
    with pytest.raises(Refused, match='no psi'):
        artist.draw(view('psi=0.5'))
    frames, = artist.way([whole, between], 3, 'spherical', False)
    np.testing.assert_array_equal(artist.draw_point([frames[:1]], whole), artist.draw(whole))
    artist.close()


def test_classes_of_a_generator_without_w(tmp_path, graph):
    torch_writer.save(torch_file.tensors_in(golden_classes.states('biggan_cifar32')['G']), str(tmp_path / 'G_ema.pth'))
    (tmp_path / 'classes.json').write_text(json.dumps(['red', 'green', 'blue', 'gray']))
    artist, _ = opened(tmp_path / 'G_ema.pth')
    assert [item['name'] for item in artist.info()['classes']] == ['red', 'green', 'blue', 'gray']
    words, _ = artist.command(view('x=7&class=2'))
    run_generator.main(words[2:] + [f'--result-dir={tmp_path / "a"}'])
    np.testing.assert_array_equal(pixels_in(tmp_path / 'a', 'seed0007.png'), artist.draw(view('x=7&class=2')))
    assert (artist.draw(view('x=7&class=1')) != artist.draw(view('x=7&class=2'))).any()
    assert len(artist.way([view('x=1'), view('x=2&class=1')], 2, 'linear', True)) == 2
    with pytest.raises(Refused, match='classes 0 to 3'):
        artist.draw(view('class=4'))
    artist.close()


def test_a_translator(tmp_path, graph):
    artist, kept = opened(file_of('cut_resnet9.pth'))
    assert artist.kind == 'translator' and artist.translations == []
    with pytest.raises(Refused, match='drop a picture'):
        artist.draw(view(''))
    (tmp_path / 'a.png').write_bytes(picture(21, 30))
    number, _ = kept.uploads.add(picture(21, 30), 'image/png')
    found = artist.draw(view(f'picture={number}'))
    words, _ = artist.command(view(f'picture={number}'))
    words[words.index('PICTURE.png')] = str(tmp_path / 'a.png')
    run_translator.main(words[2:] + [f'--result-dir={tmp_path / "r"}'])
    np.testing.assert_array_equal(pixels_in(tmp_path / 'r', 'a.png'), found)
    for text, what in ((f'picture={number}&direction=AtoB', 'one way'), ('x=1', 'no x'), ('picture=99', 'drop it')):
        with pytest.raises(Refused, match=what):
            artist.draw(view(text))
    artist.close()


def test_domains_with_styles(tmp_path, graph):
    artist, kept = opened(golden_domains.path_of('stargan2_afhq.pt'))
    info = artist.info()
    assert artist.kind == 'domains' and info['styles'] and len(info['domains']) == 3 and info['fractional']
    (tmp_path / 'a.png').write_bytes(picture())
    number, _ = kept.uploads.add(picture(), 'image/png')
    words, _ = artist.command(view(f'picture={number}&x=3&domain=1'))
    words[words.index('PICTURE.png')] = str(tmp_path / 'a.png')
    run_translator.main(words[2:] + [f'--result-dir={tmp_path / "r"}'])
    found = [artist.draw(view(f'picture={number}&domain=1&x={x}')) for x in (3, 3.5, 4)]
    np.testing.assert_array_equal(pixels_in(tmp_path / 'r', 'a-1-3.png'), found[0])
    assert (found[0] != found[1]).any() and (found[1] != found[2]).any()
    with pytest.raises(Refused, match='0 to 2'):
        artist.draw(view(f'picture={number}&domain=3'))
    artist.close()


def test_labels_of_stargan(tmp_path, graph):
    with open(golden_domains.path_of('stargan_classes.pt'), 'rb') as file:
        torch_writer.save(torch_file.tensors_in(torch_file.load(file)['G']), str(tmp_path / '200000-G.ckpt'))
    artist, kept = opened(tmp_path / '200000-G.ckpt')
    assert not artist.info()['styles'] and len(artist.info()['labels']) > 1
    number, _ = kept.uploads.add(picture(), 'image/png')
    none, first, both = (artist.draw(view(f'picture={number}{text}')) for text in ('', '&labels=0', '&labels=0-1'))
    assert (none != first).any() and (first != both).any()
    assert '--domain=0,1' in artist.command(view('labels=0-1'))[0]
    artist.close()


def test_verdicts(tmp_path):
    """A calibration whose generated pictures are all closer than the projection of noise can be."""
    network = shutil.copy(os.path.join(os.path.dirname(DATA), 'labels3_r16.pkl'), str(tmp_path / 'a.pkl'))
    found = apps.App(apps.Options(pretrained.resolve(network), str(tmp_path / 'results'), device='cpu', ops='ref'))
    found.open_first()
    while found.engine.state == 'loading':
        time.sleep(0.05)
    artist = found.engine.artist
    settings = projecting.settings_of(3, 'w', 'pixel', None)
    path = str(tmp_path / 'calibration.json')

    def calibrated(network_hash):
        Calibration(Content(network, network_hash, Conditions(settings._replace(minibatch=None), 'crop', None),
                            Measured([1e-6 * i for i in range(1, 40)], [1.0] * 39), Measured(
                                [100.0 + i for i in range(39)], [2.0] * 39))).save(path)
    number, _ = found.uploads.add(picture(), 'image/png')
    found.options = found.options._replace(calibration=path)
    assert found.can_project() == ['project', 'detect']
    results = []
    for network_hash, state in ((artist.hash, 'ready'), ('0' * 16, 'ready'), (artist.hash, 'loading')):
        calibrated(network_hash)
        found.engine.state = state
        job = found.jobs.add('detect', lambda job: projecting.detect(job, found, found.uploads.get(number)))
        while job.state in ('waiting', 'running'):
            time.sleep(0.05)
        results.append(job)
    first, second, third = results
    assert first.state == 'done' and first.result['verdict'] == 'undecided' and first.result['slot'] == 1, first.error
    assert first.result['error_rate'] == 0.05 and 'Scope' in first.result['scope'] and first.pixels.shape == (16, 16, 3)
    assert second.state == 'failed' and 'is a different one' in second.error
    assert third.result == dict(first.result, slot=None)  # another network is opened meanwhile
    found.close()
