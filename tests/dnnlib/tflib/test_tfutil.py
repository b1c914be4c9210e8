"""Session, scopes, variables and image conversion."""

import gc
import os
import re
from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.util import tf_should_use

import dnnlib
import dnnlib.tflib as tflib
from dnnlib.tflib import layout


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph
        if tf.get_default_session() is not None:
            tflib.close_tf()


def test_published_seeds(graph):
    tflib.init_tf({'rnd.np_random_seed': 1000, 'device': 'cpu'})
    assert graph.seed == 659662259


def test_seed_none_leaves_generators_alone(graph):
    np.random.seed(5)
    expected = np.random.RandomState(5).rand()
    tflib.init_tf({'rnd.tf_random_seed': None, 'device': 'cpu'})
    assert graph.seed is None
    assert np.random.rand() == expected


def test_init_tf_keeps_an_existing_session(session):
    tflib.init_tf({'rnd.np_random_seed': 3})
    assert tf.get_default_session() is session


def test_needs_init_tf(graph):
    with pytest.raises(RuntimeError, match='init_tf'):
        tflib.run(tf.zeros([]))


def test_environment(graph, monkeypatch):
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '3')
    monkeypatch.delenv('TFLIB_TEST', raising=False)
    tflib.init_tf({'env.TFLIB_TEST': '7', 'device': 'cpu'})
    assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == '3'  # a default does not override
    assert os.environ['TFLIB_TEST'] == '7'


def test_config_proto_paths(graph):
    tflib.init_tf({'device': 'cpu', 'intra_op_parallelism_threads': 1, 'gpu_options.allow_growth': False})
    config = tf.get_default_session()._config
    assert config.intra_op_parallelism_threads == 1 and not config.gpu_options.allow_growth
    assert config.allow_soft_placement and config.graph_options.place_pruned_graph


def test_device_is_chosen_and_described(graph, capsys):
    tflib.init_tf({'device': 'cpu'}, verbose=True)
    description = capsys.readouterr().out
    assert re.match(r'Device: CPU, \d+ threads?, NHWC; ops: (native \(C\+\+ for the CPU\)|reference)', description)
    assert layout.data_format() == 'NHWC'
    assert not any(d.device_type == 'GPU' for d in tf.get_default_session().list_devices())


@pytest.mark.parametrize('device', ['tpu', 'gpu', 'gpu:-1', 'gpu:99'])
def test_bad_devices_are_refused(graph, device):
    with pytest.raises(dnnlib.UserError, match=device):
        tflib.init_tf({'device': device})


def test_device_names_of_a_machine_without_gpu_work(session):
    with tf.device('/gpu:0'):
        assert session.run(tf.constant(2) * 3) == 6


def test_small_math(session):
    assert tflib.run(tflib.log2(tf.constant(8.0))) == pytest.approx(3)
    assert tflib.run(tflib.exp2(tf.constant(-1.5))) == pytest.approx(2 ** -1.5)
    assert tflib.run(tflib.lerp(2.0, 4.0, tf.constant(1.5))) == 5
    assert tflib.run(tflib.lerp_clip(2.0, 4.0, tf.constant([-1.0, 0.25, 7.0]))).tolist() == [2, 2.5, 4]
    assert tflib.run(tflib.flatten(tf.constant([[1, 2], [3, 4]]))).tolist() == [1, 2, 3, 4]
    assert tflib.shape_to_list(tf.placeholder(tf.float32, [None, 3]).shape) == [None, 3]
    assert tflib.is_tf_expression(tf.zeros([])) and not tflib.is_tf_expression(np.zeros([]))


def test_absolute_scopes(session):
    with tf.variable_scope('outer'):
        with tflib.absolute_variable_scope('inner'), tflib.absolute_name_scope('names'):
            var = tf.get_variable('v', shape=[])
            assert var.name == 'inner/v:0' and tf.zeros([], name='z').name == 'names/z:0'


def test_set_vars_adds_its_ops_once(session):
    var = tf.get_variable('scope/v', shape=[2], dtype=tf.float32)
    tflib.set_vars({var: [1, 2]})
    num_ops = len(session.graph.get_operations())
    tflib.set_vars({var: np.array([3, 4])})
    assert session.run(var).tolist() == [3, 4]
    assert len(session.graph.get_operations()) == num_ops


def test_set_vars_inside_other_scopes(session):
    var = tf.get_variable('v', shape=[])
    with tf.name_scope('elsewhere'), tf.control_dependencies([tf.placeholder(tf.float32, [])]):
        tflib.set_vars({var: 5})
    assert session.run(var) == 5


def test_init_uninitialized_vars_keeps_values(session):
    old = tf.get_variable('old', initializer=1.0)
    new = tf.get_variable('new', initializer=2.0)
    tflib.set_vars({old: 7})
    tflib.init_uninitialized_vars()
    assert session.run([old, new]) == [7, 2]
    tflib.init_uninitialized_vars([])


