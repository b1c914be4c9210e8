"""Iterations of SinCUT, U-GAT-IT and pix2pixHD against the published programs: losses, gradients, steps."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from dnnlib import UserError
from dnnlib.files import torch_file
from metrics.features import slices
from tests.training import golden_translation as golden
from tests.training.methods.translation_steps import check_after, check_iteration, Trained
from training.methods import pix2pixhd, sincut, ugatit
from training.terms import nce
from training.torch_files import translation as tables
from training.torch_files.weights import Weights


def images_of(case):
    """{stream: images} of a case."""
    given = golden.arrays_cached(case)
    return {name: given[f'real_{name.upper()}'] for name in 'ab'}


def test_sincut(session, monkeypatch, tmp_path):
    case, names, lrate = 'sincut_iter', dict(G='G', F='F', D='D'), 0.002
    given = golden.arrays_cached(case)
    weights = dict(G=('sincut_net_G.pth', tables.sincut_generator()), F=(case + '_net_F.pth', tables.patch_mlp(3)),
                   D=('sincut_net_D.pth', tables.sincut_discriminator()))
    ids = iter([np.int32(given[f'ids_call{call}_layer{layer}']) for call in (0, 1) for layer in (0, 2, 4)])
    noise = iter([given['noise_0'][:count] for count in (1, 3, 6, 6)])  # template, D's fakes, all, below
    monkeypatch.setattr(nce, 'draw_positions', lambda *_args: tf.constant(next(ids)))
    monkeypatch.setattr(random, 'normal', lambda shape: tf.constant(next(noise)))
    trained = Trained(sincut.sincut, images_of(case), weights, monkeypatch, lrate, 'training.methods.cut',
                      G_args=dict(fmaps=1), F_args=dict(fmaps=16), D_args=dict(fmaps=1))
    a, b = images_of(case).values()
    fakes = session.run(trained.networks['G'].get_output_for(tf.constant(np.concatenate([a, b]))))
    for key, images in zip(('fake_B', 'idt_B'), np.split(fakes, 2)):
        golden.check(case, key, images)
    assert next(ids, None) is next(noise, None) is None
    found = trained.run(images_of(case))
    assert len(found[0]) == 7
    losses = {tag[len('Loss/'):]: value for tag, value in found[0].items()}
    golden.check(case, 'loss_D', 0.5 * (losses['D_fake'] + losses['D_real']) + losses['D_R1'])
    total = losses['G_GAN'] + 0.5 * (losses['NCE'] + losses['NCE_Y']) + losses['idt']
    for key in ('loss_G', 'loss_G_total_with_idt'):
        golden.check(case, key, total)
    check_iteration(case, trained, found, names)
    check_after(case, trained, names, lrate)
    trained.check_continued(tmp_path, images_of(case))


def test_ugatit(session, monkeypatch, tmp_path):
    case, file, lrate = 'ugatit_iter', 'ugatit_iter_params.pt', 0.0001
    names = dict(G_ab='genA2B', G_ba='genB2A', D_a_global='disGA', D_a_local='disLA', D_b_global='disGB',
                 D_b_local='disLB')
    weights = {ours: (file, tables.ugatit_generator(2) if ours[0] == 'G' else tables.ugatit_discriminator(
        6 if ours.endswith('global') else 4), theirs) for ours, theirs in names.items()}
    trained = Trained(ugatit.ugatit, images_of(case), weights, monkeypatch, lrate,
                      G_args=dict(fmaps=3, num_blocks=2), D_args=dict(fmaps=2, num_layers=6))
    losses, gradients = trained.run(images_of(case))
    maps = [(domain, side) for domain in 'ab' for side in ('global', 'local')]
    wanted = dict(mse_terms=[f'D_{domain}_{side}_{tag}' for domain, side in maps for tag in (
        'real', 'fake', 'cam_real', 'cam_fake')] + [f'G_{domain}_{tag}{side}' for domain, side in maps for tag in (
            '', 'cam_')], l1_terms=['cycle_A', 'cycle_B', 'idt_A', 'idt_B'],
                  bce_terms=['cam_BA', 'cam_AA', 'cam_AB', 'cam_BB'])
    weight = dict(mse_terms=1, l1_terms=10, bce_terms=1000)
    for key, tags in wanted.items():
        golden.check(case, key, np.array([losses['Loss/' + tag] / weight[key] for tag in tags]))
    sums = {stage: sum(value for tag, value in losses.items() if tag.startswith('Loss/D') == (stage == 'D'))
            for stage in 'GD'}
    assert len(losses) == 32
    check_iteration(case, trained, ({}, gradients), names)
    for stage, value in sums.items():
        golden.check(case, f'loss_{stage}', value)
    check_after(case, trained, names, lrate)
    trained.check_continued(tmp_path, images_of(case))


def small_vgg():
    """Weights of the narrow VGG19 of the published runs."""
    with open(os.path.join(golden.DATA, 'hd_vgg_small.pth'), 'rb') as file:
        arrays = Weights('VGG', torch_file.load(file)).arrays
    return slices.of_torchvision({'features.' + name.split('.', 1)[1]: value for name, value in arrays.items()})


def test_perceptual_term(session):
    case = 'hd_vgg_loss'
    given = golden.arrays_cached(case)
    network, x, y = slices.Slices('vgg19', small_vgg()), golden.placeholder(given['x']), golden.placeholder(given['y'])
    loss = tf.reduce_mean(network.distance(x, y))
    loss, slopes, features = session.run([loss, tf.gradients(loss, [x])[0], network.features(x)])
    golden.check(case, 'loss', loss)
    golden.check(case, 'dx', slopes, at_least=1e-4)
    for i, found in enumerate(features):
        golden.check(case, f'slice{i + 1}', golden.to_nchw(found))


def maps_of(case):
    """{stream: images as they are given to the method} of a case of pix2pixHD."""
    given = golden.arrays_cached(case)
    digits = np.concatenate([given['inst'] // 256 ** i % 256 for i in range(3)], axis=1)
    return dict(a=np.float32(given['label'] / 127.5 - 1), b=given['image'], inst=np.float32(digits / 127.5 - 1))


def drawn(case, trained, has_features):
    """What is drawn from the maps of a case outside of the training."""
    given = golden.arrays_cached(case)
    maps = pix2pixhd.planes(given['label'], given['inst'], 4)
    if has_features:
        features = trained.networks['E'].run(given['image'], np.float32(given['inst']))
        maps = np.concatenate([maps, features], axis=1)
    return trained.networks['G'].run(maps)


@pytest.mark.parametrize('case', ['hd_iter', 'hd_feat_iter', 'hd_local_fixed_iter'])
def test_pix2pixhd(session, case, monkeypatch, tmp_path):
    kwargs, names = golden.META[case]['kwargs'], dict(G='G', D='D')
    is_pooled = case == 'hd_feat_iter'  # which changes nothing in the first iteration, as the pool is empty
    generator = dict(num_blocks=2, num_downs=2)
    generator.update(dict(num_enhancers=1, num_local_blocks=1) if kwargs['netG'] == 'local' else {})
    files = dict(G=tables.pix2pixhd(**generator), D=tables.multiscale(2, kwargs['n_layers_D']))
    options = dict(G_args=dict(generator, fmaps=kwargs['ngf']), D_args=dict(fmaps=3, num_layers=kwargs['n_layers_D']),
                   label_nc=4, instance_feat=kwargs['instance_feat'], niter_fix_global=kwargs['niter_fix_global'],
                   pool_size=int(is_pooled))
    if kwargs['instance_feat']:
        files['E'], names['E'], options['E_args'] = tables.pix2pixhd_encoder(2), 'E', dict(fmaps=2, num_downs=2)
    monkeypatch.setattr(slices, 'load', lambda kind: small_vgg())
    trained = Trained(pix2pixhd.pix2pixhd, maps_of(case), {name: (f'{case}_net_{name}.pth', table)
                      for name, table in files.items()}, monkeypatch,
                      perceptual='none' if kwargs['no_vgg_loss'] else 'vgg19', **options)
    assert ('State/pool:0' in [var.name for var in tf.global_variables()]) == is_pooled
    golden.check(case, 'fake_image', drawn(case, trained, kwargs['instance_feat']))
    stage = 'GD_enhancer' if kwargs['niter_fix_global'] else 'GD'
    encoder = ['E'] if kwargs['instance_feat'] else []
    found = trained.run(maps_of(case), stages={stage: ['G', 'D'] + encoder})
    for group in encoder:
        found[1]['G'].update(found[1].pop(group))
    assert len(found[0]) == 5 - kwargs['no_vgg_loss']
    golden.check(case, 'loss_D', 0.5 * (found[0]['Loss/D_fake'] + found[0]['Loss/D_real']))
    golden.check(case, 'loss_G', sum(value for tag, value in found[0].items() if tag.startswith('Loss/G')))
    check_iteration(case, trained, found, names)
    check_after(case, trained, names)
    if is_pooled:
        trained.check_continued(tmp_path, maps_of(case), stages={stage: []})


def test_options_that_do_not_fit(monkeypatch):
    def streams(channels, height, width, *more):
        made = SimpleNamespace(dataset=SimpleNamespace(shape=[channels, height, width]))
        return {name: made for name in ('a', 'b') + more}
    hd = pix2pixhd.pix2pixhd
    for make, data, options, message in (
            (sincut.sincut, streams(3, 64, 96), {}, 'square crops whose side is a power of two, not 9'),
            (sincut.sincut, streams(3, 64, 64), dict(nce_idt=False), 'compares B with its translation, which nce_idt'),
            (hd, streams(3, 64, 64), {}, 'label_nc=35: side A must be label maps of one channel'),
            (hd, streams(1, 64, 64), dict(perceptual='vgg'), "vgg19, vgg16, none, not 'vgg'"),
            (hd, streams(1, 64, 64), dict(instance_feat=True), 'needs maps of instances: give'),
            (hd, streams(1, 64, 64, 'inst'), dict(niter_fix_global=1), 'but there is none; set G')):
        with pytest.raises(UserError, match=message):
            make(data, None, **options)
    monkeypatch.setenv(slices.VARIABLE, 'nowhere.pth')  # no other network is taken instead
    with pytest.raises(UserError, match='=nowhere.pth: no such file.* --set train.perceptual=vgg16.none'):
        hd(streams(1, 64, 64), None)


def test_every_array_of_these_cases_is_used(request):
    golden.check_all_used(request, 'methods/test_translation_golden.py')
