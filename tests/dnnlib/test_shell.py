"""What is printed to be typed."""

import os

import pytest

from dnnlib import shell


def test_paths_are_short_if_they_are_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert shell.short(str(tmp_path / 'a' / 'b')) == os.path.join('a', 'b')
    assert shell.short(str(tmp_path.parent / 'c')) == str(tmp_path.parent / 'c')

    def other_drive(path):
        raise ValueError('path is on mount')
    monkeypatch.setattr(os.path, 'relpath', other_drive)
    assert shell.short('Z:/a') == 'Z:/a'


@pytest.mark.parametrize('system, line', [('posix', "python 'my run'"), ('nt', 'python "my run"')])
def test_commands_are_quoted_for_the_shell(monkeypatch, system, line):
    monkeypatch.setattr(shell.os, 'name', system)
    assert shell.line(['python', 'my run']) == line
