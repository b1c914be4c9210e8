"""The training loop with small networks that grow from 4 x 4 to 16 x 16 pixels: sizes, pictures, resuming."""

import json
import os
import signal

import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, RunContext, UserError, tflib
from tests.training.test_training_loop import assert_same_variables, interrupt_at, variables_of_last_state
from training.data.cats import CatsDataset
from training.data.making import writer
from training.state import files
from training.training_loop import training_loop

SCHEDULE = dict(lod_initial_resolution=4, lod_training_kimg=0.016, lod_transition_kimg=0.032, minibatch_size_base=4,
                minibatch_size_dict={4: 16, 8: 8}, minibatch_gpu_base=4, minibatch_gpu_dict={4: 8},
                tick_kimg_base=0.001,
                tick_kimg_dict={}, lrate_rampup_kimg=0.05)
# nimg at the end of an iteration, lod and minibatch in it
ITERATIONS = [(16, 2, 16), (32, 2, 16), (40, 1.5, 8), (48, 1.25, 8), (56, 1, 8), (64, 1, 8), (72, 1, 8), (76, 0.75, 4),
              (80, 0.625, 4), (84, 0.5, 4), (88, 0.375, 4), (92, 0.25, 4), (96, 0.125, 4), (100, 0, 4)]


def train(run_dir, total_kimg=0.1, **options):
    """Trains in a graph and session of its own; returns what the loop returns."""
    os.makedirs(str(run_dir), exist_ok=True)
    adam = dict(beta1=0.5, beta2=0.99)
    with tf.Graph().as_default():
        try:
            return training_loop(**dict(dict(
                submit_config=EasyDict(run_dir=str(run_dir)), seed=5, total_kimg=total_kimg,
                tf_config={'device': 'cpu', 'intra_op_parallelism_threads': 1, 'inter_op_parallelism_threads': 1},
                G_args=dict(func_name='tests.training.dense.generator'),
                D_args=dict(func_name='tests.training.dense.discriminator'),
                G_opt_args=adam, D_opt_args=adam, G_loss_args=dict(func_name='training.loss.G_logistic_ns'),
                D_loss_args=dict(func_name='training.loss.D_logistic_r1'), sched_args=SCHEDULE,
                dataset_args=dict(tfrecord_dir='cats', resolution=16), grid_args=dict(size='3x2'), mirror_augment=True,
                minibatch_repeats=1, D_reg_interval=3, checkpoint_minutes=None, image_snapshot_ticks=None,
                network_snapshot_ticks=None), **options))
        finally:
            RunContext.get().close()
            if tf.get_default_session() is not None:
                tflib.close_tf()


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    """Run directory of a training that nothing stopped, and the sizes of the reals that it read."""
    run_dir = tmp_path_factory.mktemp('growing')
    sizes, read = [], CatsDataset.get_minibatch_np

    def note(self, minibatch_size, *args):
        images, labels = read(self, minibatch_size, *args)
        sizes.append(images.shape)
        return images, labels
    CatsDataset.get_minibatch_np = note
    try:
        assert train(run_dir, image_snapshot_ticks=20) == 0
    finally:
        del CatsDataset.get_minibatch_np  # it is inherited
    return run_dir, sizes


def test_lod_minibatch_and_reals_follow_the_schedule(uninterrupted):
    run_dir, sizes = uninterrupted
    ticks = [json.loads(line) for line in open(str(run_dir / 'stats.jsonl'))]
    assert [(tick['nimg'], round(tick['Progress/lod'], 9), tick['Progress/minibatch']) for tick in ticks] == ITERATIONS
    expected = [(minibatch, 3, 16 >> int(lod), 16 >> int(lod)) for _, lod, minibatch in ITERATIONS]
    assert sizes[1:] == expected  # the first is the grid


def test_the_networks_end_at_the_last_level(uninterrupted):
    variables = variables_of_last_state(uninterrupted[0])
    assert [variables[name + '/lod'] for name in ('G', 'D', 'Gs')] == [0, 0, 0]
    assert PIL.Image.open(str(uninterrupted[0] / 'fakes000000.png')).size == (48, 32)


@pytest.mark.parametrize('tick', [1, 2, 6, 9])  # before and in a fade, at the end of one, in the middle of the next
def test_being_stopped_anywhere_changes_nothing(uninterrupted, tmp_path, tick):
    assert train(tmp_path, metric_callback=interrupt_at(tick, signal.SIGTERM)) == signal.SIGTERM
    assert files.latest_counters(str(tmp_path)).nimg == ITERATIONS[tick][0]
    assert train(tmp_path) == 0
    assert_same_variables(uninterrupted[0], tmp_path)


def test_an_error_at_a_new_level_does_not_lose_the_reset(uninterrupted, tmp_path, monkeypatch):
    read = CatsDataset._read

    def damaged(self, index, lod):
        if lod == 1 and self.position == 32:  # the first images of the second level
            raise UserError('x.png: unreadable image')
        return read(self, index, lod)
    with monkeypatch.context() as patch:
        patch.setattr(CatsDataset, '_read', damaged)
        with pytest.raises(UserError, match='x.png'):
            train(tmp_path)
    assert files.latest_counters(str(tmp_path)).nimg == 32
    assert train(tmp_path) == 0
    assert_same_variables(uninterrupted[0], tmp_path)


def test_the_reset_makes_a_difference(uninterrupted, tmp_path):
    train(tmp_path, reset_opt_for_new_lod=False)
    with pytest.raises(AssertionError):
        assert_same_variables(uninterrupted[0], tmp_path)


def test_pyramids_of_records_are_those_of_pictures(uninterrupted, tmp_path):
    with CatsDataset(resolution=16, shuffle_mb=0) as cats, \
            writer.TFRecordExporter(str(tmp_path / 'cats16'), 64) as exporter:
        for index in range(64):
            exporter.add_image(cats.read(index))
    args = dict(resolution=16, max_images=64)
    train(tmp_path / 'a', dataset_args=dict(tfrecord_dir='cats', **args))
    train(tmp_path / 'b', dataset_args=dict(tfrecord_dir=str(tmp_path / 'cats16'), **args))
    assert_same_variables(tmp_path / 'a', tmp_path / 'b')


def fade(images, labels, strength=1):
    """Stands in for an augmentation, of images at full size."""
    assert images.shape.as_list()[1:] == [3, 16, 16]
    return images * (1 - strength), labels


def test_images_of_all_levels_are_augmented_at_full_size(tmp_path):
    train(tmp_path, 0.048, augment_args=dict(
        func_name=__name__ + '.fade', tune_heuristic='rt', tune_target=-2, tune_kimg=0.1))  # p always rises
    assert variables_of_last_state(tmp_path)['State/augment_strength'] == pytest.approx(0.48, abs=1e-12)
    with PIL.Image.open(str(tmp_path / 'reals-augmented.png')) as sheet:
        assert sheet.size == (3 * 16, 4 * 16)
