"""A network that translates images as a graph with named inputs, for the formats that other programs run."""

import collections

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib, util
from dnnlib.util import UserError
from export import domain_graph
from export import graph as export_graph
from training import pretrained
from translator import domains, networks

INPUT = 'image'


class TranslatorGraph(export_graph.GeneratorGraph):
    """The translator of a file in a graph and a session of its own, of TensorFlow's own operations in float32.

    Args:
        network_pkl: pretrained.NetworkFile.
        direction: See `networks.choose`.
        resolution: Side of the images, or (height, width); None = as the network was made for.
        evaluate: Statistics that training stored, no dropout?
        noise: `random` = new in every image, `none`; of networks that have any.
        images: `nchw` or `nhwc`: inputs and outputs are float32 around [-1, 1]; `uint8`: outputs are bytes
            [N, H, W, C], inputs as with `nhwc`.
    Attributes: As GeneratorGraph; the input is called `image`.
    Raises: UserError for a file without such a network, or one with dropout, whose results no other program repeats;
        OSError as `pretrained.load_file`.
    """

    def __init__(self, network_pkl, direction=None, resolution=None, evaluate=False, noise=None, images='nchw'):
        mode = networks.Mode(evaluate=evaluate)
        kind = networks.read_kind(networks.Files(network_pkl, direction), mode)
        if kind.has_dropout(mode):
            raise UserError(f'{network_pkl.name}: the network {kind.name} has dropout, which is random, as in the '
                            'published test; --eval exports it without, and with the statistics that training stored')
        has_noise = bool(kind.options.get('use_noise'))
        if noise not in (None, 'random', 'none') or noise is not None and not has_noise:
            raise UserError(f'--noise={noise} does not apply: the network {kind.name} ' + (
                'has random noise or none' if has_noise else 'has no noise'))
        if resolution is not None and kind.fixed is not None:
            raise UserError(f'--resolution: the network {kind.name} takes {kind.fixed[1]}x{kind.fixed[0]} pixels alone')
        self.is_random = has_noise and noise != 'none'
        options = dict(kind.run_options(mode), **({'use_noise': False} if has_noise and noise == 'none' else {}))
        side = resolution or kind.options.get('resolution', 256)
        self._call = dict(options, resolution=list(side) if isinstance(side, (list, tuple)) else [side, side])
        self._images, self._zeros, self.graph = images, [], tf.Graph()
        with self.graph.as_default():
            self.session = tflib.create_session({'device': 'cpu', 'ops': 'ref'})
            with self.session.as_default():
                print(f'Loading networks from {util.public_url(network_pkl.name)} ...')
                self._network = pretrained.load_file(network_pkl, [kind.name]).networks[kind.name]
                shape = [None, kind.channels] + self._call['resolution']
                shape = shape if images == 'nchw' else [None] + shape[2:] + shape[1:2]
                self.inputs = collections.OrderedDict([(INPUT, tf.placeholder(tf.float32, shape, name=INPUT))])
                self.images = self._build()

    def _build(self):
        """Another graph of the network in the layout of the default graph; returns the images."""
        x = self.inputs[INPUT]
        x = x if self._images == 'nchw' else tf.transpose(x, [0, 3, 1, 2])
        y = self._network.get_output_for(x, return_as_list=True, **self._call)[0]
        if self._images == 'uint8':
            y = tflib.convert_images_to_uint8(y, nchw_to_nhwc=True)
        elif self._images == 'nhwc':
            y = tf.transpose(y, [0, 2, 3, 1])
        return tf.identity(y, name=export_graph.OUTPUT)

    def draw_inputs(self, seed, count):
        """Random images: dictionary of the input's float32 array."""
        shape = [count] + self.inputs[INPUT].shape.as_list()[1:]
        return {INPUT: np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)}


def open_graph(network_pkl, options):
    """The graph of what a file holds: DomainGraph, TranslatorGraph, or GeneratorGraph.

    Args:
        network_pkl: pretrained.NetworkFile.
        options: Keyword arguments of one of them.
    Raises: UserError for options of the others, and as all of them.
    """
    if domains.holds_domains(network_pkl):
        kind, known, does = domain_graph.DomainGraph, ('input', 'images'), 'translates pictures to domains'
    elif networks.holds_translator(network_pkl):
        kind, known = TranslatorGraph, ('direction', 'resolution', 'evaluate', 'noise', 'images')
        does = 'translates pictures'
    else:
        kind, known = export_graph.GeneratorGraph, ('input', 'noise', 'truncation_psi', 'images')
        does = 'draws pictures from latents'
        if options.get('input') == 'reference':
            raise UserError('--input=reference does not apply to a network that draws pictures from latents')
    for name in sorted(set(options) - set(known)):
        option = {'evaluate': 'eval'}.get(name, name.replace('_', '-'))
        raise UserError(f'--{option} does not apply to a network that {does}')
    return kind(network_pkl, **options)
