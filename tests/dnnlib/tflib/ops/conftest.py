"""Fake compilers for the tests of building."""

import pytest

from dnnlib import cache
from dnnlib.tflib.ops import native_tools
from tests.dnnlib.tflib.ops.fake_compilers import FakeCompilers


@pytest.fixture
def compilers(monkeypatch, tmp_path):
    """Fake g++ only, no GPU."""
    fakes = FakeCompilers(monkeypatch, tmp_path)
    fakes.add('g++')
    monkeypatch.setattr(native_tools, 'gpu_archs', lambda: ())
    monkeypatch.setattr(cache, '_ROOT', str(tmp_path / 'checkout'))  # which may have a cache of its own
    return fakes
