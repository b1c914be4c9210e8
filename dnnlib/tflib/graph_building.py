"""Builds the operations of a graph with less Python: the graphs are the same to the byte.

TensorFlow spends ten times as long in Python on an operation as in its library: it looks for the types and attributes
of every operation anew, checks them, packs them into a protocol buffer that it unpacks again, and notes the whole stack
of calls. Graphs consist of the same few hundred kinds of calls over and over. What TensorFlow found for a kind (types of
the inputs, attributes) is kept here, and the next operation of that kind is made from it directly; the same goes for the
values of constants. What is new, has unusual arguments, or belongs to the body of a function takes TensorFlow's own way,
which also raises its errors. What is lost is the place in the source that TensorFlow adds to errors of the run time.

This uses what TensorFlow has for itself alone, so it is switched on for versions that were tried: a test compares the
graphs. Other versions build as ever.
"""

import sys

import numpy as np
import tensorflow.compat.v1 as tf

VERSIONS = ('2.21.0',)  # of TensorFlow, in which this was tried

_MAX_BYTES = 4096  # of an array whose value is kept
_PLAIN = (bool, int, float, str, bytes, type(None))


def switch_on():
    """From now on builds operations so, if this TensorFlow is one of VERSIONS; called once, before any graph."""
    if tf.__version__ in VERSIONS:
        _Builder().install()


