"""WGAN and LAPGAN in small trainings that are resumed; their networks, and how labels enter them."""

import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from dnnlib.files import network_file
from tests.training.methods.test_toy_methods import variables
from training import pretrained
from training.methods import lapgan, latent
from training.networks import lapgan as networks
from training.state import transfer
from training.training_loop import training_loop

ADAM, SGD = dict(beta1=0.0, beta2=0.9), dict(tf_optimizer='dnnlib.tflib.optimizers.SGD')
WGAN = dict(
    func_name='training.methods.latent.latent', num_D_steps=2, clip=0.02, slow_start=True, G_images=2,
    G_args=dict(func_name='training.networks.dcgan.G_dcgan', fmaps=2, latent_size=3, condition='norm'),
    D_args=dict(func_name='training.networks.dcgan.D_dcgan', fmaps=2, condition='classifier'),
    G_opt_args=ADAM, D_opt_args=ADAM, G_loss_args=dict(terms='wgan+ac:0.1'), D_loss_args=dict(terms='wgan+ac_reals'))
LAPGAN = dict(
    func_name='training.methods.lapgan.lapgan', G_args=dict(fmaps=2, base_units=4, base_latent_size=3),
    D_args=dict(fmaps=2, base_units=99), G_opt_args=ADAM, D_opt_args=SGD, G_loss_args=dict(terms='rals'),
    D_loss_args=dict(terms='rals'))


def train(run_dir, kimg, resolution, method, **more):
    """A small training with labels, two rounds of two images; returns its variables."""
    os.makedirs(str(run_dir), exist_ok=True)
    with tf.Graph().as_default():
        try:
            training_loop(**dict(dict(
                submit_config=EasyDict(run_dir=str(run_dir)), total_kimg=kimg, minibatch_repeats=1, method_args=method,
                dataset_args=dict(tfrecord_dir='cats', resolution=resolution, max_label_size=15),
                sched_args=dict(minibatch_size_base=4, minibatch_gpu_base=2, G_lrate_base=0.01, D_lrate_base=0.01,
                                tick_kimg_dict={}, tick_kimg_base=0.004),
                tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1),
                checkpoint_minutes=None, keep=20, image_snapshot_ticks=None, network_snapshot_ticks=1,
                grid_args=dict(size='3x2')), **more))
        finally:
            tflib.close_tf()
    return variables(run_dir)


def assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)


def changed(before, after, begin):
    """Names of the variables that begin so and differ."""
    return {name for name in after if name.startswith(begin) and np.abs(after[name] - before[name]).max() > 0}


def test_wgan_resumed_to_the_same_bits(tmp_path, monkeypatch):
    """With G due in every second iteration, as D makes four steps before each of its own."""
    monkeypatch.setattr(latent, 'SLOW_STEPS', 4)
    measured = []

    def measure(network_pkl, fakes):
        if network_pkl is not None:
            measured.append(np.concatenate([later.draw() for later in fakes(5, 0)]))
    whole = train(tmp_path / 'whole', 0.016, 8, WGAN, metric_callback=measure)
    assert measured[-1].shape == (5, 3, 8, 8) and measured[-1].dtype == np.uint8
    folders = sorted((tmp_path / 'whole' / 'state').iterdir())
    assert_same(train(tmp_path / 'parts', 0.016, 8, WGAN, resume_state=str(folders[0])), whole)
    states = [variables(tmp_path, str(folder)) for folder in folders]
    names = {'G/4x4/weight', 'G/4x4/Norm/gamma', 'G/8x8/weight'}
    for number, (before, after) in enumerate(zip(states, states[1:])):
        found = names & changed(before, after, 'G/')
        assert found == (names if number % 2 else set()), number
        assert {'D/8x8/weight', 'D/4x4/weight', 'D/4x4/bias'} <= changed(before, after, 'D/')
    limits = [np.abs(value).max() for name, value in whole.items() if name.startswith('D/') and
              name.endswith(('weight', 'bias', 'gamma', 'beta'))]
    assert max(limits) == np.float32(0.02) and np.abs(whole['G/4x4/Norm/gamma']).max() > 0.9


