"""Class names: files beside datasets and networks, and what a user may say for a class."""

import os

import pytest

from dnnlib import UserError
from training.data import classes

NAMES = ['red', 'green', 'eyes 2']


def test_names_are_kept_in_a_folder(tmp_path):
    assert classes.load_names(str(tmp_path), 3) is None
    classes.save_names(str(tmp_path), NAMES)
    assert os.listdir(str(tmp_path)) == ['classes.json']
    assert classes.load_names(str(tmp_path), 3) == NAMES
    assert classes.load_names(str(tmp_path), 2) == NAMES[:2]
    classes.save_names(str(tmp_path), ['a\udcff', '\u00e4'])  # a folder whose name is no UTF-8
    assert classes.load_names(str(tmp_path), 2) == ['a\udcff', '\u00e4']


@pytest.mark.parametrize('text', ['["red"]', '{"red": 1}', '[1, 2, 3]', 'red'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / 'classes.json').write_text(text)
    with pytest.raises(UserError, match='classes.json: expected a list of at least 3 class names'):
        classes.load_names(str(tmp_path), 3)


def test_labels_by_name_and_number():
    assert classes.parse_label('green', 3, NAMES).tolist() == [0, 1, 0]
    assert classes.parse_label('eyes 2, 0', 3, NAMES).tolist() == [1, 0, 1]
    assert classes.parse_label('2', 3).tolist() == [0, 0, 1]
    assert classes.parse_label('7', 2, ['8', '7']).tolist() == [0, 1]  # a name before a number


def test_names_that_are_numbers_or_have_commas():
    digits = ['1', '2', '3']
    assert classes.parse_label('3', 3, digits).tolist() == [0, 0, 1]
    assert classes.parse_label('2,3', 3, digits).tolist() == [0, 1, 1]
    with pytest.raises(UserError, match="no class '0'; expected 1, 2, 3$"):  # not the first column, which is called 1
        classes.parse_label('0', 3, digits)
    assert classes.parse_label('3', 3, ['001', '002', '003']).tolist() == [0, 0, 1]
    with pytest.raises(UserError, match="no class '1'"):
        classes.parse_label('1', 2, ['01', '001'])
    names = ['Doe, Jane', 'Doe', 'Jane', 'a,b,c']
    assert classes.parse_label('Doe, Jane', 4, names).tolist() == [1, 0, 0, 0]
    assert classes.parse_label('Jane,Doe', 4, names).tolist() == [0, 1, 1, 0]
    assert classes.parse_label('3, Doe, Jane,Jane', 4, names).tolist() == [1, 0, 1, 1]
    assert classes.parse_label('a,b,c', 4, names).tolist() == [0, 0, 0, 1]
    for text in ('a,b', '\u00b2', '9' * 5000):
        with pytest.raises(UserError, match='there is no class'):
            classes.parse_label(text, 4, names)


@pytest.mark.parametrize('text, size, names, message', [
    ('blue', 3, NAMES, "no class 'blue'; expected 0 to 2 or one of red, green, eyes 2"),
    ('gren', 3, NAMES, "no class 'gren'; did you mean green[?] expected 0 to 2 or one of red"),
    ('3', 3, None, "no class '3'; expected 0 to 2$"), ('', 3, NAMES, "no class ''"),
    ('red', 0, None, 'trained without labels')])
def test_unknown_classes_are_refused(text, size, names, message):
    with pytest.raises(UserError, match=message):
        classes.parse_label(text, size, names)
