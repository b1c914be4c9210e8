"""Artists draw what a view says with one kind of network: generators with W and without; opening a network file."""

from typing import NamedTuple

import numpy as np

from dnnlib import cli, shell
from dnnlib.files import network_file
from explorer import plane, views
from explorer.errors import Refused
from generator import directions, drawing, library, plain
from training import pretrained
from training.data import classes

VIEW_FILE = 'VIEW.npz'  # in a command, until the view is saved
KEPT_W = 1 << 22        # bytes: of 512 to 2,000 seeds


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
        if number not in self._kept:
            raise Refused(f'slot {number} is gone, as the server or its network is another one; project the picture '
                          'again', 409)
        return self._kept[number]

    def clear(self):
        """Forgets all: another network is there."""
        self._kept.clear()


class Artist:
    """What all artists have in common.

    Args:
        file: pretrained.NetworkFile.
        flags: {option: value} that commands get: `--device`, `--ops`.
    Attributes:
        name: The network's name for people.
        hash: What tells its weights from others, str.
        image_shape: [height, width, channels].
        kind: As in `api/info`.
        wants: Fields of a View that mean something here.
    """

    kind, wants = 'style', ()

    def __init__(self, file, flags):
        self.file, self.flags = file, flags
        self.name = shell.short(file.name) if file.folder is not None else file.name

    def check(self, view):
        """Raises Refused for what this network does not have."""
        usual = views.View()
        for name, value, default in zip(view._fields, view, usual):
            if value != default and name not in self.wants:
                text = {'label': 'class', 'moves': 'move'}.get(name, name)
                raise Refused(f'this network has no {text}; leave it out', 409)

    def words(self, program, command, more):
        """The words of a command line of this network."""
        name = shell.short(self.file.name) if self.file.folder is not None else self.file.name
        return program.split() + [command, '--network=' + name] + more + [
            f'{option}={value}' for option, value in self.flags.items()]

    def arrays(self, _view):
        """Arrays of the file that draws a view, None = there is no such file."""
        return None


