"""The feature networks in plain NumPy, float64, from their papers and the names in PyTorch's weight files."""

import numpy as np

from tests.metrics.features.weight_writers import random_conv


def conv(x, kernel, stride=1, pad=(0, 0, 0, 0), groups=1):
    """Cross-correlation of [N, C, H, W] with an OIHW kernel after zero padding by (top, bottom, left, right)."""
    x = np.pad(x, [(0, 0), (0, 0), pad[:2], pad[2:]], 'constant')
    kh, kw = kernel.shape[2:]
    height, width = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
    y = np.zeros([len(x), len(kernel), height, width])
    for a in range(kh):
        for b in range(kw):
            window = x[:, :, a:a + stride * height:stride, b:b + stride * width:stride]
            taps = kernel[:, :, a, b].astype(float)
            y += window * taps[:, 0, None, None] if groups > 1 else np.einsum('nihw,oi->nohw', window, taps)
    return y


def batch_norm(x, state, prefix):
    """Normalization by the stored statistics, epsilon 0.001."""
    scale, bias, mean, var = (state['{}.{}'.format(prefix, key)].astype(float)[:, None, None]
                              for key in ('weight', 'bias', 'running_mean', 'running_var'))
    return (x - mean) / np.sqrt(var + 1e-3) * scale + bias


def windows(x, size, stride, pad):
    """All pixels of each window along a new last axis; NaN outside of the image."""
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], 'constant', constant_values=np.nan)
    height, width = (x.shape[2] - size) // stride + 1, (x.shape[3] - size) // stride + 1
    return np.stack([x[:, :, a:a + stride * height:stride, b:b + stride * width:stride]
                     for a in range(size) for b in range(size)], axis=-1)


def max_pool(x, size=3, stride=2, pad=0):
    """Largest pixel of each window."""
    return np.nanmax(windows(x, size, stride, pad), axis=-1)


def resize_tf1(x, size):
    """Bilinear samples at i * H / size, pixel by pixel."""
    height, width = x.shape[2:]

    def axis(length):
        places = np.arange(size) * (length / size)
        low = np.int64(np.floor(places))
        return low, np.minimum(low + 1, length - 1), places - low

    y0, y1, fy = axis(height)
    x0, x1, fx = axis(width)
    rows = x[:, :, y0] * (1 - fy)[:, None] + x[:, :, y1] * fy[:, None]
    return rows[:, :, :, x0] * (1 - fx) + rows[:, :, :, x1] * fx


def resize_up(x, size):
    """Bilinear enlargement of pixels with centers at half-integers, edges repeated."""
    def axis(length):
        places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.int64(np.floor(places))
        return low, np.minimum(low + 1, length - 1), places - low

    y0, y1, fy = axis(x.shape[2])
    x0, x1, fx = axis(x.shape[3])
    rows = x[:, :, y0] * (1 - fy)[:, None] + x[:, :, y1] * fy[:, None]
    return rows[:, :, :, x0] * (1 - fx) + rows[:, :, :, x1] * fx


# Inception-v3: name of a block, its convolutions as (name, kernel height, width), and the name of each in the graph.
STEM = [('Conv2d_1a_3x3', 3, 3, 'conv'), ('Conv2d_2a_3x3', 3, 3, 'conv_1'), ('Conv2d_2b_3x3', 3, 3, 'conv_2'),
        ('Conv2d_3b_1x1', 1, 1, 'conv_3'), ('Conv2d_4a_3x3', 3, 3, 'conv_4')]
A = [('branch1x1', 1, 1, 'conv'), ('branch5x5_1', 1, 1, 'tower/conv'), ('branch5x5_2', 5, 5, 'tower/conv_1'),
     ('branch3x3dbl_1', 1, 1, 'tower_1/conv'), ('branch3x3dbl_2', 3, 3, 'tower_1/conv_1'),
     ('branch3x3dbl_3', 3, 3, 'tower_1/conv_2'), ('branch_pool', 1, 1, 'tower_2/conv')]
B = [('branch3x3', 3, 3, 'conv'), ('branch3x3dbl_1', 1, 1, 'tower/conv'), ('branch3x3dbl_2', 3, 3, 'tower/conv_1'),
     ('branch3x3dbl_3', 3, 3, 'tower/conv_2')]
C = [('branch1x1', 1, 1, 'conv'), ('branch7x7_1', 1, 1, 'tower/conv'), ('branch7x7_2', 1, 7, 'tower/conv_1'),
     ('branch7x7_3', 7, 1, 'tower/conv_2'), ('branch7x7dbl_1', 1, 1, 'tower_1/conv'),
     ('branch7x7dbl_2', 7, 1, 'tower_1/conv_1'), ('branch7x7dbl_3', 1, 7, 'tower_1/conv_2'),
     ('branch7x7dbl_4', 7, 1, 'tower_1/conv_3'), ('branch7x7dbl_5', 1, 7, 'tower_1/conv_4'),
     ('branch_pool', 1, 1, 'tower_2/conv')]
