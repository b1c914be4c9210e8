"""A generator as a weight file of PyTorch and a module beside it that runs it; PyTorch is only needed to check them."""

import importlib.util
import json
import os

import numpy as np

from dnnlib import cli, util
from dnnlib.files import torch_file, torch_writer
from dnnlib.seeds import latents_of_seeds
from dnnlib.util import UserError
from export import torch_domains, torch_translator
from generator import info, network_data
from training import pretrained
from training.torch_files import names, networks
from translator import networks as translators

_TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'torch_template.py')
_FAMILIES = {'G_synthesis_stylegan2': 'stylegan2', 'G_synthesis': 'stylegan2-ada'}
_CHECKED_SEEDS = [0, 1, 2]
MAX_DIFFERENCE = 1e-3  # of pictures in [-1, 1], or of the largest value of theirs


def write(network_pkl, output, kind, direction=None):
    """Writes the generator and its module, reads the weights back, and compares pictures if PyTorch is installed.

    Args:
        network_pkl: pretrained.NetworkFile.
        output: The new weight file; the module has the same name with the extension `.py`.
        kind: `torch`.
        direction: Of a network that translates pictures: see `torch_translator.write`, which writes these.
    Raises: UserError if there is no generator of StyleGAN2 or StyleGAN2-ADA in the file, or if the pictures differ;
        OSError if a file cannot be read or written.
    """
    del kind
    contents = pretrained.read_contents(info.read_file(network_pkl))
    is_of_domains = contents.method in torch_domains.METHODS
    if not is_of_domains and translators.holds_translator(network_pkl):
        torch_translator.write(network_pkl, output, direction)
        return
    if direction is not None:
        raise UserError(f'--direction={direction} is for networks that translate pictures')
    if is_of_domains:
        torch_translator.write_content(network_pkl, output, *torch_domains.content_of(contents))
        return
    try:
        content = content_of(last_generator(pretrained.read_states(info.read_file(network_pkl))))
    except UserError as error:
        raise UserError('{}: {}'.format(os.path.basename(network_pkl.name), error)) from error
    stem = os.path.splitext(output)[0]
    module, text = stem + '.py', _read_text(_TEMPLATE)
    if not os.path.basename(stem).isidentifier() or module == output:
        raise UserError(f'{output!r}: the module beside it needs a name that Python can import; rename it')
    if os.path.exists(module) and _read_text(module).split('\n')[0] != text.split('\n')[0]:
        raise UserError(f'{module!r} exists and was not written by export; choose a different name')
    with util.atomic_path(output) as temp_output, util.atomic_path(module) as temp_module:
        torch_writer.save(content, temp_output)
        util.write_text(temp_module, text.replace('weights.pt', os.path.basename(output)))
        _check_tensors(temp_output, content)
        result = check(network_pkl, temp_output, temp_module)
    print('Wrote {}: {:.1f} MiB, and {}; read back, the tensors are the same; {}'.format(
        output, os.path.getsize(output) / 2 ** 20, module, result))


def _read_text(path):
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read()


def _check_tensors(path, content):
    """Raises UserError if a file does not hold what was written."""
    with open(path, 'rb') as f:
        saved = torch_file.load(f)
    networks.read(saved)
    found = torch_file.tensors_in(saved['G_ema'])
    if list(found) != list(content['G_ema']) or not all(
            np.array_equal(found[name], array) for name, array in content['G_ema'].items()):
        raise UserError('the tensors read back are not those that were to be written; nothing was written')


def last_generator(saved):
    """State of the last generator of a file. Raises: UserError if there is none that can be written."""
    found = [state for _, state in info.find_networks(saved)]
    state = ([state for state in found if network_data.components_of(state)] or found[:1] or [{}])[-1]
    parts = [state] + [network_data.components_of(state).get(key, {}) for key in ('mapping', 'synthesis')]
    functions = [network_data.function_of(part) if part else None for part in parts]
    if functions[:2] != ['G_main', 'G_mapping'] or functions[2] not in _FAMILIES:
        raise UserError('PyTorch files can hold the generators of config-e, config-f and StyleGAN2-ADA, not {}'.format(
            ' with '.join(filter(None, functions[::2])) or 'a file without networks'))
    return state


