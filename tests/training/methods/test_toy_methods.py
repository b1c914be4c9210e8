"""Methods unlike StyleGAN2 on the same loop: they train, are killed, and continue to the same bits."""

import json
import os

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from tests.training.methods import toys
from training import pretrained
from training.state import files
from training.training_loop import training_loop

CATS = dict(tfrecord_dir='cats', resolution=8)
STREAMS = dict(cycle=dict(a=CATS, b=dict(CATS, held_out=True)), joint=dict(reals=CATS), critics=dict(reals=CATS))
KIMG = 0.128  # 16 iterations, 4 ticks


def train(run_dir, method, total_kimg=KIMG, minibatch_gpu=4, **options):
    """Trains in a graph and session of its own with one thread; returns what the loop returns."""
    os.makedirs(str(run_dir), exist_ok=True)
    with tf.Graph().as_default():
        try:
            return training_loop(
                submit_config=EasyDict(run_dir=str(run_dir)), method_args=dict(func_name=f'{toys.__name__}.{method}'),
                stream_args=STREAMS[method], total_kimg=total_kimg, minibatch_repeats=1,
                sched_args=dict(func_name=toys.__name__ + '.schedule', minibatch_gpu=minibatch_gpu),
                tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1),
                mirror_augment=True, checkpoint_minutes=None, keep=10,
                **dict(dict(image_snapshot_ticks=1, network_snapshot_ticks=1, grid_args=dict(size='3x2')), **options))
        finally:
            tflib.close_tf()


def variables(run_dir, folder=None):
    """{name: value} of all variables of the last state, or of the one in another folder."""
    folder, found = folder or files.latest_state(str(run_dir)), {}
    reader = tf.train.NewCheckpointReader(os.path.join(folder, files.VARIABLES))
    found.update((key, reader.get_tensor(key)) for key in reader.get_variable_to_shape_map())
    if os.path.exists(os.path.join(folder, files.ROUNDS)):
        with np.load(os.path.join(folder, files.ROUNDS)) as arrays:
            found.update((name.replace('|', '/'), arrays[name]) for name in arrays.files)
    return found


class Killed(BaseException):
    """Ends a training as a kill does: nothing more is saved."""


@pytest.fixture(scope='module', params=sorted(STREAMS))
def run(request, tmp_path_factory):
    """(name of a method, folder of a training of it that nobody interrupted)."""
    folder = tmp_path_factory.mktemp(request.param)
    assert train(folder, request.param) == 0
    return request.param, folder


def test_killed_and_continued_to_the_same_bits(run, tmp_path):
    method, folder = run

    ticks = []

    def kill(network_pkl, _fakes):
        ticks.append(network_pkl)
        if len(ticks) == 3:
            raise Killed
    with pytest.raises(Killed):
        train(tmp_path, method, metric_callback=kill)
    assert 0 < files.latest_counters(str(tmp_path)).nimg < KIMG * 1000
    assert train(tmp_path, method, metric_callback=kill) == 0
    expected, found = variables(folder), variables(tmp_path)
    assert set(expected) == set(found) and len(expected) > 6
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name], err_msg=name)
    with PIL.Image.open(str(folder / 'fakes000000.png')) as a, PIL.Image.open(str(tmp_path / 'fakes000000.png')) as b:
        np.testing.assert_array_equal(a, b)


def test_every_network_is_trained(run):
    method, folder = run
    states = files.list_states(str(folder))
    first, last = variables(folder, states[0]), variables(folder, states[-1])
    weights = [name for name in first if name.split('/')[-1] == 'weight']
    assert len(weights) == (4 if method == 'cycle' else 3)
    for name in weights:
        assert np.isfinite(last[name]).all() and np.any(first[name] != last[name]), name
    lines = [json.loads(line) for line in (folder / 'stats.jsonl').read_text().splitlines()]
    losses = [name for name in lines[0] if name.startswith('Loss/')]
    assert losses and all(np.isfinite(line[name]) for line in lines for name in losses)
    assert all(('Progress/diversity' in line) == (method != 'cycle') for line in lines)


def test_state_of_each_round_has_a_file_of_its_own(run):
    method, folder = run
    state = files.latest_state(str(folder))
    assert (files.ROUNDS in os.listdir(state)) == (method == 'cycle')
    if method == 'cycle':
        with np.load(os.path.join(state, files.ROUNDS)) as arrays:
            assert sorted(arrays.files) == ['State|pool_a', 'State|pool_a_filled', 'State|pool_b',
                                            'State|pool_b_filled']
            assert arrays['State|pool_a_filled'].tolist() == [toys.POOL_SIZE] * 2  # two rounds
            assert (arrays['State|pool_a'][0] != arrays['State|pool_a'][1]).any()
        shared = tf.train.NewCheckpointReader(os.path.join(state, files.VARIABLES))
        assert not [name for name in shared.get_variable_to_shape_map() if 'pool' in name]


