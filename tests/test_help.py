"""The help of every program and of each of its commands is kept in tests/data/help.

After a change on purpose: `STYLEGAN2_WRITE_HELP=1 pytest tests/test_help.py`.
"""

import os
import pathlib
import re
import sys

import pytest

import dataset_tool
import run_explorer
import run_generator
import run_metrics
import run_projector
import run_training
import run_translator
from dnnlib import doctor
from dnnlib.tflib.ops import build
from metrics import weights
from training import plot

FOLDER = pathlib.Path(__file__).parent / 'data' / 'help'
PROGRAMS = [dataset_tool, run_explorer, run_generator, run_metrics, run_projector, run_training, run_translator,
            doctor, plot, build, weights]


def help_of(program, args, capsys, monkeypatch):
    """Help of a program or command as one text."""
    monkeypatch.setattr(sys, 'argv', [program.__name__ + '.py'])
    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.delenv('STYLEGAN2_OPS', raising=False)
    with pytest.raises(SystemExit) as info:
        program.main(args + ['--help'])
    assert info.value.code == 0
    return capsys.readouterr().out


def commands_in(text):
    """Names of the commands in the help of a program, in order."""
    listed = text.split('\n  COMMAND\n')[1:]
    return re.findall(r'^    ([a-z][a-z0-9_-]*)(?:  |$)', listed[0], re.MULTILINE) if listed else []


def same(text):
    """A text without what differs between versions of Python: line breaks, a heading, how two names are written."""
    text = re.sub(r'\s+', ' ', text.replace('optional arguments:', 'options:')).replace('[ ', '[').strip()
    return re.sub(r'(--?[a-z-]+) ([A-Z]+), (--[a-z-]+) \2', r'\1, \3 \2', text)


@pytest.mark.parametrize('program', PROGRAMS, ids=lambda program: program.__name__)
def test_help_is_the_golden_one(program, capsys, monkeypatch):
    name = program.__name__ + '.py'
    texts = [(name, help_of(program, [], capsys, monkeypatch))]
    for command in commands_in(texts[0][1]):
        texts.append((command, help_of(program, [command], capsys, monkeypatch)))
    found = ''.join('=== {}\n{}\n'.format(*item) for item in texts)
    golden = FOLDER / (program.__name__ + '.txt')
    if os.environ.get('STYLEGAN2_WRITE_HELP'):
        golden.write_text(found, encoding='utf-8')
    assert same(found) == same(golden.read_text(encoding='utf-8'))


def test_commands_are_found(capsys, monkeypatch):
    counts = {program.__name__: len(commands_in(help_of(program, [], capsys, monkeypatch))) for program in PROGRAMS[:7]}
    assert counts == {'dataset_tool': 17, 'run_explorer': 0, 'run_generator': 10, 'run_metrics': 0, 'run_projector': 5,
                      'run_training': 0, 'run_translator': 2}
