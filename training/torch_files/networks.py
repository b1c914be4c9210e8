"""Networks of PyTorch files as states of ours: those of StyleGAN2-ADA, of the re-implementation under the MIT license
(`stylegan2-pytorch` by Kim Seonghyeon), and of our own export."""

import json

import numpy as np

from dnnlib.files import network_file, torch_file
from dnnlib.util import UserError
from training import image_size
from training.torch_files import names as torch_names
from training.torch_files.weights import add_unusual, number, Weights

EXPORT_FORMAT = 'stylegan2-networks-torch-1'
MODULES = {'stylegan2': 'training.networks_stylegan2', 'stylegan2-ada': 'training.networks'}  # as published
_MEAN_SAMPLES = 4096
_MAX_BLOCKS = 10  # 2048 x 2048 pixels


def read(saved):
    """Networks of a PyTorch file.

    Args:
        saved: What `torch_file.load` or `network_file.read_inert` returned.
    Returns: (G, D, Gs), each a NetworkState; D is None if the file has none, G is Gs if it has only one generator.
    Raises: UserError if there is no generator that we know.
    """
    if isinstance(saved, torch_file.Module):
        saved = {'G_ema': saved}
    if not isinstance(saved, dict):
        raise UserError(f'holds a {type(saved).__name__}, expected a dictionary of networks')
    if _is_one_of(saved, 'synthesis.b4.const'):
        saved = {'G_ema': saved}
    elif _is_one_of(saved, 'conv1.conv.modulation.weight'):
        saved = {'g_ema': saved}
    make_G, make_D, keys = _ada_generator, _ada_discriminator, ('G', 'D', 'G_ema')
    if 'g_ema' in saved or 'g' in saved:
        make_G, make_D, keys = _mit_generator, _mit_discriminator, ('g', 'd', 'g_ema')
    G, D, Gs = [Weights(key, saved[key]) if saved.get(key) is not None else None for key in keys]
    if G is None and Gs is None:
        raise UserError('contains no generator, only {:.200}'.format(
            ', '.join(map(str, list(saved)[:20])) or 'no objects'))
    extra = {key: saved[key] for key in ('config', 'format', 'latent_avg') if key in saved}
    try:
        D = D and make_D(D)
        Gs = make_G(Gs or G, 'Gs', extra)
        return (make_G(G, 'G', extra) if G else Gs), D, Gs
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f'its tensors do not fit together ({type(error).__name__}: {str(error):.200})') from error


def _is_one_of(saved, name):
    return isinstance(saved.get(name), torch_file.Tensor)


def _number_of_blocks(weights, pattern):
    sizes = weights.numbers(pattern)
    if not 0 < len(sizes) <= _MAX_BLOCKS or sizes != [4 << i for i in range(len(sizes))]:
        raise weights.error(f'its blocks are {sizes}, expected 4, 8, 16, ...')
    return len(sizes)


def _ada_generator(weights, name, extra):
    if any(key.startswith(('synthesis.input.', 'synthesis.L0_')) for key in weights.arrays):
        raise weights.error('a generator of StyleGAN3, which is another kind of network')
    num_blocks = _number_of_blocks(weights, r'synthesis\.b(\d{1,5})\.')
    names = set(weights.arrays)
    architecture = 'skip' if 'synthesis.b4.torgb.weight' in names else (
        'resnet' if 'synthesis.b8.skip.weight' in names else 'orig')
    use_noise = 'synthesis.b4.conv1.noise_const' in names
    labels = 'dense' if 'mapping.embed.weight' in names else 'matrix' if 'mapping.label.weight' in names else None
    mapping = weights.variables(torch_names.ada_mapping(
        len(weights.numbers(r'mapping\.fc(\d{1,5})\.weight$')), labels, 'mapping.'))
    synthesis = weights.variables(torch_names.ada_synthesis(num_blocks, architecture, use_noise, 'synthesis.'))
    dlatent_avg = weights.take('mapping.w_avg', 'bias')
    config = _read_config(weights, extra)
    if config is None:
        options = _generator_options(mapping, synthesis, num_blocks)
        dense, styled = r'mapping\.fc\d+\.', r'synthesis\.b\d+\.conv[01]\.'
        add_unusual(options, [
            ('architecture', architecture, 'skip'), ('use_noise', use_noise, True),
            ('resample_kernel', weights.resample_kernel(), None),
            ('conv_clamp', number(weights.attribute(r'synthesis\.b\d+\.(conv[01]|torgb)\.', 'conv_clamp')), None),
            ('num_fp16_res', weights.count(r'synthesis\.b\d+\.', 'use_fp16'), 0),
            ('nonlinearity', weights.attribute(styled, 'activation', 'lrelu'), 'lrelu'),
            ('mapping_nonlinearity', weights.attribute(dense, 'activation', 'lrelu'), 'lrelu'),
            ('mapping_lrmul', number(weights.attribute(dense, 'bias_gain', 0.01)), 0.01)])
        config = dict(family='stylegan2-ada', static_kwargs=options)
    weights.finish()
    return generator_state(name, config, [mapping, synthesis], dlatent_avg)


