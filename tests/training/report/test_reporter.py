"""The status line, statistics, time left and what is due at a tick."""

import io
import json
import os
import types

import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, disk
from dnnlib.tflib.autosummary import autosummary
from training.report import reporter as report
from training.state import clock, files
from training.state.clock import Clock

STATS = {'Progress/tick': 3, 'Progress/kimg': 12.9, 'Progress/lod': 0.0, 'Progress/minibatch': 32,
         'Timing/total_sec': 303, 'Timing/sec_per_tick': 80.3, 'Timing/sec_per_kimg': 20.08,
         'Timing/maintenance_sec': 15.2, 'Resources/peak_gpu_mem_gb': 8.6, 'Resources/host_mem_gb': 1.25}
LINE = ('tick 3     kimg 12.9     lod 0.00  minibatch 32   time 5m 03s       sec/tick 80.3    sec/kimg 20.08   '
        'maintenance 15.2   gpumem 8.6')
SCHED = EasyDict(lod=0.0, minibatch_size=32, G_lrate=0.0015, D_lrate=0.001)
RATES = dict(G=0.0015, D=0.001)


def test_published_status_line():
    assert report.status_line(STATS) == LINE
    assert report.status_line({**STATS, 'Progress/augment': 0.12345}) == LINE + ' augment 0.123'


def test_time_left_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(report.sys, '__stderr__', io.StringIO())
    progress = report.Progress(total_kimg=27.9, start_kimg=0)
    progress.update(10)
    progress.tick(STATS, RATES)
    report.Progress(total_kimg=12.9, start_kimg=0).tick(STATS, RATES)
    report.Progress(total_kimg=12.9, start_kimg=0).tick(STATS, {})  # a method without a scheduled rate
    for total_kimg in (27.9, 12.9):  # tick 0 is one iteration, the slowest, and says nothing about the others
        report.Progress(total_kimg, start_kimg=0).tick({**STATS, 'Progress/tick': 0}, {})
    progress.close()
    first, memory = LINE.replace('tick 3', 'tick 0'), 'memory in use 1.25 GiB\n'
    rest = f'learning rates 0.0015 of G, 0.001 of D, {memory}'
    assert capsys.readouterr().out == (f'{LINE}\neta 5m 01s, {rest}{LINE}\n{rest}{LINE}\n{memory}'
                                       f'{first}\neta known after the next tick, {memory}{first}\n{memory}')


def test_progress_bar_on_a_terminal(monkeypatch, capsys):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(report.sys, '__stderr__', terminal)
    progress = report.Progress(total_kimg=25, start_kimg=5)
    progress.update(10)
    progress.tick(STATS, RATES)
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
def done():
    """What the reporter has written or asked for."""
    return []


@pytest.fixture
def reporter(session, tmp_path, done):
    """A reporter whose pictures, networks, states and metrics are only noted, in `done`."""
    counters = files.new_counters()
    clock = Clock(counters)
    checkpoints = EasyDict(
        counters=counters, saving=EasyDict(run_dir=str(tmp_path), clock=clock, should_stop=None),
        write=lambda write: write(), save_networks=lambda name: done.append(name) or str(tmp_path / name),
        before_metrics=lambda is_last: done.append('last state' if is_last else 'state'),
        after_metrics=lambda: done.append('results'))
    grid = EasyDict(save_fakes=lambda networks, name: done.append(name), diversity=lambda networks: 0.5)
    made = report.Reporter(checkpoints, report.Reporting(
        dict(G=0, D=1, Gs=2), dict(G='G_lrate'), grid, total_kimg=10, image_ticks=2, network_ticks=3, logits=True,
        monitors=(lambda: done.append('monitor'),),
        metric_callback=lambda path: done.append(path and 'metrics of ' + os.path.basename(path)) or {'x': 0.5}))
    made.counters, made.clock = counters, clock
    return made


def tick(reporter, done, nimg, is_last=False):
    """Ends a tick after `nimg` images; returns what was written."""
    reporter.counters.nimg = nimg
    del done[:]
    reporter.tick(SCHED, is_last)
    return list(done)


def test_what_is_due_at_which_tick(reporter, done, capsys):
    assert tick(reporter, done, 128) == ['fakes000000.png', 'network-snapshot-000000.pkl', 'state', 'monitor',
                                         'metrics of network-snapshot-000000.pkl', 'results']
    assert 'learning rates 0.0015 of G, memory' in capsys.readouterr().out
    assert tick(reporter, done, 2000) == ['monitor', None]
    assert tick(reporter, done, 4999) == ['fakes000004.png', 'monitor', None]
    assert tick(reporter, done, 6000) == ['network-snapshot-000006.pkl', 'state', 'monitor',
                                          'metrics of network-snapshot-000006.pkl', 'results']
    assert tick(reporter, done, 7000, is_last=True) == [
        'fakes000007.png', 'network-snapshot-000007.pkl', 'last state', 'monitor',
        'metrics of network-snapshot-000007.pkl', 'results']
    assert reporter.counters.metrics == {'x': [[nimg, 0.5] for nimg in (128, 2000, 4999, 6000, 7000)]}
    reporter.close()


