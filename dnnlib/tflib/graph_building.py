"""Builds the operations of a graph with less Python: the graphs are the same to the byte.

TensorFlow spends several times as long in Python on an operation as in its library: it looks for the types and
attributes of every operation again, checks them, packs them into a protocol buffer that it unpacks again, and notes the
whole stack of calls. Graphs consist of the same few hundred kinds of calls over and over. What TensorFlow found for a
kind (attributes, outputs) is kept here, and the next operation of that kind is made from it directly; the same goes for
the values of constants. What is new, has unusual arguments, or belongs to the body of a function takes TensorFlow's own
way, which also raises its errors. What is lost is the place in the source that TensorFlow adds to errors at run time.

This uses what TensorFlow has for itself alone, so it is switched on for versions that were tried: a test compares the
graphs. Other versions build as ever.
"""

import contextlib
import weakref

import tensorflow.compat.v1 as tf

from dnnlib.tflib.graph_kinds import inputs_of, key_of, key_of_constant

VERSIONS = ('2.21.0',)  # of TensorFlow, in which this was tried
OPTIONS = ('dtypes', 'input_types', 'name', 'attrs', 'op_def', 'compute_device')  # of Graph._create_op_internal


def switch_on():
    """From now on builds operations so, if this TensorFlow is one of VERSIONS; called once, before any graph."""
    if tf.__version__ in VERSIONS:
        _Builder().install()


