"""Compilers for tests: shell scripts that note how they were called and write a few bytes instead of code."""

import os

SCRIPT = '''#!/bin/sh
case "$*" in *--version*) echo "{version}"; exit 0;; esac
echo "$0 $*" >> "{calls}"
{body}
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then echo made by {version} > "$2"; fi
  shift
done
'''


class FakeCompilers:
    """A folder of fake compilers that is all of PATH but for the shell's own tools, and a cache folder of its own."""

    def __init__(self, monkeypatch, tmp_path):
        self.folder = tmp_path / 'bin'
        self.folder.mkdir()
        self.cache = tmp_path / 'cache'
        self._calls = tmp_path / 'calls'
        monkeypatch.setenv('PATH', os.pathsep.join([str(self.folder), '/usr/bin', '/bin']))
        monkeypatch.setenv('STYLEGAN2_CACHE', str(self.cache))
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
        for name in ('CXX', 'CUDA_HOME', 'CUDA_PATH', 'STYLEGAN2_CUDA_ARCHS', 'STYLEGAN2_OPS'):
            monkeypatch.delenv(name, raising=False)

    def add(self, name, body='', version='fake 1.0'):
        """Writes (or replaces) a compiler; `body` is run by a shell before the output is written."""
        path = self.folder / name
        path.write_text(SCRIPT.format(version=version, calls=self._calls, body=body))
        path.chmod(0o755)
        return str(path)

    @property
    def calls(self):
        """Command lines so far, without those that asked for the version."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []
