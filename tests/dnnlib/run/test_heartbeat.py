"""Lines while nothing is printed, and signals that end a program."""

import os
import signal
import sys
import time
import types

import pytest

from dnnlib.run import heartbeat, logger
from dnnlib.run.heartbeat import Heartbeat
from dnnlib.run.logger import Logger
from dnnlib.run.signals import exiting_at_sigterm


def test_a_line_whenever_nothing_was_printed(tmp_path, capsys):
    lines = iter(['one', None, 'two'])
    with Logger(str(tmp_path / 'log.txt')):
        with Heartbeat(lambda: next(lines, None), seconds=0.2, first=0.02):
            begin = time.time()
            while 'two' not in (tmp_path / 'log.txt').read_text() and time.time() < begin + 20:
                time.sleep(0.01)
        assert time.time() - begin >= 0.4  # the second line was due, but there was nothing to say
    assert capsys.readouterr().out == 'one\ntwo\n' == (tmp_path / 'log.txt').read_text()


def test_other_lines_put_it_off(tmp_path, capsys, monkeypatch):
    """On a clock of its own, since a busy machine may sleep longer than it was told."""
    now, waited = [1000.0], []

    def wait(seconds):
        waited.append(seconds)
        if len(waited) > 3:
            return True  # the end of the block
        now[0] += seconds
        if len(waited) < 3:  # at the last moment
            sys.stdout.write('.')
        return False
    monkeypatch.setattr(heartbeat, 'time', types.SimpleNamespace(time=lambda: now[0]))
    monkeypatch.setattr(logger, 'time', heartbeat.time)
    with Logger(str(tmp_path / 'log.txt')):
        beat = Heartbeat(lambda: 'silence', seconds=0.5)
        monkeypatch.setattr(beat, '_end', types.SimpleNamespace(wait=wait))
        beat._watch()
    assert waited == [0.5] * 4 and capsys.readouterr().out == '..silence\n'


def test_what_cannot_be_told_ends_no_lines(monkeypatch):
    said = []
    beat = Heartbeat(lambda: 1 / 0, seconds=0.01, say=said.append)
    monkeypatch.setattr(beat, '_end', types.SimpleNamespace(wait=lambda seconds: time.sleep(seconds) or len(said) > 1))
    beat._watch()
    assert said == ['Still running; how far it is cannot be told (division by zero)'] * 2


def test_sigterm_is_as_before_afterwards(request):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
    with pytest.raises(SystemExit) as ended:
        with exiting_at_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
