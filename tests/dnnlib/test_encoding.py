"""Programs where the system claims that all names are ASCII: the names that people use are right nevertheless."""

import os
import pathlib
import subprocess
import sys

import pytest

import dnnlib.doctor
from dnnlib import encoding, images

ROOT = pathlib.Path(__file__).parent.parent.parent
ASCII = dict(LC_ALL='C', PYTHONCOERCECLOCALE='0', PYTHONUTF8='0', PYTHONIOENCODING='ascii')


def test_a_program_in_ascii(tmp_path):
    for name in ('K\xe4fer/\xe9.png', '\u6f22\u5b57/1.png'):
        path = tmp_path / 'bilder-\xe4' / name
        path.parent.mkdir(parents=True)
        images.save_png(images.ContactSheet(1, (3, 8, 8)).canvas, str(path))
    (tmp_path / 'bilder-\xe4' / 'K\xe4fer' / '\xfcbel.png').write_text('no picture')
    words = [str(ROOT / 'dataset_tool.py'), 'create_from_images', 'd\xe4t\xe4', 'bilder-\xe4', '--bad=skip']
    run = subprocess.run(
        [sys.executable] + words, cwd=str(tmp_path), env=dict(os.environ, **ASCII),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = run.stdout.decode('ascii')
    assert run.returncode == 0 and "'K\\xe4fer' of K\\xe4fer/" in text and '\\u6f22\\u5b57 (1)' in text, text
    assert 'd\\xe4t\\xe4' in text
    assert '\xfcbel.png' in (tmp_path / 'd\xe4t\xe4' / 'skipped.csv').read_text(encoding='utf-8')


@pytest.mark.parametrize('name, argv, command', [
    (None, [__file__, 'a'], [__file__, 'a']), (None, ['-c', 'a'], None),
    ('x.doctor', ['/x/doctor.py', 'a'], ['-m', 'x.doctor', 'a'])])
def test_the_command_that_is_started_again(monkeypatch, name, argv, command):
    started = []
    spec = None if name is None else dnnlib.doctor.__spec__.__class__(name, None)
    monkeypatch.setattr(sys.modules['__main__'], '__spec__', spec)
    monkeypatch.setattr(sys, 'argv', argv)
    monkeypatch.setattr(subprocess, '_args_from_interpreter_flags', lambda: ['-B'])
    monkeypatch.setattr(os, 'execve', lambda path, words, env: started.append(
        (words, env['LC_ALL'], env['PYTHONUTF8'])))
    for variable in ('LC_ALL', 'PYTHONUTF8'):
        monkeypatch.delenv(variable, raising=False)
    encoding.start_in_utf8()
    assert not started  # names are UTF-8 already
    monkeypatch.setattr(sys, 'getfilesystemencoding', lambda: 'ascii')
    encoding.start_in_utf8()
    assert started == ([] if command is None else [([sys.executable, '-B'] + command, 'C.UTF-8', '1')])
    monkeypatch.setenv('LC_ALL', 'C.UTF-8')
    monkeypatch.setenv('PYTHONUTF8', '1')
    encoding.start_in_utf8()  # it did not help: no third time
    assert len(started) == (command is not None)
