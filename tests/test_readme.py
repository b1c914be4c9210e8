"""Every command in the README and the docs is one that the programs accept, every link leads to a file.

test_readme_run.py runs those of the README.
"""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = ('run_training.py', 'run_generator.py', 'run_projector.py', 'run_metrics.py', 'run_translator.py',
            'run_explorer.py', 'dataset_tool.py')


def read(name):
    """Text of a file of the project."""
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read()


def pages():
    """The README and all pages in docs/."""
    names = sorted(os.listdir(os.path.join(ROOT, 'docs')))
    return ['README.md'] + ['docs/' + name for name in names if name.endswith('.md')]


def commands():
    """Argument lists of every command line of our programs in the README."""
    found = re.findall(r'^(?:python|docker run) .*$', read('README.md'), re.MULTILINE)
    found = [shlex.split(line) for line in found]
    starts = [[i for i, word in enumerate(words) if word in PROGRAMS] for words in found]
    return [words[start[0]:] for words, start in zip(found, starts) if start]


def commands_of_pages():
    """[(page, argument list)] of every command line of our programs in docs/."""
    found = []
    for page in pages()[1:]:
        text = read(page).replace('\\\n', ' ')
        found += [(page, shlex.split(line)) for line in re.findall(
            r'^ *python ((?:{}) .*)$'.format('|'.join(PROGRAMS)), text, re.MULTILINE)]
    return found


@pytest.fixture(scope='module')
def no_tensorflow(tmp_path_factory):
    """Environment in which importing TensorFlow fails: help must come without it."""
    folder = tmp_path_factory.mktemp('poison')
    (folder / 'tensorflow.py').write_text('raise ImportError("help should not need TensorFlow")\n')
    return dict(os.environ, PYTHONPATH=str(folder))


WITHOUT = """
import importlib, json, sys
for words in json.load(sys.stdin):
    try:
        importlib.import_module(words[0][:-3]).main(words[1:] + ['--help'])
    except SystemExit as error:
        assert not error.code, words
"""


def test_help_needs_no_tensorflow(no_tensorflow):
    subprocess.run([sys.executable, '-c', WITHOUT], input=json.dumps(commands()), universal_newlines=True, cwd=ROOT,
                   env=no_tensorflow, stdout=subprocess.DEVNULL, check=True)


def help_of(words, capsys):
    """What a program's `main` prints when --help ends a command line: the values before it have been checked."""
    with pytest.raises(SystemExit) as info:
        importlib.import_module(words[0][:-len('.py')]).main(words[1:] + ['--help'])
    text = capsys.readouterr().out
    assert info.value.code == 0, words
    return text


def test_there_are_commands():
    assert len(commands()) >= 10 and {words[0] for words in commands()} == set(PROGRAMS)


def test_commands_are_accepted(capsys):
    assert len(commands_of_pages()) >= 30
    helps = {}
    for page, words in [('README.md', words) for words in commands()] + commands_of_pages():
        start = words[:2] if len(words) > 1 and not words[1].startswith('-') else words[:1] + [
            word for word in words if word.startswith('--config=')]  # each method has options of its own
        text = helps[tuple(start)] if tuple(start) in helps else help_of(start, capsys)
        helps[tuple(start)] = text
        help_of(words, capsys)
        for option in re.findall(r'(?<!\S)--[\w-]+', ' '.join(words)):
            assert re.search(re.escape(option) + r'(?![\w-])', text), '%s: %s has no option %s' % (page, words, option)


@pytest.mark.parametrize('module', ['dnnlib.doctor', 'dnnlib.tflib.ops.build', 'training.plot'])
def test_modules_of_the_pages_are_commands(module):
    lines = [line for page in pages() for line in re.findall(r'^python -m {} ?(.*)$'.format(module), read(page), re.M)]
    assert lines
    text = subprocess.check_output([sys.executable, '-m', module, '--help'], cwd=ROOT, universal_newlines=True)
    for option in re.findall(r'(?<!\S)--?[a-z][\w-]*', ' '.join(lines)):
        assert re.search(r'(?<![\w-])' + re.escape(option) + r'(?![\w-])', text), option


def test_make_targets_exist():
    targets = set(re.findall(r'^(\w+):', read('Makefile'), re.MULTILINE))
    assert targets >= {'demo', 'test', 'setup'}
    for page in pages():
        for target in re.findall(r'(?:^|`)make (\w+)', read(page), re.MULTILINE):
            assert target in targets, '%s: make %s' % (page, target)


@pytest.mark.parametrize('page', pages())
def test_links_lead_to_files(page):
    for link in re.findall(r'\]\(([^)#\s]+)', read(page)):
        if '://' not in link:
            path = os.path.normpath(os.path.join(ROOT, os.path.dirname(page), link))
            assert os.path.exists(path), '%s: no file %s' % (page, link)


def test_the_architecture_names_every_room():
    from tests.test_house_rules import MAY_IMPORT, TRAINING_ROOMS
    rows = ' '.join(line.split('|')[1] for line in read('docs/architecture.md').splitlines() if line.startswith('| `'))
    rooms = list(TRAINING_ROOMS) + [room for room in MAY_IMPORT if room != 'tests']
    rooms += [name for name in os.listdir(ROOT) if name.endswith('.py')]
    for room in rooms:
        assert re.search('`%s/?`' % re.escape(room), rows), room


def test_set_options_of_the_readme_and_the_demo_are_known():
    sys.path.insert(0, ROOT)
    import demo
    import run_training
    from training.options import presets
    from training.options.settings import Settings, parse_assignment
    assignments = [word for words in commands() for flag, word in zip(words, words[1:]) if flag == '--set']
    assignments += ['%s=%s' % item for item in demo.SMALL.items()]
    args = run_training.parse_args(['--dataset=cats'])
    options = run_training.make_options(args)
    changes = Settings(options, presets.find(args.config), vars(args))
    changes.apply([parse_assignment(text, changes.groups) for text in assignments])
    assert options['dataset_args']['resolution'] == 32


def test_the_demo_steps_are_accepted(capsys):
    import demo
    for step in demo.steps():
        if not callable(step.command) and step.command[0] in PROGRAMS:
            help_of(step.command, capsys)
