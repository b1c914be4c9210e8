"""Makes the small PyTorch files of tests/data, with PyTorch: networks with random weights, and what they compute.

    python tests/training/torch_files/make_torch_files.py tests/data

The networks are plain functions of tensors by name, written from the papers' formulas: kernels are modulated per
sample, pictures are enlarged by inserting zeros. Only the names of the tensors and the form of the files are those of
others.
"""

import argparse
import collections
import math
import os
import pickle
import sys
import types

import numpy as np
import torch
import torch.nn.functional as F

TAPS = torch.tensor([1., 3., 3., 1.]) / 8
SQRT2 = math.sqrt(2)


def lrelu(x, bias, clamp=None):
    """Bias, activation and gain."""
    x = x + bias.reshape([1, -1] + [1] * (x.dim() - 2))
    x = torch.maximum(x, 0.2 * x) * SQRT2
    return x if clamp is None else torch.clamp(x, -clamp, clamp)


def unit(x):
    """Second moment 1."""
    return x / torch.sqrt((x * x).mean(1, keepdim=True) + 1e-8)


def dense(t, name, x, lrmul=1.):
    """Fully connected layer without activation."""
    return F.linear(x, t[name + '.weight'] * (lrmul / math.sqrt(x.shape[1])), t[name + '.bias'] * lrmul)


def fir(x, gain, before, after):
    """Separable filter, rows and columns one after another."""
    c, taps = x.shape[1], TAPS * math.sqrt(gain)
    x = F.conv2d(F.pad(x, [before, after, before, after]), taps.reshape(1, 1, 1, 4).expand(c, 1, 1, 4), groups=c)
    return F.conv2d(x, taps.reshape(1, 1, 4, 1).expand(c, 1, 4, 1), groups=c)


def enlarge(image):
    """Twice the size, by zeros between the pixels and the filter."""
    n, c, h, w = image.shape
    zeros = torch.zeros([n, c, 2 * h, 2 * w])
    zeros[:, :, ::2, ::2] = image
    return fir(zeros, 4, 2, 1)


