"""The projector: its schedules, its distribution of W, and projections of a tiny generator."""

import math
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import weights
from projector import candidates, estimates, projector, schedule
from tests.metrics.features import lpips_reference
from tests.metrics.tiny_generator import tiny_generator

ARRAYS = lpips_reference.narrow_weights()


def test_schedules_at_every_step():
    num_steps, spread = 1000, 7.0
    for step in range(num_steps):
        t = step / num_steps
        ramp = 0.5 - 0.5 * math.cos(math.pi * (1 if t < 0.75 else 4 * (1 - t)))
        warm_up = 20 * t if t < 0.05 else 1
        assert math.isclose(schedule.learning_rate(t), 0.1 * ramp * warm_up, abs_tol=1e-12)
        strength = spread * 0.05 * (1 - t / 0.75) ** 2 if t < 0.75 else 0
        assert math.isclose(schedule.noise_strength(t, spread), strength, abs_tol=1e-12)
    assert schedule.learning_rate(0.0) == 0 and schedule.learning_rate(0.5) == 0.1


def test_published_snapshots_and_constants():
    assert schedule.snapshot_steps(1000, 5) == {200, 400, 600, 800, 1000}
    assert schedule.snapshot_steps(1000, 3) == {1000, 1000 - 333, 1000 - 666}
    assert schedule.snapshot_steps(1000, 1) == {1000} and schedule.snapshot_steps(1000, 0) == set()
    fields = vars(projector.Projector())
    assert {name: fields[name] for name in schedule.PRESETS['paper']} == schedule.PRESETS['paper']
    assert fields['num_steps'] == schedule.NUM_STEPS['paper'] == 1000 and fields['regularize_noise_weight'] == 1e5
    assert set(schedule.PRESETS['fast']) - set(schedule.PRESETS['paper']) == {'local_candidates', 'local_learning_rate'}


def _known_values(Gs):
    """Random weights that are the same under every TensorFlow, since how close a projection gets depends on them."""
    rnd, values = np.random.RandomState(2), {}
    for name, var in sorted(Gs.vars.items()):
        if name.endswith('noise_strength'):
            values[var] = 0.1  # the noise is seen
        elif name.endswith(('weight', 'const')) or '/noise' in name:
            values[var] = rnd.randn(*var.shape.as_list()) * (100 if 'mapping' in name else 1)  # its lrmul is 0.01
    return values


@pytest.fixture(scope='module')
def tiny():
    """(projector of 60 steps and three targets, its generator): built once for all, with a narrow distance network."""
    with mock.patch.object(weights, 'lpips_vgg16', lambda: ARRAYS), tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu'})
        Gs = tiny_generator(16)
        tflib.set_vars(_known_values(Gs))
        proj = projector.Projector()
        proj.num_steps = 60
        proj.dlatent_avg_samples = 1500
        proj.masked = True
        proj.set_network(Gs, minibatch_size=3)
        yield proj, Gs
        tflib.close_tf()


def _targets(Gs, count):
    return Gs.run(np.random.RandomState(1).randn(count, 8), None, randomize_noise=False, truncation_psi=1)


