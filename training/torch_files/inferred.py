"""What the translation networks of published PyTorch programs are made of, by names and shapes of their tensors."""

from typing import NamedTuple

import numpy as np

from training.torch_files import translation as tables
from training.torch_files.weights import number

_TAPS = {3: (0, 2, 4), 5: (0, 4, 8, 12, 16)}  # layers that are compared, as published, by their number
_SIDE = 256  # of the images of the published programs where the tensors don't tell; networks take other sizes as well


class Found(NamedTuple):
    """What a state dictionary turned out to be."""
    method: str        # name of the method of ours
    role: str          # see named_networks.Role
    inputs: tuple      # the same
    func_name: str     # full name of the build function
    options: dict      # its keyword arguments
    table: list        # of names.Entry
    notes: tuple = ()  # see network_file.NetworkState


def shape_of(weights, name, axes=4):
    """Shape of a tensor that must be there and have so many axes."""
    if name not in weights.arrays:
        raise weights.error(f'its tensor {name} is missing')
    shape = weights.arrays[name].shape
    if len(shape) != axes:
        raise weights.error(f'its tensor {name} has the shape {list(shape)}')
    return shape


def _convs(weights, prefix):
    """Numbers of the convolutions in a chain of layers."""
    found = weights.numbers(prefix.replace('.', r'\.') + r'(\d{1,4})\.weight$')
    return [i for i in found if weights.arrays[f'{prefix}{i}.weight'].ndim == 4]


def _norm(weights, conv):
    """Normalization of a network; `conv`: a convolution before one, which has a bias unless that is batch norm."""
    if any(name.endswith('.running_var') for name in weights.arrays):
        return 'batch'
    return 'instance' if conv + '.bias' in weights.arrays else 'none'


def _resnet(weights, has_blur):
    """Generators of CycleGAN and CUT; pix2pixHD's global one and encoder are the same with more or no layers."""
    blocks, convs = weights.numbers(r'model\.(\d{1,4})\.conv_block\.'), _convs(weights, 'model.')
    num_downs, (fmaps, channels) = (len(convs) - 2) // 2, shape_of(weights, 'model.1.weight')[:2]
    chain = dict(num_blocks=len(blocks), num_downs=num_downs)
    options = dict(num_channels=channels, out_channels=shape_of(weights, f'model.{convs[-1]}.weight')[0],
                   resolution=max(_SIDE, 1 << num_downs), fmaps=fmaps)
    norm, dropout = _norm(weights, 'model.1'), False
    if blocks:  # dropout is a layer without tensors that moves the number of the next convolution
        second = weights.arrays.get(f'model.{blocks[0]}.conv_block.6.weight')
        dropout = second is not None and second.ndim == 4
    is_published_hd = norm == 'instance' and not has_blur and not dropout
    if not blocks:
        options.update(num_downs=num_downs)
        return Found('pix2pixhd', 'encoder', ('images', 'instances'), 'training.networks.pix2pixhd.E_pix2pixhd',
                     options, tables.pix2pixhd_encoder(num_downs))
    if is_published_hd and (num_downs != 2 or channels not in (1, 3, 4)):
        table = [entry._replace(name='Global/' + entry.name) for entry in tables.resnet(**chain)]
        return Found('pix2pixhd', 'generator', ('maps',), 'training.networks.pix2pixhd.G_pix2pixhd',
                     dict(options, **chain), table)
    kind = dict(antialias=has_blur, norm=norm, dropout=dropout)
    return Found('cut' if has_blur else 'cyclegan', 'generator', ('images',), 'training.networks.resnet.G_resnet',
                 dict(options, **dict(chain, **kind)), tables.resnet(**dict(chain, **kind)))


def _enhanced(weights, _has_blur):
    """pix2pixHD's generators with local enhancers."""
    num_enhancers = len(weights.numbers(r'model(\d{1,2})_1\.'))
    chain = dict(num_blocks=len(weights.numbers(r'model\.(\d{1,4})\.conv_block\.')),
                 num_downs=(len(_convs(weights, 'model.')) - 1) // 2, num_enhancers=num_enhancers,
                 num_local_blocks=len(weights.numbers(r'model1_2\.(\d{1,4})\.conv_block\.')))
    last = f'model{num_enhancers}_'
    options = dict(
        num_channels=shape_of(weights, 'model.1.weight')[1], fmaps=shape_of(weights, last + '1.1.weight')[0],
        out_channels=shape_of(weights, f'{last}2.{chain["num_local_blocks"] + 4}.weight')[0],
        resolution=max(_SIDE, 1 << (chain['num_downs'] + num_enhancers)))
    return Found('pix2pixhd', 'generator', ('maps',), 'training.networks.pix2pixhd.G_pix2pixhd',
                 dict(options, **chain), tables.pix2pixhd(**chain))


