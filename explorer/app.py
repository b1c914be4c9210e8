"""What a server of the page consists of, and what belongs together when a network or a job changes."""

import os
import random
from typing import NamedTuple

from explorer import engine, finding, jobs, opening, projecting, runs, saving, starting, stores, uploads
from explorer.errors import Refused

FIRST, COMPARED, TILES = 0, 1, 2  # ranks of lanes: what moves, what it is compared with, neighbors


class Options(NamedTuple):
    """What a server is started with."""
    network: object = None      # pretrained.NetworkFile that is opened first, None = none
    result_dir: str = 'results'  # folder of runs, in which saved files go to `explorer`
    data_dir: str = None        # folder of datasets; None = the built-in one alone
    run_dir: str = None         # one more run
    calibration: str = None     # file of `run_projector.py calibrate`
    device: str = 'auto'
    ops: str = 'auto'

    @property
    def running(self):
        """What TensorFlow is told."""
        return {'device': self.device, 'ops': self.ops}

    @property
    def flags(self):
        """What commands get: what is not as usual."""
        usual = os.environ.get('STYLEGAN2_OPS') or 'auto'
        found = {} if self.device == 'auto' else {'--device': self.device}
        return found if self.ops == usual else dict(found, **{'--ops': self.ops})


class App:
    """All that a server needs.

    Args:
        options: Options.
    Attributes:
        server: Number by which the page tells this server from its predecessor.
        Others: The parts, see their modules.
    """

    def __init__(self, options):
        self.options, self.server = options, random.SystemRandom().randrange(1, 2 ** 31)
        self.uploads, self.slots, self.files = uploads.Uploads(), stores.Slots(), saving.Files(options.result_dir)
        self.networks = runs.Numbers()
        if options.network is not None:
            self.networks.of(options.network)
        self.runs = runs.Runs(options.result_dir, options.run_dir, self.networks)
        self.starter = starting.Starter(options, self.runs, runs.Numbers())
        self.sketch, self.jobs = projecting.Sketch(options.running), jobs.Jobs()
        self.engine = engine.Engine(self._open_artist)
        self.finder = finding.Finder(self.engine)

    def open_first(self):
        """Begins to load the network of the command line, if there is one."""
        if self.options.network is not None:
            self.engine.open(0)

    def _open_artist(self, number, say):
        self.slots.clear()
        self.jobs.between(self.sketch.close)
        file = self.network_file(number)
        return opening.open_artist(file, self.options.flags, self.options.running,
                                   stores.Stores(self.slots, self.uploads), say)

    def network_file(self, number):
        """pretrained.NetworkFile of a number; raises Refused if there is none."""
        from training import pretrained
        return pretrained.resolve(self.networks.get(number, 'network'))

    def asker(self, artist, lane):
        """A function that does work in the thread of the engine as long as an artist is there.

        Args:
            artist: Artist.
            lane: See `Engine.ask`; of nobody else.
        Returns: Function of a function of the artist, that returns its result.
        """
        def ask(work):
            def checked(current):
                if current is not artist:
                    raise Refused('another network was opened', 409)
                return [work(current)]
            found = self.engine.ask(lane, None, checked)
            if found is None:  # it waited when another network was asked for
                raise Refused('another network was opened', 409)
            return found[0]
        return ask

    def add_slot(self, artist, slot):
        """Keeps a projection for the network that it was made with; returns its number."""
        return self.asker(artist, (engine.LAST, 'slot'))(lambda _: self.slots.add(slot))

    def can_project(self):
        """What can be done with a picture, list of names."""
        artist = self.engine.artist
        if artist.kind in ('translator', 'domains'):
            return ['translate']
        found = ['project'] if artist.kind == 'style' else []
        return found + (['detect'] if self.options.calibration is not None else [])

    def close(self):
        """Ends all threads; trainings that were started go on."""
        self.jobs.close()
        self.engine.close()