def modulated(x, style, kernel, up=False, demodulate=True):
    """Each sample by its own kernel [O, I, k, k], as groups of one convolution."""
    n, c, h, w = x.shape
    out, size = kernel.shape[0], kernel.shape[2]
    kernels = kernel[None] * style[:, None, :, None, None] / math.sqrt(c * size * size)
    if demodulate:
        kernels = kernels / torch.sqrt(kernels.square().sum([2, 3, 4], keepdim=True) + 1e-8)
    x = x.reshape(1, n * c, h, w)
    if up:
        kernels = kernels.transpose(1, 2).reshape(n * c, out, size, size)
        x = F.conv_transpose2d(x, kernels, stride=2, groups=n)
        x = fir(x, 4, 1, 1)
    else:
        x = F.conv2d(x, kernels.reshape(n * out, c, size, size), padding=size // 2, groups=n)
    return x.reshape(n, out, x.shape[2], x.shape[3])


def conv(x, kernel, down=False):
    """Ordinary convolution with equalised learning rate, which may halve the size."""
    k = kernel * (1 / math.sqrt(kernel[0].numel()))
    if not down:
        return F.conv2d(x, k, padding=k.shape[2] // 2)
    before = (2 + k.shape[2] - 1 + 1) // 2
    return F.conv2d(fir(x, 1, before, (2 + k.shape[2] - 1) // 2), k, stride=2)


def stddev(x, group):
    """Minibatch standard deviation, one map more."""
    n, c, h, w = x.shape
    group = min(group, n)
    y = x.reshape(group, n // group, c, h, w)
    y = torch.sqrt(y.var(0, unbiased=False) + 1e-8).mean([1, 2, 3])
    return torch.cat([x, y.repeat(group).reshape(n, 1, 1, 1).expand(n, 1, h, w)], 1)


def map_latents(t, z, c, form):
    """Dlatents [N, D]; form: a name such as `mapping.fc%d`, and the number of the first layer."""
    x = unit(z)
    if c is not None:
        x = torch.cat([x, unit(dense(t, 'mapping.embed', c))], 1)
    index = form[1]
    while form[0] % index + '.weight' in t:
        name, index = form[0] % index, index + 1
        x = lrelu(F.linear(x, t[name + '.weight'] * (0.01 / math.sqrt(x.shape[1]))), t[name + '.bias'] * 0.01)
    return x


def ada_images(t, z, c, options):
    """The generator of StyleGAN2-ADA without truncation, noise as stored."""
    w, clamp = map_latents(t, z, c, ('mapping.fc%d', 0)), options['conv_clamp']

    def layer(x, name, up=False):
        x = modulated(x, dense(t, name + '.affine', w), t[name + '.weight'], up)
        if name + '.noise_const' in t:
            x = x + t[name + '.noise_const'] * t[name + '.noise_strength']
        return lrelu(x, t[name + '.bias'], clamp)

    x, image, resolution = t['synthesis.b4.const'][None].repeat(len(z), 1, 1, 1), None, 4
    while 'synthesis.b%d.conv1.weight' % resolution in t:
        block, before = 'synthesis.b%d' % resolution, x
        if resolution > 4:
            x = layer(x, block + '.conv0', up=True)
        x = layer(x, block + '.conv1')
        if block + '.skip.weight' in t:
            kernel = t[block + '.skip.weight']
            y = F.conv_transpose2d(before, kernel.transpose(0, 1) / math.sqrt(kernel.shape[1]), stride=2)
            x = (x + fir(y, 4, 2, 2)) / SQRT2
        image = None if image is None else enlarge(image)
        if block + '.torgb.weight' in t:
            y = modulated(x, dense(t, block + '.torgb.affine', w), t[block + '.torgb.weight'], demodulate=False)
            y = torch.clamp(y + t[block + '.torgb.bias'].reshape(1, -1, 1, 1), -(clamp or 1e9), clamp or 1e9)
            image = y if image is None else image + y
        resolution *= 2
    return image


def ada_scores(t, image, c, options):
    """The discriminator of StyleGAN2-ADA."""
    clamp, x, resolution = options['conv_clamp'], None, image.shape[2]
    while resolution >= 4:
        block = 'b%d' % resolution
        if block + '.fromrgb.weight' in t:
            y = lrelu(conv(image, t[block + '.fromrgb.weight']), t[block + '.fromrgb.bias'], clamp)
            x = y if x is None else x + y
        if resolution > 4:
            before = x
            x = lrelu(conv(x, t[block + '.conv0.weight']), t[block + '.conv0.bias'], clamp)
            x = lrelu(conv(x, t[block + '.conv1.weight'], down=True), t[block + '.conv1.bias'], clamp)
            if block + '.skip.weight' in t:
                x = (x + conv(before, t[block + '.skip.weight'], down=True)) / SQRT2
            image = fir(image, 1, 1, 1)[:, :, ::2, ::2]
        resolution //= 2
    x = lrelu(conv(stddev(x, options['group']), t['b4.conv.weight']), t['b4.conv.bias'], clamp)
    x = dense(t, 'b4.fc', x.flatten(1)) - t['b4.fc.bias']
    x = dense(t, 'b4.out', lrelu(x, t['b4.fc.bias']))
    if c is None:
        return x
    y, i = unit(dense(t, 'mapping.embed', c)), 0
    while 'mapping.fc%d.weight' % i in t:
        name, i = 'mapping.fc%d' % i, i + 1
        y = lrelu(F.linear(y, t[name + '.weight'] * (0.01 / math.sqrt(y.shape[1]))), t[name + '.bias'] * 0.01)
    return (x * y).sum(1, keepdim=True) / math.sqrt(y.shape[1])


def mit_images(t, z):
    """The generator of the re-implementation, without truncation, noise as stored."""
    w = map_latents(t, z, None, ('style.%d', 1))
    noises = iter(range(100))

    def layer(x, name, up=False):
        style = dense(t, name + '.conv.modulation', w)
        x = modulated(x, style, t[name + '.conv.weight'][0], up)
        x = x + t['noises.noise_%d' % next(noises)] * t[name + '.noise.weight']
        return lrelu(x, t[name + '.activate.bias'])

    def rgb(x, name):
        style = dense(t, name + '.conv.modulation', w)
        return modulated(x, style, t[name + '.conv.weight'][0], demodulate=False) + t[name + '.bias']

    x = layer(t['input.input'].repeat(len(z), 1, 1, 1), 'conv1')
    image, i = rgb(x, 'to_rgb1'), 0
    while 'to_rgbs.%d.bias' % i in t:
        x = layer(layer(x, 'convs.%d' % (2 * i), up=True), 'convs.%d' % (2 * i + 1))
        image = enlarge(image) + rgb(x, 'to_rgbs.%d' % i)
        i += 1
    return image


def mit_scores(t, image):
    """The discriminator of the re-implementation."""
    x, i = lrelu(conv(image, t['convs.0.0.weight']), t['convs.0.1.bias']), 1
    while 'convs.%d.conv1.0.weight' % i in t:
        name, before = 'convs.%d' % i, x
        x = lrelu(conv(x, t[name + '.conv1.0.weight']), t[name + '.conv1.1.bias'])
        x = lrelu(conv(x, t[name + '.conv2.1.weight'], down=True), t[name + '.conv2.2.bias'])
        x, i = (x + conv(before, t[name + '.skip.1.weight'], down=True)) / SQRT2, i + 1
    x = lrelu(conv(stddev(x, 4), t['final_conv.0.weight']), t['final_conv.1.bias'])
    x = dense(t, 'final_linear.0', x.flatten(1)) - t['final_linear.0.bias']
    return dense(t, 'final_linear.1', lrelu(x, t['final_linear.0.bias']))


class EasyDict(dict):
    """Under the name that it has there."""


class Part(torch.nn.Module):
    """A module of StyleGAN2-ADA: tensors, parts, attributes; pickled with a source text."""

    def __init__(self, class_name, **attributes):
        super().__init__()
        self.__dict__.update(attributes, _class_name=class_name, _init_args=(), _init_kwargs=EasyDict(attributes))

    def __reduce__(self):
        state = {key: value for key, value in self.__dict__.items() if key != '_class_name'}
        meta = dict(type='class', version=6, module_src='import os\nos.mkdir("made-by-a-pickle")\n',
                    class_name=self._class_name, state=state)
        return sys.modules['torch_utils.persistence']._reconstruct_persistent_obj, (meta,), None

    def put(self, path, tensor, attributes):
        """Adds a tensor at a path of names; attributes: {name of a part: its attributes}."""
        name, _, rest = path.partition('.')
        if rest:
            if name not in self._modules:
                self.add_module(name, Part('Layer', **attributes(name)))
            self._modules[name].put(rest, tensor, attributes)
        elif name in ('noise_const', 'resample_filter', 'w_avg'):
            self.register_buffer(name, tensor)
        else:
            self.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=False))


class _Builder(collections.OrderedDict):
    """Random tensors by name."""

    def draw(self, name, *shape, scale=1., mean=0.):
        """Adds one."""
        self[name] = torch.randn(shape) * scale + mean

    def layer(self, name, shape, scale=0.3):
        """Weight and bias."""
        self.draw(name + '.weight', *shape)
        self.draw(name + '.bias', shape[0], scale=scale)

    def mapped(self, name, size_in, size_out):
        """Weight and bias of a mapping network."""
        self.draw(name + '.weight', size_out, size_in, scale=100.)
        self.draw(name + '.bias', size_out, scale=30.)


def ada_tensors(fmaps, labels, architecture, channels=3, sizes=(6, 8, 2)):
    """Tensors of a generator and a discriminator; sizes: of Z, W, and the number of layers of the mapping networks."""
    G, D, resample = _Builder(), _Builder(), torch.outer(TAPS, TAPS)
    latent, size, layers = sizes
    if labels:
        G.layer('mapping.embed', [size, labels])
    for i in range(layers):
        G.mapped('mapping.fc%d' % i, (latent + size * bool(labels)) if i == 0 else size, size)
    G.draw('mapping.w_avg', size)

    def styled(name, out, maps, kernel, resolution):
        G.layer(name, [out, maps, kernel, kernel])
        G.draw(name + '.affine.weight', maps, size)
        G.draw(name + '.affine.bias', maps, scale=0.3, mean=1.)
        if resolution:
            G.draw(name + '.noise_const', resolution, resolution)
            G.draw(name + '.noise_strength', scale=0.3)
            G[name + '.resample_filter'] = resample

    for i, maps in enumerate(fmaps):
        block = 'synthesis.b%d' % (4 << i)
        G[block + '.resample_filter'] = resample
        if i == 0:
            G.draw(block + '.const', maps, 4, 4)
        else:
            styled(block + '.conv0', maps, fmaps[i - 1], 3, 4 << i)
        styled(block + '.conv1', maps, maps, 3, 4 << i)
        if i and architecture[0] == 'resnet':
            G.draw(block + '.skip.weight', maps, fmaps[i - 1], 1, 1)
        if architecture[0] == 'skip' or i == len(fmaps) - 1:
            styled(block + '.torgb', channels, maps, 1, 0)
    for i in range(len(fmaps) - 1, -1, -1):
        block, maps = 'b%d' % (4 << i), fmaps[i]
        D[block + '.resample_filter'] = resample
        if architecture[1] == 'skip' or i == len(fmaps) - 1:
            D.layer(block + '.fromrgb', [maps, channels, 1, 1])
        if i:
            D.layer(block + '.conv0', [maps, maps, 3, 3])
            D.layer(block + '.conv1', [fmaps[i - 1], maps, 3, 3])
            if architecture[1] == 'resnet':
                D.draw(block + '.skip.weight', fmaps[i - 1], maps, 1, 1)
    D.layer('b4.conv', [fmaps[0], fmaps[0] + 1, 3, 3])
    D.layer('b4.fc', [fmaps[0], fmaps[0] * 16])
    D.layer('b4.out', [5 if labels else 1, fmaps[0]])
    if labels:
        D.layer('mapping.embed', [5, labels])
        for i in range(layers):
            D.mapped('mapping.fc%d' % i, 5, 5)
    return G, D


def ada_pickle(path, G, D, options):
    """Writes the dictionary that training writes."""
    def attributes(name):
        half = name == 'b%d' % options['half'] if options.get('half') else False
        shared = dict(conv_clamp=options['conv_clamp'], activation='lrelu', use_fp16=half, group_size=options['group'],
                      act_gain=np.sqrt(2), bias_gain=0.01, weight_gain=np.float64(1), num_layers=8)
        keys = ('use_fp16',)
        if name.startswith(('fc', 'embed')):
            keys = ('bias_gain', 'weight_gain', 'activation')
        elif name.startswith(('conv', 'torgb', 'fromrgb')):
            keys = ('conv_clamp', 'activation', 'act_gain')
        return {key: shared[key] for key in keys}

    modules = {name: types.ModuleType(name) for name in ('torch_utils', 'torch_utils.persistence', 'dnnlib',
                                                         'dnnlib.util')}

    def _reconstruct_persistent_obj(_meta):
        """Never called: its name is what counts."""
    _reconstruct_persistent_obj.__module__ = 'torch_utils.persistence'
    _reconstruct_persistent_obj.__qualname__ = '_reconstruct_persistent_obj'
    modules['torch_utils.persistence']._reconstruct_persistent_obj = _reconstruct_persistent_obj
    modules['dnnlib.util'].EasyDict, EasyDict.__module__ = EasyDict, 'dnnlib.util'
    sys.modules.update(modules)
    networks = [Part('Generator', c_dim=3), Part('Discriminator', c_dim=3)]
    for network, tensors in zip(networks, (G, D)):
        for name, tensor in tensors.items():
            network.put(name, tensor, attributes)
    networks[1]._modules['b4'].add_module('mbstd', Part('MinibatchStdLayer', group_size=options['group']))
    data = EasyDict(class_name='training.dataset.ImageFolderDataset', path='images.zip', use_labels=True)
    with open(path, 'wb') as f:
        pickle.dump(dict(G=networks[0], D=networks[1], G_ema=networks[0], augment_pipe=None,
                         training_set_kwargs=data), f, 4)


def mit_tensors(fmaps, latent=8, layers=2):
    """Tensors of a generator and a discriminator."""
    G, D, resample = _Builder(), _Builder(), torch.outer(TAPS, TAPS)
    for i in range(1, layers + 1):
        G.mapped('style.%d' % i, latent, latent)

    def styled(name, out, maps, kernel):
        G.draw(name + '.conv.weight', 1, out, maps, kernel, kernel)
        G.draw(name + '.conv.modulation.weight', maps, latent)
        G.draw(name + '.conv.modulation.bias', maps, scale=0.3, mean=1.)
        if kernel == 3:
            G.draw(name + '.noise.weight', 1, scale=0.3)
            G.draw(name + '.activate.bias', out, scale=0.3)
        else:
            G.draw(name + '.bias', 1, out, 1, 1, scale=0.3)

    G.draw('input.input', 1, fmaps[0], 4, 4)
    styled('conv1', fmaps[0], fmaps[0], 3)
    styled('to_rgb1', 3, fmaps[0], 1)
    for i in range(1, len(fmaps)):
        G['convs.%d.conv.blur.kernel' % (2 * i - 2)] = resample * 4
        styled('convs.%d' % (2 * i - 2), fmaps[i], fmaps[i - 1], 3)
        styled('convs.%d' % (2 * i - 1), fmaps[i], fmaps[i], 3)
        G['to_rgbs.%d.upsample.kernel' % (i - 1)] = resample * 4
        styled('to_rgbs.%d' % (i - 1), 3, fmaps[i], 1)
    for i in range(2 * len(fmaps) - 1):
        G.draw('noises.noise_%d' % i, 1, 1, *[4 << (i + 1) // 2] * 2)
    D.draw('convs.0.0.weight', fmaps[-1], 3, 1, 1)
    D.draw('convs.0.1.bias', fmaps[-1], scale=0.3)
    for i in range(1, len(fmaps)):
        maps, after, name = fmaps[-i], fmaps[-i - 1], 'convs.%d' % i
        D.draw(name + '.conv1.0.weight', maps, maps, 3, 3)
        D.draw(name + '.conv1.1.bias', maps, scale=0.3)
        D[name + '.conv2.0.kernel'] = D[name + '.skip.0.kernel'] = resample
        D.draw(name + '.conv2.1.weight', after, maps, 3, 3)
        D.draw(name + '.conv2.2.bias', after, scale=0.3)
        D.draw(name + '.skip.1.weight', after, maps, 1, 1)
    D.draw('final_conv.0.weight', fmaps[0], fmaps[0] + 1, 3, 3)
    D.draw('final_conv.1.bias', fmaps[0], scale=0.3)
    D.layer('final_linear.0', [fmaps[0], fmaps[0] * 16])
    D.layer('final_linear.1', [1, fmaps[0]])
    return G, D


def save_reference(path, z, c, images, scores):
    """What the networks compute, for tests without PyTorch."""
    arrays = dict(latents=z, images=images, scores=scores, **({} if c is None else {'labels': c}))
    np.savez_compressed(path, **{key: value.numpy() for key, value in arrays.items()})


def make_ada(folder, name='ada_r16', fmaps=(6, 6, 4), labels=3, architecture=('skip', 'resnet'), clamp=2.):
    """A pickle of StyleGAN2-ADA and its reference."""
    torch.manual_seed(1)
    G, D = ada_tensors(list(fmaps), labels, architecture)
    options = dict(conv_clamp=clamp, group=2, half=4 << len(fmaps) - 1)
    ada_pickle(os.path.join(folder, name + '.pkl'), G, D, options)
    z, c = torch.randn(4, 6), torch.eye(labels)[torch.arange(4) % labels] if labels else None
    images = ada_images(G, z, c, options)
    save_reference(os.path.join(folder, name + '.npz'), z, c, images, ada_scores(D, images, c, options))


def make_mit(folder, name='mit_r16', fmaps=(6, 6, 4)):
    """A checkpoint of the re-implementation and its reference."""
    torch.manual_seed(2)
    G, D = mit_tensors(list(fmaps))
    z = torch.randn(4, 8)
    images = mit_images(G, z)
    step = {'state': {0: {'step': torch.tensor(1.), 'exp_avg': torch.zeros(3)}}, 'param_groups': [{'lr': 0.002}]}
    state = {'g': collections.OrderedDict(G), 'd': collections.OrderedDict(D)}
    state.update(g_ema=state['g'], g_optim=step, args=argparse.Namespace(size=4 << len(fmaps) - 1), ada_aug_p=0.0)
    torch.save(state, os.path.join(folder, name + '.pt'))
    save_reference(os.path.join(folder, name + '.npz'), z, None, images, mit_scores(D, images))


if __name__ == '__main__':
    make_ada(sys.argv[1])
    make_mit(sys.argv[1])
