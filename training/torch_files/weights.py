"""The tensors and attributes of one PyTorch network, for those who make one of ours from them."""

import re

import numpy as np

from dnnlib.files import network_file, torch_file
from dnnlib.util import UserError
from training.torch_files import names

_IGNORED = re.compile(r'(.*\.)?(resample_filter|kernel|w_avg)$')  # filters: see `Weights.resample_kernel`


class Weights:
    """The tensors of one network, taken one by one, so that those which are left over are noticed.

    Args:
        title: Name of the network in the file.
        module: torch_file.Module, or a state dictionary.
    Raises: UserError if it has parts of unknown classes.
    """

    def __init__(self, title, module):
        self._title = title
        refused = network_file.refused_in(module)
        if refused is not None:
            raise self.error(f'consists of {refused}, which is unknown here')
        self.arrays = torch_file.tensors_in(module)
        self._parts = module.parts() if isinstance(module, torch_file.Module) else []

    def error(self, message):
        """UserError about this network."""
        return UserError(f'{self._title}: {message}')

    def numbers(self, pattern):
        """Sorted numbers that a regular expression finds in the beginnings of names."""
        return sorted({int(match.group(1)) for match in map(re.compile(pattern).match, self.arrays) if match})

    def attribute(self, pattern, key, default=None):
        """The attribute `key` that all modules have whose paths match; `default` if none has it."""
        found = [state[key] for path, state in self._parts if re.match(pattern + '$', path) and key in state]
        for value in found:
            if not isinstance(value, (int, float, str, np.generic, type(None))):
                raise self.error(f'its attribute {key} is a {type(value).__name__}')
            if value != found[0]:
                raise self.error(f'its layers have different {key}')
        return found[0] if found else default

    def count(self, pattern, key):
        """Number of modules whose paths match and whose attribute is True."""
        return sum(state.get(key) is True for path, state in self._parts if re.match(pattern + '$', path))

    def variables(self, table):
        """Our variables: dictionary of float32 arrays by name."""
        return {entry.name: self.take(entry.torch, entry.kind) for entry in table}

    def take(self, name, kind):
        """One tensor as one of our variables; kind: key of torch_names.KINDS."""
        if name not in self.arrays:
            raise self.error(f'its tensor {name} is missing')
        array = self.arrays.pop(name)
        try:
            value = names.KINDS[kind].from_torch(array.astype(np.float32))
            if value.ndim != names.KINDS[kind].ndim:
                raise ValueError(f'{value.ndim} axes')
            return np.array(value, order='C')[()]
        except (ValueError, IndexError) as error:
            raise self.error(f'its tensor {name} has the shape {list(array.shape)}') from error

    def resample_kernel(self):
        """The filter of all layers as numbers whose sum is 1; None = [1, 3, 3, 1], the usual one."""
        filters = [np.atleast_1d(array) for name, array in self.arrays.items() if name.endswith(
            ('resample_filter', '.kernel')) and array.size]
        rows = []
        for array in filters:
            with np.errstate(all='ignore'):
                taps = array.astype(np.float64) / array.sum()
            rows.append(taps if taps.ndim == 1 else taps.sum(axis=0))
            if taps.ndim > 2 or rows[-1].shape != rows[0].shape or not np.allclose(rows[-1], rows[0], atol=1e-5) or (
                    taps.ndim == 2 and (taps.shape[0] != taps.shape[1] or not np.allclose(
                        taps, np.outer(rows[-1], rows[-1]), atol=1e-5))):
                raise self.error('its layers have different filters, or some that are no products of rows')
        if not rows or len(rows[0]) == 4 and np.allclose(rows[0], [0.125, 0.375, 0.375, 0.125], atol=1e-5):
            return None
        return [float(x) for x in rows[0]]

    def finish(self):
        """Raises UserError if there are tensors that nobody took."""
        left = [name for name in self.arrays if not _IGNORED.match(name)]
        if left:
            raise self.error(f"has tensors that our networks do not have: {', '.join(left[:4]):.200}")


def add_unusual(options, items):
    """Adds those options (name, value, usual value) whose values are not the usual ones."""
    options.update((key, value) for key, value, usual in items if value != usual)


def number(value):
    """A number as int or float; None for anything else."""
    if not isinstance(value, (int, float, np.generic)):
        return None
    return int(value) if float(value).is_integer() else float(value)