D = [('branch3x3_1', 1, 1, 'tower/conv'), ('branch3x3_2', 3, 3, 'tower/conv_1'),
     ('branch7x7x3_1', 1, 1, 'tower_1/conv'), ('branch7x7x3_2', 1, 7, 'tower_1/conv_1'),
     ('branch7x7x3_3', 7, 1, 'tower_1/conv_2'), ('branch7x7x3_4', 3, 3, 'tower_1/conv_3')]
E = [('branch1x1', 1, 1, 'conv'), ('branch3x3_1', 1, 1, 'tower/conv'), ('branch3x3_2a', 1, 3, 'tower/mixed/conv'),
     ('branch3x3_2b', 3, 1, 'tower/mixed/conv_1'), ('branch3x3dbl_1', 1, 1, 'tower_1/conv'),
     ('branch3x3dbl_2', 3, 3, 'tower_1/conv_1'), ('branch3x3dbl_3a', 1, 3, 'tower_1/mixed/conv'),
     ('branch3x3dbl_3b', 3, 1, 'tower_1/mixed/conv_1'), ('branch_pool', 1, 1, 'tower_2/conv')]
BLOCKS = [('Mixed_5b', A), ('Mixed_5c', A), ('Mixed_5d', A), ('Mixed_6a', B), ('Mixed_6b', C), ('Mixed_6c', C),
          ('Mixed_6d', C), ('Mixed_6e', C), ('Mixed_7a', D), ('Mixed_7b', E), ('Mixed_7c', E)]
STRIDED = {'Conv2d_1a_3x3', 'Mixed_6a.branch3x3', 'Mixed_6a.branch3x3dbl_3', 'Mixed_7a.branch3x3_2',
           'Mixed_7a.branch7x7x3_4'}
UNPADDED = STRIDED | {'Conv2d_2a_3x3', 'Conv2d_3b_1x1', 'Conv2d_4a_3x3'}


class Inception:
    """Inception-v3 with random weights of a few channels; `state` is its state dictionary.

    Args:
        seed: Of the weights.
        unit_gamma: Do the normalizations not scale?
    """

    def __init__(self, seed=0, unit_gamma=False):
        self._rnd, self._unit_gamma = np.random.RandomState(seed), unit_gamma
        self.state, self.graph_names = {}, {}
        self.features(np.zeros([1, 3, 299, 299]))  # makes the weights
        self.state['fc.weight'] = np.float32(self._rnd.randn(11, self.num_features))
        self.state['fc.bias'] = np.float32(self._rnd.randn(11))

    def _conv(self, x, layer, block=None):
        name, kh, kw, graph_name = layer
        if block is not None:
            number = [b for b, _ in BLOCKS].index(block)
            name = block + '.' + name
            graph_name = 'mixed{}/{}'.format('_%d' % number if number else '', graph_name)
        if name not in self.graph_names:
            self.graph_names[name] = graph_name
            shape = [self._rnd.randint(2, 5), x.shape[1], kh, kw]
            self.state.update(random_conv(self._rnd, name + '.conv', name + '.bn', shape))
            if self._unit_gamma:
                self.state[name + '.bn.weight'][:] = 1
        pad = (0, 0, 0, 0) if name in UNPADDED else (kh // 2, kh // 2, kw // 2, kw // 2)
        x = conv(x, self.state[name + '.conv.weight'], 2 if name in STRIDED else 1, pad)
        return np.maximum(batch_norm(x, self.state, name + '.bn'), 0)

    def features(self, images):
        """Features [N, F] of images in [0, 255]."""
        x = (resize_tf1(np.float64(images), 299) - 128) / 128
        for layer in STEM:
            x = self._conv(x, layer)
            if layer[0] in ('Conv2d_2b_3x3', 'Conv2d_4a_3x3'):
                x = max_pool(x)
        for block, layers in BLOCKS:
            x = self._mix(x, block, layers)
        self.num_features = x.shape[1]
        return x.mean(axis=(2, 3))

    def _mix(self, x, block, layers):
        outputs, y, fork = [], None, None
        for layer in layers:
            name = layer[0]
            if name == 'branch_pool':
                values = windows(x, 3, 1, 1)
                y = np.nanmax(values, axis=-1) if block == 'Mixed_7c' else np.nanmean(values, axis=-1)
                outputs.append(self._conv(y, layer, block))
            elif name.endswith(('2a', '3a')):
                fork = y
                outputs[-1] = self._conv(fork, layer, block)
            elif name.endswith(('2b', '3b')):
                outputs.append(self._conv(fork, layer, block))
            else:
                follows = name[-1] in '2345' and name[-2] == '_'
                y = self._conv(y if follows else x, layer, block)
                outputs = outputs[:-1] + [y] if follows else outputs + [y]
        if layers in (B, D):
            outputs.append(max_pool(x))
        return np.concatenate(outputs, axis=1)

    def probabilities(self, images):
        """Softmax of the logits without biases."""
        logits = self.features(images) @ self.state['fc.weight'].T.astype(float)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def graph_variables(self):
        """The weights by their names in the graph of 2015-12-05."""
        arrays = {'softmax/weights': self.state['fc.weight'].T, 'softmax/biases': self.state['fc.bias']}
        for name, graph_name in self.graph_names.items():
            arrays[graph_name + '/conv2d_params'] = self.state[name + '.conv.weight'].transpose(2, 3, 1, 0)
            for key, torch_key in (('gamma', 'weight'), ('beta', 'bias'), ('moving_mean', 'running_mean'),
                                   ('moving_variance', 'running_var')):
                arrays['{}/batchnorm/{}'.format(graph_name, key)] = self.state['{}.bn.{}'.format(name, torch_key)]
        return arrays


VGG_LAYERS = (0, 2, None, 5, 7, None, 10, 12, 14, None, 17, 19, 21, None, 24, 26, 28, None)  # None = pooling


def vgg_state(seed=0):
    """State dictionary of a VGG16 with three to five channels."""
    rnd, state, channels = np.random.RandomState(seed), {}, 3
    for index in VGG_LAYERS:
        if index is not None:
            width = rnd.randint(3, 6)
            state['features.%d.weight' % index] = np.float32(
                rnd.randn(width, channels, 3, 3) * np.sqrt(2 / (9 * channels)))
            state['features.%d.bias' % index] = np.float32(rnd.randn(width) * 0.1)
            channels = width
    for index, (rows, columns) in ((0, (6, 49 * channels)), (3, (5, 6)), (6, (10, 5))):
        state['classifier.%d.weight' % index] = np.float32(rnd.randn(rows, columns) / np.sqrt(columns))
        state['classifier.%d.bias' % index] = np.float32(rnd.randn(rows) * 0.1)
    return state


def vgg_features(images, state):
    """Second fully connected layer of VGG16, [N, 5], for images in [0, 255] of at most 224 pixels."""
    x = resize_up(np.float64(images), 224) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = (x - mean[:, None, None]) / std[:, None, None]
    for index in VGG_LAYERS:
        if index is None:
            x = max_pool(x, 2, 2)
        else:
            x = conv(x, state['features.%d.weight' % index], pad=(1, 1, 1, 1))
            x = np.maximum(x + state['features.%d.bias' % index].astype(float)[:, None, None], 0)
    x = x.reshape(len(x), -1)
    for index in (0, 3):
        x = x @ state['classifier.%d.weight' % index].T.astype(float)
        x = np.maximum(x + state['classifier.%d.bias' % index], 0)
    return x


EFFNET_STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))


