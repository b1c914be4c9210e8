"""CycleGAN's two published files as one: which are meant, and that a training begins from both."""

import os
import shutil

import numpy as np
import pytest

from dnnlib import UserError
from tests.training import golden_translation as golden
from generator import info
from training import pretrained
from training.options import continuing
from training.state import pairs, transfer
from training.train_step import Net

FILE = 'cyclegan_iter_net_G_{}.pth'


def state_of(path):
    """NetworkState of the generator in a file."""
    state, = pretrained.read_contents(info.read_file(path)).networks.values()
    return state.state


def test_which_files_are_meant(tmp_path):
    assert pairs.split('x_G_B.pth,y_G_A.pth') == ('y_G_A.pth', 'x_G_B.pth')
    assert pairs.split('two.pth,one.pth') == ('two.pth', 'one.pth') and pairs.split('one.pth') is None
    folder = str(tmp_path)
    assert pairs.named(folder) == folder and pairs.named('auto') == 'auto'
    for name in ('5_net_G_A', '5_net_G_B', '10_net_G_A', '10_net_G_B', 'latest_net_G_A', '15_net_D_A'):
        shutil.copy(os.path.join(golden.DATA, FILE.format('A')), os.path.join(folder, name + '.pth'))
    assert pairs.named(folder) == ','.join(os.path.join(folder, f'10_net_G_{x}.pth') for x in 'AB')
    continuing.check_start(folder)
    assert continuing.starts_from_networks(folder)
    options = {}
    assert continuing.choose_run(folder, folder, 'x-1gpu-cyclegan', dict(options, total_kimg=1)) is None
    with pytest.raises(UserError, match="'nowhere_G_A.pth' not found"):
        continuing.check_start('nowhere_G_A.pth,nowhere_G_B.pth')


def test_both_generators_begin_from_their_files(session):
    paths = [os.path.join(golden.DATA, FILE.format(letter)) for letter in 'AB']
    nets = {name: Net('training.networks.resnet.G_resnet', state_of(path)['static_kwargs'])
            for name, path in zip(('G_ab', 'G_ba'), paths)}
    nets['D_a'] = Net('training.networks.patchgan.D_patchgan', dict(fmaps=2, num_layers=1), role='discriminator')
    networks = transfer.create_networks(nets)
    data = type('Data', (), dict(label_size=0))
    assert transfer.begin_from(networks, nets, data, transfer.Start(paths[1])) == 0  # one of the two is enough
    for name, path in zip(('G_ab', 'G_ba'), paths):
        values = dict(state_of(path)['variables'])
        np.testing.assert_array_equal(networks[name].get_var('Input/weight'), values['Input/weight'])
    with pytest.raises(UserError, match='two files are for methods with two generators, such as cyclegan; give one'):
        pairs.load(','.join(paths), dict(G=nets['G_ab']), pretrained.load_file)
    discriminator = os.path.join(golden.DATA, 'cyclegan_iter_net_D_A.pth')
    with pytest.raises(UserError, match='D_A.pth: expected one generator, not networks of'):
        pairs.load(f'{paths[0]},{discriminator}', nets, pretrained.load_file)
