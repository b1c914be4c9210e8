"""VGG16 with its fully connected layers, whose features precision and recall are measured in."""

import tensorflow.compat.v1 as tf

from dnnlib.files import torch_file
from dnnlib.tflib import layout
from dnnlib.util import UserError
from metrics.features import detectors, network, weight_files

INPUT_SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in [0, 1]
VARIABLE = 'STYLEGAN2_VGG16'
CANDIDATES = [weight_files.Candidate('vgg16-397923af.pth', sha256='397923af',
                                     url='https://download.pytorch.org/models/vgg16-397923af.pth')]
_TORCH_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # of the convolutions among layers and poolings


class Vgg16(network.FeatureNetwork):
    """VGG16 (Simonyan & Zisserman 2015, configuration D) on weights as `load` returns them."""

    resize = 'bilinear, smoothing, 224 px'

    def __init__(self, weights):
        self.num_features = weights['fc7'].shape[1]
        super().__init__('VGG16', weights)

    def features(self, images):
        """Second fully connected layer after its ReLU.

        Args:
            images: [N, 1 or 3, H, W], any type, range [0, 255]; H and W are known.
        Returns: [N, num_features], float32.
        """
        x = network.resize_smooth(network.as_rgb(images), INPUT_SIZE)
        x = layout.from_nchw(x / 255)
        x = (x - layout.per_channel(tf.constant(MEAN))) / layout.per_channel(tf.constant(STD))
        for block in detectors.VGG16_BLOCKS:
            for index in block:
                x = self.convolve(x, 'Conv_{}'.format(index))
            x = network.pool(x, 'max', 2, 2, 'VALID')
        x = layout.to_nchw(x)
        x = tf.reshape(x, [-1, self._vars['fc6'].shape.as_list()[0]])
        for name in ('fc6', 'fc7'):
            x = tf.nn.relu(self.multiply(x, name) + self._vars[name + '/bias'])
        return x


def load():
    """Finds and reads torchvision's weights.

    Returns: (weights, WeightFile): dictionary of float32 arrays `Conv_0/kernel` [3, 3, I, O] and `Conv_0/bias` [O] to
        `Conv_12/...`, `fc6` [49 * C, F], `fc7` [F, F] and their biases.
    Raises: UserError if there is no file, or it is corrupt or something else.
    """
    file = weight_files.find('VGG16', VARIABLE, CANDIDATES)
    try:
        state = torch_file.load_state_dict(file.open())
        weights = {}
        for index, torch_index in enumerate(_TORCH_INDICES):
            weights['Conv_%d/kernel' % index] = state['features.%d.weight' % torch_index].transpose(2, 3, 1, 0)
            weights['Conv_%d/bias' % index] = state['features.%d.bias' % torch_index]
        for name, torch_name in (('fc6', 'classifier.0'), ('fc7', 'classifier.3')):
            weights[name] = state[torch_name + '.weight'].T
            weights[name + '/bias'] = state[torch_name + '.bias']
    except KeyError as error:
        raise UserError(f'{file.path}: not a VGG16: it has no {error}') from error
    except UserError as error:
        raise UserError(f'{file.path}: {error}') from error
    return weights, file
