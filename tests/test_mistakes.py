"""Typical mistakes of every program are one line, before TensorFlow is loaded, and leave nothing behind."""

import json
import subprocess
import sys

from benchmarks import mistakes

RUN_ALL = '''
import contextlib, importlib, io, json, os, sys
sys.path.insert(0, sys.argv[1])
from benchmarks import mistakes
from dnnlib import cli
import dnnlib

def refuse(*_args, **_kwargs):
    raise AssertionError('it was not refused')
dnnlib.submit_run = refuse
answers = []
for mistake in [mistake for mistake in mistakes.read_table() if mistake.early]:
    sys.argv[0] = mistake.program + '.py'
    error, code, before = io.StringIO(), None, mistakes.listing('.')
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            cli.run_main(importlib.import_module(mistake.program).main, mistake.argv, mistake.program + '.py')
        except SystemExit as stopped:
            code = stopped.code
        except Exception as caught:
            code = repr(caught)
    found = mistakes.problems_of(code, error.getvalue(), before, mistakes.listing('.'))
    found += ['TensorFlow was loaded'] if sys.modules.pop('tensorflow', None) else []
    answers.append((mistake.command(), found, error.getvalue()))
print(json.dumps(answers))
'''


def test_mistakes_are_found_before_tensorflow_is_loaded(tmp_path):
    mistakes.make_files(str(tmp_path))
    process = subprocess.run([sys.executable, '-c', RUN_ALL, mistakes.ROOT], cwd=str(tmp_path), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True)
    assert process.returncode == 0, process.stderr
    answers = json.loads(process.stdout)
    assert len(answers) > 150
    assert [answer for answer in answers if answer[1]] == []
    for word in ('--datset; did you mean --dataset?', "unknown group 'Gs'; did you mean G?", 'did you mean config-f?'):
        assert any(word in error for _, _, error in answers)
