"""Finding directions in W in the background, a piece at a time between two pictures."""

import threading

from dnnlib.util import UserError
from explorer.errors import Refused
from generator import directions

RANK = 5  # of the lane, behind all pictures


class Finder:
    """Directions of the network that is loaded, found once.

    Args:
        engine: engine.Engine.
    """

    def __init__(self, engine):
        self._engine, self._lock = engine, threading.Lock()

    def find(self, method):
        """The reply of `api/directions`; the first call starts the search.

        Args:
            method: One of directions.METHODS.
        Raises: Refused if the network has no such directions.
        """
        artist = self._engine.artist
        if method not in artist.info()['directions']:
            raise Refused(f'this network has no directions of {method}', 409)
        if method in artist.directions:
            found = artist.directions[method]
            names = [None] * len(found.values)
            if method == 'labels':
                names = [item['name'] for item in artist.info()['classes']]
            listed = [dict(index=i, value=float(found.values[i]), name=name) for i, name in enumerate(names)]
            return dict(state='ready', progress=1.0, method=method, directions=listed)
        with self._lock:
            if method not in artist.searches:
                artist.searches[method] = dict(state='computing', progress=0.0, method=method, directions=[])
                threading.Thread(target=self._search, args=(artist, artist.searches[method]), daemon=True).start()
            told = artist.searches[method]
            if 'error' in told:
                del artist.searches[method]  # the next call tries again
                raise Refused(told['error'], 409)
        return dict(told)

    def _search(self, artist, told):
        steps = None

        def piece(current):
            if current is not artist:
                raise Refused('another network was opened', 409)
            with artist.generator.as_default():
                try:
                    return next(steps), None
                except StopIteration as end:
                    return 1.0, end.value

        try:
            steps = directions.search(artist.drawer, told['method'], list(range(artist.layers)))
            found = None
            while found is None:
                told['progress'], found = self._engine.ask((RANK, object()), None, piece) or _given_up()
            artist.directions[told['method']] = found
        except UserError as error:
            told['error'] = str(error)


def _given_up():
    raise Refused('another network was opened', 409)
