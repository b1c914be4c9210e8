"""TensorFlow, a generator and its projector of one run."""

import pathlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib, util
from projector import schedule, session
from training import pretrained

NETWORK = str(pathlib.Path(__file__).parent.parent / 'data' / 'labels3_r16.pkl')


@pytest.fixture
def start():
    """Function that makes the Session of a network with a setting `label`, in a graph of its own."""
    with tf.Graph().as_default():
        def start(name, label):
            settings = session.Settings(*[None] * 11)._replace(seed=0, label=label, precision='float32')
            return session.Session(pretrained.resolve(name), settings, {'device': 'cpu'})
        yield start
        tflib.close_tf()


def test_generated_pictures_are_of_the_class(start):
    made = start(NETWORK, '1')
    stored = made.drawer.stored_noise()
    image = made.generate([5], 0.7)
    for name, noise in made.drawer.stored_noise().items():
        np.testing.assert_array_equal(noise, stored[name])  # put back
    rnd = np.random.RandomState(5)
    latents = rnd.randn(1, *made.Gs.input_shape[1:])
    for i, size in enumerate([4, 8, 8, 16, 16]):
        made.Gs.set_var('G_synthesis/noise%d' % i, rnd.randn(1, 1, size, size))
    expected, other = [made.Gs.run(latents, labels, randomize_noise=False, truncation_psi=0.7)
                       for labels in (np.float32([[0, 1, 0]]), None)]
    np.testing.assert_allclose(image, expected, atol=1e-5)
    assert np.abs(image - other).max() > 1e-3


@pytest.mark.parametrize('content', ['{', '["dog", "house", "tree"]'])
def test_classes_of_a_stranger_in_the_working_directory(start, tmp_path, monkeypatch, content):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setitem(pretrained.SHORT_NAMES, 'cats64', NETWORK)
    (tmp_path / 'classes.json').write_text(content)
    np.testing.assert_array_equal(start('cats64', '1').label, [[0, 1, 0]])
    with pytest.raises(UserError, match="no class 'dog'; expected 0 to 2$"):
        start('cats64', 'dog')


@pytest.mark.parametrize('masked, has_dlatents', [(False, False), (True, False), (False, True)])
def test_candidates_are_drawn_where_they_are_looked_at(start, masked, has_dlatents):
    made = start(NETWORK, None)
    fields = dict(schedule.PRESETS['fast'], shared_candidates=5)
    made.settings = made.settings._replace(preset='fast', schedule=fields, num_steps=2, space='w', noise='optimize',
                                           distance='pixel', restarts=1, minibatch=2)
    made.prepare(3, masked, has_dlatents)
    if masked or has_dlatents:
        assert made.projector._candidates is None
    else:
        assert len(made.projector._candidates.points) == 5
    dlatents = np.zeros([2, 1, made.Gs.input_shape[1]]) if has_dlatents else None
    made.projector.start(np.zeros([2, 3, 16, 16]), None, dlatents, np.ones([2, 1, 16, 16]) if masked else None)
    assert (made.projector._candidates is None) == (masked or has_dlatents)


def test_the_faster_preset_is_estimated_with_its_candidates():
    made = session.Session.__new__(session.Session)
    made.settings = session.Settings(*[None] * 11)._replace(
        preset='paper', schedule=schedule.PRESETS['paper'], num_steps=1000, restarts=1, plateau=0)
    made.shape, made.minibatch, made.projector = [3, 64, 64], 4, SimpleNamespace(drawn_by_start=0)
    for count, minibatches in ((1, 1), (4, 1), (9, 3)):
        made.expect(count)
        line = made.pace.estimate(1.0)  # seconds a step; an image that is drawn takes an eighth of that
        steps = (150 + 4 * 256 / 8) * minibatches + 4096 / 8
        assert line.endswith('; --preset=fast takes about ' + util.format_time(steps))
    made.settings = made.settings._replace(preset='fast', schedule=schedule.PRESETS['fast'], num_steps=150)
    made.projector.drawn_by_start = 256
    made.expect(9)
    assert made.pace.estimate(1.0) == f'About {util.format_time(3 * (150 + 128))} for 9 pictures, 150 steps each'


def test_every_attempt_begins_at_the_next_candidate(monkeypatch):
    asked, distances = [], iter([3.0, 1.0, 2.0])
    made = session.Session.__new__(session.Session)
    made.settings = session.Settings(*[None] * 11)._replace(restarts=3, seed=4)
    made.pace = SimpleNamespace(begin=lambda: None, finished=lambda: None)
    made.projector = SimpleNamespace(
        start=lambda targets, seeds, dlatents, masks, rank: asked.append((seeds, rank)))
    monkeypatch.setattr(made, '_descend', lambda title, restart, observers: [session.Projection(
        None, [], None, next(distances), 9.0, 1, restart)], raising=False)
    best, = made.project(np.zeros([1, 3, 16, 16]), 'title')
    assert asked == [([4], 0), ([[4, 1]], 1), ([[4, 2]], 2)]
    assert (best.distance, best.restart) == (1.0, 1)
