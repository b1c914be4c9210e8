"""Drawing with a trained generator: latents of seeds, dlatents of latents and files, pictures of dlatents."""

import os

import numpy as np

from dnnlib import cli, util
from dnnlib.util import UserError
from generator import info
from projector import results
from training import pretrained
from training.data import classes


class Drawer:
    """A generator, ready to draw.

    Args:
        Gs: Network, a generator with the components `mapping` and `synthesis`.
        precision: `float32` or `mixed`.
        noise: `seed`, `const` or `random`: where the noise of the layers comes from.
        minibatch_size: Pictures at a time.
        as_float: Make float32 [N, C, H, W] around [-1, 1] instead of bytes [N, H, W, C]?
    Attributes:
        Gs, mapping, synthesis: The networks.
        dlatent_avg: [D] float32, mean of W.
        num_layers: Layers that take a dlatent.
        image_shape: [C, H, W].
    """

    def __init__(self, Gs, precision='float32', noise='const', minibatch_size=4, as_float=False):
        from dnnlib import tflib
        from dnnlib.tflib import precision as precisions
        self.Gs, self.mapping, self.synthesis = Gs, Gs.components.mapping, Gs.components.synthesis
        self.dlatent_avg = Gs.get_var('dlatent_avg')
        self.num_layers = self.synthesis.input_shape[1]
        self.image_shape = Gs.output_shape[1:]
        self._tflib, self._noise, self._minibatch_size = tflib, noise, minibatch_size
        self._options, self.precision_text = precisions.synthesis_options(precision, Gs)
        self._options['randomize_noise'] = noise == 'random'
        if not as_float:
            self._options['output_transform'] = dict(func=tflib.convert_images_to_uint8, nchw_to_nhwc=True)
        self._noise_vars = {name: var for name, var in self.synthesis.vars.items() if name.startswith('noise')}

    def latents(self, seeds):
        """Latents of seeds as published, [N, latent_size] float64: each from its own `RandomState(seed)`."""
        return np.concatenate([np.random.RandomState(seed).randn(1, *self.Gs.input_shape[1:]) for seed in seeds])

    def generate(self, seeds, labels=None, **options):
        """Pictures of seeds by the whole network, as published.

        Args:
            seeds: List of ints.
            labels: [1, label_size], the same for all, or [N, label_size]; None = zeros.
            options: Of the generator, such as `truncation_psi`.
        Yields: One picture for each seed.
        """
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
                pictures = self.Gs.run(self.latents(part), label, **options)
            finally:
                self.set_noise(stored)  # before anything is handed out, since the caller may not ask for more
            for picture in pictures:
                yield picture

    def _set_seed_noise(self, seed):
        """Noise maps from the seed, after its latents, in the published order."""
        rnd = np.random.RandomState(seed)
        rnd.randn(1, *self.Gs.input_shape[1:])
        self._tflib.set_vars({var: rnd.randn(*var.shape.as_list()) for var in self._noise_vars.values()})

    def stored_noise(self):
        """Values of the noise maps, by the names of their variables."""
        return {name: self._tflib.run(var) for name, var in self._noise_vars.items()}

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
        return self.truncate(self.mapping.run(latents, labels, minibatch_size=256), truncation_psi)

    def truncate(self, dlatents, truncation_psi):
        """Dlatents moved towards the mean of W (StyleGAN, appendix B)."""
        return self.dlatent_avg + (dlatents - self.dlatent_avg) * np.float32(truncation_psi)

    def sources(self, sources, labels=None, truncation_psi=1.0):
        """Dlatents [N, layers, D] of seeds, which are truncated, and of files of the projector, which are not.

        Raises: UserError for a file with dlatents of another network.
        """
        found = []
        for source in sources:
            if isinstance(source, str):
                found.append(results.load_projection(source)['dlatents'][:1])
                self.check(source, found[-1])
            else:
                found.append(self.dlatents(self.latents([source]), labels, truncation_psi))
        return np.concatenate(found)

    def check(self, path, dlatents):
        """Raises UserError if dlatents [N, layers, D] of a file are not those of the network."""
        if list(dlatents.shape[1:]) != self.synthesis.input_shape[1:]:
            raise UserError('{}: dlatents of shape {}, but those of the network are {}'.format(
                path, list(dlatents.shape[1:]), self.synthesis.input_shape[1:]))

    def check_layers(self, option, layers):
        """Raises UserError if a list of layer numbers names one that the network lacks."""
        if max(layers) >= self.num_layers:
            raise UserError('{} names layer {}, but the network has layers 0 to {}'.format(
                option, max(layers), self.num_layers - 1))

    def pictures(self, dlatents):
        """Pictures of dlatents [N, layers, D]: uint8 [N, H, W, C], or float32 [N, C, H, W]."""
        return self.synthesis.run(dlatents, minibatch_size=self._minibatch_size, **self._options)


def load(network_pkl, tf_config, precision='float32', noise='const', minibatch_size=4, dtype='uint8'):
    """Starts TensorFlow, loads the generator of a file and says so.

    Args:
        network_pkl: Path, URL or published name of the network file.
        tf_config: `device` and `ops`, as in `tflib.init_tf`.
        precision, noise, minibatch_size: See Drawer.
        dtype: `uint8` or `float32`.
    Returns: Drawer.
    """
    tflib = cli.load_tensorflow()
    tflib.init_tf(tf_config, verbose=True)
    print('Loading networks from {} ...'.format(util.public_url(network_pkl)))
    drawer = Drawer(pretrained.load_generator(network_pkl), precision, noise, minibatch_size, dtype == 'float32')
    if precision != 'float32':
        print('Precision: {}'.format(drawer.precision_text))
    return drawer


def labels(class_name, network_pkl, Gs):
    """Label of the class, float32 [1, label_size]; `None` = zero, after a hint if there are classes."""
    label_size = Gs.input_shapes[1][1]
    if class_name is not None:
        return _parse_label(class_name, network_pkl, label_size)[np.newaxis]
    names = classes.load_names(os.path.dirname(network_pkl), label_size)
    if label_size > 0:
        print('The network has classes; --class chooses one: {}'.format(
            ', '.join(names) if names else '0 to {}'.format(label_size - 1)))
    return None


def check_class(class_name, network_pkl):
    """Raises UserError if the generator of a file has no such class; it is not built, so TensorFlow is not needed.

    Files that do not hold networks are left to `load`.
    """
    networks = info.find_networks(pretrained.read_states(info.read_file(network_pkl)))
    if networks:
        _parse_label(class_name, network_pkl, networks[-1][1].get('static_kwargs', {}).get('label_size', 0))


def _parse_label(class_name, network_pkl, label_size):
    return classes.parse_label(class_name, label_size, classes.load_names(os.path.dirname(network_pkl), label_size))
