"""Which run a command continues."""

import json
import os

import pytest

from dnnlib import UserError
from dnnlib.run.run_dir import locked
from training.options import continuing
from training.state import files


def make_run(root, name, options, nimg):
    """A run directory with options and a state after `nimg` images, `None` = no state."""
    run_dir = root / name
    run_dir.mkdir()
    (run_dir / continuing.OPTIONS_FILE).write_text(json.dumps(options))
    if nimg is not None:
        folder = files.state_path(str(run_dir), nimg)
        os.makedirs(folder)
        files.write_manifest(folder, files.new_counters(nimg))
    return str(run_dir)


def test_the_newest_unfinished_run_with_the_same_options(tmp_path):
    options = dict(total_kimg=10, gamma=1.0, drange_net=[-1, 1], network_snapshot_ticks=5)
    first = make_run(tmp_path, '0', options, nimg=5000)
    second = make_run(tmp_path, '1', dict(options, total_kimg=6, network_snapshot_ticks=1), nimg=6000)
    runs = [first, second, make_run(tmp_path, '2', options, nimg=10000),
            make_run(tmp_path, '3', dict(options, gamma=2.0), nimg=3000)]
    wanted = dict(options, drange_net=(-1, 1))
    assert continuing.find_unfinished(runs, wanted) == second
    with locked(second):
        assert continuing.find_unfinished(runs, wanted) == first
    assert continuing.find_unfinished(runs, dict(wanted, total_kimg=5)) is None
    assert continuing.find_unfinished(runs, dict(wanted, gamma=3.0)) is None
    assert continuing.find_unfinished([], wanted) is None
    assert continuing.find_finished(runs, wanted) == runs[2]
    assert continuing.find_finished(runs[:2], wanted) is None
    assert continuing.safe_changes(second, wanted) == ['network_snapshot_ticks 1 -> 5', 'total_kimg 6 -> 10']
    assert continuing.safe_changes(first, dict(wanted, data_workers='auto')) == []  # there was no such option
    limited = make_run(tmp_path, '00009-limited', dict(wanted, start_timeout=600.0, max_hours=1), nimg=32)
    assert continuing.safe_changes(limited, wanted) == []  # they are entered later


def test_a_run_that_was_killed_before_its_first_state_is_started_over(tmp_path, capsys):
    options = dict(total_kimg=10)
    run_dir = make_run(tmp_path, '00000-x', options, nimg=None)
    (tmp_path / '00000-x' / 'network-snapshot-000000.pkl').write_text('')
    assert continuing.choose_run('auto', str(tmp_path), 'x', options) == run_dir
    assert 'Starting over in' in capsys.readouterr().out
    earlier = make_run(tmp_path, '00001-x', options, nimg=32)
    make_run(tmp_path, '00002-x', options, nimg=None)
    assert continuing.choose_run('auto', str(tmp_path), 'x', dict(options, total_kimg=9)) == earlier
    assert 'Changed since it was started: total_kimg 10 -> 9' in capsys.readouterr().out
    for name in ('network-final.pkl', 'network-snapshot-000004.pkl'):  # its states were removed by hand
        (tmp_path / '00000-x' / name).write_text('')
        assert continuing.find_unfinished([run_dir], options) is None
        (tmp_path / '00000-x' / name).unlink()
    (tmp_path / '00000-x' / '_finished.txt').write_text('')  # Ctrl-C while the networks were built
    assert continuing.find_unfinished([run_dir], options) == run_dir


def test_a_run_with_other_rounds_is_told(tmp_path, capsys):
    """As of another number of workers."""
    options = dict(total_kimg=4, seed=1, sched_args=dict(minibatch_gpu_base=4), D_args=dict(mbstd_group_size=4))
    run_dir = make_run(tmp_path, '00000-cats-1gpu-x', options, 2000)
    for rounds, group, seed, said in ((2, 4, 1, True), (2, 4, 2, False), (4, 4, 1, False), (2, 2, 1, True),
                                      (4, 2, 1, False)):
        changed = dict(options, seed=seed, sched_args=dict(minibatch_gpu_base=rounds),
                       D_args=dict(mbstd_group_size=group))
        continuing.choose_run('auto', str(tmp_path), 'cats-2gpu-x', changed)
        told = 'is not continued, since there are 4 images per device and round in it, here 2; to continue it, give '
        assert (f'{run_dir} {told}--minibatch-gpu=4 or as many workers as then\n' in capsys.readouterr().out) == said


