"""Networks that translate images against the published programs: results, what training stores."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from tests.training import golden_translation as golden
from training.blocks import label_maps
from training.networks import patch_mlp, sincut
from training.terms import nce
from training.torch_files import translation as tables
from training.torch_files.names import KINDS

RESNET, UNET, PATCHGAN = ('training.networks.' + name for name in (
    'resnet.G_resnet', 'unet.G_unet', 'patchgan.D_patchgan'))
CASES = {  # case: build function, options, table
    'resnet6_instance': (RESNET, dict(fmaps=3, num_blocks=6), tables.resnet(6)),
    'resnet6_batch_dropout': (RESNET, dict(fmaps=3, num_blocks=6, norm='batch', dropout=True),
                              tables.resnet(6, norm='batch', dropout=True)),
    'unet32_instance': (UNET, dict(fmaps=2, num_downs=5, norm='instance', dropout=False), tables.unet(5, 'instance')),
    'unet32_batch': (UNET, dict(fmaps=2, num_downs=5), tables.unet(5)),
    'unet64_batch_dropout': (UNET, dict(fmaps=2, num_downs=6), tables.unet(6)),
    'patchgan_n2_instance': (PATCHGAN, dict(fmaps=4, num_layers=2), tables.patchgan(2)),
    'patchgan_n3_instance': (PATCHGAN, dict(fmaps=3), tables.patchgan()),
    'patchgan_n3_antialias': (PATCHGAN, dict(fmaps=3, antialias=True), tables.patchgan(antialias=True)),
    'patchgan_n3_batch_6ch': (PATCHGAN, dict(fmaps=3, norm='batch'), tables.patchgan(norm='batch')),
    'pixel_instance': ('training.networks.patchgan.D_pixel', dict(fmaps=3), tables.pixel()),
}


@pytest.mark.parametrize('case', list(CASES))
def test_networks_of_pix2pix_and_cyclegan(session, case, monkeypatch):
    func_name, options, table = CASES[case]
    given = golden.arrays_cached(case)
    shape = given['x'].shape
    net = golden.network('net', func_name, golden.weights(case + '.pth', table), num_channels=shape[1],
                         resolution=list(shape[2:]), **options)
    x = golden.placeholder(given['x'])
    golden.check(case, 'y_eval', session.run(net.get_output_for(x, evaluate=True)))
    assert count(net) == golden.META[case]['params']
    if 'y_train_masks' in given:
        masks = iter([given[f'dropout_mask_{i}'] for i in range(len(given)) if f'dropout_mask_{i}' in given])
        monkeypatch.setattr(random, 'uniform', lambda shape: tf.constant(
            1 - np.float32(next(masks)).transpose(0, 2, 3, 1)))  # is dropped where it is not below 1/2
        golden.check(case, 'y_train_masks', session.run(net.get_output_for(x)))  # as the published test does
        assert next(masks, None) is None
    if 'y_train_nodrop' in given:
        no_dropout = {} if func_name == PATCHGAN else dict(dropout=False)
        golden.check(case, 'y_train_nodrop', session.run(net.get_output_for(x, is_training=True, **no_dropout)))
        stored = {entry.name: 'after_train/' + entry.torch for entry in table if '/moving_' in entry.name}
        assert len(stored) == sum(key.startswith('after_train') and 'num_batches' not in key for key in given)
        for name, key in stored.items():
            golden.check(case, key, net.get_var(name))


@pytest.mark.parametrize('case, options', [
    ('cut_resnet9', dict(num_blocks=9, antialias=True)), ('cut_resnet4_no_antialias', dict(num_blocks=4))])
def test_taps_of_cut(session, case, options):
    given = golden.arrays_cached(case)
    numbers = sorted(int(key[len('tap_'):]) for key in given if key.startswith('tap_'))
    net = golden.network('G', RESNET, golden.weights(case + '.pth', tables.resnet(**options)), fmaps=3,
                         resolution=list(given['x'].shape[2:]), **options)
    x = golden.placeholder(given['x'])
    outputs = net.get_output_for(x, taps=numbers)
    alone = net.get_output_for(x, taps=numbers[:-1], encode_only=True)
    (y, *taps), alone = session.run((outputs, alone))
    golden.check(case, 'y', y)
    for number, tap in zip(numbers, taps):
        golden.check(case, f'tap_{number}', np.transpose(tap, [0, 3, 1, 2]))
    for tap, expected in zip(alone, taps[:-1]):
        np.testing.assert_array_equal(tap, expected)


def test_what_cut_compares_patches_by(session):
    given = golden.arrays_cached('cut_netF')
    features = [golden.placeholder(given[f'feat_{i}'].transpose(0, 2, 3, 1)) for i in range(3)]
    rows = [nce.sample(maps, tf.constant(given[f'ids_{i}'])) for i, maps in enumerate(features)]
    widths = [maps.shape.as_list()[3] for maps in features]
    net = golden.network('F', 'training.networks.patch_mlp.F_mlp', golden.weights('cut_netF.pth', tables.patch_mlp(3)),
                         input_names=['tap0', 'tap1', 'tap2'], widths=widths, fmaps=16)
    for i, found in enumerate(session.run(net.get_output_for(*rows))):
        golden.check('cut_netF', f'out_mlp_{i}', found)
    for i, found in enumerate(session.run([patch_mlp.unit_rows(values) for values in rows])):
        golden.check('cut_netF', f'out_sample_{i}', found)
    pooled = session.run(patch_mlp.unit_rows(nce.averages(features[1])))
    golden.check('cut_netF', 'out_reshape_1', pooled)
    maps = np.random.RandomState(0).randn(2, 6, 3, 5).astype(np.float32)  # parts that overlap
    parts = [[(0, 2), (1, 3), (3, 5), (4, 6)], [(0, 1), (0, 2), (1, 3), (2, 3)]]
    expected = [[maps[n, top:bottom, left:right].mean(axis=(0, 1)) for top, bottom in parts[0]
                 for left, right in parts[1]] for n in range(2)]
    np.testing.assert_allclose(session.run(nce.averages(tf.constant(maps))), np.reshape(expected, [32, 5]), atol=1e-6)


@pytest.mark.parametrize('case, options', [
    ('sincut_nets', dict(num_blocks=6)), ('smallstylegan2', dict(num_blocks=2, use_noise=False))])
def test_generators_of_sincut(session, case, options, monkeypatch):
    given = golden.arrays_cached(case)
    table = tables.sincut_generator(options['num_blocks'])
    values = golden.weights('sincut_net_G.pth' if case == 'sincut_nets' else case + '_net_G.pth', table)
    if case == 'smallstylegan2':
        del values['Up0/noise_strength']
    net = golden.network('G', 'training.networks.sincut.G_sincut', values, fmaps=1, **options)
    noise = iter([given[f'noise_{i}'] for i in range(2) if f'noise_{i}' in given])
    monkeypatch.setattr(random, 'normal', lambda shape: tf.constant(next(noise)))
    taps = [0, 2, 4] if 'tap_0' in given else []
    y = net.get_output_for(golden.placeholder(given['x']), taps=taps, return_as_list=True)
    y, *found = session.run(y)
    golden.check(case, 'y', y)
    for number, tap in zip(taps, found):
        golden.check(case, f'tap_{number}', np.transpose(tap, [0, 3, 1, 2]))
    if 'x_other_size' in given:
        other = golden.placeholder(given['x_other_size'])
        golden.check(case, 'y_other_size', session.run(net.get_output_for(other, resolution=[32, 96])))


def test_discriminator_of_sincut(session):
    net = golden.network('D', 'training.networks.sincut.D_sincut', golden.weights(
        'sincut_net_D.pth', tables.sincut_discriminator()), fmaps=1)
    golden.check('sincut_nets', 'D_x', net.run(golden.arrays_cached('sincut_nets')['x']))
    assert count(net) == golden.META['sincut_nets']['params_D']


def count(net):
    """Number of trained parameters."""
    return sum(np.prod(var.shape.as_list(), dtype=int) for var in net.trainables.values())


def test_sizes_of_the_published_sincut():
    assert [sincut.generator_width(size, 10) for size in (128, 64, 32, 16)] == [40, 80, 160, 320]
    assert [sincut.discriminator_width(size, 8) for size in (64, 32, 16, 8, 4)] == [32, 64, 128, 256, 384]


@pytest.mark.parametrize('light', [False, True])
def test_generators_of_ugatit(session, light):
    case = 'ugatit_gen_light' if light else 'ugatit_gen_full'
    net = golden.network('G', 'training.networks.ugatit.G_ugatit', golden.weights(
        case + '.pth', tables.ugatit_generator()), resolution=32, fmaps=3, light=light)
    for key, found in zip(('y', 'cam_logit', 'heatmap'), net.run(golden.arrays_cached(case)['x'])):
        golden.check(case, key, found)
    assert count(net) == golden.META[case]['params']


@pytest.mark.parametrize('case', ['ugatit_dis_6', 'ugatit_dis_global7', 'ugatit_dis_local5'])
def test_discriminators_of_ugatit(session, case):
    given, options = golden.arrays_cached(case), golden.META[case]['kwargs']
    table = tables.ugatit_discriminator(options['n_layers'])
    net = golden.network('D', 'training.networks.ugatit.D_ugatit', golden.weights(case + '.pth', table),
                         resolution=given['x'].shape[2], fmaps=options['ndf'], num_layers=options['n_layers'])
    x = golden.placeholder(given['x'])
    for kind in ('eval', 'train'):
        outputs = session.run(net.get_output_for(x, is_training=kind == 'train'))
        for key, found in zip(('logit', 'cam', 'heatmap'), outputs):
            golden.check(case, f'{kind}_{key}', found)
    vectors = [entry for entry in table if entry.name.endswith(('_u', '_v'))]
    assert len(vectors) == sum(key.startswith('after_train') for key in given)
    for entry in vectors:
        value = KINDS[entry.kind].to_torch(net.get_var(entry.name))
        golden.check(case, 'after_train/' + entry.torch, value)


@pytest.mark.parametrize('case, options', [
    ('hd_global', dict(num_channels=5, fmaps=3, num_blocks=2, num_downs=2)),
    ('hd_local1', dict(num_channels=5, fmaps=2, num_blocks=2, num_downs=2, num_enhancers=1, num_local_blocks=2)),
    ('hd_local2', dict(num_channels=3, fmaps=2, num_blocks=1, num_downs=1, num_enhancers=2, num_local_blocks=1))])
def test_generators_of_pix2pixhd(session, case, options):
    given = golden.arrays_cached(case)
    table = tables.pix2pixhd(**{key: value for key, value in options.items() if key.startswith('num_')
                                and key != 'num_channels'})
    net = golden.network('G', 'training.networks.pix2pixhd.G_pix2pixhd', golden.weights(case + '.pth', table),
                         resolution=list(given['x'].shape[2:]), **options)
    golden.check(case, 'y', net.run(given['x']))
    assert count(net) == golden.META[case]['params']


@pytest.mark.parametrize('case', ['hd_dis2_feat', 'hd_dis3_plain'])
def test_discriminators_of_pix2pixhd(session, case):
    given, scales = golden.arrays_cached('hd_dis'), int(case[len('hd_dis')])
    has_features = case.endswith('feat')
    net = golden.network('D', 'training.networks.patchgan.D_multiscale', golden.weights(
        case + '.pth', tables.multiscale(scales, has_features=has_features)), num_channels=6, resolution=[48, 64],
        fmaps=3, num_scales=scales)
    x = golden.placeholder(given[case + '/x'])
    outputs = session.run(net.get_output_for(x, return_features=has_features))
    for number, found in enumerate(outputs):
        scale, layer = divmod(number, 5 if has_features else 1)
        golden.check('hd_dis', f'{case}/scale{scale}_out{layer}', golden.to_nchw(found) if has_features else found)
    if has_features:
        scores = session.run(net.get_output_for(x))
        for scale, found in enumerate(scores):
            np.testing.assert_array_equal(found, golden.to_nchw(outputs[5 * scale + 4]))


def test_encoder_of_pix2pixhd(session):
    given = golden.arrays_cached('hd_encoder')
    net = golden.network('E', 'training.networks.pix2pixhd.E_pix2pixhd', golden.weights(
        'hd_encoder.pth', tables.pix2pixhd_encoder(2)), resolution=32, fmaps=3, num_downs=2)
    golden.check('hd_encoder', 'y', net.run(given['x'], given['inst']))
    pixels = np.arange(32 * 32).reshape(1, 1, 32, 32).repeat(2, axis=0)  # each an instance
    golden.check('hd_encoder', 'before_pooling', net.run(given['x'], pixels))


def test_label_maps_of_pix2pixhd(session):
    given = golden.arrays_cached('hd_edges_onehot')
    edges = label_maps.edges(tf.constant(given['inst']))
    planes = tf.concat([label_maps.one_hot(tf.constant(given['label']), 4), edges], axis=1)
    edges, planes = session.run([edges, planes])
    golden.FILES.compare('hd_edges_onehot', 'edges', edges)
    golden.FILES.compare('hd_edges_onehot', 'input_label', planes)


def test_every_array_of_these_cases_is_used(request):
    golden.check_all_used(request, 'networks/test_translation.py')
