"""Values of one network in another: what is kept exactly, what is resized, what is refused."""

from collections import OrderedDict
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from dnnlib.files.named_networks import Contents, Role
from dnnlib.tflib.ops.upfirdn_2d import upsample_2d
from tests.training import golden_translation
from training import misc, pretrained
from training.state import transfer
from training.torch_files import translation
from training.train_step import Net

SMALL = dict(latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8)
MAPS = dict(fmap_base=64, fmap_max=8)
S2 = 'training.networks_stylegan2.'


def make(name, resolution=8, channels=3, labels=0, **options):
    """Generator 'G' or discriminator 'D' as a training makes them."""
    shape = dict(num_channels=channels, resolution=resolution, label_size=labels)
    func = dict(SMALL, func_name=S2 + 'G_main') if name == 'G' else dict(func_name=S2 + 'D_stylegan2')
    return tflib.Network(name, **dict(dict(shape, **MAPS), **dict(func, **options)))


def take(new, old, **options):
    """Transfers between generators 'G' or discriminators 'D'; returns the table."""
    return transfer.transfer(new, old, 'generator' if new.name == 'G' else 'discriminator', **options)


def trained(network):
    """The network with biases that are as random as its weights."""
    rnd = np.random.RandomState(0)
    tflib.set_vars({var: 0.3 * rnd.randn(*var.shape.as_list()) for name, var in network.trainables.items()
                    if name.endswith('bias')})
    return network


def draw(network, labels=0):
    """Pictures for four fixed latents, all with the last label if there are labels."""
    return network.run(np.random.RandomState(0).randn(4, 8), np.tile(np.eye(max(labels, 1))[-1:, :labels], [4, 1]),
                       truncation_psi=None)


def score(network, images, labels=0):
    """Scores of four images, all with the last label."""
    return network.run(images, np.tile(np.eye(max(labels, 1))[-1:, :labels], [4, 1]))


@pytest.fixture
def images():
    """Four random images [4, 3, 8, 8]."""
    return np.random.RandomState(1).randn(4, 3, 8, 8)


def test_a_larger_generator_with_labels_begins_with_the_old_pictures_enlarged(session):
    old, new = trained(make('G')), make('G', 16, labels=3)
    table = take(new, old)
    assert {kind: len(names) for kind, names in table.items()} == {
        'copied': len(old.vars) - 1, 'resized': 1, 'fresh': 17, 'ignored': 0}
    assert table['resized'] == ['G_mapping/Dense0/weight'] and 'G_mapping/LabelConcat/weight' in table['fresh']
    enlarged = tflib.run(upsample_2d(tf.constant(draw(old)), k=[1, 3, 3, 1]))
    np.testing.assert_allclose(draw(new, labels=3), enlarged, rtol=1e-3, atol=1e-3)


def test_a_larger_discriminator(session):
    table = take(make('D', 16, labels=3), make('D'))
    assert table['ignored'] == ['8x8/FromRGB/weight', '8x8/FromRGB/bias']
    assert table['resized'] == ['Output/weight', 'Output/bias']
    assert len(table['fresh']) == 7 and all(name.startswith('16x16/') for name in table['fresh'])


def test_each_label_begins_with_the_old_score(session, images):
    old, new = trained(make('D')), make('D', labels=3)
    take(new, old)
    np.testing.assert_allclose(score(new, images, labels=3), score(old, images), rtol=1e-4)
    other = make('D', labels=2)
    take(other, new, labels_per_image=2.0)
    np.testing.assert_allclose(score(other, images, labels=2) * 2, score(old, images), rtol=1e-4)


