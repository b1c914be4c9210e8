"""Network: a build function, its variables, and the graphs made of them."""

import collections
import re

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib.tflib import build_function, layer_table, network_run, network_state, only_run, tfutil


class Network:
    """A parametric function: a build function called with some options, and variables that all its graphs share.

    The build function takes its inputs as parameters without default or as `*inputs`, then options with defaults, with
    `is_template_graph` and `components` (the dictionary of sub-networks, to be filled when it is empty) among them. It
    returns a tensor, or a tuple or list of them; an option may add outputs that the template graph does not have.

    Args:
        name: Name of letters, digits, `_`, `.` and `-`; `None` = that of the build function.
        func_name: The build function: a function at the top level of a module or its full name.
        input_names: Names of the inputs of a build function with `*inputs`, list; `None` = its parameters.
        static_kwargs: Options of the build function that belong to this network for good; must be picklable.

    Attributes:
        name, scope: The given name, and the unique TensorFlow scope made from it.
        static_kwargs, components: EasyDict of options; EasyDict of sub-networks.
        func_name: Name of the build function, without its module.
        num_inputs, num_outputs, input_names, output_names: How many inputs and outputs there are; their names.
        input_shapes, output_shapes: Shapes as lists, `None` for the minibatch.
        input_shape, output_shape: The first of them.
        input_templates, output_templates: The tensors of the template graph.
        own_vars: Variables by local name, in order of creation, without those of sub-networks.
        vars: `own_vars`, then those of each sub-network as `<name of the sub-network>/<local name>`.
        trainables: Those of `vars` that are trained.
        var_global_to_local: Local name by the name in the graph.
        class_module: See `network_state.Published`.

    Raises: RuntimeError before `init_tf`; UserError for a bad name or unknown options; ValueError if the build function
        does not keep to the rules above.
    """

    def __init__(self, name=None, func_name=None, *, input_names=None, **static_kwargs):
        if func_name is None:
            raise dnnlib.UserError('func_name is missing: give the build function or its full name')
        func = dnnlib.util.get_obj_by_name(func_name) if isinstance(func_name, str) else func_name
        if not dnnlib.util.is_top_level_function(func):
            raise dnnlib.UserError(f'func_name must be a function at the top level of a module, not {func_name!r}')
        self._setup(name or func.__name__, func, static_kwargs, {}, network_state.source_of(func), input_names)
        if not only_run.do_values_follow():
            self.reset_own_vars()

    @classmethod
    def from_state(cls, state, build_func, components):
        """Network with the options and values of a pickled state.

        Args:
            state: Dictionary as `__getstate__` returns it.
            build_func: The function that `build_func_name` stands for.
            components: {key: Network}, the sub-networks.
        Returns: The Network. Variables that the state lacks have their initial values.
        Raises: UserError if the state holds options, variables or shapes that the build function does not have.
        """
        network, source = cls.__new__(cls), network_state.source_of(build_func, state.get('build_module_src', ''))
        names = None  # though ADA names all
        if build_function.takes_any_inputs(build_func):
            names = state['input_names'] if 'input_names' in state else build_function.numbered(
                state.get('num_inputs'))
        values = dict(state['variables'])
        with only_run.values_given(values) as given:
            network._setup(state['name'], build_func, state['static_kwargs'], components, source, names)
        for name, value in values.items():
            expected = network.own_vars[name].shape.as_list() if name in network.own_vars else 'no such variable'
            if list(np.shape(value)) != expected:
                raise dnnlib.UserError('variable %s of network %s has the shape %s, %s expects %s' % (
                    name, network.name, list(np.shape(value)), build_func.__name__, expected))
        only_run.give(network.own_vars, given)
        return network

    def _setup(self, name, func, static_kwargs, components, module_src, input_names):
        """Sets all attributes and builds the template graph; the variables are left without values."""
        tfutil.assert_tf_initialized()
        if not re.match(r'[A-Za-z0-9.][A-Za-z0-9_.-]*\Z', name):
            raise dnnlib.UserError('network name %r: expected letters, digits, _, . and -, no _ or - in front' % name)
        self.name = name
        self.static_kwargs = dnnlib.EasyDict(static_kwargs)
        self.components = dnnlib.EasyDict(components)
        self._build_func, self._build_func_name, self._build_module_src = func, func.__name__, module_src
        self.func_name = func.__name__
        self.class_module = network_state.published(func.__module__, func.__globals__).class_module
        self.run_cache, self._given_input_names = {}, input_names
        self.input_names, self.option_names, self._accepts_any = build_function.read_signature(func, input_names)
        self.num_inputs = len(self.input_names)
        with tf.name_scope(None):
            self.scope = tf.get_default_graph().unique_name(name, mark_as_used=True)
        self._build_template()
        self._collect_vars()

    def _build_template(self):
        """Builds the graph that defines the variables, shapes and names."""
        with tfutil.absolute_variable_scope(self.scope), tfutil.absolute_name_scope(self.scope), \
                tf.control_dependencies(None):
            self.input_templates = [tf.placeholder(tf.float32, name=given) for given in self.input_names]
            self.output_templates = self._build(self.input_templates, self.static_kwargs, is_template_graph=True)
        for tensor in self.input_templates + self.output_templates:
            if tensor.shape.ndims is None:
                raise ValueError('the build function must set the rank of %s' % tensor.name)
        names = [network.name for network in self.components.values() if isinstance(network, Network)]
        if len(set(names)) != len(self.components):
            raise ValueError('components must be Networks with different names, not %r' % dict(self.components))
        self.output_names = [tensor.op.name.split('/')[-1] for tensor in self.output_templates]
        self.num_outputs = len(self.output_names)
        self.input_shapes = [tensor.shape.as_list() for tensor in self.input_templates]
        self.output_shapes = [tensor.shape.as_list() for tensor in self.output_templates]
        self.input_shape, self.output_shape = self.input_shapes[0], self.output_shapes[0]

    def _build(self, inputs, kwargs, is_template_graph):
        """Calls the build function in the current scopes; returns the list of outputs."""
        unknown = [] if self._accepts_any else sorted(set(kwargs) - set(self.option_names))
        if unknown:
            raise dnnlib.UserError('network %s: %s has no option %s; known are %s' % (
                self.name, self._build_func_name, ', '.join(unknown), ', '.join(self.option_names)))
        kwargs = dict(kwargs, is_template_graph=is_template_graph, components=self.components)
        outputs = self._build_func(*inputs, **kwargs)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        if not outputs or not all(isinstance(x, tf.Tensor) for x in outputs):
            raise ValueError(f'{self._build_func_name} must return a tensor or several in a tuple, not {outputs!r}')
        return outputs

    def _collect_vars(self):
        """Fills the dictionaries of variables after the template graph is built."""
        prefix = self.scope + '/'
        self.own_vars = collections.OrderedDict(
            (var.name[len(prefix):].split(':')[0], var) for var in tf.global_variables() if var.name.startswith(prefix))
        self.vars = collections.OrderedDict(self.own_vars)
        for network in self.components.values():
            self.vars.update((network.name + '/' + name, var) for name, var in network.vars.items())
        self.trainables = collections.OrderedDict((name, var) for name, var in self.vars.items() if var.trainable)
        self.var_global_to_local = collections.OrderedDict(
            (var.name.split(':')[0], name) for name, var in self.vars.items())

    def reset_own_vars(self):
        """Draws new initial values for the variables that don't belong to sub-networks."""
        tfutil.run_initializers(list(self.own_vars.values()))

    def reset_vars(self):
        """Draws new initial values for all variables."""
        tfutil.run_initializers(list(self.vars.values()))

    def reset_trainables(self):
        """Draws new initial values for the variables that are trained."""
        tfutil.run_initializers(list(self.trainables.values()))

    def find_var(self, var_or_local_name):
        """The variable with a local name; a variable is returned as it is. Raises KeyError."""
        is_name = isinstance(var_or_local_name, str)
        return self.vars[var_or_local_name] if is_name else var_or_local_name

    def get_var(self, var_or_local_name):
        """Value of a variable as a NumPy array."""
        return tfutil.run(self.find_var(var_or_local_name))

    def set_var(self, var_or_local_name, new_value):
        """Assigns a value (array of the variable's shape) to a variable."""
        variable = self.find_var(var_or_local_name)
        tfutil.set_vars({variable: new_value})

    def option(self, name):
        """Value of an option: this network's own, else the build function's default. Raises KeyError."""
        return self.static_kwargs[name] if name in self.static_kwargs else build_function.default_of(
            self._build_func, name)

    def get_var_local_name(self, var_or_global_name):
        """Local name of a variable or of a name in the graph. Raises KeyError."""
        name = var_or_global_name if isinstance(var_or_global_name, str) else var_or_global_name.name
        return self.var_global_to_local[name.split(':')[0]]

    def __getstate__(self):
        """The published state: see `network_state.make_state`."""
        return network_state.make_state(self, self._build_func, self._build_module_src,
                                        self._given_input_names is not None)

    def __setstate__(self, state):
        raise dnnlib.UserError('a Network cannot be unpickled on its own: read the file by '
                               'dnnlib.tflib.network_pickle.load, copy a network by its clone()')

    def clone(self, name=None, **new_static_kwargs):
        """Copy of this network with its own variables and sub-networks, of the same values.

        Args:
            name: `None` = the same name.
            new_static_kwargs: Options to change. Variables that only the new options call for are initialized.
        """
        network = Network.__new__(Network)
        options = dict(self.static_kwargs, **new_static_kwargs)
        with only_run.values_follow():
            network._setup(name or self.name, self._build_func, options, {}, self._build_module_src,
                           self._given_input_names)
        tfutil.run_initializers([var for name, var in network.vars.items() if name not in self.vars])
        network.copy_vars_from(self)
        return network

    def convert(self, new_func_name, new_name=None, **new_static_kwargs):
        """Network of another build function with this one's options and, where the names agree, its values.

        Args:
            new_func_name: Build function or its full name.
            new_name: `None` = the same name.
            new_static_kwargs: Options to change; `input_names` as well.
        """
        options = dict(dict(self.static_kwargs, input_names=self._given_input_names), **new_static_kwargs)
        network = Network(new_name or self.name, new_func_name, **options)
        network.copy_vars_from(self)
        return network

    def copy_own_vars_from(self, src_net):
        """Copies the values of those own variables that the other network has too, by local name."""
        self._copy_vars(src_net, self.own_vars)

    def copy_vars_from(self, src_net):
        """Copies the values of those variables that the other network has too, by local name."""
        self._copy_vars(src_net, self.vars)

    def copy_trainables_from(self, src_net):
        """Copies the values of those trained variables that the other network has too, by local name."""
        self._copy_vars(src_net, self.trainables)

    def _copy_vars(self, src_net, names):
        names = [name for name in names if name in src_net.vars]
        tfutil.copy_vars({self.vars[name]: src_net.vars[name] for name in names})

    def setup_as_moving_average_of(self, src_net, beta=0.99, beta_nontrainable=0.0):
        """Operation that moves the variables toward the other network's: v <- s + (v - s) * beta.

        Args:
            src_net: Network with the same local names; names that it lacks are left alone.
            beta: Decay per execution of the trained variables, number or scalar tensor.
            beta_nontrainable: Decay of the others, 0 = copy.
        Returns: The operation.
        """
        with tfutil.absolute_name_scope(self.scope + '/_MovingAvg'):
            updates = []
            for name, var in self.vars.items():
                if name in src_net.vars:
                    decay = beta if name in self.trainables else beta_nontrainable
                    updates.append(tf.assign(var, tfutil.lerp(src_net.vars[name], var, decay)))
            return tf.group(*updates)

    def get_output_for(self, *in_expr, return_as_list=False, **dynamic_kwargs):
        """Builds another graph of this network on the same variables.

        Args:
            in_expr: One tensor per input; `None` = zeros, not for all of them.
            return_as_list: Return a list whatever the number of outputs?
            dynamic_kwargs: Options of the build function over the static ones.
        Returns: The output tensor, or a tuple of several.
        Raises: UserError for a wrong number of inputs or unknown options.
        """
        if len(in_expr) != self.num_inputs or all(x is None for x in in_expr):
            raise dnnlib.UserError('network %s takes %d inputs (%s), not all None, but got %d' % (
                self.name, self.num_inputs, ', '.join(self.input_names), len(in_expr)))
        kwargs = dict(self.static_kwargs, **dynamic_kwargs)
        with tfutil.absolute_variable_scope(self.scope, reuse=True), tf.name_scope(self.name):
            given = tf.convert_to_tensor(next(x for x in in_expr if x is not None))
            batch = given.shape.as_list()[0] if given.shape.ndims else None
            inputs = []
            for name, shape, value in zip(self.input_names, self.input_shapes, in_expr):
                if value is None:
                    value = tf.zeros([batch or tf.shape(given)[0]] + shape[1:])
                inputs.append(tf.identity(value, name=name))
            build = only_run.stand_ins if only_run.is_on() else Network._build
            outputs = build(self, inputs, kwargs, is_template_graph=False)
        for expr, tensor in zip(in_expr, inputs):
            if isinstance(expr, tf.Tensor):
                expr.set_shape(tensor.shape)
        return outputs if return_as_list else tfutil.unpack(outputs)

    def run(self, *in_arrays, **kwargs):
        """Computes the network on NumPy arrays, a minibatch at a time: see `network_run.run`."""
        return network_run.run(self, *in_arrays, **kwargs)

    def list_ops(self):
        """Operations of the template graph, in order of creation."""
        prefix = self.scope + '/'
        return [op for op in tf.get_default_graph().get_operations()
                if op.name.startswith(prefix) and not op.name.startswith(prefix + '_')]

    def list_layers(self):
        """Layers of the template graph: list of (name, output tensor, list of trained variables)."""
        return layer_table.list_layers(self)

    def print_layers(self, title=None, hide_layers_with_no_params=False):
        """Prints the table of layers: see `layer_table.format_layers`."""
        print(layer_table.format_layers(self, title, hide_layers_with_no_params))

    def setup_weight_histograms(self, title=None):
        """Adds one histogram summary per trained variable; tags begin with `title` or else the network's name."""
        layer_table.setup_weight_histograms(self, title)
