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
    Returns: (G, D, Gs), each a NetworkState; D is None if the file has none or an unknown one, which the notes of G and
        Gs say; G is Gs if it has only one generator.
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
    if all(saved.get(key) is None for key in (keys[0], keys[2])):
        raise UserError('contains no generator, only {:.200}'.format(
            ', '.join(map(str, list(saved)[:20])) or 'no objects'))
    extra = {key: saved[key] for key in ('config', 'format', 'latent_avg') if key in saved}
    try:
        G, Gs = [None if saved.get(key) is None else Weights(key, saved[key]) for key in (keys[0], keys[2])]
        Gs = make_G(Gs or G, 'Gs', extra)
        G = make_G(G, 'G', extra) if G else Gs
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UserError(_reason(error)) from error
    try:
        D = saved.get(keys[1])
        D = None if D is None else make_D(Weights(keys[1], D), _base_block(Gs))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        D = None
        for generator in {G, Gs}:
            generator.notes += (f'the discriminator is left out, since it is unknown here ({_reason(error)})',)
    return G, D, Gs


def _reason(error):
    """What an error means for a user."""
    if isinstance(error, UserError):
        return str(error)
    return f'its tensors do not fit together ({type(error).__name__}: {str(error):.200})'


def _base_block(generator):
    """[height, width] of the lowest resolution."""
    synthesis = generator.state['components']['synthesis'].state
    return list(dict(synthesis['variables'])['4x4/Const/const'].shape[2:])


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
    use_noise = 'synthesis.b4.conv1.noise_strength' in names
    notes = _invent_noise(weights, [f'synthesis.{layer}.noise_const' for layer in ['b4.conv1'] + [
        f'b{4 << level}.conv{i}' for level in range(1, num_blocks) for i in (0, 1)]]) if use_noise else ()
    labels = 'dense' if 'mapping.embed.weight' in names else 'matrix' if 'mapping.label.weight' in names else None
    mapping = weights.variables(torch_names.ada_mapping(
        len(weights.numbers(r'mapping\.fc(\d{1,5})\.weight$')), labels, 'mapping.'))
    synthesis = weights.variables(torch_names.ada_synthesis(num_blocks, architecture, use_noise, 'synthesis.'))
    if 'mapping.w_avg' in names:
        dlatent_avg = weights.take('mapping.w_avg', 'bias')
    else:  # a network that can't truncate, see `pretrained.build`
        dlatent_avg = np.full(synthesis['4x4/Conv/mod_weight'].shape[:1], np.nan, np.float32)
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
    return generator_state(name, config, [mapping, synthesis], dlatent_avg, notes)


