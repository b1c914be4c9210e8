"""Statistics of detection against closed forms and SciPy."""

import numpy as np
import pytest
import scipy.stats

from projector import statistics


def test_auc_is_the_mann_whitney_statistic():
    rnd = np.random.RandomState(0)
    for _ in range(5):
        low, high = rnd.randint(0, 8, 13), rnd.randint(2, 12, 17)  # with ties
        expected = scipy.stats.mannwhitneyu(high, low, alternative='greater').statistic / (13 * 17)
        np.testing.assert_allclose(statistics.auc(low, high), expected)
    assert statistics.auc([1, 2], [3, 4]) == 1 and statistics.auc([3, 4], [1, 2]) == 0
    assert statistics.auc([1, 1], [1]) == 0.5


def test_roc_encloses_the_auc():
    rnd = np.random.RandomState(1)
    low, high = rnd.randn(20).round(1), rnd.randn(30).round(1) + 1
    false_rates, true_rates = statistics.roc(low, high)
    assert (false_rates[0], true_rates[0], false_rates[-1], true_rates[-1]) == (0, 0, 1, 1)
    assert (np.diff(false_rates) >= 0).all() and (np.diff(true_rates) >= 0).all()
    area = np.sum(np.diff(false_rates) * (true_rates[1:] + true_rates[:-1]) / 2)
    np.testing.assert_allclose(area, statistics.auc(low, high))


def test_interval_has_the_width_of_the_theory():
    rnd = np.random.RandomState(2)
    low, high = rnd.randn(60), rnd.randn(60) + 1
    value = statistics.auc(low, high)
    q1, q2 = value / (2 - value), 2 * value ** 2 / (1 + value)  # Hanley and McNeil 1982
    error = np.sqrt((value * (1 - value) + 59 * (q1 - value ** 2) + 59 * (q2 - value ** 2)) / 60 ** 2)
    found = statistics.auc_interval(low, high)
    assert found[0] < value < found[1]
    np.testing.assert_allclose(found[1] - found[0], 2 * 1.96 * error, rtol=0.25)
    assert found == statistics.auc_interval(low, high)


def test_interval_without_an_overlap_does_not_claim_certainty():
    low, high = statistics.auc_interval(np.arange(64), np.arange(100, 164))
    assert high == 1
    np.testing.assert_allclose(low ** 64, 0.025)
    assert statistics.auc_interval([5, 6, 7], [1, 2, 3])[0] == 0


def test_null_case_gives_an_auc_of_one_half():
    rnd = np.random.RandomState(3)
    low, high = statistics.auc_interval(rnd.gamma(2, size=64), rnd.gamma(2, size=64))
    assert low < 0.5 < high


@pytest.mark.parametrize('rate', [0.05, 0.2])
def test_p_values_keep_their_promise(rate):
    rnd = np.random.RandomState(4)
    samples, scores = rnd.exponential(size=[2000, 39]), rnd.exponential(size=2000)
    for p_value in (statistics.p_high, statistics.p_low):
        wrong = np.mean([p_value(score, sample) <= rate for score, sample in zip(scores, samples)])
        assert abs(wrong - rate) < 4 * np.sqrt(rate / 2000)  # exact for these sizes, up to chance


def test_thresholds_are_where_the_p_values_cross():
    sample = np.random.RandomState(5).rand(39)
    low, high = statistics.low_threshold(sample, 0.1), statistics.high_threshold(sample, 0.1)
    assert statistics.p_low(low - 1e-9, sample) <= 0.1 < statistics.p_low(low, sample)
    assert statistics.p_high(high + 1e-9, sample) <= 0.1 < statistics.p_high(high, sample)
    assert low == np.sort(sample)[3] and high == np.sort(sample)[-4]
    assert statistics.low_threshold(sample, 0.02) is None and statistics.high_threshold(sample, 0.02) is None
    assert statistics.low_threshold(sample, 1 / 40) == sample.min()
