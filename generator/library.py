"""A generator for use from Python, `stylegan2.Generator`: any thread, any number of them, wrong input named."""

import contextlib
import gc
import os
import threading

import numpy as np

from dnnlib import cli, images, util
from dnnlib import latents as priors
from dnnlib.util import UserError
from generator import arguments, drawing, plain
from training import pretrained
from training.data import classes

NOISES, OUTPUTS = ('seed', 'const', 'random'), ('uint8', 'float32', 'pil')
_loading = threading.Lock()  # TensorFlow and the native operations are loaded once per process


class Generator:
    """A trained generator with a TensorFlow graph and session of its own: any number can be open at the same time.

    Every method can be called from any thread; calls of several threads at once wait for each other. As a context
    manager it is closed at the end. All methods raise UserError for wrong arguments, and after `close`.

    Args:
        network: Path, URL or published name, such as `cats64` (shipped) or `ffhq-config-f` (fetched once), or a run
            directory, for its newest network.
        device: `auto` (a GPU if there is one), `cpu` or `gpu:N`; TensorFlow can't use different GPUs in one process.
        ops: `auto`, `ref` or `native` operations.
    Attributes:
        name: The network as given, str.
        class_names: Names of the label columns, list of str; None = they have none.
        image_shape: [height, width, channels] of the pictures.
        latent_size: Dimensions of Z.
        label_size: Number of label columns, 0 = unlabeled.
        num_layers: Layers that take a dlatent; 0 of a generator without W, such as BigGAN's.
        num_truncated: Layers that are truncated unless a cutoff is given: all, or 8 of StyleGAN; 0 = it can't truncate.
    Raises: UserError if there is no such network, device or kind of operations, or the file is something else; OSError
        if it cannot be read or fetched.
    """

    def __init__(self, network, device='auto', ops='auto'):
        if not isinstance(network, (str, os.PathLike)) or not isinstance(device, str):
            raise UserError(f'expected the path, URL or name of a network and the name of a device, not {network!r} '
                            f'and {device!r}')
        file = pretrained.resolve(os.fspath(network))
        pretrained.check_network_file(file)
        self.name, self._lock, self._drawers = util.public_url(file.name), threading.RLock(), {}
        with _loading:
            tflib = cli.load_tensorflow()
            import tensorflow.compat.v1 as tf
            self._graph = tf.Graph()
            with self._graph.as_default():
                self._session = tflib.create_session({'device': device, 'ops': ops})
                try:
                    with self._session.as_default():
                        self._network = pretrained.load_generator(file)
                        self._settings = _Settings(tf, tflib)
                        tflib.run(self._settings.initializer)
                    shape = self._network.output_shape[1:]
                    self.image_shape = [shape[1], shape[2], shape[0]]
                    self.latent_size = self._network.input_shape[1]
                    self.label_size, self.num_layers = drawing.label_size_of(self._network), 0
                    self.num_truncated = 0
                    if 'mapping' in self._network.components:
                        drawing.check_style_based(self._network)
                        with self._session.as_default():
                            self.num_truncated = drawing.num_truncated(self._network)
                        self.num_layers = self._network.components.synthesis.input_shape[1]
                    else:
                        plain.check(self._network)
                    self.class_names = classes.load_names(file.folder, self.label_size)
                except BaseException:
                    self.close()
                    raise

    def __repr__(self):
        if self._session is None:
            return f'<Generator {self.name!r}, closed>'
        height, width, channels = self.image_shape
        labels = f'{self.label_size} classes' if self.label_size else 'unlabeled'
        layers = f'{self.num_layers} layers' if self.num_layers else 'without W'
        return f'<Generator {self.name!r}: {height}x{width}x{channels}, {layers}, {labels}>'

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def close(self):
        """Closes the session and gives its memory back; waits for a call of another thread. May be called again."""
        with self._lock:
            if self._session is None:
                return
            self._session.close()
            from dnnlib.tflib import graphs
            graphs.forget_graph(self._graph)
            self._session = self._graph = self._network = self._settings = None
            self._drawers.clear()
        gc.collect()  # a graph refers to itself

    @contextlib.contextmanager
    def as_default(self):
        """Context manager for what is not here: graph and session are the default ones of this thread; others wait.

        Yields: The network, `dnnlib.tflib.Network`, with its variables, sub-networks, `run` and `get_output_for`.
        """
        with self._lock:
            if self._session is None:
                raise UserError(f'the generator {self.name!r} is closed; load it again')
            with self._graph.as_default(), self._session.as_default():
                yield self._network

    def generate(self, seeds, class_name=None, truncation_psi=None, noise='seed', output='uint8',
                 truncation_cutoff=None, latents=None):
        """Draws one picture per seed, the same ones as `run_generator.py generate-images`.

        Args:
            seeds: Whole numbers from 0 to 2^32 - 1, at least one: list, tuple, range or array.
            class_name: Name or number of the class, None = labels are zero.
            truncation_psi: 0 = the average picture, 1 = no truncation; None = 0.5, or 1 of a generator without W.
            noise: `seed` = from the seed, `const` = the one stored in the network, `random` = new each time.
            output: `uint8`, `float32` or `pil`.
            truncation_cutoff: Truncate only the layers below this number; None = as many as the network does by
                itself, which is all, or 8 of StyleGAN.
            latents: What Z is drawn from, such as `truncated:0.5`, see `dnnlib.latents`; None = as in the training.
        Returns: uint8 [N, height, width, channels]; float32 [N, channels, height, width] around [-1, 1]; or a list of
            N pictures of Pillow.
        """
        seeds = arguments.seeds(seeds)
        psi, cutoff = self._psi(truncation_psi), self._cutoff(truncation_cutoff)
        if latents is not None:
            priors.parse(latents)
        with self.as_default():
            drawer = self._drawer(noise, output)
            label = drawer.label(arguments.text(class_name))
            drawer.prior = latents or self._network.static_kwargs.get('latents', 'normal')
            if not self.num_layers:
                return _output(np.stack(list(drawer.generate(seeds, label))), output)
            drawer.check_psi(psi)
            truncation = self._settings.feed(psi, cutoff)
            return _output(np.stack(list(drawer.generate(seeds, label, **truncation))), output)

    def dlatents(self, seeds, class_name=None, truncation_psi=0.5, truncation_cutoff=None):
        """Dlatents of seeds, float32 [N, layers, D]; arguments as in `generate`, but without a cutoff all layers are
        truncated, whatever the network."""
        self._check_styles()
        seeds = arguments.seeds(seeds)
        psi, cutoff = arguments.psi(truncation_psi), self._cutoff(truncation_cutoff)
        with self.as_default():
            drawer = self._drawer()
            drawer.check_psi(psi)
            dlatents = drawer.dlatents(drawer.latents(seeds), drawer.label(arguments.text(class_name)))
            dlatents[:, :cutoff] = drawer.truncate(dlatents[:, :cutoff], psi)
            return dlatents

    def truncate(self, dlatents, truncation_psi, truncation_cutoff=None):
        """Dlatents [N, layers, D] moved toward the mean of W, as those of `dlatents`; all layers without a cutoff."""
        psi, cutoff = arguments.psi(truncation_psi), self._cutoff(truncation_cutoff)
        with self.as_default():
            drawer = self._drawer()
            drawer.check_psi(psi)
            moved = np.array(dlatents, np.float32)
            moved[:, :cutoff] = drawer.truncate(moved[:, :cutoff], psi)
            return moved

    def noise(self, seed=None):
        """Noise maps of the layers, {name: float32 [1, 1, H, W]}: those of a seed, or those stored in the network."""
        with self.as_default():
            drawer = self._drawer()
            return drawer.stored_noise() if seed is None else drawer.seed_noise(arguments.seeds([seed])[0])

    def draw(self, dlatents, output='uint8', noise=None, truncation_psi=None):
        """Draws dlatents, such as those of `dlatents` or of a projection.

        Args:
            dlatents: [N, layers, D], N at least 1, finite; arrays of other projectors, [layers, D] or [N, D], are
                taken as well, see `projections.fit`.
            output: As in `generate`.
            noise: Noise maps of the layers as `noise` returns them, the same for all N; what is not in it, and None =
                the stored ones.
            truncation_psi: None = as they are; with 1 the same pictures as `run_generator.py generate-images
                --dlatents`, which truncates, too.
        Returns: As `generate`.
        """
        self._check_styles()
        try:
            dlatents = np.asarray(dlatents, np.float32)
        except (TypeError, ValueError):
            raise UserError(f'dlatents must be an array of numbers, not {arguments.short(dlatents)}') from None
        with self.as_default():
            drawer = self._drawer(output=output)
            dlatents = drawer.fit('draw', dlatents)
            if not len(dlatents) or not np.isfinite(dlatents).all():
                raise UserError('draw: dlatents must be at least one picture and finite, without NaN')
            if truncation_psi is not None:
                dlatents = drawer.truncate(dlatents, arguments.psi(truncation_psi))
            if noise is None:
                return _output(drawer.pictures(dlatents), output)
            stored = drawer.stored_noise()
            drawer.check_noise(noise)
            try:
                drawer.set_noise(noise)
                return _output(drawer.pictures(dlatents), output)
            finally:
                drawer.set_noise(stored)

    def _drawer(self, noise='const', output='uint8'):
        for name, value, known in (('noise', noise, NOISES), ('output', output, OUTPUTS)):
            if not isinstance(value, str) or value not in known:
                raise UserError(f'{name} must be {", ".join(map(repr, known[:-1]))} or {known[-1]!r}, '
                                f'not {arguments.short(value)}')
        key = noise, output == 'float32'
        if key not in self._drawers:
            self._drawers[key] = drawing.Drawer(
                self._network, noise=noise, as_float=key[1], class_names=self.class_names) if self.num_layers else (
                    plain.PlainDrawer(self._network, drawing.Settings(
                        {}, dtype='float32' if key[1] else 'uint8'), self.class_names))
        return self._drawers[key]

    def _check_styles(self):
        if not self.num_layers:
            raise UserError(f'the generator {self.name!r} has no W; it draws seeds alone')

    def _psi(self, value):
        """The strength of the truncation that is meant."""
        if value is None:
            return 0.5 if self.num_layers else 1.0
        psi = arguments.psi(value)
        if psi != 1 and not self.num_layers:
            raise UserError(f'truncation_psi={psi:g}: this generator has no W to truncate in; truncate its latents by '
                            "latents='truncated:0.5' or so")
        return psi

    def _cutoff(self, value):
        if value is None:
            return None
        if not arguments.is_whole(value) or not 0 <= value <= self.num_layers:
            raise UserError(f'truncation_cutoff must be a number of layers from 0 to {self.num_layers}, or None, not '
                            f'{arguments.short(value)}')
        return int(value)


class _Settings:
    """Truncation in variables of the default graph, so that changing it builds nothing."""

    def __init__(self, tf, tflib):
        self._tflib = tflib
        with tf.variable_scope('Truncation'):
            self._psi = tf.Variable(1.0, trainable=False, name='psi')
            self._cutoff = tf.Variable(np.int64(0), trainable=False, name='cutoff')
        self._tensors = tf.identity(self._psi), tf.identity(self._cutoff)
        self.initializer = [self._psi.initializer, self._cutoff.initializer]

    def feed(self, psi, cutoff):
        """Sets both; returns the options of the generator that read them. 1 is exactly the graph without truncation."""
        if psi == 1:
            return dict(truncation_psi=1)
        self._tflib.set_vars({self._psi: psi, self._cutoff: cutoff or 0})
        options = dict(truncation_psi=self._tensors[0])
        return options if cutoff is None else dict(options, truncation_cutoff=self._tensors[1])


def _output(pictures, output):
    """Pictures as `generate` returns them."""
    if output != 'pil':
        return pictures
    return [images.convert_to_pil_image(picture.transpose(2, 0, 1), [0, 255]) for picture in pictures]
