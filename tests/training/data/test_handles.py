"""Files that several threads read through one descriptor."""

import concurrent.futures
import os
import resource
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest

from training.data import handles
from training.data.files import Files
from training.data.images import Unreadable
from training.data.making.writer import TFRecordExporter
from training.data.tfrecords import RecordFile

THREADS = 8


def in_threads(function):
    """What a function returns in several threads at the same time, a list."""
    barrier = threading.Barrier(THREADS, timeout=20)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda number: barrier.wait() >= 0 and function(number), range(THREADS)))


@pytest.mark.parametrize('has_pread', [True, False])
def test_what_is_read_is_the_file_that_was_opened(tmp_path, monkeypatch, has_pread):
    if not has_pread:
        monkeypatch.delattr(os, 'pread')
    monkeypatch.setattr(handles, 'MOST_AT_ONCE', 77)
    data = np.random.RandomState(0).randint(256, size=10000).astype(np.uint8)
    path = tmp_path / 'x'
    path.write_bytes(data.tobytes())
    file = handles.SharedFile(str(path))
    os.replace(str(path), str(tmp_path / 'y'))
    path.write_bytes(b'another one')
    for number, part in enumerate(in_threads(lambda number: file.read(1000 * number, 1000))):
        assert part.tobytes() == data[1000 * number:1000 * number + 1000].tobytes() and not part.flags.writeable
    assert file.read(9990, 2 ** 60).tobytes() == data[9990:].tobytes()
    assert file.read(10000, 1).size == file.read(2 ** 60, 1).size == file.read(5, 0).size == 0
    file.close()
    with pytest.raises(ValueError):
        file.read(0, 1)


def test_threads_need_no_descriptors_of_their_own(tmp_path):
    with TFRecordExporter(str(tmp_path / 'x'), THREADS) as exporter:
        for number in range(THREADS):
            exporter.add_image(np.full([1, 16, 16], number, np.uint8))
    with zipfile.ZipFile(str(tmp_path / 'x.zip'), 'w', zipfile.ZIP_DEFLATED) as archive:
        for number in range(THREADS):
            archive.writestr(str(number), str(number) * 1000)
    (tmp_path / '0').write_text('of a folder')
    files = [RecordFile(str(tmp_path / 'x' / name)) for name in os.listdir(str(tmp_path / 'x'))]
    zipped, folder = Files(str(tmp_path / 'x.zip')), Files(str(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        found = in_threads(lambda number: (
            [file.read(number).max() for file in files], zipped.read_bytes(str(number))))
        with pytest.raises(OSError, match='Too many open files'):  # rather than that the file is damaged
            folder.read_bytes('0')
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(files) == 3 and found == [([number] * 3, b'%d' % number * 1000) for number in range(THREADS)]
    for file in files + [zipped, folder]:
        file.close()


@pytest.mark.parametrize('kind', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_that_lies_about_sizes_costs_no_memory(tmp_path, kind):
    content = bytes(2 ** 23)
    with zipfile.ZipFile(str(tmp_path / 'x.zip'), 'w', kind) as archive:
        archive.writestr('a', content)
    files = Files(str(tmp_path / 'x.zip'))
    info = files._archive.getinfo('a')
    assert files.read_bytes('a') == content
    tracemalloc.start()
    for size in (100, 0):
        info.file_size = size
        with pytest.raises(Unreadable, match='checksum mismatch in the zip'):
            files.read_bytes('a')
    peak = tracemalloc.get_traced_memory()[1]
    info.file_size, info.compress_size = len(content), 2 ** 62  # more than there is
    try:
        assert files.read_bytes('a') == content
    except Unreadable:  # by newer versions of Python
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    files.close()
    assert peak < 2 ** 20 or kind == zipfile.ZIP_STORED and peak < 2 ** 25
    assert most < 2 ** 26
