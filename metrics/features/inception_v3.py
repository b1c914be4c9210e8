"""Inception-v3 as in the graph of 2015-12-05, which FID, KID and the inception score are defined with.

It differs from later ones: means of pooling leave out the padding, the last block pools by maximum, there are 1008
outputs, and images are scaled by TensorFlow 1's bilinear rule (Szegedy et al. 2016; Heusel et al. 2017).
"""

import tensorflow.compat.v1 as tf

from dnnlib.files import network_file, torch_file
from dnnlib.tflib import layout
from dnnlib.util import UserError
from metrics.features import network, weight_files

INPUT_SIZE = 299
EPSILON = 1e-3
VARIABLE = 'STYLEGAN2_INCEPTION'
_NVIDIA = 'https://nvlabs-fi-cdn.nvidia.com/stylegan/networks/metrics/'
CANDIDATES = [
    weight_files.Candidate('classify_image_graph_def.pb', archive='inception-2015-12-05.tgz'),
    weight_files.Candidate('pt_inception-2015-12-05-6726825d.pth', sha256='6726825d',
                           url='https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/'
                               'pt_inception-2015-12-05-6726825d.pth'),
    weight_files.Candidate('inception_v3_features.pkl', url=_NVIDIA + 'inception_v3_features.pkl'),
    weight_files.Candidate('inception_v3_softmax.pkl', url=_NVIDIA + 'inception_v3_softmax.pkl'),
]

# A layer: (name in the graph, name in the PyTorch file). A branch: layers one after another, the last of the branches
# that fork being a tuple.
_STEM = (('conv', 'Conv2d_1a_3x3', 2, 'VALID'), ('conv_1', 'Conv2d_2a_3x3', 1, 'VALID'),
         ('conv_2', 'Conv2d_2b_3x3', 1, 'SAME'), None, ('conv_3', 'Conv2d_3b_1x1', 1, 'VALID'),
         ('conv_4', 'Conv2d_4a_3x3', 1, 'VALID'), None)  # None = 3x3 maximum, step 2


def _chain(tower, torch_name, count):
    return [('{}/conv{}'.format(tower, '_%d' % i if i else ''), '{}_{}'.format(torch_name, i + 1))
            for i in range(count)]


_FIRST, _POOLED = [('conv', 'branch1x1')], [('tower_2/conv', 'branch_pool')]
_BLOCK_A = [_FIRST, _chain('tower', 'branch5x5', 2), _chain('tower_1', 'branch3x3dbl', 3)]
_BLOCK_B = [[('conv', 'branch3x3')], _chain('tower', 'branch3x3dbl', 3)]
_BLOCK_C = [_FIRST, _chain('tower', 'branch7x7', 3), _chain('tower_1', 'branch7x7dbl', 5)]
_BLOCK_D = [_chain('tower', 'branch3x3', 2), _chain('tower_1', 'branch7x7x3', 4)]
_BLOCK_E = [_FIRST,
            _chain('tower', 'branch3x3', 1) + [(('tower/mixed/conv', 'branch3x3_2a'),
                                                ('tower/mixed/conv_1', 'branch3x3_2b'))],
            _chain('tower_1', 'branch3x3dbl', 2) + [(('tower_1/mixed/conv', 'branch3x3dbl_3a'),
                                                     ('tower_1/mixed/conv_1', 'branch3x3dbl_3b'))]]
# Name in the graph, in the PyTorch file, branches, pooling (None = by maximum with step 2, without a convolution).
_BLOCKS = (
    ('mixed', 'Mixed_5b', _BLOCK_A, 'avg'), ('mixed_1', 'Mixed_5c', _BLOCK_A, 'avg'),
    ('mixed_2', 'Mixed_5d', _BLOCK_A, 'avg'), ('mixed_3', 'Mixed_6a', _BLOCK_B, None),
    ('mixed_4', 'Mixed_6b', _BLOCK_C, 'avg'), ('mixed_5', 'Mixed_6c', _BLOCK_C, 'avg'),
    ('mixed_6', 'Mixed_6d', _BLOCK_C, 'avg'), ('mixed_7', 'Mixed_6e', _BLOCK_C, 'avg'),
    ('mixed_8', 'Mixed_7a', _BLOCK_D, None), ('mixed_9', 'Mixed_7b', _BLOCK_E, 'avg'),
    ('mixed_10', 'Mixed_7c', _BLOCK_E, 'max'))


def layer_names():
    """All 94 convolutions: list of (name in the graph, name in the PyTorch file)."""
    names = [layer[:2] for layer in _STEM if layer is not None]
    for block, torch_block, branches, pooling in _BLOCKS:
        for branch in branches + ([_POOLED] if pooling else []):
            for step in branch:
                layers = [step] if isinstance(step[0], str) else step
                names += [(block + '/' + layer[0], torch_block + '.' + layer[1]) for layer in layers]
    return names


