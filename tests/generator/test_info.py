"""What `info` says about network files, and about files that ask for something else."""

import io
import os
import pickle

import pytest

import run_generator
from dnnlib import UserError, cli
from generator import info
from tests.metrics.features import weight_writers


def described(data):
    """Lines by their first word."""
    return {line.split()[0]: ' '.join(line.split()[1:]) for line in reversed(info.describe(data))}


def test_the_hash_of_the_projector(generator, networks):
    from dnnlib import tflib
    from dnnlib.files import network_file
    with open(networks[0], 'rb') as f:
        found = [line.split()[1] for line in info.describe(f.read()) if line.startswith('  hash ')]
    values = tflib.run(dict(generator.vars))
    assert found == 2 * [network_file.weights_hash(values)]  # of G and Gs, which are the same in this file
    values['G_synthesis/noise0'] = values['G_synthesis/noise0'] + 1
    assert network_file.weights_hash(values) == found[0]
    values['dlatent_avg'] = values['dlatent_avg'] + 1
    assert network_file.weights_hash(values) != found[0]


@pytest.mark.parametrize('name, kind, pictures, config, parameters', [
    ('configf_r32', 'StyleGAN2 network pickle: G, D, Gs', '32x32, 3 channels, no labels', 'fmap_base 1024', 322707),
    ('labels3_r16', 'StyleGAN2 network pickle: G, D, Gs', '16x16, 3 channels, 3 labels', 'fmap_base 1024', 240462),
    ('gresnet_dskip_r32', 'StyleGAN2 network', '32x32', "config-e with a generator of architecture 'resnet'", 321930),
    ('configd_r16', 'StyleGAN2 network', '16x16', 'config-b, config-c or config-d', 236174),
    ('configa_r16', 'StyleGAN network pickle', '16x16', 'config-a', 253257)])
def test_reference_files(data_dir, name, kind, pictures, config, parameters):
    lines = described((data_dir / (name + '.pkl')).read_bytes())
    assert lines['Kind'].startswith(kind) and lines['Pictures'].startswith(pictures) and config in lines['Config']
    assert '{:,} parameters'.format(parameters) in lines['Gs'] and 'resolution=' in lines['options']
    assert lines['Refused'] == 'nothing'


def test_the_hash_is_that_of_the_weights(generator, networks, tmp_path):
    from dnnlib.tflib import network_pickle

    def hashes(data):
        return [line for line in info.describe(data) if line.startswith('  SHA-256')]

    def saved():
        network_pickle.save([generator], str(tmp_path / 'copy.pkl'))
        return hashes((tmp_path / 'copy.pkl').read_bytes())
    before, bias = saved(), generator.get_var('G_mapping/Dense1/bias')
    with open(networks[0], 'rb') as f:
        assert hashes(f.read())[2:] == before  # a file of other networks as well
    generator.set_var('G_mapping/Dense1/bias', bias + 1e-3)
    after = saved()
    generator.set_var('G_mapping/Dense1/bias', bias)
    assert after != before and saved() == before


def test_command_needs_no_tensorflow_and_answers_in_one_line(data_dir, tmp_path, capsys):
    run_generator.main(['info', str(data_dir / 'configf_r32.pkl')])
    out = capsys.readouterr().out
    assert 'configf_r32.pkl, 3.8 MiB' in out and 'd1a2fafbdd92c7ed' in out
    (tmp_path / 'text.pkl').write_text('hello there')
    (tmp_path / 'cut.pkl').write_bytes((data_dir / 'configf_r32.pkl').read_bytes()[:5000])
    for name, message in [('text.pkl', 'text.pkl: neither'), ('cut.pkl', 'cut.pkl: .*truncated'), ('', 'is a folder')]:
        with pytest.raises(UserError, match=message):
            run_generator.main(['info', str(tmp_path / name)])
    with pytest.raises(OSError):
        run_generator.main(['info', str(tmp_path / 'missing.pkl')])


class Hostile:
    def __reduce__(self):
        return os.mkdir, ('made-by-a-pickle',)


def test_what_was_refused_is_named_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    data = pickle.dumps([Hostile(), Hostile(), io.UnsupportedOperation('x')], 2)
    lines = info.describe(data)
    assert lines[0] == 'Kind        a pickle without networks: list'
    assert lines[1] == 'Refused     posix.mkdir, io.UnsupportedOperation' and os.listdir(str(tmp_path)) == []


def test_pytorch_files(tmp_path):
    import numpy as np
    for zipped in (False, True):
        data = weight_writers.torch_file({'a.weight': np.zeros([2, 3], np.float32)}, zipped)
        lines = info.describe(data)
        assert lines[0] == 'Kind        PyTorch weight file: 1 tensor, 6 numbers'
        assert lines[2] == '  a.weight float32 [2, 3]'


@pytest.mark.parametrize('changes', [
    dict(build_func_name=['G_main']), dict(name=b'x', build_func_name=3), dict(static_kwargs={1: 2, 'a': [3], None: 4}),
    dict(static_kwargs=dict(resolution=None, label_size='x', num_channels=[])), dict(static_kwargs=7),
    dict(components={1: 2}), dict(variables=5), dict(variables=[(1, 2), ('a',), ('b', 'c')]), dict(build_module_src=3),
    dict(components={'synthesis': None})])
def test_states_of_any_shape_are_described(changes, monkeypatch):
    """Found by benchmarks/fuzz_pickles.py: what a file says about itself need not make sense."""
    from dnnlib.files import network_file
    network = network_file.NetworkState()
    component = network_file.NetworkState()
    component.set_state(dict(build_func_name='G_synthesis_stylegan2', static_kwargs=dict(fmap_base=[1])))
    state = dict(version=4, name='G', build_func_name='G_main', static_kwargs={}, components={'synthesis': component})
    network.set_state(dict(state, **changes))
    monkeypatch.setattr(network_file, 'read_inert', lambda file, refused: (network, network))
    lines = info.describe(b'\x80')
    assert lines[0].startswith('Kind') and lines[-1] == 'Refused     nothing'


def test_texts_of_a_file_do_not_command_the_terminal(tmp_path, capsys):
    name = 'a\x1b[2J\ud800'
    state = {'version': 4, 'name': name, 'variables': [(name, 1.5)], 'static_kwargs': {name: 2}}
    data = b'\x80\x04cdnnlib.tflib.network\nNetwork\n)\x81' + pickle.dumps(state, 4)[2:-1] + b'b.'
    (tmp_path / 'a.pkl').write_bytes(data)
    run_generator.main(['info', str(tmp_path / 'a.pkl')])
    printed = capsys.readouterr().out
    assert 'a?[2J??' not in printed and 'a?[2J?' in printed and '\x1b' not in printed
    (tmp_path / 'a.pkl').write_bytes(b'\x80\x04cos\x1b[2J\nb\n.')
    with pytest.raises(SystemExit):
        cli.run_main(run_generator.main, ['export', str(tmp_path / 'a.pkl'), str(tmp_path / 'a.npz')])
    assert 'asks for os?[2J.b' in capsys.readouterr().err