def test_wider_networks_begin_as_they_were(session, images):
    wide = dict(fmap_base=128, fmap_max=12)
    old, new = trained(make('G')), make('G', mapping_fmaps=10, dlatent_size=12, **wide)
    old_D, new_D = trained(make('D', mbstd_group_size=1)), make('D', mbstd_group_size=1, **wide)
    for networks in ((new, old), (new_D, old_D)):
        table = take(*networks)
        assert not table['fresh'] and not table['ignored'] and table['resized']
    np.testing.assert_allclose(draw(new), draw(old), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(score(new_D, images), score(old_D, images), rtol=1e-3, atol=1e-5)
    take(old, new)  # and narrower again
    assert np.isfinite(draw(old)).all()


def test_the_minibatch_stddev_stays_the_last_input():
    old, start = np.random.randn(3, 3, 9, 8), np.random.randn(3, 3, 13, 12)
    new = transfer.resize('4x4/Conv/weight', old, start, 'discriminator')
    np.testing.assert_array_equal(new[:, :, -1, :8], old[:, :, -1])  # as many of it as before
    np.testing.assert_allclose(new[:, :, :8, :8], old[:, :, :8] * np.sqrt(12 / 8))
    assert not new[:, :, 8:12, :8].any() and np.array_equal(new[..., 8:], start[..., 8:])


def test_scales_and_shifts_of_styles_are_resized_apart():
    old, start = np.arange(4.0), np.zeros(6)
    assert transfer.resize('4x4/StyleMod/bias', old, start, 'generator').tolist() == [0, 1, 0, 2, 3, 0]


@pytest.mark.parametrize('before, after', [(3, 1), (1, 3)])
def test_gray_and_color(session, before, after):
    old, new = trained(make('G', channels=before)), make('G', channels=after)
    take(new, old)
    np.testing.assert_allclose(draw(new).mean(axis=1), draw(old).mean(axis=1), rtol=1e-3, atol=1e-4)
    old, new = trained(make('D', channels=before)), make('D', channels=after)
    take(new, old)
    gray = np.random.RandomState(1).randn(4, 1, 8, 8)
    scores = [score(network, np.repeat(gray, count, axis=1)) for network, count in ((old, before), (new, after))]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3, atol=1e-5)


def test_growing_networks_count_their_colors_from_the_top(session):
    old, new = (make('D', size, func_name=S2 + 'D_stylegan') for size in (8, 16))
    table = take(new, old)
    assert 'FromRGB_lod0/weight' in table['fresh'] and not table['ignored']
    for lod in (0, 1):
        np.testing.assert_array_equal(new.get_var('FromRGB_lod%d/weight' % (lod + 1)),
                                      old.get_var('FromRGB_lod%d/weight' % lod))


def test_networks_of_other_families_lack_nothing_learned(session):
    """A level of detail is no weight, so StyleGAN2-ADA's networks, which have none, fit those of config-f."""
    ours, other = make('G'), make('G', func_name='training.networks_ada.G_main')
    assert 'lod' in ours.vars and 'lod' not in other.vars
    for new, old in ((ours, other), (other, ours)):
        old.set_var('dlatent_avg', np.arange(8))
        table = take(new, old)
        assert not table['fresh'] + table['ignored'] + table['resized'] and 'dlatent_avg' in table['copied']
    other.set_var('dlatent_avg', np.full([8], np.nan))  # a file without a mean of W
    ours.reset_own_vars()
    assert take(ours, other)['fresh'] == ['dlatent_avg'] and not ours.get_var('dlatent_avg').any()


def dataset(labels=0):
    """What `begin_from` asks of a dataset: every image has two labels."""
    return EasyDict(label_size=labels, indices_at=lambda position, count: np.arange(position, count),
                    read_labels=lambda indices: np.ones([len(indices), 2]))


