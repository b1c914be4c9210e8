"""The job that draws a walk from view to view as a film, with the walk of the command `interpolate`."""

import os

import numpy as np
import PIL.Image

from dnnlib import images, shell, video
from explorer import encoding, saving
from explorer.errors import Refused

RANK = 4  # of the lane of frames: everything that somebody looks at goes first
KINDS = 'gif', 'mp4'
MAX_FRAMES, MAX_PIXELS = 1200, 600 * 10 ** 6  # of a film; the pixels of a gif are kept in memory until it is written


def check(artist, views, frames, kind):
    """Raises Refused for a film that would be too long or can't be made."""
    if artist.kind not in ('style', 'plain'):
        raise Refused('films are made of generators that draw from seeds', 409)
    for view in views:
        artist.check(view)
    count = frames * len(views)
    height, width = artist.image_shape[:2]
    if count > MAX_FRAMES or kind == 'gif' and count * height * width > MAX_PIXELS:
        raise Refused(f'{count} frames are too many for this kind; ask for fewer, or mp4', 409)
    if kind == 'mp4' and video.load_ffmpeg() is None:
        raise Refused('mp4 needs imageio-ffmpeg (pip install imageio-ffmpeg); choose gif', 409)


def animate(job, app, views, options):
    """A job: draws the frames and writes the film.

    Args:
        job: jobs.Job.
        app: app.App.
        views: List of View, at least two.
        options: {'frames', 'fps', 'loop', 'kind', 'curve'}.
    Returns: The `result` of the job.
    """
    first = app.engine.artist
    ask = app.asker(first, (RANK, 'film'))
    frames = ask(lambda artist: artist.way(views, options['frames'], options['curve'], options['loop']))
    count = len(frames[0])
    path = app.files.reserve('.' + options['kind'])
    film = None
    try:
        film = _Gif(path, options['fps']) if options['kind'] == 'gif' else _Mp4(path, first.image_shape, options['fps'])
        for i in range(count):
            part = [frame[i:i + 1] for frame in frames]
            pixels = ask(lambda artist, part=part: artist.draw_point(part, views[0]))
            film.add(images.as_rgb(pixels))
            job.tell((i + 1) / (count + 1), f'frame {i + 1} of {count}')
            if job.is_picture_due():
                job.show(pixels)
        job.show(pixels)
        film.close()
    except BaseException:
        try:
            if film is not None:
                film.cancel()
        finally:
            os.remove(path)
        raise
    job.file = path
    return dict(file=saving.public(path), frames=count, command=_command(first, views, options))


def _command(artist, views, options):
    """The command that makes such a film of seeds, as text; None if views are more than seeds."""
    seeds = [view.seed() for view in views]
    usual = {view._replace(x=0.0, y=0.0) for view in views}
    has_own_noise = artist.kind == 'style' and views[0].noise != 'const'  # which `interpolate` does not know
    if None in seeds or len(usual) > 1 or has_own_noise or not artist.is_plain(views[0]):
        return None
    words, _ = artist.command(views[0])
    more = [word for word in words[words.index('generate-images') + 2:] if not word.startswith('--seeds=')]
    more = ['--seeds=' + ','.join(map(str, seeds)), f'--frames={options["frames"]}', f'--fps={options["fps"]}',
            f'--curve={options["curve"]}'] + more + ['--loop'] * options['loop']
    return shell.line(artist.words('python run_generator.py', 'interpolate', more))


class _Gif:
    """A film of at most 256 colors a frame; its frames are kept until the end."""

    def __init__(self, path, fps):
        self._path, self._fps, self._frames = path, fps, []

    def add(self, pixels):
        """Adds a frame, uint8 [H, W, 3]."""
        self._frames.append(encoding.to_image(pixels).convert('P', palette=PIL.Image.ADAPTIVE, colors=256))

    def close(self):
        """Writes the film."""
        with open(self._path, 'wb') as file:
            self._frames[0].save(file, format='GIF', save_all=True, append_images=self._frames[1:], loop=0,
                                 duration=int(round(1000 / self._fps)))

    def cancel(self):
        """Forgets it."""
        self._frames = []


class _Mp4:
    """A film by ffmpeg."""

    def __init__(self, path, image_shape, fps):
        self._film = video.Video(os.path.splitext(path)[0], image_shape[:2], fps, None)
        self.add, self.close = lambda pixels: self._film.add(np.ascontiguousarray(pixels)), self._film.close

    def cancel(self):
        """Ends ffmpeg; what it wrote is removed by the caller."""
        self._film.close()
