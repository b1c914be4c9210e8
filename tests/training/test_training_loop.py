"""The whole loop at 8 x 8 pixels: files, resuming without a difference, signals."""

import json
import os
import shutil
import signal
import time
from unittest import mock

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, RunContext, UserError, tflib
from dnnlib.run.signals import StopSignals
from training import misc, pretrained
from training.data.cats import CatsDataset
from training.report import held_out
from training.state import files
from training.training_loop import ABORTED, Options, refusing_bad_options, split_options, training_loop

NETWORK = dict(fmap_base=64, fmap_max=8, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8)
ADAM = dict(beta1=0.0, beta2=0.99, epsilon=1e-8)
STYLEGAN2 = dict(G_args=dict(func_name='training.networks_stylegan2.G_main', **NETWORK),
                 D_args=dict(func_name='training.networks_stylegan2.D_stylegan2', fmap_base=64, fmap_max=8),
                 G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'), holdout=0.1)
DENSE = dict(G_args=dict(func_name='tests.training.dense.generator'),
             D_args=dict(func_name='tests.training.dense.discriminator'),
             G_loss_args=dict(func_name='training.loss.G_logistic_ns'))


def train(run_dir, total_kimg, minibatch_gpu=4, **options):
    """Trains dense layers on 8 x 8 cats in a graph and session of its own; returns what the loop returns."""
    tf_config = {'device': 'cpu', 'intra_op_parallelism_threads': 1, 'inter_op_parallelism_threads': 1}
    os.makedirs(str(run_dir), exist_ok=True)
    with tf.Graph().as_default(), mock.patch.object(held_out, 'MAX_IMAGES', 16):
        try:
            return training_loop(**dict(dict(
                submit_config=EasyDict(run_dir=str(run_dir)), seed=5, total_kimg=total_kimg, tf_config=tf_config,
                G_opt_args=ADAM, D_opt_args=ADAM, D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma=1.0),
                dataset_args=dict(tfrecord_dir='cats', resolution=8, max_label_size='full'),
                sched_args=dict(minibatch_size_base=8, minibatch_gpu_base=minibatch_gpu, tick_kimg_dict={8: 0.032},
                                lrate_rampup_kimg=0.2),
                grid_args=dict(size='3x2'), G_reg_interval=2, D_reg_interval=3, mirror_augment=True,
                checkpoint_minutes=None, **DENSE), **options))
        finally:
            RunContext.get().close()
            if tf.get_default_session() is not None:
                tflib.close_tf()


def variables_of_last_state(run_dir):
    """All variables of the newest state by name."""
    reader = tf.train.NewCheckpointReader(os.path.join(files.latest_state(str(run_dir)), files.VARIABLES))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def assert_same_variables(run_dir_a, run_dir_b):
    """Bit for bit."""
    a, b = variables_of_last_state(run_dir_a), variables_of_last_state(run_dir_b)
    assert sorted(a) == sorted(b)
    different = [name for name in a if a[name].tobytes() != b[name].tobytes()]
    assert not different


def interrupt_at(tick, number):
    """A metric callback that sends a signal to this process at a tick."""
    calls = []

    def callback(_network_pkl, _fakes):
        calls.append(None)
        if len(calls) == tick + 1:
            os.kill(os.getpid(), number)
    return callback


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    """Run directory of a StyleGAN2 training of 160 images that nothing stopped."""
    run_dir = tmp_path_factory.mktemp('uninterrupted')
    assert train(run_dir, 0.16, network_snapshot_ticks=2, image_snapshot_ticks=2, **STYLEGAN2) == 0
    return run_dir


def test_files_of_a_run(uninterrupted):
    names = sorted(name for name in os.listdir(str(uninterrupted)) if not name.startswith(('.', 'events')))
    assert names == ['classes.json', 'fakes000000.png', 'fakes_init.png', 'network-final.pkl',
                     'network-snapshot-000000.pkl',
                     'reals.png', 'state', 'stats.jsonl']
    for name in ('reals.png', 'fakes_init.png', 'fakes000000.png'):
        assert PIL.Image.open(str(uninterrupted / name)).size == (24, 16)


