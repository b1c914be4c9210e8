"""Tests leave nothing to each other, and find nothing that a user has."""

import os
import tempfile

import pytest

from dnnlib import cache
from tests import own_places


@pytest.mark.parametrize('turn', [1, 2])
def test_nothing_is_left_by_another_test(turn):
    assert tempfile.gettempdir() == os.environ['TMPDIR'] and not os.listdir(tempfile.gettempdir())
    assert not os.listdir(os.path.expanduser('~')) and 'LEFT_BY_A_TEST' not in os.environ
    assert not os.path.exists(cache.of_user()) and not os.path.exists(cache.temporary())
    assert cache.named() and os.environ['PATH'] != '/left'
    for folder in (cache.of_user(), cache.temporary()):
        cache.make(folder)
    os.environ.update(LEFT_BY_A_TEST='1', PATH='/left')


def test_what_the_user_has_set_is_removed(monkeypatch, tmp_path):
    for name in ('STYLEGAN2_OPS', 'STYLEGAN2_LPIPS', 'XDG_CACHE_HOME', 'PYTHONIOENCODING', 'TF_CONFIG', 'SLURM_PROCID'):
        monkeypatch.setenv(name, 'ascii')
    own_places.clean_environment(str(tmp_path))
    assert not any(value == 'ascii' for value in os.environ.values()) and cache.cache_dir() == str(tmp_path)
