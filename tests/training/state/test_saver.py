"""States: what is kept, what is refused."""

import glob
import os

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, disk
from training.state import files, rounds
from training.state import saver as state


def make_variable(session, name='v', value=1.0):
    """An initialized variable."""
    variable = tf.Variable(value, name=name)
    session.run(variable.initializer)
    return variable


def test_saving_and_restoring(session, tmp_path):
    variable = make_variable(session, value=3.0)
    saver = state.StateSaver(str(tmp_path))
    assert saver.restore_latest() is None
    counters = files.new_counters(nimg=64, seconds=1.5)
    counters.update(iteration=2, tick=1)
    saver.save(counters)
    session.run(variable.assign(4.0))
    assert saver.restore_latest() == counters
    assert session.run(variable) == 3.0


def test_the_two_newest_are_kept(session, tmp_path):
    variable = make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    for nimg in (32, 999999999, 1000000032, 1000000064):
        session.run(variable.assign(nimg % 1000))
        saver.save(files.new_counters(nimg))
    names = [os.path.basename(path) for path in files.list_states(str(tmp_path))]
    assert names == ['1000000032', '1000000064']
    assert sorted(os.listdir(str(tmp_path / 'state'))) == names
    assert files.latest_state(str(tmp_path)).endswith('1000000064')


def test_the_same_moment_is_saved_once_but_a_damaged_state_is_replaced(session, tmp_path):
    variable = make_variable(session, value=5.0)
    saver = state.StateSaver(str(tmp_path))
    path = saver.save(files.new_counters(32))
    before = os.stat(os.path.join(path, files.MANIFEST)).st_mtime_ns
    assert saver.save(files.new_counters(32)) == path
    assert os.stat(os.path.join(path, files.MANIFEST)).st_mtime_ns == before
    damage(path)
    state.StateSaver(str(tmp_path)).save(files.new_counters(32))
    session.run(variable.assign(0.0))
    saver.restore_latest()
    assert session.run(variable) == 5.0
    assert os.listdir(str(tmp_path / 'state')) == ['000000032']


def damage(path):
    """Changes one byte of the values."""
    name, = glob.glob(os.path.join(path, 'variables.data*'))
    with open(name, 'r+b') as f:
        byte = f.read(1)
        f.seek(0)
        f.write(bytes([byte[0] ^ 1]))


def test_states_of_a_future_that_was_given_up_are_removed(session, tmp_path, capsys):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path), keep=1)
    saver.save(files.new_counters(32))
    saver._keep = 2
    damage(saver.save(files.new_counters(64)))
    saver = state.StateSaver(str(tmp_path), keep=1)
    assert saver.restore_latest().nimg == 32
    assert 'variables.data-00000-of-00001: checksum mismatch; continuing from' in capsys.readouterr().out
    saver.save(files.new_counters(48))
    assert os.listdir(str(tmp_path / 'state')) == ['000000048']


@pytest.mark.parametrize('which, best', [('lowest', 64), ('highest', 32)])
def test_the_best_state_is_kept_as_well(session, tmp_path, which, best):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path), keep=1, keep_best=('fid50k', which))
    counters, results = files.new_counters(), {32: 9.0, 64: 3.0, 96: float('nan'), 128: 7.0}
    for nimg in (32, 64, 80, 96, 128, 160):
        counters.nimg = nimg
        if nimg in results:
            counters.metrics.setdefault('fid50k', []).append([nimg, results[nimg]])
        saver.save(counters)
    assert sorted(os.listdir(str(tmp_path / 'state'))) == ['%09d' % best, '000000160']
    assert saver.restore_latest().metrics['fid50k'][1] == [64, 3.0]


def test_counters_of_a_state_are_replaced(session, tmp_path, monkeypatch):
    """What the metrics find after the state of a snapshot was saved gets into it without writing all of it again."""
    make_variable(session)
    saver = state.StateSaver(str(tmp_path), keep=1, keep_best=('fid50k', 'lowest'))
    counters = files.new_counters(32)
    for nimg, value in ((32, 5.0), (64, 4.0), (96, 6.0)):
        counters.nimg = nimg
        saver.save(counters)
        counters.metrics.setdefault('fid50k', []).append([nimg, value])
        with monkeypatch.context() as patch:
            patch.setattr(saver._saver, 'save',
                          lambda *_args, **_kwargs: pytest.fail('all of it is written'))
            path = saver.save(counters)
        assert files.check(path) == counters
    assert sorted(os.listdir(str(tmp_path / 'state'))) == ['000000064', '000000096']
    assert saver.restore_latest().metrics == {'fid50k': [[32, 5.0], [64, 4.0], [96, 6.0]]}
    (tmp_path / 'state' / '000000096' / 'state.json').write_text('{')
    assert files.check(saver.save(counters)) == counters  # damaged: everything is written


