"""Drawing with a trained generator: latents of seeds, dlatents of latents and files, pictures of dlatents."""

from typing import NamedTuple

import numpy as np

from dnnlib import cli, util
from dnnlib.run.heartbeat import Heartbeat
from dnnlib.seeds import latents_of_seeds, noise_of_seed
from dnnlib.util import UserError
from generator import info, network_data, projections
from training import image_size, pretrained
from training.data import classes


class Settings(NamedTuple):
    """How a command draws pictures, and in which files it keeps them."""

    tf_config: dict  # `device` and `ops`, see `tflib.init_tf`
    precision: str = 'float32'  # or 'mixed'
    noise: str = 'const'  # of the layers: 'seed', 'const' or 'random'
    minibatch_size: int = 4  # pictures computed at a time; enough to keep a CPU busy, little memory
    truncation_psi: float = 1.0  # 0 = the average picture, 1 = no truncation; None = as is best, see `Drawer.psi_of`
    latents: str = None  # what Z is drawn from, see `dnnlib.latents`; None = as in the training of the network
    outputs: tuple = ('png',)  # kinds of files, see `writer.KINDS`
    dtype: str = 'uint8'  # of the pictures in npz files, or 'float32'
    all_sizes: bool = False  # draw the images of all sizes of MSG-GAN side by side?