def test_pictures_have_the_rows_of_the_method(run):
    method, folder = run
    with PIL.Image.open(str(folder / 'fakes000000.png')) as image:
        assert image.size == ((48, 32) if method == 'cycle' else (48, 8))
    names = sorted(name for name in os.listdir(str(folder)) if name.startswith('reals'))
    assert names == (['reals-b.png', 'reals.png'] if method == 'cycle' else ['reals.png'])


def test_gated_and_clipped_steps_of_the_critic(run):
    method, folder = run
    if method != 'critics':
        return
    found = variables(folder)
    assert np.abs(found['D/weight']).max() <= 0.5
    assert found['State/D_rate'] < 0.02 and found['State/best'] < 1000
    # open at first, turned after iterations 0, 3, 6, ..., 15: seven of 16 iterations passed, of two rounds each
    assert found['State/gate'] == True and found['State/passed'] == 14  # noqa: E712  (a NumPy bool)


def test_metrics_are_handed_fakes(tmp_path):
    seen = []

    def measure(_network_pkl, fakes):
        if not seen:
            seen.append(list(fakes(6, 1)))
    train(tmp_path, 'joint', 0.016, metric_callback=measure)
    assert [(part.shape, part.dtype) for part in seen[0]] == [((4, 3, 8, 8), np.uint8), ((2, 3, 8, 8), np.uint8)]


def test_rounds_see_the_same_images(tmp_path):
    """One round of 8 and two of 4 make the same step, where neither pools nor random numbers tell them apart."""
    for name, size in (('one', 8), ('two', 4)):
        train(tmp_path / name, 'cycle', 0.008, minibatch_gpu=size)
    one, two = (variables(tmp_path / name) for name in ('one', 'two'))
    for name in ('G_ab/weight', 'G_ba/bias'):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-4, atol=1e-6)


@pytest.fixture
def toys_are_known(monkeypatch):
    """Network files may name the toys' build functions."""
    monkeypatch.setattr(pretrained, 'BUILD_MODULES', pretrained.BUILD_MODULES + (toys.__name__,))


def test_network_files_describe_themselves(run, toys_are_known):
    method, folder = run
    with tf.Graph().as_default():
        contents = pretrained.load_file(str(folder / 'network-final.pkl'))
        roles = {name: tuple(role) for name, role in contents.roles.items()}
        images, state = ('images',), variables(folder)
        for name, network in contents.networks.items():
            np.testing.assert_array_equal(network.get_var('weight'), state[name + '/weight'])
        if method == 'cycle':
            assert roles == dict(G_ab=('generator', None, images), G_ba=('generator', None, images),
                                 D_a=('discriminator', None, images), D_b=('discriminator', None, images))
            with pytest.raises(UserError, match='expected one generator, .* not networks of toy_cycle: G_ab'):
                pretrained.load_generator(str(folder / 'network-final.pkl'))
        else:
            assert list(roles) == ['G', 'D', 'Gs'] and roles['Gs'] == ('generator', 'G', ('latents',))
            assert pretrained.load_generator(str(folder / 'network-final.pkl')).name == 'Gs'
        tflib.close_tf()


def test_a_training_begins_from_networks_by_name(run, toys_are_known, tmp_path, capsys):
    method, folder = run
    train(tmp_path, method, 0.004, resume_pkl=str(folder / 'network-final.pkl'), network_snapshot_ticks=None)
    assert 'Starting from ' in capsys.readouterr().out
    assert files.latest_counters(str(tmp_path)).nimg == 8
    other = dict(cycle='joint', joint='cycle', critics='cycle')[method]
    with pytest.raises(UserError, match='it holds networks of .*, but nothing for G'):
        train(tmp_path / 'other', other, 0.004, resume_pkl=str(folder / 'network-final.pkl'))


def test_a_field_that_the_schedule_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(toys, 'schedule', lambda nimg, dataset, **_options: EasyDict(
        minibatch_size=4, minibatch_gpu=4, tick_kimg=1, G_rate=0.1))
    with pytest.raises(UserError, match='the schedule gives no D_rate, which the method asks for'):
        train(tmp_path, 'joint')


def test_streams_of_other_sizes_share_the_cells_of_the_grid(tmp_path, monkeypatch):
    monkeypatch.setitem(STREAMS, 'cycle', dict(a=dict(CATS, max_label_size='full'),
                                               b=dict(CATS, resolution=16, max_label_size=3)))
    monkeypatch.setattr(toys, 'cycle', lambda streams, schedule: toys._generator_method(
        'toy', lambda step: [step.run('nothing', tf.no_op())], {}))
    train(tmp_path, 'cycle', 0.008, grid_args=dict(size='1080p'), network_snapshot_ticks=None)
    with PIL.Image.open(str(tmp_path / 'reals.png')) as a, PIL.Image.open(str(tmp_path / 'reals-b.png')) as b:
        assert a.size == (32 * 8, 32 * 8) and b.size == (32 * 16, 32 * 16)
    names = json.loads((tmp_path / 'classes.json').read_text())
    assert len(names) > 3  # of the first stream, which the class of a picture is from
