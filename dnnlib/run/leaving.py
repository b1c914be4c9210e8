"""Ends a process from a thread that watches, whatever its main thread is waiting for."""

import contextlib
import os
import sys
import threading

from dnnlib.run.run_dir import remove_refused

SAY_SECONDS = 1  # the main thread may hold the lock of a stream for ever


def leave(say, code, refused=False):
    """Says why, and ends the process.

    Args:
        say: Function that prints it.
        code: Exit code.
        refused: Would the run end in the same way again? Then its directory goes if it is new and holds no results.
    """
    def speak():
        try:
            say()
            if refused:
                with contextlib.suppress(OSError):  # the main thread may be writing there
                    remove_refused()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    speaker.join(SAY_SECONDS)
    os._exit(code)
