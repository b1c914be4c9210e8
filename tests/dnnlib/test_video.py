"""Videos: mp4 files and numbered frames."""

import numpy as np
import PIL.Image
import pytest

from dnnlib import video


def test_videos_are_mp4_where_ffmpeg_is_installed(tmp_path):
    pytest.importorskip('imageio_ffmpeg')
    made = video.Video(str(tmp_path / 'v'), [16, 32])
    for level in range(4):
        made.add(np.full([16, 32, 3], level * 60, np.uint8))
    made.close()
    data = (tmp_path / 'v.mp4').read_bytes()
    assert made.path.endswith('v.mp4') and data[4:8] == b'ftyp'


def test_without_ffmpeg_there_are_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(video, 'load_ffmpeg', lambda: None)
    frame = np.random.RandomState(0).randint(256, size=[20, 8, 3]).astype(np.uint8)
    made = video.Video(str(tmp_path / 'v'), [20, 8], max_height=10)
    made.add(frame)
    made.add(255 - frame)
    made.close()
    made.rename(str(tmp_path / 'w'))
    assert made.path == str(tmp_path / 'w-frames')
    for i, expected in enumerate((frame, 255 - frame)):  # too high for max_height: every other row and column
        found = np.asarray(PIL.Image.open(str(tmp_path / 'w-frames' / 'frame{:04d}.png'.format(i))))
        np.testing.assert_array_equal(found, expected[::2, ::2])
    made.remove()
    assert list(tmp_path.iterdir()) == []
