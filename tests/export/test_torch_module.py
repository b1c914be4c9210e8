"""The PyTorch export: what is written is read back; the module beside it, as far as possible without PyTorch."""

import sys
import types

import numpy as np
import pytest

import run_generator
from dnnlib.files import torch_file
from dnnlib.util import UserError
from export import torch_module
from generator import network_data
from training import pretrained
from training.torch_files import networks


def states(path):
    return pretrained.read_states(path.read_bytes())


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torch', None)


@pytest.mark.parametrize('name', ['configf_r32.pkl', 'gresnet_dskip_r32.pkl', 'labels3_r16.pkl', 'ada_r16.pkl',
                                  'mit_r16.pt'])
def test_what_is_written_is_read_back(data_dir, tmp_path, capsys, no_torch, name):
    path = tmp_path / 'net.pt'
    run_generator.main(['export', str(data_dir / name), str(path)])
    out = capsys.readouterr().out
    assert 'read back, the tensors are the same' in out
    assert 'not checked: torch is not installed' in out
    first, (G, D, again) = states(data_dir / name)[2].state, states(path)
    again = again.state
    assert D is None and G.state is again and again['static_kwargs'] == first['static_kwargs']
    assert again['build_func_name'] == first['build_func_name'] and again['name'] == first['name']
    for a, b in [(first, again)] + [(network_data.components_of(first)[key], network_data.components_of(again)[key])
                                    for key in ('mapping', 'synthesis')]:
        a, b = network_data.variables_of(a), network_data.variables_of(b)
        assert set(a) == set(b)
        for key in a:
            np.testing.assert_allclose(b[key], a[key], rtol=0, atol=2.5e-7 if key.endswith('mod_bias') else 0)
            assert a[key].shape == b[key].shape and b[key].dtype == np.float32
    text = (tmp_path / 'net.py').read_text(encoding='utf-8')
    assert "Generator('net.pt')" in text
    compile(text, 'net.py', 'exec')
    assert sorted(item.name for item in tmp_path.iterdir()) == ['net.pt', 'net.py']


def test_names_are_those_of_stylegan2_ada(data_dir):
    """Without our options the file is a state dictionary like any other, and the same network."""
    with open(str(data_dir / 'ada_r16.pkl'), 'rb') as f:
        Gs = pretrained.read_states(f.read())[2].state
    content = torch_module.content_of(Gs)
    from dnnlib.files import network_file
    module = network_file.read_inert((data_dir / 'ada_r16.pkl').read_bytes())['G_ema']
    expected = module.tensors()
    found = {name: value for name, value in content['G_ema'].items() if name in expected}
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=2.5e-7)
        assert np.shape(found[name]) == value.shape


def test_labels_of_stylegan2_have_a_name_of_their_own(data_dir, tmp_path):
    content = torch_module.content_of(torch_module.last_generator(states(data_dir / 'labels3_r16.pkl')))
    assert content['G_ema']['mapping.label.weight'].shape == (64, 3)
    assert content['format'] == networks.EXPORT_FORMAT


@pytest.mark.parametrize('name, output, message', [
    ('configa_r16.pkl', 'a.pt', 'config-e, config-f and StyleGAN2-ADA, not G_style with G_synthesis$'),
    ('configd_r16.pkl', 'a.pt', 'not G_main with G_synthesis_stylegan_revised$'),
    ('labels3_r16.pkl', '1-a.pt', 'a name that Python can import')])
def test_what_cannot_be_written(data_dir, tmp_path, name, output, message):
    with pytest.raises(UserError, match=message):
        run_generator.main(['export', str(data_dir / name), str(tmp_path / output)])
    assert list(tmp_path.iterdir()) == []


def test_modules_of_others_are_not_replaced(data_dir, tmp_path, no_torch):
    args = ['export', str(data_dir / 'mit_r16.pt'), str(tmp_path / 'train.pt')]
    (tmp_path / 'train.py').write_text('print(1)\n')
    with pytest.raises(UserError, match="train.py' exists and was not written by export"):
        run_generator.main(args)
    assert [item.name for item in tmp_path.iterdir()] == ['train.py']
    (tmp_path / 'train.py').unlink()
    for _ in range(2):  # our own one is
        run_generator.main(args)