def test_tables_of_images_per_round_have_no_hint(tmp_path, capsys):
    """As config-a has, unless --minibatch-gpu says one number for all sizes."""
    table = dict(total_kimg=4, sched_args=dict(minibatch_gpu_base=4, minibatch_gpu_dict={'16': 128}))
    flat, unsaid = dict(total_kimg=4, sched_args=dict(minibatch_gpu_base=16)), dict(total_kimg=4, sched_args={})
    for number, (saved, wanted) in enumerate(((table, flat), (flat, table), (unsaid, flat), (flat, unsaid))):
        run_dir = make_run(tmp_path, f'0000{number}-{number}-1gpu-x', saved, 2000)
        assert continuing.choose_run('auto', str(tmp_path), f'{number}-1gpu-x', wanted) is None
        assert 'not continued' not in capsys.readouterr().out
        with pytest.raises(UserError, match='give the same options, or start over'):
            continuing.check_same_options(run_dir, wanted)


def test_runs_of_small_with_its_earlier_defaults_are_told(tmp_path, capsys):
    """Of gamma and minibatch; the images of a round, the group and the average follow them."""
    def options(gamma, batch, **more):
        return dict(total_kimg=4, D_loss_args=dict(gamma=gamma), G_smoothing_kimg=batch * 10 / 32, sched_args=dict(
            minibatch_size_base=batch, minibatch_gpu_base=batch), D_args=dict(mbstd_group_size=4), **more)

    run_dir = make_run(tmp_path, '00000-cats-1gpu-small', options(0.0512, 16), 2000)
    hint = '{} is not continued, since it has {}, this command {}; to continue it, give {}\n'
    for wanted, here, told in ((options(1, 8), '--gamma=1 --batch=8', '--gamma=0.0512 --batch=16'),
                               (options(1, 16), '--gamma=1', '--gamma=0.0512'),
                               (options(0.0512, 8), '--batch=8', '--batch=16'), (options(3, 16), None, None),
                               (options(1, 4), None, None), (options(1, 8, seed=2), None, None),
                               (dict(options(1, 8), G_smoothing_kimg=20), None, None)):
        assert continuing.choose_run('auto', str(tmp_path), 'cats-1gpu-small', wanted) is None
        assert capsys.readouterr().out == ('' if told is None else hint.format(run_dir, told, here, told))
    assert continuing.choose_run('auto', str(tmp_path), 'cats-1gpu-small', options(0.0512, 16)) == run_dir
    with pytest.raises(UserError, match='gamma is 0.0512 in that run but 1 now; give --gamma=0.0512 --batch=16, or st'):
        continuing.check_same_options(run_dir, options(1, 8, augment_args=dict(max_strength=0.5)))
    make_run(tmp_path, '00000-cats-1gpu-auto', options(0.0512, 16), 2000)
    capsys.readouterr()
    continuing.choose_run('auto', str(tmp_path), 'cats-1gpu-auto', options(1, 8))
    assert capsys.readouterr().out == ''


def test_images_of_a_round_are_named_before_the_group_that_follows_them(tmp_path):
    options = dict(total_kimg=4, sched_args=dict(minibatch_gpu_base=6), D_args=dict(mbstd_group_size=3))
    run_dir = make_run(tmp_path, '00000-x', options, 2000)
    changed = dict(options, sched_args=dict(minibatch_gpu_base=12), D_args=dict(mbstd_group_size=4))
    with pytest.raises(UserError, match='--minibatch-gpu is 6 in that run but 12 now; give --minibatch-gpu=6 or as'):
        continuing.check_same_options(run_dir, changed)


def test_first_runs_of_lapgan_are_other_trainings(tmp_path, capsys):
    method = dict(func_name='training.methods.lapgan.lapgan', levels=None, G_args=dict(base=8))
    run_dir = make_run(tmp_path, '00000-x', dict(total_kimg=4, method_args=method), 2000)
    wanted = dict(total_kimg=4, method_args=dict(method, G_images=2, G_args=dict(base=8, latents='uniform')))
    assert continuing.choose_run('auto', str(tmp_path), 'x', wanted) is None
    assert capsys.readouterr().out == (f'{run_dir} is not continued, since it was begun with other defaults; to '
                                       'continue it, give --set G.latents=normal --set train.G_images=1\n')
    with pytest.raises(UserError, match='train.G_images is 1 in that run but 2 now'):
        continuing.check_same_options(run_dir, dict(wanted, method_args=dict(
            wanted['method_args'], G_args=dict(base=8, latents='normal'))))
    wanted['method_args'].update(G_images=1, G_args=dict(base=8, latents='normal'))
    assert continuing.choose_run('auto', str(tmp_path), 'x', wanted) == run_dir
    wanted['method_args'].update(G_images=2, levels=[8])
    assert continuing.choose_run('auto', str(tmp_path), 'x', wanted) is None
    assert 'not continued' not in capsys.readouterr().out


