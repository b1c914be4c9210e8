"""What is remembered of comparisons with golden values, and the report of it."""

import os

import numpy as np
import pytest

from tests import golden_report
from tests.training.golden_files import Files


def test_deviations_are_noted_and_reported(tmp_path):
    np.savez(str(tmp_path / 'one.npz'), x=np.zeros(2), y=np.array([1.0, 4.0]), z=np.arange(4), counter=3)
    np.savez(str(tmp_path / 'two.npz'), y=np.ones(1), forgotten=np.ones(1))
    files = Files(str(tmp_path), {'test_none.py': ('one', 'two')}, [('one', 'count', 'nothing reads it')])
    assert files.arrays('one')['x'].shape == (2,)
    files.compare('one', 'y', [1.0, 4.25], atol=0.1, rtol=0.1)
    files.compare('one', 'y', [1.125, 4.0], atol=0.1, rtol=0.1)  # a larger share, though a smaller error
    files.compare('one', 'z', [2, 3], part=slice(2, 4))
    with pytest.raises(AssertionError, match='one z: off by 1'):
        files.compare('one', 'z', [0, 1, 2, 4])
    with pytest.raises(AssertionError):
        files.compare('one', 'y', [1.0])
    files.compare('two', 'y', np.ones(1))
    files.note('two', 'y', 0.25, 1)
    lines, num_unused = golden_report.report(files)
    assert num_unused == 1 and files.unused('one') == []
    assert [' '.join(line.split()) for line in lines[1:5]] == [
        'one 4 2 1 1 1 0 inf% z', 'two 2 1 0 0 0.25 1 25% y', 'NOT USED: forgotten',
        'all 6 3 1 1']
    assert lines[-1].strip() == 'one, count: nothing reads it'
    by_array = golden_report.report(files, by_array=True)[0]
    assert ' '.join(by_array[2].split()) == '0.12 0.2 62% y'
    assert all(os.path.exists(golden_report.path_of(name)) for name in ('test_rates.py', 'metrics/test_formulas.py'))
    assert 'translation' in golden_report.folders() and 'files' not in golden_report.folders()
