"""A training that is steered by a file: snapshot, pause, continue, stop; its bits are those of one that is not."""

import errno
import json
import os
import threading
import time
from unittest import mock

import numpy as np
import pytest

from dnnlib import UserError
from dnnlib.run.run_dir import CONFIG_TXT
from tests.training.methods.test_toy_methods import train, variables
from training.report import steering
from training.state import files

PAUSE = 1.5  # seconds


def test_a_training_that_is_steered_has_the_bits_of_one_that_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(steering, 'LOOK_SECONDS', 0)
    monkeypatch.setattr(steering, 'PAUSED_SECONDS', 0.01)
    alone, steered, ticks = tmp_path / 'alone', tmp_path / 'steered', []
    assert train(alone, 'joint') == 0

    def wait_for_the_pause():
        while not steering.is_paused(str(steered)):
            time.sleep(0.01)
        time.sleep(PAUSE)
        steering.command(str(steered), 'snapshot')
        while steering.waiting(str(steered)):
            time.sleep(0.01)
        steering.command(str(steered), 'continue')

    def command(_network_pkl, _fakes):
        ticks.append(time.time())
        if len(ticks) == 1:
            os.remove(str(steered / 'network-snapshot-000000.pkl'))
            assert steering.command(str(steered), 'snapshot') == ['snapshot']
            assert steering.command(str(steered), 'pause') == ['snapshot', 'pause'] == steering.waiting(str(steered))
            threading.Thread(target=wait_for_the_pause, daemon=True).start()
        if len(ticks) == 3:
            steering.command(str(steered), 'stop')

    steered.mkdir()
    (steered / steering.CONTROL_FILE).write_text('{"commands": ["stop"]}')  # of an earlier process: forgotten
    assert train(steered, 'joint', metric_callback=command) == -1
    counters = files.latest_counters(str(steered))
    assert len(ticks) == 3 and 0 < counters.nimg < 128 and (steered / 'network-snapshot-000000.pkl').exists()
    said = capsys.readouterr().out
    assert 'Paused at kimg' in said and 'Going on' in said and said.count('as asked for') >= 3
    assert not any((steered / name).exists() for name in (steering.CONTROL_FILE, steering.STATE_FILE))
    stats = [json.loads(line) for line in (steered / 'stats.jsonl').read_text().splitlines()]
    counted = stats[2]['Timing/total_sec'] - stats[0]['Timing/total_sec']
    assert counted < ticks[2] - ticks[0] - PAUSE / 2  # the pause is no part of the training's time
    assert train(steered, 'joint') == 0
    expected, found = variables(alone), variables(steered)
    assert set(expected) == set(found)
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name], err_msg=name)


@pytest.mark.parametrize('text', ['', '{', '[]', '{"commands": 5}', '{"commands": ["rm"]}', '{"x": 1}', '\xff' * 9000])
def test_files_that_hold_something_else_are_nothing(text, tmp_path):
    (tmp_path / steering.CONTROL_FILE).write_text(text, encoding='utf-8')
    assert steering.waiting(str(tmp_path)) == []


def test_a_full_disk_is_no_reason_to_end_a_pause(tmp_path, monkeypatch):
    """That it is paused is said once there is space."""
    write, attempts, checkpoints = steering.write_text, [], mock.MagicMock()
    checkpoints.counters.nimg = 0

    def fail_once(path, text):
        attempts.append(path)
        if len(attempts) == 1:
            raise OSError(errno.ENOSPC, 'full', path)
        write(path, text)
        assert steering.is_paused(str(tmp_path))
        (tmp_path / steering.CONTROL_FILE).write_text('{"commands": ["continue"]}')
    paused = steering.Steering(str(tmp_path), checkpoints, mock.MagicMock(), None, lambda: False)
    steering.command(str(tmp_path), 'pause')
    monkeypatch.setattr(steering, 'LOOK_SECONDS', 0)
    monkeypatch.setattr(steering, 'PAUSED_SECONDS', 0.01)
    monkeypatch.setattr(steering, 'write_text', fail_once)
    assert paused.update() is False and len(attempts) == 2 and not steering.is_paused(str(tmp_path))


def test_commands(tmp_path):
    with pytest.raises(UserError, match='choose from snapshot'):
        steering.command(str(tmp_path), 'explode')
    assert steering.Steering(None, None, None, None, None).update() is False
    follower = steering.Steering(str(tmp_path), None, None, None, lambda: False)
    steering.command(str(tmp_path), 'stop')
    assert follower.update() is False and steering.waiting(str(tmp_path)) == ['stop']  # at most once a second


def test_commands_that_come_while_the_networks_are_built_are_obeyed(tmp_path, monkeypatch):
    monkeypatch.setattr(steering, 'LOOK_SECONDS', 0)
    for name, age in ((CONFIG_TXT, 50), (steering.CONTROL_FILE, 60)):
        steering.command(str(tmp_path), 'stop') if name == steering.CONTROL_FILE else (tmp_path / name).write_text('')
        os.utime(str(tmp_path / name), (time.time() - age, time.time() - age))
    assert not steering.Steering(str(tmp_path), None, None, None, lambda: False).update()  # of an earlier process
    steering.command(str(tmp_path), 'stop')
    assert steering.Steering(str(tmp_path), None, None, None, lambda: False).update()
