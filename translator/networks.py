"""Which network of a file translates, what it takes, and how it is run; read off the file without TensorFlow."""

import os
from typing import NamedTuple

from dnnlib.util import UserError
from generator import info, network_data
from training import pretrained
from training.data import images

DIRECTIONS = ('AtoB', 'BtoA')
_ENDINGS = {'AtoB': '_ab', 'BtoA': '_ba'}  # of the names of the networks of a file of both
_DEFAULTS = {  # of the options of build functions that say what is needed here
    'G_resnet': {'num_downs': 2, 'dropout': False, 'norm': 'instance'},
    'G_unet': {'num_downs': 8, 'dropout': True, 'norm': 'batch'},
    'G_sincut': {'num_downs': 1, 'use_noise': True},
    'G_pix2pixhd': {'num_downs': 4, 'num_enhancers': 0, 'num_channels': 36, 'out_channels': 3},
    'G_ugatit': {'num_downs': 2, 'light': False}}


class Mode(NamedTuple):
    """How a network is run; defaults are what the published test does."""
    evaluate: bool = False  # statistics that training stored and no dropout; False = those of each image, and dropout
    dropout: bool = None    # has the network dropout? None = as its file says
    seed: int = 0           # of dropout and noise
    tile: int = None        # side of the pieces in which large images are translated, pixels; None = whole images
    overlap: int = None     # pixels that pieces share; None = a quarter of their side


class Kind(NamedTuple):
    """What a translator takes."""
    name: str        # its name in the file
    options: dict    # those of its build function that the file holds, and some defaults
    channels: int    # of its input
    multiple: int    # sides of images must be multiples of this
    fixed: tuple     # (height, width) of the only images that it takes; None = of any size
    maps: bool       # does it draw from label maps, or from pictures with maps beside them?
    encoder: str     # name of the network that describes instances; None = there is none
    features: int    # channels of these descriptions

    def has_dropout(self, mode):
        """Are values left out at random when it is run in a Mode?"""
        has = self.options.get('dropout') if mode.dropout is None else mode.dropout
        return bool(has and not mode.evaluate)

    def run_options(self, mode):
        """Options of the build function when it is run in a Mode: dictionary."""
        found = {'evaluate': True} if mode.evaluate and 'norm' in self.options else {}
        return found if mode.dropout is None else dict(found, dropout=mode.dropout)


class Files(NamedTuple):
    """Where the networks are, and which of them is meant."""
    network: pretrained.NetworkFile         # of the translator
    direction: str = None                   # see `choose`
    encoder: pretrained.NetworkFile = None  # of what describes instances; None = that of the translator if it has one


def read_kind(files, mode):
    """The translator of a file.

    Args:
        files: Files.
        mode: Mode.
    Returns: Kind.
    Raises: UserError for a file without such a network, or a mode that it does not have; OSError if one cannot be read.
    """
    kind = _named(files.network, lambda contents: choose(contents, files.direction))
    if files.encoder is not None:
        name, features = _named(files.encoder, encoder_of)
        if name is None:
            raise UserError(f'{files.encoder.name}: it holds no encoder')
        kind = kind._replace(encoder=name, features=features)
    check_mode(kind, mode)
    return kind


def _named(file, function):
    """What a function makes of the contents of a file, whose name is put in front of errors."""
    try:
        return function(pretrained.read_contents(info.read_file(file)))
    except UserError as error:
        raise UserError(f'{os.path.basename(file.name)}: {error}') from error


def holds_translator(file):
    """Does a file hold a network that translates images?

    Args:
        file: pretrained.NetworkFile.
    Raises: UserError and OSError as `pretrained.read_contents`.
    """
    return bool(_translators(_named(file, lambda contents: contents)))


def _translators(contents):
    """Names of the networks that translate, averages in the place of what they follow."""
    names = [name for name, role in contents.roles.items()
             if role.role == 'generator' and role.inputs[:1] in (('images',), ('maps',))]
    averages = {contents.roles[name].average_of for name in names}
    return [name for name in names if name not in averages]


