"""The set-up behind `make`: environments are reused until what they are made of changes; the demo's progress line."""

import os
import sys

import pytest

import demo
import environments


def test_environments_are_reused_until_the_requirements_change(tmp_path, monkeypatch):
    root, home, installs = tmp_path / 'project', tmp_path / 'venvs', []
    root.mkdir()
    (root / 'requirements.txt').write_text('-r more.txt\n')
    (root / 'more.txt').write_text('numpy\n')

    def install(interpreter, python, folder, version, requirements):
        installs.append(requirements)
        os.makedirs(os.path.dirname(python), exist_ok=True)
        open(python, 'w').close()

    monkeypatch.setattr(environments, 'ROOT', str(root))
    monkeypatch.setattr(environments, '_install', install)
    monkeypatch.setenv('STYLEGAN2_VENVS', str(home))
    first = environments.prepare((3, 11), 'newest', sys.executable)
    assert first.python == str(home / 'python3.11' / 'bin' / 'python')
    assert environments.prepare((3, 11), 'newest', sys.executable) == first and len(installs) == 1
    (root / 'more.txt').write_text('numpy>=1\n')
    environments.prepare((3, 11), 'newest', sys.executable)
    assert len(installs) == 2


def test_a_failed_installation_is_not_remembered(tmp_path, monkeypatch):
    fails = ['sh', '-c', 'echo no route; exit 3']
    monkeypatch.setattr(environments, '_install', lambda *args: environments._checked(fails))
    monkeypatch.setenv('STYLEGAN2_VENVS', str(tmp_path))
    for _ in range(2):
        try:
            environments.prepare((3, 11), 'newest', sys.executable)
        except environments.SetupError as e:
            assert 'no route' in str(e) and 'exit code 3' in str(e)
        else:
            raise AssertionError('the second call must try again')


def test_this_python_is_found():
    if not os.access(sys.executable, os.X_OK):
        pytest.skip('this Python was started with the rights of somebody else')
    path = environments.find_python(sys.version_info[:2])
    assert path is not None and os.access(path, os.X_OK)
    assert environments.find_python((3, 2)) is None


def test_the_next_line_can_be_copied(tmp_path, monkeypatch, capsys):
    made = environments.Environment(str(tmp_path / 'my venvs' / 'bin' / 'python'), (3, 13), 'newest')
    monkeypatch.setattr(environments, 'best', lambda say: made)
    monkeypatch.setattr(environments, 'build_operations', lambda python, say: say('Native operations: built'))
    monkeypatch.chdir(tmp_path)
    assert environments.main() == 0
    out, err = capsys.readouterr()
    assert out == made.python + '\n'  # alone, for PYTHON=$(make setup)
    assert err.splitlines()[-2:] == ['To use it, type:', "source 'my venvs/bin/activate'"]
    monkeypatch.chdir(tmp_path / '..')
    assert environments.activation(made) == "source '%s/my venvs/bin/activate'" % tmp_path.name
    (tmp_path / 'other').mkdir()
    monkeypatch.chdir(tmp_path / 'other')
    assert environments.activation(made) == "source '%s/my venvs/bin/activate'" % tmp_path


def test_progress_line():
    line = demo.progress_line(150, 600, 100, 2.0, 'train')
    assert '######   ' in line and ' 25 %' in line and '1m 40s so far' in line and '15m 00s left' in line


def test_native_operations_are_built_ahead_and_may_fail(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path))
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\necho Building ...\necho "$STYLEGAN2_CACHE/$*"\n')
    python.chmod(0o755)
    environments.build_operations(str(python), lines.append)
    assert 'compiling' in lines.pop(0) and lines == ['Native operations: %s/-m dnnlib.tflib.ops.build' % tmp_path]
    python.write_text('#!/bin/sh\necho "build.py: error: no compiler" >&2\nexit 2\n')
    environments.build_operations(str(python), lines.append)
    python.write_text('#!/bin/sh\nexit 5\n')
    environments.build_operations(str(python), lines.append)
    assert lines[2::2] == ['Native operations: build.py: error: no compiler', 'Native operations: exit code 5']
