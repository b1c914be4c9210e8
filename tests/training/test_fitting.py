"""What files of other programs have too much or too little: said in one line, and without effect on the rest."""

import os
import re

import numpy as np
import pytest

from dnnlib import UserError
from dnnlib.files import network_file
from training import misc, pretrained
from training.networks import fitting


def saved(data_dir, name='labels3_r16.pkl'):
    """The networks of a file, to be changed."""
    return network_file.read_inert((data_dir / name).read_bytes())


def write(networks, tmp_path):
    """Path of a file of these networks."""
    path = str(tmp_path / 'net.pkl')
    network_file.save(networks, path)
    return path


class Unknown:
    """An object of a class that no network file should name."""

    def __reduce__(self):
        return os.mkdir, ('made-by-a-pickle',)


def test_options_that_the_published_code_ignores(session, data_dir, tmp_path, capsys):
    """StyleGAN2's functions take any option; `use_noise` is one of StyleGAN's and of StyleGAN2-ADA's generators."""
    networks = saved(data_dir)
    for network in networks:
        network.state['static_kwargs'].update(use_noise=False, gan_mode='x' * 100)
    networks[2].state['components']['synthesis'].state['static_kwargs'].update(use_noise=False)
    Gs = pretrained.load_generator(write(networks, tmp_path))
    assert capsys.readouterr().out == (
        'net.pkl: options that the program which saved the file ignored are ignored here too: use_noise=False, '
        f'gan_mode={"x" * 40!r}.\n')
    assert 'use_noise' not in Gs.static_kwargs
    with np.load(str(data_dir / 'labels3_r16.npz')) as right:
        images = Gs.run(right['latents'], right['labels'], truncation_psi=1, randomize_noise=False)
        np.testing.assert_allclose(images, right['images'], atol=1e-3)
    with pytest.raises(UserError, match='unknown generator option use_noise'):  # somebody types it
        Gs.clone('Other', use_noise=False)


@pytest.mark.parametrize('source, ignored', [
    ('', True), ('from training.networks_stylegan2 import G_main\n', True),
    ('def G(latents_in, use_noises=1):\n', True),
    ('def G_main(latents_in, **kwargs): pass\ndef G_synthesis(x, use_noise=True): pass\n', False)])
def test_options_of_another_version_stay_unknown(data_dir, source, ignored):
    _, D, Gs = saved(data_dir)
    for network in (D, Gs):
        network.state.update(build_module_src=source)
        network.state['static_kwargs'].update(use_noise=False)
        notes = fitting.drop_ignored_options(network, pretrained.BUILD_MODULES)
        assert len(notes) == ignored and ('use_noise' in network.state['static_kwargs']) != ignored
    synthesis = Gs.state['components']['synthesis']
    assert fitting.drop_ignored_options(synthesis, pretrained.BUILD_MODULES) == []


def test_options_that_are_ours_are_kept(data_dir):
    for name in ('configa_r16.pkl', 'configd_r16.pkl', 'configf_r32.pkl', 'ada_r16.pkl', 'mit_r16.pt'):
        for network in pretrained.read_states((data_dir / name).read_bytes()):
            before = dict(network.state['static_kwargs'])
            assert fitting.drop_ignored_options(network, pretrained.BUILD_MODULES) == [], name
            assert network.state['static_kwargs'] == before


def test_variables_that_are_not_in_the_file(session, data_dir, tmp_path, capsys):
    _, D, Gs = saved(data_dir)
    Gs.state['variables'] = [item for item in Gs.state['variables'] if item[0] not in ('lod', 'dlatent_avg')]
    synthesis = Gs.state['components']['synthesis'].state
    synthesis['variables'] = [item for item in synthesis['variables'] if item[0] not in ('noise1', '4x4/Conv/bias')]
    path = write((Gs, D, Gs), tmp_path)
    Gs = pretrained.load_generator(path)
    assert capsys.readouterr().out.splitlines() == [
        'net.pkl: it has no mean of W, so nothing can be truncated; use --truncation-psi=1.',
        'net.pkl: the file lacks 1 of 5 noise maps; they are drawn at random, the same ones every time.',
        'net.pkl: variables of G_synthesis are not in the file, so they begin with initial values: 4x4/Conv/bias.']
    noise = Gs.get_var('G_synthesis/noise1')
    np.testing.assert_array_equal(noise, np.float32(np.random.RandomState(0).randn(*noise.shape)))
    assert not fitting.has_mean(Gs) and Gs.get_var('lod') == 0


def test_a_discriminator_of_unknown_classes(session, data_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(str(tmp_path))
    G, D, Gs = saved(data_dir)
    path = write((G, [Unknown()], Gs), tmp_path)
    note = 'the discriminator is left out, since it is unknown here (it asks for posix.mkdir)'
    assert pretrained.load_generator(path).name == 'Gs' and capsys.readouterr().out == f'net.pkl: {note}.\n'
    with pytest.raises(UserError, match='three networks G, D and Gs, but .*' + re.escape(note)):
        pretrained.load_networks(path)
    D.state['static_kwargs']['activation'] = Unknown()
    with open(path, 'wb') as file:
        network_file.Pickler(file, protocol=4).dump((G, D, Gs))
    contents = pretrained.read_contents((tmp_path / 'net.pkl').read_bytes())
    assert list(contents.networks) == ['G', 'Gs'] and contents.networks['Gs'].notes == (note,)
    Gs.state['static_kwargs']['activation'] = Unknown()
    for networks in ((G, D, Gs), Unknown(), [Unknown(), 1], {'a': Unknown()}):
        with open(path, 'wb') as file:
            network_file.Pickler(file, protocol=4).dump(networks)
        for load in (pretrained.load_generator, pretrained.load_file, pretrained.load_networks):
            with pytest.raises(UserError, match='net.pkl: .*refused, since no part of a network: posix.mkdir'):
                load(path)
        with pytest.raises(UserError, match='refused: the file asks for posix.mkdir'):
            misc.load_pkl(path)
    assert os.listdir(str(tmp_path)) == ['net.pkl']
