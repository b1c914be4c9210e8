"""`interpolate`: a walk through pictures, as a video or single frames."""

import os
from typing import NamedTuple

import numpy as np

from dnnlib import cli, images, video
from dnnlib.util import UserError
from generator import drawing, options, plain, writer

_STRIP = 10  # pictures on the strip, as many as fit the width of a screen


class Way(NamedTuple):
    """How a walk leads from one picture to the next."""

    space: str  # 'w' = through dlatents, 'z' = through latents; None = w if the network has it
    frames: int  # from one picture to the next
    curve: str  # 'linear', or 'spherical' = on arcs around the mean; None = linear in w, spherical in z
    loop: bool  # return to the first picture?
    classes: list = None  # of the pictures, over and over; None = see class_name


def add_command(commands):
    """Adds the sub-command `interpolate`."""
    p = commands.add_parser('interpolate', help='walk from picture to picture, as a video or frames')
    options.add_network(p)
    options.add_sources(p, what='where the walk leads')
    p.add_argument('--frames', type=options.positive_int, default=60, metavar='N',
                   help='frames from one picture to the next (default: %(default)s)')
    p.add_argument('--space', choices=('w', 'z'),
                   help='walk through dlatents or through latents; files are in w (default: w, or z if the network has '
                   'no W)')
    p.add_argument('--curve', choices=('linear', 'spherical'), metavar='KIND',
                   help='linear, or spherical: on arcs around the mean (default: linear in w, spherical in z)')
    p.add_argument('--loop', action='store_true', help='return to the first picture at the end')
    p.add_argument('--fps', type=options.positive_int, default=30, metavar='N',
                   help='frames per second of the video (default: %(default)s)')
    options.add_class(p)
    p.add_argument('--classes', type=cli.comma_list, metavar='NAMES', help='classes of the pictures, joined by commas, '
                   'or all: the walk leads from class to class as well, with one seed through classes alone')
    options.add_psi(p, None)
    options.add_latents(p)
    options.add_drawing(p, outputs=('mp4',) + writer.KINDS)
    p.set_defaults(run=interpolate, prepare=prepare)


def prepare(args):
    """Arguments of `interpolate`, from those of the command line.

    Raises: UserError for options that contradict each other.
    """
    if len(args['seeds']) < 2 and len(args['classes'] or ()) < 2 and args['classes'] != ['all']:
        raise UserError(f"--seeds: a walk needs at least two seeds or files, got {args['seeds'][0]}")
    if args['space'] == 'z' and any(isinstance(source, str) for source in args['seeds']):
        raise UserError('--space=z takes seeds only, since files hold dlatents; use --space=w')
    if args['class_name'] is not None and args['classes'] is not None:
        raise UserError('--class and --classes exclude each other; give the classes to --classes')
    return cli.gather(args, Way, 'way')


def interpolate(submit_config, network_pkl, seeds, way, fps, class_name, settings):
    """Writes the frames of a walk, and `strip.png` with some of them.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        seeds: List of ints and of files of projectors.
        way: Way.
        fps: Frames per second.
        class_name: Name or number of the class, `None` = labels are zero.
        settings: drawing.Settings.
    """
    drawer = plain.load(network_pkl, settings)
    if way.classes is None:
        labels = drawing.chosen_label(drawer, class_name)
        labels = None if labels is None else np.repeat(labels, len(seeds), axis=0)
    else:
        labels = plain.labels_of_classes(drawer, way.classes)
        count = max(len(labels), len(seeds))
        seeds, labels = (list(seeds) * count)[:count], labels[np.arange(count) % len(labels)]
    frames = (frames_of if isinstance(drawer, drawing.Drawer) else plain_frames)(
        drawer, seeds, labels, way, drawer.psi_of(settings.truncation_psi))
    folder = submit_config.run_dir
    files = writer.PictureWriter(folder, [kind for kind in settings.outputs if kind != 'mp4'], settings.dtype)
    has_film = 'mp4' in settings.outputs
    film = video.Video(os.path.join(folder, 'video'), drawer.image_shape[1:], fps, None) if has_film else None
    _draw(frames, files, film, drawer.image_shape, os.path.join(folder, 'strip.png'))
    print(f'Wrote {frames.count} frames and strip.png to {folder}')


