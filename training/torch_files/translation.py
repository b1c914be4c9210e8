"""Tables of our variable names and PyTorch's, for the networks that translate images.

The published networks number their layers, ours are named by what they do; each function makes the table of one kind
of network from the options that change it. Blur filters, which are no parameters, are in none.
"""

from training.torch_files.names import Entry


def layer(name, torch, bias=True, weight='weight'):
    """Entries of a convolution or transposed convolution; `weight`: what its weight is called there."""
    found = [Entry(name + '/weight', f'{torch}.{weight}', 'conv')]
    return found + ([Entry(name + '/bias', torch + '.bias', 'bias')] if bias else [])


def normalized(name, torch, number, norm):
    """Entries of layer `torch.number` and the normalization that follows it, if that has variables."""
    found = layer(name, f'{torch}.{number}', norm == 'instance')
    if norm == 'batch':
        found += [Entry(f'{name}/Norm/{ours}', f'{torch}.{number + 1}.{theirs}', 'bias') for ours, theirs in (
            ('gamma', 'weight'), ('beta', 'bias'), ('moving_mean', 'running_mean'),
            ('moving_variance', 'running_var'))]
    return found


def block(name, torch, norm='instance', dropout=False):
    """Entries of a residual block; dropout is a layer that moves the number of the second convolution."""
    torch += '.conv_block'
    return normalized(name + '/Conv0', torch, 1, norm) + normalized(name + '/Conv1', torch, 5 + dropout, norm)


def resnet(num_blocks, num_downs=2, antialias=False, norm='instance', dropout=False):
    """Table of `networks.resnet.G_resnet`, whose options these are."""
    found, number, size = normalized('Input', 'model', 1, norm), 4, 3 + antialias
    for i in range(num_downs):
        found += normalized(f'Down{i}', 'model', number, norm)
        number += size
    for i in range(num_blocks):
        found += block(f'Block{i}', f'model.{number}', norm, dropout)
        number += 1
    for i in range(num_downs):
        found += normalized(f'Up{i}', 'model', number + antialias, norm)
        number += size
    return found + layer('Output', f'model.{number + 1}')


def unet(num_downs, norm='batch'):
    """Table of `networks.unet.G_unet`: a level is the third layer of the one around it."""
    found = layer('Down0', 'model.model.0', norm == 'instance') + layer('Up0', 'model.model.3')
    torch = 'model.model.1.model'
    for i in range(1, num_downs):
        is_inner = i == num_downs - 1
        found += normalized(f'Down{i}', torch, 1, 'instance' if norm == 'instance' else 'none' if is_inner else norm)
        found += normalized(f'Up{i}', torch, 3 if is_inner else 5, norm)
        torch += '.3.model'
    return found


def patchgan(num_layers=3, antialias=False, norm='instance', torch='model'):
    """Table of `networks.patchgan.D_patchgan`; `torch`: what the chain of layers is called there."""
    found, number = layer('Conv0', torch + '.0'), 2 + antialias
    for i in range(1, num_layers + 1):
        found += normalized(f'Conv{i}', torch, number, norm)
        number += 3 + (antialias and i < num_layers)
    return found + layer('Output', f'{torch}.{number}')


def pixel(norm='instance'):
    """Table of `networks.patchgan.D_pixel`."""
    return layer('Conv0', 'net.0') + normalized('Conv1', 'net', 2, norm) + layer('Output', 'net.5', norm == 'instance')


def patch_mlp(num_taps):
    """Table of `networks.patch_mlp.F_mlp`."""
    return [Entry(f'Tap{i}/Dense{j}/{part}', f'mlp_{i}.{2 * j}.{part}', kind) for i in range(num_taps)
            for j in (0, 1) for part, kind in (('weight', 'dense'), ('bias', 'bias'))]


def multiscale(num_scales, num_layers=3, has_features=True):
    """Table of `networks.patchgan.D_multiscale`, whose scales are numbered the other way round there.

    `has_features`: was it made for feature matching, with its layers apart?
    """
    found = []
    for scale in range(num_scales):
        there = num_scales - 1 - scale
        if has_features:
            entries = [entry for i in range(num_layers + 2) for entry in layer(
                f'Conv{i}' if i <= num_layers else 'Output', f'scale{there}_layer{i}.0')]
        else:
            entries = patchgan(num_layers, torch=f'layer{there}')
        found += [entry._replace(name=f'Scale{scale}/{entry.name}') for entry in entries]
    return found


def pix2pixhd(num_blocks=9, num_downs=4, num_enhancers=0, num_local_blocks=3):
    """Table of `networks.pix2pixhd.G_pix2pixhd`, whose options these are."""
    found = [entry._replace(name='Global/' + entry.name) for entry in resnet(num_blocks, num_downs)]
    if num_enhancers:
        found = [entry for entry in found if not entry.name.startswith('Global/Output/')]
    for number in range(1, num_enhancers + 1):
        name, torch = f'Enhancer{number}/', f'model{number}_'
        found += layer(name + 'Input', torch + '1.1') + layer(name + 'Down', torch + '1.4')
        for i in range(num_local_blocks):
            found += block(f'{name}Block{i}', f'{torch}2.{i}')
        found += layer(name + 'Up', f'{torch}2.{num_local_blocks}')
        found += layer(name + 'Output', f'{torch}2.{num_local_blocks + 4}') if number == num_enhancers else []
    return found