def _unet(weights, _has_blur):
    """Generators of pix2pix: levels inside each other."""
    num_downs, torch = 2, 'model.model.1.model'
    while weights.arrays.get(torch + '.3.weight') is None and num_downs < 20:
        num_downs, torch = num_downs + 1, torch + '.3.model'
    norm = _norm(weights, 'model.model.0')
    fmaps, channels = shape_of(weights, 'model.model.0.weight')[:2]
    dropout, notes = norm == 'batch' and num_downs > 5, ()
    if num_downs > 5:
        notes = ('a U-Net does not tell whether it was trained with dropout; taken as {}, as published with {} norm; '
                 'see --dropout of run_translator.py'.format('yes' if dropout else 'no', norm),)
    return Found('pix2pix', 'generator', ('images',), 'training.networks.unet.G_unet', dict(
        num_channels=channels, out_channels=shape_of(weights, 'model.model.3.weight')[1], fmaps=fmaps,
        resolution=max(_SIDE, 1 << num_downs), num_downs=num_downs, norm=norm, dropout=dropout),
        tables.unet(num_downs, norm), notes)


def _patchgan(weights, has_blur):
    convs, (fmaps, channels) = _convs(weights, 'model.'), shape_of(weights, 'model.0.weight')[:2]
    kind = dict(num_layers=len(convs) - 2, antialias=has_blur, norm=_norm(weights, f'model.{convs[1]}'))
    method = 'cut' if has_blur else 'pix2pix' if kind['norm'] == 'batch' else 'cyclegan'
    return Found(method, 'discriminator', ('images',), 'training.networks.patchgan.D_patchgan', dict(
        num_channels=channels, resolution=_SIDE, fmaps=fmaps, **kind), tables.patchgan(**kind))


def _pixel(weights, _has_blur):
    norm, (fmaps, channels) = _norm(weights, 'net.2'), shape_of(weights, 'net.0.weight')[:2]
    return Found('pix2pix', 'discriminator', ('images',), 'training.networks.patchgan.D_pixel', dict(
        num_channels=channels, resolution=_SIDE, fmaps=fmaps, norm=norm), tables.pixel(norm))


def _multiscale(weights, _has_blur):
    """pix2pixHD's discriminators, whose layers are apart if they were made for feature matching."""
    has_features = 'scale0_layer0.0.weight' in weights.arrays
    first, scales = ('scale0_layer0.0', r'scale(\d{1,2})_') if has_features else ('layer0.0', r'layer(\d{1,2})\.')
    fmaps, channels = shape_of(weights, first + '.weight')[:2]
    layers = weights.numbers(r'scale0_layer(\d{1,2})\.') if has_features else _convs(weights, 'layer0.')
    kind = dict(num_scales=len(weights.numbers(scales)), num_layers=len(layers) - 2)
    return Found('pix2pixhd', 'discriminator', ('images',), 'training.networks.patchgan.D_multiscale', dict(
        num_channels=channels, resolution=_SIDE, fmaps=fmaps, **kind), tables.multiscale(
            has_features=has_features, **kind))


def _patch_mlp(weights, _has_blur):
    """CUT's F; its inputs are called by the published layers if there are as many."""
    count = len(weights.numbers(r'mlp_(\d{1,2})\.0\.'))
    widths = [shape_of(weights, f'mlp_{i}.0.weight', 2)[1] for i in range(count)]
    taps = tuple(f'tap{layer}' for layer in _TAPS.get(count, range(count)))
    return Found('sincut' if count == 3 else 'cut', 'sampler', taps, 'training.networks.patch_mlp.F_mlp', dict(
        widths=widths, fmaps=shape_of(weights, 'mlp_0.0.weight', 2)[0]), tables.patch_mlp(count))


