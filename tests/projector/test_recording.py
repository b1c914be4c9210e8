"""Videos of projections."""

import numpy as np
from PIL import Image

from dnnlib import video
from projector import recording


def _read(path):
    return np.asarray(Image.open(str(path)))


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
    observer, steps = recording.VideoObserver(str(tmp_path), ['a', 'b'], targets), _Steps()
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
