"""What can be said of the page without a browser: what its scripts name exists, and nothing comes from elsewhere."""

import os
import re

import pytest

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'explorer', 'page')
NAMES = sorted(os.listdir(PAGE))
SCRIPTS = [name for name in NAMES if name.endswith('.js')]


def read(name):
    """Text of a file of the page."""
    with open(os.path.join(PAGE, name), encoding='utf-8') as f:
        return f.read()


def ids():
    """All ids of the page's markup."""
    return re.findall(r'\bid="([^"]+)"', read('index.html'))


def referred():
    """Ids that the markup itself refers to."""
    found = re.findall(r'\b(?:for|aria-controls|aria-labelledby|aria-describedby)="([^"]+)"', read('index.html'))
    return [name for value in found for name in value.split()]


def test_ids_are_unique_and_those_that_scripts_ask_for_exist():
    assert len(ids()) == len(set(ids()))
    asked = {name for script in SCRIPTS for name in re.findall(r"byId\('([^']+)'\)", read(script))}
    assert len(asked) > 80 and asked - set(ids()) == set()


def test_markup_refers_to_ids_that_exist():
    assert len(referred()) > 30 and set(referred()) - set(ids()) == set()


def test_every_id_is_used():
    rest = ''.join(read(name) for name in SCRIPTS) + read('explorer.css')
    used = set(re.findall(r'[\w-]+', rest)) | set(referred())
    assert set(ids()) - used == set()


@pytest.mark.parametrize('name', NAMES)
def test_nothing_comes_from_elsewhere_or_stands_inline(name):
    text = read(name).replace('http://www.w3.org/2000/svg', '')
    assert not re.search(r'//[a-z0-9.-]+\.[a-z]{2,}|https?:|@import|url\(', text.replace('https;', '')), name
    assert not re.search(r'\b(eval|innerHTML|outerHTML|insertAdjacentHTML|document\.write|new Function)\b', text), name
    if name.endswith('.html'):
        assert not re.search(r'<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)', text)
        assert re.findall(r'(?:src|href)="([^"]*)"', text) == ['page/icon.svg', 'page/explorer.css', 'page/explorer.js']


@pytest.mark.parametrize('name', SCRIPTS)
def test_scripts_import_what_others_export(name):
    for names, other in re.findall(r"^import \{([^}]+)\} from '\./([^']+)';", read(name), re.M):
        for wanted in names.replace('\n', ' ').split(','):
            wanted = wanted.strip()
            exported = r'^export (?:async )?(?:const|let|function|class) %s\b' % wanted
            assert re.search(exported, read(other), re.M), wanted
            assert len(re.findall(r'\b%s\b' % wanted, read(name))) > 1, '%s imports %s for nothing' % (name, wanted)
    longest = max(len(line) for line in read(name).splitlines())
    assert longest <= 120 and len(read(name).splitlines()) <= 520