def _ugatit_generator(weights, _has_blur):
    fmaps, channels = shape_of(weights, 'DownBlock.1.weight')[:2]
    num_blocks = len(weights.numbers(r'UpBlock1_(\d{1,3})\.'))
    pixels = shape_of(weights, 'FC.0.weight', 2)[1] // (4 * fmaps)
    side = int(round(np.sqrt(pixels)))
    if side * side != pixels or side == 0:
        raise weights.error('its FC layers do not belong to square images')
    is_light = pixels == 1
    return Found('ugatit', 'generator', ('images',), 'training.networks.ugatit.G_ugatit', dict(
        num_channels=channels, out_channels=shape_of(weights, 'UpBlock2.11.weight')[0], fmaps=fmaps,
        resolution=_SIDE if is_light else 4 * side, num_blocks=num_blocks, light=is_light),
        tables.ugatit_generator(num_blocks))


def _ugatit_discriminator(weights, _has_blur):
    fmaps, channels = shape_of(weights, 'model.1.weight_orig')[:2]
    num_layers = 1 + len(weights.numbers(r'model\.(\d{1,3})\.weight_orig$'))
    return Found('ugatit', 'discriminator', ('images',), 'training.networks.ugatit.D_ugatit', dict(
        num_channels=channels, resolution=_SIDE, fmaps=fmaps, num_layers=num_layers),
        tables.ugatit_discriminator(num_layers))


def _sincut_generator(weights, _has_blur):
    """SinCUT's generator; the published small one, of two blocks, adds no noise although its file has a strength."""
    num_downs = len(weights.numbers(r'encoder\.convs\.(\d{1,3})\.skip\.'))
    num_blocks = len(weights.numbers(r'encoder\.convs\.(\d{1,3})\.conv1\.')) - num_downs
    num_blocks += len(weights.numbers(r'decoder\.convs\.(\d{1,3})\.conv1\.'))
    width, channels = shape_of(weights, 'encoder.convs.1.0.weight')[:2]
    use_noise = num_blocks > 2
    if not use_noise:
        for name in [name for name in weights.arrays if name.endswith('.noise.weight')]:
            del weights.arrays[name]
    widths = [shape_of(weights, f'encoder.convs.{2 + i}.conv2.1.weight')[0] for i in range(num_downs)]
    _check_widths(weights, widths, [min(512, 2 * width << i) for i in range(num_downs)])
    last = shape_of(weights, f'decoder.convs.{num_blocks // 2 + num_downs}.0.weight')
    return Found('sincut', 'generator', ('images',), 'training.networks.sincut.G_sincut', dict(
        num_channels=channels, out_channels=last[0], fmaps=number(width / 8), num_blocks=num_blocks,
        num_downs=num_downs, use_noise=use_noise), tables.sincut_generator(num_blocks, num_downs, use_noise))


def _sincut_discriminator(weights, _has_blur):
    num_downs = len(weights.numbers(r'convs\.(\d{1,3})\.conv1\.'))
    width, channels = shape_of(weights, 'convs.0.0.weight')[:2]
    side = 4 << min(num_downs, 12)
    fmaps = width * side / 256
    sizes = [side >> (i + 1) for i in range(num_downs)]
    widths = [shape_of(weights, f'convs.{1 + i}.conv2.1.weight')[0] for i in range(num_downs)]
    _check_widths(weights, widths, [int(256 * fmaps / size) if size > 32 else min(384, int(256 * fmaps / size))
                                    for size in sizes])
    return Found('sincut', 'discriminator', ('images',), 'training.networks.sincut.D_sincut', dict(
        num_channels=channels, resolution=side, fmaps=number(fmaps)), tables.sincut_discriminator(num_downs))


def _check_widths(weights, widths, expected):
    if weights.resample_kernel() is not None:
        raise weights.error('its filters are not the published ones')
    if widths != expected:
        raise weights.error(f'its layers have {widths} feature maps, expected {expected}')


KINDS = (  # a tensor that only such a network has, or the first of these with it, and what infers the network
    ('encoder.convs.1.0.weight', _sincut_generator), ('final_linear.0.weight', _sincut_discriminator),
    ('UpBlock1_1.conv1.weight', _ugatit_generator), ('conv.weight_orig', _ugatit_discriminator),
    ('model1_1.1.weight', _enhanced), ('scale0_layer0.0.weight', _multiscale), ('layer0.0.weight', _multiscale),
    ('mlp_0.0.weight', _patch_mlp), ('net.0.weight', _pixel), ('model.model.0.weight', _unet),
    ('model.0.weight', _patchgan), ('model.1.weight', _resnet))
