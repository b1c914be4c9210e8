"""What a network needs to know of its build function: the names of its inputs and options."""

import inspect
import re
from typing import NamedTuple

from dnnlib.util import UserError

MAX_INPUTS = 1000  # files name inputs as well, and a million placeholders would take minutes


class Signature(NamedTuple):
    """Inputs and options of a build function."""
    inputs: list       # names of the inputs in order
    options: list      # names of the options: the parameters with defaults
    accepts_any: bool  # other options as well, by `**kwargs`?


def read_signature(func, input_names=None):
    """Signature of a build function.

    Args:
        func: The function: first the inputs, parameters without default, or `*inputs`; then the options.
        input_names: Names of all inputs of a function with `*inputs`, list of texts; None for one without.
    Raises: UserError for names that don't fit the function; ValueError for a function without inputs.
    """
    parameters = inspect.signature(func).parameters.values()
    inputs = [p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    if input_names is not None:
        if not takes_any_inputs(func):
            raise UserError(f'input_names is for build functions with *inputs; those of {func.__name__} are '
                            f'{", ".join(inputs)}')
        inputs = _check_names(func, input_names, at_least=max(1, len(inputs)))
    if not inputs:
        raise ValueError(f'build function {func.__name__} has no parameter without default, so no input; name the '
                         'inputs of one with *inputs by input_names')
    return Signature(inputs, [p.name for p in parameters if p.default is not p.empty],
                     any(p.kind == p.VAR_KEYWORD for p in parameters))


def default_of(func, name):
    """Default of an option of a build function; raises KeyError if it has none of that name."""
    return inspect.signature(func).parameters[name].default


def takes_any_inputs(func):
    """Does a build function take `*inputs`?"""
    return any(p.kind == p.VAR_POSITIONAL for p in inspect.signature(func).parameters.values())


def numbered(count):
    """Names of the inputs of a function with `*inputs`, where a file only says how many there are."""
    if not isinstance(count, int) or not 1 <= count <= MAX_INPUTS:
        raise UserError(f'num_inputs: expected 1 to {MAX_INPUTS}, not {count!r:.40}')
    return [f'in{number}' for number in range(count)]


def _check_names(func, names, at_least):
    """The names as a list."""
    if not isinstance(names, (list, tuple)) or not at_least <= len(names) <= MAX_INPUTS or not all(
            isinstance(name, str) and re.match(r'[A-Za-z0-9.][A-Za-z0-9_.-]{,99}\Z', name) for name in names
    ) or len(set(names)) < len(names):
        raise UserError(f'input_names of {func.__name__}: expected a list of {at_least} to {MAX_INPUTS} different '
                        f'names of letters, digits, _, . and -, not {repr(names):.200}')
    return list(names)
