"""Images per round by a trial step in another process."""

import json

import pytest

from dnnlib import EasyDict, UserError
from training.dataset import load_dataset
from training.options import automatic
from training.schedule import Schedule

NETWORK = dict(fmap_base=64, fmap_max=8, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8)


def test_candidates_halve_and_keep_the_minibatch():
    assert automatic.candidates(32, 4) == [32, 16, 8, 4, 2, 1]
    assert automatic.candidates(24, 4) == [24, 12, 4, 2, 1]  # 6 is no multiple of the group
    assert automatic.candidates(32, 4, largest=8) == [8, 4, 2, 1]
    assert automatic.candidates(7, 4) == [1]


def options(**sched_args):
    return dict(dataset_args=dict(tfrecord_dir='cats', resolution=32), seed=0, tf_config=dict(device='cpu'),
                sched_args=dict(dict(minibatch_size_base=64, minibatch_gpu_base='auto'), **sched_args),
                G_args=dict(func_name='training.networks_stylegan2.G_main', **NETWORK),
                D_args=dict(func_name='training.networks_stylegan2.D_stylegan2', fmap_base=64, fmap_max=8),
                G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
                D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma='auto'))


@pytest.fixture
def fits_below(monkeypatch):
    """Says which sizes fit instead of trying; returns the sizes that were asked for."""
    asked = []

    def install(limit):
        def fits(probed, _host_bytes):
            asked.append(probed['sched_args']['minibatch_gpu_base'])
            return asked[-1] < limit
        monkeypatch.setattr(automatic, '_fits', fits)
        return asked
    return install


def test_the_largest_that_fits_is_noted_and_found_again(fits_below, tmp_path, capsys):
    asked = fits_below(20)
    fitted = automatic.fit_minibatch(options(), str(tmp_path))
    assert asked == [64, 32, 16] and fitted['sched_args']['minibatch_gpu_base'] == 16
    assert '16 per round fit; rounds for a minibatch of 64: 4' in capsys.readouterr().out
    assert json.loads((tmp_path / automatic.CHOICE_FILE).read_text()) == dict(minibatch_gpu=16)
    del asked[:]
    assert automatic.fit_minibatch(options(), str(tmp_path)) == fitted and asked == [16]


def test_growing_levels_get_more_images(fits_below):
    fits_below(9)
    sched_args = dict(lod_initial_resolution=8, minibatch_size_dict={8: 128, 16: 12})
    fitted = automatic.fit_minibatch(options(**sched_args))
    assert fitted['sched_args']['minibatch_gpu_dict'] == {8: 32, 16: 12}
    with load_dataset(**fitted['dataset_args']) as training_set:
        levels = Schedule(training_set, fitted['sched_args']).levels
    assert [(level.minibatch_size, level.minibatch_gpu) for level in levels] == [(128, 32), (12, 12), (64, 8)]


def test_nothing_fits(fits_below):
    fits_below(0)
    with pytest.raises(UserError, match='not even one image per round fits'):
        automatic.fit_minibatch(options())


def test_numbers_are_left_alone():
    given = options(minibatch_gpu_base=4)
    assert automatic.fit_minibatch(given) is given


@pytest.mark.parametrize('host_bytes, fits', [(1 << 30, True), (64 << 20, False)])
def test_a_trial_step_with_enough_and_with_little_memory(host_bytes, fits):
    trial = options(minibatch_size_base=4, minibatch_gpu_base=4)
    trial['dataset_args']['resolution'] = 8
    assert automatic._fits(trial, host_bytes) == fits


def test_another_failure_is_one_line(monkeypatch):
    failed = EasyDict(returncode=2, stderr=b'a warning\nG_args: there is no option no_such\n')
    monkeypatch.setattr(automatic.subprocess, 'run', lambda *_args, **_kwargs: failed)
    with pytest.raises(UserError, match='^--minibatch-gpu=auto: the trial step failed [(]G_args: .*no_such[)]$'):
        automatic.fit_minibatch(options())


def test_a_thread_that_gets_no_memory_is_too_little_memory(monkeypatch):
    failed = EasyDict(returncode=127, stderr=b'cannot allocate memory for thread-local data: ABORT\n')
    monkeypatch.setattr(automatic.subprocess, 'run', lambda *_args, **_kwargs: failed)
    assert not automatic._fits(options(), None)
