"""When the state is saved: by the clock, before and after metrics, after an error; when the training goes back."""

import errno
import os

import pytest

from dnnlib import EasyDict
from training.state import checkpoints, files
from training.state.checkpoints import Checkpoints, Saving
from training.state.clock import Clock

NOW = 1000.0


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """Sets the time, seconds after the start."""
    def put(seconds):
        monkeypatch.setattr(checkpoints.time, 'time', lambda: NOW + seconds)
    put(0)
    return put


class Watch:
    """Stands in for `non_finite.Watch`; finds what it is told."""

    went_back, skipped_in_a_row, lost = False, 0, False

    def count(self, counters):
        counters.skipped_in_a_row = self.skipped_in_a_row

    def update(self, counters):
        self.count(counters)
        return self.went_back

    def is_lost(self, _counters):
        return self.lost


@pytest.fixture
def watch():
    """A Watch."""
    return Watch()


@pytest.fixture
def done():
    """States as (images shown, tick), and names of network files."""
    return []


@pytest.fixture
def made(tmp_path, watch, done):
    """Checkpoints that only note what they save."""
    counters = files.new_counters()
    saver = EasyDict(save=lambda saved, _collected: done.append((saved.nimg, saved.tick)), num_bytes=lambda: 9,
                     collect=lambda: [], needs_others=lambda is_within: is_within)
    return Checkpoints(counters, Saving(
        str(tmp_path), saver, watch, Clock(counters), lambda path: done.append(os.path.basename(path)), minutes=5))


def test_states_by_the_clock(made, done, now):
    now(299)
    assert not made.update() and done == []
    now(301)
    made.update()
    made.update()
    assert done == [(0, -1)]


def test_no_states_by_the_clock_if_none_are_wanted(made, done, now):
    made.saving = made.saving._replace(minutes=None)
    now(10 ** 9)
    made.update()
    assert done == []


def test_no_routine_state_between_steps_that_are_left_out(made, done, watch, now):
    now(301)
    watch.skipped_in_a_row = 1
    made.update()
    assert done == []
    watch.skipped_in_a_row = 0
    made.update()
    assert done == [(0, -1)]


def test_a_state_before_and_one_after_the_metrics(made, done):
    made.counters.update(nimg=6000, tick=3)
    made.before_metrics(done=False)
    assert done == [(6000, 3)]
    made.after_metrics()
    made.update()
    made.update()
    assert done == [(6000, 3), (6000, 3)]  # again, since the counters hold the results of the metrics


def test_the_networks_of_the_start_need_no_state(made, done):
    made.counters.update(nimg=32, tick=0)
    made.before_metrics(done=False)
    made.after_metrics()
    made.update()
    assert done == []


def test_the_final_networks_come_before_the_last_state(made, done):
    made.counters.update(nimg=7000, tick=4)
    made.before_metrics(done=True)
    assert done == ['network-final.pkl', (7000, 4)]


def test_no_state_before_the_metrics_after_a_step_that_was_left_out(made, done, watch):
    made.counters.update(nimg=6000, tick=3)
    watch.skipped_in_a_row = 1
    for is_last in (False, True):
        made.before_metrics(is_last)
        made.after_metrics()
    made.update()
    assert done == []
    watch.skipped_in_a_row = 0
    made.update()
    assert done == [(6000, 3)]


def test_going_back_is_saved_and_takes_no_time(made, done, watch, now):
    now(50)
    watch.went_back = True
    assert made.update()
    assert done == [(0, -1)] and made.counters.seconds == 0
    now(60)
    made.save()
    assert made.counters.seconds == made.counters.tick_sec == 10


def test_where_networks_are_written(made, tmp_path, done):
    assert made.save_networks('network-final.pkl') == str(tmp_path / 'network-final.pkl')
    assert done == ['network-final.pkl']


def test_a_stopped_training_has_networks_to_draw_with(made, done, watch, monkeypatch, tmp_path):
    monkeypatch.setattr(made.saving.saver, 'save', lambda saved, _collected: done.append(saved.nimg) or 'S')
    path = str(tmp_path / 'network-snapshot-000006.pkl')
    made.counters.update(nimg=6100)
    assert made.stop() == 'state saved in S' and done == [6100]  # nothing was learned
    made.counters.update(iteration=3)
    assert made.stop() == 'state saved in S, networks in ' + path
    assert done == [6100, 6100, 'network-snapshot-000006.pkl']
    del done[:]
    assert made.stop() == 'state saved in S, networks in ' + path and done == [6100]  # they are there
    made.counters.nimg = 6900  # within the same kimg
    assert made.stop() == 'state saved in S, networks in ' + path
    assert done == [6100, 6900, 'network-snapshot-000006.pkl']
    watch.went_back = True  # those may be of the future that was given up
    made.update()
    del done[:]
    assert made.stop() and done == [6900, 'network-snapshot-000006.pkl']
    made.counters.nimg = 7000
    made.save_networks('network-snapshot-000007.pkl')  # at a tick
    del done[:]
    assert made.stop() and done == [7000]
    made.counters.nimg = 7032

    def full(_path):
        raise OSError(errno.ENOSPC, 'No space left on device', path)
    made.saving = made.saving._replace(save_networks=full)
    assert made.stop() == 'state saved in S; its networks could not be written (No space left on device)'


def test_after_an_error(made, done, watch, monkeypatch, tmp_path):
    assert made.after_error() == 'nothing was learned before it'
    made.counters.update(nimg=6000, iteration=3)
    networks = 'network-snapshot-000006.pkl'
    assert made.after_error(is_within=True) == 'the same command continues from the last state' and done == []
    for _ in range(2):  # saved once
        assert made.after_error() == (
            f'what was learned is saved, networks in {tmp_path / networks}: to continue at kimg 6.0, give the same '
            f'command, or --resume={tmp_path}')
        assert done == [(6000, -1), networks]
    made.counters.nimg = 7000
    monkeypatch.setattr(made.saving.saver, 'save', lambda _counters, _collected: 1 / 0)
    assert made.after_error().startswith('the state could not be saved (division by zero); ')
    watch.lost = True
    assert made.after_error() == 'what was learned since the last good state is lost'