def content_of(state):
    """What the weight file holds: `format`, `config` (the options as JSON) and `G_ema`, the tensors by name."""
    mapping_state, synthesis_state = [network_data.components_of(state)[key] for key in ('mapping', 'synthesis')]
    mapping, synthesis = network_data.variables_of(mapping_state), network_data.variables_of(synthesis_state)
    options = dict(network_data.options_of(synthesis_state), **network_data.options_of(mapping_state))
    labels = 'dense' if 'LabelEmbed/weight' in mapping else 'matrix' if 'LabelConcat/weight' in mapping else None
    num_blocks = 1 + sum(name.endswith('/Conv1/weight') for name in synthesis)
    num_layers = sum(name.startswith('Dense') for name in mapping) // 2
    architecture = options.get('architecture', 'skip')
    tables = [names.ada_mapping(num_layers, labels, 'mapping.'),
              names.ada_synthesis(num_blocks, architecture, 'noise0' in synthesis, 'synthesis.')]
    mean = network_data.variables_of(state).get('dlatent_avg', np.nan)
    if not np.isfinite(mean).all():
        raise UserError('the network has no mean of W, which this kind of file needs')
    tensors = {'mapping.w_avg': mean}
    for table, values in zip(tables, (mapping, synthesis)):
        if {entry.name for entry in table} != set(values):
            raise UserError('its variables are not those of {} networks'.format(architecture))
        tensors.update((entry.torch, names.KINDS[entry.kind].to_torch(values[entry.name])) for entry in table)
    fir = _filter(options.get('resample_kernel', [1, 3, 3, 1]))
    tensors.update((name, fir) for name in _filter_names(tables[1], num_blocks))
    config = dict(_sizes(mapping, synthesis, num_blocks), family=_FAMILIES[network_data.function_of(synthesis_state)],
                  static_kwargs=network_data.options_of(state), num_ws=options['dlatent_broadcast'],
                  mapping_layers=num_layers, embedding=labels, architecture=architecture,
                  use_noise='noise0' in synthesis, resample_filter=fir.tolist())
    for key, usual in [('mapping_nonlinearity', 'lrelu'), ('mapping_lrmul', 0.01), ('normalize_latents', True),
                       ('nonlinearity', 'lrelu'), ('conv_clamp', None)]:
        config[key] = options.get(key, usual)
    try:
        text = json.dumps(config, sort_keys=True)
    except TypeError as error:
        raise UserError('the options of the network cannot be written as JSON: {}'.format(error)) from error
    return {'format': networks.EXPORT_FORMAT, 'config': text, 'G_ema': tensors}


def _filter(kernel):
    taps = np.asarray([1, 1] if kernel is None else kernel, np.float32)
    taps = np.outer(taps, taps) if taps.ndim == 1 else taps
    return taps / taps.sum()


def _filter_names(table, num_blocks):
    """Names of the filters that a PyTorch network of this kind keeps."""
    layers = [entry.torch[:-len('.weight')] for entry in table if entry.torch.endswith(('conv0.weight', 'conv1.weight',
                                                                                       'skip.weight'))]
    blocks = ['synthesis.b{}'.format(4 << level) for level in range(num_blocks)]
    return [name + '.resample_filter' for name in blocks + layers]


def _sizes(mapping, synthesis, num_blocks):
    """Options that the shapes tell."""
    const = synthesis['4x4/Const/const'].shape
    layers = sum(name.startswith('Dense') for name in mapping) // 2
    embedding = mapping.get('LabelEmbed/weight', np.zeros([0, 0])).shape
    matrix = mapping.get('LabelConcat/weight', np.zeros([0, 0])).shape
    convs = ['4x4/Conv'] + [names.scope(level) + '/Conv1' for level in range(1, num_blocks)]
    return dict(
        base=list(const[2:]), const_fmaps=const[1], fmaps=[synthesis[name + '/weight'].shape[3] for name in convs],
        num_channels=synthesis[names.scope(num_blocks - 1) + '/ToRGB/weight'].shape[3],
        latent_size=mapping['Dense0/weight'].shape[0] - embedding[1] - matrix[1],
        label_size=embedding[0] or matrix[0], label_fmaps=embedding[1],
        dlatent_size=mapping['Dense{}/weight'.format(layers - 1)].shape[1],
        mapping_fmaps=mapping['Dense0/weight'].shape[1])


def check(network_pkl, output, module):
    """Draws pictures in both frameworks; returns what was found, or why nothing was compared, as text.

    Raises: UserError if the pictures differ by more than MAX_DIFFERENCE.
    """
    try:
        import torch
    except (ImportError, OSError):  # OSError: it is there and misses a library
        return 'not checked: torch is not installed (pip install torch)'
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(module))[0], module)
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    generator = code.Generator(output)
    latents, labels, expected = reference(network_pkl)
    found = generator.generate(torch.tensor(latents), None if labels is None else torch.tensor(labels)).numpy()
    seeded = generator.latents(_CHECKED_SEEDS).numpy()
    difference = max(np.abs(found - expected).max(), np.abs(seeded - latents).max())
    if not difference <= MAX_DIFFERENCE * max(np.abs(expected).max(), 1):
        raise UserError('the pictures of PyTorch {} differ by {:.2g} from ours; nothing was written'.format(
            torch.__version__, difference))
    return 'opened by PyTorch {}, {} pictures differ by at most {:.2g} from ours'.format(
        torch.__version__, len(_CHECKED_SEEDS), difference)


def reference(network_pkl):
    """Pictures of the graph, in float32 and with the noise of the network.

    Returns: (latents, labels, images): float32 [N, latent_size], [N, label_size] or None, [N, C, H, W].
    """
    cli.load_tensorflow().init_tf({'device': 'cpu', 'ops': 'ref'})
    Gs = pretrained.load_generator(network_pkl)
    latents = latents_of_seeds(_CHECKED_SEEDS, Gs.input_shape[1:])
    size = Gs.input_shapes[1][1]
    labels = np.eye(size, dtype=np.float32)[np.arange(len(latents)) % size] if size else None
    images = Gs.run(latents, labels, randomize_noise=False, num_fp16_res=0, truncation_psi=0.5)
    return latents.astype(np.float32), labels, images
