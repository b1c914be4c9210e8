"""The one thread that draws: it owns the networks; of what waits in a lane only the newest is drawn."""

import collections
import sys
import threading
import time
import traceback

from dnnlib.util import UserError
from explorer.errors import Refused

LOADING, READY, FAILED, NONE = 'loading', 'ready', 'failed', 'none'
KEPT_LANES = 64    # whose newest number is remembered
WAIT_SECONDS = 120  # until a request is given up; a large network takes seconds on a CPU
LAST = 9  # rank of what nobody waits for
QUIET_SECONDS = 0.3  # without a request, after which nobody is dragging


class _Request:
    """What waits to be done: a function of the artist, and later its result."""

    def __init__(self, work, lane, number):
        self.work, self.lane, self.number = work, lane, number
        self.done = threading.Event()
        self.result = self.error = None
        self.is_superseded = False


class Engine:
    """A thread that loads networks and does one piece of work after another with them.

    Args:
        open_artist: Function of a network's number that loads it and returns an artist, see `explorer.artists`.
    """

    def __init__(self, open_artist):
        self._open_artist = open_artist
        self._changed = threading.Condition()
        self._waiting = collections.OrderedDict()  # {lane: _Request}; a lane is a tuple that begins with its rank
        self._newest = collections.OrderedDict()   # {lane: number of its newest request}
        self._wanted = None  # number of a network that is to be opened
        self._ends, self._last = False, 0.0
        self._artist, self.state, self.text, self.number = None, NONE, 'no network: give --network, or open one', None
        self._thread = threading.Thread(target=self._run, daemon=True, name='engine')
        self._thread.start()

    @property
    def artist(self):
        """The artist of the loaded network; raises Refused if there is none."""
        artist = self._artist
        if artist is None or self.state != READY:
            raise Refused(f'the network is not ready: {self.text}', 503, {'state': self.state})
        return artist

    def open(self, number):
        """Asks for another network; returns at once. Raises Refused while one is being loaded."""
        with self._changed:
            if self.state == LOADING:
                raise Refused('a network is being loaded; wait until it is there', 409)
            self._wanted, self.state, self.text, self.number = number, LOADING, 'loading the network', number
            self._changed.notify_all()

    def ask(self, lane, number, work, seconds=WAIT_SECONDS):
        """Does a piece of work in the thread of the engine, and waits for it.

        Args:
            lane: Tuple whose first item is its rank, lower ones go first; what waits in the same lane is superseded.
            number: Of the request; an older one than the newest of its lane is superseded. None = it is the newest.
            work: Function of the artist.
            seconds: To wait for it.
        Returns: What it returns; None if it was superseded.
        Raises: What it raises; Refused if the network isn't ready.
        """
        request = _Request(work, lane, number)
        with self._changed:
            if self.state != READY:
                raise Refused(f'the network is not ready: {self.text}', 503, {'state': self.state})
            if number is not None:
                if number < self._newest.get(lane, 0):
                    return None
                self._newest[lane] = number
                self._newest.move_to_end(lane)
                while len(self._newest) > KEPT_LANES:
                    self._newest.popitem(last=False)
            self._give_up(self._waiting.pop(lane, None))
            self._waiting[lane] = request
            self._last = time.monotonic() if lane[0] < 2 else self._last
            self._changed.notify_all()
        if not request.done.wait(seconds):
            with self._changed:
                if self._waiting.get(lane) is request:
                    del self._waiting[lane]
            raise Refused('drawing takes too long; try again', 503)
        if request.error is not None:
            raise request.error
        return None if request.is_superseded else request.result

    @staticmethod
    def _give_up(request):
        if request is not None:
            request.is_superseded = True
            request.done.set()

    def serve(self, rank):
        """Does what waits in lanes of a lower rank; called in the engine's thread in the middle of longer work."""
        while True:
            request = self._take(rank)
            if request is None:
                return
            self._do(request)

    def wait_until_quiet(self, seconds=1.0):
        """Waits until nobody has moved a picture for a while, at most some seconds; for jobs in other threads."""
        end = time.monotonic() + seconds
        while time.monotonic() < min(end, self._last + QUIET_SECONDS):
            time.sleep(0.02)

    def close(self):
        """Ends the thread after what it is doing, and closes the network."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        self._thread.join(10)

    def _take(self, rank=None):
        """The waiting request of the lowest rank, the oldest of these; None if there is none below `rank`."""
        with self._changed:
            lanes = sorted((lane[0], place, lane) for place, lane in enumerate(self._waiting)
                           if rank is None or lane[0] < rank)
            return self._waiting.pop(lanes[0][2]) if lanes else None

    def _run(self):
        while True:
            with self._changed:
                while not (self._ends or self._wanted is not None or self._waiting):
                    self._changed.wait()
                if self._ends:
                    break
                wanted, self._wanted = self._wanted, None
            if wanted is not None:
                self._load(wanted)
                continue
            request = self._take()
            if request is not None:
                self._do(request)
        self._close_artist()

    def _do(self, request):
        try:
            request.result = request.work(self._artist)
        except UserError as error:
            request.error = error if isinstance(error, Refused) else Refused(str(error), 409)
        except Exception:  # pylint: disable=broad-except  # the next request may be all right
            traceback.print_exc()
            request.error = Refused('the picture could not be drawn; the console of the server says why', 500)
        request.done.set()

    def _load(self, number):
        with self._changed:
            while self._waiting:
                self._give_up(self._waiting.popitem()[1])
        try:
            self._close_artist()
            self._artist = self._open_artist(number, self._say)
            state, text = READY, self._artist.name
        except (UserError, OSError, ImportError) as error:
            state, text = FAILED, ' '.join(str(error).split())
        except Exception as error:  # pylint: disable=broad-except  # the page says it; Train works all the same
            traceback.print_exc()
            state, text = FAILED, f'the network could not be loaded ({type(error).__name__})'
        with self._changed:
            self.state, self.text = state, text
            self._newest.clear()
        print(f'Network {"ready" if state == READY else "failed"}: {text}', file=sys.stdout, flush=True)

    def _say(self, text):
        self.text = text

    def _close_artist(self):
        if self._artist is not None:
            artist, self._artist = self._artist, None
            artist.close()