def encoder_of(contents):
    """(name, channels of the result) of the encoder in Contents of NetworkStates; (None, 0) if there is none."""
    for name, role in contents.roles.items():
        if role.role == 'encoder':
            return name, network_data.options_of(contents.networks[name].state or {}).get('out_channels', 3)
    return None, 0


def choose(contents, direction=None):
    """The translator of a file.

    Args:
        contents: Contents of NetworkStates.
        direction: 'AtoB' or 'BtoA'; None = 'AtoB' if the file has both.
    Returns: Kind.
    Raises: UserError if it has none, or none of this direction.
    """
    names = _translators(contents)
    if not names:
        draws = any('latents' in role.inputs for role in contents.roles.values())
        raise UserError(f'it holds {pretrained.listed(contents)}, none of which translates pictures; ' + (
            'run_generator.py draws with it' if draws else 'give the file of a generator'))
    ending = _ENDINGS[direction or 'AtoB']
    if len(names) > 1 or direction is not None:
        fitting = [name for name in names if (contents.roles[name].average_of or name).endswith(ending)]
        if len(fitting) != 1:
            raise UserError(f'it holds {pretrained.listed(contents)}, but not one translator whose name ends in '
                            f'{ending}' if len(names) > 1 else f'it holds one translator, {names[0]}, which goes the '
                            f'way that it was trained for; leave out --direction={direction}')
        names = fitting
    return _kind(contents, names[0])


def _kind(contents, name):
    state = contents.networks[name].state or {}
    function, given = network_data.function_of(state), network_data.options_of(state)
    options = dict(_DEFAULTS.get(function, {}), **given)
    multiple, fixed = 1 << (options.get('num_downs', 0) + options.get('num_enhancers', 0)), None
    if function not in _DEFAULTS or function == 'G_ugatit' and not options['light']:
        side = options.get('resolution', 256)  # that is built in, or nothing is known about it
        fixed = tuple(side) if isinstance(side, (list, tuple)) else (side, side)
    channels = options.get('num_channels', 3)
    outputs = options.get('out_channels') or channels
    if outputs not in images.MODES:
        raise UserError(f'its network {name} makes images of {outputs} channels; pictures have 1, 3 or 4')
    return Kind(name, options, channels, multiple, fixed, contents.roles[name].inputs[:1] == ('maps',),
                *encoder_of(contents))


def check_mode(kind, mode):
    """Raises UserError for a Mode that a translator, a Kind, does not have."""
    tile, overlap = mode.tile, mode.overlap
    if mode.dropout is not None and 'dropout' not in kind.options:
        raise UserError(f'the network {kind.name} has no layers of dropout; leave out --dropout')
    if mode.dropout and mode.evaluate:
        raise UserError('--eval runs without dropout; give --dropout=yes or --eval, not both')
    if tile is None and overlap is not None:
        raise UserError(f'--overlap={overlap} is for tiles; give a --tile as well')
    if tile is not None and kind.fixed is not None:
        raise UserError('this network takes images of {1}x{0} pixels alone, to which pictures are resized; leave out '
                        '--tile'.format(*kind.fixed))
    if tile is not None and tile % kind.multiple:
        nearest = max(int(round(tile / kind.multiple)), 1) * kind.multiple
        raise UserError(f'--tile={tile}: this network takes images whose sides are multiples of {kind.multiple}; use '
                        f'--tile={nearest}')
    if overlap is not None and overlap >= tile:
        raise UserError(f'--overlap={overlap} must be below --tile={tile}')


def remarks(kind, mode):
    """Lines on what a user may not expect: random numbers, and `evaluate` where that changes nothing."""
    lines = []
    if kind.has_dropout(mode):
        lines.append(f'Dropout is on, as in the published test; --seed={mode.seed} draws it, --eval turns it off')
    if kind.options.get('use_noise'):
        lines.append(f'--seed={mode.seed} draws the noise of the layers')
    if mode.evaluate and not kind.options.get('dropout') and kind.options.get('norm') != 'batch':
        lines.append('--eval changes nothing: this network has neither dropout nor batch norm')
    return lines
