"""The schedule against the numbers of the paper and the published configurations."""

import numpy as np
import pytest

import run_training
from dnnlib import EasyDict, UserError
from tests.training.golden_translation import FILES
from training.options.stylegan2 import CONFIGS
from training.schedule import Schedule, accumulation_rounds, is_new_level, rate_factor, training_schedule

FFHQ = EasyDict(resolution_log2=10)


def test_the_defaults_do_not_grow():
    sched = training_schedule(123456, FFHQ)
    assert sched == dict(kimg=123.456, lod=0.0, resolution=1024, minibatch_size=32, minibatch_gpu=4, G_lrate=0.002,
                         D_lrate=0.002, tick_kimg=4)


@pytest.mark.parametrize('kimg, resolution, lod', [
    (0, 8, 7.0), (600, 8, 7.0), (600.001, 16, 6.99999833), (900, 16, 6.5), (1200, 16, 6.0), (7800, 512, 1.0),
    (7801, 1024, 0.99833333), (8400, 1024, 0.0), (25000, 1024, 0.0)])
def test_growing_from_8_to_1024(kimg, resolution, lod):
    sched = training_schedule(kimg * 1000, FFHQ, lod_initial_resolution=8)
    assert sched.resolution == resolution
    assert sched.lod == pytest.approx(lod, abs=1e-6)


# Resolution: minibatch, images per device, learning rate, kimg per tick of config-a to config-d
GROWING = {8: (256, 32, 0.001, 28), 16: (128, 16, 0.001, 24), 32: (64, 8, 0.001, 20), 64: (32, 4, 0.001, 16),
           128: (32, 4, 0.0015, 12), 256: (32, 4, 0.002, 8), 512: (32, 4, 0.003, 6), 1024: (32, 4, 0.003, 4)}


@pytest.mark.parametrize('config', sorted(name for name in CONFIGS if name.startswith('config-')))
def test_published_schedule_of_every_configuration(config):
    args = run_training.parse_args(['--dataset=cats', '--config=' + config])
    schedule = Schedule(FFHQ, run_training.make_options(args)['sched_args'])
    grows = config in ('config-a', 'config-b', 'config-c', 'config-d')
    assert len(schedule.levels) == (8 if grows else 1)
    for step in range(8):  # resolution 8 * 2^step is complete at 1200 step kimg and remains so for 600 kimg
        for kimg, share in [(1200 * step - 300, 0.5), (1200 * step, 0), (1200 * step + 300, 0), (1200 * step + 600, 0)]:
            if kimg < 0:
                continue
            sched = schedule(int(kimg * 1000))
            lod, resolution = (7 - step + share, 8 << step) if grows else (0, 1024)
            minibatch, gpu, rate, tick = GROWING[resolution] if grows else (32, 4, 0.002, 4)
            assert sched == dict(kimg=kimg, lod=lod, resolution=resolution, minibatch_size=minibatch, minibatch_gpu=gpu,
                                 rounds=8, G_lrate=rate, D_lrate=rate, tick_kimg=tick)
            if grows and share == 0:
                levels = dict(schedule.levels[step], kimg=kimg, lod=lod)
                assert levels == sched


