"""Every command in docs/generator.md and docs/export.md is accepted, those of the former run, and all are there."""

import pathlib
import re
import shlex

import pytest

import run_generator
from dnnlib import cli, tflib
from dnnlib.tflib import network_pickle
from training import pretrained

ROOT = pathlib.Path(__file__).parent.parent.parent
COMMANDS = ('generate-images', 'style-mixing-example', 'interpolate', 'grid', 'mix', 'directions', 'edit', 'blend',
            'export', 'info')


def documented(pages=('generator.md', 'export.md')):
    page = ''.join((ROOT / 'docs' / name).read_text(encoding='utf-8') for name in pages)
    return re.findall(r'^python run_generator.py (.*)$', page, re.MULTILINE)


@pytest.mark.parametrize('line', documented())
def test_documented_commands_are_accepted(line):
    name, run, args = cli.parse_command(run_generator.make_parser(), shlex.split(line))
    assert callable(run) and name in COMMANDS
    for key in ('seeds', 'psis', 'take', 'index', 'strengths'):
        assert key not in args or isinstance(args[key], list)


def test_one_command_is_parsed_as_among_all():
    """`make_parser` adds the one alone, so that the modules of the others are not loaded."""
    def sub_parsers(*argv):
        return next(action.choices for action in run_generator.make_parser(*argv)._actions if action.choices)
    everything = sub_parsers()
    assert tuple(everything) == COMMANDS and tuple(sub_parsers('no-such-command')) == COMMANDS
    for name in COMMANDS:
        alone = sub_parsers(name)
        assert len(alone) < 4 and alone[name].format_help() == everything[name].format_help()


def test_all_commands_are_documented():
    named = {line.split()[0] for line in documented()}
    assert named == set(COMMANDS) - {'generate-images', 'style-mixing-example'}


def test_the_commands_of_the_page_run(graph, tmp_path, monkeypatch, capsys):
    """In the order of the page, on a network of the size of the shipped one with few feature maps."""
    small = dict(num_channels=3, resolution=64, label_size=0, fmap_max=4)
    G = tflib.Network('G', 'training.networks_stylegan2.G_main', latent_size=8, dlatent_size=8, mapping_fmaps=8,
                      mapping_layers=2, **small)
    D = tflib.Network('D', 'training.networks_stylegan2.D_stylegan2', **dict(small, resolution=8))  # loads fast
    (tmp_path / 'networks').mkdir()
    for name in ('networks/cats64.pkl', 'other.pkl'):
        network_pickle.save((G, D, G), str(tmp_path / name))
    demo = str(tmp_path / 'networks' / 'cats64.pkl')
    loaded = pretrained.load_generator
    monkeypatch.setattr(pretrained, 'load_generator', lambda file, *_: G if file.path == demo else loaded(file))
    monkeypatch.setattr(pretrained, 'load_networks', lambda file: (G, D, G))  # blend: building them takes long
    monkeypatch.chdir(str(tmp_path))
    lines = [line for line in documented(['generator.md']) if '.onnx' not in line]  # see test_export_graph.py
    assert len(lines) > 7
    for line in lines:
        args = shlex.split(line)
        if args[0] == 'edit':  # the number of the run directory is that of the user
            found, = (tmp_path / 'results').glob('*-directions')
            args = [re.sub('results/[0-9]*-directions', str(found.relative_to(tmp_path)), word) for word in args]
        if args[0] not in ('blend', 'export', 'info'):
            args.append('--network=' + demo)
        run_generator.main(args)
    for name, files in [('interpolate', 'strip.png'), ('grid', 'grid.png'), ('mix', 'grid.png'), ('edit', 'grid.png'),
                        ('directions', 'directions.npz'), ('blend', 'blended.pkl')]:
        assert all((folder / files).is_file() for folder in (tmp_path / 'results').glob('*-' + name))
    assert len(list((tmp_path / 'results').iterdir())) == len(lines) - 2 and (tmp_path / 'cats64.safetensors').is_file()
    assert 'Kind        StyleGAN2 network pickle: G, D, G' in capsys.readouterr().out