def test_stats_hold_every_tag(uninterrupted):
    ticks = [json.loads(line) for line in open(str(uninterrupted / 'stats.jsonl'))]
    assert [tick['nimg'] for tick in ticks] == [32, 64, 96, 128, 160]
    assert [tick['Progress/tick'] for tick in ticks] == [0, 1, 2, 3, 4]
    for tag in ('Loss/scores/real', 'Loss/scores/fake', 'Loss/gradient_penalty', 'Loss/pl_lengths', 'Loss/pl_penalty',
                'TrainG/learning_rate', 'RegG/overflow_frequency', 'RegD/learning_rate', 'Timing/sec_per_kimg',
                'Holdout/scores/train', 'Holdout/scores/held_out', 'Holdout/scores/generated'):
        assert np.isfinite(ticks[0][tag]), tag
    written = set()
    for name in os.listdir(str(uninterrupted)):
        if name.startswith('events'):
            for event in tf.train.summary_iterator(str(uninterrupted / name)):
                written.update(value.tag for value in event.summary.value)
    assert written == set(ticks[0]) - {'nimg'}


def test_the_moving_average_is_another_generator(uninterrupted):
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu'})
        G, D, Gs = misc.load_pkl(str(uninterrupted / 'network-final.pkl'))
        weight = 'G_synthesis/4x4/Conv/weight'
        assert not np.array_equal(G.get_var(weight), Gs.get_var(weight))
        np.testing.assert_array_equal(G.get_var('G_synthesis/noise1'), Gs.get_var('G_synthesis/noise1'))
        assert np.any(Gs.get_var('dlatent_avg'))
        assert D.output_shape == [None, 1]
        tflib.close_tf()


@pytest.fixture(scope='module')
def dense(tmp_path_factory):
    """The same of dense layers."""
    run_dir = tmp_path_factory.mktemp('dense')
    assert train(run_dir, 0.16) == 0
    return run_dir


def test_being_stopped_changes_nothing(uninterrupted, tmp_path, capsys):
    stopped = train(tmp_path, 0.16, network_snapshot_ticks=None, metric_callback=interrupt_at(1, signal.SIGTERM),
                    **STYLEGAN2)
    assert stopped == signal.SIGTERM
    state, snapshot = files.latest_state(str(tmp_path)), str(tmp_path / 'network-snapshot-000000.pkl')
    out = capsys.readouterr().out
    assert f'Stopped at kimg 0.1, state saved in {state}, networks in {snapshot}\n' in out
    assert out.index('Building the networks') < out.index('G_synthesis/4x4/Conv') < out.index('tick 0')
    assert not (tmp_path / 'network-final.pkl').exists()
    with tf.Graph().as_default():  # the networks are those of the state
        tflib.init_tf({'device': 'cpu'})
        try:
            G = pretrained.load_networks(os.path.dirname(os.path.dirname(state)))[0]
            values = variables_of_last_state(tmp_path)
            for name in ('G_synthesis/4x4/Conv/weight', 'G_mapping/Dense0/bias'):
                np.testing.assert_array_equal(G.get_var(name), values[name])
        finally:
            tflib.close_tf()
    assert train(tmp_path, 0.16, **STYLEGAN2) == 0
    assert_same_variables(uninterrupted, tmp_path)


