"""Query strings of views, numbers of requests, the seed plane."""

import numpy as np
import pytest

from explorer import plane, values, views
from explorer.errors import Refused
from explorer.views import Move, View


def test_a_view_is_its_query_string():
    view, others = views.parse('x=1.5&y=-2&psi=0.7&cutoff=4&mix=5&mixed=0-2,7&noise=random&noiseseed=9&class=2'
                               '&move=sefa.0:2.5:0-1&move=pca.3:-1e-1&n=5', {'n': values.whole(0, 9)})
    assert others == {'n': 5} and view == View(
        1.5, -2.0, 0.7, 4, 5, (0, 1, 2, 7), None, 'random', 9, 2,
        (Move('sefa', 0, 2.5, (0, 1)), Move('pca', 3, -0.1, None)))
    assert views.parse(view.query())[0] == view
    assert views.parse('')[0] == View() and View().query() == '' and View().seed() == 0
    assert View(x=-1.0).seed() == 2 ** 32 - 1 and View(x=2.0, y=1.0).seed() == 102 and View(x=2.5).seed() is None
    assert View(x=4294967295.0).corners() == [(4294967295, 1.0)]
    assert View(x=0.25, y=0.5).corners() == [(0, 0.375), (1, 0.125), (100, 0.375), (101, 0.125)]


@pytest.mark.parametrize('text', [
    'x=NaN', 'x=inf', 'x=1e309', 'x=-1e309', 'x=1e11', 'x=0x10', 'x=1_0', 'x= 1', 'x=', 'x', 'x=1&x=2', 'x=\u0661',
    'y=1e10', 'psi=2.1', 'psi=1e309', 'cutoff=-1', 'cutoff=1.5', 'cutoff=99999', 'mix=-1', 'mix=4294967296',
    'mix=1&mixed=0-99999', 'mixed=0', 'mix=1&mixslot=1&mixed=0', 'mix=1&mixed=a', 'mix=1&mixed=' + '1,' * 80 + '1',
    'noise=loud', 'class=-1', 'class=x', 'move=sefa', 'move=sefa.0:99', 'move=sefa.0:1e309', 'move=x.0:1',
    'move=sefa.0:1:a', 'move=sefa.0:1:0:0', 'slot=0', 'slot=../x', 'picture=1%00', 'direction=CtoD', 'unknown=1',
    '%ff=1', 'x=%ff', '__class__=1', ';', '&&', '&'.join(['move=pca.0:1'] * 9)])
def test_bad_views_are_refused(text):
    with pytest.raises(Refused) as info:
        views.parse(text)
    assert info.value.status == 400 and str(info.value).encode('ascii') and '\n' not in str(info.value)


@pytest.mark.parametrize('body', [
    b'', b'[]', b'1', b'null', b'{', b'\xff', b'{"a": NaN}', b'{"a": 1e309}', b'{"a": Infinity}', b'{"a": true}',
    b'{"a": "x"}', b'{"b": 1}', b'{}', b'{"a": 1.5}', b'{"a": 11}', b'{"a": [1]}', b'{"a": 1' + b'0' * 400 + b'}',
    b'[' * 100000])
def test_bad_bodies_are_refused(body):
    with pytest.raises(Refused):
        values.of_body(body, {'a': values.whole(0, 10)}, ['a'])


def test_numbers_of_json():
    known = {'a': values.whole(0, 10), 'b': values.number(0, 1), 'c': values.yes_or_no}
    assert values.of_body(b'{"a": 10, "b": 0.5, "c": false}', known) == dict(a=10, b=0.5, c=False)
    with pytest.raises(Refused):
        values.number(0, 1)('b', float('nan'))
    with pytest.raises(Refused):
        values.number(0, 1)('b', 10 ** 400)


def test_the_plane_between_seeds():
    got = {seed: np.random.RandomState(seed).randn(20000) for seed in (0, 1, 100, 101)}
    corners = View(x=0.3, y=0.6).corners()
    mean = plane.blend(corners, got.get)
    expected = (got[0] * 0.7 + got[1] * 0.3) * 0.4 + (got[100] * 0.7 + got[101] * 0.3) * 0.6
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    assert np.std(mean) < 0.7 and abs(np.std(plane.blend_normal(corners, got.get)) - 1) < 0.02
    for blend in (plane.blend, plane.blend_normal):
        assert blend(View(x=1.0, y=1.0).corners(), got.get) is got[101]
    made = []
    kept = plane.Kept(made.append, 3)
    for key in (1, 2, 1, 3, 4, 1, 2):
        kept.get(key)
    assert made == [1, 2, 3, 4, 2]
