"""Translators between domains: what a file holds, and drawing with it, in styles or to labels."""

import os
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib.seeds import latents_of_seeds
from dnnlib.util import UserError
from generator import info, network_data
from training import pretrained
from training.data import classes

METHODS = ('stargan', 'stargan2')
ROLES = OrderedDict([('G', 'generator'), ('F', 'mapping'), ('E', 'encoder'), ('H', 'landmarks')])
AT_A_TIME = 8  # pictures
MEAN_OF = 10000  # latents whose mean style is that of a domain; as published


class Kind(NamedTuple):
    """What a file translates with."""
    method: str     # one of METHODS
    networks: dict  # {G, F, E or H: name in the file}
    shape: list     # [C, H, W] of the images
    sizes: tuple    # number of domains, or of labels of each dataset
    names: list     # of the domains or labels; None = they have none


def read_kind(file):
    """The translator between domains of a file; TensorFlow is not needed.

    Args:
        file: pretrained.NetworkFile.
    Returns: Kind.
    Raises: UserError for other files; OSError if it cannot be read.
    """
    try:
        contents = pretrained.read_contents(info.read_file(file))
        if contents.method not in METHODS:
            raise UserError(f'it holds {pretrained.listed(contents)}, and no translator between domains; '
                            'run_translator.py translate is for others')
        found = {key: _named(contents, role) for key, role in ROLES.items()}
        wanted = 'G' if contents.method == 'stargan' else 'GFE'
        missing = [ROLES[key] for key in wanted if found[key] is None]
        if missing:
            raise UserError(f'it holds {pretrained.listed(contents)}, but no {missing[0]}')
        if found['H'] is None and network_data.function_of(contents.networks[found['G']].state) == 'G_stargan2_masked':
            raise UserError('its generator takes masks, but it holds no network of landmarks, which makes them')
    except UserError as error:
        raise UserError(f'{os.path.basename(file.name)}: {error}') from error
    given = {key: network_data.options_of(contents.networks[name].state) for key, name in found.items()
             if name is not None}
    side = given['G'].get('resolution', 256)
    sizes = tuple(given['G'].get('label_sizes', (5,))) if contents.method == 'stargan' else (
        given['F'].get('num_domains', 2),)
    names = classes.load_names(file.folder, sizes[0])
    return Kind(contents.method, {key: name for key, name in found.items() if name is not None},
                [given['G'].get('num_channels', 3)] + [side, side], sizes, names)


def holds_domains(file):
    """Does a file, a pretrained.NetworkFile, hold a translator between domains?"""
    return pretrained.read_contents(info.read_file(file)).method in METHODS


def _named(contents, role):
    """Name of the network of a role, its average if there is one; `None` if there is none."""
    names = [name for name, item in contents.roles.items() if item.role == role]
    averages = [name for name in names if contents.roles[name].average_of is not None]
    return next(iter(averages or names), None)


def targets_of(kind, text):
    """What to translate to: OrderedDict {name: labels, float32 [1, N]}.

    Args:
        kind: Kind.
        text: `Options.domain`.
    Raises: UserError for an unknown domain, or several where there is one style of each.
    """
    count = sum(kind.sizes)
    names = kind.names + [str(i) for i in range(len(kind.names), count)] if kind.names else None
    texts = [text] if text is not None else names or [str(number) for number in range(count)]
    found = OrderedDict()
    for one in texts:
        row = classes.parse_label(one, count, names)
        if kind.method != 'stargan' and row.sum() != 1:
            raise UserError(f'--domain={one}: give one domain, {classes.choice(count, names)}, or leave it out for all')
        if len(kind.sizes) > 1:
            parts = np.split(row, np.cumsum(kind.sizes)[:-1])
            row = np.concatenate([row] + [np.float32([part.any()]) for part in parts])
        found[one] = row[np.newaxis]
    return found


class Translator:
    """The networks of a file, in the default session, which is set up if there is none.

    Args:
        file: pretrained.NetworkFile.
        kind: Kind of it.
    Attributes:
        kind: As given.
        networks: {name in the method's functions: Network}.
    Raises: UserError or OSError as `pretrained.load_file`.
    """

    def __init__(self, file, kind):
        loaded = pretrained.load_file(file, list(kind.networks.values())).networks
        self.kind, ending = kind, '_ema' if kind.method == 'stargan2' else ''
        self.networks = {key + ending * (key != 'H'): loaded[name] for key, name in kind.networks.items()}

    def styles_of_seeds(self, seeds, target):
        """Styles of latents of seeds for a domain: [N, style_size] of a list of int and float32 [1, domains]."""
        from training.methods import stargan2
        latents = latents_of_seeds(seeds, self.networks['F_ema'].input_shapes[0][1:])
        return stargan2.styles_of_latents(self.networks, latents, target.repeat(len(seeds), axis=0))

    def truncated(self, styles, target, psi):
        """Styles [N, style_size] of seeds moved toward the mean style of a domain; `psi`: 0 = all the way."""
        if psi == 1:
            return styles
        from training.methods import stargan2
        latents = np.random.RandomState(0).randn(MEAN_OF, self.networks['F_ema'].input_shapes[0][1])
        mean = stargan2.styles_of_latents(self.networks, latents, target.repeat(MEAN_OF, axis=0)).mean(axis=0)
        return mean + np.float32(psi) * (styles - mean)

    def styles_of_images(self, pictures, target):
        """Styles of pictures, uint8 [N, C, H, W], for a domain: [N, style_size]."""
        from training.methods import stargan2
        return stargan2.styles_of_images(self.networks, pictures, target.repeat(len(pictures), axis=0), AT_A_TIME)

    def draw(self, pictures, given):
        """Pictures, uint8 [N, C, H, W], translated.

        Args:
            pictures: The pictures.
            given: Styles, or labels of StarGAN, one for all of them, [1, ...], or one for each.
        """
        from training.methods import stargan, stargan2
        given = np.broadcast_to(given, (len(pictures),) + given.shape[1:])
        if self.kind.method == 'stargan':
            return stargan.draw(self.networks['G'], pictures, AT_A_TIME, given)
        return stargan2.draw(self.networks, pictures, AT_A_TIME, given)

    def between(self):
        """How it translates, as metrics take it: train_step.Between; to domains, or labels of which one is 1."""
        from training.methods import stargan, stargan2
        if self.kind.method == 'stargan2':
            return stargan2.between(self.networks['F_ema'].input_shapes[0][1], AT_A_TIME)
        sets = stargan.Sets(self.kind.sizes)
        options = stargan.Options(kinds=('classes',) * len(sets.sizes))
        return stargan.between(stargan.Targets(sets, options, [()] * len(sets.sizes)), AT_A_TIME)
