"""The status line, statistics, time left and what is due at a tick."""

import io
import json
import os
import time

import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, disk
from dnnlib.tflib.autosummary import autosummary
from training.report import reporter as report
from training.state import files

STATS = {'Progress/tick': 3, 'Progress/kimg': 12.9, 'Progress/lod': 0.0, 'Progress/minibatch': 32,
         'Timing/total_sec': 303, 'Timing/sec_per_tick': 80.3, 'Timing/sec_per_kimg': 20.08,
         'Timing/maintenance_sec': 15.2, 'Resources/peak_gpu_mem_gb': 8.6, 'Resources/host_mem_gb': 1.25}
LINE = ('tick 3     kimg 12.9     lod 0.00  minibatch 32   time 5m 03s       sec/tick 80.3    sec/kimg 20.08   '
        'maintenance 15.2   gpumem 8.6')
SCHED = EasyDict(lod=0.0, minibatch_size=32, G_lrate=0.0015, D_lrate=0.001)


def test_published_status_line():
    assert report.status_line(STATS) == LINE


def test_time_left_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(report.sys, '__stderr__', io.StringIO())
    progress = report.Progress(total_kimg=27.9, start_kimg=0)
    progress.update(10)
    progress.tick(STATS, SCHED)
    report.Progress(total_kimg=12.9, start_kimg=0).tick(STATS, SCHED)
    progress.close()
    rest = 'learning rates 0.0015 of G, 0.001 of D, memory in use 1.25 GiB\n'
    assert capsys.readouterr().out == LINE + '\neta 5m 01s, ' + rest + LINE + '\n' + rest


def test_progress_bar_on_a_terminal(monkeypatch, capsys):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(report.sys, '__stderr__', terminal)
    progress = report.Progress(total_kimg=25, start_kimg=5)
    progress.update(10)
    progress.tick(STATS, SCHED)
    progress.close()
    assert capsys.readouterr().out.startswith(LINE + '\n')
    assert '10.0/25 kimg' in terminal.getvalue()


def test_statistics_of_an_interrupted_run_are_taken_out(session, tmp_path):
    value = tf.placeholder(tf.float32)
    summed = autosummary('Loss/thing', value)
    path = tmp_path / 'stats.jsonl'
    path.write_text('{"nimg": 32}\n{"nimg": 64}\n{"nimg": 96}\n{"nimg": 12')
    writer = report.StatsWriter(str(tmp_path), start_nimg=64)
    session.run(summed, {value: 3.0})
    writer.write({'Progress/tick': 2}, 96)
    writer.write({'Progress/tick': 3}, 128)
    writer.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{'nimg': 32}, {'nimg': 64}, {'nimg': 96, 'Progress/tick': 2, 'Loss/thing': 3.0},
                     {'nimg': 128, 'Progress/tick': 3, 'Loss/thing': None}]
    events_file, = [name for name in os.listdir(str(tmp_path)) if name.startswith('events')]
    events = list(tf.train.summary_iterator(str(tmp_path / events_file)))
    assert [event.step for event in events if event.session_log.status == tf.SessionLog.START] == [64]
    assert (96, 'Loss/thing', 3.0) in [(event.step, value.tag, value.simple_value) for event in events
                                       for value in event.summary.value]


def test_statistics_do_not_begin_on_a_full_disk(session, tmp_path, monkeypatch, capsys):
    """An error of TensorBoard's writer would end the training."""
    writer = report.StatsWriter(str(tmp_path), 0, should_stop=lambda: True)
    monkeypatch.setattr(writer._writer, 'add_summary', lambda *args: pytest.fail('it begins'))
    monkeypatch.setattr(disk.shutil, 'disk_usage', lambda _folder: EasyDict(free=10 ** 6))
    with pytest.raises(OSError, match='No space left'):
        writer.write({'Progress/tick': 2}, 96)
    writer.close()


