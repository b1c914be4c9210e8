"""Compiled files that tests keep in the cache, by what they are made of: compilers take most of a minute."""

import hashlib
import os
import shutil
import subprocess
import tempfile


def contents(*paths):
    """Digest of files and of all files in folders, by name and content."""
    digest = hashlib.sha256()
    for path in paths:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else ['']
        for name in names:
            with open(os.path.join(path, name) if name else path, 'rb') as f:
                digest.update(repr((name, f.read())).encode())
    return digest.hexdigest()


def version(compiler):
    """What a compiler says about itself."""
    return subprocess.check_output([compiler, '--version'], universal_newlines=True)


def kept(name, key, make):
    """Path of a file that is made once.

    Args:
        name: Name of the file.
        key: All that it depends on, with a repr.
        make: Called with the path to write if the file is not there yet.
    """
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
    folder = os.path.join(os.environ['STYLEGAN2_CACHE'], 'tests', digest)  # conftest.py sets it
    if not os.path.exists(os.path.join(folder, name)):
        os.makedirs(folder, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=folder)
        try:
            make(os.path.join(temporary, name))
            os.replace(os.path.join(temporary, name), os.path.join(folder, name))
        finally:
            shutil.rmtree(temporary)
    return os.path.join(folder, name)
