"""`interpolate`: a walk through pictures, as a video or single frames."""

import os

import numpy as np

from dnnlib import cli, images
from dnnlib.util import UserError
from generator import drawing, options, writer
from projector import video

_STRIP = 10  # pictures on the strip


def add_command(commands):
    """Adds the sub-command `interpolate`."""
    p = commands.add_parser('interpolate', help='walk from picture to picture, as a video or frames')
    options.add_network(p)
    options.add_sources(p, what='where the walk leads')
    p.add_argument('--frames', type=options.positive_int, default=60, metavar='N',
                   help='frames from one picture to the next (default: %(default)s)')
    p.add_argument('--space', choices=('w', 'z'), default='w',
                   help='walk through dlatents or through latents; files are in w (default: %(default)s)')
    p.add_argument('--curve', choices=('linear', 'spherical'), metavar='KIND',
                   help='linear, or spherical: on arcs around the mean (default: linear in w, spherical in z)')
    p.add_argument('--loop', action='store_true', help='return to the first picture at the end')
    p.add_argument('--fps', type=options.positive_int, default=30, metavar='N',
                   help='frames of a second of video (default: %(default)s)')
    options.add_class(p)
    options.add_psi(p)
    options.add_drawing(p, outputs=('mp4',) + writer.KINDS)
    p.set_defaults(run=interpolate, check=check)


def check(args):
    """Raises UserError for options that contradict each other; puts those of the way into one dictionary."""
    if len(args['seeds']) < 2:
        raise UserError('--seeds takes at least two seeds or files')
    if args['space'] == 'z' and any(isinstance(source, str) for source in args['seeds']):
        raise UserError('--space=z is for seeds; files hold dlatents')
    args['way'] = {key: args.pop(key) for key in ('space', 'frames', 'curve', 'loop')}
    args['way']['curve'] = args['way']['curve'] or ('linear' if args['way']['space'] == 'w' else 'spherical')


def interpolate(submit_config, network_pkl, seeds, way, fps, class_name, settings):
    """Writes the frames of a walk, and `strip.png` with some of them.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: Path, URL or published name of the network file.
        seeds: List of ints and of npz files of the projector.
        way: Dictionary of `space` (`w` or `z`), and `frames`, `curve` and `loop` of `walk`.
        fps: Frames of a second.
        class_name: Name or number of the class, `None` = labels are zero.
        settings: Dictionary of `options.pop_drawing`.
    """
    settings = dict(settings)
    psi, outputs = settings.pop('truncation_psi'), settings.pop('outputs')
    drawer = drawing.load(network_pkl, **settings)
    labels = drawing.labels(class_name, network_pkl, drawer.Gs)
    way = dict(way)
    if way.pop('space') == 'z':
        dlatents = drawer.dlatents(walk(drawer.latents(seeds), **way), labels, psi)
    else:
        offsets = drawer.sources(seeds, labels, psi) - drawer.dlatent_avg
        dlatents = drawer.dlatent_avg + walk(offsets, **way)
    _draw(submit_config.run_dir, drawer, np.float32(dlatents), fps, outputs, settings['dtype'])


def _draw(folder, drawer, dlatents, fps, outputs, dtype):
    """Draws all frames, a minibatch at a time."""
    files = writer.PictureWriter(folder, [kind for kind in outputs if kind != 'mp4'], dtype)
    film = video.Video(os.path.join(folder, 'video'), drawer.image_shape[1:], fps, None) if 'mp4' in outputs else None
    shown = set(np.linspace(0, len(dlatents) - 1, min(_STRIP, len(dlatents))).astype(int))
    sheet = images.ContactSheet(len(shown), drawer.image_shape, columns=len(shown))
    for begin in cli.progress(range(0, len(dlatents), 16), 'parts'):
        for i, picture in enumerate(drawer.pictures(dlatents[begin:begin + 16]), begin):
            pixels = files.add('frame{:05d}'.format(i), picture)
            if film is not None:
                film.add(writer.as_rgb(pixels).transpose(2, 0, 1))
            if i in shown:
                sheet.add(pixels)
    if film is not None:
        film.close()
        if not film.path.endswith('.mp4'):
            print('imageio-ffmpeg is not installed (pip install imageio-ffmpeg): frames instead of mp4')
        print('Wrote {}'.format(film.path))
    files.close(dlatents=dlatents)
    images.save_png(sheet.canvas, os.path.join(folder, 'strip.png'))
    print('Wrote {} frames and strip.png to {}'.format(len(dlatents), folder))


def walk(points, frames, curve, loop):
    """Points on the way through given ones.

    Args:
        points: [N, ...], N at least 2.
        frames: Steps from one to the next.
        curve: `linear`, or `spherical` around 0.
        loop: Return to the first? The last frame then is the one before it, so that a video repeats smoothly.
    Returns: [(N - 1) * frames + 1, ...], or [N * frames, ...] of a loop.
    """
    between = slerp if curve == 'spherical' else lerp
    following = np.roll(points, -1, axis=0) if loop else points[1:]
    found = [between(a, b, step / frames) for a, b in zip(points, following) for step in range(frames)]
    return np.stack(found if loop else found + [points[-1]])


def lerp(a, b, t):
    """The point of the straight line from `a` (t = 0) to `b` (t = 1)."""
    return a + (b - a) * t


def slerp(a, b, t):
    """The point of the arc around 0 from `a` to `b` (Shoemake 1985); lengths are interpolated linearly.

    Args:
        a, b: [D], or [layers, D]: one arc per layer.
        t: 0 to 1.
    Returns: The same shape.
    """
    length_a, length_b = [np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b)]
    unit_a, unit_b = a / np.maximum(length_a, 1e-12), b / np.maximum(length_b, 1e-12)
    angle = np.arccos(np.clip(np.sum(unit_a * unit_b, axis=-1, keepdims=True), -1, 1))
    near = np.sin(angle) < 1e-6  # the same direction, or the opposite one, where no arc is the shortest
    sine = np.where(near, 1, np.sin(angle))
    arc = (np.sin((1 - t) * angle) * unit_a + np.sin(t * angle) * unit_b) / sine
    return np.where(near, lerp(unit_a, unit_b, t), arc) * lerp(length_a, length_b, t)