def test_the_grid_of_pictures_is_part_of_it(session, tmp_path):
    make_variable(session)
    arrays, restored = dict(latents=np.ones([6, 8]), labels=np.zeros([6, 0], np.float32)), {}
    state.StateSaver(str(tmp_path), grid=EasyDict(arrays=lambda: arrays)).save(files.new_counters(32))
    state.StateSaver(str(tmp_path), grid=EasyDict(restore=restored.update)).restore_latest()
    assert sorted(restored) == ['labels', 'latents'] and restored['labels'].dtype == np.float32
    np.testing.assert_array_equal(restored['latents'], arrays['latents'])


def test_what_the_first_start_chose_is_part_of_it(session, tmp_path):
    make_variable(session)
    (tmp_path / 'precision.json').write_text('{"type": "bfloat16"}')
    path = state.StateSaver(str(tmp_path)).save(files.new_counters(32))
    with open(os.path.join(path, 'precision.json')) as f:
        assert f.read() == '{"type": "bfloat16"}'
    files.check(path)
    (tmp_path / 'precision.json').unlink()
    path = state.StateSaver(str(tmp_path)).save(files.new_counters(64))
    assert not os.path.exists(os.path.join(path, 'precision.json'))


def test_counters_of_older_states_are_converted(tmp_path):
    """Those of methods were int32 in checkpoints, those of pools int32 in the file of the rounds."""
    counters = {'G_steps': (np.int32(700), np.int64), 'pool_filled': (np.int32([3, 5]), np.float32)}
    for dtype_of in (lambda value, _now: value.dtype, lambda _value, now: now):
        with tf.Graph().as_default(), tf.Session() as session:
            made = {name: make_variable(session, 'State/' + name, np.zeros_like(value, dtype_of(value, now)))
                    for name, (value, now) in counters.items()}
            make_variable(session)
            rounds.RoundState(made['pool_filled'], 0)
            saver = state.StateSaver(str(tmp_path))
            if files.latest_state(str(tmp_path)) is None:
                session.run([made[name].assign(value) for name, (value, _) in counters.items()])
                saver.save(files.new_counters(32))
            else:
                saver.share(saver.restore_latest())
                found = session.run(made)
    assert found['G_steps'] == 700 and found['G_steps'].dtype == np.int64
    assert found['pool_filled'].tolist() == [3, 5] and found['pool_filled'].dtype == np.float32


def test_states_of_the_rounds_have_a_file_of_their_own(session, tmp_path, capsys):
    shared = make_variable(session, 'v', 1.0)
    own = make_variable(session, 'State/pool', np.float32([[1, 2], [3, 4], [5, 6]]))
    number = tf.placeholder(tf.int32, [])
    pool = rounds.RoundState(own, number)
    saver = state.StateSaver(str(tmp_path))
    session.run(pool.assign([8.0, 9.0]), {number: 1})
    assert session.run(pool.read_value(), {number: 1}).tolist() == [8, 9]
    path = saver.save(files.new_counters(32))
    assert list(tf.train.NewCheckpointReader(os.path.join(path, files.VARIABLES)).get_variable_to_shape_map()) == ['v']
    session.run([shared.assign(0.0), own.assign(np.zeros([3, 2]))])
    saver.share(saver.restore_latest())
    assert session.run(own).tolist() == [[1, 2], [8, 9], [5, 6]] and session.run(shared) == 1
    # with another number of rounds
    assert capsys.readouterr().out == ''
    found = rounds.load(path, {'State/pool': np.zeros([2, 2], np.float32)})['State/pool']
    assert found.tolist() == [[1, 2], [8, 9]]
    assert '3 rounds were saved and there are 2: those of rounds 2 to 2 are dropped.' in capsys.readouterr().out
    assert rounds.load(path, {'State/pool': np.full([4, 2], 7.0)})['State/pool'].tolist() == [[1, 2], [8, 9], [5, 6],
                                                                                             [7, 7]]
    assert '3 rounds were saved and there are 4: rounds 3 to 3 have initial values.' in capsys.readouterr().out
    for other in ({'State/pool': np.zeros([3, 5])}, {'State/other': np.zeros([3, 2])}):
        with pytest.raises(UserError, match='does not fit this method'):
            rounds.load(path, other)


def test_sums_between_rounds_may_be_missing(session, tmp_path):
    weight = make_variable(session, 'v', 1.0)
    path = state.StateSaver(str(tmp_path)).save(files.new_counters(32))
    added = make_variable(session, 'TrainG/grad_acc_var_1', 5.0)
    session.run([weight.assign(0.0)])
    state.StateSaver(str(tmp_path)).load(path)
    assert session.run([weight, added]) == [1.0, 5.0]  # its initial value
    make_variable(session, 'w', 5.0)
    with pytest.raises(UserError, match='does not fit'):
        state.StateSaver(str(tmp_path)).load(path)


