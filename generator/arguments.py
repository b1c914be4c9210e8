"""What is checked of the arguments of `library.Generator`."""

import math

import numpy as np

from dnnlib.util import UserError


def is_whole(value):
    """Is it a whole number? True and False are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def seeds(given):
    """The seeds of `Generator.generate` as a list of int; raises UserError."""
    try:
        found = None if isinstance(given, (str, bytes, dict)) else list(given)
    except TypeError:
        found = None
    if not found or not all(is_whole(seed) and 0 <= seed < 2 ** 32 for seed in found):
        raise UserError('seeds must be a list of whole numbers from 0 to 4294967295, such as [1, 2], not '
                        f'{short(given)}')
    return [int(seed) for seed in found]


def psi(value):
    """The strength of the truncation as a float; raises UserError."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise UserError(f'truncation_psi must be a finite number, such as 0.7, not {short(value)}')
    return float(value)


def text(class_name):
    """A class as on the command line, where numbers are texts."""
    return None if class_name is None else str(class_name)


def short(value):
    """A value for messages."""
    line = ' '.join(repr(value).split())
    return line if len(line) <= 60 else line[:57] + '...'
