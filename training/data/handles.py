"""Files that several threads read at the same time."""

import os
import threading

import numpy as np


class Handles:
    """A file that every thread opens for itself when it first reads, and so does a fork of the process.

    Args:
        path: Name of the file.
    Raises: OSError if it can't be opened.
    """

    def __init__(self, path):
        self._path, self._local, self._opened = path, threading.local(), []
        self._of_thread()

    def _of_thread(self):
        if getattr(self._local, 'pid', None) != os.getpid():
            file = open(self._path, 'rb', buffering=0)
            self._opened.append(file)
            self._local.pid, self._local.file = os.getpid(), file
        return self._local.file

    def read(self, offset, size):
        """Content of the file, uint8 [size], from a byte on; fewer at its end. Raises OSError."""
        file = self._of_thread()
        file.seek(offset)
        data = np.empty(size, np.uint8)
        view, begin = memoryview(data), 0
        while begin < size:
            count = file.readinto(view[begin:])
            if not count:
                return data[:begin]
            begin += count
        return data

    def close(self):
        """Closes the file in all threads."""
        for file in self._opened:
            file.close()
