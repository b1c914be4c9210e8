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


@pytest.mark.parametrize('text, size, names, message', [
    ('blue', 3, NAMES, "no class 'blue'; expected 0 to 2 or one of red, green, eyes 2"),
    ('3', 3, None, "no class '3'; expected 0 to 2$"), ('', 3, NAMES, "no class ''"),
    ('red', 0, None, 'trained without labels')])
def test_unknown_classes_are_refused(text, size, names, message):
    with pytest.raises(UserError, match=message):
        classes.parse_label(text, size, names)
