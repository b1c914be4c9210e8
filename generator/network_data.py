"""What the state of a network in a file holds, as plain data, and which configuration makes such a network."""

import hashlib

import numpy as np

from dnnlib.files import network_file, safe_pickle

GENERATORS = {'G_main': 'StyleGAN2', 'G_style': 'StyleGAN', 'G_paper': 'ProGAN', 'G_msg': 'MSG-GAN'}
_LONG_TEXT = 60  # characters of an option's value that are shown


def function_of(state):
    """Name of the build function as a short text."""
    name = state.get('build_func_name')
    return name[:_LONG_TEXT] if isinstance(name, str) else short(name)


def options_of(state):
    """The options of a network, none if they are no dictionary."""
    options = state.get('static_kwargs')
    return options if isinstance(options, dict) else {}


def components_of(state):
    """States of the sub-networks by name; what is none is left out."""
    components = state.get('components')
    components = components if isinstance(components, dict) else {}
    return {title_of(key): item.state for key, item in components.items()
            if isinstance(item, network_file.NetworkState) and item.state}


def variables_of(state):
    """Arrays by name; what is no array is left out."""
    values = {}
    variables = state.get('variables')
    for item in variables if isinstance(variables, (list, tuple)) else ():
        if isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], str):
            value = item[1].value if isinstance(item[1], network_file.Array) else item[1]
            if isinstance(value, (np.ndarray, np.generic, int, float)):
                values[item[0]] = np.asarray(value)
    return values


def hash_values(values):
    """SHA-256 of names, types, shapes and bytes: the same weights have the same one, however they were saved."""
    digest = hashlib.sha256()
    for name in sorted(values):
        value = np.ascontiguousarray(values[name])
        digest.update('{} {} {}\n'.format(name, value.dtype.str, value.shape).encode(
            'utf-8', 'surrogatepass'))
        digest.update(value.tobytes())
    return digest.hexdigest()


def hash_of(state):
    """SHA-256 of the variables of a network and its components: the same weights have the same one."""
    return hash_values(all_variables(state))


def all_variables(state):
    """Arrays by name of a network and its components, whose names come first."""
    values = variables_of(state)
    for key, component in components_of(state).items():
        values.update(('{}/{}'.format(key, name), value) for name, value in variables_of(component).items())
    return values


def title_of(key):
    """The key of a network in a file as a short text."""
    return key[:40] if isinstance(key, str) else short(key)


def short(value):
    """A value as a short text."""
    if isinstance(value, network_file.Array):
        value = value.value.tolist() if value.value.size < 20 else 'an array'
    if isinstance(value, safe_pickle.Refused):
        return '<refused: {}>'.format(value.name)
    text = repr(value)
    return text if len(text) <= _LONG_TEXT else text[:_LONG_TEXT] + '...'


def config_of(state):
    """Which published configurations have such a generator, one of GENERATORS; None = those of StyleGAN2-ADA."""
    if function_of(state) == 'G_msg':
        return 'msg-progan: images of all sizes from 4x4 on'
    if function_of(state) == 'G_style':
        return 'msg-stylegan: images of all sizes from 4x4 on' if 'num_inputs' in state else 'config-a'
    if function_of(state) == 'G_paper':
        return 'progan, {}'.format('fused kernels' if any(
            'Conv0_up' in name for name in variables_of(state)) else 'kernels that are not fused')
    synthesis = components_of(state).get('synthesis', {})
    function = synthesis.get('build_func_name')
    if function == 'G_synthesis_stylegan_revised':
        return 'config-b, config-c or config-d (the same networks)'
    if function != 'G_synthesis_stylegan2':
        return None
    options = options_of(synthesis)
    base, architecture = options.get('fmap_base', 16 << 10), options.get('architecture', 'skip')
    if architecture != 'skip':
        return 'config-e with a generator of architecture {}'.format(short(architecture))
    known = {8 << 10: 'config-e', 16 << 10: 'config-f'}
    other = 'like config-e and config-f, with fmap_base {}'.format(short(base))
    return known.get(base, other) if isinstance(base, int) else other