def effnet_state(seed=0):
    """State dictionary of an EfficientNet-Lite0 with few channels."""
    rnd = np.random.RandomState(seed)
    state, channels, index = random_conv(rnd, '_conv_stem', '_bn0', [4, 3, 3, 3]), 4, 0
    for stage, (repeats, size, _, expand) in enumerate(EFFNET_STAGES):
        for _ in range(repeats):
            prefix, hidden, out = '_blocks.%d.' % index, channels * expand, 3 + stage % 2
            if expand > 1:
                state.update(random_conv(rnd, prefix + '_expand_conv', prefix + '_bn0', [hidden, channels, 1, 1]))
            state.update(random_conv(rnd, prefix + '_depthwise_conv', prefix + '_bn1', [hidden, 1, size, size]))
            state.update(random_conv(rnd, prefix + '_project_conv', prefix + '_bn2', [out, hidden, 1, 1]))
            channels, index = out, index + 1
    state.update(random_conv(rnd, '_conv_head', '_bn1', [9, channels, 1, 1]))
    return state


def effnet_features(images, state):
    """Features [N, 9] for images in [0, 255] of at most 224 pixels."""
    def layer(x, name, norm, stride=1, act=True, groups=1):
        kernel = state[name + '.weight']
        total = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in zip(x.shape[2:], kernel.shape[2:])]
        pad = (total[0] // 2, total[0] - total[0] // 2, total[1] // 2, total[1] - total[1] // 2)
        x = batch_norm(conv(x, kernel, stride, pad, groups), state, norm)
        return np.clip(x, 0, 6) if act else x

    x = layer((resize_up(np.float64(images), 224) - 127) / 128, '_conv_stem', '_bn0', 2)
    index = 0
    for repeats, _, stride, expand in EFFNET_STAGES:
        for repeat in range(repeats):
            prefix, y, step = '_blocks.%d.' % index, x, stride if repeat == 0 else 1
            if expand > 1:
                y = layer(y, prefix + '_expand_conv', prefix + '_bn0')
            y = layer(y, prefix + '_depthwise_conv', prefix + '_bn1', step, groups=2)
            y = layer(y, prefix + '_project_conv', prefix + '_bn2', act=False)
            x, index = (y + x if step == 1 and y.shape == x.shape else y), index + 1
    return layer(x, '_conv_head', '_bn1').mean(axis=(2, 3))