class _Builder:
    """The replacements of three functions of TensorFlow, and what was found so far."""

    def __init__(self):
        from tensorflow.core.framework import attr_value_pb2
        from tensorflow.python.client import pywrap_tf_session
        from tensorflow.python.framework import op_def_library, op_def_registry, ops, tensor
        self._c, self._library, self._ops, self._registry = pywrap_tf_session, op_def_library, ops, op_def_registry
        self._tensor, self._regex = tensor.Tensor, ops._VALID_OP_NAME_REGEX
        self._apply, self._constant = op_def_library._apply_op_helper, ops._create_graph_constant
        self._create, self._attr_value = ops.Graph._create_op_internal, attr_value_pb2.AttrValue
        self._inputs = {}     # type of operation -> list of Input; None = leave it to TensorFlow
        self._kinds = {}      # kind of call -> (serialized attributes, structure of the outputs, is it stateful?)
        self._constants = {}  # value, type and shape -> serialized attributes
        self._groups = weakref.WeakKeyDictionary()  # operation -> its colocation groups
        self._seen = None     # a reference to the operation made last by `create`, its serialized attributes

    def install(self):
        """Puts the replacements in the place of TensorFlow's functions."""
        self._library._apply_op_helper, self._ops._create_graph_constant = self.apply, self.constant
        self._ops.Graph._create_op_internal = lambda graph, *args, **options: self.create(graph, *args, **options)

    def apply(self, op_type_name, name=None, **keywords):
        """In the place of `op_def_library._apply_op_helper`: (structure of outputs, stateful?, operation, outputs)."""
        graph, given = self._ops.get_default_graph(), name or op_type_name
        inputs = self._definition(op_type_name)
        key = None if inputs is None or not self._is_usual(graph, given) else self._key(graph, inputs, keywords)
        if key is None:
            return self._apply(op_type_name, name, **keywords)
        if any(not item.is_list and not isinstance(keywords[item.name], self._tensor) for item in inputs):
            # in the scope of the operation, as TensorFlow does it
            given = given if given[-1] == '/' else graph.unique_name(given) + '/'
            keywords.update(self._converted(graph, inputs, keywords, given[:-1]))
        groups = [keywords[item.name] for item in inputs]
        key = (op_type_name, key, tuple([tuple([x.dtype._type_enum for x in group]) if item.is_list else
                                         group.dtype._type_enum for item, group in zip(inputs, groups)]))
        kind = self._kinds.get(key)
        if kind is None:
            self._seen = None
            result = self._apply(op_type_name, given, **keywords)
            if self._seen is not None and self._seen[0]() is result[2]:
                self._kinds[key] = (self._seen[1], tuple(result[0]), result[1])
            return result
        attrs, structure, is_stateful = kind
        full_name = given[:-1] if given[-1] == '/' else graph.unique_name(given)
        with self._library._MaybeColocateWith([group for item, group in zip(inputs, groups) if item.is_ref]), _scope(
                graph, full_name):  # where control flow makes further operations
            op = self._make(graph, op_type_name, full_name, groups, attrs, True)
        return list(structure), is_stateful, op, op.outputs

    def _is_usual(self, graph, name):
        """Is this a graph, not the body of a function, that takes an operation of that name?"""
        return type(graph) is self._ops.Graph and not graph._finalized and self._regex.match(name)

    def _definition(self, op_type_name):
        """The inputs of a type of operation, list of Input; None if it is left to TensorFlow."""
        if op_type_name in self._inputs:
            return self._inputs[op_type_name]
        definition = self._registry.get(op_type_name)
        found = None if definition is None else inputs_of(definition)
        self._inputs[op_type_name] = found
        return found

    def _key(self, graph, inputs, keywords):
        """The attributes of a call as what tells them from others; None if the call is left to TensorFlow."""
        names = {item.name for item in inputs}
        for item in inputs:
            value = keywords.get(item.name)
            if item.is_list:
                if type(value) not in (list, tuple) or not value or not all(
                        isinstance(x, self._tensor) and x.graph is graph for x in value):
                    return None
            elif isinstance(value, self._tensor):
                if value.graph is not graph:
                    return None
            elif not isinstance(value, tf.Variable) if item.is_ref else (
                    not isinstance(value, (tf.Variable, tf.TensorShape)) and key_of_constant(value) is None):
                return None
        found = []
        for name, value in keywords.items():
            if name not in names:
                value = key_of(value)
                if value is None:
                    return None
                found += [name, value]
        return tuple(found)

    def _converted(self, graph, inputs, keywords, scope):
        """{name: tensor} of the inputs that are no tensors, converted in the name scope `scope` as TensorFlow does."""
        found, types, convert = {}, {}, self._ops.convert_to_tensor
        with _scope(graph, scope):
            for item in inputs:
                value = keywords[item.name]
                if item.is_list:
                    types.setdefault(item.attr, value[0].dtype.base_dtype)
                    continue
                if not isinstance(value, self._tensor):
                    dtype = item.dtype or types.get(item.attr)
                    tensor = None
                    if dtype is None and item.allowed:
                        with contextlib.suppress(TypeError):
                            tensor = convert(value, name=item.name, as_ref=item.is_ref)
                    if tensor is None or dtype is None and item.allowed and tensor.dtype not in item.allowed:
                        tensor = convert(value, dtype=dtype, name=item.name, as_ref=item.is_ref,
                                         preferred_dtype=item.default if dtype is None else None)
                    found[item.name] = value = tensor
                types.setdefault(item.attr, value.dtype.base_dtype)
        return found

    def create(self, graph, op_type, inputs, *others, **options):
        """In the place of `Graph._create_op_internal`, whose further arguments are OPTIONS: the operation."""
        options.update(zip(OPTIONS, others))
        name, attrs = options.get('name') or op_type, options.get('attrs') or {}
        plain = name[:-1] if name[-1] == '/' else name
        if not self._is_usual(graph, plain) or not all(isinstance(x, self._tensor) for x in inputs):
            return self._create(graph, op_type, inputs, **options)
        op_def = options.get('op_def') or graph.op_def_for_type(op_type)
        groups = self._ops._reconstruct_sequence_inputs(op_def, list(inputs), attrs)
        serialized = [(key, value.SerializeToString()) for key, value in attrs.items()]
        unique = plain if name[-1] == '/' else graph.unique_name(name)
        op = self._make(graph, op_type, unique, groups, serialized, options.get('compute_device', True))
        self._seen = (weakref.ref(op), serialized)
        return op

    def constant(self, value, dtype, shape, name, verify_shape, allow_broadcast):
        """In the place of `ops._create_graph_constant`: the tensor."""
        graph, given = self._ops.get_default_graph(), name or 'Const'
        key, shape_key = key_of_constant(value), key_of(shape)
        if key is None or shape_key is None or not self._is_usual(graph, given) or not isinstance(
                dtype, (int, type(None), tf.DType)):
            return self._constant(value, dtype, shape, name, verify_shape, allow_broadcast)
        key = (key, shape_key, verify_shape, None if dtype is None else int(getattr(dtype, '_type_enum', dtype)))
        attrs = self._constants.get(key)
        if attrs is None:
            self._seen = None
            tensor = self._constant(value, dtype, shape, name, verify_shape, allow_broadcast)
            if self._seen is not None and self._seen[0]() is tensor.op:
                self._constants[key] = self._seen[1]
            return tensor
        full_name = given[:-1] if given[-1] == '/' else graph.unique_name(given)
        return self._make(graph, 'Const', full_name, [], attrs, True).outputs[0]

    def _make(self, graph, op_type, name, groups, attrs, compute_device):
        """The operation of a type and full name; inputs are tensors and lists of them, attributes serialized."""
        c, flat = self._c, []
        for group in groups:
            flat += group if isinstance(group, (list, tuple)) else [group]
        control = graph._control_dependencies_for_inputs({x.op for x in flat}) if (
            graph._control_dependencies_stack) else []
        with graph._mutation_lock():
            with graph._c_graph.get() as c_graph:
                description = c.TF_NewOperation(c_graph, op_type, name)
            for group in groups:
                if isinstance(group, (list, tuple)):
                    c.TF_AddInputList(description, [x._as_tf_output() for x in group])
                else:
                    c.TF_AddInput(description, group._as_tf_output())
            for other in control:
                c.TF_AddControlInput(description, other._c_op)
            for key, value in attrs:
                c.TF_SetAttrValueProto(description, key, value)
            near = self._operations_near(graph, compute_device)
            for key, value in () if near is None else self._attributes_of_scopes(graph, near, attrs):
                c.TF_SetAttrValueProto(description, key, value.SerializeToString())
            try:
                made = c.TF_FinishOperation(description)
            except tf.errors.InvalidArgumentError as error:
                raise ValueError(error.message)
            op = self._ops.Operation(made, self._ops.SymbolicTensor)
            op._init(graph)
            op._original_op = graph._default_original_op
            if op._control_flow_context is not None or any(
                    x.op._control_flow_context is not None for x in flat):
                op._control_flow_post_processing(input_tensors=flat)
            if near is None:
                graph._create_op_helper(op, compute_device=compute_device)
            else:
                self._finish(graph, op, op_type, near)
        return op

    def _operations_near(self, graph, compute_device):
        """Operations with which a new one is to be colocated, list; None if TensorFlow has more to do with it."""
        unusual = graph._op_to_kernel_label_map or graph._gradient_override_map or graph._container
        if not compute_device or unusual or any(
                not isinstance(value, self._attr_value) for value in graph._attr_scope_map.values()):
            return None
        near = list(graph._colocation_stack.peek_objs())
        return near if all(isinstance(other, self._ops.Operation) for other in near) else None

    def _attributes_of_scopes(self, graph, near, attrs):
        """{name: AttrValue} that an operation has since it is made where it is: of its colocation above all."""
        found = {key: value for key, value in graph._attr_scope_map.items() if key not in dict(attrs)}
        if near:
            groups = sorted({group for other in near for group in self._groups_of(other)})
            found['_class'] = self._attr_value(list=self._attr_value.ListValue(s=groups))
        return found.items()

    def _groups_of(self, op):
        """`op.colocation_groups()`, which are asked for again and again."""
        groups = self._groups.get(op)
        if groups is None:
            groups = self._groups[op] = op.colocation_groups()
        return groups

    def _finish(self, graph, op, op_type, near):
        """What `Graph._create_op_helper` does in the usual cases, but for the attributes of scopes."""
        op._gradient_function = graph._gradient_function_map.get(op_type)
        graph._record_op_seen_by_control_dependencies(op)
        if graph._device_function_stack.peek_objs():
            graph._apply_device_functions(op)
        for other in near:
            if other.device:
                op._set_device(other.device)
                break


@contextlib.contextmanager
def _scope(graph, name):
    """The name scope of a full name, which is unique."""
    before, graph._name_stack = graph._name_stack, name
    try:
        yield
    finally:
        graph._name_stack = before


def replaced():
    """What TensorFlow's own functions are, so that a test can put them back: list of (owner, name, function)."""
    from tensorflow.python.framework import op_def_library, ops
    builder = op_def_library._apply_op_helper.__self__
    return [(op_def_library, '_apply_op_helper', builder._apply), (ops, '_create_graph_constant', builder._constant),
            (ops.Graph, '_create_op_internal', builder._create)]


def is_on():
    """Are operations built so?"""
    from tensorflow.python.framework import op_def_library
    return isinstance(getattr(getattr(op_def_library, '_apply_op_helper', None), '__self__', None), _Builder)
