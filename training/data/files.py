"""The files of a folder or zip in sorted order, and what is not taken, with the reason."""

import codecs
import collections
import errno
import os
import struct
import threading
import zipfile
import zlib

from dnnlib.util import UserError
from training.data.handles import SharedFile
from training.data.images import contents, Unreadable

HIDDEN = ('.', '__MACOSX')
LOCAL_HEADER, LOCAL_SIGNATURE = struct.Struct('<4s22xHH'), b'PK\3\4'  # of a file in a zip; sizes of name and more
HEAD_BYTES = 4096  # enough to tell what a file is
MAX_FILE_BYTES = 2 ** 30
MAX_REASONS = 12  # lines that count what is not taken
SKIPPED_FILE = 'skipped.csv'  # in a new dataset and in the run directory of a training
SKIPPED_HEADER = ('number', 'file', 'reason')


class Files:
    """The files of a folder and its subfolders, or of a zip, in sorted order and without hidden ones.

    Links to folders are followed, each folder is read once: real folders under their own names, and where several
    links lead to one folder, under the first link. A link that leads back to a folder around it is not followed.

    Args:
        path: Folder or zip file.
    Attributes:
        names: Names relative to `path`, with `/`.
        not_taken: (name, reason) of what is there but not in `names`; the name of a folder ends in `/`.
    Raises: UserError if there is no such folder or zip, or a folder in it can't be listed.
    """

    def __init__(self, path):
        self.path = path
        self.not_taken = []
        self._lock = threading.Lock()
        self._archive, self._file = None, None
        self._stored = {}  # names inside the zip that are not as stored: {name: stored name}
        if os.path.isdir(path):
            names = _Walk(path, self.not_taken).names
        elif not os.path.exists(path):
            raise UserError(f'{path}: no such file or folder; expected a folder or zip of images')
        else:
            self._archive, self._file = _open_zip(path), SharedFile(path)
            names = self._names_in_zip()
        self.names = sorted(names, key=lambda name: self._stored.get(name, name))

    def where(self, name):
        """Full name of the file `name`, for messages."""
        return os.path.join(self.path, *name.split('/'))

    def read_bytes(self, name):
        """Content of the file `name`. Raises Unreadable if it can't be read or is over 1 GiB."""
        try:
            if self._archive is None:
                return _read_whole(self.where(name))
            _check_size(self.where(name), self.size_of(name))
            stored = self._stored.get(name, name)
            info = self._archive.getinfo(stored)
            data = _read_member(self._file, info)
            if data is None:
                with self._lock, self._archive.open(stored) as member:  # with a size, it inflates no more than that
                    data = member.read(max(info.file_size, 1))
            return data
        except (MemoryError, UserError):  # the first says nothing about the file
            raise
        except Exception as error:  # pylint: disable=broad-except  # zipfile raises many things for damaged files
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):  # nor does this
                raise
            raise Unreadable(self.where(name), 'corrupt', _file_problem(error)) from None

    def size_of(self, name):
        """Size of the file `name` in bytes, uncompressed. Raises OSError if there is no such file."""
        if self._archive is None:
            return os.path.getsize(self.where(name))
        return self._archive.getinfo(self._stored.get(name, name)).file_size

    def stamp(self, name):
        """Text that changes when the content of the file `name` does."""
        if self._archive is not None:
            return '{0.file_size} {0.CRC}'.format(self._archive.getinfo(self._stored.get(name, name)))
        status = os.stat(self.where(name))
        return f'{status.st_size} {status.st_mtime_ns}'

    def close(self):
        """Closes the zip file."""
        if self._archive is not None:
            self._archive.close()
            self._file.close()

    def _names_in_zip(self):
        names, hidden = [], set()
        for stored in self._archive.namelist():
            name = stored.replace('\\', '/')  # zips of some Windows programs
            if name != stored:
                self._stored[name] = stored
            parts = name.split('/')
            number = next((i for i, part in enumerate(parts) if part.startswith(HIDDEN)), None)
            if number is not None:
                hidden.add('/'.join(parts[:number + 1]) + '/' * (number + 1 < len(parts)))
            elif not name.endswith('/'):
                names.append(name)
        self.not_taken += [(name, 'hidden') for name in sorted(hidden)]
        return names