def test_what_a_killed_process_leaves_is_removed(tmp_path):
    for name in (files.UNFINISHED, files.REPLACED, files.REMOVED, '000000032'):
        os.makedirs(str(tmp_path / 'state' / name / 'x'))
    (tmp_path / ('tmp_' + '0' * 32 + '_network-final.pkl')).write_text('half')
    (tmp_path / 'tmp_notes.txt').write_text('mine')
    (tmp_path / ('tmp_' + '1' * 32 + '_export')).mkdir()
    (tmp_path / ('tmp_' + '1' * 32 + '_export') / 'a').write_text('half')
    state = tmp_path / 'state' / '000000064'
    state.mkdir()
    for name in ('state.json', 'tmp_' + '0' * 32 + '_state.json'):
        (state / name).write_text('{}')
    files.remove_leftovers(str(tmp_path))
    assert sorted(os.listdir(str(tmp_path))) == ['state', 'tmp_notes.txt']
    assert sorted(os.listdir(str(tmp_path / 'state'))) == ['000000032', '000000064']
    assert os.listdir(str(state)) == ['state.json']


def test_a_full_disk_leaves_the_states_before(session, tmp_path, monkeypatch):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    saver.save(files.new_counters(32))

    def full(*_args, **_kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, 'x: No space left on device')
    monkeypatch.setattr(saver._saver, 'save', full)
    with pytest.raises(OSError, match='No space left') as raised:
        saver.save(files.new_counters(64))
    assert disk.is_full(raised.value)
    assert os.listdir(str(tmp_path / 'state')) == ['000000032']
    assert saver.num_bytes() == 4


def test_an_unfinished_state_does_not_count(session, tmp_path):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    saver.save(files.new_counters(32))
    for name in ('unfinished', '000000064'):  # killed while writing; without a manifest
        os.makedirs(str(tmp_path / 'state' / name))
    assert saver.restore_latest().nimg == 32


def test_another_network_is_refused(session, tmp_path):
    make_variable(session)
    state.StateSaver(str(tmp_path)).save(files.new_counters(32))
    make_variable(session, 'another')
    with pytest.raises(UserError, match='does not fit these networks and optimizers') as error:
        state.StateSaver(str(tmp_path)).restore_latest()
    assert '\n' not in str(error.value)


def test_a_damaged_manifest_is_refused(session, tmp_path):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    path = saver.save(files.new_counters(32))
    with open(os.path.join(path, files.MANIFEST), 'w') as f:
        f.write('{"counters"')
    with pytest.raises(UserError, match='is damaged: cannot read state.json'):
        saver.restore_latest()


@pytest.mark.parametrize('contents', [b'{"counters"', b'[]', b'{"counters": [1]}', b'{"counters": {"nimg": 1}}', None])
def test_a_damaged_state_leaves_the_one_before(session, tmp_path, capsys, contents):
    variable = make_variable(session, value=1.0)
    saver = state.StateSaver(str(tmp_path))
    saver.save(files.new_counters(32))
    path = saver.save(files.new_counters(64))
    if contents is not None:
        with open(os.path.join(path, files.MANIFEST), 'wb') as f:
            f.write(contents)
        assert files.latest_counters(str(tmp_path)).nimg == 32
    else:
        damage(path)
    session.run(variable.assign(4.0))
    assert saver.restore_latest().nimg == 32
    assert session.run(variable) == 1.0
    output = capsys.readouterr().out
    assert output.count('\n') == 1 and '000000064' in output and 'continuing from' in output


def test_a_changed_number_in_the_manifest_is_noticed(session, tmp_path):
    make_variable(session)
    path = state.StateSaver(str(tmp_path)).save(files.new_counters(32))
    manifest = os.path.join(path, files.MANIFEST)
    with open(manifest) as f:
        text = f.read()
    with open(manifest, 'w') as f:
        f.write(text.replace('"nimg": 32', '"nimg": 33'))
    with pytest.raises(UserError, match='cannot read state.json .checksum mismatch'):
        files.check(path)


def test_an_unwritable_folder(session, tmp_path):
    make_variable(session)
    (tmp_path / 'state').write_text('in the way')
    with pytest.raises(OSError):
        state.StateSaver(str(tmp_path)).save(files.new_counters(32))


def test_what_one_worker_cannot_save_alone(session, monkeypatch):
    make_variable(session)
    saver = state.StateSaver(None)
    assert not saver.needs_others(is_within=True)
    monkeypatch.setattr(state.collectives, 'num_workers', lambda: 2)
    assert saver.needs_others(is_within=True) and not saver.needs_others()
