"""The projector: its schedules, its distribution of W, and projections of a tiny generator."""

import math
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import weights
from projector import projector
from tests.metrics import lpips_reference
from tests.metrics.tiny_generator import tiny_generator

ARRAYS = lpips_reference.narrow_weights()


def test_schedules_at_every_step():
    num_steps, spread = 1000, 7.0
    for step in range(num_steps):
        t = step / num_steps
        ramp = 0.5 - 0.5 * math.cos(math.pi * (1 if t < 0.75 else 4 * (1 - t)))
        warm_up = 20 * t if t < 0.05 else 1
        assert math.isclose(projector.learning_rate(t), 0.1 * ramp * warm_up, abs_tol=1e-12)
        strength = spread * 0.05 * (1 - t / 0.75) ** 2 if t < 0.75 else 0
        assert math.isclose(projector.noise_strength(t, spread), strength, abs_tol=1e-12)
    assert projector.learning_rate(0.0) == 0 and projector.learning_rate(0.5) == 0.1


@pytest.fixture(scope='module')
def tiny():
    """(projector of 60 steps, its generator): built once for all tests of this file, with a narrow distance network."""
    with mock.patch.object(weights, 'lpips_vgg16', lambda: ARRAYS), tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu'})
        Gs = tiny_generator(16)
        proj = projector.Projector()
        proj.num_steps = 60
        proj.dlatent_avg_samples = 1500
        proj.set_network(Gs)
        yield proj, Gs
        tflib.close_tf()


def test_spread_of_w_is_summed_over_its_dimensions(tiny):
    mapping = tiny[1].components.mapping
    mean, spread = projector.measure_dlatents(mapping, 1500)
    dlatents = mapping.run(np.random.RandomState(123).randn(1500, 8), None)[:, 0]
    assert mean.shape == (1, 1, 8)
    np.testing.assert_allclose(mean[0, 0], dlatents.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(spread, np.sqrt(dlatents.var(axis=0).sum()), rtol=1e-4)


def test_steps_follow_the_schedules(tiny, monkeypatch, capsys):
    proj, _ = tiny
    fed = []
    run = projector.tflib.run

    def recording_run(fetches, feed_dict=None):
        if feed_dict and proj._learning_rate_in in feed_dict:
            fed.append((feed_dict[proj._learning_rate_in], feed_dict[proj._noise_strength_in]))
        return run(fetches, feed_dict)

    monkeypatch.setattr(projector.tflib, 'run', recording_run)
    monkeypatch.setattr(proj, 'num_steps', 22)
    monkeypatch.setattr(proj, 'verbose', True)
    proj.start(np.zeros([1, 3, 16, 16]))
    average = proj.get_dlatents()
    assert average.shape == (1, 6, 8) and proj.get_cur_step() == 0
    for step in range(1, 23):
        distance, loss = proj.step()
        assert proj.get_cur_step() == step and 0 < distance < loss
        moved = np.abs(proj.get_dlatents() - average).max()
        assert (moved == 0) if step == 1 else (moved > 0)  # the first step has the learning rate 0
    assert proj.step() is None and proj.get_cur_step() == 22
    times = [i / 22 for i in range(22)]
    assert fed == [(projector.learning_rate(t), projector.noise_strength(t, proj._dlatent_std)) for t in times]
    printed = [line.split(', ')[0].split(': ')[1] for line in capsys.readouterr().out.splitlines()]
    assert [text.split()[:4] for text in printed] == [['step', str(n), 'of', '22'] for n in (10, 20, 22)]


def test_projection_of_a_generated_picture_gets_close(tiny):
    proj, Gs = tiny
    noise = Gs.get_var('G_synthesis/noise0')
    target = Gs.run(np.random.RandomState(1).randn(1, 8), None, randomize_noise=False, truncation_psi=1)
    proj.start(target)
    first = proj.get_distance()
    np.testing.assert_allclose(first, lpips_reference.distance(proj.get_images(), target, ARRAYS)[0], rtol=1e-3)
    result = proj.run(target)
    last = proj.get_distance()
    np.testing.assert_allclose(last, lpips_reference.distance(result.images, target, ARRAYS)[0], rtol=1e-3)
    assert last < first / 2
    assert (result.dlatents == result.dlatents[:, :1]).all() and result.dlatents.shape == (1, 6, 8)
    assert [n.shape[2] for n in result.noises] == [4, 8, 8, 16, 16]
    for values in result.noises:
        np.testing.assert_allclose([values.mean(), values.var()], [0, 1], atol=1e-4)
    np.testing.assert_array_equal(Gs.get_var('G_synthesis/noise0'), noise)  # it worked on a clone
    proj.start(-target)  # another target: its features replace the old ones
    np.testing.assert_allclose(
        proj.get_distance(), lpips_reference.distance(proj.get_images(), -target, ARRAYS)[0], rtol=1e-3)


def test_bad_arguments_are_refused(tiny):
    proj, Gs = tiny
    with pytest.raises(UserError, match=r'\[1, 3, 16, 16\].*\[1, 3, 8, 8\]'):
        proj.start(np.zeros([1, 3, 8, 8]))
    other = projector.Projector()
    with pytest.raises(RuntimeError, match='start'):
        other.step()
    with pytest.raises(UserError, match='minibatch_size 2'):
        other.set_network(Gs, minibatch_size=2)
    small = tiny_generator(8)
    other.clone_net = False
    with pytest.raises(UserError, match='at least 16x16'):
        other.set_network(small)
    assert other._Gs is small
