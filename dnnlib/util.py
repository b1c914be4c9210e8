"""Small helpers used everywhere: user errors, attribute dictionaries, text files, objects by name and URLs."""

import contextlib
import glob
import hashlib
import importlib
import inspect
import io
import math
import os
import re
import shutil
import sys
import urllib.parse
import uuid

from dnnlib import cache
from dnnlib.names import installed_name, published_name
from dnnlib.run.logger import Logger  # noqa: F401  published name

_THIS_MACHINE = ('127.0.0.1', 'localhost', '::1')
MAX_DOWNLOAD_BYTES = 4 << 30  # ten times the largest published network


class UserError(ValueError):
    """Bad input: the message says what was expected, what came and what to do; programs print it as one line."""


class EasyDict(dict):
    """Dictionary whose items can be read, written and deleted as attributes; a missing one raises AttributeError."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name, value):
        self[name] = value

    def __delattr__(self, name):
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None


def first_line(error):
    """What an error says, in one line: TensorFlow's go on for pages, and 2.x begins with where instead of what."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if lines[0].startswith('Graph execution error'):  # then "Detected at node", the stack, "Node: name", and the text
        places = [i for i, line in enumerate(lines[:-1]) if line.startswith('Node:')]
        lines = lines[places[0] + 1:] if places else lines[1:] or lines
    return lines[1] if lines[0].endswith('root error(s) found.') and len(lines) > 1 else lines[0]


def format_time(seconds):
    """Seconds, rounded (half to even), as text: `5s`, `1m 00s`, `2h 03m 04s` or `1d 00h 00m`."""
    s = int(round(float(seconds)))
    if s < 60:
        return f'{s}s'
    if s < 60 * 60:
        return f'{s // 60}m {s % 60:02d}s'
    if s < 24 * 60 * 60:
        return f'{s // (60 * 60)}h {s // 60 % 60:02d}m {s % 60:02d}s'
    return f'{s // (24 * 60 * 60)}d {s // (60 * 60) % 24:02d}h {s // 60 % 60:02d}m'


@contextlib.contextmanager
def atomic_path(path):
    """Context manager: yields a temporary name next to `path`, which replaces `path` if the block succeeds.

    Args:
        path: The file to write, or a folder that doesn't exist yet; the parent folder must exist.
    Yields: A name in the same folder with the same extension.
    """
    folder, name = os.path.split(os.path.normpath(path))
    temp_path = os.path.join(folder, f'tmp_{uuid.uuid4().hex}_{name}')
    try:
        yield temp_path
        os.replace(temp_path, path)
    except OSError as error:  # the user knows the final name
        error.filename = os.fspath(path) if error.filename == temp_path else error.filename
        raise
    finally:
        if os.path.exists(temp_path):
            (shutil.rmtree if os.path.isdir(temp_path) else os.remove)(temp_path)


def remove_temporary_files(folder):
    """Removes what `atomic_path` left in a folder when its process was killed; no one else may be writing there."""
    for path in glob.glob(os.path.join(glob.escape(folder), 'tmp_' + '[0-9a-f]' * 32 + '_*')):
        (shutil.rmtree if os.path.isdir(path) else os.remove)(path)


def write_text(path, text):
    """Writes a UTF-8 text file through a temporary name."""
    with atomic_path(path) as temp_path, open(temp_path, 'w', encoding='utf-8', errors='backslashreplace') as f:
        f.write(text)


def plain(value):
    """Copy of nested dictionaries, lists and tuples as plain dictionaries and lists, for JSON and pickles."""
    value = value._asdict() if hasattr(value, '_asdict') else value  # fields of a NamedTuple keep their names
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def pretty(value):
    """Nested dictionaries and lists as readable text, in the layout of the published run files."""
    import pprint  # here and below: few commands need it
    return pprint.pformat(plain(value), indent=4, width=200, compact=False) + '\n'


def get_module_from_obj_name(obj_name):
    """Finds the module in a dotted name: the longest importable prefix.

    Args:
        obj_name: Such as `'training.loss.G_logistic_ns'`; a leading `np.` or `tf.` stands for numpy or tensorflow.
    Returns: (module, rest of the name, possibly empty).
    Raises: ImportError if no prefix is a module that holds the rest; the module's own error if importing it fails.
    """
    obj_name = re.sub('^tf[.]', 'tensorflow.', re.sub('^np[.]', 'numpy.', obj_name))
    parts = installed_name(obj_name).split('.')
    for count in range(len(parts), 0, -1):
        prefix, rest = '.'.join(parts[:count]), '.'.join(parts[count:])
        try:
            module = importlib.import_module(prefix)
        except ImportError as error:
            if (prefix + '.').startswith((error.name or '') + '.') or 'not a package' in str(error):
                continue
            raise  # the module exists, but something it needs does not
        try:
            get_obj_from_module(module, rest)
        except AttributeError:
            continue
        return module, rest
    raise ImportError(f'no module contains an object named {obj_name!r}')


