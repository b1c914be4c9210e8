"""Networks that translate images, in the files of the published PyTorch programs, as states of ours.

What a network is made of is read off the names and shapes of its tensors: pix2pix and CycleGAN, CUT and SinCUT
(`EPOCH_net_G.pth` and so on), pix2pixHD, U-GAT-IT (a dictionary of six networks), StarGAN (`STEP-G.ckpt`), StarGAN v2
(`STEP_nets_ema.ckpt`, a dictionary) and its network of landmarks (`wing.ckpt`). So are those of BigGAN.
"""

from collections import OrderedDict

import numpy as np

from dnnlib.files import network_file, torch_file
from dnnlib.files.named_networks import Contents, Role
from dnnlib.util import UserError
from training.torch_files import biggan, inferred, inferred_domains
from training.torch_files.weights import Weights

UGATIT = OrderedDict([  # names of U-GAT-IT's file -> ours
    ('genA2B', 'G_ab'), ('genB2A', 'G_ba'), ('disGA', 'D_a_global'), ('disLA', 'D_a_local'), ('disGB', 'D_b_global'),
    ('disLB', 'D_b_local')])
STARGAN2 = OrderedDict([('generator', 'G'), ('mapping_network', 'F'), ('style_encoder', 'E'), ('discriminator', 'D'),
                        ('fan', 'H')])  # the same of StarGAN v2
_NAMES = OrderedDict(list(UGATIT.items()) + list(STARGAN2.items()))
_PREFIX = 'module.'  # of networks that were trained on several GPUs and saved by an unpublished program
_BUFFERS = ('.running_mean', '.running_var', '.num_batches_tracked')
_BLURS = {3: [1, 2, 1], 4: [1, 3, 3, 1]}  # filters of CUT by size


def holds(saved):
    """Is what `torch_file.load` returned a file of these programs, as far as names tell?"""
    return any(_kind_of(arrays) is not None for arrays in _parts(saved).values())


def read(saved):
    """Networks of a file.

    Args:
        saved: What `torch_file.load` returned, with `holds`.
    Returns: Contents of NetworkStates: those of U-GAT-IT and StarGAN v2 by the names above, a single one as G, D, E, F
        or H.
    Raises: UserError if tensors are missing, left over or of wrong shapes.
    """
    networks, roles, methods = OrderedDict(), OrderedDict(), []
    for title, arrays in _parts(saved).items():
        weights = Weights(title or 'the network', arrays)
        try:
            found = infer(weights)
            values = weights.variables(found.table)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise weights.error(f'its tensors do not fit together ({type(error).__name__}: {error!s:.200})') from error
        weights.finish()
        name = _NAMES.get(title) or found.func_name.rsplit('.', 1)[1][0]
        networks[name], roles[name] = _state(name, found, values), Role(found.role, None, found.inputs)
        methods.append(found.method)
    return Contents(methods[0], networks, roles)


def infer(weights):
    """What a network is, from the names and shapes of its tensors.

    Args:
        weights: Weights; buffers that no network of ours has are taken out of it.
    Returns: inferred.Found.
    Raises: UserError if it is none of these networks.
    """
    kind = _kind_of(weights.arrays)
    if kind is None:
        raise weights.error('no translation network of a kind known here')
    _drop_prefix(weights.arrays)
    has_blur = _drop_buffers(weights)
    return kind(weights, has_blur)


def _parts(saved):
    """{name: state dictionary} of a file; the name of a network that is alone is empty."""
    if not isinstance(saved, dict):
        return {}
    parts = OrderedDict((key, saved[key]) for key in _NAMES if isinstance(saved.get(key), dict))
    if parts:
        return parts
    inner = [value for value in saved.values() if isinstance(value, dict) and torch_file.tensors_in(value)]
    return {'': inner[0] if len(inner) == 1 and not torch_file.tensors_in(saved) else saved}


def _kind_of(names):
    """The function that infers a network with these tensors, None if there is none."""
    names = {name[len(_PREFIX):] if isinstance(name, str) and name.startswith(_PREFIX) else name for name in names}
    known = inferred_domains.KINDS + inferred.KINDS + biggan.KINDS
    return next((kind for needed, kind in known if needed in names), None)


def _drop_prefix(arrays):
    if all(name.startswith(_PREFIX) for name in arrays):
        for name in list(arrays):
            arrays[name[len(_PREFIX):]] = arrays.pop(name)


def _drop_buffers(weights):
    """Takes out counters, filters, and the statistics that instance norm had in files of 2017 and 2018.

    Returns: Has the network CUT's filters?
    Raises: UserError for other filters.
    """
    arrays, has_blur = weights.arrays, False
    for name in list(arrays):
        layer, _, last = name.rpartition('.')
        if last == 'filt':
            value, has_blur = arrays.pop(name), True
            taps = _BLURS.get(value.shape[-1] if value.ndim == 4 else 0)
            if taps is None or not np.allclose(value / value.sum(axis=(2, 3), keepdims=True),
                                               np.outer(taps, taps) / np.sum(taps) ** 2, atol=1e-5):
                raise weights.error(f'its filter {name} is not the published one')
        elif last == 'num_batches_tracked' or '.' + last in _BUFFERS and layer + '.weight' not in arrays:
            del arrays[name]
    return has_blur


def _state(name, found, values):
    """NetworkState of the version that our networks are saved in."""
    module, function = found.func_name.rsplit('.', 1)
    network = network_file.NetworkState()
    network.set_state(dict({
        'version': 4, 'name': name, 'static_kwargs': dict(found.options), 'components': {},
        'build_module_src': f'from {module} import {function}\n', 'build_func_name': function,
        'variables': list(values.items())}, **({'input_names': list(found.inputs)} if function == 'F_mlp' else {})))
    network.notes = found.notes
    return network
