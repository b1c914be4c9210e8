"""The command lines of run_projector.py as a user types them, with a tiny generator and a narrow distance network."""

import csv
import json
import os
import zipfile

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

import run_projector
from dnnlib import cli, tflib
from metrics import weights
from projector import projector
from tests.metrics import lpips_reference
from tests.metrics.tiny_generator import tiny_generator
from training import pretrained

SIZE = 16


@pytest.fixture
def program(tmp_path, monkeypatch, capsys):
    """Function of arguments: (exit code, standard output, standard error); works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, 'lpips_vgg16', lpips_reference.narrow_weights)
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: tiny_generator(SIZE))
    monkeypatch.setattr(projector, 'MAPPING_BATCH', 5000)
    (tmp_path / 'net.pkl').write_bytes(b'\x80\x04')

    def run(command, *args):
        argv = [command, '--network=net.pkl', '--device=cpu'] + list(args)
        with tf.Graph().as_default():
            with pytest.raises(SystemExit) as info:
                cli.run_main(run_projector.main, argv)
            if tf.get_default_session() is not None:
                tflib.close_tf()
        captured = capsys.readouterr()
        return info.value.code or 0, captured.out, captured.err

    return run


def _write_image(path, size=(SIZE, SIZE), seed=0):
    pixels = np.random.RandomState(seed).randint(256, size=[size[1], size[0], 3]).astype(np.uint8)
    PIL.Image.fromarray(pixels).save(str(path))
    return pixels


def _read(path):
    return np.asarray(PIL.Image.open(str(path)))


def _pictures(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == '.png' and path.name != 'grid.png')


def test_published_snapshots():
    assert run_projector.snapshot_steps(1000, 5) == {200, 400, 600, 800, 1000}
    assert run_projector.snapshot_steps(1000, 3) == {1000, 1000 - 333, 1000 - 666}
    assert run_projector.snapshot_steps(1000, 1) == {1000} and run_projector.snapshot_steps(1000, 0) == set()


def test_generated_images_are_projected(program, tmp_path):
    code, out, err = program('project-generated-images', '--seeds=3,5', '--num-steps=40', '--num-snapshots=2')
    assert code == 0, err
    folder = tmp_path / 'results' / '00000-project-generated-images'
    kinds = ['step0020', 'step0040', 'target']
    assert _pictures(folder) == ['seed{:04d}-{}.png'.format(seed, kind) for seed in (3, 5) for kind in kinds]
    sheet = _read(folder / 'grid.png')  # a row for each picture: target, snapshots
    assert sheet.shape[:2] == (2 * SIZE, 3 * SIZE)
    np.testing.assert_array_equal(sheet[SIZE:, :SIZE], _read(folder / 'seed0005-target.png'))
    np.testing.assert_array_equal(sheet[SIZE:, 2 * SIZE:], _read(folder / 'seed0005-step0040.png'))
    with open(str(folder / 'distances.csv')) as file:
        rows = list(csv.DictReader(file))
    assert [(row['picture'], row['source'], row['step']) for row in rows] == [
        ('seed000{}'.format(seed), 'seed {}'.format(seed), step) for seed in (3, 5) for step in ('0', '20', '40')]
    for first, last in ((rows[0], rows[2]), (rows[3], rows[5])):
        assert 0 < float(last['distance']) < float(first['distance']) / 2
        assert float(last['seconds']) >= float(first['seconds'])
    lines = (folder / 'distances.jsonl').read_text().splitlines()
    assert [json.loads(line)['distance'] for line in lines] == [float(row['distance']) for row in rows]
    assert 'seed0003: step   40/40' in out and 'seed0003: step   40/40' in (folder / 'log.txt').read_text()


def test_target_of_a_seed_is_the_picture_of_run_generator(program, tmp_path):
    code, _, err = program('project-generated-images', '--seeds=5', '--num-steps=1', '--num-snapshots=0',
                           '--truncation-psi=0.7')
    assert code == 0, err
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu', 'rnd.np_random_seed': 0})  # the program's seed: the same untrained generator
        Gs = pretrained.load_generator('')
        rnd = np.random.RandomState(5)
        latents = rnd.randn(1, 8)
        for i in range(5):
            Gs.set_var('G_synthesis/noise%d' % i, rnd.randn(*Gs.get_var('G_synthesis/noise%d' % i).shape))
        image = Gs.run(latents, None, truncation_psi=0.7, randomize_noise=False)[0]
        tflib.close_tf()
    expected = np.clip(np.rint((image.transpose(1, 2, 0) + 1) * 127.5), 0, 255)
    found = _read(tmp_path / 'results' / '00000-project-generated-images' / 'seed0005-target.png')
    assert np.abs(found - expected).max() <= 1 and found.std() > 1


def test_images_of_a_data_set_are_projected_in_order(program, tmp_path):
    (tmp_path / 'data' / 'pics').mkdir(parents=True)
    pixels = [_write_image(tmp_path / 'data' / 'pics' / '{}.png'.format(i), seed=i) for i in range(3)]
    code, _, err = program('project-real-images', '--dataset=pics', '--data-dir=data', '--num-images=2',
                           '--num-steps=2', '--num-snapshots=1')
    assert code == 0, err
    folder = tmp_path / 'results' / '00000-project-real-images'
    assert _pictures(folder) == ['image0000-step0002.png', 'image0000-target.png', 'image0001-step0002.png',
                                 'image0001-target.png']
    for i in range(2):
        np.testing.assert_array_equal(_read(folder / 'image{:04d}-target.png'.format(i)), pixels[i])


@pytest.mark.parametrize('kind', ['file', 'zip'])
def test_own_images_are_cropped_and_scaled(program, tmp_path, kind):
    (tmp_path / 'own').mkdir()
    pixels = _write_image(tmp_path / 'own' / 'a.png', size=(20, SIZE))
    path = {'file': 'own/a.png', 'zip': 'own.zip'}[kind]
    with zipfile.ZipFile('own.zip', 'w') as archive:
        archive.write('own/a.png', 'a.png')
    code, _, err = program('project-images', path, '--num-steps=1', '--num-snapshots=1', '--result-dir=out')
    assert code == 0, err
    folder = tmp_path / 'out' / '00000-project-images'
    np.testing.assert_array_equal(_read(folder / 'image0000-target.png'), pixels[:, 2:18])
    assert 'image0000,a.png,1,' in (folder / 'distances.csv').read_text()


def _refused(result, *parts):
    code, _, err = result
    assert code == 2 and err.count('\n') == 1, err
    for part in parts:
        assert part in err
    assert not os.path.exists('results')


def test_unusable_images_are_refused_in_one_line(program, tmp_path):
    (tmp_path / 'own').mkdir()
    _refused(program('project-images', 'own'), 'own', 'no images')
    _write_image(tmp_path / 'own' / 'a.png')
    whole = (tmp_path / 'own' / 'a.png').read_bytes()
    (tmp_path / 'own' / 'b.png').write_bytes(whole[:len(whole) // 2])
    _refused(program('project-images', 'own'), os.path.join('own', 'b.png'), 'unreadable')
    (tmp_path / 'text.png').write_text('not a picture')
    _refused(program('project-images', 'text.png'), 'text.png', 'unreadable')
    _refused(program('project-images', 'missing.png'), 'missing.png', 'no such file')


def test_data_sets_of_another_shape_are_refused(program, tmp_path):
    (tmp_path / 'pics').mkdir()
    _write_image(tmp_path / 'pics' / 'a.png', size=(32, 32))
    _refused(program('project-real-images', '--dataset=pics'), '[3, 32, 32]', '[3, 16, 16]', 'project-images')
    _write_image(tmp_path / 'pics' / 'a.png')
    _refused(program('project-real-images', '--dataset=pics'), '--num-images=3', '1 images')
    _refused(program('project-real-images', '--dataset=none'), 'none', 'no such data set')
    _refused(program('project-real-images', '--dataset=pics', '--data-dir=nowhere'), 'nowhere')


@pytest.mark.parametrize('args, part', [
    (['project-generated-images', '--seeds=a'], 'a'), (['project-generated-images', '--num-steps=0'], 'at least 1'),
    (['project-generated-images', '--truncation-psi=abc'], 'abc'), (['project-real-images'], '--dataset'),
    (['project-images', 'x.png', '--network=missing.pkl'], 'missing.pkl'),
    (['project-images', 'x', '--seed=-1'], '-1')])
def test_bad_options_are_refused_before_tensorflow_starts(program, monkeypatch, args, part):
    monkeypatch.setattr(cli, 'load_tensorflow', lambda: pytest.fail('TensorFlow was loaded'))
    _refused(program(*args), part)


def test_built_in_cats_are_the_held_out_ones(program, tmp_path):
    (tmp_path / 'cats').mkdir()  # without --data-dir the name still means the built-in ones
    code, _, err = program('project-real-images', '--dataset=cats', '--num-images=1', '--num-steps=1',
                           '--num-snapshots=1')
    assert code == 0, err
    from training.cats import CatsDataset
    with CatsDataset(resolution=SIZE, held_out=True, shuffle_mb=0) as cats:
        expected = cats.read(0).transpose(1, 2, 0)
    folder = tmp_path / 'results' / '00000-project-real-images'
    np.testing.assert_array_equal(_read(folder / 'image0000-target.png'), expected)