def test_initial_values_together_at_the_end(session):
    with tflib.initializing_together():
        old, new = [tf.get_variable(name, initializer=1.0) for name in ('old', 'new')]
        tflib.init_uninitialized_vars([old, new])
        y = tflib.autosummary.autosummary('y', tf.constant(3.0))
        with pytest.raises(tf.errors.OpError):  # no value yet
            session.run(y)
        tflib.set_vars({old: 7})
    assert session.run([old, new, y]) == [7, 1, 3]
    assert tflib.autosummary.save_summaries(None) == {'y': 3}
    with pytest.raises(ZeroDivisionError):
        with tflib.initializing_together():
            raise ZeroDivisionError
    late = tf.get_variable('late', initializer=2.0)
    tflib.init_uninitialized_vars([late])  # nothing waits any longer
    assert session.run(late) == 2


def test_variables_known_to_be_new_or_to_have_values_are_not_tested(session):
    earlier, given = [tf.get_variable(name, initializer=1.0) for name in ('earlier', 'given')]
    session.run(earlier.assign(5))
    tflib.set_vars({given: 6})
    with mock.patch.object(session, 'run', side_effect=session.run) as run:
        with tflib.initializing_together():
            new, set_inside, copied, drawn = [tf.get_variable(name, [], initializer=tf.initializers.random_normal(9))
                                              for name in ('new', 'set_inside', 'copied', 'drawn')]
            tflib.set_vars({set_inside: 7})
            tflib.copy_vars({copied: given})
            tflib.run_initializers([drawn])
            before = session.run(drawn)
            tflib.init_uninitialized_vars()
        assert [list(call[0][0]) for call in run.call_args_list[4:]] == [['earlier'], [new.initializer]]
    assert session.run([earlier, given, set_inside, copied, drawn]) == [5, 6, 7, 6, before]
    assert np.isfinite(session.run(new))


def test_what_a_session_knows_another_one_does_not(session):
    var = tf.get_variable('v', initializer=1.0)
    tflib.set_vars({var: 2})
    with tf.Session() as other:
        tflib.init_uninitialized_vars([var])
        assert other.run(var) == 1
    assert session.run(var) == 2


@pytest.mark.parametrize('use_resource', [False, True])
def test_large_constants_of_initial_values_are_fed(session, use_resource):
    large, small, drawn = [tf.get_variable(name, shape, initializer=initial, use_resource=use_resource)
                           for name, shape, initial in (('large', [5000], tf.initializers.ones()),
                                                        ('small', [3], tf.initializers.constant(4.0)),
                                                        ('drawn', [2000], tf.initializers.random_normal(stddev=2)))]
    with mock.patch.object(session, 'run', side_effect=session.run) as run:
        tflib.run_initializers([large, small, drawn])
    (_ops, feed), = [call[0] for call in run.call_args_list]
    assert [(tensor.op.type, tensor.shape.as_list(), float(value)) for tensor, value in feed.items()] == [
        ('Const', [], 1.0)]
    values = session.run([large, small, drawn])
    assert values[0].tolist() == [1.0] * 5000 and values[1].tolist() == [4.0] * 3
    assert 1.8 < values[2].std() < 2.2


def test_local_variables_from_before_keep_their_values(session):
    var = tf.Variable(1.0, collections=[tf.GraphKeys.LOCAL_VARIABLES], use_resource=True)
    session.run(var.assign(5))
    with tflib.initializing_together():
        tflib.init_uninitialized_vars([var])
    assert session.run(var) == 5


def test_without_a_session_there_are_no_initial_values():
    with pytest.raises(RuntimeError, match='init_tf'):
        with tf.Graph().as_default(), tflib.initializing_together():
            pass


@pytest.mark.parametrize('use_resource', [False, True])
def test_a_copy_is_not_changed_with_its_source(session, use_resource):
    source = tf.get_variable('source', initializer=np.zeros(4, np.float32), use_resource=False)
    copy = tf.get_variable('copy', initializer=np.ones(4, np.float32), use_resource=use_resource)
    tflib.init_uninitialized_vars()
    tflib.copy_vars({copy: source})
    session.run(source.assign_add([5.0] * 4))
    assert session.run(copy).tolist() == [0] * 4
    tflib.set_vars({source: [9] * 4})
    assert session.run(copy).tolist() == [0] * 4


def test_a_copy_of_another_shape_or_type_is_refused_or_converted(session):
    a, b, c = [tf.get_variable(name, initializer=np.array(value), use_resource=False) for name, value in (
        ('a', [1.0, 2.0]), ('b', [3.0, 4.0, 5.0]), ('c', np.float32([6, 7])))]
    tflib.init_uninitialized_vars()
    with pytest.raises(ValueError, match='shape'):
        tflib.copy_vars({b: a})
    num_ops = len(session.graph.get_operations())
    tflib.set_vars({b: [8, 9, 10]})
    assert len(session.graph.get_operations()) == num_ops
    tflib.copy_vars({c: a})
    assert session.run([b, c]) == [pytest.approx([8, 9, 10]), pytest.approx([1, 2])]