def test_beginning_from_a_pickle(session, tmp_path, capsys, monkeypatch):
    path = str(tmp_path / 'network-snapshot-000007.pkl')
    start = transfer.Start(path, total_kimg=10)
    shape = dict(MAPS, num_channels=3, resolution=8, label_size=0)
    nets = OrderedDict([('G', Net(S2 + 'G_main', dict(SMALL, **shape))),
                        ('D', Net(S2 + 'D_stylegan2', shape, role='discriminator'))])
    nets['Gs'] = nets['G']._replace(average_of='G')
    networks = transfer.create_networks(nets)
    assert list(networks) == ['G', 'D', 'Gs']
    misc.save_pkl(tuple(networks.values()), path)
    saved = tflib.run({name: dict(network.vars) for name, network in networks.items()})
    loaded = transfer.load_file(path)
    monkeypatch.setattr(transfer, 'load_file', lambda _path: loaded)  # which takes seconds
    for network in networks.values():
        network.reset_vars()
    capsys.readouterr()
    assert transfer.begin_from(networks, nets, dataset(), start._replace(strict=True)) == 7
    for name, network in networks.items():
        for local, value in tflib.run(dict(network.vars)).items():
            np.testing.assert_array_equal(value, saved[name][local])
    out = capsys.readouterr().out
    assert 'at kimg 7 (guessed from the name of the file' in out and 'moments of the optimizers' in out
    assert 'network' not in out.splitlines()[0].split()[:1]  # no table

    networks['D'] = make('D', 16, labels=2)
    assert transfer.begin_from(networks, nets, dataset(2), start) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith('8x8 pixels, 3 channels, 0 labels -> 8x8 pixels, 3 channels, 0 labels')
    assert lines[1].split()[:5] == ['network', 'copied', 'resized', 'fresh', 'ignored']
    assert [line.split()[0] for line in lines[2:5]] == ['G', 'D', 'Gs']
    assert lines[3].split()[1::2] == ['9', '2', '7', '2']
    assert 'D ignored: 8x8/FromRGB' in lines and 'D resized: Output' in lines
    with pytest.raises(UserError, match='--strict: .* variables do not match'):
        transfer.begin_from(networks, nets, dataset(2), start._replace(strict=True))
    networks['D'] = networks['G']
    with pytest.raises(UserError, match='nothing in it fits network D'):
        transfer.begin_from(networks, nets, dataset(), start)


def test_sources_go_by_role():
    def contents(**roles):
        return Contents('some', OrderedDict.fromkeys(roles), OrderedDict(
            (name, Role(role, average_of, ())) for name, (role, average_of) in roles.items()))

    critic = Net('f', role='discriminator')
    nets = OrderedDict([('G', Net('f')), ('D', critic), ('Gs', Net('f', average_of='G'))])
    file = contents(critic=('discriminator', None), gen=('generator', None), mean=('generator', 'gen'))
    assert list(transfer.find_sources(nets, file).items()) == [('G', 'gen'), ('D', 'critic'), ('Gs', 'mean')]
    pairs = OrderedDict([('G_ab', Net('f')), ('D_a', critic), ('G_ba', Net('f')), ('D_b', critic)])
    file = contents(G_ba=('generator', None), G_ab=('generator', None), D_b=('discriminator', None),
                    D_a=('discriminator', None))
    assert list(transfer.find_sources(pairs, file).items()) == [(name, name) for name in pairs]
    with pytest.raises(UserError, match=r'G_ba \(generator\), .* but nothing for G \(generator\); choose'):
        transfer.find_sources(nets, file)
    with pytest.raises(UserError, match=r'nothing for Gs \(generator, an average\)'):
        transfer.find_sources(nets, contents(A=('generator', None), B=('discriminator', None)))
    one_way = OrderedDict([('G', Net('f')), ('F', Net('f', role='sampler')), ('D', critic)])
    assert transfer.find_sources(one_way, contents(gen=('generator', None))) == {'G': 'gen'}  # published, without D
    with pytest.raises(UserError, match='nothing for D'):
        transfer.find_sources(one_way, contents(gen=('generator', None), F=('sampler', None)))
    start = transfer.Start(pretrained.DEMO_NETWORK)  # before a network is made: there is no function f
    with pytest.raises(UserError, match=r'.pkl: it holds .*G.*, but nothing for G_ab \(generator\); the method has 2'):
        transfer.make_networks(pairs, None, start)
    with pytest.raises(UserError, match=r'.pkl: it holds .*G.*, but nothing for F \(sampler\)'):
        transfer.make_networks(one_way, None, start)


