"""Network pickles: the published format in both directions, and files that must be refused."""

import collections
import io
import os
import pickle

import numpy as np
import pytest

import dnnlib
import dnnlib.tflib as tflib
from dnnlib.files import network_file
from dnnlib.tflib import network_pickle
from tests.dnnlib.tflib import toy_networks

TOYS = ['tests.dnnlib.tflib.toy_networks']
STYLEGAN2 = ['training.networks_stylegan2']
X = np.random.RandomState(0).randn(4, 3).astype(np.float32)


class Fake:
    """Pickles as a Network with any state."""

    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return _FakeClass(), (), self.state


class Stub:
    """What ordinary unpickling makes in place of a Network."""


class _FakeClass:
    """Pickles as the global object dnnlib.tflib.network.Network."""

    def __reduce__(self):
        return 'Network'

    def __call__(self):
        return self


def affine_state(**changes):
    state = {
        'version': 4, 'name': 'A', 'static_kwargs': {'scale': 2.0}, 'components': {}, 'build_module_src': '',
        'build_func_name': 'affine',
        'variables': [('calls', np.float32(3)), ('Dense/weight', np.float32([[1, 2], [3, 4], [5, 6]])),
                      ('Dense/bias', np.float32([7, 8]))]}
    state.update(changes)
    return state


def pickled(obj, protocol=4):
    """Bytes of a pickle in which Fakes are Networks."""
    file_obj = io.BytesIO()
    pickler = pickle._Pickler(file_obj, protocol)

    def save_global(target, name=None):
        if isinstance(target, _FakeClass):
            pickler.write(pickle.GLOBAL + b'dnnlib.tflib.network\nNetwork\n')
            pickler.memoize(target)
        else:
            pickle._Pickler.save_global(pickler, target, name)

    pickler.save_global = save_global
    pickler.dump(obj)
    return file_obj.getvalue()


def load(data, modules=TOYS):
    return network_pickle.load(io.BytesIO(data), modules)


def load_state(**changes):
    return load(pickled(Fake(affine_state(**changes))))


def same(a, b):
    """Are two results of read_inert equal, the types of all numbers and the order of keys included?"""
    if isinstance(a, network_pickle.NetworkState):
        return isinstance(b, network_pickle.NetworkState) and same(a.state, b.state)
    if isinstance(a, network_file.Array):
        return a.value.dtype == b.value.dtype and np.array_equal(a.value, b.value)
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and a == b


def test_published_file_is_read_and_written_back(session, data_dir, tmp_path):
    path = str(data_dir / 'labels3_r16.pkl')
    networks = network_pickle.load(path, STYLEGAN2)
    assert [network.name for network in networks] == ['G', 'D', 'Gs']
    assert list(networks[2].components) == ['synthesis', 'mapping']
    reference = np.load(str(data_dir / 'labels3_r16.npz'))
    dlatents = networks[2].components.mapping.run(reference['latents'], reference['labels'])
    np.testing.assert_allclose(dlatents, reference['dlatents'], atol=1e-5)

    copy_path = str(tmp_path / 'copy.pkl')
    network_pickle.save(networks, copy_path)
    with open(path, 'rb') as original, open(copy_path, 'rb') as copy:
        assert same(network_pickle.read_inert(original), network_pickle.read_inert(copy))


def test_state_is_the_published_one(session):
    network = tflib.Network('C', toy_networks.chain, scale=2.0)
    state = network.__getstate__()
    assert list(state) == [
        'version', 'name', 'static_kwargs', 'components', 'build_module_src', 'build_func_name', 'variables']
    assert (state['version'], state['name'], state['build_func_name']) == (4, 'C', 'chain')
    assert type(state['static_kwargs']) is dict and type(state['components']) is dict
    assert state['components'] == {'first': network.components.first}
    first = network.components.first.__getstate__()
    assert [name for name, _value in first['variables']] == ['calls', 'Dense/weight', 'Dense/bias']
    assert all(type(item) is tuple for item in first['variables'])
    assert type(first['variables'][0][1]) is np.float32 and type(first['variables'][1][1]) is np.ndarray
    assert state['variables'][0][1].dtype == np.float32


