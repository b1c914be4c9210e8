import sys

import pytest

from dnnlib import interrupts


def test_ctrl_c_in_our_programs_is_one_line(monkeypatch, capsys):
    others = []
    monkeypatch.setattr(sys, 'excepthook', lambda *args: others.append(args))
    before = sys.excepthook
    monkeypatch.setattr(sys, 'argv', ['of_a_user.py'])
    interrupts.watch()
    assert sys.excepthook is before
    monkeypatch.setattr(sys, 'argv', ['some/where/run_training.py', '--dataset=cats'])
    interrupts.watch()
    sys.excepthook(ValueError, ValueError('x'), None)
    assert [args[0] for args in others] == [ValueError]
    with pytest.raises(SystemExit) as ended:
        sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert ended.value.code == 130 and capsys.readouterr().err == 'run_training.py: interrupted\n'
