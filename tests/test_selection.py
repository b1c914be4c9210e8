"""The lists in selection.py name what exists, and say what they should."""

import os
import re

import pytest

from tests import selection

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(*path):
    """Text of a file of the project."""
    with open(os.path.join(ROOT, *path), encoding='utf-8') as f:
        return f.read()


@pytest.mark.parametrize('name', selection.ONCE + selection.AGAIN + selection.SHORT + selection.LONG)
def test_names_exist(name):
    path, _, test = name.partition('::')
    assert os.path.exists(os.path.join(ROOT, path)), path + ': moved? see tests/selection.py'
    if test:
        function = re.escape(test.split('[')[0])
        assert re.search(r'^def {}\('.format(function), read(path), re.M), name + ': renamed? see tests/selection.py'


def test_no_name_is_there_twice():
    names = selection.ONCE + selection.AGAIN
    assert len(set(names)) == len(names)
    assert all(any(selection.matches(name, again) for name in selection.ONCE) for again in selection.AGAIN)


@pytest.mark.parametrize('folder', [name for name in selection.ONCE if name.endswith('/')])
def test_folders_that_run_once_need_no_tensorflow(folder):
    for parent, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in names:
            if name.startswith('test_') and name.endswith('.py'):
                assert not re.search(r'import tensorflow|import tflib|\(session', read(parent, name)), name


def test_the_longer_name_counts():
    image_sizes = 'tests/test_image_sizes.py'
    assert not selection.is_selected(image_sizes, 'again') and selection.may_hold_selected(image_sizes, 'again')
    program = '::test_training_generation_and_projection[L-12-12-config-e-settings1]'
    assert selection.is_selected(image_sizes + program, 'again')
    assert not selection.is_selected(image_sizes + '::test_records_of_any_size_hold_every_level', 'again')
    assert not selection.may_hold_selected('tests/test_help.py', 'again')
    assert not selection.is_selected('tests/dnnlib/files/test_of_tomorrow.py::test_x', 'again')
    for new in ('tests/test_of_tomorrow.py', 'tests/training/test_schedule.py_of_tomorrow'):
        assert selection.is_selected(new + '::test_x', 'again') and selection.is_selected(new, 'all')
        assert not selection.may_hold_selected(new, 'short')
    assert selection.may_hold_selected(selection.SHORT[0], 'short')
    assert not selection.is_selected(selection.LONG[0], 'most') and selection.is_selected(selection.LONG[0], 'all')
    one = 'tests/dnnlib/tflib/ops/test_native.py::test_'
    assert selection.is_selected(one + 'choice[x]', 'short')
    assert not selection.is_selected(one + 'a_program_that_must_have_native_operations_ends_with_one_line', 'short')