class Style(Artist):
    """A generator with W.

    Args:
        file, flags: See Artist.
        device, ops: See `library.Generator`.
        slots: Slots.
    """

    kind = 'style'
    wants = ('x', 'y', 'psi', 'cutoff', 'mix', 'mixed', 'mixslot', 'noise', 'noiseseed', 'label', 'moves', 'slot')

    def __init__(self, file, flags, running, slots):
        super().__init__(file, flags)
        self.generator = library.Generator(file.path, **running)
        self._slots, net = slots, self.generator
        self.image_shape, self.layers = net.image_shape, net.num_layers
        with net.as_default() as network:
            from dnnlib import tflib
            self.hash = network_file.weights_hash(tflib.run(dict(network.vars)))
            self.drawer = drawing.Drawer(network)
        self._w = plane.Kept(lambda key: net.dlatents([key[0]], key[1], 1.0), KEPT_W)
        self._noise = plane.Kept(lambda seed: {name: np.float32(value) for name, value in net.noise(seed).items()})
        self._stored = net.noise()
        self.directions = {}  # {method: directions.Found}, those that are ready

    def close(self):
        """Closes the session."""
        self.generator.close()

    def info(self):
        """Fields of `api/info`."""
        net = self.generator
        methods = ['sefa', 'pca'] + (['labels'] if net.label_size > 1 else [])
        return dict(layers=net.num_layers, cutoff=net.num_truncated, psi=net.num_truncated > 0, fractional=True,
                    noise=list(views.NOISES) if self._stored else [], classes=class_list(net), directions=methods)

    def check(self, view):
        """Raises Refused for what this network does not have."""
        super().check(view)
        net = self.generator
        if view.psi not in (None, 1) and not net.num_truncated:
            raise Refused('this network has no mean of W, so it cannot be truncated; leave psi out', 409)
        if view.cutoff is not None and view.cutoff > net.num_layers:
            raise Refused(f'cutoff must be at most {net.num_layers}, the number of layers', 409)
        for layers in (view.mixed,) + tuple(move.layers or () for move in view.moves):
            if layers and layers[-1] >= net.num_layers:
                raise Refused(f'the network has layers 0 to {net.num_layers - 1}', 409)
        check_class(view, net.label_size)

    def is_plain(self, view):
        """Does `generate-images --seeds` draw this view?"""
        return (view.seed() is not None and view.slot is None and not view.moves and not view.mixed
                and view.cutoff is None and view.noise in (None, 'seed', 'const'))

    def psi_of(self, view):
        """The strength of the truncation of a view."""
        usual = 1.0 if view.slot is not None or not self.generator.num_truncated else 0.5
        return usual if view.psi is None else view.psi

    def draw(self, view):
        """The picture, uint8 [H, W, C]; the same pixels as those of its command."""
        self.check(view)
        net = self.generator
        if self.is_plain(view):
            return net.generate([view.seed()], class_text(net, view.label), self.psi_of(view), view.noise or 'seed')[0]
        return net.draw(self.dlatents(view), noise=self.noise(view) or None, truncation_psi=1)[0]

    def dlatents(self, view):
        """Dlatents of a view, float32 [1, layers, D]."""
        net, text = self.generator, class_text(self.generator, view.label)
        cutoff = net.num_truncated if view.cutoff is None else view.cutoff

        def truncated(w):
            return net.truncate(w, self.psi_of(view), cutoff) if net.num_truncated else w
        if view.slot is not None:
            found = truncated(self._slots.get(view.slot).dlatents)
        else:
            found = truncated(plane.blend(view.corners(), lambda seed: self._w.get((seed, text))))
        found = np.array(found, np.float32)
        if view.mixed:
            layers = list(view.mixed)
            other = self._slots.get(view.mixslot).dlatents if view.mixslot is not None else truncated(
                self._w.get((view.mix, text)))
            found[:, layers] = other[:, layers]
        for move in view.moves:
            found = self._moved(found, move)
        return found

    def _moved(self, dlatents, move):
        """Dlatents moved along a direction, as the command `edit` does it."""
        if move.method not in self.directions:
            raise Refused(f'the directions of {move.method} are not computed yet; ask for api/directions', 409)
        found = self.directions[move.method]
        if move.index >= len(found.directions):
            raise Refused(f'there are {len(found.directions)} directions of {move.method}', 409)
        layers = list(range(self.layers)) if move.layers is None else list(move.layers)
        step = found.directions[move.index] * found.scales[move.index]
        return directions.move(dlatents[0], step, [move.strength], layers)

    def noise(self, view):
        """Noise maps of a view, {name: float32}; empty = those stored in the network."""
        kind = view.noise
        if kind is None and view.slot is not None:
            return self._slots.get(view.slot).noise
        if kind == 'const' or not self._stored:
            return {}
        if kind == 'off':
            return {name: np.zeros_like(value) for name, value in self._stored.items()}
        corners = [(view.noiseseed, 1.0)] if kind == 'random' else view.corners()
        return {name: np.float32(plane.blend_normal(corners, lambda seed, name=name: self._noise.get(seed)[name]))
                for name in self._stored}

    def arrays(self, view):
        """Arrays of the file that draws a view by `generate-images --dlatents`."""
        self.check(view)
        return dict(self.noise(view) or ({} if view.noise == 'const' else self._stored), dlatents=self.dlatents(view),
                    network_hash=np.array(self.hash))

    def command(self, view, file=None):
        """The words of the command that draws a view, and whether it does so without a file."""
        self.check(view)
        if file is None and self.is_plain(view):
            more = [f'--seeds={view.seed()}', f'--truncation-psi={self.psi_of(view):.10g}']
            more += [] if view.label is None else [f'--class={class_text(self.generator, view.label)}']
            more += ['--noise=const'] if view.noise == 'const' else []
            return self.words('python run_generator.py', 'generate-images', more), True
        return self.words('python run_generator.py', 'generate-images', [f'--dlatents={file or VIEW_FILE}']), False