def get_obj_from_module(module, obj_name):
    """The object with a dotted name in a module, the module itself for an empty name; raises AttributeError."""
    obj = module
    for part in obj_name.split('.') if obj_name else []:
        obj = getattr(obj, part)
    return obj


def get_obj_by_name(name):
    """The object with a full dotted name; raises ImportError if there is none."""
    module, rest = get_module_from_obj_name(name)
    return get_obj_from_module(module, rest)


def call_func_by_name(*args, func_name=None, **kwargs):
    """Calls the function with a full dotted name; returns its result."""
    return get_obj_by_name(func_name)(*args, **kwargs)


def is_top_level_function(obj):
    """Can the callable `obj` be found by its own name in its own module?"""
    return callable(obj) and getattr(sys.modules.get(obj.__module__), getattr(obj, '__name__', ''), None) is obj


def get_top_level_function_name(obj):
    """Full name `module.function`; raises UserError if the object couldn't be found by that name."""
    if not is_top_level_function(obj):
        raise UserError(f'expected a function at the top level of a module, got {obj!r}')
    module = obj.__module__
    if module == '__main__':  # use the name under which the script can be imported
        module = os.path.splitext(os.path.basename(getattr(sys.modules[module], '__file__', module)))[0]
    return published_name(module + '.' + obj.__name__)


def has_parameter(func, name):
    """Does the function have a parameter with that name?"""
    return name in inspect.signature(func).parameters


def is_url(obj, allow_file_urls=False):
    """Is `obj` a str with a scheme and a host with a dot or of this machine, or, if allowed, a `file:///` URL?"""
    if not isinstance(obj, str) or '://' not in obj:
        return False
    parts = urllib.parse.urlparse(obj)
    has_host = '.' in parts.netloc or parts.hostname in _THIS_MACHINE
    return bool(parts.scheme) and has_host or obj.startswith('file:///') and allow_file_urls


def open_url(url, cache_dir=None, num_attempts=10, verbose=True, sha256=None, max_bytes=MAX_DOWNLOAD_BYTES,
             max_seconds=math.inf):
    """Opens a URL for reading, from the cache if possible.

    Args:
        url: An https URL (http only for this machine), or `file:///` and a path.
        cache_dir: Folder that keeps the file as `<md5 of the URL>_<name>`; `None` = don't keep it.
        num_attempts: How often to try if the server or the connection fails, as published; a refusal (4xx) is final.
        verbose: Show a progress bar on a terminal?
        sha256: Expected SHA-256 of the contents in hex; a cached file that differs is downloaded again. `None` = any.
        max_bytes: Largest file accepted, so that a wrong URL can't fill the disk.
        max_seconds: Time limit of an attempt; unlimited, since connections may be slow.
    Returns: Binary file object at its start.
    Raises: UserError if it is not a URL, for other protocols, after a checksum mismatch, and for too large a file;
        OSError if the download fails. Messages never contain passwords or parameters of the URL.
    """
    if not is_url(url, allow_file_urls=True):
        raise UserError(f'expected a URL such as https://host.org/file, got {public_url(url)!r}')
    if url.startswith('file:///'):
        from urllib.request import url2pathname  # takes time to load
        return open(url2pathname(urllib.parse.urlparse(url).path), 'rb')
    url_md5 = hashlib.md5(url.encode('utf-8')).hexdigest()
    for folder in [] if cache_dir is None else cache.searched(cache_dir):
        cached = glob.glob(os.path.join(glob.escape(folder), url_md5 + '_*'))
        if len(cached) == 1 and (sha256 is None or _sha256_of_file(cached[0]) == sha256.lower()):
            return open(cached[0], 'rb')
    check_protocol(url)
    from dnnlib import download  # its modules of the network take time to load
    name, contents = download.download(url, num_attempts, verbose, max_bytes, max_seconds)
    found = hashlib.sha256(contents).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise UserError('{}: checksum mismatch, SHA-256 {} instead of {}; download it again or from elsewhere'.format(
            public_url(url), found, sha256))
    if cache_dir is not None:
        cache.make(cache_dir)
        with atomic_path(os.path.join(cache_dir, url_md5 + '_' + re.sub('[^0-9a-zA-Z-._]', '_', name))) as temp_path:
            with open(temp_path, 'wb') as f:
                f.write(contents)
    return io.BytesIO(contents)


cache_dir = cache.cache_dir


def public_url(url):
    """A URL without user, password, parameters and fragment, for messages and logs; paths are unchanged."""
    parts = urllib.parse.urlsplit(str(url))
    public = parts.scheme, parts.netloc.split('@')[-1], parts.path, '', ''
    return urllib.parse.urlunsplit(public) if '://' in str(url) else str(url)


def check_protocol(url):
    """Raises UserError unless a URL uses https, or http on this machine."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != 'https' and (parts.scheme != 'http' or parts.hostname not in _THIS_MACHINE):
        raise UserError(f'{public_url(url)}: only https is supported; download it yourself and pass its path')


def _sha256_of_file(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        for block in iter(lambda: f.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
