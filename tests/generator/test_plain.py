"""Generators without W, by a published file of BigGAN: pictures of seeds, rows of classes, walks through classes."""

import json
import os

import numpy as np
import PIL.Image
import pytest

import run_generator
from dnnlib import UserError, latents
from dnnlib.files import torch_file, torch_writer
from generator import info
from tests.training import golden_classes as golden
from training import pretrained

CASE = 'biggan_cifar32'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Folder of G_ema.pth, as the published program saves it, and of the names of its classes."""
    found = tmp_path_factory.mktemp('published')
    torch_writer.save(torch_file.tensors_in(golden.states(CASE)['G']), str(found / 'G_ema.pth'))
    (found / 'classes.json').write_text(json.dumps(['red', 'green', 'blue', 'gray']))
    return found


@pytest.fixture
def draw(folder, graph, tmp_path, monkeypatch):
    """Function that runs a command and returns what it wrote: (folder, arrays)."""
    if not KEPT:
        KEPT.append(pretrained.load_generator(str(folder / 'G_ema.pth')))
    monkeypatch.setattr(pretrained, 'load_generator', lambda file, *_: KEPT[0])

    def run(name, *args):
        run_generator.main([name, f'--network={folder / "G_ema.pth"}', '--device=cpu', '--outputs=png,npz',
                            f'--result-dir={tmp_path / "results"}', *args])
        found = sorted((tmp_path / 'results').iterdir())[-1]
        return found, np.load(str(found / 'images.npz'))
    return run


KEPT = []  # the network, built once


def expected(network, z, labels):
    """Pictures as bytes [N, H, W, C]."""
    images = network.run(np.float32(z), np.float32(labels)).transpose(0, 2, 3, 1)
    return np.clip(np.trunc(images * 127.5 + 128), 0, 255)


def test_published_file(folder, graph):
    lines = '\n'.join(info.describe(info.read_file(str(folder / 'G_ema.pth'))))
    for text in ('Kind        classes PyTorch weight file: G', 'G_biggan', 'resolution=32',
                 'role      generator, inputs: latents, labels', 'shared_size=None', 'attention=[16]', 'label_size=4'):
        assert text in lines, lines
    data, given = golden.arrays(CASE), golden.kwargs(CASE)
    KEPT.append(pretrained.load_generator(str(folder / 'G_ema.pth')))
    golden.check(CASE, 'G_eval', KEPT[0].run(data['z'][0], np.eye(given['n_classes'])[data['y_fake'][0]]))


def test_rows_of_classes(draw):
    folder, arrays = draw('generate-images', '--seeds=3,8', '--class-rows=all', '--latents=truncated:0.5')
    z = np.stack([latents.draw(np.random.RandomState(seed), [10], 'truncated:0.5') for seed in (3, 8)])
    assert arrays['names'][:3].tolist() == ['class00-seed0003', 'class00-seed0008', 'class01-seed0003']
    wanted = expected(KEPT[0], np.concatenate([z] * 4), np.repeat(np.eye(4), 2, axis=0))
    assert np.abs(arrays['images'] - wanted).max() <= 1
    with PIL.Image.open(str(folder / 'grid.png')) as sheet:
        assert sheet.size == (2 * 32, 4 * 32)


def test_pictures_of_a_class_and_standing_statistics(draw, capsys):
    _, arrays = draw('generate-images', '--seeds=3', '--class=blue')
    z = np.random.RandomState(3).randn(1, 10)
    before = expected(KEPT[0], z, [[0, 0, 1, 0]])
    assert np.abs(arrays['images'] - before).max() <= 1
    values = {name: KEPT[0].get_var(name) for name in KEPT[0].vars}
    _, arrays = draw('generate-images', '--seeds=3', '--class=blue', '--standing=2')
    assert 'Batch norm uses the statistics of 2 minibatches' in capsys.readouterr().out
    assert np.abs(arrays['images'] - before).max() > 1
    for name, value in values.items():
        KEPT[0].set_var(name, value)


def test_walks_from_class_to_class(draw):
    _, arrays = draw('interpolate', '--seeds=5', '--classes=red,2,gray', '--frames=2')
    np.testing.assert_allclose(arrays['labels'], [
        [1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 1, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 1]])
    np.testing.assert_allclose(arrays['latents'], np.repeat(np.random.RandomState(5).randn(1, 10), 5, axis=0))
    assert np.abs(arrays['images'] - expected(KEPT[0], arrays['latents'], arrays['labels'])).max() <= 1


@pytest.mark.parametrize('command, message', [
    (['generate-images', '--seeds=1', '--truncation-psi=0.5'], 'no W to truncate in; truncate its latents by'),
    (['generate-images', '--seeds=1', '--class-rows=red', '--class=red'], '--class and --class-rows exclude'),
    (['generate-images', '--seeds=1', '--class-rows=pink'], 'pink'),
    (['generate-images', '--seeds=1', '--standing=-1'], '--standing=-1: expected a number of minibatches from 0 on'),
    (['generate-images', '--seeds=1', '--precision=mixed'], 'has float32 only'),
    (['interpolate', '--seeds=1,2', '--space=w'], 'this generator has no W, in which files are'),
    (['interpolate', '--seeds=1', '--classes=red'], 'a walk needs at least two seeds or files'),
    (['grid', '--seeds=1'], 'has no network mapping and synthesis')])
def test_what_is_refused(draw, command, message):
    with pytest.raises(UserError, match=message):
        draw(*command)


def test_names_of_latents(folder):
    with pytest.raises(SystemExit):
        run_generator.main(['generate-images', f'--network={os.path.join(str(folder), "G_ema.pth")}', '--seeds=1',
                            '--latents=cauchy'])