def test_file_is_protocol_4_with_names_of_every_numpy(session, tmp_path):
    path = str(tmp_path / 'net.pkl')
    network_pickle.save(tflib.Network('C', toy_networks.chain), path)
    with open(path, 'rb') as f:
        data = f.read()
    assert data[:2] == b'\x80\x04' and b'numpy._core' not in data
    named = set()

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            named.add(module + '.' + name)
            return Stub if module.startswith('dnnlib') else super().find_class(module, name)

    Unpickler(io.BytesIO(data)).load()
    assert named == {'dnnlib.tflib.network.Network', 'numpy.core.multiarray._reconstruct',
                     'numpy.core.multiarray.scalar', 'numpy.ndarray', 'numpy.dtype'}
    assert os.listdir(str(tmp_path)) == ['net.pkl']


def test_ordinary_unpickling_reads_the_arrays(tmp_path, session):
    """What the common converters do: replace the class, read the attributes."""
    path = str(tmp_path / 'net.pkl')
    network = tflib.Network('C', toy_networks.chain)
    network_pickle.save((network, network), path)

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return Stub if (module, name) == ('dnnlib.tflib.network', 'Network') else super().find_class(module, name)

    with open(path, 'rb') as f:
        first, second = Unpickler(f).load()
    assert first is second and first.version == 4
    np.testing.assert_array_equal(dict(first.components['first'].variables)['Dense/weight'],
                                  network.get_var('First/Dense/weight'))


def test_networks_in_containers(session, tmp_path):
    network = tflib.Network('C', toy_networks.chain, scale=3.0)
    network.set_var('offset', [1, 2])
    path = str(tmp_path / 'net.pkl')
    network_pickle.save({'nets': [network, (network, network.clone())], 'step': 5, 'mean': np.float64([1, 2])}, path)
    loaded = network_pickle.load(path, TOYS)
    assert loaded['step'] == 5 and loaded['mean'].tolist() == [1, 2] and loaded['mean'].flags.writeable
    first, (second, third) = loaded['nets']
    assert first is second and first is not third
    np.testing.assert_array_equal(first.run(X), network.run(X))
    np.testing.assert_array_equal(third.run(X), network.run(X))
    assert list(first.vars) == list(network.vars)


def test_names_of_inputs_are_stored(session, tmp_path):
    network = tflib.Network('D', toy_networks.scales, input_names=['im2', 'im4'], base=2)
    path = str(tmp_path / 'net.pkl')
    network_pickle.save(network, path)
    assert list(network.__getstate__())[-1] == 'input_names'
    loaded = network_pickle.load(path, TOYS)
    assert loaded.input_names == ['im2', 'im4'] and loaded.clone().input_names == ['im2', 'im4']
    images = [np.ones([3, 1, size, size], np.float32) for size in (2, 4)]
    np.testing.assert_array_equal(loaded.run(*images), network.run(*images))
    network_pickle.save(loaded, path + '2')
    with open(path, 'rb') as first, open(path + '2', 'rb') as second:
        assert first.read() == second.read()


def test_forged_names_of_inputs_are_refused(session):
    for names in ('im2', ['a/b'], [['a']], {}, ['x', 'x'], 7):
        state = tflib.Network('D', toy_networks.scales, input_names=['im2']).__getstate__()
        with pytest.raises(dnnlib.UserError, match='input_names of scales'):
            load(pickled(Fake(dict(state, input_names=names))))


def test_values_of_a_state(session):
    network = load_state()
    np.testing.assert_allclose(network.run(X, None), 2 * (X @ [[1, 2], [3, 4], [5, 6]] + [7, 8]), rtol=1e-5, atol=1e-5)
    assert network.get_var('calls') == 3


@pytest.mark.parametrize('protocol', [0, 1, 2, 3, 4, pickle.HIGHEST_PROTOCOL])
def test_all_protocols(session, protocol):
    network = load(pickled([Fake(affine_state())], protocol))[0]
    assert network.get_var('Dense/bias').tolist() == [7, 8]


@pytest.mark.parametrize('core', [b'numpy.core', b'numpy._core'])
def test_both_names_of_numpys_core(session, core):
    data = pickled(Fake(affine_state()), protocol=2)
    for name in [b'numpy.core', b'numpy._core']:
        data = data.replace(b'c' + name + b'.multiarray', b'c' + core + b'.multiarray')
    assert load(data).get_var('Dense/bias').tolist() == [7, 8]


