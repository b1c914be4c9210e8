"""The memory that workers inherit; tests/dnnlib/tflib/test_shared_sum.py sums through it."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from dnnlib.run import shared_memory


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux only')
def test_a_child_that_inherits_it_sees_what_is_written():
    with shared_memory.create(2) as files:
        text = ','.join(map(str, files))
        code = ('import os; from dnnlib.run import shared_memory\n'
                'file = shared_memory.find(os.environ, 2)\n'
                'if file is not None: os.pwrite(file, b"seen", shared_memory.PAGE)')
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        for inherited, expected in (((), b'\0\0\0\0'), (files, b'seen')):  # no other program has it
            subprocess.run([sys.executable, '-c', code], cwd=root, pass_fds=inherited, check=True,
                           env=dict(os.environ, **{shared_memory.SHARED: text}))
            assert os.pread(files[0], 4, shared_memory.PAGE) == expected
        assert os.fstat(files[0]).st_blocks * 512 <= 2 * shared_memory.PAGE  # the rest takes up nothing


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux only')
def test_systems_that_allow_no_such_file(monkeypatch):
    def refuse(file, size):
        raise OSError(errno.EFBIG, 'File too large')
    monkeypatch.setattr(os, 'ftruncate', refuse)
    with shared_memory.create(2) as files:
        assert files == []


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux only')
def test_at_most_so_many_workers():
    for workers, count in [(shared_memory.MOST_WORKERS, 1), (shared_memory.MOST_WORKERS + 1, 0)]:
        with shared_memory.create(workers) as files:
            assert len(files) == count


def test_systems_without_it(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    with shared_memory.create(2) as files:
        assert files == []


@pytest.mark.skipif(sys.platform != 'linux', reason='Linux only')
def test_workers_answer_one_another():
    """As often as they like; nobody knows before all have asked, and nobody reads an answer to another question."""
    questions = [[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 1], [1, 1, 0]] + [[1, 1, 1]] * 100
    found = [[] for _ in range(3)]
    with shared_memory.create(3) as files:
        def ask(worker):
            for answers in questions:
                found[worker].append(shared_memory.agree(files[0], worker, 3, answers[worker]))
        threads = [threading.Thread(target=ask, args=[worker], daemon=True) for worker in range(3)]
        for thread in threads[:2]:
            thread.start()
        time.sleep(0.05)
        assert found == [[]] * 3
        threads[2].start()
        for thread in threads:
            thread.join(30)
        assert found == [[all(answers) for answers in questions]] * 3
        assert os.pread(files[0], shared_memory.ANSWERS, 0) == bytes(shared_memory.ANSWERS)  # what sums have there
