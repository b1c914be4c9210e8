"""Tests of training.image_size and of networks whose images are not square or no power of two."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout, network_pickle, tfutil
from training import image_size, networks_stylegan, networks_stylegan2, pretrained


@pytest.mark.parametrize('resolution, base, doublings', [
    (4, (4, 4), 0), (1024, (4, 4), 8), ((160, 128), (5, 4), 5), ([7, 4], (7, 4), 0), ([1792, 1024], (7, 4), 8),
    (24, (6, 6), 2), (224, (7, 7), 5), ((64, 256), (4, 16), 4), (np.int64(80), (5, 5), 4)])
def test_a_size_is_a_base_block_doubled(resolution, base, doublings):
    size = image_size.parse(resolution)
    assert size == base + (doublings,) and size.num_levels == doublings + 2
    shape = [resolution] * 2 if np.ndim(resolution) == 0 else list(resolution)
    assert size.shape == shape and size.at(2) == list(base)
    assert image_size.parse(image_size.option(*size.shape)) == size


@pytest.mark.parametrize('resolution', [
    0, -8, 3, 22, 64.0, '64', None, True, [64], [64, 64, 3], [64, 2], (9, 8), (640, 36), (1024, 32)])
def test_other_sizes_are_refused(resolution):
    with pytest.raises(dnnlib.UserError):
        image_size.parse(resolution)


def test_square_powers_of_two_are_numbers_in_options():
    assert image_size.option(64, 64) == 64 and image_size.option(160, 128) == [160, 128]


def test_nearest_sizes_are_legal_and_near():
    assert image_size.nearest(1080, 1920)[0] == (1024, 1792) and image_size.nearest(100, 100)[0] == (96, 96)
    assert image_size.nearest(64, 64)[0] == (64, 64) and image_size.nearest(1, 1)[0] == (4, 4)
    rng = np.random.RandomState(0)
    for _ in range(200):
        height = rng.randint(4, 2000)
        width = max(int(height * rng.uniform(0.4, 2.5)), 4)
        best = image_size.nearest(height, width)[0]
        assert image_size.find(*best)
        assert all(0.79 < ratio < 1.26 for ratio in (best[0] / height, best[1] / width)), (height, width, best)


NETWORKS = [
    (networks_stylegan2.G_main, networks_stylegan2.D_stylegan2, dict(architecture='skip')),
    (networks_stylegan2.G_main, networks_stylegan2.D_stylegan2, dict(architecture='resnet')),
    (networks_stylegan2.G_main, networks_stylegan2.D_stylegan, dict(synthesis_func='G_synthesis_stylegan_revised')),
    (networks_stylegan.G_style, networks_stylegan.D_basic, {}),
]


def create(func, resolution, num_channels=3, **options):
    if func.__name__.startswith('D_'):
        options.pop('synthesis_func', None)
    else:
        options.update(latent_size=4, dlatent_size=4, mapping_fmaps=4, mapping_layers=1)
    net = tflib.Network(func.__name__[0], func, resolution=resolution, num_channels=num_channels, fmap_base=64,
                        fmap_max=8, **options)
    rng = np.random.RandomState(0)
    tfutil.set_vars({var: rng.randn(*var.shape.as_list()) if 'lod' not in name.split('/') else 0.5
                     for name, var in net.vars.items()})
    return net


def transposed(name, value, base):
    """Value of a variable in the network whose images are transposed."""
    if 'noise' in name.split('/')[-1] and value.ndim == 4 or name.endswith('const'):
        return value.transpose(0, 1, 3, 2)
    if name.endswith('4x4/Dense0/weight'):
        return value.reshape((-1,) + base + value.shape[1:]).transpose(0, 2, 1, 3).reshape(value.shape)
    return value.transpose(1, 0, 2, 3) if value.ndim == 4 else value


@pytest.mark.parametrize('data_format, networks', [('NHWC', networks) for networks in NETWORKS] + (
    [] if tf.__version__.startswith('1.') else [('NCHW', NETWORKS[0]), ('NCHW', NETWORKS[3])]))
def test_transposed_weights_give_transposed_images(session, data_format, networks):
    generator, discriminator, options = networks
    layout.set_data_format(data_format)
    latents = np.random.RandomState(1).randn(4, 4)
    high, wide = create(generator, [20, 16], **options), create(generator, (16, 20), **options)
    values = session.run(high.vars)
    tfutil.set_vars({wide.vars[name]: transposed(name, value, (5, 4)) for name, value in values.items()})
    images = high.run(latents, None, randomize_noise=False)
    assert images.shape == (4, 3, 20, 16) and high.output_shape == [None, 3, 20, 16]
    np.testing.assert_allclose(wide.run(latents, None, randomize_noise=False), images.transpose(0, 1, 3, 2),
                               rtol=1e-4, atol=1e-4 * images.std())

    high, wide = create(discriminator, [20, 16], **options), create(discriminator, (16, 20), **options)
    values = session.run(high.vars)
    tfutil.set_vars({wide.vars[name]: transposed(name, value, (5, 4)) for name, value in values.items()})
    scores = high.run(images, None)
    np.testing.assert_allclose(wide.run(images.transpose(0, 1, 3, 2), None), scores, rtol=1e-4,
                               atol=1e-4 * np.abs(scores).max())


def test_names_are_those_of_square_networks_of_as_many_levels(session):
    for generator, discriminator, options in NETWORKS:
        for func in (generator, discriminator):
            square, other = create(func, 8, **options), create(func, [14, 8], **options)
            assert list(square.vars) == list(other.vars)
            different = [name for name in square.vars if square.vars[name].shape.as_list() !=
                         other.vars[name].shape.as_list()]
            assert all('noise' in name or name.endswith(('4x4/Const/const', '4x4/Dense0/weight'))
                       for name in different)
            assert len(different) == (1 if func is discriminator else square.components.synthesis.input_shape[1] + (
                func is networks_stylegan.G_style))


@pytest.mark.parametrize('num_channels', [1, 4])
def test_pickles_keep_the_size(session, tmp_path, num_channels):
    G = create(networks_stylegan2.G_main, [20, 16], num_channels)
    D = create(networks_stylegan2.D_stylegan2, [20, 16], num_channels)
    path = str(tmp_path / 'nets.pkl')
    network_pickle.save((G, D, G), path)
    loaded, loaded_D, _Gs = network_pickle.load(path, pretrained.BUILD_MODULES)
    latents = np.random.RandomState(1).randn(2, 4)
    images = G.run(latents, None, randomize_noise=False)
    assert images.shape == (2, num_channels, 20, 16) and loaded.static_kwargs.resolution == [20, 16]
    np.testing.assert_array_equal(loaded.run(latents, None, randomize_noise=False), images)
    np.testing.assert_array_equal(loaded_D.run(images, None), D.run(images, None))


def test_gradients_reach_every_pixel(session):
    net = create(networks_stylegan2.D_stylegan2, (12, 28), architecture='skip')
    x = tf.constant(np.random.RandomState(0).randn(2, 3, 12, 28), tf.float32)
    gradients, = tf.gradients(net.get_output_for(x, None), [x])
    assert np.all(np.abs(session.run(gradients)).max(axis=(0, 1)) > 0)
