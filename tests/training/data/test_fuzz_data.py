"""Damaged datasets: a small fixed part of what benchmarks/fuzz_data.py tries."""

import re
import subprocess
import sys

from benchmarks import fuzz_data

COUNT = 10 * len(fuzz_data.KINDS)


def test_damaged_data_sets_are_told_or_skipped():
    program = subprocess.Popen([sys.executable, fuzz_data.__file__, '--count={}'.format(COUNT), '--seed=3'],
                               stdout=subprocess.PIPE, universal_newlines=True)
    output = program.communicate()[0]
    assert program.returncode == 0, output
    assert re.search('{} cases, .* 0 that must not be'.format(COUNT), output)
    assert re.search('png .*stop: error', output) and re.search('records .*skip: ', output)


def test_a_wrong_picture_an_error_without_a_name_and_a_death_are_noticed(tmp_path, monkeypatch):
    path, files = fuzz_data.make_data_set('png', str(tmp_path / 'x'))
    good = fuzz_data.read_all('png', path, {})
    assert fuzz_data.outcome('png', path, files, good, {}) == 'unchanged'
    other = fuzz_data.pictures()[0][:, ::-1]
    with open(files[0], 'wb') as file:
        file.write(fuzz_data.encode(other, 'PNG'))
    assert fuzz_data.outcome('png', path, files, good, {}).startswith('WRONG PICTURE (0, 0)')
    with open(files[0], 'wb') as file:
        file.write(b'damaged')
    assert fuzz_data.outcome('png', path, files, good, {}) == 'error'
    monkeypatch.setattr(fuzz_data, 'load_dataset', lambda **kwargs: [][0])
    assert fuzz_data.outcome('png', path, files, good, {}).startswith('OTHER ERROR')
    monkeypatch.setattr(fuzz_data, '__file__', str(tmp_path / 'missing.py'))
    assert list(fuzz_data.supervise(seed=0, count=1)) == [[0, 'records', ['CRASH with exit code 2']]]
