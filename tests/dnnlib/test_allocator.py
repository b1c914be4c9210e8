"""The thresholds of glibc's malloc; each case in a process of its own, since they cannot be taken back."""

import os
import platform
import subprocess
import sys

CODE = 'from dnnlib import allocator; print(allocator.keep_large_allocations())'


def _answer(**env):
    return subprocess.check_output([sys.executable, '-c', CODE], env=dict(os.environ, **env)).decode().strip()


def test_thresholds_are_accepted_where_there_is_glibc():
    glibc = platform.libc_ver()[0] == 'glibc'
    assert _answer(STYLEGAN2_MALLOC='1') == str(glibc)


def test_environment_turns_it_off():
    assert _answer(STYLEGAN2_MALLOC='0') == 'False'