class Frames(NamedTuple):
    """The frames of a walk."""
    count: int    # how many
    draw: object  # function of a slice of their numbers that returns pictures
    arrays: dict  # what they are drawn from, for the npz file


def frames_of(drawer, seeds, labels, way, psi):
    """Frames of a Drawer.

    Args:
        drawer: drawing.Drawer.
        seeds: List of ints and files.
        labels: [seeds, label_size], None = zeros.
        way: Way.
        psi: Strength of the truncation.
    """
    is_in_z = way.space == 'z'
    curve = way.curve or ('spherical' if is_in_z else 'linear')
    if is_in_z:
        dlatents = drawer.dlatents(walk(drawer.latents(seeds), way.frames, curve, way.loop), None if labels is None else
                                   walk(labels, way.frames, 'linear', way.loop), psi)
    else:
        if curve == 'spherical' and not drawer.has_mean:
            raise UserError('the network has no mean of W, around which --curve=spherical leads; use --curve=linear')
        center = drawer.dlatent_avg if drawer.has_mean else 0
        found = [drawer.sources([seed], None if labels is None else labels[i:i + 1], psi)
                 for i, seed in enumerate(seeds)]
        dlatents = center + walk(np.concatenate(found) - center, way.frames, curve, way.loop)
    dlatents = np.float32(dlatents)
    return Frames(len(dlatents), lambda part: drawer.pictures(dlatents[part]), dict(dlatents=dlatents))


def plain_frames(drawer, seeds, labels, way, _psi):
    """Frames of a plain.PlainDrawer; arguments as in `frames_of`."""
    if way.space == 'w' or any(isinstance(seed, str) for seed in seeds):
        raise UserError('this generator has no W, in which files are and --space=w leads; give seeds, and --space=z')
    latents = walk(drawer.latents(seeds), way.frames, way.curve or 'spherical', way.loop)
    if labels is None:
        return Frames(len(latents), lambda part: drawer.draw(latents[part]), dict(latents=latents))
    labels = walk(labels, way.frames, 'linear', way.loop)
    return Frames(len(latents), lambda part: drawer.draw(latents[part], labels[part]),
                  dict(latents=latents, labels=labels))


def _draw(frames, files, film, image_shape, strip_path):
    """Draws all Frames, a minibatch at a time, into files, a video (None = none is wanted) and a strip."""
    shown = set(np.linspace(0, frames.count - 1, min(_STRIP, frames.count)).astype(int))
    sheet = images.ContactSheet(len(shown), image_shape, columns=len(shown))
    for begin in cli.progress(range(0, frames.count, 16), 'parts'):
        for i, picture in enumerate(frames.draw(slice(begin, begin + 16)), begin):
            pixels = files.add(f'frame{i:05d}', picture)
            if film is not None:
                film.add(images.as_rgb(pixels))
            if i in shown:
                sheet.add(pixels)
    if film is not None:
        film.close()
        if not film.path.endswith('.mp4'):
            print('imageio-ffmpeg is not installed (pip install imageio-ffmpeg): writing frames instead of mp4')
        print(f'Wrote {film.path}')
    files.close(**frames.arrays)
    images.save_png(sheet.canvas, strip_path)


def walk(points, frames, curve, loop):
    """Points on the way through given ones.

    Args:
        points: [N, ...], N at least 2.
        frames: Steps from one to the next.
        curve: `linear`, or `spherical` around 0.
        loop: Return to the first? The last frame is then the one before it, so that a video repeats smoothly.
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
