"""The program as a library: the examples of docs/api.md, and what they leave out."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import stylegan2
from dnnlib import UserError
from training import pretrained

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / 'tests' / 'data'


def test_the_examples_of_the_page_run(tmp_path):
    """All of them in one process, as a user types them."""
    page = (ROOT / 'docs' / 'api.md').read_text(encoding='utf-8')
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', page, re.MULTILINE | re.DOTALL))
    assert code.count('\n') > 15
    code += '\nassert again.min() < -0.5 and pictures.shape == (1, 64, 64, 3)\n'
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.run([sys.executable, '-c', code], cwd=str(tmp_path), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True, env=env)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[0] == '128 10 0 None'
    assert "no file and no network is called 'cat64'; do you mean cats64" in process.stdout
    assert os.listdir(str(tmp_path)) == ['cat.png']


def test_importing_does_no_work():
    code = 'import sys, stylegan2; sys.exit("tensorflow" in sys.modules)'
    assert subprocess.call([sys.executable, '-c', code], cwd=str(ROOT)) == 0


def test_two_networks_in_one_process(session):
    first, second = [stylegan2.load(str(DATA / name)) for name in ('configf_r32.pkl', 'labels3_r16.pkl')]
    assert first.image_shape == [32, 32, 3] and second.image_shape == [16, 16, 3] and second.label_size == 3
    for net, name in ((first, 'configf_r32'), (second, 'labels3_r16')):
        reference = np.load(str(DATA / (name + '.npz')))
        if net is first:
            images = net.generate(reference['seeds'].tolist(), truncation_psi=0.6, noise='const', as_float=True)
            np.testing.assert_allclose(images, reference['images_psi06'], atol=1e-3)
        else:
            classes = [str(label.argmax()) for label in reference['labels']]
            images = np.concatenate([net.generate([seed], label, 1, 'const', True)
                                     for seed, label in zip(reference['seeds'].tolist(), classes)])
            np.testing.assert_allclose(images, reference['images'], atol=1e-3)
    w = first.dlatents([5], truncation_psi=0.7)
    picture = first.draw(w)
    assert picture.dtype == np.uint8 and picture.shape == (1, 32, 32, 3)
    const = first.generate([5], truncation_psi=0.7, noise='const')
    assert np.abs(np.int32(picture) - const).max() <= 1
    seed = first.generate([5], truncation_psi=0.7)
    assert (seed != const).any()
    np.testing.assert_array_equal(first.generate([5], truncation_psi=0.7, noise='const'), const)  # noise is put back
    with pytest.raises(UserError, match='draw: dlatents of shape'):
        first.draw(w[:, :3])
    with pytest.raises(UserError, match="noise must be .* got 'none'"):
        first.generate([5], noise='none')
    with pytest.raises(UserError, match='trained without labels'):
        first.generate([5], class_name=1)


@pytest.mark.parametrize('content', ['{', '["dog", "house", "tree"]'])
def test_classes_of_a_stranger_in_the_working_directory(session, tmp_path, monkeypatch, content):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setitem(pretrained.SHORT_NAMES, 'cats64', str(DATA / 'labels3_r16.pkl'))
    (tmp_path / 'classes.json').write_text(content)
    net = stylegan2.load('cats64')
    assert net.class_names is None and net.label_size == 3
    with pytest.raises(UserError, match="no class 'dog'; expected 0 to 2$"):
        net.generate([1], 'dog')


def test_names_of_networks(tmp_path, monkeypatch):
    url = pretrained.get_path_or_url('gdrive:networks/stylegan2-ffhq-config-f.pkl')
    assert pretrained.get_path_or_url('ffhq-config-f') == url and url.startswith('https://')
    url = pretrained.get_path_or_url('car-config-e-Gskip-Dorig')
    assert url.endswith('table2/stylegan2-car-config-e-Gskip-Dorig.pkl')
    assert pretrained.get_path_or_url('cats64') == pretrained.DEMO_NETWORK
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / 'cats64').write_text('a file of that name comes first')
    assert pretrained.get_path_or_url('cats64') == 'cats64'
    for name in ('missing', './cats65', 'cats65.pkl'):
        assert pretrained.get_path_or_url(name) == name
