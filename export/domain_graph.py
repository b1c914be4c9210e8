"""A translator between domains as a graph with named inputs, for the formats that other programs run."""

import collections

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib, util
from dnnlib.util import UserError
from export import graph as export_graph
from training import pretrained
from training.blocks import landmarks
from translator import domains

STYLES = ('z', 'w', 'reference')  # what says how a translation should look


class DomainGraph(export_graph.GeneratorGraph):
    """The translator between domains of a file in a graph and a session of its own, of TensorFlow's own operations.

    Inputs are `image`, of float32 around [-1, 1], and for StarGAN `labels`; for StarGAN v2 latents `z` or a picture
    `reference`, and `domain`, with a 1 in the place of the domain; or a `style` alone. Masks, of networks with masks,
    are made in the graph.

    Args:
        network_pkl: pretrained.NetworkFile.
        input: Of StarGAN v2: one of STYLES; `w` = a style. None = z.
        images: `nchw` or `nhwc`: inputs and outputs are float32 around [-1, 1]; `uint8`: outputs are bytes
            [N, H, W, C], inputs as with `nhwc`.
    Attributes: As GeneratorGraph.
    Raises: UserError for a file without such networks, or an input that they don't take; OSError as
        `pretrained.load_file`.
    """

    is_random = False

    def __init__(self, network_pkl, input=None, images='nchw'):
        kind = domains.read_kind(network_pkl)
        if kind.method == 'stargan' and input is not None:
            raise UserError(f'--input={input} does not apply: StarGAN is told labels; drop it')
        self._images, self._zeros, self.graph = images, [], tf.Graph()
        with self.graph.as_default():
            self.session = tflib.create_session({'device': 'cpu', 'ops': 'ref'})
            with self.session.as_default():
                print(f'Loading networks from {util.public_url(network_pkl.name)} ...')
                found = pretrained.load_file(network_pkl, list(kind.networks.values())).networks
                self._networks = {role: found[name] for role, name in kind.networks.items()}
                self.inputs = collections.OrderedDict()
                self._add_picture('image', kind.shape)
                if kind.method == 'stargan':
                    self._add('labels', self._networks['G'].input_shapes[1][1:])
                elif input == 'w':
                    self._add('style', self._networks['G'].input_shapes[1][1:])
                else:
                    if input == 'reference':
                        self._add_picture('reference', kind.shape)
                    else:
                        self._add('z', self._networks['F'].input_shapes[0][1:])
                    self._add('domain', self._networks['F'].input_shapes[1][1:])
                self.images = self._build()

    def _add(self, name, shape):
        self.inputs[name] = tf.placeholder(tf.float32, [None] + list(shape), name=name)

    def _add_picture(self, name, shape):
        self._add(name, shape if self._images == 'nchw' else shape[1:] + shape[:1])

    def _picture(self, name):
        x = self.inputs[name]
        return x if self._images == 'nchw' else tf.transpose(x, [0, 3, 1, 2])

    def _style(self):
        """What the generator is told."""
        for name in ('labels', 'style'):
            if name in self.inputs:
                return self.inputs[name]
        if 'reference' in self.inputs:
            return self._networks['E'].get_output_for(self._picture('reference'), self.inputs['domain'])
        return self._networks['F'].get_output_for(self.inputs['z'], self.inputs['domain'])

    def _build(self):
        """Another graph of the networks in the layout of the default graph; returns the images."""
        x, given = self._picture('image'), [self._style()]
        if 'H' in self._networks:
            maps = self._networks['H'].get_output_for(x, resolution=x.shape.as_list()[2:], return_as_list=True)
            given.append(landmarks.masks_of(*maps))
        y = self._networks['G'].get_output_for(x, *given)
        if self._images == 'uint8':
            y = tflib.convert_images_to_uint8(y, nchw_to_nhwc=True)
        elif self._images == 'nhwc':
            y = tf.transpose(y, [0, 2, 3, 1])
        return tf.identity(y, name=export_graph.OUTPUT)

    def draw_inputs(self, seed, count):
        """Random values of the inputs, each of its kind: dictionary of float32 arrays by name."""
        rnd, values = np.random.RandomState(seed), collections.OrderedDict()
        for name, placeholder in self.inputs.items():
            shape = [count] + placeholder.shape.as_list()[1:]
            if name in ('labels', 'domain'):
                values[name] = np.eye(shape[1], dtype=np.float32)[rnd.randint(shape[1], size=count)]
            else:
                values[name] = np.float32(rnd.uniform(-1, 1, shape) if len(shape) == 4 else rnd.randn(*shape))
        return values
