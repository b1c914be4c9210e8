"""A StyleGAN2 generator in PyTorch, for a weight file that `run_generator.py export` wrote; needs nothing but torch.

    generator = Generator('weights.pt')
    images = generator.generate([1, 2], truncation_psi=0.7)  # seeds, or latents [N, latent_size]
    w = generator.mapping(generator.latents([1, 2]))
    pictures = to_uint8(generator.synthesis(w))

The pictures are those of `run_generator.py generate-images --noise=const`. Written for StyleGAN2 (Karras et al. 2020,
"Analyzing and improving the image quality of StyleGAN"); the tensors have the names of StyleGAN2-ADA's PyTorch code.
Licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0
"""

import inspect
import json
import math
import random

import torch
import torch.nn.functional as F

ACTIVATIONS = {  # function, gain
    'linear': (lambda x: x, 1), 'relu': (F.relu, math.sqrt(2)), 'lrelu': (lambda x: F.leaky_relu(x, 0.2), math.sqrt(2)),
    'tanh': (torch.tanh, 1), 'sigmoid': (torch.sigmoid, 1), 'elu': (F.elu, 1), 'selu': (F.selu, 1),
    'softplus': (F.softplus, 1), 'swish': (lambda x: torch.sigmoid(x) * x, math.sqrt(2))}