def test_spread_of_w_is_summed_over_its_dimensions(tiny):
    mapping = tiny[1].components.mapping
    mean, spread = candidates.measure_dlatents(mapping, 1500)
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
            fed.append((feed_dict[proj._learning_rate_in], feed_dict[proj._offset_in]))
        return run(fetches, feed_dict)

    monkeypatch.setattr(projector.tflib, 'run', recording_run)
    monkeypatch.setattr(proj, 'num_steps', 22)
    monkeypatch.setattr(proj, 'verbose', True)
    proj.start(np.zeros([1, 3, 16, 16]), seeds=[7])
    average = proj.get_dlatents()
    assert average.shape == (1, 6, 8) and proj.get_cur_step() == 0
    for step in range(1, 23):
        distances = proj.step()
        assert proj.get_cur_step() == step and distances.shape == (1,) and distances[0] > 0
        moved = np.abs(proj.get_dlatents() - average).max()
        assert (moved == 0) if step == 1 else (moved > 0)  # the first step has the learning rate 0
    assert proj.step() is None and proj.get_cur_step() == 22
    times = [i / 22 for i in range(22)]
    assert [rate for rate, _ in fed] == [schedule.learning_rate(t) for t in times]
    random = np.random.RandomState(7)
    for size in (4, 8, 8, 16, 16):
        random.randn(1, size, size)  # the noise maps come first
    for t, (_, offset) in zip(times, fed):
        expected = random.randn(1, 8) * schedule.noise_strength(t, proj._dlatent_std)
        np.testing.assert_allclose(offset, np.tile(expected, [3, 1, 1]), rtol=1e-5)
    printed = [line.split(', ')[0].split(': ')[1] for line in capsys.readouterr().out.splitlines()]
    assert [text.split()[:4] for text in printed] == [['step', str(n), 'of', '22'] for n in (10, 20, 22)]


def test_projection_of_a_generated_picture_gets_close(tiny):
    proj, Gs = tiny
    noise = Gs.get_var('G_synthesis/noise0')
    target = _targets(Gs, 1)
    proj.start(target)
    first, = proj.get_distances()
    np.testing.assert_allclose(first, lpips_reference.distance(proj.get_images(), target, ARRAYS)[0], rtol=1e-3)
    result = proj.run(target)
    last, = proj.get_distances()
    np.testing.assert_allclose(last, lpips_reference.distance(result.images, target, ARRAYS)[0], rtol=1e-3)
    assert last < first / 2
    assert (result.dlatents == result.dlatents[:, :1]).all() and result.dlatents.shape == (1, 6, 8)
    assert [n.shape for n in result.noises] == [(1, 1, size, size) for size in (4, 8, 8, 16, 16)]
    for values in result.noises:
        np.testing.assert_allclose([values.mean(), values.var()], [0, 1], atol=1e-4)
    np.testing.assert_array_equal(Gs.get_var('G_synthesis/noise0'), noise)  # the network's own are left alone
    tflib.set_vars({Gs.vars['G_synthesis/noise%d' % i]: values for i, values in enumerate(result.noises)})
    drawn = Gs.components.synthesis.run(result.dlatents, randomize_noise=False)
    np.testing.assert_allclose(drawn, result.images, atol=1e-3)  # what is returned makes the image


def test_with_its_own_noise_a_generated_picture_is_found(tiny, monkeypatch):
    proj, Gs = tiny
    monkeypatch.setattr(proj, 'num_steps', 150)
    target = _targets(Gs, 1)
    proj.start(target)
    tflib.set_vars({var: np.tile(Gs.get_var('G_synthesis/noise%d' % i), [3, 1, 1, 1])
                    for i, var in enumerate(proj._noise_vars)})
    first, = proj.get_distances()
    while proj.step() is not None:
        pass
    assert proj.get_distances()[0] < first / 10


def test_a_minibatch_is_as_good_as_one_at_a_time(tiny, monkeypatch):
    proj, Gs = tiny
    monkeypatch.setattr(proj, 'num_steps', 12)
    targets = _targets(Gs, 3)
    seeds = [4, [4, 1], 9]
    proj.start(targets, seeds)
    together = [proj.step() for _ in range(12)]
    dlatents, noises, images = proj.get_dlatents(), proj.get_noises(), proj.get_images()
    assert np.abs(noises[-1][0] - noises[-1][1]).max() > 0.1
    for i in range(3):
        proj.start(targets[i:i + 1], seeds[i:i + 1])
        alone = [proj.step() for _ in range(12)]
        np.testing.assert_allclose(np.ravel(alone), [row[i] for row in together], rtol=1e-3)
        np.testing.assert_allclose(proj.get_dlatents()[0], dlatents[i], atol=1e-3)
        np.testing.assert_allclose(proj.get_noises()[-1][0], noises[-1][i], atol=1e-2)
        np.testing.assert_allclose(proj.get_images()[0], images[i], atol=1e-2)


