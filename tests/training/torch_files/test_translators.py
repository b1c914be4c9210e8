"""Files of the published programs that translate images: what they are is inferred, the pictures are theirs."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.files import torch_file, torch_writer
from dnnlib.tflib import random
from export import arrays
from generator import info, network_data
from tests.training import golden_translation as golden
from training import pretrained

OLD = 'resnet6_instance_old_buffers.pth'
GENERATORS = [  # file, case, what is inferred, key of the result, options of the call
    ('resnet6_instance.pth', 'resnet6_instance', dict(num_blocks=6, norm='instance'), 'y_eval', {}),
    (OLD, 'resnet6_instance', dict(num_blocks=6, norm='instance'), 'y_eval', {}),
    ('resnet6_batch_dropout.pth', 'resnet6_batch_dropout', dict(norm='batch', dropout=True), 'y_eval',
     dict(evaluate=True)),
    ('cut_resnet9.pth', 'cut_resnet9', dict(num_blocks=9, antialias=True), 'y', {}),
    ('cut_resnet4_no_antialias.pth', 'cut_resnet4_no_antialias', dict(num_blocks=4, antialias=False), 'y', {}),
    ('unet32_instance.pth', 'unet32_instance', dict(num_downs=5, norm='instance', dropout=False), 'y_eval', {}),
    ('unet32_batch.pth', 'unet32_batch', dict(num_downs=5, norm='batch'), 'y_eval', dict(evaluate=True)),
    ('unet64_batch_dropout.pth', 'unet64_batch_dropout', dict(num_downs=6, dropout=True), 'y_train_nodrop',
     dict(dropout=False)),
    ('hd_global.pth', 'hd_global', dict(num_blocks=2, num_channels=5), 'y', {}),
    ('hd_local1.pth', 'hd_local1', dict(num_enhancers=1, num_local_blocks=2, fmaps=2), 'y', {}),
    ('hd_local2.pth', 'hd_local2', dict(num_enhancers=2, num_blocks=1, num_downs=1), 'y', {}),
    ('ugatit_gen_full.pth', 'ugatit_gen_full', dict(light=False, resolution=32), 'y', {}),
    ('ugatit_gen_light.pth', 'ugatit_gen_light', dict(light=True), 'y', {}),
    ('sincut_net_G.pth', 'sincut_nets', dict(num_blocks=6, use_noise=True), 'y', {}),
    ('smallstylegan2_net_G.pth', 'smallstylegan2', dict(num_blocks=2, use_noise=False), 'y', {}),
]
DRAWN = (OLD, 'sincut_net_G.pth')  # others in test_run_translator and where networks are tested


def file_of(name):
    """Path of a file of the golden values."""
    return os.path.join(golden.DATA, name)


def saved_in(name):
    """What a file holds, as arrays by name."""
    with open(file_of(name), 'rb') as f:
        return torch_file.tensors_in(torch_file.load(f))


def as_bytes(content):
    """A PyTorch file in the working directory, as bytes."""
    torch_writer.save(content, 'changed.pth')
    with open('changed.pth', 'rb') as f:
        return f.read()


def inferred_of(name):
    """(role, options, number of trained values) of the only network in a file; nothing is built."""
    contents = pretrained.read_contents(info.read_file(file_of(name)))
    (state, role), = zip(contents.networks.values(), contents.roles.values())
    return role.role, network_data.options_of(state.state), len(network_data.variables_of(state.state))


def test_what_generators_are_made_of():
    for name, _, inferred, _, _ in GENERATORS:
        role, options, _ = inferred_of(name)
        assert role == 'generator' and {option: options[option] for option in inferred} == inferred, name


@pytest.mark.parametrize('name', DRAWN)
def test_generators_draw_the_published_pictures(session, name, monkeypatch):
    case, key, options = next((case, key, options) for file, case, _, key, options in GENERATORS if file == name)
    given = golden.arrays_cached(case)
    net = pretrained.load_file(file_of(name)).networks['G']
    monkeypatch.setattr(random, 'normal', lambda shape: tf.constant(given['noise_0']))
    y = net.run(given['x'], return_as_list=True, resolution=list(given['x'].shape[2:]), **options)[0]
    golden.check(case, key, y)


@pytest.mark.parametrize('name, role, inferred', [
    ('patchgan_n2_instance.pth', 'discriminator', dict(num_layers=2, norm='instance', fmaps=4)),
    ('patchgan_n3_antialias.pth', 'discriminator', dict(num_layers=3, antialias=True)),
    ('patchgan_n3_batch_6ch.pth', 'discriminator', dict(norm='batch', num_channels=6, antialias=False)),
    ('pixel_instance.pth', 'discriminator', dict(fmaps=3, norm='instance')),
    ('hd_dis2_feat.pth', 'discriminator', dict(num_scales=2, num_layers=3, num_channels=6)),
    ('hd_dis3_plain.pth', 'discriminator', dict(num_scales=3, num_layers=3)),
    ('sincut_net_D.pth', 'discriminator', dict(resolution=64, fmaps=1)),
    ('ugatit_dis_global7.pth', 'discriminator', dict(num_layers=7, fmaps=1)),
    ('hd_encoder.pth', 'encoder', dict(num_downs=2, fmaps=3, out_channels=3)),
    ('cut_iter_net_F.pth', 'sampler', dict(widths=[3, 6, 12, 12, 12], fmaps=16))])
def test_what_other_networks_are_made_of(name, role, inferred):
    found, options, count = inferred_of(name)
    assert found == role and {option: options[option] for option in inferred} == inferred and count


def test_ugatit_is_six_networks_that_become_a_file_of_ours(tmp_path, capsys):
    path = str(tmp_path / 'ours.pkl')
    arrays.write(pretrained.resolve(file_of('ugatit_iter_params.pt')), path, 'pkl')
    contents = [pretrained.read_contents(info.read_file(name)) for name in (file_of('ugatit_iter_params.pt'), path)]
    assert contents[0].method == contents[1].method == 'ugatit' and contents[0].roles == contents[1].roles
    assert [name for name, role in contents[1].roles.items() if role.role == 'generator'] == ['G_ab', 'G_ba']
    assert list(contents[1].networks)[2:] == ['D_a_global', 'D_a_local', 'D_b_global', 'D_b_local']
    assert 'read back, all arrays are the same' in capsys.readouterr().out


def test_what_info_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = '\n'.join(info.describe(as_bytes({'module.' + name: value for name, value in saved_in(
        'unet64_batch_dropout.pth').items()})))  # as networks on several GPUs are saved
    for text in ('Kind        pix2pix PyTorch weight file: G', 'G_unet', '29,015 parameters', "norm='batch'",
                 'role      generator, inputs: images', 'num_downs=6', 'does not tell whether it was trained with'):
        assert text in lines


@pytest.mark.parametrize('change, message', [
    (lambda tensors: tensors.pop('model.15.conv_block.5.weight'), 'tensor model.15.conv_block.5.weight is missing'),
    (lambda tensors: tensors.update({'model.4.weight': np.zeros([2, 2], np.float32)}), 'shape'),
    (lambda tensors: tensors.update(other=np.zeros([2], np.float32)), 'tensors that our networks do not have: other'),
    (lambda tensors: tensors.update({'model.7.filt': np.ones([6, 1, 5, 5], np.float32)}), 'not the published one')])
def test_files_that_are_something_else(change, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tensors = saved_in('resnet6_instance.pth')
    change(tensors)
    with pytest.raises(UserError, match=message):
        pretrained.read_states(as_bytes(tensors))