class Plain(Artist):
    """A generator without W: of latents and perhaps classes. Arguments as of Style."""

    kind, wants = 'plain', ('x', 'y', 'label')
    layers = 0

    def __init__(self, file, flags, running, _slots):
        super().__init__(file, flags)
        tflib = cli.load_tensorflow()
        import tensorflow.compat.v1 as tf
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._session = tflib.create_session(running)
            with self._session.as_default():
                network = pretrained.load_generator(file)
                self._drawer = plain.PlainDrawer(network, drawing.Settings(running), classes.load_names(
                    file.folder, drawing.label_size_of(network)))
                self.hash = network_file.weights_hash(tflib.run(dict(network.vars)))
        shape = self._drawer.image_shape
        self.image_shape = [shape[1], shape[2], shape[0]]
        self.label_size, self.class_names = self._drawer.label_size, self._drawer.class_names
        self._latents = plane.Kept(lambda seed: self._drawer.latents([seed]), KEPT_W)

    def close(self):
        """Closes the session."""
        from dnnlib.tflib import graphs
        self._session.close()
        graphs.forget_graph(self._graph)

    def info(self):
        """Fields of `api/info`."""
        return dict(layers=0, cutoff=0, psi=False, fractional=True, noise=[], classes=class_list(self), directions=[])

    def check(self, view):
        """Raises Refused for what this network does not have."""
        super().check(view)
        check_class(view, self.label_size)

    def latents(self, view):
        """Latents of a view, [1, latent_size]; between seeds they keep their spread."""
        return plane.blend_normal(view.corners(), self._latents.get)

    def draw(self, view):
        """The picture, uint8 [H, W, C]."""
        self.check(view)
        label = self._drawer.label(class_text(self, view.label))
        with self._graph.as_default(), self._session.as_default():
            return self._drawer.draw(self.latents(view), label)[0]

    def arrays(self, view):
        """What a view is drawn from."""
        self.check(view)
        label = self._drawer.label(class_text(self, view.label))
        found = dict(latents=self.latents(view), network_hash=np.array(self.hash))
        return found if label is None else dict(found, labels=label)

    def command(self, view, file=None):
        """As `Style.command`."""
        self.check(view)
        if file is None and view.seed() is not None:
            more = [] if view.label is None else [f'--class={class_text(self, view.label)}']
            return self.words('python run_generator.py', 'generate-images', [f'--seeds={view.seed()}'] + more), True
        return self.words('python run_generator.py', 'generate-images', [f'--dlatents={file or VIEW_FILE}']), False


def class_list(net):
    """Classes of a network as `api/info` lists them."""
    return [dict(number=i, name=class_text(net, i)) for i in range(net.label_size)]


def class_text(net, number):
    """A class as on the command line; None of None."""
    if number is None:
        return None
    return str(number) if net.class_names is None else net.class_names[number]


def check_class(view, label_size):
    """Raises Refused if a view names a class that does not exist."""
    if view.label is not None and view.label >= label_size:
        raise Refused(f'the network has classes 0 to {label_size - 1}' if label_size else 'the network has no classes; '
                      'leave class out', 409)


def open_artist(file, flags, running, slots, say=print):
    """Loads a network file; returns the artist for it.

    Args:
        file: pretrained.NetworkFile.
        flags, running, slots: See Style.
        say: Function of a line about what is going on.
    Raises: UserError for a file without a network that draws or translates; OSError if it can't be read.
    """
    from explorer import translating
    from generator import info
    pretrained.check_network_file(file)
    say('reading the network file')
    contents = pretrained.read_contents(info.read_file(file))
    translator = translating.artist_of(contents)
    if translator is None:
        name = pretrained.name_of_generator(contents)
        state = contents.networks[name].state or {}
        translator = Style if 'mapping' in info.components_of(state) else Plain
    del contents
    say('loading TensorFlow and the network')
    return translator(file, flags, running, slots)