@pytest.mark.parametrize('version', [2, 3, 4])
def test_versions_and_missing_parts(session, version):
    state = affine_state(version=version, variables=[('Dense/bias', np.float32([1, 2]))])
    del state['components'], state['build_module_src']
    network = load(pickled(Fake(state)))
    assert network.get_var('Dense/bias').tolist() == [1, 2]
    assert network.get_var('Dense/weight').std() > 0  # initial value


def test_other_byte_orders_and_layouts(session):
    weight = np.asfortranarray(np.arange(6).reshape(3, 2), dtype='>f4')
    network = load_state(variables=[('Dense/weight', weight)])
    np.testing.assert_array_equal(network.get_var('Dense/weight'), np.arange(6).reshape(3, 2))


def test_attribute_dictionaries_become_plain(session):
    network = load_state(static_kwargs=dnnlib.EasyDict(scale=3.0), components=collections.OrderedDict())
    assert network.static_kwargs == {'scale': 3.0}


def test_stored_source_is_kept_but_never_executed(session, tmp_path):
    marker = tmp_path / 'executed'
    source = 'open(%r, "w").close()\n' % str(marker)
    network = load_state(build_module_src=source)
    path = str(tmp_path / 'net.pkl')
    network_pickle.save(network.clone(), path)
    assert network_pickle.load(path, TOYS).__getstate__()['build_module_src'] == source
    assert not marker.exists()


def test_new_networks_carry_an_import_as_their_source(session):
    source = tflib.Network('A', toy_networks.affine).__getstate__()['build_module_src']
    names = {}
    exec(source, names)  # as the published loader does
    assert names['affine'] is toy_networks.affine


