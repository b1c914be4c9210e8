"""What is translated: pictures, label maps, maps of instances."""

import numpy as np
import PIL.Image
import pytest

from dnnlib import UserError
from projector import inputs
from tests.training import golden_translation as golden
from translator import networks, sources


def kind(channels, maps=True, features=0):
    """A Kind with these channels."""
    return networks.Kind('G', {}, channels, 4, None, maps, 'E' if features else None, features)


def saved(tmp_path, array, name='map.png', palette=False):
    """A Picture of a file with these values."""
    image = PIL.Image.fromarray(array)
    if palette:
        image.putpalette(list(range(256)) * 3)
    image.save(str(tmp_path / name))
    return inputs.Picture('map', str(tmp_path / name), None, str(tmp_path / name))


def test_what_the_channels_are():
    assert sources.layout_of(kind(3, maps=False), False) == (3, 0, False, 0)
    assert sources.layout_of(kind(36), True) == (0, 35, True, 0)
    assert sources.layout_of(kind(36), False) == (0, 36, False, 0)
    assert sources.layout_of(kind(39, features=3), True) == (0, 35, True, 3)
    assert sources.layout_of(kind(4), True) == (3, 0, True, 0)  # pictures, and edges beside them
    assert sources.layout_of(kind(3), False) == (3, 0, False, 0)
    for wrong, message in ((lambda: sources.layout_of(kind(6, maps=False), False), 'images of 6 channels'),
                           (lambda: sources.layout_of(kind(1), True), 'too few')):
        with pytest.raises(UserError, match=message):
            wrong()


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int32])
def test_labels_and_edges_are_the_published_ones(dtype, tmp_path):
    given = golden.arrays_cached('hd_edges_onehot')
    maps = {}
    for name in ('label', 'inst'):
        maps[name] = saved(tmp_path, given[name][0, 0].astype(dtype), name + '.tif')
    labels = sources.read(maps['label'], sources.Layout(0, 4, True, 0))
    instances = sources.read_map(maps['inst'])
    np.testing.assert_array_equal(sources.join(labels, instances), given['input_label'][0])


def test_maps_that_are_something_else(tmp_path):
    labels = np.uint8(np.arange(64).reshape(8, 8) % 6)
    np.testing.assert_array_equal(sources.read_map(saved(tmp_path, labels, palette=True))[0], labels)
    with pytest.raises(UserError, match='map.png: label 5, but the network knows 0 to 4'):
        sources.read(saved(tmp_path, labels), sources.Layout(0, 5, False, 0))
    with pytest.raises(UserError, match='map.png: color mode RGBA; a map of numbers is gray of 8, 16 or 32 bits'):
        sources.read_map(saved(tmp_path, np.zeros([8, 8, 4], np.uint8)))


def test_three_channels_are_colors_or_labels(tmp_path):
    layout, labels = sources.Layout(3, 0, True, 0), np.uint8(np.arange(64).reshape(8, 8) % 3)
    for array, palette, expected in ((labels, False, (0, 3, True, 0)), (labels, True, (0, 3, True, 0)),
                                     (labels + np.uint8(1), False, layout), (np.stack([labels] * 3, 2), False, layout)):
        assert sources.told_by(layout, [saved(tmp_path, array, palette=palette)]) == expected
    assert sources.told_by(layout, []) == layout


def test_pictures_of_16_bits_and_ids_of_coco(tmp_path):
    deep = (np.arange(64).reshape(8, 8) * 1021).astype(np.uint16)
    for channels in (1, 3):
        found = sources.read(saved(tmp_path, deep), sources.Layout(channels, 0, False, 0))
        np.testing.assert_array_equal(found, inputs.to_target(np.uint8(np.rint(deep / 257)))[np.newaxis].repeat(
            channels, 0))
    colors = np.random.RandomState(0).randint(0, 256, [8, 8, 3]).astype(np.uint8)
    np.testing.assert_array_equal(sources.read_map(saved(tmp_path, colors))[0], colors @ [1, 256, 65536])
    with pytest.raises(UserError, match='map.png: 4x8 pixels; expected sides of 8 to 16384'):
        sources.read_map(saved(tmp_path, deep[:, :4]))


def test_what_belongs_to_label_maps(tmp_path):
    def find(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.new('L', (8, 8)).save(str(tmp_path / name))
        return inputs.find_pictures([str(tmp_path / names[0].split('/')[0])])
    labels = find('labels/b_gtFine_labelIds.png', 'labels/a_gtFine_labelIds.png')
    find('inst/a_gtFine_instanceIds.tif', 'inst/b_gtFine_instanceIds.png')
    find('photos/town/b_leftImg8bit.jpg', 'photos/town/a_leftImg8bit.png')
    for folder, names in (('inst', ['a_gtFine_instanceIds.tif', 'b_gtFine_instanceIds.png']),
                          ('photos', ['town/a_leftImg8bit.png', 'town/b_leftImg8bit.jpg'])):
        assert [other.name for other in sources.beside(labels, str(tmp_path / folder), '--x')] == names
    deep = find('deep/1/x.png', 'deep/2/x.png')
    find('deeper/2/x.png', 'deeper/1/x.png')
    assert [other.name for other in sources.beside(deep, str(tmp_path / 'deeper'), '--x')] == ['1/x.png', '2/x.png']
    with pytest.raises(UserError, match='--x=.*inst: no file called x for .*x.png'):
        sources.beside(deep[:1], str(tmp_path / 'inst'), '--x')
    find('inst/a.png')
    with pytest.raises(UserError, match='inst/a_gtFine_instanceIds.tif: its partner is unclear, as .*inst/a.png has the'
                       ' same name but for its ending; remove one'):
        sources.beside(labels, str(tmp_path / 'inst'), '--x')
