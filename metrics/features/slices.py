"""What VGG sees in two images, as pix2pixHD compares them (Wang et al. 2018, section 3.5; Johnson et al. 2016)."""

import tensorflow.compat.v1 as tf

from dnnlib.files import torch_file
from dnnlib.tflib import layout
from dnnlib.util import UserError
from metrics import weights as lpips
from metrics.features import network, weight_files

WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)  # of the slices; as published
BLOCKS = {'vgg19': (2, 2, 4, 4, 1), 'vgg16': (2, 2, 3, 3, 1)}  # convolutions between two poolings, up to the last slice
VARIABLE = 'STYLEGAN2_VGG19'
CANDIDATES = [weight_files.Candidate('vgg19-dcbb9e9d.pth', sha256='dcbb9e9d',
                                     url='https://download.pytorch.org/models/vgg19-dcbb9e9d.pth')]


class Slices(network.FeatureNetwork):
    """VGG up to the first layer of its fifth block.

    Args:
        kind: 'vgg19' or 'vgg16'.
        weights: Dictionary of float32 arrays `Conv_0/kernel` [3, 3, I, O], `Conv_0/bias` [O] and so on, see `load`.
    """

    def __init__(self, kind, weights):
        self._blocks = BLOCKS[kind]
        super().__init__(kind.upper(), {f'Conv_{number}/{part}': weights[f'Conv_{number}/{part}']
                                        for number in range(sum(self._blocks)) for part in ('kernel', 'bias')})

    def features(self, images):
        """Feature maps after the first ReLU of each block: list of five, in the layout of the graph.

        Args:
            images: [N, 1 or 3, H, W], in [-1, 1]; as published, without the mean and scale of ImageNet.
        """
        x, number, found = layout.from_nchw(network.as_rgb(images)), 0, []
        for block, count in enumerate(self._blocks):
            x = network.pool(x, 'max', 2, 2, 'VALID') if block else x
            for i in range(count):
                x = self.convolve(x, f'Conv_{number}')
                number += 1
                found += [] if i else [x]
        return found

    def distance(self, images, others):
        """Weighted sum of the mean absolute differences of the feature maps: [N]; the others are given no gradient."""
        pairs = zip(self.features(images), self.features(others), WEIGHTS)
        return tf.add_n([weight * tf.reduce_mean(tf.abs(x - tf.stop_gradient(y)), axis=[1, 2, 3])
                         for x, y, weight in pairs])


def load(kind):
    """Finds and reads weights: torchvision's of VGG19, or those of VGG16 in LPIPS, which are torchvision's, too.

    Args:
        kind: 'vgg19' or 'vgg16'.
    Returns: Dictionary for `Slices`.
    Raises: UserError if there is no file, or it is corrupt or something else.
    """
    if kind == 'vgg16':
        return lpips.lpips_vgg16()
    file = weight_files.find('VGG19', VARIABLE, CANDIDATES)
    try:
        return of_torchvision(torch_file.load_state_dict(file.open()))
    except KeyError as error:
        raise UserError(f'{file.path}: not a VGG19: it has no {error}') from error
    except UserError as error:
        raise UserError(f'{file.path}: {error}') from error


def of_torchvision(state, name='features.{}.{}'):
    """Weights for `Slices('vgg19', ...)` of a state dictionary; `name`: of weights by number of the layer and part."""
    found, layer, number = {}, 0, 0
    for count in BLOCKS['vgg19']:
        for _ in range(count):
            found[f'Conv_{number}/kernel'] = state[name.format(layer, 'weight')].transpose(2, 3, 1, 0)
            found[f'Conv_{number}/bias'] = state[name.format(layer, 'bias')]
            layer, number = layer + 2, number + 1  # a convolution and its ReLU
        layer += 1  # the pooling
    return found
