"""BigGAN and BigGAN-deep in PyTorch's files: tables of the names, and what the tensors tell of a network."""

from training.torch_files.inferred import Found
from training.torch_files.names import Entry

_SIDES = {4: 32, 5: 64, 6: 128, 7: 256}  # blocks of a discriminator -> pixels
_FIRST = {32: 4}  # width of a discriminator's first block in units of fmaps, where it is not 1
_LAST = {32: 4, 64: 2}  # the same of a generator's last block
_DEPTH = 2  # blocks of each size of BigGAN-deep


def layer(name, torch, kind='conv', bias=True):
    """Entries of a layer whose weight is normalized by its largest singular value."""
    return [Entry(name + '/weight', torch + '.weight', kind)] + (
        [Entry(name + '/bias', torch + '.bias', 'bias')] if bias else []) + [
            Entry(name + '/u0', torch + '.u0', 'table'), Entry(name + '/sv0', torch + '.sv0', 'bias')]


def moments(name, torch, standing):
    """Entries of what batch norm stores; `standing`: can it hold sums?"""
    torch += '.bn' if standing else ''
    return [Entry(name + '/moving_mean', torch + '.stored_mean', 'bias'),
            Entry(name + '/moving_variance', torch + '.stored_var', 'bias')] + (
                [Entry(name + '/count', torch + '.accumulation_counter', 'count')] if standing else [])


def class_norm(name, torch, shared, standing):
    """Entries of a batch norm that depends on the class."""
    found = moments(name, torch, standing)
    for ours, theirs in (('Gain', 'gain'), ('Bias', 'bias')):
        ours, theirs = f'{name}/{ours}', f'{torch}.{theirs}'
        found += layer(ours, theirs, 'dense', bias=False) if shared else [
            Entry(ours + '/weight', theirs + '.weight', 'table')]
    return found


def attention(name, torch):
    """Entries of self-attention."""
    found = [entry for ours, theirs in (('Theta', 'theta'), ('Phi', 'phi'), ('G', 'g'), ('O', 'o'))
             for entry in layer(f'{name}/{ours}', f'{torch}.{theirs}', bias=False)]
    return found + [Entry(name + '/gamma', torch + '.gamma', 'scalar')]


def generator(num_blocks, attends=(), shared=True, standing=False, deep=False):
    """Table of `networks.biggan.G_biggan` or `G_biggan_deep`.

    Args:
        num_blocks: Blocks.
        attends: Numbers of those that attention follows.
        shared: Are classes embedded once for all blocks?
        standing: Can batch norm hold sums over minibatches?
        deep: Is it BigGAN-deep's?
    """
    found = [Entry('Shared/weight', 'shared.weight', 'table')] if shared else []
    found += layer('Linear', 'linear', 'dense')
    convs = 4 if deep else 2
    for i in range(num_blocks):
        name, torch = f'Block{i}', f'blocks.{i}.0'
        for k in range(convs):
            found += class_norm(f'{name}/Norm{k}', f'{torch}.bn{k + 1}', shared, standing)
            found += layer(f'{name}/Conv{k}', f'{torch}.conv{k + 1}')
        found += [] if deep else layer(name + '/Skip', torch + '.conv_sc')
        found += attention(f'Attention{i}', f'blocks.{i}.1') if i in attends else []
    found += moments('Output/Norm', 'output_layer.0', standing)
    found += [Entry('Output/Norm/' + name, 'output_layer.0.' + name, 'bias') for name in ('gain', 'bias')]
    return found + layer('Output', 'output_layer.2')


def discriminator(skips, attends=(), deep=False):
    """Table of `networks.biggan.D_biggan` or `D_biggan_deep`.

    Args:
        skips: For each block, has it a layer beside it?
        attends: Numbers of blocks that attention follows.
        deep: Is it BigGAN-deep's?
    """
    found = layer('Input', 'input_conv') if deep else []
    for i, skip in enumerate(skips):
        torch = f'blocks.{i // _DEPTH}.{i % _DEPTH}' if deep else f'blocks.{i}.0'
        for k in range(4 if deep else 2):
            found += layer(f'Block{i}/Conv{k}', f'{torch}.conv{k + 1}')
        found += layer(f'Block{i}/Skip', torch + '.conv_sc') if skip else []
        if i in attends:
            found += attention(f'Attention{i}', f'blocks.{i // _DEPTH}.{_DEPTH}' if deep else f'blocks.{i}.1')
    return found + layer('Linear', 'linear', 'dense') + layer('Embed', 'embed', 'table', bias=False)