def test_being_killed_in_a_metric_changes_nothing(dense, tmp_path):
    assert train(tmp_path, 0.16, metric_callback=interrupt_at(1, signal.SIGTERM)) == signal.SIGTERM

    def killed_in_a_metric(network_pkl, _fakes):
        if network_pkl is not None:  # at tick 2, then at the last one
            raise SystemExit  # no error: nothing more is saved
    os.makedirs(str(tmp_path / 'state' / 'unfinished'))
    (tmp_path / ('tmp_' + 'a' * 32 + '_fakes.png')).write_text('')
    with pytest.raises(SystemExit):
        train(tmp_path, 0.16, network_snapshot_ticks=2, metric_callback=killed_in_a_metric)
    assert files.latest_state(str(tmp_path)).endswith('000000096')
    assert not (tmp_path / 'network-final.pkl').exists()

    with pytest.raises(SystemExit):
        train(tmp_path, 0.16, network_snapshot_ticks=10, metric_callback=killed_in_a_metric)
    assert_same_variables(dense, tmp_path)
    assert (tmp_path / 'network-final.pkl').exists()
    assert not [name for name in os.listdir(str(tmp_path)) if name.startswith('tmp_')]
    # the report of a tick whose metrics were killed is lost
    assert [json.loads(line)['nimg'] for line in open(str(tmp_path / 'stats.jsonl'))] == [32, 64, 128]


def test_an_error_saves_the_state_between_two_iterations(dense, tmp_path, monkeypatch, capsys):
    read = CatsDataset._read

    def damaged(self, index, lod):
        if index == self.indices_at(80, 1)[0]:  # wanted in the iteration after 80 images
            raise UserError('x.png: unreadable image')
        return read(self, index, lod)
    with monkeypatch.context() as patch:
        patch.setattr(CatsDataset, '_read', damaged)
        with pytest.raises(UserError, match='x.png: unreadable image.*; .* saved, net.*--resume=' + str(tmp_path)):
            train(tmp_path, 0.16)
    assert files.latest_state(str(tmp_path)).endswith('000000080')
    assert (tmp_path / 'network-snapshot-000000.pkl').exists()

    def crash(_network_pkl, _fakes):
        if os.path.isfile(str(tmp_path / 'stats.jsonl')):
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        train(tmp_path, 0.16, metric_callback=crash)
    assert 'An error ends the training; what was learned is saved, networks in ' in capsys.readouterr().out
    assert train(tmp_path, 0.16) == 0
    assert_same_variables(dense, tmp_path)


def test_images_that_cannot_be_read_are_skipped_and_counted(tmp_path, monkeypatch, capsys):
    read = CatsDataset._read

    def damaged(self, index, lod):
        if index % 10 == 3:
            raise UserError('{}.png: unreadable image'.format(index))
        return read(self, index, lod)
    monkeypatch.setattr(CatsDataset, '_read', damaged)
    assert train(tmp_path, 0.064, bad='skip') == 0
    printed = capsys.readouterr().out
    assert '.png: unreadable image (1 so far)' in printed and '(2 so far)' in printed
    with open(str(tmp_path / 'stats.jsonl')) as file:
        assert json.loads(file.readlines()[-1])['Data/skipped_images'] > 1


def test_the_final_networks_come_before_the_last_state(tmp_path, monkeypatch):
    def killed(_networks, _method, path):
        if path.endswith('network-final.pkl'):
            raise SystemExit
    monkeypatch.setattr(misc, 'save_networks', killed)
    with pytest.raises(SystemExit):
        train(tmp_path, 0.064, network_snapshot_ticks=1)
    assert files.latest_counters(str(tmp_path)) is None


def test_abort_txt_saves_the_state(tmp_path):
    def abort(_network_pkl, _fakes):
        (tmp_path / 'abort.txt').write_text('')
    monkey = EasyDict(run_dir=str(tmp_path), task_name='t', host_name='h')
    RunContext._current = RunContext(monkey)
    assert train(tmp_path, 0.16, metric_callback=abort) == ABORTED
    assert files.latest_counters(str(tmp_path)).nimg == 32
    assert (tmp_path / 'network-snapshot-000000.pkl').exists() and not (tmp_path / 'network-final.pkl').exists()