@pytest.fixture
def template(monkeypatch):
    """The module, imported with a stand-in for PyTorch."""
    import importlib
    from unittest import mock
    torch = mock.MagicMock()
    torch.nn.Module = object
    monkeypatch.setitem(sys.modules, 'torch', torch)
    monkeypatch.setitem(sys.modules, 'torch.nn', torch.nn)
    monkeypatch.setitem(sys.modules, 'torch.nn.functional', torch.nn.functional)
    monkeypatch.delitem(sys.modules, 'export.torch_template', raising=False)
    yield importlib.import_module('export.torch_template')
    sys.modules.pop('export.torch_template', None)


def test_seeds_are_those_of_numpy(template):
    for seed in (0, 1, 12345, 2 ** 32 - 1):
        np.testing.assert_array_equal(template.normals(seed, 701), np.random.RandomState(seed).randn(701))


@pytest.mark.parametrize('error', [0, 0.01, float('nan')])
def test_a_module_that_draws_something_else_is_noticed(data_dir, tmp_path, monkeypatch, capsys, error):
    rnd = np.random.RandomState(0)
    latents, images = np.float32(rnd.randn(3, 512)), np.float32(rnd.randn(3, 3, 32, 32))
    monkeypatch.setattr(torch_module, 'reference', lambda path: (latents, None, images))

    class Array(np.ndarray):
        def numpy(self):
            return np.asarray(self)
    torch = types.ModuleType('torch')
    torch.__version__, torch.tensor = '0.0', lambda x: np.array(x).view(Array)
    monkeypatch.setitem(sys.modules, 'torch', torch)
    (tmp_path / 'template.py').write_text('''
class Generator:
    def __init__(self, path):
        assert path.endswith('_net.pt')  # not in its place yet
    def generate(self, z, labels):
        assert labels is None
        return IMAGES + ERROR
    def latents(self, seeds):
        return LATENTS
'''.replace('IMAGES', '__import__("sys").images').replace('LATENTS', '__import__("sys").latents').replace(
        'ERROR', 'float("{}")'.format(error)))
    monkeypatch.setattr(torch_module, '_TEMPLATE', str(tmp_path / 'template.py'))
    monkeypatch.setattr(sys, 'images', images.view(Array), raising=False)
    monkeypatch.setattr(sys, 'latents', latents.view(Array), raising=False)
    args = ['export', str(data_dir / 'configf_r32.pkl'), str(tmp_path / 'net.pt')]
    if error == 0:
        run_generator.main(args)
        assert 'opened by PyTorch 0.0, 3 pictures differ by at most 0 from ours' in capsys.readouterr().out
    else:
        with pytest.raises(UserError, match='the pictures of PyTorch 0.0 differ by .* nothing was written'):
            run_generator.main(args)
        assert [item.name for item in tmp_path.iterdir()] == ['template.py']


def test_pictures_are_those_of_the_graph(data_dir, tmp_path, graph, capsys):
    pytest.importorskip('torch')
    for name in ('labels3_r16.pkl', 'ada_r16.pkl'):
        run_generator.main(['export', str(data_dir / name), str(tmp_path / 'net.pt')])
        assert 'opened by PyTorch' in capsys.readouterr().out


@pytest.mark.parametrize('config', [
    '{', '[]', '[' * 100000, '["a"]', '{"family": ["a"]}', '{"family": "x"}',
    '{"family": "stylegan2", "static_kwargs": 3}'])
def test_options_that_are_damaged(data_dir, config):
    content = torch_module.content_of(torch_module.last_generator(states(data_dir / 'configf_r32.pkl')))
    budget = torch_file.safe_pickle.Budget(1 << 30)

    def tensor(array):
        array = np.asarray(array)
        storage = torch_file.Storage('<f4')
        storage.values = np.ravel(array)
        strides = [stride // 4 for stride in np.zeros_like(array, order='C').strides]
        return torch_file.Tensor(budget, storage, 0, array.shape, strides)
    content['G_ema'] = {name: tensor(value) for name, value in content['G_ema'].items()}
    assert networks.read(content)[2].state['name'] == 'Gs'
    with pytest.raises(UserError, match='options are damaged'):
        networks.read(dict(content, config=config))
