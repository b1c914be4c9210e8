"""The command `translate`: pictures and videos in, their translations out."""

import contextlib
import os
from typing import NamedTuple

from dnnlib import cli, images, util
from dnnlib.util import UserError
from dnnlib.video import FPS, Video
from generator.writer import PictureWriter
from projector import inputs
from translator import networks, sheet, sources, styles


class Options(NamedTuple):
    """What is written, and what is given beside the pictures."""
    outputs: tuple = ('png',)  # some of png, jpg and webp
    sheet: bool = False        # write grid.png, each picture beside its translation?
    video: bool = False        # write the translations of pictures as frames of video.mp4 too?
    fps: float = FPS           # frames per second of that video; those of others are kept
    bad: str = 'stop'          # 'stop' or 'skip' at pictures that can't be read
    instances: str = None      # maps of instances: file, folder or zip
    reference: str = None      # pictures whose instances look as those of the translations should: the same
    reference_instances: str = None  # maps of instances of these, which need not have the layout of the pictures then
    clusters: str = None       # file of the looks of instances by class instead, see `styles.read`


class Items(NamedTuple):
    """What is translated."""
    layout: sources.Layout
    pictures: list   # of inputs.Picture
    videos: list     # paths
    instances: list  # of inputs.Picture, one for each picture; None = there are none
    references: list  # the same
    photos: list     # of (inputs.Picture of a photo, of its map of instances), whose looks are mixed; None = no
    looks: styles.Styles  # what is known of the looks of instances already; None = nothing


def translate(submit_config, files, paths, mode, options, tf_config):
    """Writes `<name>.png` for every picture and `<name>.mp4` for every video, `grid.png` and `video.mp4` if wanted.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        files: networks.Files.
        paths: Files, folders and zips of pictures, and videos.
        mode: networks.Mode.
        options: Options.
        tf_config: See `tflib.init_tf`.
    Raises: UserError for a network or pictures that can't be used; OSError if a file cannot be read or written.
    """
    kind = networks.read_kind(files, mode)
    items = prepare(kind, paths, options)
    cli.load_tensorflow().init_tf(tf_config, verbose=True)
    from translator import drawing  # which loads TensorFlow
    print(f'Loading networks from {util.public_url(files.network.name)} ...')
    folder = submit_config.run_dir
    with contextlib.closing(drawing.Translator(files, kind, mode, tf_config)) as translator:
        print(sources.remark(kind, items.layout))
        for line in networks.remarks(kind, mode):
            print(line)
        if items.pictures:
            _translate_pictures(translator, items, options, folder)
        names = inputs.unique_keys(items.videos + ['video'] * options.video)  # it writes a file of that name
        for path, name in zip(items.videos, names):
            _translate_video(translator, items.layout, path, os.path.join(folder, name))
    counts = [(len(items.pictures), 'picture'), (len(items.videos), 'video')]
    print('Wrote the translations of {} to {}'.format(' and '.join(
        f'{count} {what}{"" if count == 1 else "s"}' for count, what in counts if count), folder))


def prepare(kind, paths, options):
    """Finds and reads all that is to be translated, once; TensorFlow is not needed.

    Args:
        kind: networks.Kind.
        paths, options: See `translate`.
    Returns: Items.
    Raises: UserError for what can't be used.
    """
    looks = read_looks(kind, options)
    layout = sources.layout_of(kind if looks is None else kind._replace(features=looks.num_features),
                               options.instances is not None)
    if options.reference_instances is not None and options.reference is None:
        raise UserError('--reference-instances: give the pictures that they are maps of, --reference')
    if layout.features and (options.instances is None or options.reference is None and looks is None):
        raise UserError('this network takes features of instances; give --instances and a --reference picture')
    if options.reference is not None and not layout.features:
        raise UserError('--reference: this network has no encoder; give its file as --encoder')
    pictures, videos = sources.find(paths)
    layout = sources.told_by(layout, pictures) if kind.maps else layout
    if videos and (not layout.colors or options.instances):
        raise UserError(f'{videos[0]}: a network of label maps translates no videos')
    for path in videos:
        sources.open_video(path)
    sizes = []
    if pictures:
        pictures, sizes = sources.check_all(pictures, lambda picture: sources.read(picture, layout),
                                            options.bad == 'skip')
    if options.video and len(set(sizes)) != 1:
        raise UserError('--video needs pictures, all of one size' + (
            f', not {sizes[0][1]}x{sizes[0][0]} and others' if sizes else ''))
    if options.sheet and any(picture.key.lower() == 'grid' for picture in pictures):
        raise UserError('--sheet would overwrite the translation of a picture called grid; rename it')
    if options.sheet and not pictures:
        raise UserError('--sheet shows pictures, and there are only videos; drop it')
    instances = None if options.instances is None else _beside(pictures, sizes, options, 'instances')
    references = photos = None
    if options.reference_instances is not None:
        photos, sizes = sources.check_all(inputs.find_pictures([options.reference]), sources.read_photo)
        photos = list(zip(photos, _beside(photos, sizes, options, 'reference_instances')))
    elif options.reference is not None:
        references = _beside(pictures, sizes, options, 'reference')
    return Items(layout, pictures, videos, instances, references, photos, looks)