def test_new_levels_begin_at_both_ends_of_a_fade():
    nimgs = range(0, 2500001, 100000)
    scheds = [training_schedule(nimg, FFHQ, lod_initial_resolution=8) for nimg in nimgs]
    begin = [nimg // 1000 for nimg, before, after in zip(nimgs[1:], scheds, scheds[1:]) if is_new_level(before, after)]
    assert begin == [700, 1200, 1900, 2400]


def test_growing_that_cannot_be_is_refused_at_once():
    for options, message in [
            (dict(lod_initial_resolution=2), 'must be a resolution from 4 on or None, got 2'),
            (dict(minibatch_size_dict={'8': 4}), 'minibatch_size_dict must be a table of numbers by resolution'),
            (dict(lod_training_kimg=-1), 'lod_training_kimg must not be negative'),
            (dict(minibatch_gpu_dict={512: 3}, lod_initial_resolution=8), 'minibatch_size 32 is not a multiple of')]:
        with pytest.raises(UserError, match=message):
            Schedule(FFHQ, options)
    assert Schedule(FFHQ, dict(minibatch_gpu_dict={512: 3})).levels[0].rounds == 8  # 512 is not passed through


def test_growing_without_fades_or_phases():
    assert training_schedule(700e3, FFHQ, lod_initial_resolution=8, lod_transition_kimg=0).lod == 6
    assert training_schedule(0, FFHQ, lod_initial_resolution=8, lod_training_kimg=0, lod_transition_kimg=0).lod == 7


def test_tables_are_looked_up_by_resolution():
    options = dict(lod_initial_resolution=8, minibatch_size_dict={8: 256, 16: 128}, minibatch_gpu_dict={8: 32},
                   G_lrate_base=0.001, G_lrate_dict={1024: 0.003}, D_lrate_base=0.004)
    start, second, end = (training_schedule(nimg, FFHQ, **options) for nimg in (0, 1200e3, 8400e3))
    assert (start.minibatch_size, start.minibatch_gpu, start.tick_kimg) == (256, 32, 28)
    assert (second.minibatch_size, second.minibatch_gpu, second.tick_kimg) == (128, 4, 24)
    assert (start.G_lrate, end.G_lrate, end.D_lrate, end.minibatch_size) == (0.001, 0.003, 0.004, 32)


def test_rates_ramp_up():
    assert [training_schedule(nimg, FFHQ, lrate_rampup_kimg=10).D_lrate for nimg in (0, 2500, 10000, 20000)] == [
        0.0, 0.0005, 0.002, 0.002]


def test_accumulation_rounds():
    assert accumulation_rounds(32, 4) == 8
    assert accumulation_rounds(32, 4, num_gpus=8) == 1
    with pytest.raises(UserError, match=r'minibatch 30 does not divide by 8 \(2 workers of 4 images\)'):
        accumulation_rounds(30, 4, 2)
    with pytest.raises(UserError, match='minibatch_gpu must be a whole number of at least 1, got 0'):
        accumulation_rounds(32, 0)
    with pytest.raises(UserError, match="minibatch_size must be a whole number of at least 1, got '32'"):
        accumulation_rounds('32', 4)


def slower(cur_nimg, training_set, rate=1.0, growing=False):
    """A schedule of another method."""
    return EasyDict(minibatch_size=8 + growing * cur_nimg // 1000, minibatch_gpu=4, tick_kimg=1,
                    rate=rate / (1 + cur_nimg / 1000), strength=training_set.resolution_log2)


def test_a_schedule_of_another_method():
    schedule = Schedule(FFHQ, dict(func_name=__name__ + '.slower', rate=2.0), total_kimg=3)
    assert schedule(1000) == dict(minibatch_size=8, minibatch_gpu=4, tick_kimg=1, rate=1.0, strength=10, lod=0.0,
                                  kimg=1.0, rounds=2)
    assert schedule.last.rate == 0.5 and len(schedule.levels) == 1
    with pytest.raises(TypeError, match='no_such'):
        Schedule(FFHQ, dict(func_name=__name__ + '.slower', no_such=1))


def test_what_another_schedule_may_not_change():
    with pytest.raises(UserError, match='the schedule changes minibatch_size from 8 to 12 at kimg 4; only training'):
        Schedule(FFHQ, dict(func_name=__name__ + '.slower', growing=True), total_kimg=4)


def test_rates_of_the_published_programs_that_translate():
    for key, epochs, options in (('linear', 10, ('linear', 5, 5)), ('step', 10, ('step', 5, 5, 4)),
                                 ('cosine', 10, ('cosine', 5, 5)), ('linear_100_100', 200, ('linear', 100, 100)),
                                 ('linear_cut_200_200', 400, ('linear', 200, 200)),
                                 ('linear_fastcut_150_50', 200, ('linear', 150, 50))):
        found = [rate_factor(epoch, *options) for epoch in range(1, epochs + 1)]  # none is trained after these
        FILES.compare('lr_schedules', key, found, rtol=1e-6, atol=1e-9, part=slice(epochs))
    found = [rate_factor(epoch, 'linear', 5, 5) for epoch in range(3, 11)]  # begins with the third epoch
    FILES.compare('lr_schedules', 'linear_epoch_count_3', found, rtol=1e-6, part=slice(8))
    found = [0.0002 * rate_factor(epoch, 'linear_late', 3, 4) for epoch in range(1, 8)]
    FILES.compare('hd_lr', 'lr', found, rtol=1e-6)
    with pytest.raises(UserError, match="lr_policy must be linear, step, plateau, cosine, linear_late, .*not 'flat"):
        rate_factor(1, 'flat', 1, 1)
    with pytest.raises(UserError, match='lr_policy=cosine needs n_epochs of at least 1, not 0'):
        rate_factor(1, 'cosine', 0, 5)
    with pytest.raises(UserError, match='lr_policy=step needs lr_decay_iters of at least 1, not 0'):
        rate_factor(1, 'step', 5, 5, lr_decay_iters=0)
    assert rate_factor(1, 'linear', 0, 1, lr_decay_iters=0) == 0.5


def test_rates_of_ugatit():
    schedule = Schedule(EasyDict(resolution_log2=3, num_images=7), dict(
        func_name='training.schedule.translation_schedule', lr_policy='linear_steps', n_epochs=2, n_epochs_decay=2,
        epoch_images=10), total_kimg=0.04)
    rate, found = 0.0002, []
    for step in range(1, 41):  # as published: 40 iterations of one image
        rate -= 0.0002 / 20 if step > 20 else 0
        found.append(rate)
    np.testing.assert_allclose([schedule(nimg).lrate for nimg in range(40)], found, rtol=1e-5, atol=1e-12)


def test_epochs_of_translation():
    schedule = Schedule(EasyDict(resolution_log2=3, num_images=50), dict(
        func_name='training.schedule.translation_schedule', n_epochs=2, n_epochs_decay=3), total_kimg=0.25)
    assert [round(schedule(nimg).lrate / 0.0002, 6) for nimg in (0, 99, 100, 150, 249)] == [1, 1, 0.75, 0.5, 0.25]
    assert schedule(0).tick_kimg == 0.05 and schedule(0).rounds == 1