def activate(x, bias, act, clamp=None):
    """Adds a bias per channel, applies the activation with its gain, and limits the result."""
    function, gain = ACTIVATIONS[act]
    x = function(x + bias.reshape([1, -1] + [1] * (x.dim() - 2))) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalize(x):
    """x [N, D] scaled to unit second moment."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def blur(x, fir, pad):
    """Pads images [N, C, H, W] by (before, after) on both axes, and filters them."""
    x = F.pad(x, pad + pad)
    taps = fir.flip([0, 1])[None, None].repeat(x.shape[1], 1, 1, 1)
    return F.conv2d(x, taps, groups=x.shape[1])


def upsample(x, fir):
    """Images of twice the size."""
    p = len(fir) - 2
    n, c, h, w = x.shape
    zeros = x.new_zeros([n, c, h, 2, w, 2])
    zeros[:, :, :, 0, :, 0] = x
    return blur(zeros.reshape(n, c, 2 * h, 2 * w), fir * 4, ((p + 1) // 2 + 1, p // 2))


def upsample_conv(x, weight, fir):
    """Convolution that doubles the size: transposed, then filtered."""
    p = len(fir) - weight.shape[-1] - 1
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return blur(x, fir * 4, ((p + 1) // 2 + 1, p // 2 + 1))


class Dense(torch.nn.Module):
    """Fully connected layer with equalized learning rate."""

    def __init__(self, size_in, size_out, act='linear', lrmul=1):
        super().__init__()
        self.act, self.lrmul, self.scale = act, lrmul, lrmul / math.sqrt(size_in)
        self.weight = torch.nn.Parameter(torch.randn(size_out, size_in) / lrmul)
        self.bias = torch.nn.Parameter(torch.zeros(size_out))

    def forward(self, x):
        """x [N, size_in] to [N, size_out]."""
        return activate(x @ self.weight.t() * self.scale, self.bias * self.lrmul, self.act)


class Mapping(torch.nn.Module):
    """Latents and labels to dlatents."""

    def __init__(self, config):
        super().__init__()
        self.num_layers, self.broadcast = config['mapping_layers'], config['num_ws']
        self.normalizes, self.label_size = config['normalize_latents'], config['label_size']
        width, size = config['latent_size'], config['label_size']
        self.embed = self.label = None
        if size and config['embedding'] == 'dense':  # StyleGAN2-ADA
            self.embed = Dense(size, config['label_fmaps'])
            width += config['label_fmaps']
        elif size:
            self.label = torch.nn.Linear(size, config['latent_size'], bias=False)
            width *= 2
        for i in range(self.num_layers):
            fmaps = config['dlatent_size'] if i == self.num_layers - 1 else config['mapping_fmaps']
            setattr(self, 'fc%d' % i, Dense(width, fmaps, config['mapping_nonlinearity'], config['mapping_lrmul']))
            width = fmaps
        self.register_buffer('w_avg', torch.zeros(config['dlatent_size']))

    def forward(self, z, labels=None, truncation_psi=1, truncation_cutoff=None):
        """Dlatents [N, layers, D] of latents [N, latent_size]; labels [N, label_size], None = zeros."""
        x = z.to(self.w_avg)
        if self.label_size:
            labels = x.new_zeros([len(x), self.label_size]) if labels is None else labels.to(x)
        if self.label is not None:
            x = torch.cat([x, self.label(labels)], dim=1)
        if self.normalizes:
            x = normalize(x)
        if self.embed is not None:
            x = torch.cat([x, normalize(self.embed(labels))], dim=1)
        for i in range(self.num_layers):
            x = getattr(self, 'fc%d' % i)(x)
        w = x[:, None].repeat(1, self.broadcast, 1)
        layers = self.broadcast if truncation_cutoff is None else truncation_cutoff
        if truncation_psi is not None:
            w[:, :layers] = self.w_avg + (w[:, :layers] - self.w_avg) * truncation_psi
        return w


class StyledConv(torch.nn.Module):
    """Modulated convolution; with an activation also demodulated, and with noise."""

    def __init__(self, shape, config, size=None, up=False, act=None):
        super().__init__()
        maps_out, maps_in, kernel = shape
        self.up, self.act, self.clamp, self.size = up, act, config['conv_clamp'], size
        self.scale = 1 / math.sqrt(maps_in * kernel ** 2)
        self.affine = Dense(config['dlatent_size'], maps_in)
        self.weight = torch.nn.Parameter(torch.randn(maps_out, maps_in, kernel, kernel))
        self.bias = torch.nn.Parameter(torch.zeros(maps_out))
        if act is not None:
            self.register_buffer('resample_filter', torch.tensor(config['resample_filter']))
            if config['use_noise']:
                self.register_buffer('noise_const', torch.randn(size))
                self.noise_strength = torch.nn.Parameter(torch.zeros([]))

    def forward(self, x, w, noise_mode='const'):
        """x [N, C, H, W], w [N, D]."""
        style, weight = self.affine(w) * self.scale, self.weight
        x = x * style[:, :, None, None]
        if self.up:
            x = upsample_conv(x, weight, self.resample_filter)
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if self.act is None:
            return activate(x, self.bias, 'linear', self.clamp)
        energy = style.square() @ weight.square().sum(dim=[2, 3]).t()
        x = x * torch.rsqrt(energy + 1e-8)[:, :, None, None]
        if noise_mode != 'none' and hasattr(self, 'noise_const'):
            noise = self.noise_const
            if noise_mode == 'random':
                noise = torch.randn([len(x), 1] + self.size, device=x.device)
            x = x + noise * self.noise_strength
        return activate(x, self.bias, self.act, self.clamp)


class Block(torch.nn.Module):
    """The layers of one resolution."""

    def __init__(self, config, level):
        super().__init__()
        size = [side << level for side in config['base']]
        maps, before = config['fmaps'][level], config['fmaps'][level - 1]
        act, last = config['nonlinearity'], level == len(config['fmaps']) - 1
        self.architecture, self.last = config['architecture'], last
        self.register_buffer('resample_filter', torch.tensor(config['resample_filter']))
        self.const = self.conv0 = self.skip = self.torgb = None
        if level == 0:
            self.const = torch.nn.Parameter(torch.randn([config['const_fmaps']] + size))
            before = config['const_fmaps']
        else:
            self.conv0 = StyledConv([maps, before, 3], config, size, up=True, act=act)
            if self.architecture == 'resnet':
                self.skip = Skip(before, maps, config)
        self.conv1 = StyledConv([maps, before if level == 0 else maps, 3], config, size, act=act)
        if last or self.architecture == 'skip':
            self.torgb = StyledConv([config['num_channels'], maps, 1], config)

    def forward(self, x, image, ws, noise_mode):
        """Feature maps, image so far and dlatents [N, 2 or 3, D] to feature maps and image."""
        if self.const is not None:
            x = self.conv1(self.const[None].repeat(len(ws), 1, 1, 1), ws[:, 0], noise_mode)
        else:
            y = self.conv1(self.conv0(x, ws[:, 0], noise_mode), ws[:, 1], noise_mode)
            x = y if self.skip is None else (y + self.skip(x)) * math.sqrt(0.5)
        if self.torgb is not None:
            rgb = self.torgb(x, ws[:, -1])
            image = rgb if image is None else upsample(image, self.resample_filter) + rgb
        return x, image


class Skip(torch.nn.Module):
    """The residual connection of the architecture `resnet`."""

    def __init__(self, maps_in, maps_out, config):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(maps_out, maps_in, 1, 1))
        self.register_buffer('resample_filter', torch.tensor(config['resample_filter']))

    def forward(self, x):
        """x [N, C, H, W]."""
        return upsample_conv(x, self.weight / math.sqrt(self.weight.shape[1]), self.resample_filter)


class Synthesis(torch.nn.Module):
    """Dlatents to images."""

    def __init__(self, config):
        super().__init__()
        self.num_blocks, self.num_ws = len(config['fmaps']), config['num_ws']
        for level in range(self.num_blocks):
            setattr(self, 'b%d' % (4 << level), Block(config, level))

    def forward(self, w, noise_mode='const'):
        """Images [N, C, H, W] around [-1, 1] of w [N, layers, D]; noise_mode: 'const', 'random' or 'none'."""
        if noise_mode not in ('const', 'random', 'none'):
            raise ValueError("noise_mode must be 'const', 'random' or 'none', not %r" % (noise_mode,))
        x = image = None
        for level in range(self.num_blocks):
            ws = w[:, max(2 * level - 1, 0):2 * level + 2]
            x, image = getattr(self, 'b%d' % (4 << level))(x, image, ws, noise_mode)
        return image


class Generator(torch.nn.Module):
    """Latents to images.

    Args:
        path: The weight file.
    Attributes:
        config: Dictionary of the network's options.
        mapping, synthesis: The two halves.
    """

    def __init__(self, path):
        super().__init__()
        safe = {'weights_only': True} if 'weights_only' in inspect.signature(torch.load).parameters else {}
        saved = torch.load(path, map_location='cpu', **safe)
        self.config = json.loads(saved['config'])
        self.mapping, self.synthesis = Mapping(self.config), Synthesis(self.config)
        self.load_state_dict(saved['G_ema'])
        self.eval().requires_grad_(False)

    def latents(self, seeds):
        """Latents [N, latent_size] of seeds, those of NumPy's RandomState(seed).randn."""
        size = self.config['latent_size']
        return torch.tensor([normals(seed, size) for seed in seeds], dtype=torch.float64).float()

    def generate(self, z, labels=None, truncation_psi=0.5, truncation_cutoff=None, noise_mode='const'):
        """Images [N, C, H, W] around [-1, 1].

        Args:
            z: List of seeds, or latents [N, latent_size].
            labels: [N, label_size], None = zeros.
            truncation_psi: 0 = the average picture, 1 = no truncation.
            truncation_cutoff: Number of layers that are truncated, None = all.
            noise_mode: 'const' = the noise kept with the network, 'random', 'none'.
        """
        z = z if isinstance(z, torch.Tensor) else self.latents(z)
        return self.synthesis(self.mapping(z, labels, truncation_psi, truncation_cutoff), noise_mode)

    forward = generate


def to_uint8(images):
    """Images [N, C, H, W] around [-1, 1] as bytes [N, H, W, C]."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def normals(seed, count):
    """The first numbers of NumPy's RandomState(seed).randn: Mersenne Twister, polar method."""
    words = [seed & 0xffffffff]
    for i in range(1, 624):
        words.append((1812433253 * (words[-1] ^ words[-1] >> 30) + i) & 0xffffffff)
    source, found = random.Random(), []
    source.setstate((3, tuple(words + [624]), None))
    while len(found) < count:
        x, y = 2 * source.random() - 1, 2 * source.random() - 1
        r = x * x + y * y
        if 0 < r < 1:
            f = math.sqrt(-2 * math.log(r) / r)
            found += [f * y, f * x]
    return found[:count]
