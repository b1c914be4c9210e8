"""`python -m dnnlib.doctor`: one page, and an exit code that tells whether all is well."""

import re

import numpy as np
import pytest

from dnnlib import doctor
from dnnlib.tflib import self_test
from dnnlib.tflib.ops import native, native_tools


@pytest.fixture(autouse=True)
def no_mode_from_outside(monkeypatch):
    monkeypatch.delenv('STYLEGAN2_OPS', raising=False)


def page(capsys):
    """{heading: text} of the page so far, and its last line."""
    lines = capsys.readouterr().out.splitlines()
    return dict((line[:13].strip(), line[14:]) for line in lines if line[:1].strip()), lines[-1]


def test_all_is_well(capsys):
    assert doctor.main(['--device=cpu']) == 0
    found, last = page(capsys)
    assert found['NumPy'] == np.__version__ and found['TensorFlow'] == native_tools.tensorflow_version()
    assert found['Device'] == 'CPU:0, CPU' and found['Layout'] == 'NHWC'
    assert found['Operations'] == 'native (C++ for the CPU)'
    assert found['Cache'].endswith(' MB)') and found['LPIPS weights']
    assert re.match(r'all correct, \d+\.\d s$', last)


def test_wrong_numbers(capsys, monkeypatch):
    right = self_test.upfirdn_2d
    monkeypatch.setattr(self_test, 'upfirdn_2d', lambda *args, **kwargs: right(*args, **kwargs) * 1.5)
    assert doctor.main(['--device=cpu', '--ops=ref']) == 1
    text = capsys.readouterr().out
    assert re.search(r'^Operations +reference$', text, re.MULTILINE)
    assert re.search(r'^  upfirdn_2d up 2, down 1, ref +\S+ WRONG', text, re.MULTILINE)
    assert re.search(r'^  matrix product +\S+ ok', text, re.MULTILINE)
    assert re.search(r'\n\d of \d+ wrong, ', text)


def test_what_cannot_be_had(capsys, monkeypatch):
    monkeypatch.setattr(native, '_outcome', lambda: (None, None, None, 'no compiler today'))
    assert doctor.main(['--device=cpu', '--ops=native']) == 1
    assert page(capsys)[0]['Problem'].startswith('no native operations: no compiler today')
    assert doctor.main(['--device=cpu']) == 0
    assert page(capsys)[0]['Operations'] == 'reference: no compiler today'


def test_a_machine_with_little(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', '/nowhere')
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'none'))
    monkeypatch.setenv('STYLEGAN2_LPIPS', str(tmp_path / 'weights'))
    for name in ('CXX', 'CUDA_HOME', 'CUDA_PATH'):
        monkeypatch.delenv(name, raising=False)
    doctor.main(['--device=cpu', '--ops=ref'])
    found, _ = page(capsys)
    assert found['C++ compiler'] == 'no C++ compiler (g++, c++, clang++) on PATH'
    assert found['Cache'] == '%s (missing)' % (tmp_path / 'none')
    assert found['LPIPS weights'].endswith('which STYLEGAN2_LPIPS names, is missing')


def test_bad_options():
    with pytest.raises(SystemExit) as error:
        doctor.main(['--ops=fast'])
    assert error.value.code == 2
