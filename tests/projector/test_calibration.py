"""Calibration files and the verdicts that follow from them."""

import json

import numpy as np
import pytest

from dnnlib.util import UserError
from projector import calibration, schedule
from projector.calibration import GENERATED, NOT, RELATED, UNDECIDED, Calibration, Content
from projector.session import Settings

SETTINGS = dict(preset='fast', schedule=schedule.PRESETS['fast'], num_steps=10, space='w', noise='optimize',
                distance='pixel', restarts=1, plateau=0, seed=0, precision='float32', label=None, fit='crop',
                align=None)


def calibration_fields(generated=None, reals=None, **settings):
    """Content of a calibration file with 39 distances of each class."""
    generated = np.linspace(0.01, 0.05, 39) if generated is None else generated
    reals = np.linspace(0.2, 0.4, 39) if reals is None else reals
    return dict(format=calibration.FORMAT, network='a/net.pkl', network_hash='abc', settings=dict(SETTINGS, **settings),
                generated=dict(distances=list(generated)), real=dict(distances=list(reals)), robustness=[])


def of(fields):
    """Calibration with the content of a file."""
    return Calibration(Content.of_file(fields))


def settings(**given):
    """Settings that are asked for: None but for some."""
    return Settings(**dict(dict.fromkeys(Settings._fields), **given))


def test_verdicts_of_separate_classes():
    made = of(calibration_fields())
    assert [made.judge(distance, 0.05).verdict for distance in (0.001, 0.03, 0.1, 0.3, 5)] == [
        GENERATED, GENERATED, UNDECIDED, NOT, NOT]
    found = made.judge(0.0299, 0.05)
    np.testing.assert_allclose([found.p_generated, found.p_real], [21 / 40, 1 / 40])
    assert made.judge(0.3, 0.05).p_generated == 1 / 40
    assert made.judge(np.exp(made._mean + 2 * made._spread), 0.05).score == pytest.approx(2)
    assert found.p_fine is None and made.judge(0.03, 0.05, 9.9).verdict == GENERATED  # a file of an older version


def test_classes_that_overlap_are_undecided_in_between():
    made = of(calibration_fields(np.linspace(0, 1, 39), np.linspace(0.5, 1.5, 39)))
    assert [made.judge(distance, 0.1).verdict for distance in (0.2, 0.7, 1.3)] == [GENERATED, UNDECIDED, NOT]


def test_pictures_with_other_details_are_related():
    fields = calibration_fields()
    fields['generated']['fine_errors'] = np.geomspace(1e-4, 1e-3, 39)
    made = of(fields)
    judged = [made.judge(distance, 0.05, fine) for distance in (0.03, 0.3) for fine in (3e-4, 3e-3)]
    assert [verdict.verdict for verdict in judged] == [GENERATED, RELATED, NOT, NOT]
    assert [verdict.p_fine for verdict in judged[:2]] == [21 / 40, 1 / 40]
    fields['generated']['fine_errors'] = [1e-4]
    with pytest.raises(UserError, match='not a calibration'):
        of(fields)


def test_fine_errors_are_those_of_high_frequencies():
    rnd = np.random.RandomState(0)
    picture = rnd.randint(100, 156, [3, 64, 48]).astype(np.uint8)
    noisy = np.uint8(np.rint(picture + 10 * rnd.randn(3, 64, 48)))
    assert calibration.fine_error(picture, noisy) == pytest.approx((10 / 127.5) ** 2 + (1 / 127.5) ** 2 / 12, rel=0.05)
    mask = np.zeros([1, 64, 48])
    mask[:, 10:40, 5:] = 1
    assert calibration.fine_error(picture, noisy, mask) == pytest.approx((10 / 127.5) ** 2, rel=0.1)
    mask[:] = 0
    assert calibration.fine_error(picture, noisy, mask) == 0
    waves = np.rint(40 * np.cos(np.arange(64) * 2 * np.pi / 16)).astype(int)[:, np.newaxis]  # long ones
    assert calibration.fine_error(picture, np.uint8(picture + waves)) < 1e-5 < 0.01 < np.square(waves / 127.5).mean()


