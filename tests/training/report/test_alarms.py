"""Each rule fires on what it is for and on nothing else; the demo training, a healthy one, fires none."""

import json

import numpy as np
import pytest

from training.report import alarms


def look_at(ticks, logits=True):
    """Names of the alarms of the last of these ticks."""
    watcher = alarms.Alarms(logits)
    return [list(watcher.look(tick)) for tick in ticks][-1]


def test_diversity_is_the_deviation_over_images():
    images = np.zeros([2, 1, 4, 8], np.float32)
    assert alarms.diversity(images) == 0
    images[1] = 2
    assert alarms.diversity(images) == pytest.approx(1)
    rng = np.random.RandomState(0)
    noise = rng.normal(size=[200, 3, 64, 48]).astype(np.float32)
    assert alarms.diversity(noise) == pytest.approx(1 / 3, rel=0.02)  # means of 3 x 3 pixels
    assert alarms.diversity(noise[:, :, :16, :16]) == pytest.approx(1, rel=0.02)


def test_steps_left_out():
    assert look_at([{'Alarms/skipped_steps': 0}, {'Alarms/skipped_steps': 0}]) == []
    assert look_at([{'Alarms/skipped_steps': 2}, {'Alarms/skipped_steps': 3}]) == ['non-finite gradients']
    assert look_at([{'Alarms/skipped_steps': 3}, {'Alarms/skipped_steps': 3}]) == []
    assert '1 step left out' in alarms.non_finite({'Alarms/skipped_steps': 3}, 2)


@pytest.mark.parametrize('share, fires', [(0.0005, False), (0.1, True)])
def test_loss_scaling_may_leave_out_a_few_steps(share, fires):
    stats = {'Alarms/skipped_steps': 3, 'TrainD/overflow_frequency': share, 'TrainG/overflow_frequency': None,
             'TrainD/loss_scaling_log2': 20.0}
    assert (alarms.non_finite(stats, 2) is not None) == fires


def scores(real, fake):
    return {'Loss/scores/real': real, 'Loss/scores/fake': fake}


def test_saturated():
    assert look_at([scores(9, -9)] * 3) == ['D saturated']
    assert look_at([scores(9, -9)] * 2) == []
    assert look_at([scores(9, -9), scores(9, -9), scores(9, -5), scores(9, -9)]) == []
    assert look_at([scores(9, None)] * 3) == []
    assert look_at([scores(9, -9)] * 3, logits=False) == []  # a Wasserstein critic has no bounds


def held_out(train, held, fake, p=None, heuristic=None):
    return {'Holdout/scores/train': train, 'Holdout/scores/held_out': held, 'Holdout/scores/generated': fake,
            'Progress/augment': p, 'Progress/overfitting': heuristic}


def test_memorizing():
    assert alarms.overfitting(held_out(3, 1, -1)) == 0.5
    assert alarms.overfitting(held_out(-1, -1, -1)) is None and alarms.overfitting({}) is None
    assert look_at([held_out(3, 0.9, -1)] * 3) == ['D memorizes']
    assert look_at([held_out(3, 0.9, -1)] * 2) == look_at([held_out(3, 1.1, -1)] * 3) == look_at([{}] * 3) == []


def test_augmentation_that_is_not_needed():
    assert look_at([held_out(3, 2.9, -1, 0.2, 0.7)] * 3) == ['needless augmentation']
    for ticks in ([held_out(3, 2.9, -1, 0.2, 0.7)] * 2, [held_out(3, 2.9, -1, 0.1, 0.7)] * 3,
                  [held_out(3, 2.5, -1, 0.2, 0.7)] * 3, [held_out(3, 2.9, -1, 0.2, 0.3)] * 3,  # p falls by itself
                  [held_out(3, 2.9, -1, 0.2)] * 3, [held_out(3, 2.9, -1)] * 3, [{'Progress/augment': 0.5}] * 3):
        assert look_at(ticks) == []


def test_diversity_collapsing():
    def ticks(*values):
        return [{'Progress/diversity': value} for value in values]
    assert look_at(ticks(0.01, 0.02, 0.05)) == []  # not learned yet
    assert look_at(ticks(0.1, 0.9, 0.3, 0.3)) == []
    assert look_at(ticks(0.1, 0.9, 0.2)) == []
    assert look_at(ticks(0.1, 0.9, 0.2, 0.2)) == ['diversity collapsing']
    assert look_at(ticks(0.1, 0.9, None, 0.2)) == []


def speeds(*seconds, lod=0.0):
    return [{'Timing/sec_per_kimg': value, 'Progress/minibatch': 32, 'Progress/lod': lod} for value in seconds]


def test_speed_halved():
    assert look_at(speeds(50, 10, 10, 10, 10, 21, 21)) == ['speed halved']
    assert look_at(speeds(50, 10, 10, 10, 10, 21)) == []  # one tick is nothing
    assert look_at(speeds(10, 10, 10, 10, 19, 19)) == []
    assert look_at(speeds(10, 21, 21)) == []  # too few to compare with
    assert look_at(speeds(10, 10, 10, lod=1.0) + speeds(40, 40)) == []  # larger images
    assert look_at(speeds(*[10] * 4 + [30] * 14)) == []  # in the end that is usual


def test_waiting_for_data():
    def waits(share, seconds=100.0, tick=3):
        return [{'Timing/data_wait': share, 'Timing/sec_per_tick': seconds, 'Progress/tick': tick}]
    assert look_at(waits(0.11)) == ['waiting for data'] and look_at(waits(0.1)) == look_at(waits(None)) == []
    assert look_at(waits(0.5, seconds=1.9)) == []  # there is little to gain
    assert look_at(waits(0.5, tick=0)) == []  # nothing is read ahead of the first one
    assert alarms.waiting_for_data(waits(0.234)[0]).startswith('23 % of this tick; try more threads (--data-workers)')


def test_a_continued_run_remembers():
    ticks = speeds(10, 10, 10, 10, 21, 21)
    assert list(alarms.Alarms(True, ticks[:-1]).look(ticks[-1])) == ['speed halved']


def test_alarms_say_that_they_are_heuristics():
    assert alarms.alarm_line('D saturated', 'x') == 'ALARM D saturated (a heuristic): x'


def test_the_shipped_networks_training_raises_none_but_of_speed(data_dir):
    runs = 0
    with open(str(data_dir.parent.parent / 'docs' / 'demo-network-stats.jsonl')) as f:
        for tick in map(json.loads, f):
            if tick['Progress/tick'] == 0:  # began from the networks of the one before
                runs, watcher = runs + 1, alarms.Alarms(True)
            assert set(watcher.look(tick)) <= {'speed halved'}, tick  # other programs ran beside it for a while
    assert runs == 13
