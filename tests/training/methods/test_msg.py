"""Small trainings of MSG-GAN: killed, resumed, their files; the configurations of MSG-GAN, DCGAN and OSGAN."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from run_training import check_arguments, make_options, parse_args
from tests.training.methods.test_progan import train
from tests.training.methods.test_toy_methods import variables
from training import pretrained
from training.methods import msg as method
from training.options import msg, osgan
from training.state import transfer

SMALL = dict(fmap_base=32, fmap_max=8)
ADAM = dict(beta1=0.0, beta2=0.99)
FORMS = dict(
    stylegan=dict(G_args=dict(SMALL, latent_size=6, dlatent_size=6, mapping_layers=1), D_args=SMALL,
                  G_loss_args=dict(terms='logistic_ns+pl'), D_loss_args=dict(terms='logistic_ns+r1:10')),
    progan=dict(G_args=dict(SMALL, latent_size=6, func_name='training.networks.msg_progan.G_msg'),
                D_args=dict(SMALL, func_name='training.networks.msg_progan.D_msg'), Gs_beta=0.9,
                G_loss_args=dict(terms='rahinge_nohalf'), D_loss_args=dict(terms='rahinge_nohalf+dragan')))


@pytest.mark.parametrize('form', sorted(FORMS))
def test_resumed_to_the_same_bits(tmp_path, form):
    """With two rounds."""
    pictures, whole, parts = [], tmp_path / 'whole', tmp_path / 'parts'
    options = dict(
        method_args=dict(FORMS[form], func_name='training.methods.msg.msg', G_opt_args=ADAM, D_opt_args=ADAM),
        dataset_args=dict(tfrecord_dir='cats', resolution=8, max_label_size=15 if form == 'stylegan' else 0),
        sched_args=dict(minibatch_size_base=8, minibatch_gpu_base=4, tick_kimg_dict={}, tick_kimg_base=0.008))

    def look(_network_pkl, fakes):
        pictures.append(np.concatenate([later.draw() for later in fakes(5, 0)]))
    assert train(whole, 0.024, {}, metric_callback=look, **options) == 0
    assert pictures[-1].shape == (5, 3, 8, 8) and pictures[-1].dtype == np.uint8
    folders = sorted((whole / 'state').iterdir())
    assert train(parts, 0.024, {}, resume_state=str(folders[0]), **options) == 0
    before, expected, found = variables(whole, folders[0]), variables(whole), variables(parts)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        is_trained = name.startswith(('G/', 'G_', 'D/', 'Gs/')) and 'noise' not in name and 'Train' not in name
        if is_trained and name != 'D/4x4/Dense1/bias':  # scores are compared with each other in the form of ProGAN
            assert np.abs(value - before[name]).max() > 0, name
    ticks = [json.loads(line) for line in open(str(whole / 'stats.jsonl'))]
    assert all(np.isfinite(tick['Loss/D']) and np.isfinite(tick['Loss/G']) for tick in ticks)
    assert form == 'progan' or ticks[-1]['Loss/pl_lengths'] > 0
    with tf.Graph().as_default():
        try:
            contents = pretrained.load_file(str(whole / 'network-final.pkl'))
            Gs, latents = contents.networks['Gs'], np.zeros([2, 6])
            assert contents.method == 'msg' and list(contents.networks) == ['G', 'D', 'Gs']
            images = Gs.run(*[latents, np.zeros([2, 15])][:Gs.num_inputs], all_sizes=True)
            assert [image.shape for image in images] == [(2, 3, 4, 4), (2, 3, 8, 8)]
            check_larger(contents.networks['D'])
        finally:
            tflib.close_tf()


def check_larger(D):
    """A discriminator of larger images takes over what looks at images of the same size."""
    options = dict(D.static_kwargs, resolution=16)
    larger = tflib.Network('larger', method.NETWORKS['D'] if 'label_size' in options else FORMS['progan']['D_args'][
        'func_name'], input_names=[f'in{number}' for number in range(D.num_inputs + 1)], **options)
    table = transfer.transfer(larger, D, 'discriminator')
    assert 'FromRGB_lod0/weight' in table['fresh'] and '8x8/Conv0/weight' in table['copied']
    if 'FromRGB_lod2/weight' in larger.vars:  # of 4x4 pixels; of 8x8 half as many feature maps
        assert 'FromRGB_lod2/weight' in table['copied'] and 'FromRGB_lod1/weight' in table['resized']


def options_of(*argv):
    args = parse_args(['--dataset=cats', *argv])
    check_arguments(args)
    return make_options(args)


def test_published_options():
    found = {name: options_of('--config=' + name) for name in list(msg.CONFIGS) + list(osgan.CONFIGS)}
    assert options_of('--config=msg-stylegan', '--num-gpus=2')['sched_args']['minibatch_gpu_base'] == 16
    assert found['msg-stylegan']['sched_args'] == dict(
        minibatch_size_base=4, minibatch_gpu_base=4, G_lrate_base=0.003, D_lrate_base=0.003)
    assert found['msg-progan']['sched_args']['minibatch_size_base'] == 20
    losses = {name: [options['method_args'][net + '_loss_args']['terms'] for net in 'GD']
              for name, options in found.items()}
    assert losses['msg-stylegan'] == ['logistic_ns', 'logistic_ns+r1:10']
    assert losses['msg-progan'] == ['rahinge_nohalf'] * 2 and losses['osgan'] == ['logistic_ns'] * 2
    assert found['osgan']['method_args']['D_args'] == dict(
        func_name='training.networks.dcgan.D_dcgan', fmaps=128, norm='group')
    assert found['osgan-wgan']['method_args']['clip'] == 0.01
    assert found['osgan-wgan']['sched_args'] == dict(
        minibatch_size_base=128, minibatch_gpu_base=128, G_lrate_base=0.0001, D_lrate_base=1.35e-05,
        **{net + '_lrate_schedule': osgan.DECAY for net in 'GD'})
    assert 'together' not in options_of('--config=osgan-wgan', '--stages=2')['method_args']
    small = options_of('--config=msg-progan', '--width=1/8', '--batch=16', '--g-loss=hinge')['method_args']
    assert small['G_args']['latent_size'] == 64 and small['D_loss_args']['terms'] == 'hinge'


@pytest.mark.parametrize('argv, message', [
    (['--config=msg-progan', '--classes=3'], '--classes=3: the form of ProGAN knows no labels; use --config=msg-style'),
    (['--config=msg-stylegan', '--lr=0'], '--lr=0: expected a number above 0'),
    (['--config=msg-stylegan', '--precision=mixed'], 'networks of --config=msg-stylegan have no mixed precision'),
    (['--config=osgan', '--aug=ada'], '--aug: not an option of OSGAN'),
    (['--config=osgan', '--batch=10', '--minibatch-gpu=4'], 'a minibatch of 10 cannot be split into rounds of 4'),
    (['--config=osgan', '--d-lr=-1'], '--d-lr=-1: expected a number above 0')])
def test_what_is_refused(argv, message):
    with pytest.raises(UserError, match=message):
        options_of(*argv)
