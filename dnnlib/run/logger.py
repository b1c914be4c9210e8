"""Copies what a run prints into its log file; holds back what libraries print while they load."""

import contextlib
import os
import sys
import tempfile
import time

from dnnlib.disk import ignoring_full


class Logger:
    """Copies standard output and standard error into a file, from construction to `close`.

    Args:
        file_name: Path of the file; `None` only redirects standard error to standard output.
        file_mode: Mode of `open`: `'w'` overwrites the file, `'a'` appends.
        should_flush: Flush both streams after every write?
    Attributes:
        written: When something was written last, seconds since the epoch.
    """

    def __init__(self, file_name=None, file_mode='w', should_flush=True):
        self.file = None
        if file_name is not None:
            self.file = open(file_name, file_mode, encoding='utf-8', errors='backslashreplace')  # any name of a file
        self.should_flush = should_flush
        self.written = time.time()
        self.stdout = sys.stdout
        self.stderr = sys.stderr
        sys.stdout = self
        sys.stderr = self

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self.close()

    def write(self, text):
        """Writes `text` (str or UTF-8 bytes) to the old standard output and to the file."""
        if isinstance(text, bytes):
            text = text.decode('utf-8', 'replace')
        if not text:
            return
        self.written = time.time()
        if self.file is not None:
            with ignoring_full():  # the line may be missing in the file; what prints it goes on
                self.file.write(text)
        self.stdout.write(text)
        if self.should_flush:
            self.flush()

    def flush(self):
        """Flushes the file and the old standard output."""
        if self.file is not None:
            with ignoring_full():
                self.file.flush()
        self.stdout.flush()

    def isatty(self):
        """Is the old standard output a terminal?"""
        return self.stdout.isatty()

    def fileno(self):
        """File descriptor of the old standard output, for child processes; what they write skips the log file."""
        return self.stdout.fileno()

    @property
    def encoding(self):
        """Encoding of the old standard output."""
        return self.stdout.encoding

    def close(self):
        """Restores the streams, unless somebody replaced them since, and closes the file."""
        self.flush()
        if sys.stdout is self:
            sys.stdout = self.stdout
        if sys.stderr is self:
            sys.stderr = self.stderr
        if self.file is not None:
            with ignoring_full():
                self.file.close()
            self.file = None


@contextlib.contextmanager
def quiet_stderr():
    """Context manager: holds back what native code prints on standard error; it is shown if the block raises."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with tempfile.TemporaryFile() as held_back:
            os.dup2(held_back.fileno(), 2)
            try:
                yield
            except BaseException:
                held_back.seek(0)
                os.write(stderr, held_back.read())
                raise
            finally:
                os.dup2(stderr, 2)
    finally:
        os.close(stderr)