def infer_generator(weights, _has_blur=False):
    """inferred.Found of a generator's tensors (`weights`: Weights)."""
    arrays = weights.arrays
    num_blocks = len(weights.numbers(r'blocks\.(\d{1,2})\.0\.conv1'))
    shared, deep = 'shared.weight' in arrays, 'blocks.0.0.conv3.weight' in arrays
    standing = 'output_layer.0.bn.stored_mean' in arrays
    attends = weights.numbers(r'blocks\.(\d{1,2})\.1\.gamma')
    table = generator(num_blocks, attends, shared, standing, deep)
    _check(weights, table)
    sizes = num_blocks // _DEPTH if deep else num_blocks
    resolution = 4 << sizes
    gain, size = arrays['blocks.0.0.bn1.gain.weight'].shape, arrays['linear.weight'].shape[1]
    options = dict(
        num_channels=arrays['output_layer.2.weight'].shape[0], resolution=resolution,
        label_size=arrays['shared.weight'].shape[0] if shared else gain[0],
        fmaps=arrays['output_layer.2.weight'].shape[1] // _LAST.get(resolution, 1),
        attention=[8 << (i // _DEPTH if deep else i) for i in attends], norm='standing' if standing else 'batch')
    shared_size = arrays['shared.weight'].shape[1] if shared else None
    options['shared_size'] = shared_size
    if deep:
        options['latent_size'] = size - shared_size
    else:
        options['hierarchical'] = shared and gain[1] > shared_size
        options['latent_size'] = size * (num_blocks + 1) if options['hierarchical'] else size
    return _found('generator', ('latents', 'labels'), 'G', deep, options, table)


def infer_discriminator(weights, _has_blur=False):
    """inferred.Found of a discriminator's tensors (`weights`: Weights)."""
    arrays, deep = weights.arrays, 'input_conv.weight' in weights.arrays
    groups = weights.numbers(r'blocks\.(\d{1,2})\.0\.conv1')
    places = [f'blocks.{i}.{k}' for i in groups for k in range(_DEPTH if deep else 1)]
    attends = [i for i, _ in enumerate(places) if (
        f'blocks.{i // _DEPTH}.{_DEPTH}.gamma' if deep else f'blocks.{i}.1.gamma') in arrays
        and not (deep and i % _DEPTH == 0)]
    table = discriminator([place + '.conv_sc.weight' in arrays for place in places], attends, deep)
    _check(weights, table)
    side = 8 << len(groups) if deep else _SIDES.get(len(groups), 0)
    first, inside = arrays['blocks.0.0.conv2.weight'].shape[:2]
    if deep:
        first = arrays['input_conv.weight'].shape[0]
        last = arrays[f'blocks.{groups[-1]}.0.conv4.weight'].shape[0]
        side = {(3, 1): 32, (4, 16): 64, (5, 16): 128}.get((len(groups), last // first), 0)
    if side == 0:
        raise weights.error(f'has {len(places)} blocks, which no BigGAN known here has')
    sizes = [16] * len(groups) if side == 32 else [max(side >> (i + 1), 4) for i in range(len(groups))]
    channels = arrays['input_conv.weight' if deep else 'blocks.0.0.conv1.weight'].shape[1]
    options = dict(num_channels=channels, resolution=side, label_size=arrays['embed.weight'].shape[0],
                   fmaps=first // _FIRST.get(side, 1),
                   attention=sorted({sizes[i // _DEPTH if deep else i] for i in attends}, reverse=True))
    if not deep:
        options['wide'] = first == inside
    return _found('discriminator', ('images', 'labels'), 'D', deep, options, table)


def _found(role, inputs, letter, deep, options, table):
    module = 'biggan_deep' if deep else 'biggan'
    return Found('classes', role, inputs, f'training.networks.{module}.{letter}_{module}', options, table)


def _check(weights, table):
    """Raises UserError if a tensor is missing or has too few axes to be looked at."""
    axes = dict(conv=4, dense=2, table=2, bias=1, scalar=0, count=1)
    for entry in table:
        found = weights.arrays.get(entry.torch)
        if found is None:
            raise weights.error(f'its tensor {entry.torch} is missing')
        if found.ndim != axes[entry.kind]:
            raise weights.error(f'its tensor {entry.torch} has the shape {list(found.shape)}')


KINDS = (('output_layer.2.u0', infer_generator), ('embed.u0', infer_discriminator))  # see inferred.KINDS