class Drawer:
    """A generator, ready to draw.

    Args:
        Gs: Network, a generator with the components `mapping` and `synthesis`.
        precision: `float32` or `mixed`.
        noise: `seed`, `const` or `random`: where the noise of the layers comes from.
        minibatch_size: Pictures at a time.
        as_float: Return float32 [N, C, H, W] around [-1, 1] instead of bytes [N, H, W, C]?
        class_names: Names of the label columns, None = they have none.
    Attributes:
        Gs, mapping, synthesis: The networks.
        class_names: Names of the label columns, None = they have none.
        label_size: Number of label columns, 0 = unlabeled.
        dlatent_avg: [D] float32, mean of W; NaN if the network has none.
        has_mean: Has it one? Otherwise nothing can be truncated.
        num_layers: Layers that take a dlatent.
        image_shape: [C, H, W].
        prior: What latents are drawn from, see `dnnlib.latents`; as in the training, unless it is set.
    """

    def __init__(self, Gs, precision='float32', noise='const', minibatch_size=4, as_float=False, class_names=None):
        from dnnlib import tflib
        from dnnlib.tflib import precision as precisions
        check_style_based(Gs)
        self.Gs, self.mapping, self.synthesis = Gs, Gs.components.mapping, Gs.components.synthesis
        self.class_names, self.label_size = class_names, label_size_of(Gs)
        self.dlatent_avg = Gs.get_var('dlatent_avg')
        self.has_mean = bool(np.isfinite(self.dlatent_avg).all())
        self.num_layers = self.synthesis.input_shape[1]
        self.image_shape = Gs.output_shape[1:]
        self.prior = Gs.static_kwargs.get('latents', 'normal')
        self._tflib, self._noise, self._minibatch_size = tflib, noise, minibatch_size
        self._options, self.precision_text = precisions.synthesis_options(precision, Gs)
        self._options['randomize_noise'] = noise == 'random'
        if not as_float:
            self._options['output_transform'] = dict(func=tflib.convert_images_to_uint8, nchw_to_nhwc=True)
        self._noise_vars = {name: var for name, var in self.synthesis.vars.items() if name.startswith('noise')}

    def draw_all_sizes(self):
        """From now on draws the images of all sizes side by side, the smallest first, enlarged to the full size.

        Raises: UserError if the generator has one size, unlike those of MSG-GAN.
        """
        if 'all_sizes' not in self.Gs.option_names:
            raise UserError(f'--all-sizes: the generator {self.Gs.name} draws images of one size; drop the option')
        from dnnlib import tflib
        self._options.update(all_sizes=True, output_transform=dict(
            self._options.get('output_transform', {}), func=tflib.side_by_side))
        channels, height, width = self.image_shape
        self.image_shape = [channels, height, width * (image_size.parse([height, width]).num_levels - 1)]

    def latents(self, seeds):
        """Latents of a list of seeds, [N, latent_size] float64, see `latents_of_seeds`."""
        return latents_of_seeds(seeds, self.Gs.input_shape[1:], self.prior)

    def label(self, class_name):
        """Label of the classes that a user names, see `classes.parse_label`: [1, label_size]; None of None."""
        if class_name is None:
            return None
        return classes.parse_label(class_name, self.label_size, self.class_names)[np.newaxis]

    def generate(self, seeds, labels=None, **options):
        """Pictures of seeds by the whole network, as published.

        Args:
            seeds: List of ints.
            labels: [1, label_size], the same for all, or [N, label_size]; None = zeros.
            options: Of the generator, such as `truncation_psi`.
        Yields: One picture for each seed.
        Raises: UserError for truncation if the network has no mean of W.
        """
        self.check_psi(options.get('truncation_psi', 0.5))
        options = dict(self._options, **options)
        from_seed = self._noise == 'seed'
        step = 1 if from_seed else self._minibatch_size
        stored = self.stored_noise() if from_seed else {}
        for i in range(0, len(seeds), step):
            part = seeds[i:i + step]
            label = labels if labels is None or len(labels) == 1 else labels[i:i + step]
            label = label if label is None else np.broadcast_to(label, [len(part), label.shape[1]])
            try:
                if from_seed:
                    self._set_seed_noise(part[0])
                pictures = self.Gs.run(*inputs_of(self.Gs, self.latents(part), label), **options)
            finally:
                self.set_noise(stored)  # before anything is handed out, since the caller may not ask for more
            for picture in pictures:
                yield picture

    def _set_seed_noise(self, seed):
        """Sets the noise maps to those of the seed."""
        self._tflib.set_vars({self._noise_vars[name]: value for name, value in self.seed_noise(seed).items()})

    def seed_noise(self, seed):
        """Noise maps of a seed, by the names of their variables, float64."""
        maps = noise_of_seed(seed, self.Gs.input_shape[1:], [var.shape.as_list() for var in self._noise_vars.values()])
        return dict(zip(self._noise_vars, maps))

    def stored_noise(self):
        """Values of the noise maps, by the names of their variables."""
        return self._tflib.run(dict(self._noise_vars))

    def check_noise(self, arrays):
        """Raises UserError for maps that this network lacks, or of another shape."""
        known = {name: tuple(var.shape.as_list()) for name, var in self._noise_vars.items()}
        for name, array in arrays.items():
            if known.get(name) != np.shape(array):
                raise UserError(f'noise: the network has no {name} of shape {list(np.shape(array))}')

    def set_noise(self, arrays):
        """Sets those noise maps that a dictionary has, by the names of their variables, in the right shape."""
        noises = {var: arrays[name] for name, var in self._noise_vars.items()
                  if name in arrays and arrays[name].shape == tuple(var.shape.as_list())}
        if noises:
            self._tflib.set_vars(noises)

    def dlatents(self, latents, labels=None, truncation_psi=1.0):
        """Dlatents [N, layers, D] of latents [N, latent_size], all layers truncated."""
        if labels is not None:
            labels = np.broadcast_to(labels, [len(latents), labels.shape[1]])
        return self.truncate(self.mapping.run(*inputs_of(self.mapping, latents, labels), minibatch_size=256),
                             truncation_psi)

    def truncate(self, dlatents, truncation_psi):
        """Dlatents moved toward the mean of W (StyleGAN, appendix B).

        Raises: UserError if the network has no mean of W, unless psi is 1.
        """
        if not self.has_mean:
            self.check_psi(truncation_psi)
            return dlatents
        return self.dlatent_avg + (dlatents - self.dlatent_avg) * np.float32(truncation_psi)

    def check_psi(self, truncation_psi):
        """Raises UserError if the network cannot truncate so; 1 and None are no truncation."""
        if not self.has_mean and truncation_psi not in (None, 1):
            raise UserError(f'the network has no mean of W, so it cannot be truncated: psi must be 1, not '
                            f'{truncation_psi}')

    @staticmethod
    def psi_of(truncation_psi):
        """The strength of the truncation that was asked for; 0.5 if none was."""
        return 0.5 if truncation_psi is None else truncation_psi

    def preview_psi(self, truncation_psi):
        """A psi that nobody chose, or 1 if the network cannot truncate."""
        return truncation_psi if self.has_mean else 1

    def sources(self, sources, labels=None, truncation_psi=1.0):
        """Dlatents [N, layers, D] of seeds, which are truncated, and of files of projectors, which are not.

        Raises: UserError for a file with dlatents of another network.
        """
        found = []
        for source in sources:
            if isinstance(source, str):
                found.append(self.first(source))
            else:
                found.append(self.dlatents(self.latents([source]), labels, truncation_psi))
        return np.concatenate(found)

    def first(self, path):
        """Dlatents [1, layers, D] of a file, see `projections.load`; a line says so if it holds more than those."""
        found = self.fit(path, projections.load(path)['dlatents'])
        if len(found) > 1:
            print(f'{path} holds dlatents of {len(found)} pictures; the first one is used')
        return found[:1]

    def fit(self, title, dlatents):
        """Dlatents of a file as [N, layers, D] of this network: see `projections.fit`."""
        return projections.fit(title, dlatents, self.synthesis.input_shape[1:])

    def check_layers(self, option, layers):
        """Raises UserError if a list of layer numbers names one that the network lacks."""
        if max(layers) >= self.num_layers:
            raise UserError(f'{option} names layer {max(layers)}, but the network has layers 0 to '
                            f'{self.num_layers - 1}')

    def pictures(self, dlatents):
        """Pictures of dlatents [N, layers, D]: uint8 [N, H, W, C], or float32 [N, C, H, W]."""
        return self.synthesis.run(dlatents, minibatch_size=self._minibatch_size, **self._options)


