"""Lines while nothing is printed, and signals that end a program."""

import os
import signal
import sys
import time

import pytest

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


def test_other_lines_put_it_off(tmp_path, capsys):
    with Logger(str(tmp_path / 'log.txt')):
        with Heartbeat(lambda: 'silence', seconds=0.5):
            for _ in range(30):
                time.sleep(0.03)
                sys.stdout.write('.')
    assert capsys.readouterr().out == '.' * 30


def test_sigterm_is_as_before_afterwards(request):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    request.addfinalizer(lambda: signal.signal(signal.SIGTERM, before))
    with pytest.raises(SystemExit) as ended:
        with exiting_at_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