def test_a_published_generator_alone_is_tuned_with_a_new_discriminator(session, capsys):
    path = os.path.join(golden_translation.DATA, 'unet32_batch.pth')
    nets = OrderedDict([('G', Net('training.networks.unet.G_unet', dict(fmaps=2, num_downs=5, resolution=32))), (
        'D', Net('training.networks.patchgan.D_pixel', dict(fmaps=1, resolution=32), role='discriminator'))])
    networks = transfer.create_networks(nets)
    before, variables = networks['D'].get_var('Conv0/weight'), (tf.global_variables(), tf.trainable_variables())
    assert transfer.begin_from(networks, nets, dataset(), transfer.Start(path)) == 0
    # those of the file are in no state, and a worker that has not read it has the same ones
    assert [[var.name for var in now] for now in (tf.global_variables(), tf.trainable_variables())] == [
        [var.name for var in then] for then in variables]
    assert 'unet32_batch.pth holds no discriminator: D starts new.' in capsys.readouterr().out
    np.testing.assert_array_equal(networks['D'].get_var('Conv0/weight'), before)
    values = golden_translation.weights('unet32_batch.pth', translation.unet(5))
    np.testing.assert_array_equal(networks['G'].get_var('Up3/weight'), values['Up3/weight'])


@pytest.mark.parametrize('name, given, fits, expected', [
    ('a/network-snapshot-001234.pkl', None, True, 1234), ('a/network-snapshot-001234.pkl', None, False, 0),
    ('a/network-snapshot-001234.pkl', 5, True, 5), ('network-final.pkl', None, True, 0), ('cats64.pkl', None, True, 0),
    ('https://host.org/x-000012.pkl', None, True, 0), ('portraits-512.pkl', None, True, 0),
    ('https://host.org/my-snapshot-000012.npz', None, True, 12), ('cats-kimg025000-ada.pkl', None, True, 25000),
    ('cats_kimg10.pkl', None, True, 10), ('snapshot-512x512.pkl', None, True, 0), ('25kimg.pkl', None, True, 0),
    ('a/network-snapshot-7/net.pkl', None, True, 0),
    ('celebahq-res256-mirror-paper256-kimg100000-ada-target0.5.pkl', None, True, 0)])
def test_where_counting_starts(name, given, fits, expected):
    assert transfer.start_kimg(name, given, fits, 50000) == expected


def test_numbers_that_leave_nothing_to_train():
    with pytest.raises(UserError, match='would start at kimg 30 .guessed .* at or past --total-kimg=25'):
        transfer.start_kimg('network-snapshot-000030.pkl', None, True, 25)
    with pytest.raises(UserError, match="resume_kimg must be a number of at least 0, got 'x'"):
        transfer.start_kimg('x.pkl', 'x', True, 25)


def test_labels_are_added_to_ada_networks_nearly_without_effect(session):
    def make(name, label_size):
        func = dict(G='G_main', D='D_main')[name]
        small = dict(latent_size=8, dlatent_size=8, mapping_layers=2) if name == 'G' else {}
        return tflib.Network(name, 'training.networks_ada.' + func, num_channels=3, resolution=8, fmap_base=64,
                             fmap_max=16, label_size=label_size, **small)
    random, labels = np.random.RandomState(1), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    inputs = dict(G=random.randn(4, 8), D=random.randn(4, 3, 8, 8))
    for name, role, tolerance in [('G', 'generator', 1e-5), ('D', 'discriminator', 0.1)]:
        source, network = make(name, 0), make(name, 3)
        transfer.transfer(network, source, role)
        options = dict(randomize_noise=False, truncation_psi=1) if name == 'G' else {}
        expected = source.run(inputs[name], None, **options)
        found = network.run(inputs[name], labels, **options)
        assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
        if name == 'D':
            assert np.abs(found - expected).max() > 0  # and labels count from the start
