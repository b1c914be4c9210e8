"""The wheel: built, unpacked elsewhere, and used where modules of the same names as ours come first on the path.

What it is used for is the code of docs/notebook.ipynb, in one process.
"""

import ast
import glob
import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import setup
import stylegan2
from dnnlib import names
from training import pretrained

ROOT = pathlib.Path(__file__).parent.parent
OFFICIAL = ROOT / 'tests' / 'data' / 'configf_r32.pkl'
FEWER = [("'--num-steps=100'", "'--num-steps=2', '--distance=pixel'"), ("'--total-kimg=2'", "'--total-kimg=1'"),
         ('resolution=16', 'resolution=8')]
MORE = """
from stylegan2.dnnlib import names
for ours in ('training', 'training.loss.G_wgan', 'training.networks', 'dnnlib.EasyDict', 'run_training.x'):
    assert names.installed_name(ours) == 'stylegan2.' + ours
for other in ('training.mine', 'training.mine.f', 'training.networks.mine', 'numpy.mean'):  # of a user
    assert names.installed_name(other) == other
assert projection.shape == (64, 64, 3) and fakes.shape == (16, 8, 8, 3) and mixed.shape == w.shape
import tensorflow.compat.v1 as tf
assert tf.get_default_session() is None and not tf.get_default_graph().get_operations()  # programs leave nothing
with stylegan2.load(sys.argv[1], device='cpu') as official:
    np.save('official.npy', official.generate([1], noise='const'))
print(stylegan2.__file__, flush=True)
stylegan2.run('generate', 'generate-images', '--help')
"""


def notebook():
    """The code of docs/notebook.ipynb, with fewer steps."""
    content = json.loads((ROOT / 'docs' / 'notebook.ipynb').read_text(encoding='utf-8'))
    cells = [cell for cell in content['cells'] if cell['cell_type'] == 'code']
    assert content['nbformat'] == 4 and not any(cell['outputs'] or cell['execution_count'] for cell in cells)
    code = '\n'.join(''.join(cell['source']) for cell in cells)
    for many, few in FEWER:
        assert code.count(many) == 1
        code = code.replace(many, few)
    return code


def build_wheel(folder):
    """Builds the wheel without writing to the checkout; returns its path."""
    folder.mkdir()
    command = [sys.executable, '-W', 'ignore', 'setup.py', '-q', 'build', '--build-base', folder / 'build', 'egg_info',
               '--egg-base', folder, 'bdist_wheel', '--bdist-dir', folder / 'bdist', '--dist-dir', folder]
    subprocess.check_call([str(word) for word in command], cwd=str(ROOT))
    path, = glob.glob(str(folder / '*.whl'))
    return path


