"""The schedule against the numbers of the paper and the published configurations."""

import pytest

from dnnlib import EasyDict, UserError
from training.schedule import accumulation_rounds, training_schedule

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
    with pytest.raises(UserError, match=r'minibatch_size 30 is not a multiple of minibatch_gpu 4 \* num_gpus 2'):
        accumulation_rounds(30, 4, 2)
    with pytest.raises(UserError, match='minibatch_gpu must be a whole number of at least 1, got 0'):
        accumulation_rounds(32, 0)
    with pytest.raises(UserError, match="minibatch_size must be a whole number of at least 1, got '32'"):
        accumulation_rounds('32', 4)
