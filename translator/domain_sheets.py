"""`domains`: translates pictures to other domains, in styles of random latents or of other pictures, or to labels."""

import math
import os
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib import cli, images, util, video
from dnnlib.util import UserError
from generator.writer import PictureWriter
from projector import inputs
from translator.domains import AT_A_TIME, read_kind, targets_of, Translator

MAX_ROWS = 64  # pictures of a sheet
WAY = [0.0] + [1 / (1 + math.exp(-number / 2)) for number in range(-10, 10)] + [1.0] * 10  # of a video, as published
FPS = 15  # 30, shown at half the speed
MAX_COLUMNS = 8  # pictures of a video


class Options(NamedTuple):
    """What is drawn."""
    domain: str = None         # name or number of a domain, or of labels, joined by commas; None = each of them
    styles: list = (0,)        # seeds of the latents that styles are made of
    references: str = None     # pictures whose styles are taken instead: file, folder or zip
    psi: float = 1.0           # 1 = styles as they are drawn, 0 = the mean style of a domain
    video: bool = False        # write a video on the way from one style to the next as well?
    outputs: tuple = ('png',)  # some of png, jpg and webp
    bad: str = 'stop'          # 'stop' or 'skip' at pictures that can't be read


def prepare(kind, paths, options):
    """Finds what is to be translated, and what to: (list of inputs.Picture, targets, list of references or `None`).

    Args:
        kind: Kind.
        paths: Files, folders and zips of pictures.
        options: Options.
    Raises: UserError for what can't be used.
    """
    if options.references is not None and kind.method == 'stargan':
        raise UserError('--references: StarGAN translates to labels, not to styles; give --domain')
    for name, value, usual in (('psi', options.psi, 1), ('video', options.video, False)):
        if value != usual and kind.method == 'stargan':
            raise UserError(f'--{name}: StarGAN has no styles; drop it')
    if options.psi != 1 and options.references is not None:
        raise UserError('--psi: of styles of seeds; those of references are taken as they are')
    if options.video and options.references is None and len(options.styles) < 2:
        raise UserError('--video: it leads from one style to the next; give several, such as --styles=0-4')
    targets = targets_of(kind, options.domain)
    if options.references is not None and options.domain is None:
        raise UserError(f'--references: say which domain they are of, by --domain={next(iter(targets))} for example')
    pictures = inputs.find_pictures(paths)
    return pictures, targets, None if options.references is None else inputs.find_pictures([options.references])


def translate(submit_config, network, paths, options, tf_config):
    """Writes `<name>-<domain>-<style>.png` for every picture, and `grid.png`: a row for each picture.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network: pretrained.NetworkFile.
        paths: Files, folders and zips of pictures, which are cut to the size of the network.
        options: Options.
        tf_config: See `tflib.init_tf`.
    Raises: UserError for a network or pictures that can't be used; OSError if a file cannot be read or written.
    """
    kind = read_kind(network)
    found, targets, references = prepare(kind, paths, options)
    keys, pixels = _read(found, kind, options.bad)
    cli.load_tensorflow().init_tf(tf_config, verbose=True)
    print(f'Loading networks from {util.public_url(network.name)} ...')
    translator, columns, ways, shown = Translator(network, kind), OrderedDict(), OrderedDict(), []
    for name, target in targets.items():
        if kind.method == 'stargan':
            columns[name] = target
        elif references is None:
            styles = translator.truncated(translator.styles_of_seeds(list(options.styles), target), target, options.psi)
            ways[name] = [style[np.newaxis] for style in styles]
            columns.update((f'{name}-{seed}', style) for seed, style in zip(options.styles, ways[name]))
        else:
            ends, shown = _read(references, kind, options.bad)
            styles = translator.styles_of_images(shown, target)
            ways[name] = [style[np.newaxis] for style in styles]
            columns.update((f'{name}-{end}', style) for end, style in zip(ends, ways[name]))
    files = PictureWriter(submit_config.run_dir, options.outputs)
    images.save_png(_write(translator, (keys, pixels), (columns, shown), files),
                    os.path.join(submit_config.run_dir, 'grid.png'))
    print(f'Wrote {len(keys) * len(columns)} translations of {len(keys)} pictures to {submit_config.run_dir}')
    if options.video:
        _write_videos(translator, pixels[:MAX_COLUMNS], ways, submit_config.run_dir)


def _write(translator, sources, wanted, files):
    """Writes the translations; returns the sheet, PIL.Image.

    Args:
        translator: Translator.
        sources: (keys, pixels) of the pictures.
        wanted: ({name: styles or labels}, pictures of these styles or nothing).
        files: PictureWriter.
    """
    (keys, pixels), (columns, shown) = sources, wanted
    rows, shape = min(len(keys), MAX_ROWS), translator.kind.shape
    sheet = images.ContactSheet((rows + bool(len(shown))) * (len(columns) + 1), shape, len(columns) + 1,
                                ['input'] + list(columns))
    for pixel in [np.full_like(pixels[0], 255)] * bool(len(shown)) + list(shown):
        sheet.add(pixel.transpose(1, 2, 0))
    for begin in cli.progress(range(0, len(keys), AT_A_TIME), 'parts'):
        part = pixels[begin:begin + AT_A_TIME]
        results = [translator.draw(part, given) for given in columns.values()]
        for number, key in enumerate(keys[begin:begin + AT_A_TIME]):
            drawn = [result[number].transpose(1, 2, 0) for result in results]
            for name, image in zip(columns, drawn):
                files.add(f'{key}-{name}', image)
            for image in [part[number].transpose(1, 2, 0)] + drawn if begin + number < rows else ():
                sheet.add(image)
    return sheet.canvas


def _write_videos(translator, pixels, ways, folder):
    """Writes `video-<domain>.mp4`: pictures, and below them their translations on the way through the styles.

    Args:
        translator: Translator.
        pixels: Pictures, uint8 [N, C, H, W].
        ways: {domain: list of styles, [1, style_size]}.
        folder: Run directory.
    """
    size = 2 * pixels.shape[2], len(pixels) * pixels.shape[3]
    for domain, styles in ways.items():
        film = video.Video(os.path.join(folder, 'video-' + domain), size, FPS, None)
        try:
            for first, second in cli.progress(list(zip(styles, styles[1:])), domain):
                for share in WAY:
                    drawn = translator.draw(pixels, first + np.float32(share) * (second - first))
                    rows = [np.concatenate(list(row.transpose(0, 2, 3, 1)), axis=1) for row in (pixels, drawn)]
                    film.add(images.as_rgb(np.concatenate(rows)))
        finally:
            film.close()
        print(f'Wrote {film.path}')


def _read(pictures, kind, bad):
    """(keys, uint8 [N, C, H, W]) of pictures in the size of the network; bad='skip': without unreadable ones."""
    keys, pixels = [], []
    for picture in pictures:
        try:
            pixels.append(inputs.read_fitted(picture, kind.shape, 'crop').pixels)
            keys.append(picture.key)
        except UserError as error:
            if bad != 'skip':
                raise
            print(f'Skipped {error}')
    if not keys:
        raise UserError('none of the pictures can be read')
    return keys, np.stack(pixels)