def _read_config(weights, extra):
    """Options in a file that we wrote; None = another file."""
    if extra.get('format') != EXPORT_FORMAT:
        return None
    try:
        config = json.loads(extra['config'])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise weights.error('its options are damaged') from error
    if not isinstance(config, dict) or config.get('family') not in list(MODULES) or not isinstance(
            config.get('static_kwargs'), dict):
        raise weights.error('its options are damaged')
    return config


def _generator_options(mapping, synthesis, num_blocks, usual_fmaps=None):
    """Options that the shapes of variables tell; usual_fmaps: of the mapping network, None = those of the dlatents."""
    height, width = synthesis['4x4/Const/const'].shape[2:]
    last = torch_names.scope(num_blocks - 1)
    num_layers = sum(name.startswith('Dense') for name in mapping) // 2
    if not num_layers:
        raise UserError('its mapping network has no layers')
    embedding = mapping['LabelEmbed/weight'].shape if 'LabelEmbed/weight' in mapping else (0, 0)
    latent_size = mapping['Dense0/weight'].shape[0] - embedding[1]
    dlatent_size = mapping[f'Dense{num_layers - 1}/weight'].shape[1]
    fmaps = [synthesis['4x4/Conv/weight'].shape[3]] + [
        synthesis[torch_names.scope(level) + '/Conv1/weight'].shape[3] for level in range(1, num_blocks)]
    options = dict(num_channels=synthesis[last + '/ToRGB/weight'].shape[3], label_size=embedding[0],
                   resolution=image_size.option(height << num_blocks - 1, width << num_blocks - 1))
    add_unusual(options, [
        ('latent_size', latent_size, 512), ('dlatent_size', dlatent_size, 512), ('mapping_layers', num_layers, 8),
        ('mapping_fmaps', mapping['Dense0/weight'].shape[1], usual_fmaps or dlatent_size),
        ('label_fmaps', embedding[1] or latent_size, latent_size)])
    return dict(options, **fmap_options(fmaps))


def fmap_options(fmaps):
    """Options that give these numbers of feature maps, from 4x4 to the full resolution; the usual ones are left out."""
    most = fmaps[0]
    derived = [(maps << level + 1, most) for level, maps in enumerate(fmaps) if maps < most]
    for base, limit in [(16 << 10, 512), (8 << 10, 512)] + derived + [(most << len(fmaps), most)]:
        if limit == most and fmaps == [min(base >> level + 1, limit) for level in range(len(fmaps))]:
            return {key: value for key, value, usual in (
                ('fmap_base', base, 16 << 10), ('fmap_max', limit, 512)) if value != usual}
    raise UserError(f"a network with {', '.join(map(str, fmaps))} feature maps, which do not halve from block to block")


def generator_state(name, config, parts, dlatent_avg):
    """State of a generator.

    Args:
        name: Of the network.
        config: Dictionary of `family` (key of MODULES) and `static_kwargs`.
        parts: Dictionaries of variables: mapping, synthesis.
        dlatent_avg: Mean of W.
    """
    family, kwargs = config['family'], config['static_kwargs']
    functions = {'stylegan2': 'G_synthesis_stylegan2', 'stylegan2-ada': 'G_synthesis'}
    num_layers = 1 + sum(key.endswith('/mod_bias') and '/ToRGB/' not in key for key in parts[1])
    own = {'lod': np.float32(0)} if family == 'stylegan2' else {}
    components = {
        'synthesis': _state('G_synthesis', [family, functions[family]], kwargs, parts[1]),
        'mapping': _state('G_mapping', [family, 'G_mapping'], dict(dlatent_broadcast=num_layers, **kwargs), parts[0])}
    return _state(name, [family, 'G_main'], kwargs, dict(own, dlatent_avg=dlatent_avg), components)


def _state(name, family_and_function, kwargs, variables, components=None):
    """NetworkState of the published version 4."""
    family, function = family_and_function
    network = network_file.NetworkState()
    network.set_state({
        'version': 4, 'name': name, 'static_kwargs': dict(kwargs), 'components': components or {},
        'build_module_src': f'from {MODULES[family]} import {function}\n', 'build_func_name': function,
        'variables': list(variables.items())})
    return network


