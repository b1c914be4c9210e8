"""Boxes from JSON and XML, which pictures they belong to, policies, excluded pictures and random crops."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError
from training.data.making.boxes import match, read_boxes
from training.dataset import ImageDataset, TFRecordDataset

XML = ('<annotation><object><name>dog</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>'
       '</bndbox></object></annotation>')


def run(*args):
    return dataset_tool.main(['create_from_images'] + [str(arg) for arg in args])


def images_of(folder):
    with TFRecordDataset(str(folder)) as dataset:
        return [dataset.read(index) for index in range(dataset.num_images)]


def reasons(folder):
    with open(str(folder / 'skipped.csv'), newline='') as file:
        return {row['file']: row['reason'] for row in csv.DictReader(file)}


@pytest.fixture(name='pictures')
def fixture_pictures(tmp_path):
    """Folder of pictures 40 pixels wide and 30 high, a/0.png to a/3.png, and their pixels [3, 30, 40]."""
    (tmp_path / 'in' / 'a').mkdir(parents=True)
    pixels = [np.random.RandomState(i).randint(256, size=[30, 40, 3]).astype(np.uint8) for i in range(4)]
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(str(tmp_path / 'in' / 'a' / f'{number}.png'))
    return tmp_path / 'in', [image.transpose(2, 0, 1) for image in pixels]


@pytest.mark.parametrize('content, expected', [
    (dict(images=[dict(id=7, file_name='a/0.png')], annotations=[dict(image_id=7, bbox=[1, 2, 4, 5])]),
     {'a/0.png': [(1, 2, 5, 7)]}),
    ({'a\\0.png': [[1, 2, 5, 7], [0, 0, 1, 1]], 'b.png': [1, 2, 3, 4], 'none.png': []},
     {'a/0.png': [(1, 2, 5, 7), (0, 0, 1, 1)], 'b.png': [(1, 2, 3, 4)]}),
    ([dict(file='a.png', left=1, top='2,5', right=5, bottom=7), dict(image_id='a.png', x=1, y=2, width=3, height=4)],
     {'a.png': [(1, 2.5, 5, 7), (1, 2, 4, 6)]})])
def test_boxes_of_json(tmp_path, content, expected):
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    assert read_boxes(str(tmp_path / 'boxes.json')) == expected


@pytest.mark.parametrize('text, message', [
    ('{', 'not a JSON file'), ('{}', 'no boxes in this file'), ('3', 'no box; expected annotations of COCO'),
    ('{"a.png": [1, 2, 1, 4]}', 'entry ."a.png", .1, 2, 1, 4..: the box is empty; expected'),
    ('[{"file": "a.png", "left": 1}]', 'no known columns among file, left'),
    ('{"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}', 'entry .*"image_id": 1.*no box'),
    ('[{"file": "a.png", "left": null, "top": 1, "right": 2, "bottom": 3}]', 'None is not a number')])
def test_bad_json(tmp_path, text, message):
    (tmp_path / 'boxes.json').write_text(text)
    with pytest.raises(UserError, match='boxes.json.*' + message):
        read_boxes(str(tmp_path / 'boxes.json'))


def test_boxes_of_voc(tmp_path):
    (tmp_path / 'b' / 'n01-Chihuahua').mkdir(parents=True)
    two = XML.format(1, 2, 5, 7).replace('</annotation>', '') + XML.format(0, 0, 3, 4).replace('<annotation>', '')
    (tmp_path / 'b' / 'n01-Chihuahua' / 'n01_7').write_text(two)  # as Stanford's, without an ending
    (tmp_path / 'b' / 'other.xml').write_text(XML.format(1, 1, 2.5, 2))
    (tmp_path / 'b' / 'empty.xml').write_text('<annotation></annotation>')
    assert read_boxes(str(tmp_path / 'b')) == {
        'n01-Chihuahua/n01_7': [(1, 2, 5, 7), (0, 0, 3, 4)], 'other': [(1, 1, 2.5, 2)]}
    assert read_boxes(str(tmp_path / 'b' / 'other.xml')) == {'other': [(1, 1, 2.5, 2)]}
    for text, message in (('<a>', 'expected XML'), (XML.format(1, 1, 'x', 2), "'x' is not a number; expected XML"),
                          ('<!DOCTYPE a [<!ENTITY b "c">]>' + XML.format(1, 1, 2, 2), 'not an annotation')):
        (tmp_path / 'b' / 'empty.xml').write_text(text)
        with pytest.raises(UserError, match='empty.xml: .*' + message):
            read_boxes(str(tmp_path / 'b'))


def test_names_match_as_far_as_they_are_clear():
    names = ['x/a.png', 'x/b.jpg', 'y/a.png', 'y/b.png', 'c.png', 'c.jpg']
    assert match(['x/a.png', 'c.png'], names) == {'x/a.png': 'x/a.png', 'c.png': 'c.png'}
    assert match(['x/b', 'all/y/a.gif', 'c', 'a'], names) == {'x/b.jpg': 'x/b', 'y/a.png': 'all/y/a.gif'}
    assert match(['z/a.png', 'd.png'], names) == {}  # in another folder
    assert match(['n01-Chihuahua/n01_7'], ['n01_7.jpg']) == {'n01_7.jpg': 'n01-Chihuahua/n01_7'}


def test_policies_and_margins(tmp_path, pictures):
    folder, pixels = pictures
    boxes = {'0': [[0, 0, 38, 28]], '1': [[10, 4, 18, 12], [0, 0, 39, 29]], '2': [[10, 10, 14, 12]]}  # most of 0
    (tmp_path / 'b.json').write_text(json.dumps({f'a/{name}.png': found for name, found in boxes.items()}))
    common = [folder, '--resolution=8', '--fit=stretch', '--shuffle=0', '--resample=area']
    run(tmp_path / 'boxes', *common, f'--bbox={tmp_path}/b.json')
    assert len(images_of(tmp_path / 'boxes')) == 4 and reasons(tmp_path / 'boxes') == {'a/3.png': 'no box in b.json'}
    np.testing.assert_array_equal(images_of(tmp_path / 'boxes')[1], pixels[1][:, 4:12, 10:18])
    run(tmp_path / 'whole', *common, f'--bbox={tmp_path}/b.json', '--box-policy=whole')
    run(tmp_path / 'all', *common)
    whole, everything = images_of(tmp_path / 'whole'), images_of(tmp_path / 'all')
    np.testing.assert_array_equal(whole[0], everything[0])  # one box over 89 %
    np.testing.assert_array_equal(whole[2], images_of(tmp_path / 'boxes')[2])  # there are two
    run(tmp_path / 'both', *common, f'--bbox={tmp_path}/b.json', '--box-policy=both')
    both = images_of(tmp_path / 'both')
    assert len(both) == 8  # with the whole of a/3.png
    for number, index in ((1, 0), (4, 1), (6, 2), (7, 3)):
        np.testing.assert_array_equal(both[number], everything[index])
    run(tmp_path / 'margin', *common, f'--bbox={tmp_path}/b.json:2px', '--square')
    np.testing.assert_array_equal(images_of(tmp_path / 'margin')[3], pixels[2][:, 7:15, 8:16])  # 8 wide and 6 high
    run(tmp_path / 'percent', *common, f'--bbox={tmp_path}/b.json:50%')
    blocks = pixels[1][:, 0:16, 6:22].reshape(3, 8, 2, 8, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(images_of(tmp_path / 'percent')[1], np.floor(blocks + 0.5))


def test_excluded_pictures(tmp_path, pictures, capsys):
    (tmp_path / 'no.txt').write_text('# people\na\\1.png\n\n3\nunknown.jpg\n')
    run(tmp_path / 'x', pictures[0], '--resolution=8', f'--exclude={tmp_path}/no.txt')
    assert reasons(tmp_path / 'x') == {'a/1.png': 'in the list no.txt', 'a/3.png': 'in the list no.txt'}
    assert 'no.txt: 1 names of files that are not in' in capsys.readouterr().out
    for text, message in (('# nobody\n', 'no names in this file'), ('b.png\n', 'no name in it belongs to a file')):
        (tmp_path / 'no.txt').write_text(text)
        with pytest.raises(UserError, match='no.txt: ' + message):
            run(tmp_path / 'y', pictures[0], '--resolution=8', f'--exclude={tmp_path}/no.txt')


def test_random_crops(tmp_path, pictures):
    folder, pixels = pictures
    for name, workers in (('x', 1), ('y', 3)):
        run(tmp_path / name, folder, '--resolution=16', '--fit=random', '--short-side=30', '--crops=5', '--shuffle=0',
            f'--workers={workers}')
    found = images_of(tmp_path / 'x')
    assert len(found) == 20 and all(np.array_equal(a, b) for a, b in zip(found, images_of(tmp_path / 'y')))
    places = set()
    for number, image in enumerate(found):  # parts of the pictures, which already have this size
        whole = pixels[number // 5]
        places.update((top, left) for top in range(15) for left in range(25)
                      if np.array_equal(whole[:, top:top + 16, left:left + 16], image))
    assert len(places) > 12
    with TFRecordDataset(str(tmp_path / 'x'), crop=8) as dataset:
        assert dataset.shape == [3, 8, 8] and dataset.read(0, 1).shape == (3, 4, 4)
        np.testing.assert_array_equal(dataset.read(0), found[0][:, 4:12, 4:12])
    with ImageDataset(str(folder), resolution=32, crop=[16, 32]) as dataset:
        assert dataset.read(1).shape == (3, 16, 32)
    with pytest.raises(UserError, match='dataset.crop=32: the stored images are smaller, 16x16 pixels'):
        TFRecordDataset(str(tmp_path / 'x'), crop=32)
    run(tmp_path / 'z', folder, '--resolution=24x32', '--fit=random', '--shuffle=0', '--resample=area')
    assert images_of(tmp_path / 'z')[0].shape == (3, 24, 32)  # the larger sides of both fit: nothing to draw


def test_area_says_where_it_enlarges(tmp_path, pictures, capsys):
    run(tmp_path / 'x', pictures[0], '--resolution=64', '--resample=area')
    assert capsys.readouterr().out.count('enlarged by bilinear interpolation') == 1


@pytest.mark.parametrize('args, message', [
    (['--resolution=8', '--square'], '--square has no effect without --bbox'),
    (['--resolution=8', '--box-policy=both'], '--box-policy has no effect without --bbox'),
    (['--resolution=8', '--crops=2'], '--crops has no effect without --fit=random'),
    (['--resolution=8', '--fit=pad', '--short-side=9'], '--fit=pad: --short-side and --crops are for --fit=random'),
    (['--resolution=8', '--fit=random', '--short-side=7'], '--short-side=7: crops of 8 pixels are larger')])
def test_options_that_do_not_go_together(tmp_path, pictures, args, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path / 'x', pictures[0], *args)