def test_lapgan_resumed_and_level_by_level(tmp_path):
    sched = dict(minibatch_size_base=2, minibatch_gpu_base=2, G_lrate_base=0.01, D_lrate_base=0.01, tick_kimg_dict={},
                 tick_kimg_base=0.002)
    whole = train(tmp_path / 'whole', 0.006, 16, LAPGAN, sched_args=sched)
    folders = sorted((tmp_path / 'whole' / 'state').iterdir())
    assert_same(train(tmp_path / 'parts', 0.006, 16, LAPGAN, sched_args=sched, resume_state=str(folders[0])), whole)
    first = variables(tmp_path, str(folders[0]))
    trained = {name for name in whole if name[:2] in ('G/', 'D/') and name.endswith(('weight', 'bias'))}
    still = trained - changed(first, whole, '')  # a relativistic loss doesn't see the last biases of D
    assert len(trained) == 6 + 6 + 8 + 8 and still <= {'D/8x8/Output/bias', 'D/16x16/Output/bias'}
    pkl = str(tmp_path / 'whole' / 'network-final.pkl')
    check_drawing(pkl, whole)
    check_latents(pkl)
    one = train(tmp_path / 'one', 0.002, 16,
                dict(LAPGAN, levels=[16], gate=[-100, 0], D_loss_args=dict(terms='wgan+drift')), resume_pkl=pkl,
                resume_kimg=0, sched_args=sched)
    moved = {name for name in trained if np.abs(whole[name] - one[name]).max() > 0}
    assert moved == {name for name in trained if name.startswith('D/16x16/')}  # the gate lets only D step


def check_latents(path):
    """Z is uniform in training, and says so in the file, so that everybody draws it so."""
    with open(path, 'rb') as f:
        assert network_file.read_inert(f)['networks']['G'].state['static_kwargs']['latents'] == 'uniform'


def check_drawing(path, values):
    """The generator of a file goes through the pyramid, in units of the deviation of each pixel."""
    with tf.Graph().as_default():
        try:
            G = pretrained.load_generator(path)
            rnd, labels = np.random.RandomState(0), np.eye(15, dtype=np.float32)[:2]
            z = np.float32(rnd.uniform(-1, 1, [2, 3 + 256]))
            small = G.get_output_for(tf.constant(z[:, :3]), tf.constant(labels), level=0)
            large = G.get_output_for(tf.constant(z[:, 3:]), tf.constant(labels), level=1,
                                     coarse=networks.enlarge(small))
            expected = values['G/mean'] + values['G/deviation'] * tflib.run(large)
            np.testing.assert_allclose(G.run(z, labels), expected, atol=1e-5)
            assert tflib.run(small).shape == (2, 3, 8, 8) and np.abs(values['G/mean']).max() > 0.1
        finally:
            tflib.close_tf()


def test_statistics_of_a_network_file_stay(session, monkeypatch, capsys):
    G = tflib.Network('G', 'training.networks.lapgan.G_lapgan', num_channels=1, resolution=16, fmaps=1, base_units=2)
    for value in (0.5, 0.25):
        of_data = {name: np.full([1, 16, 16], value, np.float32) for name in ('mean', 'deviation')}
        monkeypatch.setattr(lapgan, 'statistics_of', lambda _data, of_data=of_data: of_data)
        lapgan.set_statistics(G, None)
    assert G.get_var('mean').max() == G.get_var('deviation').min() == 0.5
    assert capsys.readouterr().out.count('stay those of the network file') == 1
    other = tflib.Network('other', 'training.networks.lapgan.G_lapgan', num_channels=3, resolution=16, fmaps=1,
                          base_units=2)
    assert {'mean', 'deviation'} <= set(transfer.transfer(other, G, 'generator')['fresh'])  # of other pixels


def test_pyramid(session):
    images = np.float32(np.random.RandomState(0).randn(2, 3, 16, 16))
    small, large = session.run(networks.pyramid(tf.constant(images), 2))
    np.testing.assert_allclose(small, images.reshape(2, 3, 8, 2, 8, 2).mean(axis=(3, 5)), atol=1e-6)
    np.testing.assert_array_equal(large, images)
    assert networks.level_sizes(32, 8) == [[8, 8], [16, 16], [32, 32]]
    assert networks.level_sizes([28, 28], 8) == [[7, 7], [14, 14], [28, 28]]  # the paper's, for CIFAR
    assert networks.latent_sizes(32, 16, 100) == [100, 1024]
    with pytest.raises(UserError, match='base=64 leaves no level'):
        networks.level_sizes(64, 64)


def test_gate(session):
    for real, fake, expected in ((0.5, 0.9, (True, False)), (0.5, 0.7, (False, True)), (0.8, 0.1, (True, False))):
        assert tuple(session.run(lapgan.gate(tf.constant(real), tf.constant(fake), (0.3, 0.7)))) == expected
    with pytest.raises(UserError, match='there is no level of 12 pixels; choose from 8, 16'):
        lapgan.chosen_levels([12], [[8, 8], [16, 16]])


@pytest.mark.parametrize('value', [True, 0, 2.0])
def test_numbers_of_fakes_that_cannot_be(value):
    reals = dict(reals=EasyDict(dataset=EasyDict(shape=[3, 16, 16], label_size=0)))
    for make in (lapgan.lapgan, latent.latent):
        with pytest.raises(UserError, match=f'G_images must be a whole number of at least 1, got {value}'):
            make(reals, EasyDict(last=EasyDict(minibatch_gpu=2)), G_images=value)


