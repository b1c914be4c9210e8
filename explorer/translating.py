"""Artists that translate a dropped picture: to another kind of picture, or to another domain."""

import hashlib

import numpy as np

from dnnlib import cli
from explorer import plane
from explorer.artists import KEPT_W, Artist
from explorer.errors import Refused
from generator import info
from generator.writer import as_pixels
from projector import inputs
from training import pretrained
from translator import domains, networks, sources

PICTURE = 'PICTURE.png'  # in a command: the file that was dropped, whose name is not known here
KEPT_IMAGES = 8          # that were sent


def artist_of(contents):
    """The class of the artist for Contents of NetworkStates that translate; None if they draw from latents."""
    if contents.method in domains.METHODS:
        return Domains
    generators = [role.inputs[:1] for role in contents.roles.values() if role.role == 'generator']
    return Translator if generators and all(given in (('images',), ('maps',)) for given in generators) else None


class _Translating(Artist):
    """What both have in common. Arguments as of `artists.Style`."""

    layers = 0

    def __init__(self, file, flags, running, stores):
        super().__init__(file, flags)
        self._uploads, self._running = stores.uploads, running
        self.hash = hashlib.sha256(info.read_file(file)).hexdigest()[:16]
        cli.load_tensorflow()

    def info(self):
        """Fields of `api/info`."""
        return dict(layers=0, cutoff=0, psi=False, fractional=False, noise=[], classes=[], directions=[])

    def _upload(self, view):
        if view.picture is None:
            raise Refused('drop a picture first; this network translates pictures', 409)
        return self._uploads.get(view.picture)


class Translator(_Translating):
    """A network that translates pictures of any size, or of one."""

    kind, wants = 'translator', ('picture', 'direction', 'noiseseed')

    def __init__(self, file, flags, running, stores):
        super().__init__(file, flags, running, stores)
        contents = pretrained.read_contents(info.read_file(file))
        self.translations = _directions(contents)
        self._open = {}  # {direction: (Translator, sources.Layout)}
        translator, layout = self._translator(self.translations[0] if self.translations else None)
        fixed = translator.kind.fixed
        self.image_shape = [fixed[0] if fixed else 256, fixed[1] if fixed else 256, layout.colors or 3]

    def _translator(self, direction):
        if direction not in self._open:
            from translator import drawing
            files = networks.Files(self.file, direction)
            mode = networks.Mode()
            kind = networks.read_kind(files, mode)
            if kind.features or kind.encoder is not None and kind.maps:
                raise Refused('this network also takes maps of instances; translate with run_translator.py', 409)
            layout = sources.layout_of(kind, False)
            self._open[direction] = drawing.Translator(files, kind, mode, self._running), layout
        return self._open[direction]

    def close(self):
        """Closes the sessions."""
        for translator, _ in self._open.values():
            translator.close()

    def info(self):
        """Fields of `api/info`."""
        return dict(super().info(), translations=self.translations)

    def check(self, view):
        """Raises Refused for what this network does not have."""
        super().check(view)
        if view.direction is not None and view.direction not in self.translations:
            raise Refused('this network translates one way; leave direction out', 409)

    def draw(self, view):
        """The translation, uint8 [H, W, C]."""
        self.check(view)
        picture = self._upload(view).picture
        translator, layout = self._translator(view.direction or (self.translations or [None])[0])
        layout = sources.told_by(layout, [picture]) if translator.kind.maps else layout
        result = translator.translate(sources.read(picture, layout), str(view.noiseseed))
        return inputs.to_pixels(result).transpose(1, 2, 0)

    def command(self, view, file=None):
        """As `Style.command`; the picture's own file is for the user to name."""
        self.check(view)
        more = [PICTURE] + ([] if view.direction is None else ['--direction=' + view.direction])
        return self.words('python run_translator.py', 'translate', more), False


def _directions(contents):
    """The ways in which a file translates, if there are two: list."""
    names = [name for name, role in contents.roles.items() if role.role == 'generator' and role.average_of is None]
    return list(networks.DIRECTIONS) if len(names) > 1 else []


class Domains(_Translating):
    """StarGAN or StarGAN v2."""

    kind = 'domains'

    def __init__(self, file, flags, running, stores):
        super().__init__(file, flags, running, stores)
        from dnnlib import tflib
        import tensorflow.compat.v1 as tf
        self._kind, self._graph = domains.read_kind(file), tf.Graph()
        self.has_styles = self._kind.method != 'stargan'
        self.wants = ('picture', 'x', 'y', 'domain') if self.has_styles else ('picture', 'labels')
        with self._graph.as_default():
            self._session = tflib.create_session(running)
            with self._session.as_default():
                self._translator = domains.Translator(file, self._kind)
        shape = self._kind.shape
        self.image_shape = [shape[1], shape[2], shape[0]]
        self._styles = plane.Kept(self._style, KEPT_W)
        self._pixels = plane.Kept(lambda number: inputs.read_fitted(
            self._uploads.get(number).picture, shape, 'crop').pixels, KEPT_IMAGES)

    def close(self):
        """Closes the session."""
        from dnnlib.tflib import graphs
        self._session.close()
        graphs.forget_graph(self._graph)

    def _names(self):
        count = sum(self._kind.sizes)
        names = list(self._kind.names or ())
        return names + [str(number) for number in range(len(names), count)]

    def info(self):
        """Fields of `api/info`."""
        listed = [dict(number=number, name=name) for number, name in enumerate(self._names())]
        return dict(super().info(), styles=self.has_styles, fractional=self.has_styles,
                    **{'domains' if self.has_styles else 'labels': listed})

    def check(self, view):
        """Raises Refused for what this network does not have."""
        super().check(view)
        for number in view.labels + (() if view.domain is None else (view.domain,)):
            if number >= len(self._names()):
                raise Refused(f'the network has 0 to {len(self._names()) - 1} of these', 409)

    def _style(self, key):
        seed, domain = key
        target, = domains.targets_of(self._kind, self._names()[domain]).values()
        return self._translator.styles_of_seeds([seed], target)

    def draw(self, view):
        """The translation, uint8 [H, W, C]."""
        self.check(view)
        self._upload(view)
        pixels = self._pixels.get(view.picture)[np.newaxis]
        with self._graph.as_default(), self._session.as_default():
            if self.has_styles:
                given = plane.blend(view.corners(), lambda seed: self._styles.get((seed, view.domain or 0)))
            else:
                given = self._labels(view)
            return as_pixels(self._translator.draw(pixels, given)[0].transpose(1, 2, 0))

    def _labels(self, view):
        """Labels that are on, as the network takes them, float32 [1, N]."""
        if view.labels:
            given, = domains.targets_of(self._kind, ','.join(self._names()[number] for number in view.labels)).values()
            return given
        given, = domains.targets_of(self._kind, self._names()[0]).values()
        return np.zeros_like(given)

    def command(self, view, file=None):
        """As `Style.command`; between seeds there is none that has the style."""
        self.check(view)
        if self.has_styles:
            seed = view.seed() if view.seed() is not None else view.corners()[0][0]
            more = [f'--domain={self._names()[view.domain or 0]}', f'--styles={seed}']
        else:
            more = [] if not view.labels else ['--domain=' + ','.join(self._names()[i] for i in view.labels)]
        return self.words('python run_translator.py', 'domains', [PICTURE] + more), False