class _Walk:
    """Lists a folder: `names` of the files relative to it; appends (name, reason) of what is left out to a list."""

    def __init__(self, path, not_taken):
        self.names, self._not_taken, self._path = [], not_taken, path
        self._root = os.path.realpath(path)
        self._seen, self._links = set(), collections.deque()
        self._visit(path)
        while self._links:  # after everything that is really here, so that a link never takes its place
            link = self._links.popleft()
            target = os.path.realpath(link)
            places = [self._root, os.path.realpath(os.path.dirname(link))]  # the second may be behind another link
            if any(os.path.join(place, '').startswith(os.path.join(target, '')) for place in places):
                self._leave_out(link, 'a link to a folder around it')
            else:
                self._visit(link)
        not_taken.sort()

    def _visit(self, top):
        links = []
        for folder, subfolders, files in os.walk(top, onerror=_refuse):
            target = os.path.realpath(folder)
            if target in self._seen:
                self._leave_out(folder, 'a link to a folder that is read already')
                subfolders[:] = []
                continue
            self._seen.add(target)
            for name in [name for name in subfolders + files if name.startswith(HIDDEN)]:
                path = os.path.join(folder, name)
                self._leave_out(path, 'hidden', name in subfolders)
            subfolders[:] = [name for name in subfolders if not name.startswith(HIDDEN)]
            links += [path for path in (os.path.join(folder, name) for name in subfolders) if os.path.islink(path)]
            begin = '' if folder == self._path else self._name(folder) + '/'
            self.names += [begin + name for name in files if not name.startswith(HIDDEN)]
        self._links.extend(sorted(links))

    def _name(self, path):
        return os.path.relpath(path, self._path).replace(os.sep, '/')

    def _leave_out(self, path, reason, is_folder=True):
        self._not_taken.append((self._name(path) + '/' * is_folder, reason))


def _refuse(error):
    raise UserError(f'{error.filename}: this folder cannot be listed ({error.strerror}); make it readable or remove it')


def _open_zip(path):
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # pylint: disable=broad-except  # zipfile raises many things for damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise
    with open(path, 'rb') as file:
        found = contents(file.read(HEAD_BYTES))
    raise UserError('{}: {}; expected a folder or zip of images'.format(
        path, 'a damaged zip file' if found == 'a zip file' else 'not a zip file, but ' + found))


def _check_size(where, size):
    if size > MAX_FILE_BYTES:
        raise Unreadable(where, 'corrupt', 'over 1 GiB')


def _read_whole(path):
    """Content of a file, bytes, by few calls of the system, at each of which threads can wait for each other."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, 'O_BINARY', 0))
    try:
        size = os.fstat(descriptor).st_size
        _check_size(path, size)
        data = os.read(descriptor, size)
        while len(data) < size or not size:  # file systems may give less, and some know no sizes
            more = os.read(descriptor, size - len(data) if size else 2 ** 20)
            if not more:
                break
            data += more
            _check_size(path, len(data))
        return data
    finally:
        os.close(descriptor)


def _read_member(file, info):
    """Content of a file in a zip, bytes, read by this thread alone; `None` = unusual or damaged, zipfile has to see it.

    Args:
        file: SharedFile of the zip.
        info: zipfile.ZipInfo.
    """
    head = file.read(info.header_offset, LOCAL_HEADER.size).tobytes()
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (
            len(head) < LOCAL_HEADER.size):
        return None
    signature, name_size, extra_size = LOCAL_HEADER.unpack(head)
    packed = file.read(info.header_offset + len(head) + name_size, extra_size + info.compress_size)[extra_size:]
    try:  # one byte more than it should be, however much more there is
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, info.file_size + 1) if info.compress_type else (
            packed.tobytes())
    except zlib.error:
        return None
    is_usual = signature == LOCAL_SIGNATURE and (len(packed), len(data)) == (info.compress_size, info.file_size)
    return data if is_usual and zlib.crc32(data) == info.CRC else None


def _file_problem(error):
    """What keeps a file from being read, in words of our own where the text is not the operating system's."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, RuntimeError) and 'password' in str(error):
        return 'encrypted in the zip'
    if 'compression' in str(error):
        return 'compressed in a way that is not supported'
    return 'checksum mismatch in the zip' if 'CRC' in str(error) else 'damaged in the zip'


def by_reason(reasons):
    """Counts reasons, str, as lines of text, the most frequent first; what stands in parentheses does not count."""
    counts = collections.Counter(reason.split(' (')[0] for reason in reasons)
    lines = [f'{count:6}  {reason}' for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    more = sum(counts.values()) - sum(int(line.split()[0]) for line in lines[:MAX_REASONS])
    return lines[:MAX_REASONS] + ([f'{more:6}  for other reasons'] if more else [])


def decode_text(data, where):
    """Text of a file that any editor wrote: UTF-8 or UTF-16, with or without a mark, or code page 1252 of Windows.

    Args:
        data: Content, bytes.
        where: Name of the file, for messages.
    Returns: str.
    Raises: UserError if it is not text.
    """
    encodings = ('utf-8-sig', 'cp1252')
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encodings = ('utf-16',)
    elif b'\0' in data[:2]:
        encodings = ('utf-16-be' if data[:1] == b'\0' else 'utf-16-le',)
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except ValueError:
            pass
    raise UserError(f'{where}: this is not text; save it as UTF-8')