def dense(x, network, scope):
    return x @ network.get_var(scope + '/weight') + network.get_var(scope + '/bias')


@pytest.mark.parametrize('condition', ['concat', 'dot', 'projection', 'classifier'])
def test_labels_of_dense_networks(session, condition):
    D = tflib.Network('D', 'training.networks.mlp.D_mlp', num_channels=1, resolution=4, label_size=3, hidden=[5, 6],
                      condition=condition)
    rnd = np.random.RandomState(1)
    images, labels = rnd.randn(4, 1, 4, 4).astype(np.float32), np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
    x = np.concatenate([images.reshape(4, 16), labels], axis=1) if condition == 'concat' else images.reshape(4, 16)
    for i in range(2):
        x = np.maximum(dense(x, D, f'Dense{i}'), 0)
    found, last = D.run(images, labels), dense(x, D, 'Output')
    if condition == 'classifier':
        np.testing.assert_allclose(found[1], last[:, 1:], atol=1e-5)
        found, last = found[0], last[:, :1]
    if condition == 'dot':
        last = (last * labels).sum(axis=1, keepdims=True)
    if condition == 'projection':
        last = last + ((labels @ D.get_var('Embed/weight')) * x).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, last, atol=1e-5)


SHAPES = [('dcgan', 'dcgan', {}, 'concat', 'norm'), ('dcgan', 'dcgan', {}, 'projection', 'concat'),
          ('wgan', 'wgan_resnet', {}, 'dot', 'norm'), ('wgan', 'wgan_resnet', dict(small=True), 'classifier', 'norm'),
          ('wgan', 'wgan_resnet', dict(small=True), 'concat', 'concat')]


@pytest.mark.parametrize('module, name, both, D_condition, G_condition', SHAPES)
def test_labels_of_convolutions(session, module, name, both, D_condition, G_condition):
    """What they return depends on the labels, in training and out of it."""
    both = dict(both, num_channels=2, resolution=16, label_size=2, fmaps=2)
    G = tflib.Network('G', f'training.networks.{module}.G_{name}', latent_size=3, condition=G_condition, **both)
    D = tflib.Network('D', f'training.networks.{module}.D_{name}', condition=D_condition, norm='layer', **both)
    for network in (G, D):
        rnd = np.random.RandomState(0)
        tflib.set_vars({var: rnd.randn(*var.shape.as_list()) * 0.5 for var in network.trainables.values()})
    z, labels = np.random.RandomState(1).randn(1, 3), np.eye(2, dtype=np.float32)
    for options in ({}, dict(is_training=True)):
        images = G.run(np.repeat(z, 2, axis=0), labels, **options)
        assert images.shape == (2, 2, 16, 16) and np.abs(images).max() <= 1 and np.abs(images[0] - images[1]).max() > 0
        scores = D.run(np.repeat(images[:1], 2, axis=0), labels, **options)
        if D_condition == 'classifier':
            assert scores[0].shape == (2, 1) and scores[1].shape == (2, 2) and scores[0][0] == scores[0][1]
        else:
            assert scores.shape == (2, 1) and scores[0] != scores[1]


def test_sizes_of_wgan_gp(session):
    """Widths of the published networks for 64 pixels and CIFAR, in units of fmaps; layers that change nothing."""
    def shapes(of, **options):
        network = tflib.Network(of, f'training.networks.wgan.{of}_wgan_resnet', num_channels=3, **options)
        return {name[:-len('/weight')]: var.shape.as_list() for name, var in network.trainables.items()
                if name.endswith('/weight')}
    G, D = shapes('G', fmaps=1, resolution=64), shapes('D', fmaps=1, resolution=64)
    assert G['Input'] == [128, 8 * 16] and D['Output'] == [8 * 16, 1] and D['Input'] == [3, 3, 3, 1]
    assert [G[f'Block{i}/Conv0'][2:] for i in range(4)] == [[8, 8], [8, 4], [4, 2], [2, 1]]
    assert [D[f'Block{i}/Conv1'][2:] for i in range(4)] == [[1, 2], [2, 4], [4, 8], [8, 8]]
    assert G['Output'] == [3, 3, 1, 3] and len(G) == len(D) == 2 + 4 * 3
    G, D = (shapes(of, fmaps=2, resolution=32, small=True, norm='none') for of in 'GD')
    assert G['Input'] == [128, 2 * 16] and D['Output'] == [2, 1] and D['Block0/Conv0'] == [3, 3, 3, 2]
    assert [name for name in D if 'Skip' in name] == ['Block0/Skip', 'Block1/Skip'] and len(G) == 2 + 3 * 3
