"""States: what is kept, what is refused."""

import os

import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from training import state, state_files


def make_variable(session, name='v', value=1.0):
    """An initialised variable."""
    variable = tf.Variable(value, name=name)
    session.run(variable.initializer)
    return variable


def test_saving_and_restoring(session, tmp_path):
    variable = make_variable(session, value=3.0)
    saver = state.StateSaver(str(tmp_path))
    assert saver.restore_latest() is None
    counters = state_files.new_counters(nimg=64, seconds=1.5)
    counters.update(iteration=2, tick=1)
    saver.save(counters)
    session.run(variable.assign(4.0))
    assert saver.restore_latest() == counters
    assert session.run(variable) == 3.0


def test_the_two_newest_are_kept(session, tmp_path):
    variable = make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    for nimg in (999999999, 1000000032, 32, 1000000064):
        session.run(variable.assign(nimg % 1000))
        saver.save(state_files.new_counters(nimg))
    names = [os.path.basename(path) for path in state_files.list_states(str(tmp_path))]
    assert names == ['1000000032', '1000000064']
    assert sorted(os.listdir(str(tmp_path / 'state'))) == names
    assert state_files.latest_state(str(tmp_path)).endswith('1000000064')


def test_the_same_moment_can_be_saved_twice(session, tmp_path):
    variable = make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    for value in (5.0, 6.0):
        session.run(variable.assign(value))
        saver.save(state_files.new_counters(32))
    session.run(variable.assign(0.0))
    saver.restore_latest()
    assert session.run(variable) == 6.0


def test_an_unfinished_state_does_not_count(session, tmp_path):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    saver.save(state_files.new_counters(32))
    for name in ('unfinished', '000000064'):  # killed while writing; without a manifest
        os.makedirs(str(tmp_path / 'state' / name))
    assert saver.restore_latest().nimg == 32


def test_another_network_is_refused(session, tmp_path):
    make_variable(session)
    state.StateSaver(str(tmp_path)).save(state_files.new_counters(32))
    make_variable(session, 'another')
    with pytest.raises(UserError, match='does not fit these networks') as error:
        state.StateSaver(str(tmp_path)).restore_latest()
    assert '\n' not in str(error.value)


def test_a_damaged_manifest_is_refused(session, tmp_path):
    make_variable(session)
    saver = state.StateSaver(str(tmp_path))
    path = saver.save(state_files.new_counters(32))
    with open(os.path.join(path, state_files.MANIFEST), 'w') as f:
        f.write('{"counters"')
    with pytest.raises(UserError, match='is not a saved training state'):
        saver.restore_latest()


@pytest.mark.parametrize('damage', [b'{"counters"', b'[]', b'{"counters": [1]}', b'{"counters": {"nimg": 1}}', None])
def test_a_damaged_state_leaves_the_one_before(session, tmp_path, capsys, damage):
    variable = make_variable(session, value=1.0)
    saver = state.StateSaver(str(tmp_path))
    saver.save(state_files.new_counters(32))
    path = saver.save(state_files.new_counters(64))
    if damage is not None:
        with open(os.path.join(path, state_files.MANIFEST), 'wb') as f:
            f.write(damage)
        assert state_files.latest_counters(str(tmp_path)).nimg == 32
    else:
        for name in os.listdir(path):
            if name.startswith('variables.data'):
                with open(os.path.join(path, name), 'wb') as f:
                    f.write(b'x')
    session.run(variable.assign(4.0))
    assert saver.restore_latest().nimg == 32
    assert session.run(variable) == 1.0
    output = capsys.readouterr().out
    assert output.count('\n') == 1 and '000000064' in output and 'continuing from' in output


def test_an_unwritable_folder(session, tmp_path):
    make_variable(session)
    (tmp_path / 'state').write_text('in the way')
    with pytest.raises(OSError):
        state.StateSaver(str(tmp_path)).save(state_files.new_counters(32))