def test_times_of_a_tick(reporter, done, tmp_path, monkeypatch):
    start, reporter._of = reporter.clock._last, reporter._of._replace(take_waited=lambda: 5.0)
    monkeypatch.setattr(clock.time, 'time', lambda: start + 20)
    reporter.clock.take()  # a state within a tick loses no seconds
    monkeypatch.setattr(clock.time, 'time', lambda: start + 50)
    tick(reporter, done, 2000)
    line = json.loads((tmp_path / 'stats.jsonl').read_text())
    assert line['Timing/sec_per_tick'] == pytest.approx(50)
    assert line['Timing/sec_per_kimg'] == pytest.approx(25)
    assert line['Timing/total_sec'] == pytest.approx(50)
    assert line['Timing/total_hours'] == pytest.approx(50 / 3600)
    assert line['Timing/data_wait'] == pytest.approx(0.1)


def test_an_alarm_is_told_once_and_written_at_every_tick(reporter, done, tmp_path, capsys):
    for i in range(3):
        reporter.counters.skipped += 2 - i  # two, one, none
        tick(reporter, done, 2000 * (i + 1))
    assert capsys.readouterr().out.count('\nALARM non-finite gradients (a heuristic): 2 steps left out, ') == 1
    lines = [json.loads(line) for line in (tmp_path / 'stats.jsonl').read_text().splitlines()]
    assert [list(line.get('alarms', {})) for line in lines] == [['non-finite gradients']] * 2 + [[]]


def test_statistics_of_a_future_that_was_given_up_are_taken_out(reporter, done, tmp_path):
    for nimg in (2000, 4000):
        tick(reporter, done, nimg)
    reporter.counters.nimg = 2000
    reporter.step(4000, went_back=True)
    tick(reporter, done, 5000)
    assert [json.loads(line)['nimg'] for line in (tmp_path / 'stats.jsonl').read_text().splitlines()] == [2000, 5000]


def test_what_is_said_between_two_ticks(reporter, done, monkeypatch):
    c, now = reporter.counters, [1000.0]
    monkeypatch.setattr(report.time, 'time', lambda: now[0])
    reporter._begin = 1000.0, 0
    assert reporter.line() == 'kimg 0.0, iteration 0: running, its speed is not known yet'
    for c.iteration in (1, 2):
        now[0] += 10
        c.nimg += 32
        reporter.step(128)
    assert reporter.line() == 'kimg 0.1, iteration 2: 3.2 images/s, 20s left in this tick, 51m 45s in all'
    now[0] += 1000  # within an iteration
    assert '3.2 images/s' in reporter.line()

    def measure(_path):
        now[0] += 70
        done.append(reporter.line())
    reporter._of = reporter._of._replace(metric_callback=measure)
    assert tick(reporter, done, 128)[-2:] == ['kimg 0.1: pictures, networks, metrics since 1m 10s', 'results']
    now[0] += 10
    c.nimg += 32  # the metrics count for nothing
    reporter.step(4000)
    assert reporter.line().startswith('kimg 0.2, iteration 2: 3.2 images/s, 20m 40s left in this tick')
    assert report.speed_line(c, 4000, 0.192, 3.2).endswith(' 10s left in this tick, 10s in all')  # ends within the tick


def test_lines_also_come_where_a_bar_is_shown(reporter, capsys):
    shown = []
    reporter._progress._bar = types.SimpleNamespace(
        clear=lambda: shown.append(capsys.readouterr().out), refresh=lambda: shown.append(capsys.readouterr().out))
    reporter.say(reporter.line())
    assert shown == ['', 'kimg 0.0, iteration 0: running, its speed is not known yet\n']


def test_the_end_of_a_tick_may_come_while_a_line_is_made(reporter, monkeypatch):
    reporter._busy = 'metrics', 0.0

    def forget():
        reporter._busy = None
        return 70.0
    monkeypatch.setattr(report.time, 'time', forget)
    assert reporter.line() == 'kimg 0.0: metrics since 1m 10s'


def test_no_diversity_where_there_is_none(reporter, done, tmp_path):
    reporter._of.grid.diversity = lambda networks: None
    tick(reporter, done, 2000)
    assert 'Progress/diversity' not in json.loads((tmp_path / 'stats.jsonl').read_text())
