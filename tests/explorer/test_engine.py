"""The thread that draws: newest wins, nothing waits in a row, errors are told. And jobs."""

import threading
import time
from unittest import mock

import pytest

from dnnlib.util import UserError
from explorer import engine, finding, jobs
from explorer.errors import Refused


class Artist:
    """Draws numbers."""

    name, closed = 'numbers', 0

    def close(self):
        self.closed += 1


@pytest.fixture
def ready():
    artist = Artist()
    found = engine.Engine(lambda number, say: artist)
    with pytest.raises(Refused) as info:
        found.ask((0,), 1, lambda _: 1)
    assert info.value.status == 503 and info.value.more == {'state': 'none'}
    found.open(0)
    while found.state != 'ready':
        time.sleep(0.01)
    yield found
    found.close()
    assert artist.closed == 1


def test_the_newest_of_50_wins_with_an_engine_that_takes_half_a_second(ready):
    found, drawn = {}, []

    def work(number):
        def draw(_artist):
            drawn.append(number)
            time.sleep(0.5)
            return number
        return draw

    def ask(number):
        found[number] = ready.ask((0, 7), number, work(number))
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
        time.sleep(0.004)
    for thread in threads:
        thread.join()
    assert time.monotonic() - begin < 3 and found[49] == 49 and len(drawn) <= 3 and drawn[-1] == 49
    assert {number: value for number, value in found.items() if value is not None} == {n: n for n in drawn}
    assert ready.ask((0, 7), 48, work(48)) is None and drawn[-1] == 49  # older than one that was drawn
    assert ready.ask((0, 8), 0, lambda _: 'other client') == 'other client'


def test_lanes_go_by_rank_and_long_work_lets_them_pass(ready):
    order, began = [], threading.Event()

    def long(_artist):
        began.set()
        time.sleep(0.2)
        ready.serve(2)
        order.append('long')
    threads = [threading.Thread(target=ready.ask, args=((2,), None, long))]
    threads[0].start()
    began.wait()
    for rank in (4, 2, 1, 0):
        threads.append(threading.Thread(target=ready.ask, args=((rank, 'x'), None, lambda _, r=rank: order.append(r))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 'long', 2, 4]


def test_errors(ready, capsys):
    def wrong(_artist):
        raise UserError('no such layer')

    def broken(_artist):
        raise KeyError('oops')
    for work, status in ((wrong, 409), (broken, 500)):
        with pytest.raises(Refused) as info:
            ready.ask((0,), None, work)
        assert info.value.status == status
    assert 'oops' in capsys.readouterr().err and ready.ask((0,), None, lambda _: 5) == 5
    with pytest.raises(Refused, match='too long'):
        ready.ask((0,), None, lambda _: time.sleep(0.3), seconds=0.05)


def test_a_network_that_cannot_be_opened():
    def fail(_number, _say):
        raise UserError('no such file')
    found = engine.Engine(fail)
    found.open(3)
    while found.state == 'loading':
        time.sleep(0.01)
    assert (found.state, found.text) == ('failed', 'no such file')
    found.close()


def test_a_network_that_cannot_be_closed(capsys):
    first = Artist()
    first.close = lambda: 1 / 0
    artists = [first, Artist()]
    found, states = engine.Engine(lambda number, say: artists[number]), []
    for number in (0, 1, 1):
        found.open(number)
        while found.state == 'loading':
            time.sleep(0.01)
        states.append(found.state)
    assert states == ['ready', 'failed', 'ready'] and 'ZeroDivisionError' in capsys.readouterr().err
    found.close()


def test_a_search_that_failed_can_be_tried_again(monkeypatch):
    artist = mock.MagicMock(directions={}, searches={}, layers=2)
    artist.info.return_value = {'directions': ['pca']}
    monkeypatch.setattr(finding.directions, 'search', mock.Mock(side_effect=UserError('no memory')))
    finder = finding.Finder(mock.MagicMock(artist=artist))
    for _ in range(2):
        with pytest.raises(Refused, match='no memory'):
            while finder.find('pca')['state'] == 'computing':
                time.sleep(0.01)
    assert finding.directions.search.call_count == 2


def wait(job):
    while job.state in ('waiting', 'running'):
        time.sleep(0.005)
    return job.state


def test_jobs(capsys):
    found, go, between = jobs.Jobs(), threading.Event(), []

    def endless(job):
        go.set()
        while True:
            job.tell(0.5, 'half')
            time.sleep(0.005)
    first = found.add('a', endless)
    go.wait()
    others = [found.add('b', lambda job: {'x': 1}) for _ in range(4)]
    with pytest.raises(Refused) as info:
        found.add('c', endless)
    assert info.value.status == 429
    found.between(lambda: between.append(others[1].state))
    others[0].cancel()
    assert others[0].run is None and others[1].run is not None  # it keeps no uploads
    first.cancel()
    assert [wait(job) for job in [first] + others] == ['canceled', 'canceled', 'done', 'done', 'done']
    assert between == ['waiting']  # before those that waited, and not in the list
    assert others[1].describe()['result'] == {'x': 1} and others[1].progress == 1 and first.text == 'half'

    def wrong(_job):
        raise UserError('no W')
    assert wait(found.add('d', wrong)) == 'failed' and found.list()[0].error == 'no W'
    assert wait(found.add('e', lambda job: 1 / 0)) == 'failed' and 'ZeroDivision' in found.list()[0].error
    assert 'ZeroDivisionError' in capsys.readouterr().err
    for _ in range(30):
        wait(found.add('f', lambda job: {}))
    assert len(found.list()) <= 21
    with pytest.raises(Refused) as info:
        found.get(1)
    assert info.value.status == 404
    found.close()
