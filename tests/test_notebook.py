"""The code of docs/notebook.ipynb runs, in one process and in its order, with fewer steps."""

import json
import os
import pathlib
import subprocess
import sys

DOCS = pathlib.Path(__file__).parent.parent / 'docs'
FEWER = [("'--num-steps=100'", "'--num-steps=2', '--distance=pixel'"), ("'--total-kimg=2'", "'--total-kimg=0'"),
         ('resolution=16', 'resolution=8')]
CHECKS = """
assert projection.shape == (64, 64, 3) and fakes.shape == (16, 8, 8, 3)
assert mixed.shape == w.shape and repr(cats).endswith('closed>')
import tensorflow.compat.v1 as tf
assert tf.get_default_session() is None and not tf.get_default_graph().get_operations()
"""


def test_the_cells_run(tmp_path):
    notebook = json.loads((DOCS / 'notebook.ipynb').read_text(encoding='utf-8'))
    cells = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
    assert notebook['nbformat'] == 4 and not any(cell['outputs'] or cell['execution_count'] for cell in cells)
    code = '\n'.join(''.join(cell['source']) for cell in cells)
    for many, few in FEWER:
        assert code.count(many) == 1
        code = code.replace(many, few)
    process = subprocess.run([sys.executable, '-c', code + CHECKS], cwd=str(DOCS), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True, env=dict(os.environ, TMPDIR=str(tmp_path)))
    assert process.returncode == 0, process.stdout
    assert f'results go to {tmp_path}' in process.stdout
