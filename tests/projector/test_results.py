"""Files of a run: tables, sheets, projections, and which run is continued."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from dnnlib.util import UserError
from projector import plots, results, video
from projector.session import Projection

ROW = dict(picture='a', distance=0.5)


def _read(path):
    return np.asarray(Image.open(str(path)))


def test_tables_are_read_back_and_extended(tmp_path):
    results.Table(str(tmp_path), 't').add([ROW])
    table = results.Table(str(tmp_path), 't')
    assert table.rows == [ROW] and table.find(picture='a') == ROW and table.find(picture='b') is None
    table.add([dict(ROW, picture='b')])
    with open(str(tmp_path / 't.csv')) as file:
        assert [row['picture'] for row in csv.DictReader(file)] == ['a', 'b']
    assert [json.loads(line)['picture'] for line in (tmp_path / 't.jsonl').read_text().splitlines()] == ['a', 'b']


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


def test_projections_come_back(tmp_path):
    dlatents = np.random.RandomState(0).randn(1, 4, 8).astype(np.float32)
    noise = np.ones([1, 1, 4, 4], np.float32)
    path = str(tmp_path / 'a.npz')
    results.save_projection(path, Projection(dlatents, [noise], None, 0.25, 1.0, 3, 0), 'abc', 'a.png')
    found = results.load_projection(path)
    np.testing.assert_array_equal(found['dlatents'], dlatents)
    np.testing.assert_array_equal(found['noise0'], noise)
    assert (str(found['network_hash']), str(found['source']), float(found['distance'])) == ('abc', 'a.png', 0.25)
    np.savez(path, dlatents=np.zeros([3]))
    with pytest.raises(UserError, match='expected dlatents'):
        results.load_projection(path)
    (tmp_path / 'a.npz').write_text('text')
    with pytest.raises(UserError, match='not an npz'):
        results.load_projection(path)


@pytest.mark.parametrize('count', [1, 5, 70])
def test_contact_sheets_hold_every_picture(tmp_path, count):
    entries = [('0.5 picture', [np.full([3, 8, 8], 40 + i, np.uint8), np.zeros([1, 8, 8], np.uint8)])
               for i in range(count)]
    results.save_sheet(entries, str(tmp_path / 's.png'))
    sheet = _read(tmp_path / 's.png')
    seen = {tuple(colour) for colour in sheet.reshape(-1, 3)}
    assert all((40 + i,) * 3 in seen for i in range(min(count, results.SHEET_PICTURES)))


def test_calibration_plot_shows_both_classes():
    rnd = np.random.RandomState(0)
    image = plots.calibration_plot(rnd.rand(20), rnd.rand(20) + 0.5, [('threshold', 0.6)], 'title')
    pixels = np.asarray(image).reshape(-1, 3).astype(int)
    assert image.size == (960, 360)
    for colour in plots.COLOURS.values():
        assert (np.abs(pixels - colour).max(axis=1) < 3).sum() >= 100  # the legend
        blended = 255 + (np.array(colour) - 255) * 140 / 255
        assert (np.abs(pixels - blended).max(axis=1) < 6).sum() > 500  # the bars


class _Steps:
    """Stands for a projector of three steps that draws its step number."""

    num_steps = 2

    def __init__(self):
        self.step = 0

    def get_cur_step(self):
        return self.step

    def get_images(self):
        return np.full([2, 3, 8, 8], self.step / 4, np.float32)


def test_videos_without_ffmpeg_are_frames_of_the_best_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(video, 'load_ffmpeg', lambda: None)
    targets = np.random.RandomState(0).randint(256, size=[2, 3, 8, 8]).astype(np.uint8)
    observer, steps = video.VideoObserver(str(tmp_path), ['a', 'b'], targets), _Steps()
    for restart in (0, 1):
        for steps.step in range(3):
            observer(steps, restart)
    observer.keep([1, 0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a-frames', 'b-frames']
    names = sorted(path.name for path in (tmp_path / 'a-frames').iterdir())
    assert names == ['frame0000.png', 'frame0001.png', 'frame0002.png']
    last = _read(tmp_path / 'b-frames' / 'frame0002.png')
    np.testing.assert_array_equal(last[:, :8], targets[1].transpose(1, 2, 0))
    assert (last[:, 8:] == 191).all()


def test_videos_are_mp4_where_ffmpeg_is_installed(tmp_path):
    pytest.importorskip('imageio_ffmpeg')
    made = video.Video(str(tmp_path / 'v'), [16, 32])
    for level in range(4):
        made.add(np.full([3, 16, 32], level * 60, np.uint8))
    made.close()
    data = (tmp_path / 'v.mp4').read_bytes()
    assert made.path.endswith('v.mp4') and data[4:8] == b'ftyp'
