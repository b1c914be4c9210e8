"""What commands do with network files of DCGAN, WGAN, WGAN-GP, LAPGAN and OSGAN, written as trainings write them."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

import run_generator
from dnnlib import UserError, latents, tflib
from metrics import sources
from training import misc, pretrained
from training.state import transfer
from training.train_step import Net

SMALL = dict(fmaps=2, latent_size=3)
LEVELS = dict(fmaps=1, base_units=3, base_latent_size=2, latents='uniform')
CASES = OrderedDict([  # name -> (method, networks, options of G, of D, of both, configuration that `info` prints)
    ('dcgan', ('latent', 'dcgan.{}_dcgan', SMALL, dict(fmaps=2, condition='projection'), dict(label_size=2),
               'dcgan or wgan (the same networks)')),
    ('wgan-gp', ('latent', 'wgan.{}_wgan_resnet', SMALL, dict(fmaps=2), {}, 'wgan-gp')),
    ('mlp', ('latent', 'mlp.{}_mlp', dict(latent_size=3, latents='uniform'), {}, dict(hidden=[4]), '--networks=mlp')),
    ('lapgan', ('lapgan', 'lapgan.{}_lapgan', LEVELS, dict(fmaps=1, base_units=3), {}, 'lapgan')),
    ('osgan', ('osgan', 'dcgan.{}_dcgan', SMALL, dict(fmaps=2, norm='group'), {}, 'osgan: networks of DCGAN'))])


def make(case, resolution=16):
    """{name: tflib.Network} of a case, and {name: Net}."""
    _, functions, G, D, both, _ = CASES[case]
    nets = OrderedDict((name, Net('training.networks.' + functions.format(name), dict(
        both, num_channels=3, resolution=resolution, **options), role=role)) for name, options, role in (
            ('G', G, 'generator'), ('D', D, 'discriminator')))
    return OrderedDict((name, tflib.Network(name, net.func_name, **net.options)) for name, net in nets.items()), nets


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
