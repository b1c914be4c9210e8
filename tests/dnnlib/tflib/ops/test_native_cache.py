"""Where native libraries are kept: folders that cannot be written, read-only ones, and what others could change."""

import contextlib
import os
import tempfile

import pytest

from dnnlib.tflib.ops import native_build, native_tools
from dnnlib.util import UserError


@pytest.fixture
def unwritable(tmp_path):
    """Paths in which no folder can be made, also by root: inside a file."""
    (tmp_path / 'file').write_text('')
    return str(tmp_path / 'file' / 'folder')


def test_an_unwritable_cache_folder_is_passed_over(compilers, monkeypatch, unwritable, tmp_path):
    monkeypatch.setenv('STYLEGAN2_CACHE', unwritable)
    library = native_build.obtain(native_tools.recipe())
    assert library.path.startswith(str(tmp_path / 'xdg' / 'stylegan2' / 'ops'))
    monkeypatch.setenv('XDG_CACHE_HOME', unwritable)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    library = native_build.obtain(native_tools.recipe())
    folder = tmp_path / ('stylegan2-%d' % os.getuid())
    assert library.path.startswith(str(folder)) and folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)  # then anybody might have put something there
    with pytest.raises(UserError, match='no writable cache folder: .*; set STYLEGAN2_CACHE to'):
        native_build.obtain(native_tools.recipe())


def test_a_read_only_cache_that_holds_the_library_is_used(compilers):
    library = native_build.obtain(native_tools.recipe())
    folder = os.path.dirname(library.path)
    with contextlib.ExitStack() as stack:
        for path in (folder, os.path.dirname(folder), str(compilers.cache)):
            os.chmod(path, 0o555)
            stack.callback(os.chmod, path, 0o755)
        assert native_build.obtain(native_tools.recipe()) == library


def test_without_a_named_cache_only_own_libraries_are_trusted(compilers, monkeypatch, tmp_path):
    if os.getuid() != 0:
        pytest.skip('only root can give files away')
    monkeypatch.delenv('STYLEGAN2_CACHE')
    monkeypatch.chdir(tmp_path)
    library = native_build.obtain(native_tools.recipe())
    assert library.path.startswith(str(tmp_path / 'xdg' / 'stylegan2' / 'ops'))
    os.chown(library.path, 4321, 4321)
    assert native_build.find(native_tools.recipe()) is None
    with pytest.raises(native_build.BuildError, match='x.cc:1: error'):  # nor is it when a build has the lock
        compilers.add('g++', 'echo x.cc:1: error; exit 1')
        native_build.obtain(native_tools.recipe())
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'xdg' / 'stylegan2'))  # now the user vouches for it
    assert native_build.find(native_tools.recipe()) == library


def test_the_library_of_an_older_version_is_found_in_the_working_directory(compilers, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('STYLEGAN2_CACHE', '.stylegan2-cache')
    library = native_build.obtain(native_tools.recipe())
    monkeypatch.delenv('STYLEGAN2_CACHE')
    assert native_build.obtain(native_tools.recipe()) == library
    monkeypatch.chdir(tmp_path / 'bin')
    assert native_build.find(native_tools.recipe()) is None


@pytest.mark.parametrize('mask', [0o002, 0o022])
def test_what_others_can_change_is_neither_loaded_nor_written(compilers, monkeypatch, tmp_path, mask):
    monkeypatch.delenv('STYLEGAN2_CACHE')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    before = os.umask(mask)  # 002 where each user has a group of his own
    try:
        library = native_build.obtain(native_tools.recipe())
    finally:
        os.umask(before)
    cache = tmp_path / 'xdg' / 'stylegan2'
    assert library.path.startswith(str(cache)) and native_build.find(native_tools.recipe()) == library
    folder = os.path.dirname(library.path)
    for path in (library.path, folder, str(cache / 'ops'), str(cache)):
        mode = os.stat(path).st_mode & 0o777
        for more in (0o020, 0o002):
            os.chmod(path, mode | more)
            assert native_build.find(native_tools.recipe()) is None
        os.chmod(path, mode)
    assert native_build.find(native_tools.recipe()) == library
    cache.chmod(0o770)
    elsewhere = native_build.obtain(native_tools.recipe())
    assert elsewhere.path.startswith(str(tmp_path / ('stylegan2-%d' % os.getuid()) / 'ops'))
    monkeypatch.setenv('STYLEGAN2_CACHE', str(cache))
    assert native_build.find(native_tools.recipe()) == library
