"""What commands do with network files of DCGAN, WGAN, WGAN-GP, LAPGAN and OSGAN, written as trainings write them."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

import run_generator
from dnnlib import UserError, latents, tflib
from generator import plain_configs
from metrics import sources
from training import misc, pretrained
from training.options import classes
from tests.training.options.test_classes import options_of
from training.state import transfer
from training.train_step import Net

SMALL = dict(fmaps=2, latent_size=3)
LEVELS = dict(fmaps=1, base_units=3, base_latent_size=2, latents='uniform')
CASES = OrderedDict([  # name -> (method, networks, options of G, of D, of both, configuration that `info` prints)
    ('dcgan', ('latent', 'dcgan.{}_dcgan', SMALL, dict(fmaps=2, condition='projection'), dict(label_size=2),
               'like dcgan, with fmaps=2, latent_size=3')),
    ('wgan-gp', ('latent', 'wgan.{}_wgan_resnet', SMALL, dict(fmaps=2), {},
                 'like wgan-gp, with fmaps=2, latent_size=3')),
    ('mlp', ('latent', 'mlp.{}_mlp', dict(latent_size=3, latents='uniform'), {}, dict(hidden=[4]),
             'like --networks=mlp, with hidden=[4], latent_size=3')),
    ('lapgan', ('lapgan', 'lapgan.{}_lapgan', LEVELS, dict(fmaps=1, base_units=3), {},
                'like lapgan, with base_latent_size=2, base_units=3, fmaps=1')),
    ('osgan', ('osgan', 'dcgan.{}_dcgan', SMALL, dict(fmaps=2, norm='group'), {}, 'osgan: networks of DCGAN'))])


def make(case, resolution=16):
    """{name: tflib.Network} of a case, and {name: Net}."""
    _, functions, G, D, both, _ = CASES[case]
    nets = OrderedDict((name, Net('training.networks.' + functions.format(name), dict(
        both, num_channels=3, resolution=resolution, **options), role=role)) for name, options, role in (
            ('G', G, 'generator'), ('D', D, 'discriminator')))
    return OrderedDict((name, tflib.Network(name, net.func_name, **net.options)) for name, net in nets.items()), nets


def test_names_of_configurations():
    def named(*argv):
        method = options_of('--config=' + argv[0], *argv[1:])['method_args']
        G = dict(method['G_args'], resolution=int(dict(part.split('=') for part in argv[1:]).get(
            '--resolution', classes.CONFIGS[argv[0]].resolution if argv[0] in classes.CONFIGS else 32)))
        return plain_configs.config_of(method['func_name'].split('.')[2], G, G.pop('func_name').split('.')[-1])
    for name in list(classes.CONFIGS) + ['lapgan', 'lapgan-lsun', 'wgan-gp', 'wgan-gp-cifar']:
        assert named(name) == name
    for argv, expected in (
            (['wgan'], 'dcgan or wgan (the same networks)'), (['dcgan', '--networks=mlp'], '--networks=mlp'),
            (['osgan'], 'osgan: networks of DCGAN'), (['dcgan', '--width=1/2'], 'like dcgan, with fmaps=32'),
            (['lapgan', '--base=16'], 'like lapgan, with base=16'),
            (['lapgan-lsun', '--width=1/4'], 'like lapgan-lsun, with base_units=2000, fmaps=32'),
            (['biggan-256', '--width=1/4'], 'like biggan-256, with fmaps=24'),
            (['biggan-128', '--width=1/4', '--resolution=64'], 'like biggan-128, with fmaps=24, resolution=64'),
            (['sagan-128', '--width=1/2'], 'like sagan-128, with fmaps=32'),
            (['bigbigan-128', '--width=1/2'], 'like bigbigan-128, with fmaps=48'),
            (['dogs-biggan-1st', '--width=2'], 'like dogs-biggan-1st, with fmaps=70')):
        assert named(*argv) == expected
    published = dict(classes.generator_args(classes.BIGGAN, 128, 96), norm='standing', shared_size=128, resolution=128)
    assert plain_configs.config_of('classes', published, 'G_biggan') == 'biggan-128'
    assert plain_configs.config_of('classes', {}, 'G_other') is None


@pytest.mark.parametrize('case', list(CASES))
def test_commands_and_transfer(graph, tmp_path, capsys, case):
    networks, nets = make(case)
    path, G = str(tmp_path / 'nets.pkl'), networks['G']
    misc.save_networks(networks, SimpleNamespace(name=CASES[case][0], saved_as=None, nets=nets), path)
    run_generator.main(['info', path])
    assert f'\nConfig      {CASES[case][-1]}\n' in capsys.readouterr().out
    chosen = ['--class=1'] if G.input_shapes[1][1] else []
    run_generator.main(['generate-images', '--network=' + path, '--seeds=5', '--device=cpu',
                        '--result-dir=' + str(tmp_path)] + chosen)
    z = latents.draw(np.random.RandomState(5), [1] + G.input_shape[1:], G.static_kwargs.get('latents', 'normal'))
    expected = G.run(z, np.eye(2)[[1]] if chosen else np.zeros([1, 0]))[0].transpose(1, 2, 0) * 127.5 + 128
    with PIL.Image.open(str(tmp_path / '00000-generate-images' / 'seed0005.png')) as picture:
        np.testing.assert_allclose(np.asarray(picture), np.clip(np.trunc(expected), 0, 255), atol=1)
    if not chosen:  # or a dataset gives the labels
        images = next(iter(sources.open_network(path, None, None, 1).minibatches(4, 4, seed=0)))
        assert images.shape == (4, 3, 16, 16) and images.dtype == np.uint8
    run_generator.main(['export', path, str(tmp_path / 'nets.npz')])
    again = pretrained.load_file(str(tmp_path / 'nets.npz'))
    assert again.method == CASES[case][0]
    np.testing.assert_array_equal(again.networks['G'].run(z, np.zeros([1, len(chosen) * 2])),
                                  G.run(z, np.zeros([1, len(chosen) * 2])))
    with pytest.raises(UserError, match=f'config-e, config-f and StyleGAN2-ADA, not G_{G.func_name.split("G_")[1]}$'):
        run_generator.main(['export', path, str(tmp_path / 'nets.pt')])
    larger, _ = make(case, 32)
    for name, role in (('G', 'generator'), ('D', 'discriminator')):
        found = transfer.transfer(larger[name], networks[name], role)
        assert len(found['copied'] + found['resized']) > len(found['fresh'])
        assert set(found['ignored']) <= {'mean', 'deviation'}  # of pixels, which are others
        assert all(np.isfinite(value).all() for value in tflib.run(dict(larger[name].vars)).values())
    if case == 'lapgan' and not tf.__version__.startswith('1.'):  # Z is split into parts of different sizes
        pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
        run_generator.main(['export', path, str(tmp_path / 'nets.onnx')])
        assert 'opened by onnxruntime' in capsys.readouterr().out
