"""What discriminators of translators see: nothing new without --aug, pairs alike with it; penalties; plateaus."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from dnnlib.tflib import random
from training.methods import cyclegan, judging, pix2pixhd, plateau
from training.report.grid import Cells
from training.train_step import Step

FIXED = dict(func_name='training.augment.augment_pipeline', xflip=1, xint=1, brightness=1, initial_strength=1.0)
ADAPTS = dict(FIXED, tune_heuristic='rt', tune_kimg=0.01, initial_strength=0.25)


def make_step(**level):
    """Step without networks and data, whose schedule gives some fields more."""
    level = EasyDict(dict(minibatch_size=2, minibatch_gpu=2, rounds=1, lod=0.0), **level)
    return Step(EasyDict(groups={}, drange=(-1, 1)), {}, {}, [level])


def test_without_it_nothing_is_added_to_the_graph(session):
    step, images = make_step(), [tf.zeros([2, 3, 8, 8]), tf.ones([2, 3, 8, 8])]
    before = len(tf.get_default_graph().get_operations())
    judges, rate = judging.Judging(step, None, 'lsgan'), plateau.Plateau(step)
    assert judges.see(*images, maps=images[:1]) == images + images[:1]
    judges.count(images[0])
    assert judges.post == judges.stages() == rate.post(None) == rate.stages() == []
    assert len(tf.get_default_graph().get_operations()) == before and not step.progress


def test_p_follows_the_side_of_the_boundary_that_scores_of_reals_are_on(session):
    step = make_step()
    judges = judging.Judging(step, ADAPTS, 'lsgan')
    scores = tf.placeholder(tf.float32, [2, 1, 2, 2])
    judges.count(scores, scores[:, :, :1])
    stage, = judges.stages()
    count, = judges.post
    count = count()
    tflib.init_uninitialized_vars()
    p = step.progress['Progress/augment']
    for value, expected in ((0.4, 0.05), (0.6, 0.25)):  # 2 images are a fifth of tune_kimg
        session.run(count, {scores: np.full(scores.shape, value)})
        session.run(stage.op)
        assert session.run(p) == pytest.approx(expected)


def test_halves_of_a_pair_are_augmented_alike(session):
    step = make_step()
    judges, image = judging.Judging(step, FIXED, 'vanilla'), np.random.RandomState(0).randn(2, 3, 16, 16)
    with step.losses('D'):
        source, fakes, labels = judges.see(*[tf.constant(image, tf.float32)] * 2, maps=[
            tf.constant(np.float32(image > 0.5))])
    tflib.init_uninitialized_vars()
    source, fakes, labels = session.run([source, fakes, labels], {step.seed_in: [3, 4]})
    np.testing.assert_array_equal(source, fakes)
    assert set(np.unique(labels)) == {0, 1} and not np.allclose(source, image)


@pytest.mark.parametrize('args, criterion, message', [
    (dict(ADAPTS, tune_heuristic='rv'), 'lsgan', '--aug=adarv: methods that translate score no held-out images'),
    (ADAPTS, 'wgangp', '--aug=ada: it follows the signs .* mean nothing with criterion=wgangp; use --aug=fixed'),
    (dict(ADAPTS, func_name=None), 'lsgan', 'augment.func_name=None: no discriminator here is told p')])
def test_what_is_refused(args, criterion, message):
    data = EasyDict(dataset=EasyDict(shape=[3, 16, 16]))
    with pytest.raises(UserError, match=message):
        cyclegan.cyclegan(dict(a=data, b=data), None, augment_args=args, criterion=criterion)


def test_sheets_show_data_augmented_alike(session):
    rnd = np.random.RandomState(0)
    maps, photos = rnd.randint(4, size=[3, 1, 16, 16]).astype(np.uint8), rnd.randint(
        256, size=[3, 3, 16, 16]).astype(np.uint8)
    cells = Cells((3, 1), dict(a=(maps, np.zeros([3, 0])), b=(photos, np.zeros([3, 0]))))
    options = pix2pixhd.Options(label_nc=4, augment_args=dict(FIXED, xint=0, brightness=0))
    (name, rows), = pix2pixhd.sheets(cells, options, 2).items()
    assert name == 'reals-augmented.png' and [row.shape for row in rows] == [(3, 3, 16, 16)] * 8
    np.testing.assert_array_equal(rows[0], pix2pixhd.colors(maps))
    np.testing.assert_array_equal(rows[1], photos)
    for colored, photo in zip(rows[2::2], rows[3::2]):  # mirrored or not, both
        for i in range(3):
            is_mirrored = np.array_equal(colored[i], rows[0][i][..., ::-1])
            expected = photos[i][..., ::-1] if is_mirrored else photos[i]
            assert is_mirrored or np.array_equal(colored[i], rows[0][i])
            assert np.abs(photo[i].astype(int) - expected).mean() < 10 < np.abs(photo[i].astype(int) - expected[
                ..., ::-1]).mean()  # mirroring passes the filters off the middle of a pixel
    assert pix2pixhd.sheets(cells, options._replace(augment_args=None), 2) == {}


@pytest.mark.parametrize('kind', judging.PENALTIES)
def test_gradient_penalty(session, monkeypatch, kind):
    """Of scores whose gradient is known: 2 w (w x) at each mixture x; and its own gradient by differences."""
    rnd, shares = np.random.RandomState(0), np.float32([0.25, 0.5]).reshape(2, 1, 1, 1)
    weights, reals, fakes, other = rnd.randn(4, 2, 3, 4, 4).astype(np.float32)
    weights[0] /= 20  # a slope below 1
    noise, axes = rnd.uniform(size=reals.shape).astype(np.float32), (1, 2, 3)
    drawn = {'gp': [shares], 'lp': [shares], 'dragan': [shares, noise]}[kind]
    weights_in = tf.placeholder(tf.float32, weights.shape)

    def scored(images, others=0.0):
        return tf.square(tf.reduce_sum(images * weights_in + others * weights_in, axis=[1, 2, 3])[:, tf.newaxis])
    mixed = reals + shares * (0.5 * reals.std() * noise if kind == 'dragan' else fakes - reals)

    def expected(weights, given):
        inner = 2 * np.sum((mixed + sum(given)) * weights, axis=axes)
        norms = np.abs(inner) * np.sqrt((1 + len(given)) * np.square(weights).sum(axis=axes))
        return 10 * (np.maximum(norms, 1 if kind == 'lp' else 0) - 1) ** 2
    for given in ([], [other]):
        numbers = iter(drawn)
        monkeypatch.setattr(random, 'uniform', lambda shape: tf.constant(next(numbers)))
        penalty = judging.gradient_penalty(scored, tf.constant(reals), tf.constant(fakes), 10, [
            tf.constant(array) for array in given], kind)
        found, slopes = session.run([penalty, tf.gradients(penalty, weights_in)[0]], {weights_in: weights})
        np.testing.assert_allclose(found, expected(weights, given), rtol=1e-4)
        assert next(numbers, None) is None and (kind == 'lp') == (found == 0).any()
        for index in [(0, 1, 2, 3), (1, 2, 0, 0)]:
            step = np.zeros(weights.shape)
            step[index] = 1e-4
            difference = np.sum(expected(weights + step, given) - expected(weights - step, given)) / 2e-4
            assert slopes[index] == pytest.approx(difference, rel=1e-3, abs=1e-6)


def expected_factors(losses):
    """Of each epoch, by the rule of PyTorch's ReduceLROnPlateau in its own words."""
    best, bad, factor, found = np.inf, 0, 1.0, []
    for loss in losses:
        found.append(factor)
        best, bad = (loss, 0) if loss < best * (1 - 0.01) else (best, bad + 1)
        if bad > 5:
            factor, bad = factor * 0.2, 0
    return found


def test_the_rate_falls_where_the_loss_does_not(session):
    step = make_step(epoch=1, lrate=2.0)
    rate, loss = plateau.Plateau(step), tf.placeholder(tf.float32, [])
    lrate, (stage,), (add,) = step.sched['lrate'], rate.stages(), rate.post(loss)
    add = add()
    tflib.init_uninitialized_vars()
    losses = [5.0, 4.0, 3.99] + [4.1] * 6 + [3.0] + [2.99] * 13 + [1.0]
    found = []
    for epoch, value in enumerate(losses):
        for part in (-0.5, np.nan, 0.5):  # the mean counts, of what is finite
            feed = step.sched.feed(dict(epoch=epoch + 1, lrate=2.0))
            session.run(stage.op, feed)
            session.run(add, {loss: value + part})
            found.append(session.run(lrate, feed))
    assert not step.sched.is_fed('lrate')
    np.testing.assert_allclose(found, 2 * np.repeat(expected_factors(losses), 3), rtol=1e-5)
    assert min(found) == pytest.approx(2 * 0.2 ** 3, rel=1e-5)
