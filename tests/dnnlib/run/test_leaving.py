"""A process that is ended by a thread of its own says why, and leaves no directory of a refused run."""

import os
import subprocess
import sys

import pytest

import dnnlib
from dnnlib.run import leaving, run_dir

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(dnnlib.__file__)))


def run():
    """Does nothing."""


def run_and_leave(files, refused):
    for name in files:
        open(dnnlib.make_run_dir_path(name), 'w').close()
    leaving.leave(lambda: print('it says why'), 7, refused)


@pytest.mark.parametrize('files, refused, stays', [
    (['reals.png', 'log-worker1.txt', 'log-worker12.txt'], True, False), (['log-worker1.txt'], False, True),
    (['network-snapshot-000001.pkl'], True, True), (['log-workers.txt'], True, True)])
def test_the_directory_of_a_refused_run(tmp_path, files, refused, stays):
    code = ('import dnnlib; from tests.dnnlib.run.test_leaving import run_and_leave; dnnlib.submit_run('
            f"dnnlib.SubmitConfig(run_dir_root={str(tmp_path / 'results')!r}, run_desc='x'), run_and_leave, "
            f'files={files}, refused={refused})')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    assert done.returncode == 7 and done.stdout.endswith('it says why\n')
    assert (tmp_path / 'results').is_dir() == stays
    if stays:
        folder, = (tmp_path / 'results').iterdir()
        assert set(files) < {path.name for path in folder.iterdir()}


def test_a_run_that_has_ended_is_no_longer_removed(tmp_path):
    config = dnnlib.submit_run(dnnlib.SubmitConfig(run_dir_root=str(tmp_path), run_desc='x'), run)
    run_dir.remove_refused()
    assert os.path.isdir(config.run_dir)
