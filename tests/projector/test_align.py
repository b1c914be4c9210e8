"""The FFHQ crop of a face from its landmarks."""

import json

import numpy as np
import pytest
from PIL import Image

from dnnlib.util import UserError
from projector import align


def _landmarks(angle=0.0, scale=1.0, center=(100.0, 80.0)):
    """A schematic face: eyes 40 apart, mouth 40 below their middle; turned by `angle` and scaled about `center`."""
    points = np.zeros([68, 2])
    points[36:42], points[42:48] = [-20, 0], [20, 0]
    points[48], points[54] = [-15, 40], [15, 40]
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) * scale + center


def test_corners_of_an_upright_face():
    # right = (40, 0) + (40, 0) scaled to max(2 * 40, 1.8 * 40) = 80; the center is a tenth of the way to the mouth
    expected = [[20, 4], [20, 164], [180, 164], [180, 4]]
    np.testing.assert_allclose(align.ffhq_corners(_landmarks()), expected, atol=1e-9)


def test_the_square_turns_and_grows_with_the_face():
    upright = align.ffhq_corners(_landmarks(center=(0, 0)))
    turned = align.ffhq_corners(_landmarks(angle=0.5, scale=3, center=(7, 9)))
    cos, sin = np.cos(0.5), np.sin(0.5)
    np.testing.assert_allclose(turned, upright @ np.array([[cos, sin], [-sin, cos]]) * 3 + [7, 9], atol=1e-9)
    with pytest.raises(UserError, match='not those of a face'):
        align.ffhq_corners(np.zeros([68, 2]))


def test_warp_of_a_square_on_the_grid_is_a_crop():
    pixels = np.random.RandomState(0).randint(256, size=[20, 30, 3]).astype(np.uint8)
    corners = np.array([[5, 2], [5, 14], [17, 14], [17, 2]], np.float64)
    np.testing.assert_array_equal(align.warp(pixels, corners, 12), pixels[2:14, 5:17])
    quarter = corners[[1, 2, 3, 0]]  # the upper left corner of the result is the lower left one: turned
    np.testing.assert_array_equal(align.warp(pixels, quarter, 12), np.rot90(pixels[2:14, 5:17], -1))
    beyond = align.warp(pixels, corners - [7, 0], 12)  # two columns beyond the left edge are mirrored
    np.testing.assert_array_equal(beyond[:, :2], pixels[2:14, 1::-1])
    smooth = np.asarray(Image.fromarray(pixels[:8, :8]).resize((64, 64), Image.BILINEAR))
    small = align.warp(smooth, np.array([[0, 0], [0, 64], [64, 64], [64, 0]], np.float64), 16)
    np.testing.assert_array_equal(small, np.asarray(Image.fromarray(smooth).resize((16, 16), Image.LANCZOS)))


class _Finder:
    name = 'finder'

    def __init__(self, faces):
        self._faces = faces

    def find(self, pixels):
        return self._faces


def test_the_largest_face_is_taken(monkeypatch):
    small = _landmarks(scale=0.3, center=(30, 30))
    monkeypatch.setattr(align, 'load_backend', lambda: _Finder([small, _landmarks()]))
    pixels = np.random.RandomState(1).randint(256, size=[200, 200, 3]).astype(np.uint8)
    found = align.FaceAligner().align(Image.fromarray(pixels), 'a.png')
    np.testing.assert_array_equal(np.asarray(found), pixels[4:164, 20:180])
    monkeypatch.setattr(align, 'load_backend', lambda: _Finder([]))
    with pytest.raises(UserError, match='a.png: finder finds no face'):
        align.FaceAligner().align(Image.fromarray(pixels), 'a.png')


def test_landmarks_beside_the_picture_need_no_finder(tmp_path, monkeypatch):
    monkeypatch.setattr(align, 'load_backend', lambda: None)
    pixels = np.random.RandomState(2).randint(256, size=[200, 200, 3]).astype(np.uint8)
    name = str(tmp_path / 'a.png')
    with pytest.raises(UserError, match='pip install face-alignment.*pip install dlib.*landmarks.json'):
        align.FaceAligner().align(Image.fromarray(pixels), name)
    with open(name + '.landmarks.json', 'w') as file:
        json.dump(_landmarks().tolist(), file)
    found = align.FaceAligner().align(Image.fromarray(pixels), name)
    np.testing.assert_array_equal(np.asarray(found), pixels[4:164, 20:180])
    with open(name + '.landmarks.json', 'w') as file:
        json.dump([[1, 2]] * 67, file)
    with pytest.raises(UserError, match='68 pairs'):
        align.FaceAligner().align(Image.fromarray(pixels), name)


def test_backends_that_are_not_installed_are_passed_over(monkeypatch):
    class _Missing:
        def __init__(self):
            raise ImportError('no such package')

    monkeypatch.setattr(align, 'BACKENDS', (_Missing, lambda: 'second'))
    assert align.load_backend() == 'second'
    monkeypatch.setattr(align, 'BACKENDS', (_Missing,))
    assert align.load_backend() is None
