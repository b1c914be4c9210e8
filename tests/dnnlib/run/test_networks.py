"""Which network file of a run directory a command uses."""

import os

import pytest

from dnnlib import UserError
from dnnlib.run import networks


def make(folder, *names, **seconds):
    """A folder with empty files, and folders where a name ends in `/`; `final` and `last` are times of two files."""
    for name in names:
        path = folder / name
        (path if name.endswith('/') else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith('/'):
            path.write_text('')
    for name, key in ((networks.FINAL, 'final'), ('network-snapshot-000020.pkl', 'last')):
        if key in seconds:
            os.utime(str(folder / name), (seconds[key], seconds[key]))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run directory `runs/00003-x`, as the user sees it."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / 'runs/00003-x', 'network-snapshot-000000.pkl', 'network-snapshot-000020.pkl',
         'network-snapshot-1000.pkl.part', 'network-snapshot-000003.pkl', 'state/000003500/', 'state/000020500/')
    return tmp_path / 'runs/00003-x'


def test_the_newest_networks(run, capsys):
    assert networks.choose('runs/00003-x/') == 'runs/00003-x/network-snapshot-000020.pkl'
    assert capsys.readouterr().out == (
        'Networks: runs/00003-x/network-snapshot-000020.pkl, the newest of runs/00003-x/\n')
    make(run, networks.FINAL, last=10, final=10)
    assert networks.choose('runs/00003-x') == 'runs/00003-x/network-final.pkl'
    make(run, last=11)  # the finished training was continued
    assert networks.choose('runs/00003-x').endswith('000020.pkl')


def test_what_was_learned_later_is_mentioned(run, capsys):
    make(run, 'state/000030700/')
    assert networks.choose('runs/00003-x').endswith('000020.pkl')
    assert capsys.readouterr().out.endswith(
        '; its state at kimg 30.7 is newer: to draw that, continue the training and stop it\n')


@pytest.mark.parametrize('here, folder, expected', [
    ('.', 'runs/00003-x/state/000003500', 'runs/00003-x/network-snapshot-000003.pkl'),
    ('.', 'runs/00003-x/state/000020500/', 'runs/00003-x/network-snapshot-000020.pkl'),
    ('.', 'runs/00003-x/state', 'runs/00003-x/network-snapshot-000020.pkl'),
    ('runs/00003-x', '.', './network-snapshot-000020.pkl'),
    ('runs/00003-x/state/000003500', '.', '../../network-snapshot-000003.pkl')])
def test_states_and_other_working_directories(run, here, folder, expected, monkeypatch, capsys):
    monkeypatch.chdir(here)
    assert networks.choose(folder) == expected
    of_state = 'of the run for its state ' + folder in capsys.readouterr().out
    assert of_state == ('3500' in here + folder or '20500' in folder)


def test_folders_without_networks(run, tmp_path):
    make(tmp_path / 'new', 'log.txt')
    make(tmp_path / 'old', 'state/000000500/')
    (tmp_path / 'other').mkdir()
    for folder, message in [
            ('new', "'new': this run has no networks (network-*.pkl) yet; a training writes the first ones after"),
            ('old', "'old': this run has no networks (network-*.pkl) yet; continue the training and stop it with"),
            ('old/state/000000500', "'old': this run has no networks"), ('old/state', "'old': this run has no net"),
            ('other', "'other' is a folder, not a network file; give the path or URL of a network pickle, or a"),
            ('runs', "with one, such as 'runs/00003-x'")]:
        with pytest.raises(UserError) as error:
            networks.choose(folder)
        assert message in str(error.value)


def test_names():
    assert networks.snapshot_name(12999) == 'network-snapshot-000012.pkl'
