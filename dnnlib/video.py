"""Videos: mp4 if imageio-ffmpeg is installed, else numbered frames."""

import os
import shutil

import numpy as np

from dnnlib import images

FPS, MAX_HEIGHT = 25, 512


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
        fps: Frames per second.
        max_height: Higher frames lose every other row and column or more, None = never: so a video of large pictures
            stays small.
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
        """Adds a frame, uint8 [H, W, 3]."""
        frame = np.ascontiguousarray(frame[::self._step, ::self._step])
        if self._writer is not None:
            self._writer.send(frame)
        else:
            images.save_png(frame, os.path.join(self.path, f'frame{self._count:04d}.png'))
        self._count += 1

    def close(self):
        """Finishes the file."""
        if self._writer is not None:
            self._writer.close()

    def remove(self):
        """Deletes the video."""
        self.close()
        if os.path.isdir(self.path):
            shutil.rmtree(self.path)
        else:
            os.remove(self.path)

    def rename(self, path):
        """Moves the video to `path` (without extension), over what is there."""
        new_path = path + ('-frames' if self._writer is None else '.mp4')
        if os.path.isdir(new_path):
            shutil.rmtree(new_path)
        os.replace(self.path, new_path)
        self.path = new_path
