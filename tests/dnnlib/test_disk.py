"""Full disks: waiting for space, lines that are written whole or not at all."""

import errno
import os
import time

import pytest

from dnnlib import disk
from dnnlib.util import EasyDict


@pytest.fixture
def patient(monkeypatch):
    """Nobody waits here; the test says how much space is left."""
    monkeypatch.setattr(disk, 'POLL_SECONDS', 0.0)
    usage = EasyDict(free=10 ** 12)
    monkeypatch.setattr(disk.shutil, 'disk_usage', lambda _folder: usage)
    return usage


def test_waiting_until_there_is_space(patient, tmp_path, capsys):
    tries = []

    def write():
        tries.append(None)
        if len(tries) < 3:
            raise OSError(errno.EDQUOT if len(tries) == 1 else errno.ENOSPC, 'full')
        return 'written'
    assert disk.write_patiently(write, str(tmp_path)) == 'written'
    lines = capsys.readouterr().out.splitlines()
    assert len(tries) == 3 and len(lines) == 2
    assert lines[0].startswith('Paused: the disk of') and 'Nothing is lost' in lines[0] and 'again' in lines[1]


def test_space_is_checked_before_writing(patient, tmp_path, capsys):
    patient.free = 5 * 10 ** 6

    def stop():
        patient.free = 10 ** 9  # somebody tidied up
        return False
    assert disk.write_patiently(lambda: patient.free, str(tmp_path), num_bytes=10 ** 7, should_stop=stop) == 10 ** 9
    assert '5.0 MB free, 11.0 MB needed' in capsys.readouterr().out


def test_giving_up_and_other_errors(patient, tmp_path, monkeypatch):
    def write():
        raise OSError(code, 'x')
    code = errno.ENOSPC
    monkeypatch.setattr(disk, 'POLL_SECONDS', 60.0)
    start = time.time()
    with pytest.raises(OSError) as raised:
        disk.write_patiently(write, str(tmp_path), should_stop=lambda: True)
    assert disk.is_full(raised.value) and time.time() - start < 30
    code = errno.EACCES
    with pytest.raises(PermissionError):
        disk.write_patiently(write, str(tmp_path))
    with disk.ignoring_full():
        raise OSError(errno.ENOSPC, 'x')
    with pytest.raises(PermissionError), disk.ignoring_full():
        raise OSError(errno.EACCES, 'x')


def test_a_line_is_appended_whole_or_not_at_all(tmp_path, monkeypatch):
    path = str(tmp_path / 'x')
    disk.append_line(path, 'one')
    if not os.path.exists('/dev/full'):
        pytest.skip('no /dev/full')
    with pytest.raises(OSError):
        disk.append_line('/dev/full', 'two')
    real_open = open

    class HalfWritten:
        """A file that takes three bytes, then is full."""

        def __init__(self, *args, **kwargs):
            self._file, self._full = real_open(*args, **kwargs), False

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self._file.close()

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, data):
            if self._full:
                raise OSError(errno.ENOSPC, 'full')
            self._full = True
            return self._file.write(data[:3])
    monkeypatch.setattr(disk, 'open', HalfWritten, raising=False)
    with pytest.raises(OSError):
        disk.append_line(path, 'three')
    assert real_open(path).read() == 'one\n'
