"""A generator as a graph with named inputs, for the formats that other programs run: SavedModel, ONNX and so on."""

import collections
import re
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib, util
from dnnlib.tflib import layout
from dnnlib.util import UserError
from export import fold as export_fold
from training import pretrained
from training.blocks import styles
from training.networks import fitting

OUTPUT = 'images'
_NOISE_INPUT = re.compile(r'noise[0-9]+\Z')
_NOISE_STRENGTH = re.compile(r'(.*/)?noise_strength\Z|(.*/)?Noise/weight\Z')  # of the two generations


class _Options(NamedTuple):
    """How the graph is built; see GeneratorGraph."""

    input: str  # 'z' or 'w'
    noise: str  # 'const', 'input', 'random' or 'none'
    truncation_psi: object  # number or 'input'
    images: str  # 'nchw', 'nhwc' or 'uint8'


class GeneratorGraph:
    """The generator of a file in a graph and a session of its own, built of TensorFlow's own operations in float32.

    Args:
        network_pkl: pretrained.NetworkFile.
        input: `z`: latents [N, latent_size], and labels [N, label_size] if there are any; `w`: dlatents [N, layers,
            dlatent_size].
        noise: `const` = the network's own; `input` = one more input [N or 1, 1, H, W] for every layer; `random` = new
            in every picture; `none`.
        truncation_psi: Number, or `input` = one more input, a scalar. Dlatents that are the input are truncated in all
            layers, those of latents as the network has it.
        images: `nchw` or `nhwc`: float32 around [-1, 1]; `uint8`: bytes [N, H, W, C].
    Attributes:
        inputs: Placeholders by name: `z` and `labels`, or `w`; `truncation_psi`; `noise0`, `noise1` and so on.
        images: The output.
        is_random: Is there noise that is new in every picture?
    Raises: UserError or OSError as `pretrained.load_generator`.
    """

    def __init__(self, network_pkl, input='z', noise='const', truncation_psi=1.0, images='nchw'):
        self._options = _Options(input, noise, truncation_psi, images)
        self.is_random = noise == 'random'
        self.inputs = collections.OrderedDict()
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.session = tflib.create_session({'device': 'cpu', 'ops': 'ref'})
            with self.session.as_default():
                print(f'Loading networks from {util.public_url(network_pkl.name)} ...')
                self._Gs = pretrained.load_generator(network_pkl)
                self._has_styles = 'synthesis' in self._Gs.components
                if not self._has_styles:
                    self._check_plain(network_pkl.name)
                elif truncation_psi != 1 and not fitting.has_mean(self._Gs):
                    raise UserError(f'{network_pkl.name}: the network has no mean of W, so it cannot be truncated; '
                                    'leave out --truncation-psi')
                self._zeros = []
                self._noises = {}
                self._add_inputs()
                self.images = self._build()
                depends_on = self._graph_def(self.images)
        used = {node.name for node in depends_on.node}
        if truncation_psi == 'input' and 'truncation_psi' not in used:
            raise UserError(f'{network_pkl.name}: this network never truncates; leave out --truncation-psi=input')

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.session.close()

    def _check_plain(self, name):
        """Raises UserError if something is asked for that a generator without W and noise, `name`, has not."""
        for option, value, usual in (('input', self._options.input, 'z'), ('noise', self._options.noise, 'const'),
                                     ('truncation-psi', self._options.truncation_psi, 1)):
            if value != usual:
                raise UserError(f'{name}: its generator has no W and no noise, as those of StyleGAN; leave out '
                                f'--{option}')

    def _add_inputs(self):
        """Placeholders, in the order of the inputs."""
        input, noise, psi, _ = self._options
        network = self._Gs if input == 'z' else self._Gs.components.synthesis
        names = ['z', 'labels'] if input == 'z' else ['w']
        for name, shape in zip(names, network.input_shapes):
            if shape[-1] > 0:
                self._add_input(name, shape)
        if psi == 'input':
            self._add_input('truncation_psi', [])
        for name, var in self._Gs.components.synthesis.vars.items() if noise == 'input' else ():
            if _NOISE_INPUT.match(name):
                self._noises[name] = self._add_input(name, [None] + var.shape.as_list()[1:])

    def _add_input(self, name, shape):
        self.inputs[name] = tf.placeholder(tf.float32, shape, name=name)
        return self.inputs[name]

    def _build(self):
        """Another graph of the generator in the layout of the default graph; returns the images."""
        input, noise, psi, images = self._options
        psi = self.inputs.get('truncation_psi', psi)
        synthesis = self._Gs.components.get('synthesis', self._Gs)
        with tf.variable_scope(tf.get_variable_scope(), custom_getter=self._get_variable):
            if not self._has_styles:
                y = self._Gs.get_output_for(self.inputs['z'], self.inputs.get('labels'), **self._synthesis_options(
                    self._Gs))
            elif input == 'z':
                options = dict(self._synthesis_options(self._Gs), randomize_noise=noise == 'random', truncation_psi=psi)
                y = self._Gs.get_output_for(self.inputs['z'], self.inputs.get('labels'), **options)
            else:
                dlatents = self.inputs['w']
                if 'truncation_psi' in self.inputs or psi != 1:
                    dlatents = styles.truncate(dlatents, self._Gs.find_var('dlatent_avg'), psi)
                y = synthesis.get_output_for(
                    dlatents, randomize_noise=noise == 'random', **self._synthesis_options(synthesis))
        if images == 'uint8':
            y = tflib.convert_images_to_uint8(y, nchw_to_nhwc=True, **fitting.rounding(self._Gs))
        elif images == 'nhwc':
            y = tf.transpose(y, [0, 2, 3, 1])
        return tf.identity(y, name=OUTPUT)

    def _synthesis_options(self, network):
        """Options for one simple graph: float32, no grouped convolutions, only as much of growing as is needed."""
        known = self._Gs.components.get('synthesis', self._Gs).option_names
        options = dict(dtype='float32', num_fp16_res=0, fused_modconv=False)
        if 'lod' in network.own_vars:
            options['structure'] = 'fixed' if network.get_var('lod') == 0 else 'linear'
        return {name: value for name, value in options.items() if name in known}

    def _get_variable(self, getter, name, *args, **kwargs):
        """Custom getter of variables: noise maps that are inputs, and strengths of noise that is left out."""
        var = getter(name, *args, **kwargs)
        if self._options.noise == 'none' and _NOISE_STRENGTH.match(name):
            self._zeros.append(tf.zeros(var.shape))
            return self._zeros[-1]
        return self._noises.get(name.split('/')[-1], var)

    def _graph_def(self, images):
        return export_fold.fold(images, self._zeros)

    def graph_def(self, data_format='NHWC'):
        """The graph without variables: GraphDef with nodes named as the inputs and `images`.

        Args:
            data_format: Layout of the feature maps; that of the output is another matter.
        """
        with self.graph.as_default(), self.session.as_default():
            if data_format == 'NHWC':
                return self._graph_def(self.images)
            layout.set_data_format(data_format)
            images = self._build()
            layout.set_data_format('NHWC')
            graph_def = self._graph_def(images)
        for node in graph_def.node:
            if node.name == images.op.name:
                node.name = OUTPUT
        return graph_def

    def draw_inputs(self, seed, count):
        """Random values of all inputs for `count` pictures: dictionary of float32 arrays by name."""
        rnd = np.random.RandomState(seed)
        values = {}
        for name, placeholder in self.inputs.items():
            shape = [count if size is None else size for size in placeholder.shape.as_list()]
            if name == 'labels':
                values[name] = np.eye(shape[1], dtype=np.float32)[rnd.randint(shape[1], size=count)]
            elif name == 'truncation_psi':
                values[name] = np.float32(rnd.uniform(0.3, 1))
            elif name == 'w':
                mean = self.session.run(self._Gs.vars['dlatent_avg'])
                values[name] = np.float32(np.nan_to_num(mean) + rnd.randn(*shape))
            else:
                values[name] = np.float32(rnd.randn(*shape))
        return values

    def run(self, values):
        """Pictures of values of the inputs, computed with the network as it was loaded."""
        return self.session.run(self.images, {self.inputs[name]: value for name, value in values.items()})
