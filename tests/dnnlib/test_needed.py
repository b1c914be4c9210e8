"""A Python that lacks packages: every program says so in one line, with what to type, and creates nothing."""

import os
import pathlib
import subprocess
import sys

import pytest

import run_training
from dnnlib import cli, needed

ROOT = pathlib.Path(__file__).parent.parent.parent
ALL = 'numpy, PIL, scipy, tqdm, tensorflow are not installed in '


@pytest.mark.parametrize('program', [
    'run_training.py', 'run_generator.py', 'run_projector.py', 'run_metrics.py', 'run_translator.py',
    'run_explorer.py', 'dataset_tool.py', 'stylegan2.py', 'dnnlib.doctor', 'training.plot', 'metrics.weights',
    'dnnlib.tflib.ops.build'])
def test_every_program_says_what_is_missing(program, tmp_path):
    script = program.endswith('.py')
    words = [str(ROOT / program)] if script else ['-m', program]
    env = dict(os.environ, STYLEGAN2_VENVS=str(tmp_path / 'venvs'))
    run = subprocess.run([sys.executable, '-S', '-B'] + words + ['--no-such-option'], stdout=subprocess.PIPE, env=env,
                         stderr=subprocess.PIPE, cwd=str(tmp_path if script else ROOT), universal_newlines=True)
    line, = run.stderr.splitlines()
    assert run.returncode == 2 and ALL + sys.executable in line and '; make setup makes an environment, or' in line
    assert not script or line.startswith(program + ': error: ') and not os.listdir(str(tmp_path))


def test_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setattr(needed, '_exists', lambda name: name not in ('PIL', 'tensorflow'))
    monkeypatch.setenv('STYLEGAN2_VENVS', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ('python3.9', 'python3.13', 'python3.13.lock', 'other'):
        (tmp_path / name / 'bin').mkdir(parents=True)
        (tmp_path / name / 'bin' / 'python').write_text('')
    with pytest.raises(needed.MissingPackages) as error:
        needed.check(needed.ALWAYS)
    python = os.path.join('python3.13', 'bin', 'python')
    assert str(error.value).startswith('PIL, tensorflow are not installed in ' + sys.executable)
    assert str(error.value).endswith(f'; use {python} instead, or first type: source {python[:-6]}activate')
    monkeypatch.setattr(sys, 'prefix', str(tmp_path / 'python3.13'))  # lacks something itself
    assert [path.split(os.sep)[0] for path in needed.environments()] == ['python3.9']
    monkeypatch.setattr(needed, 'ROOT', str(tmp_path))  # installed by pip
    tensorflow = 'tensorflow==1.14.0' if sys.version_info < (3, 8) else 'tensorflow'
    assert needed._problem(['PIL']).endswith(f'; type: {sys.executable} -m pip install pillow {tensorflow}')
    assert needed._problem(['numpy']) is None


def test_only_tensorflow_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(needed, '_exists', lambda name: name != 'tensorflow')
    monkeypatch.setattr(sys, 'excepthook', sys.excepthook)  # put back after the test
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.run_main(lambda argv: cli.pop_tf_config({'device': 'cpu', 'ops': 'ref'}), [], 'draw')
    line, = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and line.startswith('draw: error: tensorflow is not installed in ')
    with pytest.raises(SystemExit) as ended:  # a wrong option comes first
        cli.run_main(run_training.main, ['--dataset=cats', '--no-such'], 'train')
    assert 'unrecognized arguments: --no-such' in capsys.readouterr().err