def test_runs_without_readable_files_are_passed_over(tmp_path):
    options = dict(total_kimg=10)
    run_dir = make_run(tmp_path, '0', options, nimg=32)
    for text in ('{', '[]'):
        (tmp_path / '0' / continuing.OPTIONS_FILE).write_text(text)
        assert continuing.find_unfinished([run_dir, str(tmp_path)], options) is None


def test_the_ceiling_of_p_may_change_where_the_run_is_named(tmp_path, capsys):
    for number, method in enumerate((False, True)):
        given, lower = [dict(augment_args=dict(max_strength=p, tune_kimg=500)) for p in (1, 0.5)]
        given, lower = [dict(total_kimg=10, **(dict(method_args=o) if method else o)) for o in (given, lower)]
        run_dir = make_run(tmp_path, f'0000{number}-x', given, nimg=3000)
        assert continuing.choose_run('auto', str(tmp_path), 'x', lower) is None
        assert continuing.choose_run(run_dir, str(tmp_path), 'x', lower) == run_dir
        assert ': --p-max 1 -> 0.5\n' in capsys.readouterr().out
        (lower['method_args'] if method else lower)['augment_args']['tune_kimg'] = 50
        with pytest.raises(UserError, match='augment.tune_kimg is 500 in that run but 50 now'):
            continuing.choose_run(run_dir, str(tmp_path), 'x', lower)


def test_other_options_are_refused_by_name(tmp_path):
    options = dict(total_kimg=10, G_args=dict(fmap_base=1))
    run_dir = make_run(tmp_path, '0', options, nimg=32)
    continuing.check_same_options(run_dir, dict(options, total_kimg=20))
    with pytest.raises(UserError, match='0: G.fmap_base is 1 in that run but 2 now; give the same options, or start'):
        continuing.check_same_options(run_dir, dict(options, G_args=dict(fmap_base=2)))
    (tmp_path / '0' / 'network-final.pkl').write_text('')
    with pytest.raises(UserError, match='what the sides of pictures are multiples of .* is not set in that run but 8 '
                       'now; give the same options, begin from its networks with --resume=.*network-final.pkl, or'):
        continuing.check_same_options(run_dir, dict(options, dataset_args=dict(multiple=8)))
    with pytest.raises(UserError, match=': G.num_enhancers is not set in that run but 1 now'):
        continuing.check_same_options(run_dir, dict(options, dataset_args=dict(multiple=8), method_args=dict(
            G_args=dict(num_enhancers=1))))


def test_a_state_begins_a_new_run(tmp_path):
    options = dict(total_kimg=10, gamma=1.0, resume_pkl='begun-from.pkl')
    run_dir = make_run(tmp_path, '00000-x', options, nimg=32)
    path, wanted = files.state_path(run_dir, 32), dict(total_kimg=10, gamma=1.0)
    assert continuing.choose_run(path, str(tmp_path), 'x', wanted) is None
    assert wanted['resume_state'] == path
    begun = make_run(tmp_path, '00001-x', wanted, nimg=64)  # which the same command continues
    assert continuing.choose_run(path, str(tmp_path), 'x', wanted) == begun
    with pytest.raises(UserError, match='gamma is 1.0 in that run but 2.0 now'):
        continuing.choose_run(path, str(tmp_path), 'x', dict(total_kimg=10, gamma=2.0))
    with open(os.path.join(path, files.MANIFEST), 'a') as f:
        f.write('x')
    with pytest.raises(UserError, match='is damaged: cannot read state.json'):
        continuing.check_start(path)


def test_a_run_directory_that_is_in_use_is_refused(tmp_path):
    options = dict(total_kimg=10)
    run_dir = make_run(tmp_path, '00000-x', options, nimg=32)
    with locked(run_dir), pytest.raises(UserError, match='another process is training in'):
        continuing.choose_run(run_dir, str(tmp_path), 'x', options)
