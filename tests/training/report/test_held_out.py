"""Held-out images: never in the stream, scored beside the others."""

import numpy as np
import pytest

from dnnlib import UserError
from training.data.base import Dataset
from training.data.cats import CatsDataset
from training.report import held_out


class Numbered(Dataset):
    """Images whose pixels, and whose label, are their number."""

    def __init__(self, num_images, **kwargs):
        super().__init__('numbered', num_images, [1, 4, 4], full_label_size=1, max_label_size='full', **kwargs)

    def _read(self, index, lod):
        return np.full([1, 4 >> lod, 4 >> lod], index, np.uint8)

    def _labels_of(self, indices):
        return np.float32(indices)[:, np.newaxis]


@pytest.mark.parametrize('shuffle_mb', [0, 1])
def test_held_out_images_are_never_in_the_stream(shuffle_mb):
    with Numbered(50, shuffle_mb=shuffle_mb) as data:
        data.hold_out(0.2)
        kept_out = data.held_out
        assert len(set(kept_out)) == 10 and list(kept_out) != sorted(kept_out)
        for epoch in range(2):
            seen = sorted(data.get_minibatch_np(40)[0][:, 0, 0, 0])
            assert seen == sorted(set(range(50)) - set(kept_out)), epoch
        labels = data.get_random_labels_np(500)
        assert set(labels[:, 0]) == set(range(50)) - set(kept_out)
        assert data.read(kept_out[0])[0, 0, 0] == kept_out[0]
    with Numbered(50, seed=3) as data:
        data.hold_out(0.2)
        np.testing.assert_array_equal(data.held_out, kept_out)  # whatever the seed


def test_random_labels_of_the_graph_are_those_of_the_stream(session):
    with Numbered(50) as data:
        data.hold_out(0.5)
        labels = session.run(data.get_random_labels_tf(500))[:, 0]
        assert set(labels) == set(range(50)) - set(data.held_out)


def test_holding_out_nothing_changes_nothing():
    with Numbered(50, seed=1) as data, Numbered(50, seed=1) as other:
        data.hold_out(0)
        assert len(data.held_out) == 0
        np.testing.assert_array_equal(data.get_minibatch_np(70)[1], other.get_minibatch_np(70)[1])


@pytest.mark.parametrize('share', [0.001, 0.999])
def test_a_side_without_images_is_refused(share):
    with Numbered(50) as data, pytest.raises(UserError, match='holding out {:g} of 50 images'.format(share)):
        data.hold_out(share)


def test_a_skipped_image_is_replaced_by_one_of_its_own_side(monkeypatch):
    with Numbered(50, bad='skip') as data:
        data.hold_out(0.5)
        held = set(data.held_out)
        bad = next(n for n in range(49) if n not in held and n + 1 in held)
        read = data._read

        def failing(index, lod):
            if index == bad:
                raise UserError('damaged')
            return read(index, lod)

        monkeypatch.setattr(data, '_read', failing)
        assert data.read_good(bad)[0] == next(n % 50 for n in range(bad + 1, 100) if n % 50 not in held)


class Mean:
    """Stands in for D: scores an image by its mean, 0 to 255, plus its label."""

    static_kwargs, expected_size = dict(mbstd_group_size=8), 4

    @classmethod
    def run(cls, images, labels):
        assert len(images) == cls.expected_size
        return (images.mean(axis=(1, 2, 3)) * 127.5 + 127.5)[:, np.newaxis] + labels


class Gray:
    """Stands in for G: all pixels are 0 for the networks."""

    input_shape = [None, 8]

    @staticmethod
    def run(latents, labels, **_options):
        assert latents.shape[1:] == (8,) and labels.shape == (len(latents), 1)
        return np.zeros([len(latents), 1, 4, 4])


def test_scores_are_means_over_each_kind(session, capsys):
    with Numbered(50) as data:
        data.hold_out(0.3)  # 15 images, so 12 in whole minibatches
        monitor = held_out.ScoreMonitor(Gray, Mean, data, [-1, 1], 4)
        train = data.indices_at(0, 12)
        expected = dict(train=2 * train.mean(), held_out=2 * data.held_out[:12].mean(), generated=127.5 + train.mean())
        scores = monitor.scores()
        assert {name: pytest.approx(value, abs=1e-3) for name, value in expected.items()} == scores
        assert monitor() is None
        assert 'held_out {:.3f}'.format(scores['held_out']) in capsys.readouterr().out


@pytest.mark.parametrize('share, size', [(0.3, 8), (0.1, 5), (0.98, 1)])  # whole groups of 8, or all that there are
def test_fewer_images_than_a_minibatch_are_scored_together(session, share, size, monkeypatch):
    monkeypatch.setattr(Mean, 'expected_size', size)
    with Numbered(50) as data:
        data.hold_out(share)
        scores = held_out.ScoreMonitor(Gray, Mean, data, [-1, 1], 32).scores()
        assert scores['held_out'] == pytest.approx(2 * data.held_out[:size].mean(), abs=1e-3)


def test_cats_can_hold_out_as_well():
    with CatsDataset(resolution=8) as data:
        data.hold_out(0.1)
        assert len(data.held_out) == 32400
