"""Fixtures shared by all tests: places of their own, a fresh TensorFlow graph and session, the reference data."""

import gc
import itertools
import os
import pathlib
import random
import sys

import pytest

from tests import own_places, selection

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
sys.modules.setdefault('keras.src.optimizers', None)  # as in dnnlib.tflib: many tests import TensorFlow before it
gc.set_threshold(200000, 20, 20)  # looking for garbage took a fifth of the building of graphs
# one cache for all tests, wherever they and their sub-processes work: native operations are built once
own_places.clean_environment(
    os.environ.get('STYLEGAN2_CACHE') or str(pathlib.Path(__file__).parent.parent / '.stylegan2-cache'))

# of many seconds each: they begin first, so that no process of several is left with one of them at the end
LONG_FILES = ('test_run_projector.py', 'test_killed_training.py', 'test_killed_workers.py', 'test_readme_run.py',
              'test_training_loop.py', 'test_run_training.py', 'test_feature_metrics.py', 'test_configurations.py',
              'test_cpu_kernels.py', 'test_cuda_kernels.py', 'test_networks_stylegan.py', 'test_growing.py',
              'test_reference_networks.py', 'test_image_sizes.py', 'test_image_size.py', 'test_transfer.py',
              'test_non_finite.py', 'test_styled_bias_act.py', 'test_fused_bias_act.py', 'test_upfirdn_2d.py',
              'test_self_test.py', 'test_workers.py', 'test_browser_with_server.py')


def pytest_addoption(parser):
    """`--selection`, see selection.py."""
    parser.addoption('--selection', choices=selection.SELECTIONS, default='all',
                     help="most: without the long ones; again: what TensorFlow's version can change; short: less "
                     '(default: %(default)s)')
    parser.addoption('--shuffle-files', type=int, metavar='SEED', help='run the files in a random order')


def pytest_configure(config):
    """Newer versions of pytest-xdist sort files by their number of tests."""
    if hasattr(config.option, 'loadscopereorder'):
        config.option.loadscopereorder = False


def pytest_ignore_collect(collection_path, config):
    """Files of which no test is selected are not even imported."""
    if collection_path.suffix == '.py' and collection_path.name.startswith('test_'):
        name = collection_path.relative_to(pathlib.Path(__file__).parent.parent).as_posix()
        return None if selection.may_hold_selected(name, config.option.selection) else True
    return None


def pytest_collection_modifyitems(config, items):
    """The long files first, the others in their order, or all in a random one; without what is not selected."""
    rank = {name: i for i, name in enumerate(LONG_FILES)}
    if config.option.shuffle_files is None:
        items.sort(key=lambda item: rank.get(pathlib.Path(str(item.fspath)).name, len(rank)))
    else:
        places = {path: random.Random(f'{config.option.shuffle_files} {path}').random() for path in
                  {str(item.fspath) for item in items}}
        items.sort(key=lambda item: places[str(item.fspath)])
    left_out = [item for item in items if not selection.is_selected(item.nodeid, config.option.selection)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_collection_finish(session):
    """What is imported by now stays; looking through all of it took a tenth of a second of every file and more."""
    if hasattr(gc, 'freeze'):  # Python 3.7
        gc.collect()
        gc.freeze()


def pytest_make_parametrize_id(config, val, argname):
    """Bytes are named by their number: a zip file holds the time, and test processes must have the same names."""
    return f'{argname}-{len(val)}-bytes' if isinstance(val, bytes) else None


@pytest.fixture(autouse=True, scope='session')
def places_of_session(tmp_path_factory):
    """Home and temporary folder of what several tests share; yields the folder of those of single tests."""
    folder = tmp_path_factory.getbasetemp() / 'places'  # where pytest's own folders are is decided here at the latest
    with own_places.own_places(str(folder / 'session')):
        yield folder


@pytest.fixture(autouse=True)
def places(places_of_session, numbers=itertools.count()):
    """Home and temporary folder of one test, its changes of environment variables undone; it leaves no file here."""
    before = set(os.listdir('.'))
    with own_places.own_places(str(places_of_session / str(next(numbers)))):
        yield
    left = {name for name in set(os.listdir('.')) - before if not name.startswith(('.', '__pycache__'))}
    assert not left, f'the test left {left} in the folder that it was run in'


@pytest.fixture
def session():
    """A new graph with an initialised default session on the CPU, closed after the test."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    with tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu'})
        yield tf.get_default_session()
        tflib.close_tf()


@pytest.fixture
def data_dir():
    """Folder of the reference files, as a Path."""
    return pathlib.Path(__file__).parent / 'data'


def _graphs():
    """The module `dnnlib.tflib.graphs`; `None` where TensorFlow was not loaded."""
    if 'tensorflow' not in sys.modules:
        return None
    from dnnlib.tflib import graphs
    return graphs


@pytest.fixture(scope='module')
def closed_sessions():
    """For modules that run programs, which leave their session open: it would be that of the next module's graphs."""
    yield
    if _graphs() is not None:
        from dnnlib import tflib
        import tensorflow.compat.v1 as tf
        while tf.get_default_session() is not None:
            tflib.close_tf()


@pytest.fixture(autouse=True, scope='module')
def forget_graphs():
    """Lets the graphs of a module go, see `dnnlib.tflib.graphs`."""
    yield
    if _graphs() is not None:
        _graphs().forget_custom_gradients()
    gc.collect()


@pytest.fixture(autouse=True)
def forget_graph(forget_graphs):
    """The same after every test, for what that test registered."""
    before = set() if _graphs() is None else _graphs().custom_gradients()
    yield
    if _graphs() is not None:
        _graphs().forget_custom_gradients(before)
