"""What network files of other programs hold too much or too little of for our build functions, and what is done then.

Nothing is passed over in silence: one line is printed for each of these things.
"""

from collections import OrderedDict
import contextlib
import inspect
import os
import re

import numpy as np

from dnnlib import tflib
from dnnlib.files import network_file, safe_pickle
from dnnlib.tflib import network_pickle, only_run

_CONSTANTS = ('lod',)  # variables that hold nothing learned: a training sets them itself
_NOISE = re.compile(r'noise\d+\Z')


def load(file_or_path, build_modules, read, only_to_run=False):
    """Builds the networks of a file in the default session; prints what it lacks, and what of it is of no use here.

    Args:
        file_or_path: Path, or a binary file object.
        build_modules: As in `network_pickle.load`.
        read: Function of the file's bytes that returns NetworkStates, alone or in containers.
        only_to_run: Are they only going to be run? See `only_run`.
    Returns: The same with Networks.
    Raises: As `network_pickle.load`.
    """
    found, notes = [], []

    def read_and_drop(data):
        found.append(read(data))
        for state, _ in _pairs(found[0], found[0]):
            notes.extend(state.notes)
            notes.extend(fit_options(state, build_modules))
            notes.extend(drop_ignored_options(state, build_modules))
        return found[0]

    with only_run.only_to_run() if only_to_run else contextlib.ExitStack():
        built = network_pickle.load(file_or_path, build_modules, read=read_and_drop)
    for state, network in _pairs(found[0], built):
        notes += fill_missing(network, state)
    for note in OrderedDict.fromkeys(notes):  # G and Gs lack the same
        print(f"{os.path.basename(str(getattr(file_or_path, 'name', file_or_path)))}: {note}.")
    return built


def _pairs(saved, built):
    """(NetworkState, what became of it) of all networks in containers."""
    if isinstance(saved, network_file.NetworkState):
        yield saved, built
    keys = saved if isinstance(saved, dict) else range(len(saved)) if isinstance(saved, (list, tuple)) else ()
    for key in keys:
        yield from _pairs(saved[key], built[key])


def fit_options(state, build_modules):
    """Changes options of a network's state that its variables contradict, where the module of the network can tell.

    Args:
        state: NetworkState, changed.
        build_modules: As in `network_pickle.load`.
    Returns: List of sentences.
    Raises: UserError if there is no such build function.
    """
    found = state.state or {}
    if found.get('version') not in network_file.STATE_VERSIONS or not isinstance(found.get('static_kwargs'), dict):
        return []  # it is refused when it is built
    _, module = network_pickle.build_func_of(found, build_modules)
    if not hasattr(module, 'fit_options'):
        return []
    options, notes = module.fit_options(found['static_kwargs'], [name for name, _ in found['variables']])
    state.state = dict(found, static_kwargs=options)
    return notes


def drop_ignored_options(state, build_modules):
    """Takes those options out of a network's state that the program which saved it ignored.

    The published build functions take any option and ignore those that they don't have; ours refuse them, since a
    person may have mistyped one. In a file such an option had no effect, unless the text of the functions, which
    published files hold, names it: then it belongs to another version of them, and is left to be refused.

    Args:
        state: NetworkState, changed; without sub-networks, whose functions take any option here as well.
        build_modules: As in `network_pickle.load`.
    Returns: List of sentences.
    Raises: UserError if there is no such build function.
    """
    if not state.state or state.state.get('version') not in network_file.STATE_VERSIONS:
        return []  # it is refused when it is built
    options, source = state.state.get('static_kwargs'), state.state.get('build_module_src')
    func, module = network_pickle.build_func_of(state.state, build_modules)
    parts = [item.state.get('build_func_name') for item in dict(state.state.get('components', {})).values()
             if isinstance(item, network_file.NetworkState) and item.state]
    accepts_any = any(p.kind == p.VAR_KEYWORD for p in inspect.signature(func).parameters.values())
    if not isinstance(options, dict) or accepts_any and not parts:
        return []
    known = set(_option_names(func)).union(*(_option_names(getattr(module, name)) for name in parts))
    ignored = [name for name in options if name not in known and isinstance(name, str) and not (
        isinstance(source, str) and re.search(r'\b' + re.escape(name) + r'\b', source))]
    if not ignored:
        return []
    state.state = dict(state.state, static_kwargs={key: options[key] for key in options if key not in ignored})
    return ['options that the program which saved the file ignored are ignored here too: ' + ', '.join(
        f'{name:.60}={safe_pickle.short(options[name]):.60}' for name in ignored)]


def _option_names(func):
    return [p.name for p in inspect.signature(func).parameters.values() if p.default is not p.empty]


def fill_missing(network, state):
    """Sets what a network file lacked after the network was built: a mean of W becomes NaN, so that nothing truncates
    with a wrong one; noise maps become random, the same ones every time; other variables keep their initial values.

    Args:
        network: tflib.Network, changed.
        state: Its NetworkState.
    Returns: List of sentences.
    """
    notes, saved = [], dict(state.state['variables'])
    missing = [name for name in network.own_vars if name not in saved and name not in _CONSTANTS]
    noise = [name for name in missing if _NOISE.match(name)]
    if 'dlatent_avg' in missing:
        network.set_var('dlatent_avg', np.full(network.own_vars['dlatent_avg'].shape.as_list(), np.nan))
    if 'dlatent_avg' in network.own_vars and not has_mean(network):
        notes.append('it has no mean of W, so nothing can be truncated; use --truncation-psi=1')
    if noise:
        rnd = np.random.RandomState(0)
        tflib.set_vars({network.own_vars[name]: rnd.randn(*network.own_vars[name].shape.as_list()) for name in noise})
        count = sum(_NOISE.match(name) is not None for name in network.own_vars)
        notes.append(f'the file lacks {len(noise)} of {count} noise maps; they are drawn at random, the same ones '
                     'every time')
    others = [name for name in missing if name != 'dlatent_avg' and name not in noise]
    if others:
        notes.append(f'variables of {network.name} are not in the file, so they begin with initial values: '
                     f'{", ".join(others[:4])}{"" if len(others) <= 4 else f" and {len(others) - 4} more"}')
    for key, part in network.components.items():
        if isinstance(dict(state.state.get('components', {})).get(key), network_file.NetworkState):
            notes += fill_missing(part, state.state['components'][key])
    return notes


def has_mean(network):
    """Has a generator a mean of W?"""
    return bool(np.isfinite(network.get_var('dlatent_avg')).all())


def rounding(network):
    """Options of `tflib.convert_images_to_uint8` that make bytes of a generator's images as its release does."""
    return dict(half_to_even=True) if network.class_module == network_file.OLD_CLASS_MODULE else {}
