"""Videos of projections: the target and the current image side by side."""

import os

import numpy as np

from dnnlib import video
from projector.inputs import to_pixels
from projector.results import as_rgb

MAX_FRAMES = 250  # of a video, 10 seconds


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
                video.Video(f'{path}-restart{restart}', [height, 2 * width]) for path in self._paths]
        for film, target, image in zip(self._videos[restart], self._targets, projector.get_images()):
            film.add(np.concatenate([target, as_rgb(to_pixels(image))], axis=2).transpose(1, 2, 0))

    def keep(self, restarts):
        """Finishes all videos and keeps the one of the given restart for each target."""
        for restart, films in self._videos.items():
            for path, film, best in zip(self._paths, films, restarts):
                film.close()
                if restart == best:
                    film.rename(path)
                else:
                    film.remove()