class _Builder:
    """The replacements of three functions of TensorFlow, and what was found so far."""

    def __init__(self):
        from tensorflow.python.client import pywrap_tf_session
        from tensorflow.python.framework import op_def_library, op_def_registry, ops, tensor
        self._c, self._library, self._ops, self._registry = pywrap_tf_session, op_def_library, ops, op_def_registry
        self._tensor, self._regex = tensor.Tensor, ops._VALID_OP_NAME_REGEX
        self._apply, self._constant = op_def_library._apply_op_helper, ops._create_graph_constant
        self._create = ops.Graph._create_op_internal
        self._inputs = {}     # kind of operation -> {name of an input: is it a list?}; None = leave it to TensorFlow
        self._kinds = {}      # kind of call -> (serialized attributes, structure of the outputs, is it stateful?)
        self._constants = {}  # value, type and shape -> serialized attributes
        self._seen = None     # attributes of the operation that was made last by TensorFlow's own way

    def install(self):
        """Puts the replacements in the place of TensorFlow's functions."""
        self._library._apply_op_helper, self._ops._create_graph_constant = self.apply, self.constant
        builder = self

        def create(graph, op_type, inputs, dtypes=None, input_types=None, name=None, attrs=None, op_def=None,
                   compute_device=True):
            return builder.create(graph, op_type, inputs, dtypes, input_types, name, attrs, op_def, compute_device)
        self._ops.Graph._create_op_internal = create

    def apply(self, op_type_name, name=None, **keywords):
        """In the place of `op_def_library._apply_op_helper`: (structure of outputs, stateful?, operation, outputs)."""
        graph = self._ops.get_default_graph()
        call = self._read(graph, op_type_name, name, keywords)
        if call is None:
            return self._apply(op_type_name, name, **keywords)
        key, groups = call
        kind = self._kinds.get(key)
        if kind is None:
            self._seen = None
            result = self._apply(op_type_name, name, **keywords)
            if self._seen is not None and self._seen[0] is result[2]:
                self._kinds[key] = (self._seen[1], tuple(result[0]), result[1])
            return result
        attrs, structure, is_stateful = kind
        op = self._make(graph, op_type_name, graph.unique_name(name or op_type_name), groups, attrs, True)
        return list(structure), is_stateful, op, op.outputs

    def _read(self, graph, op_type_name, name, keywords):
        """(what tells the kind of a call, inputs as tensors and lists of them); None for TensorFlow's own way."""
        if type(graph) is not self._ops.Graph or graph._finalized or not self._regex.match(name or op_type_name) or (
                name or '')[-1:] == '/':
            return None
        if op_type_name not in self._inputs:
            self._inputs[op_type_name] = self._read_definition(op_type_name)
        names = self._inputs[op_type_name]
        if names is None:
            return None
        key, groups = [op_type_name], []
        for input_name, is_list in names.items():
            value = keywords.get(input_name)
            if is_list:
                if type(value) not in (list, tuple) or not value or not all(
                        isinstance(item, self._tensor) and item.graph is graph for item in value):
                    return None
                key.append(tuple([item.dtype._type_enum for item in value]))
            else:
                if not isinstance(value, self._tensor) or value.graph is not graph:
                    return None
                key.append(value.dtype._type_enum)
            groups.append(value)
        if len(keywords) > len(groups):
            for attr_name, value in keywords.items():
                if attr_name not in names:
                    value = _key_of(value)
                    if value is None:
                        return None
                    key += (attr_name, value)
        return tuple(key), groups

    def _read_definition(self, op_type_name):
        """The inputs of a kind of operation as {name: is it a list?}; None if it is left to TensorFlow."""
        definition = self._registry.get(op_type_name)
        if definition is None or any(arg.is_ref for arg in definition.input_arg) or any(
                attr.type in ('func', 'list(func)') for attr in definition.attr):
            return None
        return {arg.name: bool(arg.number_attr or arg.type_list_attr) for arg in definition.input_arg}

    def create(self, graph, op_type, inputs, dtypes, input_types, name, attrs, op_def, compute_device):
        """In the place of `Graph._create_op_internal`: the operation."""
        name = name or op_type
        plain = name[:-1] if name[-1] == '/' else name
        if type(graph) is not self._ops.Graph or graph._finalized or not self._regex.match(plain) or not all(
                isinstance(x, self._tensor) for x in inputs):
            return self._create(graph, op_type, inputs, dtypes, input_types, name, attrs, op_def, compute_device)
        attrs = attrs or {}
        op_def = op_def or graph.op_def_for_type(op_type)
        groups = self._ops._reconstruct_sequence_inputs(op_def, list(inputs), attrs)
        serialized = [(key, value.SerializeToString()) for key, value in attrs.items()]
        unique = plain if name[-1] == '/' else graph.unique_name(name)
        op = self._make(graph, op_type, unique, groups, serialized, compute_device)
        self._seen = (op, serialized)
        return op

    def constant(self, value, dtype, shape, name, verify_shape, allow_broadcast):
        """In the place of `ops._create_graph_constant`: the tensor."""
        graph = self._ops.get_default_graph()
        key = _key_of_constant(value)
        if key is None or type(graph) is not self._ops.Graph or shape is not None or not isinstance(
                dtype, (int, type(None), tf.DType)):
            return self._constant(value, dtype, shape, name, verify_shape, allow_broadcast)
        key = (key, None if dtype is None else int(getattr(dtype, '_type_enum', dtype)))
        attrs = self._constants.get(key)
        if attrs is None:
            self._seen = None
            tensor = self._constant(value, dtype, shape, name, verify_shape, allow_broadcast)
            if self._seen is not None and self._seen[0] is tensor.op:
                self._constants[key] = self._seen[1]
            return tensor
        if graph._finalized or not self._regex.match(name or 'Const') or name[-1:] == '/':
            return self._constant(value, dtype, shape, name, verify_shape, allow_broadcast)
        return self._make(graph, 'Const', graph.unique_name(name or 'Const'), [], attrs, True).outputs[0]

    def _make(self, graph, op_type, name, groups, attrs, compute_device):
        """The operation of a type and full name, with inputs as tensors and lists of them, and serialized attributes."""
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
            graph._create_op_helper(op, compute_device=compute_device)
        return op


def _key_of(value):
    """What tells an attribute of a call from others: its value with the types in it; None if that is not known."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, repr(value) if kind is float else value
    if isinstance(value, tf.DType):
        return kind, value._type_enum
    if kind in (list, tuple):
        items = tuple([_key_of(item) for item in value])
        return None if None in items else (kind, items)
    if kind is tf.TensorShape:
        return kind, None if value.rank is None else tuple(value.as_list())
    return None


def _key_of_constant(value):
    """The same of the value of a constant, which may be an array as well."""
    if isinstance(value, (np.ndarray, np.generic)):
        if value.nbytes > _MAX_BYTES or value.dtype.kind not in 'biuf':
            return None
        return type(value), value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (tf.TensorShape, tf.DType)):
        return None
    return _key_of(value)


def is_on():
    """Are operations built so?"""
    return isinstance(getattr(sys.modules['tensorflow.python.framework.op_def_library']._apply_op_helper, '__self__',
                              None), _Builder)
