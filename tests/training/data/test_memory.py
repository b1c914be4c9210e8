"""Datasets larger than the memory there is: every kind is streamed."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from dnnlib import memory
from training.data.making.writer import TFRecordExporter

resource = pytest.importorskip('resource')

NUM_IMAGES, SIZE = 240, 256  # 47 million bytes, and a third more for the coarser levels of records
MARGIN = 32 * 2 ** 20  # bytes that the reader may take, its threads included

PROGRAM = '''
import ctypes, resource, sys, threading
import numpy as np
from PIL import BmpImagePlugin
from training import dataset
from training.data.making import check

ctypes.CDLL('libgcc_s.so.1')  # which glibc would load when a thread ends
threading.stack_size(2 ** 20)
path, margin = sys.argv[1], int(sys.argv[2])
with open('/proc/self/statm') as file:
    limit = int(file.read().split()[0]) * resource.getpagesize() + margin
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
with dataset.load_dataset(tfrecord_dir=path) as data:
    data.preload()
    total = 0
    for _ in range(data.num_images // 10 + 3):
        total += int(data.get_minibatch_np(10)[0][:, 0, 0, 0].sum())
    print(data.num_images, total)
if not path.endswith('records'):  # their check reads in the same way, only longer
    report = check.check(path, workers=1)
    print(report.num_files, len(report.findings))
kept = []
try:
    with dataset.load_dataset(tfrecord_dir=path) as data:
        for index in range(data.num_images):
            kept.append(data.read(index).copy())
except MemoryError:
    print('the limit works')
'''


def _images():
    rows = np.random.RandomState(0).randint(256, size=[SIZE, 3, SIZE]).astype(np.uint8)
    for i in range(NUM_IMAGES):
        yield np.roll(rows, i, axis=0).transpose(1, 0, 2)


def _bmp(image):
    header = b'BM' + (54 + image.size).to_bytes(4, 'little') + bytes(4) + (54).to_bytes(4, 'little')
    info = b''.join(number.to_bytes(4, 'little') for number in (40, SIZE, SIZE)) + b'\1\0\x18\0' + bytes(24)
    return header + info + np.ascontiguousarray(image[::-1, ::-1].transpose(1, 2, 0)).tobytes()


def _make(kind, path):
    if kind == 'records':
        with TFRecordExporter(path, NUM_IMAGES) as exporter:
            for image in _images():
                exporter.add_image(image)
    elif kind == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            for i, image in enumerate(_images()):
                archive.writestr('{:04d}.bmp'.format(i), _bmp(image))
    else:
        os.mkdir(path)
        for i, image in enumerate(_images()):
            with open(os.path.join(path, '{:04d}.bmp'.format(i)), 'wb') as file:
                file.write(_bmp(image))


@pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='needs /proc')
@pytest.mark.parametrize('kind', ['records', 'zip', 'folder'])
def test_data_sets_larger_than_memory_are_streamed(tmp_path, kind):
    path = str(tmp_path / kind)
    _make(kind, path)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    lines = subprocess.check_output([sys.executable, '-c', PROGRAM, path, str(MARGIN)], cwd=root, env=dict(
        os.environ, MALLOC_ARENA_MAX='1', OPENBLAS_NUM_THREADS='1')).decode().splitlines()
    first_values = [int(image[0, 0, 0]) for image in _images()]
    order = [np.random.RandomState([0, epoch]).permutation(NUM_IMAGES) for epoch in (0, 1)]
    expected = sum(first_values) + sum(first_values[i] for i in order[1][:30])
    checked = [] if kind == 'records' else ['{} 0'.format(NUM_IMAGES)]
    assert lines == ['{} {}'.format(NUM_IMAGES, expected)] + checked + ['the limit works']


@pytest.mark.skipif(not os.path.exists('/proc/meminfo'), reason='needs /proc')
def test_free_memory_knows_the_limit_of_the_process(monkeypatch):
    free = memory.free_host_memory()
    assert 0 < free <= 2 ** 50
    monkeypatch.setattr(resource, 'getrlimit', lambda what: (2 ** 20, 2 ** 20))
    assert memory.free_host_memory() == 0


@pytest.mark.skipif(not os.path.exists('/proc/meminfo'), reason='needs /proc')
@pytest.mark.parametrize('version', [0, 1])
def test_free_memory_knows_the_limit_of_the_container(tmp_path, monkeypatch, version):
    _, limit, used, files = memory.CGROUPS[version]
    monkeypatch.setattr(memory, 'CGROUPS', [(str(tmp_path), limit, used, files)])
    (tmp_path / limit).write_text('9000\n')
    (tmp_path / used).write_text('7000\n')
    (tmp_path / 'memory.stat').write_text('cache 5\n{} 4000\nunevictable 0\n'.format(files))
    assert memory.free_host_memory() == 6000
    (tmp_path / limit).write_text('max\n')
    assert memory.free_host_memory() > 6000
