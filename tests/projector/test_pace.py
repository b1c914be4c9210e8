"""How long a projection takes is said after its first steps."""

from projector import schedule, session
from projector.pace import Pace


class Clock:
    """A clock that is set by hand, in seconds."""

    now = 0.0

    def __call__(self):
        return self.now


def _pace(clock, near=0, **changes):
    settings = session.Settings(*[None] * 11)._replace(
        schedule=schedule.PRESETS['paper'], num_steps=1000, restarts=1, plateau=0)
    return Pace(9, 4, settings._replace(**changes), 150 + 21, near, clock)


def _steps(pace, clock, seconds, count):
    pace.begin()
    clock.now += 40  # what the graph takes at first
    for number in range(1, count + 1):
        pace.step(number)
        clock.now += seconds


def test_the_estimate_comes_once_and_leaves_out_the_first_step(capsys):
    clock = Clock()
    pace = _pace(clock)
    assert pace.left() == ''
    _steps(pace, clock, 2, 20)  # three minibatches of 1000 steps of 2 s
    assert capsys.readouterr().out == (
        'About 1h 40m 00s for 9 pictures, 1000 steps each; --preset=fast takes about 17m 06s\n')
    clock.now = 2000
    pace.finished()
    assert pace.left() == ', 1h 06m 40s left'
    pace.finished()
    pace.finished()
    assert pace.left() == ''


def test_short_and_faster_projections_name_no_preset(capsys):
    for changes, line in ((dict(num_steps=5), 'About 15s for 9 pictures, 5 steps each'),
                          (dict(num_steps=150, schedule=schedule.PRESETS['fast']),
                           'About 7m 30s for 9 pictures, 150 steps each'),
                          (dict(num_steps=150, schedule=dict(schedule.PRESETS['fast'], start_candidates=64)),
                           'About 8m 33s for 9 pictures, 150 steps each'),
                          (dict(num_steps=1, schedule=schedule.PRESETS['fast']),
                           'About 2m 00s for 9 pictures, 1 steps each'),
                          (dict(num_steps=10, plateau=3, restarts=2), 'At most 1m 00s for 9 pictures, 20 steps each')):
        clock = Clock()
        _steps(_pace(clock, **changes), clock, 1, changes['num_steps'])
        assert capsys.readouterr().out == line + '\n'
    clock = Clock()
    _steps(_pace(clock, near=256, num_steps=150, restarts=2), clock, 1, 150)  # 4 * 256 / 8 more for each attempt
    assert capsys.readouterr().out == 'About 27m 48s for 9 pictures, 300 steps each; --preset=fast takes about 8m 33s\n'
