"""Network: construction, variables, copies, moving average, graphs."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib
import dnnlib.tflib as tflib
from tests.dnnlib.tflib import toy_networks

MODULE = 'tests.dnnlib.tflib.toy_networks.'
X = np.float32([[1, 2, 3], [0, -1, 2]])


def affine_of(network, x):
    values = tflib.run(network.own_vars)
    return x @ values['Dense/weight'] + values['Dense/bias']


def test_attributes(session):
    network = tflib.Network('A', MODULE + 'affine', outputs=4, with_sum=True)
    assert (network.name, network.scope, network.num_inputs, network.num_outputs) == ('A', 'A', 2, 2)
    assert network.input_names == ['x_in', 'shift_in'] and network.output_names == ['y_out', 'sum_out']
    assert network.input_shapes == [[None, 3], [None, 4]] and network.input_shape == [None, 3]
    assert network.output_shapes == [[None, 4], [None, 1]] and network.output_shape == [None, 4]
    assert network.static_kwargs == {'outputs': 4, 'with_sum': True} and network.static_kwargs.outputs == 4
    assert list(network.own_vars) == list(network.vars) == ['calls', 'Dense/weight', 'Dense/bias']
    assert list(network.trainables) == ['Dense/weight', 'Dense/bias']
    assert network.vars['Dense/bias'].name == 'A/Dense/bias:0'
    assert network.var_global_to_local['A/Dense/bias'] == 'Dense/bias'
    assert all(x.dtype == tf.float32 for x in network.input_templates)


def test_variables_of_sub_networks_carry_their_name(session):
    network = tflib.Network('C', toy_networks.chain, scale=2.0)
    assert list(network.components) == ['first'] and network.components.first.static_kwargs == {'scale': 2.0}
    assert list(network.own_vars) == ['offset']
    assert list(network.vars) == ['offset', 'First/calls', 'First/Dense/weight', 'First/Dense/bias']
    assert network.vars['First/Dense/bias'].name == 'First/Dense/bias:0'
    assert list(network.components.first.vars) == ['calls', 'Dense/weight', 'Dense/bias']


def test_scopes_are_unique_and_at_the_top(session):
    with tf.name_scope('outer'), tf.variable_scope('vars'), tf.control_dependencies([tf.placeholder(tf.float32, [])]):
        first = tflib.Network('A', toy_networks.affine)
        second = tflib.Network('A', toy_networks.affine)
    assert [first.scope, second.scope] == ['A', 'A_1'] and second.name == 'A'
    assert second.vars['Dense/bias'].name == 'A_1/Dense/bias:0'
    assert second.input_templates[0].name == 'A_1/x_in:0'
    first.run(X, None)


def test_name_defaults_to_the_function(session):
    assert tflib.Network(func_name=toy_networks.affine).name == 'affine'


@pytest.mark.parametrize('name', ['a b', 'a/b', '_a', '-a', 'a\n'])
def test_bad_names(session, name):
    with pytest.raises(dnnlib.UserError, match='name'):
        tflib.Network(name, toy_networks.affine)


def test_bad_build_functions(session):
    with pytest.raises(dnnlib.UserError, match='func_name'):
        tflib.Network('A')
    with pytest.raises(dnnlib.UserError, match='top level'):
        tflib.Network('A', lambda x: x)
    with pytest.raises(ValueError, match='rank of .*x_in'):
        tflib.Network('A', toy_networks.without_rank)
    with pytest.raises(ValueError, match='no input'):
        tflib.Network('A', toy_networks.without_input)
    with pytest.raises(dnnlib.UserError, match='no option color'):
        tflib.Network('A', toy_networks.affine, color='red')


def test_needs_a_session():
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match='init_tf'):
        tflib.Network('A', toy_networks.affine)


def test_get_output_for_shares_variables_and_nests_names(session):
    network = tflib.Network('A', toy_networks.affine)
    num_vars = len(tf.global_variables())
    with tf.name_scope('Loss'), tf.variable_scope('elsewhere'):
        y = network.get_output_for(tf.constant(X), None, scale=3.0)
    assert y.name.startswith('Loss/') and '/A/' in y.name
    assert len(tf.global_variables()) == num_vars
    np.testing.assert_allclose(session.run(y), 3 * affine_of(network, X), rtol=1e-5)


def test_get_output_for_returns(session):
    network = tflib.Network('A', toy_networks.affine)
    x = tf.placeholder(tf.float32, [None, None])
    assert isinstance(network.get_output_for(x, None), tf.Tensor)
    assert x.shape.as_list() == [None, 3]  # the build function's shape reaches the caller
    assert isinstance(network.get_output_for(x, None, return_as_list=True), list)
    pair = network.get_output_for(x, None, with_sum=True)
    assert isinstance(pair, tuple) and len(pair) == 2


def test_get_output_for_fills_missing_inputs_with_zeros(session):
    network = tflib.Network('A', toy_networks.affine)
    y = session.run(network.get_output_for(None, tf.ones([5, 2])))
    np.testing.assert_allclose(y, np.ones([5, 2]))  # the bias is zero


def test_get_output_for_refuses_wrong_inputs_and_options(session):
    network = tflib.Network('A', toy_networks.affine)
    for inputs in [(X,), (None, None), (X, None, None)]:
        with pytest.raises(dnnlib.UserError, match='takes 2 inputs'):
            network.get_output_for(*inputs)
    with pytest.raises(dnnlib.UserError, match='no option sale'):
        network.get_output_for(X, None, sale=1)


def test_reading_and_writing_variables(session):
    network = tflib.Network('A', toy_networks.affine)
    network.set_var('Dense/bias', [1, 2])
    assert network.get_var('Dense/bias').tolist() == [1, 2]
    bias = network.find_var('Dense/bias')
    network.set_var(bias, [3, 4])
    assert network.get_var(bias).tolist() == [3, 4]
    assert network.get_var_local_name(bias) == network.get_var_local_name('A/Dense/bias') == 'Dense/bias'
    with pytest.raises(KeyError):
        network.find_var('Dense/bas')


def test_resets(session):
    network = tflib.Network('C', toy_networks.chain)

    def spoil():
        for name in network.vars:
            network.set_var(name, np.full(network.vars[name].shape.as_list(), 9))

    def spoilt():
        return [name for name in network.vars if np.all(network.get_var(name) == 9)]

    spoil()
    network.reset_own_vars()
    assert spoilt() == ['First/calls', 'First/Dense/weight', 'First/Dense/bias']
    spoil()
    network.reset_trainables()
    assert spoilt() == ['First/calls']
    network.reset_vars()
    assert spoilt() == []


def test_clone_has_the_values_but_other_variables(session):
    network = tflib.Network('C', toy_networks.chain, gain=2.0)
    network.set_var('offset', [5, 6])
    copy = network.clone('Cs')
    assert copy.name == copy.scope == 'Cs' and copy.static_kwargs == {'gain': 2.0}
    assert copy.components.first.scope == 'First_1' and copy.components.first is not network.components.first
    np.testing.assert_array_equal(copy.run(X), network.run(X))
    network.set_var('offset', [0, 0])
    assert copy.get_var('offset').tolist() == [5, 6]
    assert network.clone().name == 'C'


def test_clone_initializes_what_only_new_options_call_for(session):
    network = tflib.Network('A', toy_networks.affine)
    copy = network.clone(scale=3.0)
    np.testing.assert_allclose(copy.run(X, None), 3 * network.run(X, None), rtol=1e-6)
    converted = network.convert(toy_networks.chain, 'B', scale=1.0)
    assert converted.name == 'B' and converted.get_var('offset').tolist() == [0, 0]


def test_copying_skips_what_the_other_lacks(session):
    source = tflib.Network('C', toy_networks.chain)
    target = tflib.Network('First', toy_networks.affine)
    source.set_var('First/Dense/bias', [1, 2])
    target.copy_vars_from(source)  # no common names
    assert target.get_var('Dense/bias').tolist() == [0, 0]
    target.copy_vars_from(source.components.first)
    assert target.get_var('Dense/bias').tolist() == [1, 2]
    source.set_var('First/calls', 4)
    source.set_var('First/Dense/bias', [3, 4])
    target.copy_trainables_from(source.components.first)
    assert target.get_var('Dense/bias').tolist() == [3, 4] and target.get_var('calls') == 0
    other = tflib.Network('C', toy_networks.chain)
    source.set_var('offset', [7, 8])
    other.copy_own_vars_from(source)
    assert other.get_var('offset').tolist() == [7, 8] and other.get_var('First/Dense/bias').tolist() == [0, 0]


def test_moving_average(session):
    source = tflib.Network('C', toy_networks.chain)
    average = source.clone('Cs')
    update = average.setup_as_moving_average_of(source, beta=tf.constant(0.75))
    assert update.name.startswith('Cs/_MovingAvg')
    source.set_var('offset', [4, 8])
    source.set_var('First/calls', 3)
    session.run(update)
    assert average.get_var('offset').tolist() == [1, 2]
    assert average.get_var('First/calls') == 3  # what is not trained is copied
    session.run(update)
    assert average.get_var('offset').tolist() == [1.75, 3.5]


def test_weight_histograms(session):
    tflib.Network('C', toy_networks.chain).setup_weight_histograms('T')
    summary = tf.Summary.FromString(session.run(tf.summary.merge_all()))
    assert sorted(value.tag for value in summary.value) == [
        'T_bias/First_Dense', 'T_toplevel/offset', 'T_weight/First_Dense']


def test_list_ops_are_those_of_the_template(session):
    network = tflib.Network('A', toy_networks.affine)
    before = network.list_ops()
    network.run(X, None)
    network.setup_as_moving_average_of(network.clone('B'))
    names = [op.name for op in before]
    assert names[0] == 'A/x_in' and 'A/y_out' in names
    assert {op.name for op in network.list_ops()} - set(names) <= {
        op.name for op in network.list_ops() if op.name.endswith(('/setter', '/new_value'))}


def test_layer_table(session):
    network = tflib.Network('C', toy_networks.chain)
    layers = {name: (output, [var.name for var in trainables]) for name, output, trainables in network.list_layers()}
    output, trainables = layers['First/Dense']
    assert trainables == ['First/Dense/weight:0', 'First/Dense/bias:0'] and output.shape.as_list() == [None, 2]
    assert layers['First/Scale'][1] == [] and layers['offset'][1] == ['C/offset:0']


def test_printed_layers(session, capsys):
    network = tflib.Network('C', toy_networks.chain)
    network.print_layers('Title', hide_layers_with_no_params=True)
    assert capsys.readouterr().out.split('\n') == [
        '',
        'Title        Params  OutputShape  WeightShape',
        '---          ---     ---          ---',
        'offset       2       (2,)         (2,)',
        'First/Dense  8       (?, 2)       (3, 2)',
        '---          ---     ---          ---',
        'Total        10',
        '', '']
    network.print_layers()
    rows = [line.split('  ') for line in capsys.readouterr().out.split('\n')]
    assert ['First/Scale', '-', '(?, 2)', '-'] in [[cell.strip() for cell in row if cell.strip()] for row in rows]


def test_published_rows_of_the_generator(session, capsys):
    options = dict(num_channels=3, resolution=8, fmap_base=64, latent_size=16, dlatent_size=16, mapping_fmaps=16)
    tflib.Network('G', 'training.networks_stylegan2.G_main', **options).print_layers()
    rows = [line.split('  ') for line in capsys.readouterr().out.split('\n')]
    rows = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows if row[0]}
    assert rows['G_mapping/Dense0'] == [str(17 * 16), '(?, 16)', '(16, 16)']
    assert rows['G_synthesis/4x4/Conv'] == [str(9 * 32 * 32 + 17 * 32 + 32 + 1), '(?, 32, 4, 4)', '(3, 3, 32, 32)']
    assert rows['G_synthesis/8x8/Upsample'] == ['-', '(?, 3, 8, 8)', '-']


IMAGES = [np.random.RandomState(i).randn(5, 1, 2 << i, 2 << i).astype(np.float32) for i in range(3)]


def scales(**kwargs):
    return tflib.Network('D', MODULE + 'scales', input_names=['im2', 'im4', 'im8'], **kwargs)


def weights_of(network):
    return np.array([network.get_var('weight%d' % i) for i in range(3)])


def test_inputs_in_a_list(session):
    network = scales()
    assert network.num_inputs == 3 and network.input_names == ['im2', 'im4', 'im8']
    assert network.input_shapes == [[None, 1, size, size] for size in (2, 4, 8)]
    assert [x.name for x in network.input_templates] == ['D/im2:0', 'D/im4:0', 'D/im8:0']
    means = np.stack([image.mean(axis=(1, 2, 3)) for image in IMAGES], axis=1)
    expected = means @ weights_of(network)
    np.testing.assert_allclose(network.run(*IMAGES, minibatch_size=2), expected, rtol=1e-5, atol=1e-6)
    out = network.get_output_for(IMAGES[0], None, tf.constant(IMAGES[2]))
    np.testing.assert_allclose(tflib.run(out), (means * [1, 0, 1]) @ weights_of(network), rtol=1e-5, atol=1e-6)
    with pytest.raises(dnnlib.UserError, match=r'takes 3 inputs \(im2, im4, im8\)'):
        network.get_output_for(*IMAGES[:2])
    with pytest.raises(dnnlib.UserError, match='takes 3 arrays'):
        network.run(*IMAGES[:2])


def test_copies_have_the_same_inputs(session):
    network = scales(base=2)
    for copy in (network.clone('E'), network.convert(toy_networks.scales)):
        assert copy.input_names == network.input_names
        np.testing.assert_array_equal(copy.run(*IMAGES), network.run(*IMAGES))
    fewer = network.convert(toy_networks.scales, input_names=['im4', 'im8'], base=4)
    assert fewer.num_inputs == 2 and fewer.input_shapes[0] == [None, 1, 4, 4]


@pytest.mark.parametrize('options', [dict(), dict(minibatch_size=2), dict(num_gpus=5, assume_frozen=True)])
def test_taps_are_further_outputs_of_another_graph(session, options):
    network = scales()
    assert network.num_outputs == 1 and network.output_names == ['score_out']
    outputs = network.run(*IMAGES, taps=True, **options)
    assert isinstance(outputs, tuple) and len(outputs) == 4
    np.testing.assert_allclose(outputs[0], network.run(*IMAGES), rtol=1e-6)
    for image, mean in zip(IMAGES, outputs[1:]):
        np.testing.assert_allclose(mean, image.mean(axis=(1, 2, 3)), rtol=1e-5, atol=1e-6)
    tensors = network.get_output_for(*IMAGES, taps=True)
    assert isinstance(tensors, tuple) and len(tensors) == 4
    np.testing.assert_allclose(tflib.run(tensors[3]), outputs[3], rtol=1e-5)
    assert len(network.get_output_for(*IMAGES, return_as_list=True)) == 1
    np.testing.assert_array_equal(network.run(*IMAGES, return_as_list=True)[0], network.run(*IMAGES))


@pytest.mark.parametrize('names', [
    [], 'im2', ['im2', 'im2'], ['im/2'], [2], [['im2']], ['x%d' % i for i in range(1001)], None, {'a': 1}])
def test_names_of_inputs_are_checked(session, names):
    with pytest.raises((dnnlib.UserError, ValueError), match='input_names'):
        tflib.Network('D', toy_networks.scales, input_names=names)


def test_named_parameters_need_no_names(session):
    with pytest.raises(dnnlib.UserError, match=r'with \*inputs; those of affine are x_in, shift_in'):
        tflib.Network('A', toy_networks.affine, input_names=['x_in', 'shift_in'])