class InceptionV3(network.FeatureNetwork):
    """The network on weights as `load` returns them; the numbers of channels are theirs."""

    resize = 'bilinear, TensorFlow 1, 299 px'

    def __init__(self, weights):
        self.num_features = weights['softmax'].shape[0]
        super().__init__('InceptionV3', weights)

    def features(self, images):
        """Means of the last feature maps over the pixels (`pool_3`).

        Args:
            images: [N, 1 or 3, H, W], any type, range [0, 255]; H and W are known.
        Returns: [N, num_features], float32.
        """
        x = network.resize_bilinear_tf1(network.as_rgb(images), INPUT_SIZE)
        x = layout.from_nchw((x - 128) / 128)
        for layer in _STEM:
            if layer is None:
                x = network.pool(x, 'max', 3, 2, 'VALID')
            else:
                x = self.convolve(x, layer[0], layer[2], layer[3])
        for block, _, branches, pooling in _BLOCKS:
            x = self._mix(x, block, branches, pooling)
        return tf.reduce_mean(x, axis=list(layout.spatial_axes()))

    def probabilities(self, images):
        """Class probabilities as the inception score takes them (Salimans et al. 2016): [N, classes], float32.

        The biases of the last layer are left out, as in the published code of that score.
        """
        return tf.nn.softmax(self.multiply(self.features(images), 'softmax'))

    def _mix(self, x, block, branches, pooling):
        outputs = []
        for branch in branches:
            y = x
            for number, step in enumerate(branch):
                if not isinstance(step[0], str):
                    outputs += [self.convolve(y, block + '/' + layer[0]) for layer in step[:-1]]
                    step = step[-1]
                reduce = pooling is None and number == len(branch) - 1
                y = self.convolve(y, block + '/' + step[0], *((2, 'VALID') if reduce else (1, 'SAME')))
            outputs.append(y)
        if pooling is None:
            outputs.append(network.pool(x, 'max', 3, 2, 'VALID'))
        else:
            pooled = network.pool(x, pooling, 3, 1, 'SAME')
            outputs.append(self.convolve(pooled, block + '/' + _POOLED[0][0]))
        return tf.concat(outputs, axis=layout.channel_axis())


def load():
    """Finds and reads the weights.

    Returns: (weights, WeightFile): dictionary of float32 arrays `<name in the graph>/kernel` [kh, kw, I, O] and
        `/bias` [O], normalization folded in, and `softmax` [features, classes].
    Raises: UserError if there is no file, or it is corrupt or something else.
    """
    file = weight_files.find('Inception-v3 (2015-12-05)', VARIABLE, CANDIDATES)
    readers = {'.pth': _read_torch, '.pb': _read_graph, '.tgz': _read_graph, '.gz': _read_graph, '.tar': _read_graph,
               '.pkl': _read_pickle}
    try:
        return readers['.' + file.path.rsplit('.', 1)[-1]](file), file
    except KeyError as error:
        raise UserError(f'{file.path}: not the Inception-v3 of 2015-12-05: it has no {error}') from error
    except UserError as error:
        raise UserError(f'{file.path}: {error}') from error
    except (TypeError, ValueError) as error:  # a node or variable of that name holds something else
        raise UserError(f'{file.path}: not the Inception-v3 of 2015-12-05 ({error})') from error


def _read_torch(file):
    state = torch_file.load_state_dict(file.open())
    weights = {'softmax': state['fc.weight'].T.copy()}
    for name, torch_name in layer_names():
        norm = [state['{}.bn.{}'.format(torch_name, key)] for key in ('weight', 'bias', 'running_mean', 'running_var')]
        kernel = state[torch_name + '.conv.weight'].transpose(2, 3, 1, 0)
        weights[name + '/kernel'], weights[name + '/bias'] = network.fold_batch_norm(kernel, norm, EPSILON)
    return weights


def _read_graph(file):
    graph = tf.GraphDef()
    try:
        graph.ParseFromString(file.data)
    except Exception as error:  # the type of the error depends on the version of protobuf
        raise UserError(f'not a frozen TensorFlow graph, or corrupt or truncated ({error})') from error
    nodes = {node.name: node for node in graph.node}
    return _from_variables(lambda name: tf.make_ndarray(nodes[name].attr['value'].tensor), {
        name: not nodes[name + '/batchnorm'].attr['scale_after_normalization'].b for name, _ in layer_names()
        if name + '/batchnorm' in nodes})


def _read_pickle(file):
    arrays = weight_files.variables(network_file.read_inert(file.open()))
    return _from_variables(lambda name: arrays[name], {})


def _from_variables(get, unscaled):
    """Weights from the variables by their names in the graph; `unscaled`: layers that do not use gamma."""
    weights = {'softmax': get('softmax/weights')}
    for name, _ in layer_names():
        norm = [get('{}/batchnorm/{}'.format(name, key)) for key in ('gamma', 'beta', 'moving_mean', 'moving_variance')]
        if unscaled.get(name):
            norm[0] = None
        kernel = get(name + '/conv2d_params')
        weights[name + '/kernel'], weights[name + '/bias'] = network.fold_batch_norm(kernel, norm, EPSILON)
    return weights
