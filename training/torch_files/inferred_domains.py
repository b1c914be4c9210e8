"""What networks of StarGAN, StarGAN v2 and of landmarks are made of, by names and shapes of their tensors."""

from training.torch_files import domains as tables
from training.torch_files.inferred import Found, shape_of

_NETWORKS = 'training.networks.'


def _stargan_generator(weights, _has_blur):
    """StarGAN's generator; statistics that its normalizations store and nothing reads are taken out."""
    for name in [name for name in weights.arrays if name.endswith(('.running_mean', '.running_var'))]:
        del weights.arrays[name]
    num_blocks = len(weights.numbers(r'main\.(\d{1,3})\.main\.'))
    fmaps, given = shape_of(weights, 'main.0.weight')[:2]
    channels = shape_of(weights, f'main.{15 + num_blocks}.weight')[0]
    return Found('stargan', 'generator', ('images', 'labels'), _NETWORKS + 'stargan.G_stargan', dict(
        num_channels=channels, label_sizes=(given - channels,), resolution=128, fmaps=fmaps, num_blocks=num_blocks),
        tables.stargan_generator(num_blocks))


def _stargan_discriminator(weights, _has_blur):
    num_layers = len(weights.numbers(r'main\.(\d{1,3})\.weight$'))
    fmaps, channels = shape_of(weights, 'main.0.weight')[:2]
    labels, _, side, _ = shape_of(weights, 'conv2.weight')
    return Found('stargan', 'discriminator', ('images',), _NETWORKS + 'stargan.D_stargan', dict(
        num_channels=channels, label_size=labels, resolution=side << num_layers, fmaps=fmaps, num_layers=num_layers),
        tables.stargan_discriminator(num_layers))


def _shortcuts(weights, prefix):
    """For each of some numbered blocks: does its shortcut have a convolution?"""
    numbers = weights.numbers(prefix.replace('.', r'\.') + r'(\d{1,3})\.conv1\.')
    return [f'{prefix}{i}.conv1x1.weight' in weights.arrays for i in numbers], numbers


def _widths(weights, first, last, resolution):
    """Options of the widths of a network, by the names of its first and last convolutions."""
    fmaps, channels = shape_of(weights, first)[:2]
    return dict(num_channels=channels, resolution=resolution, fmap_base=fmaps * resolution,
                fmap_max=shape_of(weights, last)[0])


def _stargan2_generator(weights, _has_blur):
    masked = weights.arrays.pop('hpf.filter', None)
    (encoder, numbers), (decoder, _) = _shortcuts(weights, 'encode.'), _shortcuts(weights, 'decode.')
    if len(numbers) < 2:
        raise weights.error('its encoder has less than two blocks')
    resolution = 4 << len(numbers) if masked is None else 2 << len(numbers)
    options = dict(_widths(weights, 'from_rgb.weight', f'encode.{numbers[-1]}.conv2.weight', resolution),
                   style_size=shape_of(weights, 'decode.0.norm1.fc.weight', 2)[1])
    name, inputs = 'G_stargan2', ('images', 'styles')
    if masked is not None:
        name, inputs, options = 'G_stargan2_masked', inputs + ('masks',), dict(options, w_hpf=float(8 / masked[1, 1]))
    return Found('stargan2', 'generator', inputs, f'{_NETWORKS}stargan2.{name}', options,
                 tables.stargan2_generator(encoder, decoder))


def _stargan2_mapping(weights, _has_blur):
    fmaps, latent_size = shape_of(weights, 'shared.0.weight', 2)
    num_domains = len(weights.numbers(r'unshared\.(\d{1,4})\.'))
    return Found('stargan2', 'mapping', ('latents', 'domains'), _NETWORKS + 'stargan2.F_stargan2', dict(
        latent_size=latent_size, num_domains=num_domains, fmaps=fmaps,
        style_size=shape_of(weights, 'unshared.0.6.weight', 2)[0]), tables.stargan2_mapping(num_domains))


def _stargan2_encoder(weights, _has_blur):
    blocks, numbers = _shortcuts(weights, 'shared.')
    num_domains = len(weights.numbers(r'unshared\.(\d{1,4})\.'))
    options = _widths(weights, 'shared.0.weight', f'shared.{len(numbers) + 2}.weight', 4 << len(numbers))
    options.update(num_domains=num_domains, style_size=shape_of(weights, 'unshared.0.weight', 2)[0])
    return Found('stargan2', 'encoder', ('images', 'domains'), _NETWORKS + 'stargan2.E_stargan2', options,
                 tables.stargan2_encoder(blocks, num_domains))


def _stargan2_discriminator(weights, _has_blur):
    blocks, numbers = _shortcuts(weights, 'main.')
    options = _widths(weights, 'main.0.weight', f'main.{len(numbers) + 2}.weight', 4 << len(numbers))
    options['num_domains'] = shape_of(weights, f'main.{len(numbers) + 4}.weight')[0]
    return Found('stargan2', 'discriminator', ('images', 'domains'), _NETWORKS + 'stargan2.D_stargan2', options,
                 tables.stargan2_discriminator(blocks))


def _fan(weights, _has_blur):
    """The network of landmarks; as in StarGAN v2's release, what else its file holds is left alone."""
    num_stacks = len(weights.numbers(r'm(\d{1,2})\.coordconv\.'))
    table = tables.fan(num_stacks)
    maps, fmaps = shape_of(weights, 'l0.weight')[:2]
    others = sorted(set(weights.arrays) - {entry.torch for entry in table})
    for name in others:
        del weights.arrays[name]
    notes = ()
    if others:
        notes = (f'{len(others)} tensors of the file belong to nothing known here, such as {others[0]:.60}',)
    return Found('fan', 'landmarks', ('images',), _NETWORKS + 'fan.H_fan', dict(
        num_landmarks=maps - 1, fmaps=fmaps, num_stacks=num_stacks), table, notes)


KINDS = (  # see inferred.KINDS
    ('from_rgb.weight', _stargan2_generator), ('unshared.0.6.weight', _stargan2_mapping),
    ('unshared.0.weight', _stargan2_encoder), ('main.1.conv1.weight', _stargan2_discriminator),
    ('m0.coordconv.conv.weight', _fan), ('conv2.weight', _stargan_discriminator), ('main.1.weight', _stargan_generator))
