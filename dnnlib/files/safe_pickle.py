"""The only reader of pickles in this program: a stack machine of our own that builds containers and runs nothing.

Objects of classes are made by functions that the caller gives by name; a name that is not among them is refused.
Lengths are checked against what is left of the file before anything is read, and the number of instructions, the size
of integers and the nesting of marks are limited, so that the memory and time of any file are bounded by its size.
"""

import mmap
import os
import pickletools
import struct

from dnnlib.files.pickle_machine import Machine
from dnnlib.util import UserError

MAX_FILE_BYTES = 8 << 30
BYTES = (bytes, mmap.mmap)  # what the contents of a file can be


def load(data, find_global, persistent_load=None, encoding='latin1', start=0):
    """Reads one pickle.

    Args:
        data: Bytes.
        find_global: find_global('module.name') returns a function that makes the object from the pickled arguments; it
            raises UserError for names that it does not know. Objects with a state have a method `set_state(state)`.
        persistent_load: Function of the reference to an object outside of the pickle, None = refuse references.
        encoding: Of the texts that Python 2 wrote; latin1 keeps bytes as they were.
        start: Where in `data` the pickle begins.
    Returns: (the object, where in `data` the pickle ends). Bytes that are not short are memoryviews of `data`.
    Raises: UserError for a corrupt file, one that exceeds the limits, and one that asks for anything unknown.
    """
    try:
        return Machine(data, find_global, persistent_load, encoding, start).run()
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, struct.error) as error:
        raise UserError('corrupt or truncated ({}: {})'.format(type(error).__name__, error)) from error


def short(value):
    """A value of a file as a short text: of what is in containers only numbers and texts, for nested ones never end."""
    if isinstance(value, (list, tuple)):
        return '({}{})'.format(', '.join(type(item).__name__ if isinstance(item, (list, tuple)) else short(item)
                                         for item in value[:8]), ', ...' if len(value) > 8 else '')
    if isinstance(value, (str, bytes)):
        return repr(value[:40])
    return repr(value) if isinstance(value, (int, float, type(None))) else type(value).__name__


class Refused:
    """Stands in for an object of an unknown class, which was not made."""

    def __init__(self, name, args):
        self.name, self.args, self.state = name, args, None

    def set_state(self, state):
        """Keeps the state as data."""
        self.state = state


class Budget:
    """Bytes that the arrays of a file may have altogether: two of them can name the same bytes, but not thousands."""

    def __init__(self, size):
        self._left = 2 * size + (1 << 20)
        self._copies = 32 * size + (32 << 20)

    def take(self, size):
        """Notes an array of some bytes; raises UserError when they are too many."""
        self._left -= size
        if self._left < 0:
            raise UserError('refused: the arrays are larger than the file')

    def counted(self, make):
        """A function that makes a container of items, which notes their number: the same ones can be copied often."""
        def counted_make(items=()):
            self.take(8 * len(items))
            return make(items)
        return counted_make

    def copy(self, size):
        """Notes that an array is copied; raises UserError when one is there under thousands of names."""
        self._copies -= size
        if self._copies < 0:
            raise UserError('refused: the same arrays occur too often')


def read_all(file_obj, limit=None):
    """The rest of a binary file object as bytes; raises UserError beyond `limit` bytes (None = MAX_FILE_BYTES)."""
    limit = MAX_FILE_BYTES if limit is None else limit
    data = file_obj.read(limit + 1) if limit < 1 << 24 else _read_blocks(file_obj, limit)
    if len(data) > limit:
        raise UserError('larger than {} MiB; no file of this kind is'.format(limit >> 20))
    return data


def map_all(file_obj):
    """All of a file on a disk as memory that is read when it is looked at, so what nobody wants of it costs no time;
    of other file objects, and of one that has been read from, the rest as bytes.

    Raises: UserError beyond MAX_FILE_BYTES bytes.
    """
    try:
        if not file_obj.tell() and 0 < os.fstat(file_obj.fileno()).st_size <= MAX_FILE_BYTES:
            return mmap.mmap(file_obj.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, AttributeError):  # no file, or not on a disk
        pass
    return read_all(file_obj)


def _read_blocks(file_obj, limit):
    blocks, total = [], 0
    while total <= limit:
        block = file_obj.read(1 << 24)
        if not block:
            break
        blocks.append(block)
        total += len(block)
    return blocks[0] if len(blocks) == 1 else b''.join(blocks)


def is_cut(path):
    """Does the file of a pickle end before the pickle does? What a cut leaves may look whole, once in 256 times.

    Args:
        path: Path of a file that starts like a pickle; it is read only if it does not end like one.
    """
    with open(path, 'rb') as file:
        file.seek(-1, os.SEEK_END)
        if file.read() == b'.':
            return False
        file.seek(0)
        try:
            for _ in pickletools.genops(file):
                pass
        except ValueError:  # if there is more, it is damaged in another way
            return not file.read(1)
    return False  # something follows the pickle