def pix2pixhd_encoder(num_downs=4):
    """Table of `networks.pix2pixhd.E_pix2pixhd`."""
    return resnet(0, num_downs)


def ugatit_generator(num_blocks=4):
    """Table of `networks.ugatit.G_ugatit`, light or not."""
    found = [entry for i, name in enumerate(('Input', 'Down0', 'Down1')) for entry in layer(
        name, f'DownBlock.{1 + 4 * i}', False)]
    for i in range(num_blocks):
        found += block(f'EncoderBlock{i}', f'DownBlock.{12 + i}', 'none')
        for j in (0, 1):
            name, torch = f'DecoderBlock{i}/Conv{j}', f'UpBlock1_{i + 1}'
            found += layer(name, f'{torch}.conv{j + 1}', False)
            found.append(Entry(name + '/rho', f'{torch}.norm{j + 1}.rho', 'bias'))
    found += [Entry(f'{name}/weight', f'{torch}.weight', 'dense') for name, torch in (
        ('Average', 'gap_fc'), ('Maximum', 'gmp_fc'), ('Dense0', 'FC.0'), ('Dense1', 'FC.2'), ('Gamma', 'gamma'),
        ('Beta', 'beta'))]
    for i, number in enumerate((2, 7)):
        found += layer(f'Up{i}', f'UpBlock2.{number}', False)
        found += [Entry(f'Up{i}/{part}', f'UpBlock2.{number + 1}.{part}', 'bias') for part in ('rho', 'gamma', 'beta')]
    return found + layer('Mix', 'conv1x1') + layer('Output', 'UpBlock2.11', False)


def ugatit_discriminator(num_layers=7):
    """Table of `networks.ugatit.D_ugatit`, with the singular vectors of its weights."""
    found = layer('Mix', 'conv1x1')
    chain = [(f'Conv{i}', f'model.{1 + 3 * i}') for i in range(num_layers - 1)]
    for name, torch in chain + [('Output', 'conv')]:
        found += layer(name, torch, name != 'Output', 'weight_orig')
        found += [Entry(name + '/weight_u', torch + '.weight_u', 'bias'),
                  Entry(name + '/weight_v', torch + '.weight_v', 'patch4')]
    for name, torch in (('Average', 'gap_fc'), ('Maximum', 'gmp_fc')):
        found.append(Entry(name + '/weight', torch + '.weight_orig', 'dense'))
        found += [Entry(f'{name}/weight_{x}', f'{torch}.weight_{x}', 'bias') for x in 'uv']
    return found


def sincut_generator(num_blocks=6, num_downs=1, use_noise=True):
    """Table of `networks.sincut.G_sincut`; the published file has a strength of the noise whether it is used or not."""
    half, found = num_blocks // 2, _activated('Input', 'encoder.convs.1')
    for i in range(num_downs):
        found += _styled_block(f'Down{i}', f'encoder.convs.{2 + i}', True)
    for i in range(half):
        found += _styled_block(f'EncoderBlock{i}', f'encoder.convs.{2 + num_downs + i}')
        found += _styled_block(f'DecoderBlock{i}', f'decoder.convs.{i}')
    for i in range(num_downs):
        torch = f'decoder.convs.{half + i}'
        found.append(Entry(f'Up{i}/weight', torch + '.conv.weight', 'up'))
        found += [Entry(f'Up{i}/noise_strength', torch + '.noise.weight', 'scalar')] if use_noise else []
        found.append(Entry(f'Up{i}/bias', torch + '.activate.bias', 'bias'))
    return found + _activated('Output', f'decoder.convs.{half + num_downs}')


def sincut_discriminator(num_downs=4):
    """Table of `networks.sincut.D_sincut`; num_downs: doublings of 4x4."""
    found = _activated('Input', 'convs.0')
    for i in range(num_downs):
        found += _styled_block(f'Down{i}', f'convs.{1 + i}', True)
    found += _activated('Conv', 'final_conv')
    return found + [Entry(f'{name}/{part}', f'final_linear.{i}.{part}', kind) for i, name in enumerate((
        'Dense', 'Output')) for part, kind in (('weight', 'dense'), ('bias', 'bias'))]


def _activated(name, torch, number=0):
    return [Entry(name + '/weight', f'{torch}.{number}.weight', 'conv'),
            Entry(name + '/bias', f'{torch}.{number + 1}.bias', 'bias')]


def _styled_block(name, torch, down=False):
    found = _activated(name + '/Conv0', torch + '.conv1') + _activated(name + '/Conv1', torch + '.conv2', int(down))
    return found + ([Entry(name + '/Skip/weight', torch + '.skip.1.weight', 'conv')] if down else [])
