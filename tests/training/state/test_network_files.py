"""Which network file of a run directory a command uses."""

import os

import pytest

from dnnlib import EasyDict, UserError
from dnnlib.run.run_dir import locked
from training.state import files, network_files


def make(folder, *names, **seconds):
    """A folder with empty files; `final` and `last` are times of two of them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('')
    for name, key in ((network_files.FINAL, 'final'), ('network-snapshot-000020.pkl', 'last')):
        if key in seconds:
            os.utime(str(folder / name), (seconds[key], seconds[key]))


def make_state(run_dir, nimg, time=None, tick_nimg=0):
    """A state whose variables were written at a time, seconds since the epoch."""
    path = files.state_path(str(run_dir), nimg)
    os.makedirs(path)
    variables = os.path.join(path, files.VARIABLES)
    with open(variables, 'w'):
        pass
    if time is not None:
        os.utime(variables, (time, time))
    files.write_manifest(path, EasyDict(files.new_counters(nimg), tick_nimg=tick_nimg))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run directory `runs/00003-x`, as the user sees it."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / 'runs/00003-x', 'network-snapshot-000000.pkl', 'network-snapshot-000020.pkl',
         'network-snapshot-1000.pkl.part', 'network-snapshot-000003.pkl')
    for nimg in (3500, 20500):
        make_state(tmp_path / 'runs/00003-x', nimg, tick_nimg=nimg)
    return tmp_path / 'runs/00003-x'


def test_the_newest_networks(run, capsys):
    assert network_files.choose('runs/00003-x/') == 'runs/00003-x/network-snapshot-000020.pkl'
    assert capsys.readouterr().out == (
        'Networks: runs/00003-x/network-snapshot-000020.pkl, the newest of runs/00003-x/\n')
    make(run, network_files.FINAL, last=10, final=10)
    assert network_files.choose('runs/00003-x') == 'runs/00003-x/network-final.pkl'
    make(run, last=11)  # the finished training was continued
    assert network_files.choose('runs/00003-x').endswith('000020.pkl')


def test_what_was_learned_later_is_mentioned(run, capsys):
    make_state(run, 30700)
    with locked(str(run)):
        assert network_files.choose('runs/00003-x').endswith('000020.pkl')
    assert capsys.readouterr().out.endswith('; its state at kimg 30.7 is newer: to draw that, stop the training\n')
    network_files.choose('runs/00003-x')
    assert capsys.readouterr().out.endswith(
        '; its state at kimg 30.7 is newer: to draw that, continue the training and stop it\n')


@pytest.mark.parametrize('state, written, tick_nimg, is_newer', [
    (20900, 99, 20400, True), (20900, 101, 20400, False), (20900, 99, 20900, False), (19000, 99, 18000, False)])
def test_states_of_the_same_kimg(tmp_path, capsys, state, written, tick_nimg, is_newer):
    """By the clock after the snapshot; before one of the stop; that of the snapshot's tick; of an earlier kimg."""
    make(tmp_path, 'network-snapshot-000020.pkl', last=written)
    make_state(tmp_path, state, 100, tick_nimg)
    network_files.choose(str(tmp_path))
    assert ('is newer: to draw that' in capsys.readouterr().out) == is_newer


def test_networks_for_a_state_are_not_newer_than_it(tmp_path, capsys):
    make(tmp_path, 'network-snapshot-000016.pkl', 'network-snapshot-000020.pkl', last=101)
    make_state(tmp_path, 20096, 100)
    state = str(tmp_path / 'state' / '000020096')
    assert network_files.choose(state).endswith('000020.pkl')  # of the stop, which writes the state first
    make_state(tmp_path, 21000, 102)
    assert network_files.choose(state).endswith('000020.pkl')
    make_state(tmp_path, 20992, 102)  # of the tick that wrote that snapshot
    assert network_files.choose(state).endswith('000016.pkl')
    (tmp_path / 'network-snapshot-000016.pkl').unlink()
    capsys.readouterr()
    assert network_files.choose(state).endswith('000020.pkl')
    assert f'newer than the state {state}, before which the run has none' in capsys.readouterr().out


@pytest.mark.parametrize('here, folder, expected', [
    ('.', 'runs/00003-x/state/000003500', 'runs/00003-x/network-snapshot-000003.pkl'),
    ('.', 'runs/00003-x/state/000020500/', 'runs/00003-x/network-snapshot-000020.pkl'),
    ('.', 'runs/00003-x/state', 'runs/00003-x/network-snapshot-000020.pkl'),
    ('runs/00003-x', '.', './network-snapshot-000020.pkl'),
    ('runs/00003-x/state/000003500', '.', '../../network-snapshot-000003.pkl')])
def test_states_and_other_working_directories(run, here, folder, expected, monkeypatch, capsys):
    monkeypatch.chdir(here)
    assert network_files.choose(folder) == expected
    of_state = 'of the run for its state ' + folder in capsys.readouterr().out
    assert of_state == ('3500' in here + folder or '20500' in folder)


def test_folders_without_networks(run, tmp_path):
    make(tmp_path / 'new', 'log.txt')
    make_state(tmp_path / 'old', 500)
    (tmp_path / 'other').mkdir()
    for folder, message in [
            ('new', "'new': this run has no networks (network-*.pkl) yet; a training writes the first ones after"),
            ('old', "'old': this run has no networks (network-*.pkl) yet; continue the training and stop it with"),
            ('old/state/000000500', "'old': this run has no networks"), ('old/state', "'old': this run has no net"),
            ('other', "'other' is a folder, not a network file; give the path or URL of a network pickle, or a"),
            ('runs', "with one, such as 'runs/00003-x'")]:
        with pytest.raises(UserError) as error:
            network_files.choose(folder)
        assert message in str(error.value)


def test_names():
    assert network_files.snapshot_name(12999) == 'network-snapshot-000012.pkl'