def _invent_noise(weights, names):
    """Draws those of the noise maps that a file lacks, from the lowest resolution up; returns a note if there are."""
    missing = [name for name in names if name not in weights.arrays]
    base = next((array.shape[-2:] for name, array in weights.arrays.items() if name.endswith(
        ('b4.const', 'input.input'))), ())
    if not missing or not base:
        return ()
    if len(base) != 2 or max(base) > image_size.MAX_BASE:
        raise weights.error(f'its constant has the shape {list(base)}')
    rnd = np.random.RandomState(0)
    for i, name in enumerate(names):
        weights.arrays.setdefault(name, rnd.randn(*[side << (i + 1) // 2 for side in base]))
    return (f'the file lacks {len(missing)} of {len(names)} noise maps; they are drawn at random, the same ones every '
            'time, so pictures with stored noise differ from those of the program that trained it',)


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


def generator_state(name, config, parts, dlatent_avg, notes=()):
    """State of a generator.

    Args:
        name: Of the network.
        config: Dictionary of `family` (key of MODULES) and `static_kwargs`.
        parts: Dictionaries of variables: mapping, synthesis.
        dlatent_avg: Mean of W; NaN = it has none.
        notes: See NetworkState.
    """
    family, kwargs = config['family'], config['static_kwargs']
    functions = {'stylegan2': 'G_synthesis_stylegan2', 'stylegan2-ada': 'G_synthesis'}
    num_layers = 1 + sum(key.endswith('/mod_bias') and '/ToRGB/' not in key for key in parts[1])
    own = {'lod': np.float32(0)} if family == 'stylegan2' else {}
    components = {
        'synthesis': _state('G_synthesis', [family, functions[family]], kwargs, parts[1]),
        'mapping': _state('G_mapping', [family, 'G_mapping'], dict(dlatent_broadcast=num_layers, **kwargs), parts[0])}
    network = _state(name, [family, 'G_main'], kwargs, dict(own, dlatent_avg=dlatent_avg), components)
    network.notes = notes
    return network


def _state(name, family_and_function, kwargs, variables, components=None):
    """NetworkState of the published version 4."""
    family, function = family_and_function
    network = network_file.NetworkState()
    network.set_state({
        'version': 4, 'name': name, 'static_kwargs': dict(kwargs), 'components': components or {},
        'build_module_src': f'from {MODULES[family]} import {function}\n', 'build_func_name': function,
        'variables': list(variables.items())})
    return network


def _ada_discriminator(weights, base):
    num_blocks = _number_of_blocks(weights, r'b(\d{1,5})\.')
    names, kernel = set(weights.arrays), weights.resample_kernel()
    architecture = 'skip' if 'b4.fromrgb.weight' in names else 'resnet' if 'b8.skip.weight' in names else 'orig'
    layers = len(weights.numbers(r'mapping\.fc(\d{1,5})\.weight$')) if 'mapping.embed.weight' in names else None
    values = weights.variables(torch_names.ada_discriminator(num_blocks, architecture, layers))
    options = _discriminator_options(weights, values, base)
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


def _discriminator_options(weights, values, base):
    """Options that the shapes of variables tell, and `fmaps_before`, the feature maps before the minibatch stddev.

    base: [height, width] of the generator's lowest resolution; the last layers see as many pixels.
    """
    num_blocks = 1 + sum(name.endswith('/Conv1_down/weight') for name in values)
    last = torch_names.scope(num_blocks - 1)
    fmaps = [values['4x4/Conv/weight'].shape[3]] + [
        values[torch_names.scope(level) + '/Conv0/weight'].shape[3] for level in range(1, num_blocks)]
    inputs = values['4x4/Dense0/weight'].shape
    if inputs != (base[0] * base[1] * fmaps[0], fmaps[0]):
        raise weights.error('its last layers have {} inputs and {} outputs, expected {} and {}'.format(
            *inputs, base[0] * base[1] * fmaps[0], fmaps[0]))
    label_size = values['LabelEmbed/weight'].shape[0] if 'LabelEmbed/weight' in values else 0
    before = values['8x8/Conv1_down/weight'].shape[3] if num_blocks > 1 else fmaps[0]
    return dict(num_channels=values[last + '/FromRGB/weight'].shape[2], label_size=label_size, fmaps_before=before,
                resolution=image_size.option(*[side << num_blocks - 1 for side in base]), **fmap_options(fmaps))


def _mit_generator(weights, name, extra):
    num_blocks = 1 + len(weights.numbers(r'to_rgbs\.(\d{1,5})\.conv\.weight$'))
    if num_blocks > _MAX_BLOCKS:
        raise weights.error(f'has {num_blocks} blocks')
    notes = _invent_noise(weights, [f'noises.noise_{i}' for i in range(2 * num_blocks - 1)])
    mapping = weights.variables(torch_names.mit_mapping(len(weights.numbers(r'style\.(\d{1,5})\.weight$'))))
    synthesis = weights.variables(torch_names.mit_synthesis(num_blocks))
    options = _generator_options(mapping, synthesis, num_blocks, 512)
    add_unusual(options, [('resample_kernel', weights.resample_kernel(), None)])
    weights.finish()
    mean = extra.get('latent_avg')
    if isinstance(mean, torch_file.Tensor):
        mean = np.float32(mean.value).reshape(-1)
    else:
        mean = mean_of_w(mapping)
        notes += (f'the file holds no mean of W, to which truncation moves; it is the mean of {_MEAN_SAMPLES} random '
                  'ones here, as in the program that wrote it',)
    return generator_state(name, dict(family='stylegan2', static_kwargs=options), [mapping, synthesis], mean, notes)


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


def _mit_discriminator(weights, base):
    num_blocks = 1 + len(weights.numbers(r'convs\.(\d{1,5})\.conv1\.0\.weight$'))
    values = weights.variables(torch_names.mit_discriminator(num_blocks))
    options = _discriminator_options(weights, values, base)
    del options['fmaps_before']
    add_unusual(options, [('resample_kernel', weights.resample_kernel(), None)])
    weights.finish()
    return _state('D', ['stylegan2', 'D_stylegan2'], options, values)