@pytest.mark.parametrize('use_resource', [False, True])
def test_copy_vars(session, use_resource):
    a, b, c, d = [tf.get_variable(name, initializer=value, use_resource=use_resource) for name, value in (
        ('a', [1.0, 2.0]), ('b', [3.0, 4.0]), ('c', 5.0), ('d', 6.0))]
    tflib.init_uninitialized_vars()
    counts = []
    for act in (lambda: tflib.set_vars({c: 7}), lambda: tflib.copy_vars({b: a})):
        before = len(session.graph.get_operations())
        act()
        counts.append(len(session.graph.get_operations()) - before)
    assert use_resource or counts[0] == counts[1]  # random numbers of later operations depend on it
    assert session.run([a, b, c]) == [pytest.approx([1, 2]), pytest.approx([1, 2]), 7]
    tflib.set_vars({a: [8, 9], b: [0, 0]})
    assert session.run([a, b]) == [pytest.approx([8, 9]), pytest.approx([0, 0])]
    num_ops = len(session.graph.get_operations())
    tflib.copy_vars({b: a, c: d})  # they have been set before
    assert session.run([b, c, d]) == [pytest.approx([8, 9]), 6, 6]
    assert use_resource or len(session.graph.get_operations()) == num_ops
    session.run(a.assign([1, 1]))
    assert session.run(b).tolist() == [8, 9]


def test_nothing_is_complained_about_where_variables_wait_twice(session):
    var = tf.Variable(1.0, use_resource=True)
    with mock.patch.object(tf_should_use.tf_logging, 'error') as error:
        with tflib.initializing_together():
            tflib.init_uninitialized_vars([var])
            tflib.init_uninitialized_vars([var])
        gc.collect()
    assert not error.called
    assert session.run(var) == 1


def test_large_initial_value(session):
    value = np.arange(6, dtype=np.int32).reshape(2, 3)
    var = tflib.create_var_with_large_initial_value(value, trainable=False)
    assert session.run(var).tolist() == value.tolist()
    assert var not in tf.trainable_variables()


def test_images_to_uint8_is_the_published_formula(session):
    x = np.random.RandomState(0).uniform(-1.2, 1.2, [2, 3, 4, 4]).astype(np.float32)
    x[0, 0, 0] = [-1, 0, 1 / 255, 1]
    expected = np.clip(np.trunc(127.5 * x + 128), 0, 255)
    np.testing.assert_array_equal(session.run(tflib.convert_images_to_uint8(tf.constant(x))), expected)
    nhwc = session.run(tflib.convert_images_to_uint8(tf.constant(x), nchw_to_nhwc=True))
    assert nhwc.dtype == np.uint8
    np.testing.assert_array_equal(nhwc, expected.transpose(0, 2, 3, 1))
    small = session.run(tflib.convert_images_to_uint8(tf.constant(x), drange=[0, 1], shrink=2))
    means = x.reshape(2, 3, 2, 2, 2, 2).mean(axis=(3, 5))
    np.testing.assert_array_equal(small, np.clip(np.trunc(255 * means + 0.5), 0, 255))


def test_memory_of_a_gpu_is_read_when_run(session, monkeypatch):
    used = [2 ** 31, 2 ** 30]
    monkeypatch.setattr(tf.config.experimental, 'get_memory_info', lambda name: {'current': used.pop(), 'name': name},
                        raising=False)
    assert session.run(tflib.gpu_memory_gb_tensor('/device:GPU:0')) == 0  # there is none
    monkeypatch.setattr(session, 'list_devices', lambda: [dnnlib.EasyDict(device_type='GPU')])
    assert session.run(tflib.gpu_memory_gb_tensor('/device:CPU:0')) == 0
    memory = tflib.gpu_memory_gb_tensor('')
    assert [session.run(memory), session.run(memory)] == [1, 2]


def test_images_from_uint8(session):
    x = np.array([0, 51, 255], dtype=np.uint8).reshape(1, 1, 1, 3)
    y = session.run(tflib.convert_images_from_uint8(tf.constant(x), nhwc_to_nchw=True))
    assert y.shape == (1, 3, 1, 1) and y.dtype == np.float32
    np.testing.assert_allclose(y.ravel(), [-1, -0.6, 1], atol=1e-6)
    z = session.run(tflib.convert_images_from_uint8(tf.constant(x), drange=[0, 1]))
    np.testing.assert_allclose(z, [[[[0, 0.2, 1]]]], atol=1e-6)