def label_size_of(network):
    """Number of label columns that a network takes: 0 if they have none, or if it has no such input."""
    return network.input_shapes[1][1] if len(network.input_shapes) > 1 else 0


def num_truncated(Gs):
    """Layers that a generator with W truncates by itself: all, or 8 of StyleGAN; 0 if it can't, or has no mean of W."""
    if 'truncation_cutoff' not in Gs.option_names:
        return 0
    num_layers, cutoff = Gs.components.synthesis.input_shape[1], Gs.option('truncation_cutoff')
    if not np.isfinite(Gs.get_var('dlatent_avg')).all():
        return 0
    if cutoff is None:
        return 0 if Gs.func_name == 'G_style' else num_layers
    return min(max(int(cutoff), 0), num_layers)


def inputs_of(network, latents, labels):
    """The inputs of a generator or its mapping network, which may take no labels: list for `Network.run`."""
    return [latents, labels][:len(network.input_shapes)]


def check_style_based(Gs):
    """Raises UserError if a generator lacks the networks `mapping` and `synthesis`, so that it has no W."""
    missing = [name for name in ('mapping', 'synthesis') if name not in Gs.components]
    if missing:
        raise UserError(f'the generator {Gs.name} has no network {" and ".join(missing)}; only generators with these, '
                        'as those of StyleGAN, can be drawn')


def load(network_pkl, settings, only_to_run=True):
    """Starts TensorFlow, loads the generator of a file and says so.

    Args:
        network_pkl: pretrained.NetworkFile.
        settings: Settings.
        only_to_run: See `pretrained.load_generator`; False for who has random operations of TensorFlow with a seed.
    Returns: Drawer, which knows the names of the classes from the `classes.json` beside the file.
    Raises: UserError if the file holds no generator or `classes.json` is something else; OSError if the file cannot be
        read or fetched.
    """
    return make_drawer(load_network(network_pkl, settings, only_to_run), network_pkl, settings)


def load_network(network_pkl, settings, only_to_run=True):
    """The first half of `load`: the generator."""
    cli.load_tensorflow().init_tf(settings.tf_config, verbose=True)
    print(f'Loading networks from {util.public_url(network_pkl.name)} ...')
    with Heartbeat(lambda: 'Building the generator; large ones take up to a minute...', first=3):
        return pretrained.load_generator(network_pkl, only_to_run)


def make_drawer(Gs, network_pkl, settings):
    """The second half: the Drawer of a generator."""
    drawer = Drawer(Gs, settings.precision, settings.noise, settings.minibatch_size, settings.dtype == 'float32',
                    classes.load_names(network_pkl.folder, label_size_of(Gs)))
    drawer.prior = settings.latents or drawer.prior
    if settings.precision != 'float32':
        print(f'Precision: {drawer.precision_text}')
    return drawer


def chosen_label(drawer, class_name):
    """`drawer.label`; if the network has classes and none is named, a line says which there are."""
    if class_name is None and drawer.label_size > 0:
        print(f'The network has classes; --class chooses one: {classes.choice(drawer.label_size, drawer.class_names)}')
    return drawer.label(class_name)


def check_class(class_name, network_pkl):
    """Raises UserError if the generator of a file has no such class; it is not built, so TensorFlow is not needed.

    Files without a generator are left to `load`.
    """
    data = info.read_file(network_pkl)
    try:
        contents = pretrained.read_contents(data)
        generator = contents.networks[pretrained.name_of_generator(contents)]
    except UserError:
        return
    label_size = network_data.options_of(generator.state or {}).get('label_size', 0)
    classes.parse_label(class_name, label_size, classes.load_names(network_pkl.folder, label_size))