@pytest.fixture
def reporter(session, tmp_path, monkeypatch):
    """A reporter whose pictures, networks, states and metrics are only noted, in `done`."""
    done = []
    grid = EasyDict(save_fakes=lambda _network, name: done.append(name), diversity=lambda _network: 0.5)
    saver = EasyDict(save=lambda counters: done.append(('state', counters.nimg, counters.tick)), num_bytes=lambda: 9)
    monkeypatch.setattr(report.misc, 'save_pkl', lambda _networks, path: done.append(os.path.basename(path)))
    made = report.Reporter(str(tmp_path), dict(G=0, D=1, Gs=2), grid, saver, files.new_counters(), EasyDict(
        total_kimg=10, image_snapshot_ticks=2, network_snapshot_ticks=3, checkpoint_minutes=5, should_stop=None,
        watch=EasyDict(update=lambda _counters: False, count=lambda _counters: None), logits=True,
        metric_callback=lambda path: done.append(path and 'metrics of ' + os.path.basename(path))))
    made.done = done
    return made


def tick(reporter, nimg, done=False):
    """Ends a tick after `nimg` images; returns what was written."""
    reporter._counters.nimg = nimg
    del reporter.done[:]
    reporter.tick(SCHED, done)
    return list(reporter.done)


def test_what_is_due_at_which_tick(reporter):
    assert tick(reporter, 128) == ['fakes000000.png', 'network-snapshot-000000.pkl',
                                   'metrics of network-snapshot-000000.pkl']
    assert tick(reporter, 2000) == [None]
    assert tick(reporter, 4999) == ['fakes000004.png', None]
    assert tick(reporter, 6000) == ['network-snapshot-000006.pkl', ('state', 6000, 3),
                                    'metrics of network-snapshot-000006.pkl']
    reporter.step()
    assert reporter.done[-1] == ('state', 6000, 3)  # again, since the counters hold the results of the metrics
    assert tick(reporter, 7000, done=True) == ['fakes000007.png', 'network-snapshot-000007.pkl', 'network-final.pkl',
                                               ('state', 7000, 4), 'metrics of network-snapshot-000007.pkl']


def test_no_state_before_the_metrics_after_a_step_that_was_left_out(reporter):
    reporter._counters.tick = 2
    reporter._options.watch.count = lambda counters: counters.update(skipped_in_a_row=1)
    for done in (False, True):
        reporter._counters.tick = 2
        assert tick(reporter, 6000, done) == ['fakes000006.png'] * done + [
            'network-snapshot-000006.pkl', 'metrics of network-snapshot-000006.pkl']
    reporter.step()
    assert len(reporter.done) == 3
    reporter._counters.skipped_in_a_row = 0
    reporter.step()
    assert reporter.done[-1] == ('state', 6000, 3)


def test_states_by_the_clock(reporter, monkeypatch):
    now = time.time()
    monkeypatch.setattr(report.time, 'time', lambda: now + 299)
    reporter.step()
    assert reporter.done == []
    monkeypatch.setattr(report.time, 'time', lambda: now + 301)
    reporter.step()
    reporter.step()
    assert reporter.done == [('state', 0, -1)]


def test_times_of_a_tick(reporter, tmp_path, monkeypatch):
    start = reporter._clock
    monkeypatch.setattr(report.time, 'time', lambda: start + 20)
    reporter.save_state()  # a state within a tick loses no seconds
    monkeypatch.setattr(report.time, 'time', lambda: start + 50)
    tick(reporter, 2000)
    line = json.loads((tmp_path / 'stats.jsonl').read_text())
    assert line['Timing/sec_per_tick'] == pytest.approx(50)
    assert line['Timing/sec_per_kimg'] == pytest.approx(25)
    assert line['Timing/total_sec'] == pytest.approx(50)
    assert line['Timing/total_hours'] == pytest.approx(50 / 3600)


def test_no_routine_state_between_steps_that_are_left_out(reporter, monkeypatch):
    now = time.time()
    monkeypatch.setattr(report.time, 'time', lambda: now + 301)
    reporter._counters.skipped_in_a_row = 1
    reporter.step()
    assert reporter.done == []
    reporter._counters.skipped_in_a_row = 0
    reporter.step()
    assert reporter.done == [('state', 0, -1)]


def test_an_alarm_is_told_once_and_written_at_every_tick(reporter, tmp_path, capsys):
    for i in range(3):
        reporter._counters.skipped += 2 - i  # two, one, none
        tick(reporter, 2000 * (i + 1))
    assert capsys.readouterr().out.count('\nALARM non-finite gradients (a heuristic): 2 steps left out, ') == 1
    lines = [json.loads(line) for line in (tmp_path / 'stats.jsonl').read_text().splitlines()]
    assert [list(line.get('alarms', {})) for line in lines] == [['non-finite gradients']] * 2 + [[]]
