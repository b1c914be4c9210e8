"""What every test has of its own: home, temporary folder and environment variables, hence caches; for conftest.py.

Only $STYLEGAN2_CACHE is shared: weights, native operations and compiled kernels would take minutes to make again.
"""

import contextlib
import os
import shutil
import tempfile

FROM_OUTSIDE = ('STYLEGAN2_', 'XDG_', 'PYTHONIOENCODING', 'PYTHONUTF8', 'PYTHONWARNINGS', 'COLUMNS', 'LINES',
                'NO_COLOR', 'FORCE_COLOR',  # variables that begin like this change what some of the tests see
                'TF_CONFIG', 'SLURM_')  # of a cluster: every training of the suite would be one of its workers;
# CUDA_VISIBLE_DEVICES stays, since it says which GPUs the tests may use


def clean_environment(cache):
    """Removes from this process what whoever runs the tests has set, and names the shared cache.

    Args:
        cache: Folder; of what other libraries cache there, only the list of fonts takes seconds to make.
    """
    for name in [name for name in os.environ if name.startswith(FROM_OUTSIDE) and name != 'STYLEGAN2_WRITE_HELP']:
        del os.environ[name]  # that one is the suite's own: test_help.py
    os.environ['STYLEGAN2_CACHE'] = os.path.abspath(cache)
    os.environ['MPLCONFIGDIR'] = os.path.join(os.environ['STYLEGAN2_CACHE'], 'tests', 'matplotlib')
    os.environ.setdefault('CUDA_CACHE_PATH', os.path.expanduser('~/.nv/ComputeCache'))


@contextlib.contextmanager
def own_places(folder):
    """Makes home and temporary folder in a folder that is removed at the end; what the environment was comes back."""
    before, before_temporary = dict(os.environ), tempfile.tempdir
    for name, variable in (('home', 'HOME'), ('tmp', 'TMPDIR')):
        os.environ[variable] = os.path.join(folder, name)
        os.makedirs(os.environ[variable])
    tempfile.tempdir = os.environ['TMPDIR']
    try:
        yield
    finally:
        tempfile.tempdir = before_temporary
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update((name, value) for name, value in before.items() if os.environ.get(name) != value)
        shutil.rmtree(folder, ignore_errors=True)
