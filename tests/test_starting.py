"""Programs load what a command uses: heavy modules that --help, and drawing a picture, must do without."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
HEAVY = ('tensorflow', 'scipy', 'requests', 'tqdm', 'urllib.request', 'http.client', 'PIL.ImageDraw',
         'training.torch_files.networks')
# what the program itself is about
NEEDED = {'run_explorer': {'http.client'}}
NOT_DRAWING = ('keras', 'training.torch_files.networks', 'training.networks.biggan', 'training.networks_ada',
               'training.dataset', 'training.training_loop', 'training.options', 'metrics', 'export.command',
               'generator.edit', 'generator.mix', 'export.graph', 'tqdm', 'PIL.ImageDraw')
CODE = '''
import contextlib, importlib, io, os, sys
def tell(program, arguments, modules):
    sys.stdout.flush()
    pid = os.fork()  # each in a copy of this process
    if pid:
        return os.waitpid(pid, 0)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        importlib.import_module(program).main(arguments)
    print(program, *(name for name in modules if name in sys.modules), flush=True)
    os._exit(0)
for program in {programs!r}:
    tell(program, ['--help'], {heavy!r})
import run_generator
tell('run_generator', {draw!r}, {not_drawing!r})
'''


@pytest.mark.skipif(sys.platform == 'win32', reason='processes are not copied there')
def test_commands_load_what_they_use(tmp_path):
    programs = sorted(path.stem for path in ROOT.glob('run_*.py')) + ['dataset_tool', 'training.plot']
    draw = ['generate-images', '--network=cats64', '--seeds=1', f'--result-dir={tmp_path}', '--ops=ref']
    run = subprocess.run([sys.executable, '-c', CODE.format(
        programs=programs, heavy=HEAVY, draw=draw, not_drawing=NOT_DRAWING)], stdout=subprocess.PIPE, cwd=str(ROOT),
        universal_newlines=True, check=True)
    lines = [line.split() for line in run.stdout.splitlines()]
    assert [line[0] for line in lines] == programs + ['run_generator'] and len(programs) == 8
    too_much = {line[0]: sorted(set(line[1:]) - NEEDED.get(line[0], set())) for line in lines[:-1]}
    assert not {name: found for name, found in too_much.items() if found}
    assert not lines[-1][1:] and list(tmp_path.glob('*/seed0001.png'))