def test_start_dlatents_and_masks(tiny):
    proj, Gs = tiny
    targets = _targets(Gs, 2)
    begin = np.random.RandomState(2).randn(2, 1, 8)
    masks = np.zeros([2, 1, 16, 16])
    masks[1, :, :8] = 1
    proj.start(targets, dlatents=begin, masks=masks)
    np.testing.assert_allclose(proj.get_dlatents()[:, 3], begin[:, 0], rtol=1e-5)
    images = proj.get_images()
    images[1, :, 8:] = targets[1, :, 8:]
    nothing, half = proj.get_distances()
    assert nothing == 0
    np.testing.assert_allclose(half, lpips_reference.distance(images[1:], targets[1:], ARRAYS)[0], rtol=1e-3)


def test_there_are_fewer_candidates_where_they_take_longer():
    sizes = ([3, 16, 16], [3, 64, 64], [1, 128, 128], [3, 160, 128], [3, 1024, 1024])
    assert [candidates.number_of(4096, shape) for shape in sizes] == [4096, 4096, 256, 204, 64]
    assert candidates.number_of(1, [3, 16, 16]) == 1


@pytest.fixture
def sharing(tiny, monkeypatch):
    """The projector with 6 candidates for all targets: (it, the generator, their points of W, their images)."""
    proj, Gs = tiny
    monkeypatch.setattr(proj, 'shared_candidates', 6)
    monkeypatch.setattr(proj, '_candidates', None)
    monkeypatch.setattr(proj, '_estimates', None)
    monkeypatch.setattr(candidates, 'BATCH', 4)
    monkeypatch.setattr(candidates, 'BYTES_AT_ONCE', 9000)  # a few of the six
    latents = np.random.RandomState(candidates.SEED)
    points = np.concatenate([proj._dlatent_avg, Gs.components.mapping.run(latents.randn(5, 8), None)[:, :1]])
    synthesis = proj._Gs.components.synthesis
    images = [synthesis.run(np.repeat(point[np.newaxis], synthesis.input_shape[1], axis=1), randomize_noise=False)[0]
              for point in points]
    return proj, Gs, points, np.stack(images)


def test_targets_share_candidates(sharing):
    """Each begins at the closest one, or at the next ones, also behind a mask; the targets' seeds don't matter."""
    proj, _, points, images = sharing
    targets = np.stack([images[3], images[1]]) + np.float32(0.01)
    for rank in (0, 1, 5, 9):
        proj.start(targets, seeds=[rank, 7], rank=rank)
        found = proj.get_dlatents()[:, 0]
        for target, dlatent in zip(targets, found):
            distances = lpips_reference.distance(np.repeat(target[np.newaxis], 6, axis=0), images, ARRAYS)
            np.testing.assert_allclose(dlatent, points[np.argsort(distances)[min(rank, 5)], 0], atol=1e-4)
    masks = np.zeros([2, 1, 16, 16])
    masks[:, :, :8] = 1
    hidden = targets * masks + 5 * (1 - masks)  # elsewhere it is anything
    proj.start(hidden.astype(np.float32), masks=masks)
    np.testing.assert_allclose(proj.get_dlatents()[:, 0], points[[3, 1], 0], atol=1e-4)
    with mock.patch.object(candidates, 'LEAST', 2):  # so few are drawn again
        proj.start(hidden.astype(np.float32), masks=masks, rank=5)
        assert set(proj.get_dlatents()[:, 0, 0].round(4)) <= set(points[:2, 0, 0].round(4))
    measured = []
    for seeds in ([1, 2], [3, 4]):  # what was projected before makes no difference
        proj.start(targets, seeds, dlatents=points[[2, 2]])
        measured.append(proj._distances_of_masked(hidden.astype(np.float32), masks, points))
    np.testing.assert_array_equal(*measured)
    proj.start(targets, dlatents=points[[2, 2]])
    np.testing.assert_allclose(proj.get_dlatents()[:, 0], points[[2, 2], 0], atol=1e-4)


