"""What tells calls that make operations from others, for `graph_building`: inputs, attributes, values of constants."""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

_MAX_BYTES = 4096  # of an array whose value is kept
_PLAIN = (bool, int, str, bytes, type(None))


class Input(NamedTuple):
    """An input of a kind of operation."""
    name: str        # of the argument
    is_list: bool    # a list of tensors?
    is_ref: bool     # of a variable that the operation changes?
    dtype: object    # its type, tf.DType; None = see `attr`
    attr: str        # attribute that holds the type
    default: object  # type that is preferred where no input before it has that attribute; None = none is
    allowed: object  # the types that are possible then, as their numbers; None = all


def inputs_of(definition):
    """The inputs of a type of operation, list of Input; None if it takes functions or is deprecated.

    Args:
        definition: OpDef.
    """
    attrs, found = {attr.name: attr for attr in definition.attr}, []
    if definition.deprecation.version or any(attr.type in ('func', 'list(func)') for attr in definition.attr):
        return None
    for arg in definition.input_arg:
        attr = attrs.get(arg.type_attr)
        has_default = attr is not None and attr.HasField('default_value')
        found.append(Input(
            arg.name, bool(arg.number_attr or arg.type_list_attr), arg.is_ref,
            tf.as_dtype(arg.type) if arg.type else None, arg.type_attr,
            tf.as_dtype(attr.default_value.type) if has_default else None,
            list(attr.allowed_values.list.type) if has_default and attr.HasField('allowed_values') else None))
    return found


def key_of(value):
    """What tells an attribute of a call from others: its value with the types in it; None if that is not known."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if kind in (list, tuple):
        items = tuple([key_of(item) for item in value])
        return None if None in items else (kind, items)
    if kind is float:
        return kind, repr(value)  # tells zeros from each other, and finds what is no number
    if isinstance(value, tf.DType):
        return kind, value._type_enum
    if kind is tf.TensorShape:
        return kind, None if value.rank is None else tuple(value.as_list())
    if kind is tf.Dimension:
        return kind, value.value
    if isinstance(value, np.generic) and value.dtype.kind in 'biuf':
        return kind, value.tobytes()
    return None


def key_of_constant(value):
    """The same of the value of a constant, which may be an array as well, and nothing of TensorFlow."""
    if isinstance(value, np.ndarray):
        if value.nbytes > _MAX_BYTES or value.dtype.kind not in 'biuf':
            return None
        return np.ndarray, value.dtype.str, value.shape, value.tobytes()
    return None if isinstance(value, (tf.TensorShape, tf.DType, tf.Dimension, type(None))) else key_of(value)