def test_the_notebook_runs_with_the_wheel_beside_others_of_the_same_names(tmp_path):
    with zipfile.ZipFile(build_wheel(tmp_path / 'wheel')) as wheel:
        assert {name.split('/')[0] for name in wheel.namelist()} == {
            'stylegan2', f'stylegan2_tf-{stylegan2.__version__}.dist-info'}
        wheel.extractall(str(tmp_path / 'site'))
    for name in names.OWN_MODULES + ('networks', 'tests'):
        (tmp_path / 'decoys' / name).mkdir(parents=True)
        (tmp_path / 'decoys' / name / '__init__.py').write_text('raise ImportError("not ours: " + __name__)')
    (tmp_path / 'elsewhere').mkdir()
    path = os.pathsep.join(str(tmp_path / name) for name in ('decoys', 'site'))
    env = dict(os.environ, COLUMNS='200', PYTHONPATH=path, TMPDIR=str(tmp_path))
    process = subprocess.run([sys.executable, '-c', notebook() + MORE, str(OFFICIAL)], cwd=str(tmp_path / 'elsewhere'),
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert process.returncode == 0, process.stdout
    assert f'\n{tmp_path / "site" / "stylegan2" / "__init__.py"}\n' in process.stdout
    assert '\nusage: python -m stylegan2 generate generate-images ' in process.stdout
    with stylegan2.load(OFFICIAL, device='cpu') as net:
        np.testing.assert_array_equal(np.load(str(tmp_path / 'elsewhere' / 'official.npy')),
                                      net.generate([1], noise='const'))

    run_dir, = tmp_path.glob('stylegan2-*/*-stylegan2-cats-*')  # its files are those of every installation
    saved = (run_dir / 'network-final.pkl').read_bytes()
    assert b'from training.networks_stylegan2 import G_main' in saved and b'dnnlib.tflib.network' in saved
    assert list(pretrained.contents_of(pretrained.read_states(saved)).networks) == ['G', 'D', 'Gs']
    options = json.loads((run_dir / 'training_options.json').read_text())
    assert options['G_args']['func_name'] == 'training.networks_stylegan2.G_main'
    for path in run_dir.rglob('*'):
        assert not path.is_file() or b'stylegan2.training' not in path.read_bytes(), path
    assert list(pretrained.contents_of(pretrained.read_states(saved)).networks) == ['G', 'D', 'Gs']


@pytest.mark.parametrize('source, expected', [
    ('import training', 'from stylegan2 import training'),
    ('import dnnlib.tflib as tflib', 'from stylegan2.dnnlib import tflib as tflib'),
    ('if 1: from training.loss import a, b', 'if 1: from stylegan2.training.loss import a, b'),
    ('from run_training import main', 'from stylegan2.run_training import main'),
    ('import os, trainings\nfrom . import loss\nfrom numpy import training\ntraining = "training.loss"', None),
    ('x = "python -m metrics.weights, run_training.py, python dataset_tool.py"',
     'x = "python -m stylegan2.metrics.weights, stylegan2 train, stylegan2 dataset"'),
])
def test_rewritten_text(source, expected):
    assert setup.rewrite(source) == (source if expected is None else expected)
    ast.parse(setup.rewrite(source))


@pytest.mark.parametrize('source', ['import dnnlib.tflib', 'import os, training', 'import training, dnnlib'])
def test_imports_that_would_need_more_than_one_line(source):
    with pytest.raises(SyntaxError, match='import one module of ours at a time'):
        setup.rewrite(source)


def test_nothing_that_lies_about_is_shipped(monkeypatch, tmp_path):
    paths = ['networks/cats64.pkl', 'networks/mine.pkl', 'training/__init__.py', 'training/notes.txt', 'training/a.pkl',
             'training/data/__init__.py', 'training/data/cats_layers.zip', 'training/data/photos.zip',
             'training/runs/x.py', 'dnnlib/tflib/ops/src/a.cc', 'dnnlib/tflib/ops/src/a.o', 'metrics/old/old.py',
             'dnnlib/__init__.py', 'dnnlib/tflib/__init__.py', 'dnnlib/tflib/ops/__init__.py', 'dnnlib/tflib/x.py~']
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text('')
    monkeypatch.setattr(setup, 'ROOT', str(tmp_path))
    found = {path for path in setup.shipped().values() if '/' in path}
    assert found == {path for path in paths if path.endswith('__init__.py')} | {
        'networks/cats64.pkl', 'training/data/cats_layers.zip', 'dnnlib/tflib/ops/src/a.cc'}


def test_everything_is_shipped():
    packages = {path.parent.name for path in ROOT.glob('*/__init__.py')} - {'tests', 'benchmarks'}
    programs = {path.stem for path in ROOT.glob('*.py')} - {'setup', 'demo', 'environments', 'stylegan2'}
    assert set(names.OWN_MODULES) == packages | programs
    assert set(setup.FOLDERS) == packages | {'networks'} and set(setup.PROGRAMS) == programs
    assert {module.split('.')[0] for module in stylegan2.PROGRAMS.values()} <= set(names.OWN_MODULES)
    assert {'stylegan2.py', 'networks/cats64.pkl', 'training/data/cats_layers.zip',
            'dnnlib/tflib/ops/src/upfirdn_2d.cc'} <= set(setup.shipped().values())


def test_commands_of_the_programs_are_known():
    for program, commands in stylegan2._COMMANDS.items():
        name = stylegan2.PROGRAMS[program]
        text = (ROOT / 'tests' / 'data' / 'help' / (name + '.txt')).read_text()
        assert set(commands) == set(re.findall(rf'^usage: {name}.py ([a-z]\S+)', text, re.MULTILINE))


@pytest.mark.parametrize('argv, code, expected', [
    (['draw'], 2, "python -m stylegan2: error: argument program: invalid choice: 'draw'"),
    (['info', 'cats64'], 2, 'info is a command of generate; did you mean python -m stylegan2 generate info?'),
    ([], 2, 'python -m stylegan2: error: the following arguments are required: program'),
    (['--version'], 0, 'stylegan2-tf ' + stylegan2.__version__),
    (['dataset', 'check', '--no-such'], 2, 'error: '),
])
def test_command_line(capsys, argv, code, expected):
    before = list(sys.argv)
    with pytest.raises(SystemExit) as stopped:
        stylegan2.run(*argv)
    assert stopped.value.code == code and expected in ''.join(capsys.readouterr()) and sys.argv == before
