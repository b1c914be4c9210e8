"""Videos of a projection: target and current image side by side, as mp4 where imageio-ffmpeg is installed."""

import os
import shutil

import numpy as np

from projector.inputs import to_pixels
from projector.results import as_rgb, save_picture

FPS, MAX_FRAMES, MAX_HEIGHT = 25, 250, 512


def load_ffmpeg():
    """The module imageio_ffmpeg, or None if it isn't installed."""
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    return imageio_ffmpeg


class Video:
    """One video: `<path>.mp4`, or numbered frames in the folder `<path>-frames`.

    Args:
        path: File name without extension.
        shape: [height, width] of the frames.
        fps: Frames of a second.
        max_height: Higher frames are thinned out, None = never.
    """

    def __init__(self, path, shape, fps=FPS, max_height=MAX_HEIGHT):
        self._step = max(1, -(-shape[0] // (max_height or shape[0])))
        height, width = [-(-side // self._step) for side in shape]
        ffmpeg = load_ffmpeg()
        self._writer, self._count = None, 0
        if ffmpeg is None:
            self.path = path + '-frames'
            shutil.rmtree(self.path, ignore_errors=True)
            os.makedirs(self.path)
        else:
            self.path = path + '.mp4'
            self._writer = ffmpeg.write_frames(self.path, (width, height), fps=fps, macro_block_size=2, quality=8,
                                               ffmpeg_log_level='error')
            self._writer.send(None)

    def add(self, frame):
        """Adds a frame, uint8 [3, H, W]."""
        frame = np.ascontiguousarray(frame[:, ::self._step, ::self._step])
        if self._writer is not None:
            self._writer.send(np.ascontiguousarray(frame.transpose(1, 2, 0)))
        else:
            save_picture(frame, os.path.join(self.path, 'frame{:04d}.png'.format(self._count)))
        self._count += 1

    def close(self):
        """Finishes the file."""
        if self._writer is not None:
            self._writer.close()

    def remove(self):
        """Deletes what was written."""
        self.close()
        if os.path.isdir(self.path):
            shutil.rmtree(self.path)
        else:
            os.remove(self.path)

    def rename(self, path):
        """Moves it to `path` (without extension)."""
        new_path = path + ('-frames' if self._writer is None else '.mp4')
        if os.path.isdir(new_path):
            shutil.rmtree(new_path)
        os.replace(self.path, new_path)
        self.path = new_path


class VideoObserver:
    """Records all restarts of a minibatch of projections; `keep` leaves the best one of each target.

    Args:
        folder: Where the videos go, as `<key>.mp4`.
        keys: Name of each target.
        targets: uint8 [N, C, H, W].
    """

    def __init__(self, folder, keys, targets):
        self._paths = [os.path.join(folder, key) for key in keys]
        self._targets = [as_rgb(target) for target in targets]
        self._videos = {}

    def __call__(self, projector, restart):
        step, every = projector.get_cur_step(), max(1, projector.num_steps // MAX_FRAMES)
        if step % every and step != projector.num_steps:
            return
        if restart not in self._videos:
            height, width = self._targets[0].shape[1:]
            self._videos[restart] = [
                Video('{}-restart{}'.format(path, restart), [height, 2 * width]) for path in self._paths]
        for video, target, image in zip(self._videos[restart], self._targets, projector.get_images()):
            video.add(np.concatenate([target, as_rgb(to_pixels(image))], axis=2))

    def keep(self, restarts):
        """Finishes all videos and keeps the one of the given restart for each target."""
        for restart, videos in self._videos.items():
            for path, video, best in zip(self._paths, videos, restarts):
                video.close()
                if restart == best:
                    video.rename(path)
                else:
                    video.remove()
