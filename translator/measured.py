"""Translations of pictures in files, as metrics take them."""

import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.util import UserError
from projector import inputs
from training.data.translation import layouts
from training.data.translation.domains import DomainDataset
from training.report.between import Domains, Part
from translator import domains, drawing, networks, sources


class Translations:
    """A function of (count, seed) that translates the first `count` pictures, see `metrics.sources.FunctionSource`.

    Args:
        translator: drawing.Translator.
        pictures: List of inputs.Picture.
        layout: sources.Layout of its input.
    Attributes:
        num_images: Number of pictures.
    """

    def __init__(self, translator, pictures, layout):
        self._translator, self._pictures, self._layout = translator, pictures, layout
        self.num_images = len(pictures)

    def __call__(self, count, seed):
        """Yields uint8 [1, C, H, W], in the order of the pictures; noise depends on the translator's seed alone."""
        del seed
        for picture in self._pictures[:count]:
            image = self._translator.translate(sources.read(picture, self._layout), picture.key)
            yield inputs.to_pixels(image)[np.newaxis]

    def names(self, count, seed):
        """Paths of the pictures that are translated."""
        del seed
        return [picture.file for picture in self._pictures[:count]]


@contextlib.contextmanager
def opened(file, path, direction, seed, tf_config, reals=None):
    """Translations by a network of a file, which is open until the block ends.

    Args:
        file: pretrained.NetworkFile.
        path: File, folder or zip of pictures.
        direction: See `networks.choose`.
        seed: Of dropout and noise, int.
        tf_config: See `tflib.init_tf`.
        reals: Pictures that a translator between domains was trained on, see `opened_domains`.
    Yields: Translations, or training.report.between.Domains.
    Raises: UserError for a network that doesn't translate, or takes maps of instances, or a path without
            pictures, or with such of several sizes.
    """
    if domains.holds_domains(file):
        if direction is not None:
            raise UserError(f'--direction={direction}: {file.name} translates between domains; drop it')
        with opened_domains(file, path, reals, tf_config) as found:
            yield found
        return
    files, mode = networks.Files(file, direction), networks.Mode(seed=seed)
    kind = networks.read_kind(files, mode)
    if kind.maps:
        raise UserError(f'{file.name}: it translates label maps; write its translations with run_translator.py and '
                        'measure these by --fakes')
    layout = sources.layout_of(kind, False)
    pictures, sizes = sources.check_all(sources.find([path])[0], lambda picture: sources.read(picture, layout))
    for picture, size in zip(pictures, sizes):
        if size != sizes[0]:
            raise UserError(f'{picture.file}: {size[1]}x{size[0]} pixels, but {pictures[0].file} has {sizes[0][1]}x'
                            f'{sizes[0][0]}; metrics need pictures of one size')
    with contextlib.closing(drawing.Translator(files, kind, mode, tf_config)) as translator:
        yield Translations(translator, pictures, layout)


@contextlib.contextmanager
def opened_domains(file, path, trained, tf_config):
    """Translations between domains by a network of a file, which is open until the block ends.

    Args:
        file: pretrained.NetworkFile that `domains.read_kind` takes.
        path: Folder or zip with a folder of pictures to translate for each domain, or with such folders in `test` or
            `val`.
        trained: The same of those that the network was trained on, perhaps in `train`; `None` = `path`.
        tf_config: See `tflib.init_tf`.
    Yields: training.report.between.Domains.
    Raises: UserError for pictures of other domains than the network has.
    """
    kind = domains.read_kind(file)
    options = dict(preprocess='resize_and_crop', load_size=kind.shape[1], crop_size=kind.shape[1], resample='bilinear',
                   channels=kind.shape[0], square=kind.method == 'stargan')
    with contextlib.ExitStack() as stack:
        found = []
        for place, phase in ((path, 'test'), (path if trained is None else trained, 'train')):
            folder = layouts.phases(place).get(phase)
            data = stack.enter_context(DomainDataset(place, train=folder, **options))
            if data.label_size != kind.sizes[0] or kind.names and data.label_names != kind.names[:kind.sizes[0]]:
                raise UserError(f'{place}: it has the domains {", ".join(data.label_names)}, but the network has '
                                + (', '.join(kind.names) if kind.names else f'{kind.sizes[0]}'))
            found.append(data)
        with tf.Graph().as_default(), tflib.create_session(tf_config).as_default() as session:
            stack.callback(session.close)
            translator = domains.Translator(file, kind)
            yield Domains(translator.networks, [Part(translator.between(), found[0].sheet(), found[1].trained())])
