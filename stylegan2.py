"""The program as a library: opens trained generators and draws with them.

    import stylegan2
    cats = stylegan2.load('cats64')
    images = cats.generate(seeds=[1, 2], truncation_psi=0.7)
"""

import numpy as np

from dnnlib.util import UserError
from generator import drawing
from training import pretrained
from training.data import classes


def load(network, device='auto', ops='auto'):
    """Opens the generator of a network file.

    Args:
        network: Path, URL or published name, such as `cats64` (shipped) or `ffhq-config-f` (fetched once).
        device: `auto`, `cpu` or `gpu:N`. The first call decides for the process.
        ops: `auto`, `ref` or `native`; likewise.
    Returns: Generator.
    Raises: UserError if there is no such network or the file is something else; OSError if it cannot be read or
        fetched.
    """
    file = pretrained.resolve(network)
    pretrained.check_network_file(file)
    from dnnlib import cli
    cli.load_tensorflow().init_tf({'device': device, 'ops': ops})
    Gs = pretrained.load_generator(file)
    return Generator(Gs, classes.load_names(file.folder, Gs.input_shapes[1][1]))


class Generator:
    """A trained generator. Several can be open at the same time.

    Args:
        Gs: The Network.
        class_names: Names of the label columns, None = they have none.
    Attributes:
        network: The Network, `dnnlib.tflib.Network`, for all that is not here.
        class_names: Names of the classes, None = they have none.
    """

    def __init__(self, Gs, class_names=None):
        self.network, self.class_names = Gs, class_names

    @property
    def image_shape(self):
        """[height, width, channels] of the pictures."""
        channels, height, width = self.network.output_shape[1:]
        return [height, width, channels]

    @property
    def latent_size(self):
        """Dimensions of Z."""
        return self.network.input_shape[1]

    @property
    def label_size(self):
        """Number of label columns, 0 = unlabeled."""
        return self.network.input_shapes[1][1]

    @property
    def num_layers(self):
        """Layers that take a dlatent."""
        return self.network.components.synthesis.input_shape[1]

    def generate(self, seeds, class_name=None, truncation_psi=0.5, noise='seed', as_float=False):
        """Draws one picture per seed, the same ones as `run_generator.py generate-images`.

        Args:
            seeds: List of ints.
            class_name: Name or number of the class, None = labels are zero.
            truncation_psi: 0 = the average picture, 1 = no truncation.
            noise: `seed` = from the seed, `const` = the one stored in the network, `random` = new each time.
            as_float: Return what the network computes?
        Returns: uint8 [N, height, width, channels], or float32 [N, channels, height, width] around [-1, 1].
        """
        if noise not in ('seed', 'const', 'random'):
            raise UserError("noise must be 'seed', 'const' or 'random', got {!r}".format(noise))
        drawer = self._drawer(noise=noise, as_float=as_float)
        label = drawer.label(_text(class_name))
        return np.stack(list(drawer.generate(list(seeds), label, truncation_psi=truncation_psi)))

    def dlatents(self, seeds, class_name=None, truncation_psi=0.5):
        """Dlatents of seeds, float32 [N, layers, D]; options as in `generate`, all layers are truncated."""
        drawer = self._drawer()
        return drawer.dlatents(drawer.latents(list(seeds)), drawer.label(_text(class_name)), truncation_psi)

    def draw(self, dlatents, as_float=False):
        """Draws dlatents [N, layers, D], such as those of `dlatents` or of a projection, with the stored noise.

        Arrays of other projectors, [layers, D] or [N, D], are taken as well, see `projections.fit`.

        Returns: As `generate`.
        """
        dlatents = np.asarray(dlatents, np.float32)
        drawer = self._drawer(as_float=as_float)
        return drawer.pictures(drawer.fit('draw', dlatents))

    def _drawer(self, **options):
        return drawing.Drawer(self.network, class_names=self.class_names, **options)


def _text(class_name):
    """A class as on the command line, where numbers are texts."""
    return None if class_name is None else str(class_name)
