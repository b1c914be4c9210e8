"""Published helper names, names of published networks, and loading of network files."""

import pickle

import numpy as np
import pytest

import dnnlib
from training import misc, pretrained


def test_published_names():
    urls = pretrained.gdrive_urls
    assert len(urls) == 36
    base = 'https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/'
    for name in ['stylegan2-ffhq-config-f.pkl', 'stylegan2-horse-config-a.pkl',
                 'table2/stylegan2-car-config-e-Gskip-Dresnet.pkl']:
        assert pretrained.get_path_or_url('gdrive:networks/' + name) == base + name
    assert 'gdrive:networks/stylegan2-cat-config-b.pkl' not in urls
    assert pretrained.get_path_or_url('some/file.pkl') == 'some/file.pkl'
    with pytest.raises(dnnlib.UserError, match='ffhq-config-g'):
        pretrained.get_path_or_url('gdrive:networks/stylegan2-ffhq-config-g.pkl')


def test_network_files_are_checked_without_tensorflow(tmp_path, data_dir):
    pretrained.check_network_file(str(data_dir / 'configf_r32.pkl'))
    pretrained.check_network_file('https://host.org/network.pkl')
    (tmp_path / 'text.pkl').write_text('hello')
    (tmp_path / 'empty.pkl').write_text('')
    for name in ['text.pkl', 'empty.pkl', 'missing.pkl']:
        with pytest.raises(dnnlib.UserError, match=name):
            pretrained.check_network_file(str(tmp_path / name))


def test_load_networks_reads_the_published_format(session, data_dir):
    G, D, Gs = pretrained.load_networks(str(data_dir / 'configf_r32.pkl'))
    assert [net.name for net in (G, D, Gs)] == ['G', 'D', 'Gs']
    expected = np.load(str(data_dir / 'configf_r32.npz'))
    images = Gs.run(expected['latents'][:2], None, truncation_psi=None, randomize_noise=False)
    np.testing.assert_allclose(images, expected['images'][:2], atol=1e-3)


def test_load_networks_refuses_other_pickles(session, tmp_path):
    for i, obj in enumerate([[1, 2, 3], {'a': 1}, (1, 2)]):
        path = tmp_path / '{}.pkl'.format(i)
        path.write_bytes(pickle.dumps(obj, protocol=2))
        with pytest.raises(dnnlib.UserError, match='{}.pkl'.format(i)):
            pretrained.load_networks(str(path))


def test_networks_survive_save_and_load(session, tmp_path, data_dir):
    G, _, _ = misc.load_pkl(str(data_dir / 'labels3_r16.pkl'))
    misc.save_pkl(G, str(tmp_path / 'g.pkl'))
    with misc.open_file_or_url((tmp_path / 'g.pkl').as_uri()) as f:
        assert f.read(1) == b'\x80'
    again = misc.load_pkl(str(tmp_path / 'g.pkl'))
    latents, labels = np.random.RandomState(0).randn(1, *G.input_shape[1:]), np.eye(3)[:1]
    options = dict(truncation_psi=0.5, randomize_noise=False)
    np.testing.assert_array_equal(G.run(latents, labels, **options), again.run(latents, labels, **options))


def test_mirror_augment_flips_about_half_and_keeps_its_input():
    np.random.seed(0)
    images = np.random.RandomState(1).randint(0, 256, [200, 1, 2, 4])
    before = images.copy()
    mirrored = misc.apply_mirror_augment(images)
    np.testing.assert_array_equal(images, before)
    kept = (mirrored == images).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(mirrored[~kept], images[~kept][..., ::-1])
    assert 70 < kept.sum() < 130


def test_config_of_a_previous_run(tmp_path):
    config = dnnlib.SubmitConfig(run_func_kwargs=dict(mirror_augment=True, dataset_args=dict(tfrecord_dir='ffhq')))
    (tmp_path / 'submit_config.pkl').write_bytes(pickle.dumps(config, protocol=3))
    found = misc.parse_config_for_previous_run(str(tmp_path))
    assert found.train.mirror_augment is True and found.dataset == {'tfrecord_dir': 'ffhq'}
    with pytest.raises(OSError):
        misc.parse_config_for_previous_run(str(tmp_path / 'missing'))
