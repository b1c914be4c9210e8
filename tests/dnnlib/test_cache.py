"""Where files are kept: the user's own folder, older places, and folders for temporary files."""

import hashlib
import os
import sys

import pytest

from dnnlib import cache, util


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home without anything, no named cache, and an empty working directory."""
    for name in ('home', 'work', 'temporary'):
        (tmp_path / name).mkdir()
    for name in ('STYLEGAN2_CACHE', 'XDG_CACHE_HOME', 'LOCALAPPDATA'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(cache.tempfile, 'tempdir', str(tmp_path / 'temporary'))
    monkeypatch.setattr(cache, '_ROOT', str(tmp_path / 'checkout'))
    monkeypatch.setattr(cache, '_told', set())
    monkeypatch.chdir(tmp_path / 'work')
    return tmp_path / 'home'


@pytest.mark.parametrize('platform, variables, folder', [
    ('linux', {}, '~/.cache/stylegan2'),
    ('linux', {'XDG_CACHE_HOME': '~/x'}, '~/x/stylegan2'),
    ('linux', {'XDG_CACHE_HOME': 'not/absolute'}, '~/.cache/stylegan2'),
    ('linux', {'STYLEGAN2_CACHE': '/named'}, '/named'),
    ('darwin', {}, '~/Library/Caches/stylegan2'),
    ('win32', {}, '~/AppData/Local/stylegan2'),
    ('win32', {'LOCALAPPDATA': '~/local'}, '~/local/stylegan2'),
])
def test_usual_places(home, monkeypatch, platform, variables, folder):
    monkeypatch.setattr(sys, 'platform', platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace('~', str(home)))
    assert cache.cache_dir() == folder.replace('~', str(home)) and util.cache_dir is cache.cache_dir


def test_the_old_places_are_read_and_new_files_go_to_the_new_one(home, monkeypatch, tmp_path):
    url = 'https://host.example/net.pkl'
    name = hashlib.md5(url.encode()).hexdigest() + '_net.pkl'
    assert cache.find(name) == str(home / '.cache' / 'stylegan2' / name) and not os.listdir(str(home))
    for parent in ('work', 'checkout'):
        old = tmp_path / parent / '.stylegan2-cache'
        old.mkdir(parents=True)
        (old / name).write_bytes(parent.encode())
    assert cache.find(name) == str(tmp_path / 'work' / '.stylegan2-cache' / name)
    with util.open_url(url, cache_dir=cache.cache_dir()) as file:  # never asks the host
        assert file.read() == b'work'
    monkeypatch.chdir(home)
    assert cache.find_all('*_net.pkl') == [str(tmp_path / 'checkout' / '.stylegan2-cache' / name)]
    assert cache.find('other') == str(home / '.cache' / 'stylegan2' / 'other')
    assert cache.searched(str(tmp_path)) == [str(tmp_path)]
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path))
    assert cache.find(name) == str(tmp_path / name)  # only there


@pytest.mark.parametrize('case', ['no home', 'a file in the way', 'read-only'])
def test_without_a_home_that_can_be_written_files_are_temporary(home, monkeypatch, tmp_path, capsys, case):
    if case == 'no home':
        monkeypatch.setattr(os.path, 'expanduser', lambda path: path)
    elif case == 'read-only':
        monkeypatch.setattr(os, 'access', lambda path, mode: not str(path).startswith(str(home)))  # root may anything
    else:
        (home / '.cache').write_text('')
    folder = str(tmp_path / 'temporary' / f'stylegan2-{os.getuid()}')
    assert cache.cache_dir() == cache.cache_dir() == folder
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith('Cache: ') and line.endswith(f'{folder}; set STYLEGAN2_CACHE to a folder that stays')
    reasons = {'no home': 'no home folder', 'read-only': f'{home} cannot', 'a file in the way': '.cache is not'}
    assert reasons[case] in line
    if case == 'read-only':  # what was put there before is still used
        (home / '.cache' / 'stylegan2').mkdir(parents=True)
        (home / '.cache' / 'stylegan2' / 'weights').write_text('')
        assert cache.find('weights') == str(home / '.cache' / 'stylegan2' / 'weights')
    cache.make(folder)
    assert os.stat(folder).st_mode & 0o777 == 0o700
    os.chmod(folder, 0o755)  # then others see what is in it, and might have made it
    assert cache.temporary() is None and cache.cache_dir() != folder


def test_only_the_named_folder_is_shared(home, monkeypatch, tmp_path):
    before = os.umask(0o002)
    try:
        cache.make(cache.cache_dir())
        monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'named'))
        cache.make(os.path.join(cache.cache_dir(), 'ops'))
    finally:
        os.umask(before)
    assert os.stat(str(home / '.cache' / 'stylegan2')).st_mode & 0o777 == 0o700
    assert os.stat(str(tmp_path / 'named' / 'ops')).st_mode & 0o777 == 0o775
