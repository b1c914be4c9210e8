"""What artists take by number: projections, and pictures that were sent."""

from typing import NamedTuple

import numpy as np

from explorer.errors import Refused


class Slot(NamedTuple):
    """A projection: what it takes to draw it again."""
    dlatents: np.ndarray  # [1, layers, D] float32
    noise: dict           # {name: map}


class Slots:
    """Projections by number, for the network that is loaded."""

    def __init__(self):
        self._kept, self._count = {}, 0

    def add(self, slot):
        """Keeps a Slot; returns its number, which no other one ever gets."""
        self._count += 1
        self._kept[self._count] = slot
        for number in sorted(self._kept)[:-50]:
            del self._kept[number]
        return self._count

    def get(self, number):
        """The Slot of a number; raises Refused if it is gone."""
        found = self._kept.get(number)
        if found is None:
            raise Refused(f'slot {number} is gone, as the server or its network is another one; project the picture '
                          'again', 409)
        return found

    def clear(self):
        """Forgets all: another network is there."""
        self._kept.clear()


class Stores(NamedTuple):
    """What artists take by number."""
    slots: Slots
    uploads: object  # uploads.Uploads