def test_a_candidate_too_many_for_the_memory_is_left_out(sharing, monkeypatch):
    proj, _, points, images = sharing
    monkeypatch.setattr(candidates.Candidates, 'room', lambda self: 4)
    proj.draw_candidates()
    assert len(proj._candidates.points) == 4
    np.testing.assert_allclose(proj._candidates.points, points[:4], atol=1e-5)
    found = proj._candidates.distances(np.zeros([5, 3, 16, 16]))
    assert found.shape == (5, 4)
    expected = lpips_reference.distance(np.zeros([4, 3, 16, 16]), images[:4], ARRAYS)
    np.testing.assert_allclose(found, np.tile(expected, [5, 1]), rtol=1e-2)
    assert (proj._candidates.distances(np.full([1, 3, 16, 16], np.nan)) == np.inf).all()


def test_with_enough_candidates_the_search_begins_at_an_estimate(sharing, monkeypatch):
    proj, _, points, images = sharing
    monkeypatch.setattr(proj, 'local_candidates', 8)
    monkeypatch.setattr(proj, 'local_learning_rate', 0.25)
    monkeypatch.setattr(proj, 'drawn_by_start', 0)
    rates, run = [], projector.tflib.run
    monkeypatch.setattr(projector.tflib, 'run', lambda fetches, feed=None: rates.append(
        feed[proj._learning_rate_in] if feed and proj._learning_rate_in in feed else None) or run(fetches, feed))

    def begin(**options):
        proj.start(images[1:3], **options)
        found, middle = proj.get_dlatents()[:, :1], proj.num_steps // 2  # after the warm-up, before the ramp-down
        monkeypatch.setattr(proj, '_cur_step', middle)
        proj.step()
        return found, rates[-1]

    monkeypatch.setattr(estimates, 'FEWEST', 7)  # one too many
    found, rate = begin()
    np.testing.assert_allclose(found, points[1:3], atol=1e-4)
    assert rate == proj.initial_learning_rate and proj.drawn_by_start == 0
    monkeypatch.setattr(estimates, 'FEWEST', 6)
    proj.draw_candidates()
    assert proj.drawn_by_start == 8
    for rank in (0, 1):
        found, rate = begin(rank=rank)
        np.testing.assert_allclose(found, proj._estimates.of(images[1:3], 8, rank), atol=1e-4)
        assert rate == 0.25
    for options in (dict(dlatents=points[4:6]), dict(masks=np.ones([2, 1, 16, 16]))):
        found, rate = begin(**options)
        np.testing.assert_allclose(found, options.get('dlatents', points[1:3]), atol=1e-4)
        assert rate == proj.initial_learning_rate


def test_candidates_are_drawn_with_the_options_of_a_precision(sharing, monkeypatch):
    proj, _, _, images = sharing
    synthesis, asked = proj._Gs.components.synthesis, []
    monkeypatch.setattr(proj, 'synthesis_options', {'conv_clamp': 256})
    monkeypatch.setattr(synthesis, 'run', lambda dlatents, **options: asked.append(options) or images[:len(dlatents)])
    proj.draw_candidates()
    assert asked == [dict(randomize_noise=False, minibatch_size=4, conv_clamp=256)] * 2


