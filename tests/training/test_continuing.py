"""Which run a command continues."""

import json

import pytest

from dnnlib import UserError
from training import continuing, state_files


def make_run(root, name, options, nimg):
    """A run directory with options and a state after `nimg` images, `None` = no continuing."""
    run_dir = root / name
    run_dir.mkdir()
    (run_dir / 'options.json').write_text(json.dumps(options))
    if nimg is not None:
        folder = run_dir / 'state' / ('%09d' % nimg)
        folder.mkdir(parents=True)
        (folder / state_files.MANIFEST).write_text(json.dumps(dict(counters=dict(state_files.new_counters(nimg)))))
    return str(run_dir)


def test_the_newest_unfinished_run_with_the_same_options(tmp_path):
    options = dict(total_kimg=10, gamma=1.0, drange_net=[-1, 1], network_snapshot_ticks=5)
    first = make_run(tmp_path, '0', options, nimg=5000)
    second = make_run(tmp_path, '1', dict(options, total_kimg=6, network_snapshot_ticks=1), nimg=6000)
    runs = [first, second, make_run(tmp_path, '2', options, nimg=10000),
            make_run(tmp_path, '3', dict(options, gamma=2.0), nimg=3000), make_run(tmp_path, '4', options, nimg=None)]
    wanted = dict(options, drange_net=(-1, 1))
    assert continuing.find_unfinished(runs, wanted, 'options.json') == second
    with state_files.locked_run(second):
        assert continuing.find_unfinished(runs, wanted, 'options.json') == first
    assert continuing.find_unfinished(runs, dict(wanted, total_kimg=5), 'options.json') is None
    assert continuing.find_unfinished(runs, dict(wanted, gamma=3.0), 'options.json') is None
    assert continuing.find_unfinished([], wanted, 'options.json') is None
    assert continuing.find_finished(runs, wanted, 'options.json') == runs[2]
    assert continuing.find_finished(runs[:2], wanted, 'options.json') is None


def test_runs_without_readable_files_are_passed_over(tmp_path):
    options = dict(total_kimg=10)
    run_dir = make_run(tmp_path, '0', options, nimg=32)
    (tmp_path / '0' / 'options.json').write_text('{')
    assert continuing.find_unfinished([run_dir, str(tmp_path)], options, 'options.json') is None


def test_other_options_are_refused_by_name(tmp_path):
    options = dict(total_kimg=10, G_args=dict(fmap_base=1))
    run_dir = make_run(tmp_path, '0', options, nimg=32)
    continuing.check_same_options(run_dir, dict(options, total_kimg=20), 'options.json')
    with pytest.raises(UserError, match='G_args.fmap_base is 1 in that run but 2 now'):
        continuing.check_same_options(run_dir, dict(options, G_args=dict(fmap_base=2)), 'options.json')