def test_a_run_from_a_pickle_freezes_layers_and_continues_without_it(uninterrupted, tmp_path):
    pkl = str(tmp_path / 'start.pkl')
    shutil.copy(str(uninterrupted / 'network-final.pkl'), pkl)
    options = dict(STYLEGAN2, resume_pkl=pkl, freeze_d=1, freeze_mapping=True, holdout=0,
                   G_loss_args=dict(func_name='training.loss.G_logistic_ns'))
    train(tmp_path / 'run', 0.032, **options)
    os.remove(pkl)
    assert train(tmp_path / 'run', 0.064, **options) == 0
    start, end = variables_of_last_state(uninterrupted), variables_of_last_state(tmp_path / 'run')
    changed = {name for name in start if name in end and name.startswith(('D/', 'G/', 'G_')) and
               not np.array_equal(start[name], end[name])}
    for name, trained in (('D/8x8/FromRGB/weight', False), ('D/8x8/Conv0/weight', True), ('D/4x4/Conv/weight', True),
                          ('G_mapping/Dense0/weight', False), ('G_synthesis/4x4/Conv/weight', True)):
        assert name in start and (name in changed) == trained, name


def test_bad_repeats_are_refused(tmp_path):
    with pytest.raises(UserError, match='minibatch_repeats must be a whole number of at least 1, got 0'):
        train(tmp_path, 1, minibatch_repeats=0)


def test_options_of_the_loop_and_of_the_method_are_told_apart():
    options, method_args = split_options(dict(seed=3, G_smoothing_kimg=5), None)
    assert options == Options(seed=3)
    assert method_args == dict(func_name='training.methods.stylegan2.stylegan2', G_smoothing_kimg=5)
    method_args = dict(func_name='x', y=1)
    assert split_options(dict(seed=3), method_args) == (Options(seed=3), method_args)
    with pytest.raises(UserError, match="training_loop: unknown option 'G_smoothing_kimg'"):
        split_options(dict(seed=3, G_smoothing_kimg=5), method_args)


def test_errors_of_the_set_up_are_one_line():
    for error in (TypeError('two\nlines'), ZeroDivisionError('two'), KeyError('two'), AssertionError('two')):
        with pytest.raises(UserError, match="cannot be set up with these options .*two'?[)]$"):
            with refusing_bad_options():
                raise error
    with pytest.raises(UserError, match='^as it is$'):
        with refusing_bad_options():
            raise UserError('as it is')


def test_bad_sizes_are_refused(tmp_path):
    with pytest.raises(UserError, match='minibatch_size 8 is not a multiple of minibatch_gpu 3'):
        train(tmp_path, 1, minibatch_gpu=3)
    assert not (tmp_path / 'reals.png').exists()


def test_a_second_signal_acts_as_always(request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # started by nohup or `&`, we would have another
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)  # Python 3.7 calls the handler a little later
    with pytest.raises(KeyboardInterrupt):
        with StopSignals() as signals:
            interrupt()
            assert signals.received == signal.SIGINT
            interrupt()
    with StopSignals(only_first=True) as signals:  # of a worker, which its launcher kills instead
        interrupt()
        interrupt()
        assert signals.received == signal.SIGINT
    with pytest.raises(KeyboardInterrupt):  # the handler from before is back
        interrupt()


def test_a_time_limit_is_a_signal(capsys):
    with StopSignals(hours=1e-6) as signals:
        deadline = time.time() + 10
        while not signals.received and time.time() < deadline:
            time.sleep(0.01)
        assert signals.received == signal.SIGALRM
    assert 'The time limit of 1e-06 hours has passed: stopping after this iteration.' in capsys.readouterr().out
    with StopSignals(hours=1e-5) as signals:  # over before it passes
        pass
    time.sleep(0.05)
    assert not signals.received


def test_a_signal_in_the_last_iteration_ends_a_finished_training(tmp_path, capsys):
    assert train(tmp_path, 0.032, metric_callback=interrupt_at(1, signal.SIGTERM)) == 0
    assert 'Stopped at' not in capsys.readouterr().out and (tmp_path / 'network-final.pkl').exists()
