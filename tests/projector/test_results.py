"""Files of a run: tables, sheets, projections, and which run is continued."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from projector import plots, results, session
from training import pretrained

ROW = dict(picture='a', distance=0.5)


def _read(path):
    return np.asarray(Image.open(str(path)))


def test_tables_are_read_back_and_extended(tmp_path):
    results.Table(str(tmp_path), 't').add([ROW])
    table = results.Table(str(tmp_path), 't')
    assert table.rows == [ROW] and table.find(picture='a') == ROW and table.find(picture='b') is None
    table.add([dict(ROW, picture='b\udce9')])  # a name of a file that is no text
    with open(str(tmp_path / 't.csv')) as file:
        assert [row['picture'] for row in csv.DictReader(file)] == ['a', 'b\\udce9']
    assert [json.loads(line)['picture'] for line in (tmp_path / 't.jsonl').read_text().splitlines()] == ['a', 'b\udce9']


def test_the_newest_interrupted_run_with_the_same_options_is_continued(tmp_path):
    def run(name, options):
        (tmp_path / name).mkdir()
        (tmp_path / name / results.OPTIONS_FILE).write_text(json.dumps(options))
        return str(tmp_path / name)

    options = dict(paths=('a',), settings=dict(seed=1, minibatch=4), tf_config=dict(device='cpu'))
    assert results.find_interrupted(str(tmp_path / 'none'), 'x', options) is None
    run('00000-x', dict(options, paths=['b']))
    run('00001-y', options)
    assert results.find_interrupted(str(tmp_path), 'x', options) is None
    run('00002-x', dict(options, settings=dict(seed=2, minibatch=4)))
    assert results.find_interrupted(str(tmp_path), 'x', options) is None
    folder = run('00003-x', dict(options, settings=dict(seed=1, minibatch=8), tf_config={}))
    assert results.find_interrupted(str(tmp_path), 'x', options) == folder
    results.mark_complete(folder, 'done')
    assert results.find_interrupted(str(tmp_path), 'x', options) is None


def test_interrupted_runs_of_older_versions_are_continued(tmp_path):
    """They wrote the name of a network, and only the settings that they knew."""
    settings = session.Settings(*range(11))
    older = {key: value for key, value in settings._asdict().items() if key != 'minibatch'}
    (tmp_path / '00000-x').mkdir()
    (tmp_path / '00000-x' / results.OPTIONS_FILE).write_text(json.dumps(dict(network_pkl='cats64', settings=older)))
    for name, settings, found in [('cats64', settings, True), ('cats65.pkl', settings, False),
                                  ('cats64', settings._replace(seed=-1), False)]:
        options = dict(network_pkl=pretrained.NetworkFile(name, 'a.pkl', '.'), settings=settings)
        assert (results.find_interrupted(str(tmp_path), 'x', options) is not None) == found


def test_differences_and_triples():
    target, image = np.full([3, 2, 2], 100, np.uint8), np.full([3, 2, 2], 100, np.uint8)
    image[0, 0, 0], image[1, 1, 1] = 200, 0
    found = results.difference(target, image)
    assert (found[0, 0, 0], found[1, 1, 1], found[2, 0, 0]) == (178, 78, 128)
    strip = results.triple(target, image)
    np.testing.assert_array_equal(strip, np.concatenate([target, image, found], axis=2))
    assert results.triple(target[:1], image[:1]).shape == (3, 2, 6)
    rgba = np.uint8([[[100]], [[100]], [[100]], [[51]]])
    np.testing.assert_array_equal(results.as_rgb(rgba)[:, 0, 0], [224] * 3)  # a fifth over white


@pytest.mark.parametrize('count', [1, 5, 70])
def test_contact_sheets_hold_every_picture(tmp_path, count):
    entries = [('0.5 picture', [np.full([3, 8, 8], 40 + i, np.uint8), np.zeros([1, 8, 8], np.uint8)])
               for i in range(count)]
    results.save_sheet(entries, str(tmp_path / 's.png'))
    sheet = _read(tmp_path / 's.png')
    seen = {tuple(color) for color in sheet.reshape(-1, 3)}
    assert all((40 + i,) * 3 in seen for i in range(min(count, results.SHEET_PICTURES)))


def test_calibration_plot_shows_both_classes():
    rnd = np.random.RandomState(0)
    image = plots.calibration_plot(rnd.rand(20), rnd.rand(20) + 0.5, [('threshold', 0.6)], 'title')
    pixels = np.asarray(image).reshape(-1, 3).astype(int)
    assert image.size == (960, 360)
    for color in plots.COLORS.values():
        assert (np.abs(pixels - color).max(axis=1) < 3).sum() >= 100  # the legend
        blended = 255 + (np.array(color) - 255) * 140 / 255
        assert (np.abs(pixels - blended).max(axis=1) < 6).sum() > 500  # the bars