def read_looks(kind, options):
    """styles.Styles of the file of clusters, `None` without one; raises UserError if it makes no sense here."""
    if options.clusters is None:
        return None
    if not kind.maps:
        raise UserError('--clusters: this network takes pictures alone; drop it')
    if options.reference is not None:
        raise UserError('--clusters and --reference both say how instances look; give one of them')
    looks = styles.read(options.clusters)
    if kind.encoder is not None and looks.num_features != kind.features:
        raise UserError(f'--clusters={options.clusters}: {looks.num_features} features of each instance, but the '
                        f'network takes {kind.features}')
    return looks


def _beside(pictures, sizes, options, name):
    """What belongs to pictures in the path of an option, a list; raises UserError for another size than theirs."""
    found = sources.beside(pictures, getattr(options, name), '--' + name.replace('_', '-'))
    for picture, size, other in zip(pictures, sizes, found):
        other_size = (sources.read_photo if name == 'reference' else sources.read_map)(other).shape[1:]
        if other_size != size:
            raise UserError(f'{other.file}: {other_size[1]}x{other_size[0]} pixels, but {picture.file} has '
                            f'{size[1]}x{size[0]}; both must have one size')
    return found


def _translate_pictures(translator, items, options, folder):
    """Writes the translations of all pictures, one after another."""
    files, pairs, film = PictureWriter(folder, options.outputs), sheet.Sheet(), None
    looks = items.looks if items.photos is None else styles.learn(
        _described(translator, *pair) for pair in cli.progress(items.photos, 'reference pictures'))
    for number, picture in enumerate(cli.progress(items.pictures, 'pictures')):
        image = sources.read(picture, items.layout)
        shown = sheet.as_colors(image, items.layout)
        result = translator.translate(_with_instances(translator, image, items, number, looks), picture.key)
        pixels = files.add(picture.key, inputs.to_pixels(result).transpose(1, 2, 0))
        if options.sheet:
            pairs.add(shown, pixels)
        if options.video:
            film = film or Video(os.path.join(folder, 'video'), pixels.shape[:2], options.fps, None)
            film.add(images.as_rgb(pixels))
    if film is not None:
        film.close()
        print(f'Wrote {film.path}')
    if options.sheet:
        pairs.save(os.path.join(folder, 'grid.png'))


def _described(translator, photo, instances):
    """(what the encoder says of a photo, its map of instances)."""
    instances = sources.read_map(instances)
    return translator.describe(sources.read_photo(photo), instances), instances


def _with_instances(translator, image, items, number, looks):
    """The channels of an image with those of its instances, if the network takes them; `looks`: Styles or None."""
    if items.instances is None:
        return image
    instances = sources.read_map(items.instances[number])
    features = None
    if items.references is not None:
        features = translator.describe(sources.read_photo(items.references[number]), instances)
    elif looks is not None:
        features = looks.draw(instances, translator.random(items.pictures[number].key))
    return sources.join(image, instances, features)


def _translate_video(translator, layout, path, output):
    """Writes a video whose frames are those of another one translated; a broken one is removed."""
    size, fps, frames = sources.open_video(path)
    film = Video(output, size[::-1], fps, None)
    try:
        for number, frame in enumerate(frames):
            result = translator.translate(sources.convert_frame(frame, layout), f'{os.path.basename(path)} {number}')
            film.add(images.as_rgb(inputs.to_pixels(result).transpose(1, 2, 0)))
    except BaseException:
        film.remove()
        raise
    film.close()
    print(f'Wrote {film.path}')