def _ada_discriminator(weights):
    num_blocks = _number_of_blocks(weights, r'b(\d{1,5})\.')
    names, kernel = set(weights.arrays), weights.resample_kernel()
    architecture = 'skip' if 'b4.fromrgb.weight' in names else 'resnet' if 'b8.skip.weight' in names else 'orig'
    layers = len(weights.numbers(r'mapping\.fc(\d{1,5})\.weight$')) if 'mapping.embed.weight' in names else None
    values = weights.variables(torch_names.ada_discriminator(num_blocks, architecture, layers))
    options = _discriminator_options(weights, values, num_blocks)
    mbstd_maps = values['4x4/Conv/weight'].shape[2] - options.pop('fmaps_before')
    add_unusual(options, [
        ('mapping_fmaps', values['Output/weight'].shape[1] if layers is not None else None,
         values['4x4/Dense0/weight'].shape[1] if layers is not None else None),
        ('mapping_layers', layers or 0, 0),
        ('mapping_lrmul', number(weights.attribute(r'mapping\.fc\d+\.', 'bias_gain', 0.01)) if layers else 0.1, 0.1),
        ('architecture', architecture, 'resnet'), ('resample_kernel', kernel, None),
        ('nonlinearity', weights.attribute(r'b\d+\.conv[01]?\.', 'activation', 'lrelu'), 'lrelu'),
        ('conv_clamp', number(weights.attribute(r'b\d+\.(fromrgb|conv[01]?)\.', 'conv_clamp')), None),
        ('num_fp16_res', weights.count(r'b\d+\.', 'use_fp16'), 0), ('mbstd_num_features', mbstd_maps, 1),
        ('mbstd_group_size', number(weights.attribute(r'b4\.mbstd\.', 'group_size', 4)), None)])
    weights.finish()
    return _state('D', ['stylegan2-ada', 'D_main'], options, values)


def _discriminator_options(weights, values, num_blocks):
    """Options that the shapes of variables tell, and `fmaps_before`, the feature maps before the minibatch stddev."""
    last = torch_names.scope(num_blocks - 1)
    height = width = 4 << num_blocks - 1
    fmaps = [values['4x4/Conv/weight'].shape[3]] + [
        values[torch_names.scope(level) + '/Conv0/weight'].shape[3] for level in range(1, num_blocks)]
    inputs = values['4x4/Dense0/weight'].shape
    if inputs != (16 * fmaps[0], fmaps[0]):
        raise weights.error('its last layers have {} inputs and {} outputs'.format(*inputs))
    label_size = values['LabelEmbed/weight'].shape[0] if 'LabelEmbed/weight' in values else 0
    before = values['8x8/Conv1_down/weight'].shape[3] if num_blocks > 1 else fmaps[0]
    return dict(num_channels=values[last + '/FromRGB/weight'].shape[2], label_size=label_size, fmaps_before=before,
                resolution=image_size.option(height, width), **fmap_options(fmaps))


def _mit_generator(weights, name, extra):
    num_blocks = 1 + len(weights.numbers(r'to_rgbs\.(\d{1,5})\.conv\.weight$'))
    if num_blocks > _MAX_BLOCKS:
        raise weights.error(f'has {num_blocks} blocks')
    rnd = np.random.RandomState(0)
    for i in range(2 * num_blocks - 1):  # files before noise was kept in them
        weights.arrays.setdefault(f'noises.noise_{i}', rnd.randn(*[4 << (i + 1) // 2] * 2))
    mapping = weights.variables(torch_names.mit_mapping(len(weights.numbers(r'style\.(\d{1,5})\.weight$'))))
    synthesis = weights.variables(torch_names.mit_synthesis(num_blocks))
    options = _generator_options(mapping, synthesis, num_blocks, 512)
    add_unusual(options, [('resample_kernel', weights.resample_kernel(), None)])
    weights.finish()
    mean = extra.get('latent_avg')
    mean = np.float32(mean.value).reshape(-1) if isinstance(mean, torch_file.Tensor) else mean_of_w(mapping)
    return generator_state(name, dict(family='stylegan2', static_kwargs=options), [mapping, synthesis], mean)


def mean_of_w(mapping, lrmul=0.01):
    """Mean of W that a file lacks, estimated from 4096 latents: [D], float32.

    Args:
        mapping: Variables of a mapping network without labels.
        lrmul: Its learning-rate multiplier.
    """
    x = np.random.RandomState(0).randn(_MEAN_SAMPLES, mapping['Dense0/weight'].shape[0]).astype(np.float32)
    x /= np.sqrt(np.square(x).mean(axis=1, keepdims=True) + 1e-8)
    for i in range(len(mapping) // 2):
        weight, bias = [mapping[f'Dense{i}/{key}'] * np.float32(lrmul) for key in ('weight', 'bias')]
        x = x @ weight / np.float32(np.sqrt(len(weight))) + bias
        x = np.maximum(x, 0.2 * x) * np.float32(np.sqrt(2))
    return x.mean(axis=0)


def _mit_discriminator(weights):
    num_blocks = 1 + len(weights.numbers(r'convs\.(\d{1,5})\.conv1\.0\.weight$'))
    values = weights.variables(torch_names.mit_discriminator(num_blocks))
    options = _discriminator_options(weights, values, num_blocks)
    del options['fmaps_before']
    add_unusual(options, [('resample_kernel', weights.resample_kernel(), None)])
    weights.finish()
    return _state('D', ['stylegan2', 'D_stylegan2'], options, values)
