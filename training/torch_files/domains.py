"""Tables of our variable names and PyTorch's, for the networks of StarGAN, StarGAN v2 and of landmarks."""

from training.torch_files.names import Entry
from training.torch_files.translation import layer

_NORM = (('gamma', 'weight'), ('beta', 'bias'))
_BATCH_NORM = _NORM + (('moving_mean', 'running_mean'), ('moving_variance', 'running_var'))


def norm(name, torch, parts=_NORM):
    """Entries of a normalization; `parts`: (our variable, its tensor)."""
    return [Entry(f'{name}/{ours}', f'{torch}.{theirs}', 'bias') for ours, theirs in parts]


def dense(name, torch):
    """Entries of a matrix product with a bias."""
    return [Entry(name + '/weight', torch + '.weight', 'dense'), Entry(name + '/bias', torch + '.bias', 'bias')]


def stargan_generator(num_blocks=6):
    """Table of `networks.stargan.G_stargan`; its file also has statistics, which nothing reads."""
    names = ['Input', 'Down0', 'Down1'] + [f'Block{i}' for i in range(num_blocks)] + ['Up0', 'Up1']
    found = []
    for i, name in enumerate(names):
        parts = [(f'{name}/Conv{j}', f'main.{6 + i}.main', 3 * j) for j in (0, 1)] if name.startswith('Block') else [
            (name, 'main', 3 * i if i < 3 else 9 + num_blocks + 3 * (i - 3 - num_blocks))]
        for scope, torch, number in parts:
            found += layer(scope, f'{torch}.{number}', False) + norm(scope, f'{torch}.{number + 1}')
    return found + layer('Output', f'main.{15 + num_blocks}', False)


def stargan_discriminator(num_layers=6):
    """Table of `networks.stargan.D_stargan`."""
    found = [entry for i in range(num_layers) for entry in layer(f'Conv{i}', f'main.{2 * i}')]
    return found + layer('Scores', 'conv1', False) + layer('Labels', 'conv2', False)


def residual(name, torch, has_norm, has_shortcut):
    """Entries of a residual block of StarGAN v2; `has_norm`: False, or a function of names of the normalizations."""
    found = []
    for i in (0, 1):
        found += layer(f'{name}/Conv{i}', f'{torch}.conv{i + 1}')
        found += has_norm(f'{name}/Norm{i}', f'{torch}.norm{i + 1}') if has_norm else []
    return found + (layer(name + '/Shortcut', torch + '.conv1x1', False) if has_shortcut else [])


def styled(name, torch):
    """Entries of an adaptive normalization of StarGAN v2."""
    return dense(name, torch + '.fc')


def stargan2_generator(encoder, decoder):
    """Table of `networks.stargan2.G_stargan2` and `G_stargan2_masked`.

    Args:
        encoder, decoder: For each block: does its shortcut have a convolution?
    """
    found = layer('Input', 'from_rgb')
    for kind, blocks, has_norm in (('Encode', encoder, norm), ('Decode', decoder, styled)):
        for i, has_shortcut in enumerate(blocks):
            found += residual(f'{kind}{i}', f'{kind.lower()}.{i}', has_norm, has_shortcut)
    return found + norm('Output', 'to_rgb.0') + layer('Output', 'to_rgb.2')


def stargan2_mapping(num_domains):
    """Table of `networks.stargan2.F_stargan2`."""
    found = [entry for i in range(4) for entry in dense(f'Dense{i}', f'shared.{2 * i}')]
    for domain in range(num_domains):
        for i, name in enumerate(('Dense0', 'Dense1', 'Dense2', 'Output')):
            found += dense(f'Domain{domain}/{name}', f'unshared.{domain}.{2 * i}')
    return found


def stargan2_trunk(torch, blocks):
    """What the tables of `networks.stargan2.E_stargan2` and `D_stargan2` have in common.

    Args:
        torch: Name of the chain of layers there.
        blocks: For each block: does its shortcut have a convolution?
    """
    found = layer('Input', f'{torch}.0')
    for i, has_shortcut in enumerate(blocks):
        found += residual(f'Block{i}', f'{torch}.{i + 1}', False, has_shortcut)
    return found + layer('Conv', f'{torch}.{len(blocks) + 2}')


def stargan2_encoder(blocks, num_domains):
    """Table of `networks.stargan2.E_stargan2`; see stargan2_trunk."""
    return stargan2_trunk('shared', blocks) + [
        entry for i in range(num_domains) for entry in dense(f'Domain{i}', f'unshared.{i}')]


def stargan2_discriminator(blocks):
    """Table of `networks.stargan2.D_stargan2`; see stargan2_trunk."""
    return stargan2_trunk('main', blocks) + layer('Output', f'main.{len(blocks) + 4}')


def fan(num_stacks=1, depth=4):
    """Table of `networks.fan.H_fan`; coordinates are in no file."""
    found = layer('Input', 'conv1.conv') + norm('Input/Norm', 'bn1', _BATCH_NORM)
    found += [entry for i in range(3) for entry in fan_block(f'Block{i}', f'conv{i + 2}', i != 1)]
    for i in range(num_stacks):
        name = f'Stack{i}/'
        found += layer(name + 'Input', f'm{i}.coordconv.conv') + fan_block(name + 'Bottom', f'm{i}.b2_plus_1')
        for level in range(1, depth + 1):
            for number, part in enumerate(('Same', 'Down', 'Up')):
                found += fan_block(f'{name}{part}{level}', f'm{i}.b{number + 1}_{level}')
        found += fan_block(name + 'Block', f'top_m_{i}') + layer(name + 'Conv', f'conv_last{i}')
        found += norm(name + 'Conv/Norm', f'bn_end{i}', _BATCH_NORM) + layer(name + 'Output', f'l{i}')
        if i < num_stacks - 1:
            found += layer(name + 'Features', f'bl{i}') + layer(name + 'Maps', f'al{i}')
    return found


def fan_block(name, torch, has_shortcut=False):
    """Entries of a block of it."""
    found = [entry for i in range(3) for entry in layer(f'{name}/Conv{i}', f'{torch}.conv{i + 1}', False) + norm(
        f'{name}/Conv{i}/Norm', f'{torch}.bn{i + 1}', _BATCH_NORM)]
    if has_shortcut:
        found += layer(name + '/Shortcut', torch + '.downsample.2', False)
        found += norm(name + '/Shortcut/Norm', torch + '.downsample.0', _BATCH_NORM)
    return found
