"""Every command in docs/generator.md and docs/export.md is one that is accepted, and every command is there."""

import pathlib
import re
import shlex

import pytest

import run_generator
from dnnlib import cli

ROOT = pathlib.Path(__file__).parent.parent.parent
COMMANDS = ('generate-images', 'style-mixing-example', 'interpolate', 'grid', 'mix', 'directions', 'edit', 'blend',
            'export', 'info')


def documented():
    page = ''.join((ROOT / 'docs' / name).read_text(encoding='utf-8') for name in ('generator.md', 'export.md'))
    return re.findall(r'^python run_generator.py (.*)$', page, re.MULTILINE)


@pytest.mark.parametrize('line', documented())
def test_documented_commands_are_accepted(line):
    name, run, args = cli.parse_command(run_generator.make_parser(), shlex.split(line))
    assert callable(run) and name in COMMANDS
    for key in ('seeds', 'psis', 'take', 'index', 'strengths'):
        assert key not in args or isinstance(args[key], list)


def test_all_commands_are_documented():
    named = {line.split()[0] for line in documented()}
    assert named == set(COMMANDS) - {'generate-images', 'style-mixing-example'}
