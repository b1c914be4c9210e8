"""The help of every command is kept in tests/data/help; every command in docs/generator.md is one that is accepted.

After a change on purpose: `STYLEGAN2_WRITE_HELP=1 pytest tests/generator/test_help.py`.
"""

import os
import pathlib
import re
import shlex
import sys

import pytest

import run_generator
from dnnlib import cli

ROOT = pathlib.Path(__file__).parent.parent.parent
GOLDEN = ROOT / 'tests' / 'data' / 'help' / 'run_generator.txt'
COMMANDS = ('', 'generate-images', 'style-mixing-example', 'interpolate', 'grid', 'mix', 'directions', 'edit', 'blend',
            'export', 'info')


def help_of(command, capsys, monkeypatch):
    """Help of a command as one text, the same under every Python."""
    monkeypatch.setattr(sys, 'argv', ['run_generator.py'])
    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.delenv('STYLEGAN2_OPS', raising=False)
    with pytest.raises(SystemExit) as info:
        run_generator.main(([command] if command else []) + ['--help'])
    assert info.value.code == 0
    return capsys.readouterr().out.replace('optional arguments:', 'options:')


def same(text):
    """A text without its line breaks, which differ between versions of Python."""
    return re.sub(r'\s+', ' ', text).replace('[ ', '[').strip()


def test_help_is_the_golden_one(capsys, monkeypatch):
    found = ''.join('=== {}\n{}\n'.format(command or 'run_generator.py', help_of(command, capsys, monkeypatch))
                    for command in COMMANDS)
    if os.environ.get('STYLEGAN2_WRITE_HELP'):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(found, encoding='utf-8')
    assert same(found) == same(GOLDEN.read_text(encoding='utf-8'))


def test_every_command_is_in_the_golden_file(capsys, monkeypatch):
    listed = re.findall(r'^    ([a-z-]+)(?: |$)', help_of('', capsys, monkeypatch), re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS[1:])


def documented():
    page = (ROOT / 'docs' / 'generator.md').read_text(encoding='utf-8')
    return re.findall(r'^python run_generator.py (.*)$', page, re.MULTILINE)


@pytest.mark.parametrize('line', documented())
def test_documented_commands_are_accepted(line):
    name, run, args = cli.parse_command(run_generator.make_parser(), shlex.split(line))
    assert callable(run) and name in COMMANDS
    for key in ('seeds', 'psis', 'take', 'index', 'strengths'):
        assert key not in args or isinstance(args[key], list)


def test_all_commands_are_documented():
    named = {line.split()[0] for line in documented()}
    assert named == set(COMMANDS) - {'', 'generate-images', 'style-mixing-example'}
