"""What is wrong with pairs: partners, sizes, numbers of maps."""

import os

import numpy as np
import PIL.Image
import pytest

import dataset_tool
from dnnlib import UserError
from training.data.making import check_pairs, findings


def save(path, shape, value=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full(shape, value, np.uint8)).save(str(path))


def found_in(*args):
    report = check_pairs.check_pairs(*map(str, args))
    return {(f.name, f.kind): f.detail for f in report.findings}, report


def test_two_folders(tmp_path, capsys):
    for side, names in (('A', '012345'), ('B', '01236')):
        for name in names:
            save(tmp_path / f'train{side}' / f'{name}.png', [8, 12 if (side, name) == ('B', '2') else 8, 3])
        save(tmp_path / f'test{side}' / 'x.png', [8, 8])  # gray is no problem
    path = tmp_path / 'trainB' / '3.png'
    path.write_bytes(path.read_bytes()[:-30])
    (tmp_path / 'trainB' / '0.png').rename(tmp_path / 'trainB' / '0.bmp')
    found, report = found_in(tmp_path)
    assert found == {('trainA/2.png', 'pair'): '8x8 pixels, but trainB/2.png is 12x8',
                     ('trainA/4.png', 'partner'): 'not in trainB/', ('trainA/5.png', 'partner'): 'not in trainB/',
                     ('trainB/6.png', 'partner'): 'not in trainA/',
                     ('trainB/3.png', 'truncated'): 'the end of the file is missing'}
    assert report.notes == ('4 pairs in train', '1 pair in test') and report.num_files == 13
    assert set(kind for _, kind in found) <= set(findings.KINDS)
    two = found_in(tmp_path / 'trainA', tmp_path / 'trainB')
    assert two[0] == found and two[1].notes == ('4 pairs',)
    arguments = ['check', str(tmp_path / 'trainA'), '--pairs_with', str(tmp_path / 'trainB')]
    assert dataset_tool.main(arguments) == 1
    out = capsys.readouterr().out
    assert 'trainA/4.png  partner        not in trainB/\n' in out and '11 checked, 5 with problems' in out
    with pytest.raises(UserError, match='--resolution has no effect on pairs'):
        dataset_tool.main(arguments + ['--resolution=64'])
    with pytest.raises(UserError, match='cats/: expected a folder or zip of pictures; check each folder of'):
        dataset_tool.main(arguments[:3] + ['cats'])


def test_two_sides_are_no_classes(tmp_path, capsys):
    for folder, width in (('trainA', 8), ('trainB', 12), ('testA', 8), ('testB', 16)):
        save(tmp_path / folder / f'{width}.png', [8, width, 3])
    assert dataset_tool.main(['check', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert '1 picture in testB\nTwo sides; --pairs also checks' in out and 'Labels' not in out
    (tmp_path / 'testB' / 'x.png').write_bytes(b'no picture')
    assert dataset_tool.main(['check', str(tmp_path)]) == 1 and 'testB/x.png' in capsys.readouterr().out


def test_side_by_side(tmp_path, capsys):
    for i, width in enumerate((16, 16, 15)):
        save(tmp_path / 'train' / f'{i}.png', [8, width, 3])
    save(tmp_path / 'val' / '0.png', [8, 16, 3])
    found, report = found_in(tmp_path)
    assert found == {('train/2.png', 'pair'): '15 pixels wide, but a pair side by side has an even width'}
    assert report.num_files == 4 and report.notes == ('3 pairs in train', '1 pair in test')
    os.remove(str(tmp_path / 'train' / '2.png'))
    assert dataset_tool.main(['check', str(tmp_path), '--pairs']) == 0
    assert '2 pairs in train\n1 pair in test\n3 checked, 0 with problems' in capsys.readouterr().out


def test_label_maps(tmp_path):
    for i in range(2):
        save(tmp_path / 'train_label' / f'{i}_gtFine_labelIds.png', [8, 8], 30 + i)
        save(tmp_path / 'train_img' / f'{i}_leftImg8bit.png', [8, 8, 3])
        save(tmp_path / 'train_inst' / f'{i}.png', [8, 8, 3], i)
    PIL.Image.new('LA', (8, 8)).save(str(tmp_path / 'train_inst' / '1.png'))
    found, report = found_in(tmp_path)
    assert list(found) == [('train_inst/1.png', 'numbers')]
    assert found['train_inst/1.png', 'numbers'].startswith('it: color mode LA')
    assert report.notes == ('train_label/ holds numbers up to 31', 'train_inst/ holds numbers up to 0',
                            '2 pairs in train')
