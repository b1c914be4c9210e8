"""Schedules of learning rates against golden values, and how they are asked for."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError
from tests.training.golden_latent import FILES
from training import rates
from training.methods import latent
from training.schedule import Schedule, training_schedule


@pytest.mark.parametrize('key, text, rate, per_step', [
    ('cosine_restarts:lr=2e-4,T0=8,mult=1,min=5e-5', 'cosine_restarts:length=8,min=5e-5', 2e-4, 1),
    ('cosine_restarts:lr=4e-4,T0=10,mult=2,min=0', 'cosine_restarts:length=10,mult=2', 4e-4, 1),
    ('cosine_restarts_fractional:lr=2e-4,T0=3,mult=2,min=1e-5,per_epoch=5',
     'cosine_restarts:length=3,mult=2,min=1e-5', 2e-4, 5),
    ('cosine:lr=1e-3,T=50,min=1e-5', 'cosine:length=50,min=1e-5', 1e-3, 1),
    ('multistep:lr=2e-4,at=10;15,gamma=0.1', 'step:at=10;15', 2e-4, 1),
    ('cyclic_triangular:base=1e-5,max=1e-3,up=6,down=6', 'cyclic:up=6,min=1e-5', 1e-3, 1),
    ('exponential:lr=3e-4,gamma=0.9997,start=0', 'exponential:gamma=0.9997', 3e-4, 1),
    ('exp_after:lr=3e-4,start=32000,gamma=0.9997', 'exponential:gamma=0.9997,start=32000', 3e-4, 1)])
def test_golden_values(key, text, rate, per_step):
    ref = FILES.arrays('lr_schedules')
    moments = ref['exp_after/steps'] if key.startswith('exp_after') else np.arange(len(ref[key])) / per_step
    found = [rates.at(text, kimg, rate) for kimg in moments]
    FILES.near(found, ref[key], rtol=1e-9)


def test_when_wgan_is_slow(session):
    ref = FILES.arrays('lr_schedules')
    steps = ref['wgan_critic_steps/gen_iteration']
    steps_in = tf.placeholder(tf.int64, [None])  # a tensor, as in a training: there `==` would compare objects
    is_slow = session.run(latent.is_slow(steps_in), {steps_in: steps})
    FILES.near(np.where(is_slow, latent.SLOW_STEPS, 5), ref['wgan_critic_steps'], rtol=0)
    assert is_slow[steps >= 25].any() and not is_slow.all()


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'test_rates.py')


@pytest.mark.parametrize('text, values', [
    ('constant', {0: 2, 9: 2}), ('linear:length=10', {0: 2, 5: 1, 10: 0, 11: 0}),
    ('linear:length=10,end=1,start=5', {5: 2, 10: 1.5, 99: 1}),
    ('exponential:length=10,end=0.02', {0: 2, 5: 0.2, 20: 0.02}),
    ('cosine_restarts:length=10,warmup=2,min=1', {0: 2, 5: 1.5, 10: 1, 11: 1.5, 12: 2, 16: 1.5}),  # soft
    ('cosine_restarts:length=10,min=1', {9.999999: 1, 10: 2}),  # hard
    ('cyclic:up=2,down=6,mode=triangular2', {0: 0, 2: 2, 5: 1, 8: 0, 10: 1}),
    ('cyclic:up=2,mode=exp_range,gamma=0.5', {2: 0.5, 6: 2 / 64})])
def test_formulas(text, values):
    for kimg, expected in values.items():
        assert rates.at(text, kimg, 2.0) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('text, message', [
    ('cosin', "unknown schedule 'cosin'; did you mean cosine[?]"), ('cosine', 'length is missing, such as length=100'),
    ('step', 'at is missing, such as at=10;15'), ('step:at=a', 'at=a must be a number'),
    ('cosine:length=0', 'length=0 must be a number above 0'), ('step:at=nan', 'at=nan must be a number from 0'),
    ('cosine:length=1,length=2', 'length is given twice'), ('cosine:lenght=1', 'expected KEY=VALUE with a key of'),
    ('exponential', 'needs end=RATE or gamma=FACTOR'), ('cyclic:up=1,mode=x', 'mode=x must be triangular'),
    ('cosine_restarts:length=1,mult=0.5', 'mult=0.5 must be at least 1'), ('exponential:end=0', 'must be above 0'),
    ('cosine_restarts:length=1,warmup=1', 'warmup must be shorter than length')])
def test_bad_schedules(text, message):
    with pytest.raises(UserError, match=message):
        rates.at(text, 0, 1.0)


def test_each_network_has_its_own(capsys):
    data = EasyDict(resolution_log2=5)
    options = dict(G_lrate_schedule='linear:length=10', G_lrate_base=2, D_lrate_dict={32: 3})
    sched = training_schedule(5000, data, **options)
    assert (sched.G_lrate, sched.D_lrate) == (1, 3)
    Schedule(data, options, total_kimg=20)
    assert capsys.readouterr().out.startswith(
        'G_lrate by linear:length=10: 2 at 0, 1.6 at 2, 1.2 at 4, 0.8 at 6, 0.4 at 8, 0 at 10, 0 at 12')
