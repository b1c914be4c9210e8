"""Artists draw what a view says with one kind of network; here what they have in common, and generators with W."""

import numpy as np

from dnnlib import shell
from dnnlib.files import network_file
from explorer import plane, views
from explorer.errors import Refused
from generator import directions, drawing, interpolate, library

VIEW_FILE = 'VIEW.npz'  # in a command, until the view is saved
KEPT_W = 256   # seeds, of 5 to 40 KB each
KEPT_NOISE = 8  # seeds, of up to 11 MB each; a drag needs four


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
        running: {'device': ..., 'ops': ...}, see `library.Generator`.
        stores: stores.Stores.
    """

    kind = 'style'
    wants = ('x', 'y', 'psi', 'cutoff', 'mix', 'mixed', 'mixslot', 'noise', 'noiseseed', 'label', 'moves', 'slot')

    def __init__(self, file, flags, running, stores):
        super().__init__(file, flags)
        self.generator = library.Generator(file.path, **running)
        self._slots, net = stores.slots, self.generator
        self.image_shape, self.layers = net.image_shape, net.num_layers
        with net.as_default() as network:
            from dnnlib import tflib
            self.hash = network_file.weights_hash(tflib.run(dict(network.vars)))
            self.drawer = drawing.Drawer(network)
        self._w = plane.Kept(lambda key: net.dlatents([key[0]], key[1], 1.0), KEPT_W)
        self._noise = plane.Kept(lambda seed: {name: np.float32(value) for name, value in net.noise(seed).items()},
                                 KEPT_NOISE)
        self._stored = net.noise()
        self.directions = {}  # {method: directions.Found}, those that are ready
        self.searches = {}    # {method: what `finding` tells about its search}

    def close(self):
        """Closes the session."""
        self.generator.close()

    def info(self):
        """Fields of `api/info`."""
        net = self.generator
        methods = ['sefa', 'pca'] + (['labels'] if net.label_size > 1 else [])
        heights = [self._stored[name].shape[2] for name in sorted(self._stored, key=lambda name: int(name[5:]))]
        sizes = [heights[min(layer, len(heights) - 1)] for layer in range(net.num_layers)] if heights else []
        return dict(layers=net.num_layers, layer_sizes=sizes, cutoff=net.num_truncated, psi=net.num_truncated > 0,
                    fractional=True, noise=list(views.NOISES) if self._stored else [], classes=class_list(net),
                    directions=methods)

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
        for slot in {view.slot, view.mixslot} - {None}:
            self._slots.get(slot)
        for move in view.moves:
            self._found(move)

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

    def _found(self, move):
        """The directions of a Move's method; raises Refused if the one that it names is not there (yet)."""
        if move.method not in self.directions:
            raise Refused(f'the directions of {move.method} are not computed yet; ask for api/directions', 409)
        found = self.directions[move.method]
        if move.index >= len(found.directions):
            raise Refused(f'there are {len(found.directions)} directions of {move.method}', 409)
        return found

    def _moved(self, dlatents, move):
        """Dlatents moved along a direction, as the command `edit` does it."""
        found = self._found(move)
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

    def way(self, chosen, frames, curve, loop):
        """What the frames of a walk are drawn from: list of arrays with a row for each frame.

        Args:
            chosen: List of View.
            frames, curve, loop: See `interpolate.walk`; arcs lead around the mean of W.
        """
        points, drawer = np.concatenate([self.dlatents(view) for view in chosen]), self.drawer
        if curve == 'spherical' and not drawer.has_mean:
            raise Refused('the network has no mean of W, around which arcs lead; choose linear', 409)
        center = drawer.dlatent_avg if drawer.has_mean else 0
        return [np.float32(center + interpolate.walk(points - center, frames, curve, loop))]

    def draw_point(self, parts, view):
        """The picture of a point of a way, with the noise of a view.

        Args:
            parts: A row of each array of `way`, list.
            view: View.
        """
        dlatents, = parts
        return self.generator.draw(dlatents, noise=self.noise(view) or None)[0]

    def arrays(self, view):
        """Arrays of the file that draws a view by `generate-images --dlatents`."""
        self.check(view)
        return dict(self.noise(view) or self._stored, dlatents=self.dlatents(view), network_hash=np.array(self.hash))

    def command(self, view, file=None):
        """The words of the command that draws a view, and whether it does so without a file."""
        self.check(view)
        if file is None and self.is_plain(view):
            more = [f'--seeds={view.seed()}', f'--truncation-psi={self.psi_of(view):.10g}']
            more += [] if view.label is None else [f'--class={class_text(self.generator, view.label)}']
            more += ['--noise=const'] if view.noise == 'const' else []
            return self.words('python run_generator.py', 'generate-images', more), True
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
