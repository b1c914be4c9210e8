"""U-GAT-IT as published for TensorFlow, against its golden values: networks, losses, gradients."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from tests.training import golden_translation as golden
from tests.training.methods.translation_steps import Trained
from training.methods import translating, ugatit
from training.networks.ugatit import find_release

CASE = 'ugatit_tf'
RELEASE = dict(release='tensorflow', init='normal', fmaps=2)


def generator_names():
    """{our layer: (that of a generator in the checkpoint, names of its variables)}."""
    conv = dict(weight='conv2d/kernel', bias='conv2d/bias')
    found = {'Input': ('conv', conv), 'Input/Norm': ('ins_norm', {}), 'Mix': ('conv_1x1', conv), 'Output': (
        'G_logit', conv), 'Classifier': ('CAM_logit', dict(weight='kernel'))}
    for i in range(2):
        found.update({f'Down{i}': (f'conv_{i}', conv), f'Down{i}/Norm': (f'ins_norm_{i}', {}), f'Up{i}': (
            f'up_conv_{i}', conv), f'Up{i}/': (f'layer_ins_norm_{i}', {})})
    dense = dict(weight='dense/kernel', bias='dense/bias')
    found.update((name, ('MLP/' + other, dense)) for name, other in (
        ('Dense0', 'linear_0'), ('Dense1', 'linear_1'), ('Gamma', 'gamma'), ('Beta', 'beta')))
    for i in range(4):
        for j in range(2):
            encoder, decoder = f'resblock_{i}/res{j + 1}', f'adaptive_resblock{i}/res{j + 1}'
            found.update({f'EncoderBlock{i}/Conv{j}': (encoder + '/conv_0', conv), f'EncoderBlock{i}/Conv{j}/Norm': (
                encoder + '/instance_norm', {}), f'DecoderBlock{i}/Conv{j}': (decoder + '/conv_0', conv)})
            found[f'DecoderBlock{i}/Conv{j}/'] = (decoder + '/instance_layer_norm', {})
    return found


def name_of(network, local, layers):
    """Name in the checkpoint of a variable of ours."""
    layer, _, part = local.rpartition('/')
    if network[0] == 'G':
        in_norm = part in ('rho', 'gamma', 'beta') and not layer.endswith('Norm')
        other, parts = layers[layer + '/' * in_norm]
        return 'generator_{}/{}/{}'.format(dict(G_ab='B', G_ba='A')[network], other, parts.get(part, part))
    _, domain, side = network.split('_')
    last = dict(**{'global': 'Conv4', 'local': 'Conv2'})[side]
    other = {'Classifier': 'CAM_logit', 'Mix': 'conv_1x1/conv2d', 'Output': 'D_logit', last: 'conv_last'}.get(
        layer, layer.replace('Conv', 'conv_'))
    part = dict(weight='kernel', weight_u='u').get(part, part)
    return f'discriminator_{domain.upper()}/{side}/{other}/{part}'


def load(networks):
    """Sets the values of the checkpoint, singular vectors after one step; returns {(network, local): name there}."""
    reader = tf.train.NewCheckpointReader(os.path.join(golden.DATA, 'ugatit_tf_ckpt', 'UGATIT_light.model-1000'))
    layers, names, values = generator_names(), {}, {}
    for network, net in networks.items():
        for local, var in net.vars.items():
            if local.endswith('/weight_v'):
                continue
            names[network, local] = name_of(network, local, layers)
            values[var] = reader.get_tensor(names[network, local]).reshape(var.shape.as_list())
            if local.endswith('/weight_u'):
                kernel = reader.get_tensor(name_of(network, local[:-2], layers))
                matrix = kernel.reshape(-1, kernel.shape[-1])
                v = matrix @ values[var]
                v /= np.linalg.norm(v)
                values[var] = matrix.T @ v / np.linalg.norm(matrix.T @ v)
                values[net.vars[local[:-1] + 'v']] = v
    assert sorted(names.values()) == sorted(name for name in reader.get_variable_to_shape_map() if '/' in name)
    tflib.set_vars(values)
    return names


def nhwc(x):
    """As the published program keeps images."""
    return np.transpose(x, [0, 2, 3, 1])


def test_networks_losses_and_gradients(session, monkeypatch):
    given = golden.arrays_cached(CASE)
    images = {name: np.transpose(given['x_' + name.upper()], [0, 3, 1, 2]) for name in 'ab'}
    # The published values begin every evaluation of a discriminator with the vectors of the checkpoint.
    monkeypatch.setattr(translating, 'in_training', lambda net, *inputs, **options: net.get_output_for(
        *inputs, **options))
    trained = Trained(ugatit.ugatit, images, {}, monkeypatch, lrate=0, G_args=dict(RELEASE, light=True),
                      D_args=dict(RELEASE, num_layers=6), kernel_decay=1e-4, n_critic=3)
    assert [(stage.name, stage.every) for stage in trained.stages if stage.name in 'DG'] == [('D', 1), ('G', 3)]
    names = load(trained.networks)
    fake, logits, attention = trained.networks['G_ab'].run(images['a'], return_as_list=True)
    golden.check(CASE, 'fake_B', nhwc(fake), at_least=1e-5)
    golden.check(CASE, 'cam_ab', logits, at_least=1e-5)
    golden.check(CASE, 'heatmap_ab', attention[0, 0], at_least=1e-5)
    for side in ugatit.SIDES:
        scores, logits, _ = trained.networks['D_a_' + side].run(images['a'], return_as_list=True)
        golden.check(CASE, 'D_A_real_' + side, nhwc(scores), at_least=1e-4)
        golden.check(CASE, 'D_A_real_cam_' + side, logits, at_least=1e-4)
    losses, gradients = trained.run(images)
    losses = {tag[len('Loss/'):]: value for tag, value in losses.items()}
    for key, tags, weight in [
            ('cycle_A', ['cycle_A'], 10), ('cycle_B', ['cycle_B'], 10), ('identity_A', ['idt_A'], 10),
            ('identity_B', ['idt_B'], 10), ('cam_A', ['cam_BA', 'cam_AA'], 1000), ('cam_B', ['cam_AB', 'cam_BB'], 1000),
            ('reg_G', ['G_decay'], 1), ('reg_D', ['D_decay'], 1),
            ('G_ad_A', [tag for tag in losses if tag.startswith('G_a_')], 1),
            ('D_ad_A', [tag for tag in losses if tag.startswith('D_a_')], 1),
            ('total_G', [tag for tag in losses if tag[:2] != 'D_'], 1),
            ('total_D', [tag for tag in losses if tag[:2] == 'D_'], 1)]:
        found = np.sum([losses[tag] for tag in tags]) / weight
        golden.check(CASE, 'loss_' + key, found, at_least=1e-4 if 'D' in key else 1e-5)
    found = {names[key]: value for key, value in gradients['G'].items()}
    wanted = [str(name) for name in given['G_grad_names']]
    assert sorted(found) == sorted(wanted)
    golden.check(CASE, 'G_grad_l2', np.array([np.linalg.norm(found[name]) for name in wanted]), at_least=1e-4)
    for key in [key for key in given if key.startswith('G_grad_full/')]:
        golden.check(CASE, key, found[key[len('G_grad_full/'):]], at_least=1e-4)


def test_options_of_the_release_for_tensorflow(session, monkeypatch):
    image, losses = np.random.RandomState(0).uniform(-1, 1, [1, 3, 16, 16]).astype(np.float32), {}
    monkeypatch.setattr(ugatit, 'report_mean', lambda tag, value: losses.setdefault(tag, tf.reduce_mean(value)))
    judge = tflib.Network('D', 'training.networks.ugatit.D_ugatit', resolution=16, fmaps=2, num_layers=4, sn=False)
    assert not any('weight_u' in name for name in judge.vars)
    step = SimpleNamespace(nets={f'D_{domain}_{side}': judge for domain in 'ab' for side in ugatit.SIDES})
    judges = SimpleNamespace(see=lambda *images: list(images), count=lambda *scores: None)
    given = tf.constant(image), tf.constant(-image)
    ugatit.D_losses(step, given, given[::-1], ugatit.Options(criterion='wgangp', lambda_gp=10.0), judges)
    scores, logits, _ = judge.run(image, return_as_list=True)
    found = session.run(losses)
    np.testing.assert_allclose(found['Loss/D_a_global_real'], -scores.mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found['Loss/D_a_global_cam_real'], -logits.mean(), rtol=1e-4, atol=1e-6)
    losses.clear()
    for kind in ('dragan', 'lp'):
        hinged = ugatit.D_losses(step, given, given[::-1], ugatit.Options(
            criterion='hinge', lambda_gp=10.0, penalty=kind), judges)
        losses['Loss/' + kind] = losses.pop('Loss/D_a_global_gp')
    np.testing.assert_allclose(session.run(losses['Loss/D_a_global_real']), np.maximum(1 - scores, 0).mean(), rtol=1e-4)
    assert np.isfinite(session.run(tf.gradients(hinged, judge.trainables['Conv0/weight'])[0])).all()
    tflib.set_vars({var: np.zeros(var.shape.as_list()) for var in judge.trainables.values()})
    assert session.run(losses['Loss/dragan']) == pytest.approx(20, rel=1e-4)  # both slopes are 0, not 1
    assert session.run(losses['Loss/lp']) == 0  # at most 1
    G = tflib.Network('G', 'training.networks.ugatit.G_ugatit', resolution=16, fmaps=4, num_blocks=1, light=True,
                      smoothing=0.5)
    shares, found = [var for name, var in G.vars.items() if 'Decoder' in name and name.endswith('rho')], []
    for rho in (0.0, 0.5, 1.0):
        tflib.set_vars({var: np.full(var.shape.as_list(), rho) for var in shares})
        found.append(G.run(image, return_as_list=True)[0])
    np.testing.assert_array_equal(*found[:2])  # a share of 0 in both
    assert np.abs(found[2] - found[1]).max() > 1e-5
    streams = {name: SimpleNamespace(dataset=SimpleNamespace(shape=[3, 16, 16])) for name in 'ab'}
    for options, message in ((dict(n_critic=0), 'n_critic must be a whole number of at least 1, not 0'),
                             (dict(penalty='wgan-lp'), "penalty must be gp, lp, dragan, not 'wgan-lp'"),
                             (dict(penalty='dragan'), 'penalty=dragan needs a weight, such as lambda_gp=10')):
        with pytest.raises(UserError, match=message):
            ugatit.ugatit(streams, None, **options)


def test_an_unknown_release_is_refused():
    with pytest.raises(UserError, match="release must be pytorch or tensorflow, not 'keras'"):
        find_release('keras')


def test_every_array_of_this_case_is_used(request):
    golden.check_all_used(request, 'methods/test_ugatit_tf.py')
