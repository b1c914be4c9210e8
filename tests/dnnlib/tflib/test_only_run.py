"""Networks that are only run: the same results with fewer operations; copies are made without values of their own."""

import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import network_pickle, only_run
from tests.dnnlib.tflib import toy_networks
from tests.dnnlib.tflib.test_network_pickle import affine_state, Fake, pickled, TOYS, X


def load(contents, only_to_run):
    """The networks of a file's bytes, and how many operations they have."""
    before = len(tf.get_default_graph().get_operations())
    if only_to_run:
        with only_run.only_to_run():
            network = network_pickle.load(io.BytesIO(contents), TOYS)
    else:
        network = network_pickle.load(io.BytesIO(contents), TOYS)
    return network, len(tf.get_default_graph().get_operations()) - before


def test_results_are_the_same(session, tmp_path):
    network = tflib.Network('C', toy_networks.chain, scale=2.0, gain=3.0)
    network.set_var('offset', [1, 2])
    network_pickle.save(network, str(tmp_path / 'c.pkl'))
    contents = (tmp_path / 'c.pkl').read_bytes()
    (whole, many), (light, few) = load(contents, False), load(contents, True)
    assert few < 0.7 * many
    for name in ('input_shapes', 'output_shapes', 'input_names', 'output_names'):
        assert getattr(light, name) == getattr(whole, name)
    assert list(light.trainables) == list(whole.trainables)
    for name, value in tflib.run(dict(whole.vars)).items():
        np.testing.assert_array_equal(light.get_var(name), value)
    np.testing.assert_array_equal(light.run(X), network.run(X))
    light.set_var('offset', [0, 0])
    np.testing.assert_allclose(light.run(X), network.run(X) - np.float32([1, 2]), rtol=1e-5, atol=1e-5)
    assert not only_run.is_on() and light.clone().run(X).shape == (4, 2)


def test_values_are_copied_to_where_tensorflow_takes_them_as_they_are():
    memory = np.arange(1001, dtype=np.uint8)
    for array in (memory[1:5].view(np.float32), memory[3:403].view(np.float64).reshape(5, 10)[:, ::2], memory[:0],
                  np.float32(3).reshape([]), memory[7:9].view(np.float16).reshape(1, 1)):
        copy = only_run._aligned(array)
        np.testing.assert_array_equal(copy, array)
        assert (copy.dtype, copy.shape) == (array.dtype, array.shape) and copy.flags.c_contiguous
        assert not copy.size or copy.__array_interface__['data'][0] % only_run.ALIGNMENT == 0


def test_errors_of_reading_are_raised(session, monkeypatch):
    def fail(array):
        raise MemoryError(array.dtype)
    monkeypatch.setattr(only_run, '_aligned', fail)
    with pytest.raises(MemoryError, match='float32'):
        load(pickled(Fake(affine_state())), True)
    assert not only_run.is_on()


def test_variables_that_a_file_lacks_have_initial_values(session):
    state = affine_state()
    state['variables'] = state['variables'][1:]
    network, _ = load(pickled(Fake(state)), True)
    assert network.get_var('calls') == 0 and network.get_var('Dense/bias').tolist() == [7, 8]


def test_values_of_a_file_are_kept_where_a_training_is_built(session):
    with tflib.initializing_together():
        network, _ = load(pickled(Fake(affine_state())), True)
        tflib.init_uninitialized_vars()
    for name, value in affine_state()['variables']:
        np.testing.assert_array_equal(network.get_var(name), value)


@pytest.mark.parametrize('value', ['text', np.ones(3), None])
def test_wrong_values_are_refused(session, value):
    state = affine_state(variables=[('calls', np.float32(3)), ('Dense/bias', value)])
    with pytest.raises(dnnlib.UserError, match='affine|network'):
        load(pickled(Fake(state)), True)
    assert not only_run.is_on()


def test_values_that_are_no_numbers_are_refused(session):
    for value in ('abc', {'a': 1}, ['a', 2]):
        name = 'calls' if value != ['a', 2] else 'Dense/bias'
        with pytest.raises(dnnlib.UserError, match=f'the values of variable {name} are no numbers'):
            load(pickled(Fake(affine_state(variables=[(name, value)]))), True)
    assert not only_run.is_on()


def test_copies_draw_no_values(session, monkeypatch):
    network, ran = tflib.Network('C', toy_networks.chain), []
    run = tf.Session.run
    monkeypatch.setattr(tf.Session, 'run', lambda *args, **kwargs: ran.append(args[1]) or run(*args, **kwargs))
    copy = network.clone('D')
    drawn = [op for fetches in ran if isinstance(fetches, list) for op in fetches if 'random_normal' in str(op)]
    assert not drawn and len(ran) == 1
    np.testing.assert_array_equal(copy.run(X), network.run(X))
