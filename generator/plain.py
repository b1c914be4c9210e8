"""Drawing with generators that have no W, such as BigGAN's: pictures of latents and labels."""

import numpy as np

from dnnlib.seeds import latents_of_seeds
from dnnlib.util import UserError
from generator import drawing
from training.data import classes


class PlainDrawer:
    """A generator of latents and perhaps labels, ready to draw; what `drawing.Drawer` has as well is called the same.

    Args:
        Gs: Network with one or two inputs, [N, latent_size] and [N, label_size].
        settings: drawing.Settings.
        class_names: Names of the label columns, None = they have none.
    Attributes:
        Gs, class_names, label_size, image_shape, prior: See Drawer.
    Raises: UserError if it takes something else, or has only one precision.
    """

    def __init__(self, Gs, settings, class_names=None):
        from dnnlib import tflib
        from training.networks.fitting import rounding
        check(Gs)
        if settings.precision != 'float32':
            raise UserError(f'--precision={settings.precision}: the generator {Gs.name} has float32 only')
        self.Gs, self.class_names, self.label_size = Gs, class_names, drawing.label_size_of(Gs)
        self.image_shape, self._minibatch_size = Gs.output_shape[1:], settings.minibatch_size
        self.prior = settings.latents or Gs.static_kwargs.get('latents', 'normal')
        self._options = {} if settings.dtype == 'float32' else dict(
            output_transform=dict(func=tflib.convert_images_to_uint8, nchw_to_nhwc=True, **rounding(Gs)))

    label, draw_all_sizes = drawing.Drawer.label, drawing.Drawer.draw_all_sizes

    def latents(self, seeds):
        """Latents of a list of seeds, [N, latent_size] float64, see `latents_of_seeds`."""
        return latents_of_seeds(seeds, self.Gs.input_shape[1:], self.prior)

    @staticmethod
    def psi_of(truncation_psi):
        """1; raises UserError for another psi that was asked for."""
        if truncation_psi not in (None, 1):
            raise UserError(f'--truncation-psi={truncation_psi:g}: this generator has no W to truncate in; truncate '
                            'its latents by --latents=truncated:0.5 or so')
        return 1.0

    def generate(self, seeds, labels=None, truncation_psi=1.0):
        """Yields pictures of seeds, as `Drawer.generate`."""
        self.psi_of(truncation_psi)
        for begin in range(0, len(seeds), self._minibatch_size):
            part = seeds[begin:begin + self._minibatch_size]
            chosen = labels if labels is None or len(labels) == 1 else labels[begin:begin + self._minibatch_size]
            yield from self.draw(self.latents(part), chosen)

    def draw(self, latents, labels=None):
        """Pictures of latents [N, latent_size] and labels [N, label_size] or [1, label_size]; None = zeros.

        Returns: uint8 [N, H, W, C], or float32 [N, C, H, W].
        """
        if labels is not None:
            labels = np.broadcast_to(labels, [len(latents), labels.shape[1]])
        return self.Gs.run(*drawing.inputs_of(self.Gs, latents, labels), minibatch_size=self._minibatch_size,
                           **self._options)


def check(Gs):
    """Raises UserError if a generator, a Network, takes more than latents and labels."""
    if len(Gs.input_shapes) > 2 or any(len(shape) != 2 for shape in Gs.input_shapes):
        raise UserError(f'the generator {Gs.name} takes more than latents and labels, so it cannot be drawn from seeds')


def load(network_pkl, settings, standing=0):
    """As `drawing.load`, but a generator that has no W is loaded, too: Drawer or PlainDrawer.

    Args:
        network_pkl: pretrained.NetworkFile.
        settings: drawing.Settings.
        standing: Number of minibatches whose statistics replace those that batch norm stored in training; 0 = these.
    Raises: UserError also for standing statistics of a network that knows none.
    """
    Gs = drawing.load_network(network_pkl, settings)
    if standing:
        if 'sums' not in Gs.option_names:
            raise UserError(f'--standing={standing}: the generator {Gs.name} has no batch norm with statistics')
        from training.methods.classes import standing_statistics
        standing_statistics(Gs, standing, settings.latents or Gs.static_kwargs.get('latents', 'normal'))
        print(f'Batch norm uses the statistics of {standing} minibatches')
    if 'mapping' in Gs.components:
        drawer = drawing.make_drawer(Gs, network_pkl, settings)
    else:
        drawer = PlainDrawer(Gs, settings, classes.load_names(network_pkl.folder, drawing.label_size_of(Gs)))
    if settings.all_sizes:
        drawer.draw_all_sizes()
    return drawer


def labels_of_classes(drawer, names):
    """Labels of classes, [classes, label_size].

    Args:
        drawer: Drawer or PlainDrawer.
        names: List of names or numbers; ['all'] = each class.
    Raises: UserError if the network has no classes, or not these.
    """
    if not drawer.label_size:
        raise UserError('the network has no classes')
    if list(names) == ['all']:
        return np.eye(drawer.label_size, dtype=np.float32)
    return np.concatenate([drawer.label(name) for name in names])
