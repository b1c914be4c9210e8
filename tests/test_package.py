"""The wheel: built, unpacked elsewhere, and used where modules of the same names as ours come first on the path."""

import ast
import glob
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import setup
import stylegan2
from dnnlib import names
from tests.test_run_training import SMALL
from training import pretrained

ROOT = pathlib.Path(__file__).parent.parent
OFFICIAL = ROOT / 'tests' / 'data' / 'configf_r32.pkl'
USE = '''
import sys
import numpy as np
import stylegan2
for name in ('cats64', sys.argv[1]):
    with stylegan2.load(name, device='cpu') as net:
        np.save(net.name.replace('/', '_'), net.generate([1], noise='const'))
print(stylegan2.__file__, stylegan2.run('train', *sys.argv[2:]), flush=True)
stylegan2.run('generate', 'generate-images', '--help')
'''


def build_wheel(folder):
    """Builds the wheel without writing to the checkout; returns its path."""
    folder.mkdir()
    command = [sys.executable, '-W', 'ignore', 'setup.py', '-q', 'build', '--build-base', folder / 'build', 'egg_info',
               '--egg-base', folder, 'bdist_wheel', '--bdist-dir', folder / 'bdist', '--dist-dir', folder]
    subprocess.check_call([str(word) for word in command], cwd=str(ROOT))
    path, = glob.glob(str(folder / '*.whl'))
    return path


def test_the_wheel_is_one_package_that_works_beside_others_of_the_same_names(tmp_path):
    with zipfile.ZipFile(build_wheel(tmp_path / 'wheel')) as wheel:
        assert {name.split('/')[0] for name in wheel.namelist()} == {
            'stylegan2', f'stylegan2_tf-{stylegan2.__version__}.dist-info'}
        wheel.extractall(str(tmp_path / 'site'))
    for name in names.OWN_MODULES + ('networks', 'tests'):
        (tmp_path / 'decoys' / name).mkdir(parents=True)
        (tmp_path / 'decoys' / name / '__init__.py').write_text('raise ImportError("not ours: " + __name__)')
    (tmp_path / 'elsewhere').mkdir()
    path = os.pathsep.join(str(tmp_path / name) for name in ('decoys', 'site'))
    env = dict(os.environ, COLUMNS='200', PYTHONPATH=path)
    options = SMALL + ['--total-kimg=1', '--no-selftest']
    for value in ('tick_kimg_dict={8: 1}', 'minibatch_size_base=64', 'minibatch_gpu_base=64'):
        options += ['--set', 'sched.' + value]
    process = subprocess.run([sys.executable, '-c', USE, str(OFFICIAL)] + options, cwd=str(tmp_path / 'elsewhere'),
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert process.returncode == 0, process.stdout
    assert f'\n{tmp_path / "site" / "stylegan2" / "__init__.py"} 0\n' in process.stdout
    assert '\nusage: python -m stylegan2 generate generate-images ' in process.stdout
    assert 'npz files of stylegan2 project, joined by commas' in process.stdout
    drawn = [np.load(str(tmp_path / 'elsewhere' / (name.replace('/', '_') + '.npy')))
             for name in ('cats64', str(OFFICIAL))]
    assert drawn[0].shape == (1, 64, 64, 3) and drawn[0].std() > 20
    with stylegan2.load(OFFICIAL, device='cpu') as net:
        np.testing.assert_array_equal(drawn[1], net.generate([1], noise='const'))

    run_dir, = (tmp_path / 'elsewhere' / 'results').iterdir()  # its files are those of every installation
    saved = (run_dir / 'network-final.pkl').read_bytes()
    assert b'from training.networks_stylegan2 import G_main' in saved and b'dnnlib.tflib.network' in saved
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


def test_everything_is_shipped():
    packages = {path.parent.name for path in ROOT.glob('*/__init__.py')} - {'tests', 'benchmarks'}
    programs = {path.stem for path in ROOT.glob('*.py')} - {'setup', 'demo', 'environments', 'stylegan2'}
    assert set(names.OWN_MODULES) == packages | programs
    assert set(setup.FOLDERS) == packages | {'networks'} and set(setup.PROGRAMS) == programs
    assert {module.split('.')[0] for module in stylegan2.PROGRAMS.values()} <= set(names.OWN_MODULES)
    assert {'stylegan2.py', 'networks/cats64.pkl', 'training/data/cats_layers.zip',
            'dnnlib/tflib/ops/src/upfirdn_2d.cc'} <= set(setup.shipped().values())


@pytest.mark.parametrize('argv, code, expected', [
    (['draw'], 2, "python -m stylegan2: error: argument program: invalid choice: 'draw'"),
    ([], 2, 'python -m stylegan2: error: the following arguments are required: program'),
    (['--version'], 0, 'stylegan2-tf ' + stylegan2.__version__),
    (['dataset', 'check', '--no-such'], 2, 'error: '),
])
def test_command_line(capsys, argv, code, expected):
    before = list(sys.argv)
    with pytest.raises(SystemExit) as stopped:
        stylegan2.run(*argv)
    assert stopped.value.code == code and expected in ''.join(capsys.readouterr()) and sys.argv == before
