"""A view: what one picture of the page shows, and the query string that says so (docs/explorer-routes.md)."""

import math
import urllib.parse
from typing import NamedTuple

from explorer import values
from explorer.errors import Refused

NOISES = ('seed', 'const', 'random', 'off')
METHODS = ('sefa', 'pca', 'labels')
MOVES, STRENGTH = 8, 20.0  # directions of a view; standard deviations of W


class Move(NamedTuple):
    """How a picture is moved along a direction."""
    method: str      # one of METHODS
    index: int       # number of the direction
    strength: float  # standard deviations of W along it
    layers: tuple    # that move; None = all of the direction's

    def text(self):
        """The value of the parameter `move`."""
        layers = '' if self.layers is None else ':' + _ranges(self.layers)
        return f'{self.method}.{self.index}:{self.strength:.10g}{layers}'


class View(NamedTuple):
    """What is shown; None = not said."""
    x: float = 0.0        # place in the seed plane: seed = x + 100 y
    y: float = 0.0
    psi: float = None     # strength of the truncation
    cutoff: int = None    # layers that are truncated
    mix: int = None       # seed whose style the layers `mixed` have
    mixed: tuple = ()
    mixslot: int = None   # slot instead of it
    noise: str = None     # one of NOISES
    noiseseed: int = 0    # of the noise `random`
    label: int = None     # number of the class; `class` in the query
    moves: tuple = ()     # of Move; `move` in the query
    slot: int = None      # projection that is shown instead of a seed
    picture: int = None   # what is translated
    domain: int = None    # to which it is translated
    labels: tuple = ()    # of StarGAN that are on
    direction: str = None  # of a translator

    def seed(self):
        """The seed if the place is a whole one, else None."""
        if self.x == math.floor(self.x) and self.y == math.floor(self.y):
            return int(self.x + 100 * self.y) % values.SEEDS
        return None

    def corners(self):
        """The seeds around the place with their shares, which add up to 1: list of (seed, share > 0)."""
        found, left, top = [], math.floor(self.x), math.floor(self.y)
        for row, part in ((0, 1 - (self.y - top)), (1, self.y - top)):
            for column, share in ((0, 1 - (self.x - left)), (1, self.x - left)):
                if part * share > 0:
                    found.append((int(left + column + 100 * (top + row)) % values.SEEDS, part * share))
        return found

    def query(self):
        """The view as a query string, without what is as usual."""
        pairs = []
        for name, value in zip(self._fields, self):
            if value == _DEFAULTS[name] or name == 'moves':
                continue
            text = _ranges(value) if isinstance(value, tuple) else repr(value) if isinstance(value, float) else value
            pairs.append(('class' if name == 'label' else name, text))
        pairs += [('move', move.text()) for move in self.moves]
        return urllib.parse.urlencode(pairs, safe=',:')


_DEFAULTS = dict(zip(View._fields, View()))


def _ranges(numbers):
    """Numbers as a parameter: `0-3,6`."""
    from generator.options import ranges
    return ranges(numbers)


def _move(name, text):
    """A Move of its text."""
    parts = text.split(':')
    method, _, index = parts[0].partition('.')
    if len(parts) not in (2, 3):
        raise Refused('move must be METHOD.INDEX:STRENGTH or METHOD.INDEX:STRENGTH:LAYERS, such as sefa.0:2.5:0-5')
    layers = values.numbers('the layers of move', parts[2]) if len(parts) == 3 else None
    return Move(values.choice(*METHODS)('the method of move', method),
                values.whole(0, 9999)('the index of move', index),
                values.number(-STRENGTH, STRENGTH)(name, parts[1]), layers)


_KNOWN = {
    'x': values.number(-1e10, 1e10), 'y': values.number(-1e9, 1e9), 'psi': values.number(-2, 2),
    'cutoff': values.whole(0, 9999), 'mix': values.whole(0, values.SEEDS - 1), 'mixed': values.numbers,
    'mixslot': values.whole(1, 10 ** 9), 'noise': values.choice(*NOISES),
    'noiseseed': values.whole(0, values.SEEDS - 1), 'class': values.whole(0, 10 ** 6), 'move': _move,
    'slot': values.whole(1, 10 ** 9), 'picture': values.whole(1, 10 ** 9), 'domain': values.whole(0, 9999),
    'labels': values.numbers, 'direction': values.choice('AtoB', 'BtoA')}


def parse(text, more=None):
    """A view, and further parameters, of a query string.

    Args:
        text: The query string.
        more: {name: function} of further parameters, see `values.of_query`.
    Returns: (View, {name: value} of the further ones that are given).
    Raises: Refused.
    """
    found = values.of_query(text, dict(_KNOWN, **(more or {})), several=('move',))
    others = {name: found.pop(name) for name in list(found) if name not in _KNOWN}
    moves = tuple(found.pop('move', ()))
    if len(moves) > MOVES:
        raise Refused(f'a view has at most {MOVES} directions')
    if 'mixed' in found and ('mix' in found) + ('mixslot' in found) != 1:
        raise Refused('mixed needs mix or mixslot, one of them')
    if 'class' in found:
        found['label'] = found.pop('class')
    return View(moves=moves, **found), others


def in_json(name, value):
    """The same for a text in a JSON body: View."""
    if not isinstance(value, str) or len(value) > 4096:
        raise Refused(f'{name} must be the query string of a view')
    return parse(value)[0]