def test_calibrations_of_before_begin_at_a_candidate_of_each_target(tiny, monkeypatch):
    proj, Gs = tiny
    monkeypatch.setattr(proj, 'start_candidates', 6)
    seeds, targets, expected = [5, 8], [], []
    for seed, number in zip(seeds, (3, 0)):
        random = np.random.RandomState(seed)
        for size in (4, 8, 8, 16, 16):
            random.randn(1, size, size)  # the noise maps come first
        points = np.concatenate([proj._dlatent_avg, Gs.components.mapping.run(random.randn(5, 8), None)[:, :1]])
        proj.start(np.zeros([1, 3, 16, 16]), [seed], points[number:number + 1])
        targets.append(proj.get_images()[0] + np.float32(0.01))
        tried = []
        for point in points:
            proj.start(targets[-1][np.newaxis], [seed], point[np.newaxis])
            tried.append(proj.get_distances()[0])
        assert np.argmin(tried) == number
        expected.append((points[number], min(tried)))
    proj.start(targets, seeds)
    np.testing.assert_allclose(proj.get_distances(), [distance for _, distance in expected], rtol=1e-3)
    np.testing.assert_allclose(proj.get_dlatents()[:, 0], [point[0] for point, _ in expected], atol=1e-4)


@pytest.mark.parametrize('channels, space, noise', [(4, 'w+', 'fixed'), (1, 'w', 'optimize')])
def test_other_kinds_of_networks(tiny, channels, space, noise):
    size = (16, 8) if channels == 4 else (16, 16)
    Gs = tflib.Network('Gs', func_name='training.networks_stylegan2.G_main', resolution=size, num_channels=channels,
                       label_size=3, fmap_base=16, fmap_max=4, latent_size=8, dlatent_size=8, mapping_layers=2,
                       mapping_fmaps=8)
    proj = projector.Projector()
    proj.num_steps, proj.dlatent_avg_samples, proj.distance = 40, 100, 'pixel'
    proj.space, proj.noise, proj.label = space, noise, np.array([0, 1, 0])
    proj.set_network(Gs)
    np.testing.assert_allclose(proj._dlatent_avg[0, 0], Gs.components.mapping.run(
        np.random.RandomState(123).randn(100, 8), np.tile([[0, 1, 0]], [100, 1]))[:, 0].mean(axis=0), atol=1e-5)
    target = np.random.RandomState(3).uniform(-1, 1, [1, channels] + list(size))
    proj.start(target)
    before, first = proj.get_noises(), proj.get_distances()[0]
    if channels == 1:
        np.testing.assert_allclose(first, np.mean(np.square(proj.get_images() - target)), rtol=1e-4)
    while proj.step() is not None:
        pass
    assert proj.get_distances()[0] < first
    same = [np.array_equal(a, b) for a, b in zip(before, proj.get_noises())]
    assert all(same) if noise == 'fixed' else not any(same)
    dlatents = proj.get_dlatents()
    assert (np.abs(dlatents - dlatents[:, :1]).max() > 1e-3) == (space == 'w+')


def test_bad_arguments_are_refused(tiny):
    proj, Gs = tiny
    with pytest.raises(UserError, match=r'\[3, 3, 16, 16\].*\[1, 3, 8, 8\]'):
        proj.start(np.zeros([1, 3, 8, 8]))
    with pytest.raises(UserError, match='at most 3'):
        proj.start(np.zeros([4, 3, 16, 16]))
    other = projector.Projector()
    with pytest.raises(RuntimeError, match='start'):
        other.step()
    with pytest.raises(UserError, match='minibatch size'):
        other.set_network(Gs, minibatch_size=0)
    for name in ('space', 'noise', 'distance'):
        wrong = projector.Projector()
        wrong.clone_net, wrong.dlatent_avg_samples = False, 10
        setattr(wrong, name, 'z')
        with pytest.raises(UserError, match=name):
            wrong.set_network(Gs)
    other.clone_net, other.dlatent_avg_samples = False, 10
    small = tiny_generator(8)
    with pytest.raises(UserError, match='at least 16x16'):
        other.set_network(small)
    assert other._Gs is small
