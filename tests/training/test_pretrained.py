"""Tests of loading networks by path, URL and short name."""

import hashlib
import os

import numpy as np
import pytest

from dnnlib import UserError
from dnnlib.tflib import network_pickle
from training import pretrained


def test_the_generator_alone_is_gs_and_nothing_else_is_built(session, data_dir):
    path = str(data_dir / 'configf_r32.pkl')
    Gs = pretrained.load_generator(path)
    assert Gs.name == 'Gs'
    scopes = {op.name.split('/')[0] for op in session.graph.get_operations()}
    assert 'D' not in scopes and 'G' not in scopes
    reference = np.load(str(data_dir / 'configf_r32.npz'))
    image = Gs.run(reference['latents'][:1], None, truncation_psi=None, randomize_noise=False)
    np.testing.assert_allclose(image, reference['images'][:1], atol=1e-3)


def test_a_file_without_three_networks_is_refused_by_name(session, tmp_path):
    path = str(tmp_path / 'pair.pkl')
    network_pickle.save(({}, {}), path)
    for load in (pretrained.load_generator, pretrained.load_networks):
        with pytest.raises(UserError, match='pair.pkl'):
            load(path)


def test_downloads_are_kept_in_the_cache_of_the_environment(session, data_dir, tmp_path, monkeypatch):
    from generator import info
    from training import misc
    url = 'https://host.example/net.pkl'
    data = (data_dir / 'labels3_r16.pkl').read_bytes()
    (tmp_path / '{}_net.pkl'.format(hashlib.md5(url.encode()).hexdigest())).write_bytes(data)
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path))
    assert info.read_file(url) == data and pretrained.load_generator(url).name == 'Gs'
    with misc.open_file_or_url(url) as f:
        assert f.read() == data


def test_a_name_is_resolved_once(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / 'classes.json').write_text('["a stranger\'s"]')
    (tmp_path / 'net.pkl').write_bytes(b'\x80\x04')
    url = 'https://host.example/net.pkl'
    assert pretrained.resolve(url) == (url, url, None)
    assert pretrained.resolve('cat-config-f').folder is None and '://' in pretrained.resolve('cat-config-f').path
    assert pretrained.resolve('cats64').folder == os.path.dirname(pretrained.DEMO_NETWORK)
    local = pretrained.resolve('net.pkl')
    assert local == ('net.pkl', 'net.pkl', '.') and pretrained.resolve(local) is local
    assert pretrained.resolve(os.path.join('a', 'net.pkl')).folder == 'a'
    with pytest.raises(UserError, match='cat-config-f'):
        pretrained.resolve('cat-config-g')
    pretrained.check_network_file(local)