class Payload:
    """Pickles as a call."""

    def __init__(self, func, *args):
        self.call = (func, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('func, args, name', [
    (os.system, ('true',), 'posix.system'),
    (eval, ('1',), 'builtins.eval'),
    (getattr, (1, 'real'), 'builtins.getattr'),
    (np.load, ('x',), 'numpy.load'),
    (toy_networks.helper, (1,), 'toy_networks.helper')])
@pytest.mark.parametrize('protocol', [2, 4])
def test_foreign_objects_are_refused_by_name(session, func, args, name, protocol):
    with pytest.raises(dnnlib.UserError, match='refused.*' + name):
        load(pickle.dumps({'a': Payload(func, *args)}, protocol).replace(b'__builtin__', b'builtins'))


def test_foreign_objects_inside_a_network_are_refused(session):
    with pytest.raises(dnnlib.UserError, match='refused.*posix.system'):
        load_state(static_kwargs={'scale': Payload(os.system, 'true')})


def test_arrays_of_objects_are_refused(session):
    with pytest.raises(dnnlib.UserError, match="refused.*'O8'"):
        load_state(variables=[('Dense/bias', np.array([None, None]))])


def test_forged_type_flags_have_no_effect(session):
    """NumPy trusts the flags of a pickled type: 'no references here' with addresses as data would be a break-in."""
    dtype = (b'cnumpy\ndtype\n(X\x02\x00\x00\x00V8K\x00K\x01tR(K\x03X\x01\x00\x00\x00|NX\x01\x00\x00\x00f\x85'
             b'}X\x01\x00\x00\x00fcnumpy\ndtype\n(X\x02\x00\x00\x00O8K\x00K\x01tRK\x00\x86sK\x08K\x01K\x00tb')
    data = b'\x80\x02cnumpy.core.multiarray\nscalar\n' + dtype + b'U\x08AAAAAAAA\x86R.'
    with pytest.raises(dnnlib.UserError, match='refused'):
        load(data)


def test_attributes_of_stand_ins_are_not_shared_between_files(session):
    # BUILD on a class: sets attributes of the class object
    for name in [b'numpy\nndarray', b'numpy\ndtype', b'dnnlib.tflib.network\nNetwork',
                 b'numpy.core.multiarray\nscalar']:
        data = b'\x80\x02c' + name + b'\nN}X\x07\x00\x00\x00dtype_xK\x01s\x86b.'
        try:
            load(data)
        except dnnlib.UserError:
            pass
    assert load_state().get_var('Dense/bias').tolist() == [7, 8]
    assert not hasattr(network_file.DType, 'dtype_x') and not hasattr(np.dtype, 'dtype_x')


def test_damaged_files(session, data_dir, tmp_path):
    whole = (data_dir / 'labels3_r16.pkl').read_bytes()
    for data in [b'', b'PNG', b'\x80', b'.', whole[:100], whole[:len(whole) // 2], whole[:-1], b'\x80\x04]\x94h\x00a.']:
        path = tmp_path / 'broken.pkl'
        path.write_bytes(data)
        with pytest.raises(dnnlib.UserError, match='broken.pkl: '):
            network_pickle.load(str(path), STYLEGAN2)


def test_missing_file(session, tmp_path):
    with pytest.raises(OSError):
        network_pickle.load(str(tmp_path / 'none.pkl'), TOYS)


@pytest.mark.parametrize('changes, message', [
    (dict(version=6), 'version 2, 3, 4, 5, got 6'),
    (dict(version=None), 'got None'),
    (dict(build_func_name='affin'), 'unknown build function affin'),
    (dict(build_func_name='helper'), 'unknown build function helper'),
    (dict(build_func_name='tf'), 'unknown build function tf'),
    (dict(build_func_name=None), 'unknown build function None'),
    (dict(static_kwargs={'scale': 1.0, 'color': 'red'}), 'no option color'),
    (dict(static_kwargs={'scale': 'much'}), "network 'A' cannot be built"),
    (dict(static_kwargs=3), "network 'A' cannot be built"),
    (dict(name='a b'), 'a b'),
    (dict(components={'x': 3}), 'components must be Networks'),
    (dict(variables=[('Dense/bais', np.float32([1, 2]))]), 'Dense/bais .*affine expects no such variable'),
    (dict(variables=[('Dense/bias', np.float32([1, 2, 3]))]), r'Dense/bias .*shape \[3\], affine expects \[2\]')])
def test_states_that_do_not_fit_are_refused_by_name(session, changes, message):
    with pytest.raises(dnnlib.UserError, match=message):
        load_state(**changes)


def test_a_state_without_parts(session):
    with pytest.raises(dnnlib.UserError, match='version'):
        load(pickled(Fake({'name': 'A'})))
    state = affine_state()
    del state['variables']
    with pytest.raises(dnnlib.UserError, match="'A' cannot be built .*variables"):
        load(pickled(Fake(state)))


def test_sub_networks_use_the_module_of_their_parent(session):
    first = affine_state(name='First', build_func_name='affine', static_kwargs={})
    chain = dict(version=4, name='C', static_kwargs={}, build_func_name='chain', variables=[],
                 components={'first': Fake(first)})
    data = pickled(Fake(chain))
    # the other module has a function named `affine` too, but no `chain`
    network = load(data, ['tests.dnnlib.tflib.other_toy_networks'] + TOYS)
    assert network.components.first._build_func is toy_networks.affine
    alone = load(pickled(Fake(first)), ['tests.dnnlib.tflib.other_toy_networks'] + TOYS)
    assert alone._build_func is not toy_networks.affine


def test_unknown_options_of_the_published_generators(session, data_dir):
    class Editor(network_pickle._Builder):
        def _build(self, state, modules):
            if state['name'] == 'G':
                state['static_kwargs']['freeze_layers'] = 256
            return super()._build(state, modules)

    with open(str(data_dir / 'labels3_r16.pkl'), 'rb') as f:
        inert = network_pickle.read_inert(f)
    import training.networks_stylegan2 as module
    with pytest.raises(dnnlib.UserError, match='freeze_layers'):
        Editor().convert(inert, [module])


def test_failed_save_keeps_the_old_file(session, tmp_path):
    path = tmp_path / 'net.pkl'
    path.write_bytes(b'old')
    with pytest.raises((pickle.PicklingError, AttributeError)):
        network_pickle.save([tflib.Network('A', toy_networks.affine), lambda: 0], str(path))
    assert path.read_bytes() == b'old' and os.listdir(str(tmp_path)) == ['net.pkl']


def test_ordinary_unpickling_of_a_network_explains_itself(session, tmp_path):
    path = str(tmp_path / 'net.pkl')
    network_pickle.save(tflib.Network('A', toy_networks.affine), path)
    with open(path, 'rb') as f, pytest.raises(dnnlib.UserError, match='network_pickle.load'):
        pickle.load(f)
