"""The command lines of run_generator.py as a user types them, with a small network in the published format.

One run and one refusal are processes of their own; the others are calls of `main` that share a graph.
"""

import functools
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

import run_generator
import run_metrics
import run_projector
from dnnlib import cli
from dnnlib.util import UserError
from training import pretrained

PROGRAM = str(pathlib.Path(__file__).parent.parent / 'run_generator.py')
DATA = str(pathlib.Path(__file__).parent / 'data')
NETWORK = os.path.join(DATA, 'configf_r32.pkl')


@pytest.fixture(scope='module')
def graph():
    """A graph for all tests of this file: building networks is what takes time."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu'})
        yield
        tflib.close_tf()


@pytest.fixture(scope='module')
def loaded(graph):
    """Function of the name of a file in tests/data: its generator, built once."""
    return functools.lru_cache(None)(lambda name: pretrained.load_generator(os.path.join(DATA, name)))


@pytest.fixture
def main(loaded, monkeypatch):
    """`run_generator.main` on networks that `loaded` has."""
    names = {os.path.basename(NETWORK), 'labels3_r16.pkl'}
    load = pretrained.load_generator

    def load_once(file, only_to_run=False):
        name = os.path.basename(getattr(file, 'path', file))
        if name not in names or file == os.path.join(DATA, name):
            return load(file, only_to_run)
        return loaded(name)
    monkeypatch.setattr(pretrained, 'load_generator', load_once)
    return run_generator.main


def _refused(args, capsys, monkeypatch):
    """Runs the program in this process; returns the one line that it says."""
    monkeypatch.setattr(sys, 'argv', [PROGRAM])
    with pytest.raises(SystemExit) as info:
        cli.run_main(run_generator.main, args)
    captured = capsys.readouterr()
    assert info.value.code == 2 and captured.err.count('\n') == 1 and captured.err.startswith('run_generator.py')
    assert 'error: ' in captured.err
    return captured.err


def _run(*args, **kwargs):
    """Returns (exit code, standard output, standard error)."""
    env = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}  # as users have it
    process = subprocess.run([sys.executable, PROGRAM] + list(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=env, universal_newlines=True, **kwargs)
    return process.returncode, process.stdout, process.stderr


def _read(path):
    return np.asarray(PIL.Image.open(str(path)))


@pytest.fixture(scope='module')
def generated(tmp_path_factory):
    """Folder of pictures of the seeds 3, 5 and 6 and what the program printed."""
    root = tmp_path_factory.mktemp('generated')
    code, out, err = _run('generate-images', '--network=' + NETWORK, '--seeds=3,5-6', '--truncation-psi=0.7',
                          '--result-dir=results', '--device=cpu', cwd=str(root))
    assert code == 0, err
    return root / 'results' / '00000-generate-images', out


def test_generate_images_names_its_files_by_seed(generated):
    folder, out = generated
    pictures = ['grid.png', 'seed0003.png', 'seed0005.png', 'seed0006.png']
    assert [path.name for path in sorted(folder.iterdir()) if path.suffix == '.png'] == pictures
    assert os.path.join('results', '00000-generate-images') in out
    assert 'Wrote 3 pictures' in (folder / 'log.txt').read_text()
    grid = _read(folder / 'grid.png')
    assert grid.shape == (64, 64, 3) and _read(folder / 'seed0003.png').shape == (32, 32, 3)
    np.testing.assert_array_equal(grid[:32, 32:], _read(folder / 'seed0005.png'))
    assert not grid[32:, 32:].any()


def test_generate_images_draws_latents_and_noise_from_the_seed(generated, main, loaded, tmp_path):
    Gs = loaded('configf_r32.pkl')
    stored = {name: Gs.get_var(name) for name in Gs.vars if '/noise' in name}
    rnd = np.random.RandomState(5)
    latents = rnd.randn(1, Gs.input_shape[1])
    for i, size in enumerate([4, 8, 8, 16, 16, 32, 32]):
        Gs.set_var('G_synthesis/noise%d' % i, rnd.randn(1, 1, size, size))
    images = Gs.run(latents, None, truncation_psi=0.7, randomize_noise=False)
    expected = np.clip(np.trunc(images[0].transpose(1, 2, 0) * 127.5 + 128), 0, 255)
    found = _read(generated[0] / 'seed0005.png').astype(np.float32)
    assert np.abs(found - expected).max() <= 1 and expected.std() > 5
    for name, value in stored.items():
        Gs.set_var(name, value)

    main(['generate-images', '--network=' + NETWORK, '--seeds=5', '--truncation-psi=0.7', '--device=cpu',
          '--result-dir=' + str(tmp_path)])  # alone the seed gives the same picture as among others
    alone = tmp_path / '00000-generate-images'
    assert [path.name for path in alone.glob('*.png')] == ['seed0005.png']
    np.testing.assert_array_equal(_read(alone / 'seed0005.png'), _read(generated[0] / 'seed0005.png'))


def test_style_mixing_replaces_the_styles_of_the_columns(main, loaded, tmp_path):
    main(['style-mixing-example', '--network=' + NETWORK, '--row-seeds=1,2', '--col-seeds=3-4,7', '--col-styles=0-2',
          '--device=cpu', '--result-dir=' + str(tmp_path)])
    folder = tmp_path / '00000-style-mixing-example'
    names = ['{0}-{0}.png'.format(seed) for seed in (1, 2, 3, 4, 7)]
    names += ['{}-{}.png'.format(row, col) for row in (1, 2) for col in (3, 4, 7)]
    assert sorted(path.name for path in folder.glob('*.png')) == sorted(names + ['grid.png'])
    grid = _read(folder / 'grid.png')
    assert grid.shape == (3 * 32, 4 * 32, 3) and not grid[:32, :32].any()
    for name, row, column in [('3-3', 0, 1), ('7-7', 0, 3), ('2-2', 2, 0), ('1-4', 1, 2)]:
        tile = grid[row * 32:row * 32 + 32, column * 32:column * 32 + 32]
        np.testing.assert_array_equal(tile, _read(folder / (name + '.png')))
    Gs = loaded('configf_r32.pkl')
    latents = np.stack([np.random.RandomState(seed).randn(*Gs.input_shape[1:]) for seed in (2, 7)])
    average = Gs.get_var('dlatent_avg')
    row, column = average + (Gs.components.mapping.run(latents, None) - average) * 0.5
    mixed = np.concatenate([column[:3], row[3:]])
    image = Gs.components.synthesis.run(mixed[np.newaxis], randomize_noise=False)[0]
    expected = np.clip(np.trunc(image.transpose(1, 2, 0) * 127.5 + 128), 0, 255)
    assert np.abs(_read(folder / '2-7.png').astype(np.float32) - expected).max() <= 1


@pytest.mark.parametrize('args, text', [
    (['--seeds=0', '--truncation-psi=abc'], "'abc'"),
    (['--seeds=0', '--truncation-psi=nan'], "'nan'"),
    (['--seeds=many'], "'many'"),
    (['--seeds=4-1'], '4-1'),
    (['--seeds=4294967296'], '4294967296'),
    ([], '--seeds'),
    (['--seeds=0', '--device=tpu'], "'tpu'"),
    (['--seeds=0', '--network=missing.pkl'], "'missing.pkl'"),
    (['--seeds=0', '--network=text.pkl'], "'text.pkl'"),
    (['--seeds=0', '--network=gdrive:networks/none.pkl'], 'none.pkl'),
    (['--seeds=0', '--result-dir=text.pkl'], "'text.pkl'"),
    (['--seeds=0', '--result-dir=text.pkl/x'], 'text.pkl/x')])
def test_bad_input_answers_one_line_before_tensorflow_loads(args, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(cli, 'load_tensorflow', lambda: pytest.fail('TensorFlow was loaded'))
    (tmp_path / 'text.pkl').write_text('this is not a pickle')
    if not any(arg.startswith('--network') for arg in args):
        args = args + ['--network=' + NETWORK]
    assert text in _refused(['generate-images'] + args, capsys, monkeypatch)
    assert os.listdir(str(tmp_path)) == ['text.pkl']


def test_refusals_of_the_program_itself(tmp_path):
    (tmp_path / 'tensorflow.py').write_text('raise SystemExit("TensorFlow was imported")')
    code, out, err = _run('generate-images', '--seeds=0', '--network=missing.pkl', cwd=str(tmp_path))
    assert code == 2 and err.count('\n') == 1 and 'error: ' in err and "'missing.pkl'" in err
    assert out == '' and os.listdir(str(tmp_path)) == ['tensorflow.py']


@pytest.mark.parametrize('program, text', [
    (run_generator, 'expected a command: generate-images, style-mixing-example, '),
    (run_projector, 'expected a command: project-generated-images, '), (run_metrics, '--network=PKL or --fakes=PATH')])
def test_without_a_command_one_line_says_which_there_are(capsys, program, text):
    with pytest.raises(SystemExit) as info:
        cli.run_main(program.main, [])
    out, err = capsys.readouterr()
    assert info.value.code == 2 and out == '' and err.count('\n') == 1 and text in err


def test_bad_pickle_leaves_nothing_behind(graph, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    with open(NETWORK, 'rb') as f:
        contents = f.read()
    (tmp_path / 'bad.pkl').write_bytes(contents[:len(contents) // 2])
    assert 'bad.pkl' in _refused(['generate-images', '--network=bad.pkl', '--seeds=0'], capsys, monkeypatch)
    assert os.listdir(str(tmp_path)) == ['bad.pkl']


def test_style_of_a_layer_that_is_not_there(main, tmp_path):
    with pytest.raises(UserError, match='layer 30'):
        main(['style-mixing-example', '--network=' + NETWORK, '--row-seeds=1', '--col-seeds=2', '--col-styles=0-30',
              '--device=cpu', '--result-dir=' + str(tmp_path / 'results')])
    assert os.listdir(str(tmp_path)) == []


def test_class_of_the_pictures(main, loaded, tmp_path, capsys):
    network = str(tmp_path / 'labels3_r16.pkl')
    shutil.copy(str(pathlib.Path(NETWORK).with_name('labels3_r16.pkl')), network)
    (tmp_path / 'classes.json').write_text('["red", "green", "blue"]')

    def generate(*args):
        main(['generate-images', '--network=' + network, '--seeds=5', '--device=cpu',
              '--result-dir=' + str(tmp_path / 'results')] + list(args))
        folder = sorted((tmp_path / 'results').iterdir())[-1]
        return _read(folder / 'seed0005.png')
    unlabeled, green, one = generate(), generate('--class=green'), generate('--class=1')
    np.testing.assert_array_equal(green, one)
    assert (green != unlabeled).any()
    assert 'The network has classes; --class chooses one: 0 to 2 or one of red, green, blue' in capsys.readouterr().out
    Gs = loaded('labels3_r16.pkl')
    rnd = np.random.RandomState(5)
    latents = rnd.randn(1, Gs.input_shape[1])
    for i, size in enumerate([4, 8, 8, 16, 16]):
        Gs.set_var('G_synthesis/noise%d' % i, rnd.randn(1, 1, size, size))
    image = Gs.run(latents, np.float32([[0, 1, 0]]), truncation_psi=0.5, randomize_noise=False)[0]
    expected = np.clip(np.trunc(image.transpose(1, 2, 0) * 127.5 + 128), 0, 255)
    assert np.abs(green.astype(np.float32) - expected).max() <= 1
    with pytest.raises(UserError, match="no class 'pink'; expected 0 to 2 or one of red, green, blue"):
        generate('--class=pink')
    assert len(list((tmp_path / 'results').iterdir())) == 3


@pytest.mark.parametrize('content', ['{', '["dog", "house", "tree"]'])
def test_classes_of_a_stranger_in_the_working_directory(main, tmp_path, monkeypatch, capsys, content):
    """A network called by a short name has nothing to do with the `classes.json` of the folder one happens to be in."""
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setitem(pretrained.SHORT_NAMES, 'cats64', str(pathlib.Path(NETWORK).with_name('labels3_r16.pkl')))
    (tmp_path / 'classes.json').write_text(content)
    args = ['generate-images', '--network=cats64', '--seeds=5', '--device=cpu']
    main(args)
    assert '--class chooses one: 0 to 2\n' in capsys.readouterr().out
    assert (tmp_path / 'results' / '00000-generate-images' / 'seed0005.png').is_file()
    with pytest.raises(UserError, match="no class 'dog'; expected 0 to 2$"):
        main(args + ['--class=dog'])


def test_class_of_a_network_without_labels(main, tmp_path):
    with pytest.raises(UserError, match='the network was trained without labels'):
        main(['generate-images', '--network=' + NETWORK, '--seeds=5', '--device=cpu', '--class=0',
              '--result-dir=' + str(tmp_path / 'results')])
    assert os.listdir(str(tmp_path)) == []
