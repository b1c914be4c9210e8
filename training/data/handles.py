"""Files that several threads read at the same time."""

import os
import threading

import numpy as np

MOST_AT_ONCE = 2 ** 30  # bytes; some systems read no more than 2 GiB, or refuse to


class SharedFile:
    """A file that threads read at the same time by one descriptor, and so do forks of the process.

    It is the one that was opened, even if there is another of its name by now.

    Args:
        path: Name of the file.
    Attributes:
        size: When it was opened, bytes.
    Raises: OSError if it can't be opened.
    """

    def __init__(self, path):
        self._file = open(path, 'rb', buffering=0)
        self._lock = threading.Lock()
        self.size = os.fstat(self._file.fileno()).st_size

    def read(self, offset, size):
        """Content of the file, uint8 [size], read-only, from a byte on; fewer at its end. Raises OSError."""
        parts, end = [], min(offset + size, self.size)  # a damaged file may ask for more than there is memory
        while offset < end:
            parts.append(self._read_some(offset, min(end - offset, MOST_AT_ONCE)))
            if not parts[-1]:
                break
            offset += len(parts[-1])
        data = parts[0] if len(parts) == 1 else b''.join(parts)
        return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)

    def _read_some(self, offset, size):
        if hasattr(os, 'pread'):
            return os.pread(self._file.fileno(), size, offset)
        with self._lock:  # Windows
            self._file.seek(offset)
            return self._file.read(size)

    def close(self):
        """Closes the file."""
        self._file.close()