def test_null_case_says_nothing():
    rnd = np.random.RandomState(0)
    made = of(calibration_fields(rnd.gamma(2, size=64), rnd.gamma(2, size=64)))
    low, high = made.interval()
    assert low < 0.5 < high and abs(made.auc() - 0.5) < 0.15
    verdicts = [made.judge(distance, 0.05).verdict for distance in rnd.gamma(2, size=200)]
    assert verdicts.count(UNDECIDED) > 150


def test_files_come_back(tmp_path):
    made = of(calibration_fields())
    made.save(str(tmp_path / 'c.json'))
    again = Calibration.load(str(tmp_path / 'c.json'))
    assert again.conditions == made.conditions and again.network_hash == 'abc'
    np.testing.assert_array_equal(again.generated, made.generated)
    content = json.loads((tmp_path / 'c.json').read_text())
    assert list(content) == ['format', 'version', 'network', 'network_hash', 'settings', 'changes', 'error_rates',
                             'generated', 'real', 'robustness', 'scope', 'auc', 'auc_interval', 'thresholds', 'roc']
    assert content['settings'] == SETTINGS and list(content['real']) == ['distances', 'fine_errors', 'source']
    assert content['auc'] == 1 and 0.8 < content['auc_interval'][0] < 1 and 'this very network' in content['scope']
    assert [row['error_rate'] for row in content['thresholds']] == [0.05, 0.1]  # 39 pictures do not allow 0.01
    row = content['thresholds'][0]
    assert made.judge(row['generated_up_to'] - 1e-6, 0.05).p_real <= 0.05
    assert len(content['roc']['true_positive_rate']) == len(content['roc']['false_positive_rate'])


@pytest.mark.parametrize('content', ['{', '[]', '{"format": "other"}', '{"format": "stylegan2-calibration"}',
                                     json.dumps(dict(SETTINGS, format='stylegan2-calibration'))])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / 'c.json').write_text(content)
    with pytest.raises(UserError, match='c.json: not a calibration'):
        Calibration.load(str(tmp_path / 'c.json'))


def test_what_was_not_calibrated_is_refused():
    with pytest.raises(UserError, match='W only'):
        of(calibration_fields(space='w+'))
    made = of(calibration_fields())
    with pytest.raises(UserError, match='error rate of 0.01; use --error-rate=0.025, or calibrate with 99 of each'):
        made.judge(0.1, 0.01)
    made.check_settings(settings(num_steps=10, minibatch=2))
    with pytest.raises(UserError, match='num-steps 10, not 20'):
        made.check_settings(settings(num_steps=20))
    made.check_network('abc', 'net.pkl')
    with pytest.raises(UserError, match='abc.*def'):
        made.check_network('def', 'net.pkl')


def test_the_network_with_the_lowest_score_is_named():
    def verdict(name, score):
        return calibration.Verdict(name, 0.5, 0.01, None, score)

    ours, other = verdict(GENERATED, 0.2), verdict(NOT, 9.0)
    assert calibration.attribute([other, ours]) == (1, 1, pytest.approx(8.8), [1])
    assert calibration.attribute([ours]) == (0, 0, None, [0])
    assert calibration.attribute([other, verdict(NOT, 7.5)]) == (1, None, pytest.approx(1.5), [])
    close = verdict(GENERATED, 0.1)
    assert calibration.attribute([ours, close, other]) == (1, 1, pytest.approx(0.1), [1, 0])
    assert calibration.attribute([ours, verdict(RELATED, 0.1)]) == (1, None, pytest.approx(0.1), [1, 0])


def test_thresholds_are_given_for_the_rates_of_the_file():
    made = of(dict(calibration_fields(), error_rates=[0.2]))
    assert [row['error_rate'] for row in made.thresholds()] == [0.2]


def test_distances_of_padded_pictures_are_those_of_the_part_that_is_compared():
    mask = np.zeros([1, 4, 8], np.float32)
    mask[:, :, 2:4] = 1
    assert calibration.compared_distance(0.03, mask) == 0.12
    assert calibration.compared_distance(0.03, np.ones([1, 4, 8], np.float32)) == 0.03


def test_a_padded_calibration_of_an_older_version_is_refused():
    old = calibration_fields(fit='pad')
    with pytest.raises(UserError, match='calibrate again'):
        of(old)
    of(dict(old, version=2))
