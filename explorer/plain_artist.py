"""The artist for generators without W, such as those of ProGAN and BigGAN."""

import numpy as np

from dnnlib import cli
from dnnlib.files import network_file
from explorer import plane
from explorer.artists import KEPT_W, VIEW_FILE, Artist, check_class, class_list, class_text
from generator import drawing, interpolate, plain
from training import pretrained
from training.data import classes


class Plain(Artist):
    """A generator without W: of latents and perhaps classes. Arguments as of Style."""

    kind, wants = 'plain', ('x', 'y', 'label')
    layers = 0

    def __init__(self, file, flags, running, _stores):
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

    def is_plain(self, view):
        """Does `generate-images --seeds` draw this view?"""
        return view.seed() is not None

    def way(self, chosen, frames, curve, loop):
        """As `Style.way`, through latents."""
        latents = np.concatenate([self.latents(view) for view in chosen])
        found = [interpolate.walk(latents, frames, curve, loop)]
        if self.label_size:
            zeros = np.zeros([1, self.label_size], np.float32)
            labels = [self._drawer.label(class_text(self, view.label)) for view in chosen]
            labels = np.concatenate([zeros if label is None else label for label in labels])
            found.append(interpolate.walk(labels, frames, 'linear', loop))
        return found

    def draw_point(self, parts, _view):
        """As `Style.draw_point`."""
        with self._graph.as_default(), self._session.as_default():
            return self._drawer.draw(*parts)[0]

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
