"""What latents are drawn from: `--latents`, by names such as `normal` or `truncated:0.8`."""

from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError

PLAIN = ('normal', 'uniform', 'bernoulli', 'censored', 'sign', 'ternary', 'gated')
STRENGTHS = ('truncated', 'scaled', 'hub')
HELP = ('normal; uniform: -1 to 1; truncated:0.8: normal, none beyond 0.8; scaled:0.8: normal times 0.8; hub:0.8: '
        'truncated at 2, then times 0.8; bernoulli: 0 or 1; censored: normal, 0 instead of negative ones; sign: -1 or '
        '1; ternary: -1, 0 or 1; gated: normal or, half of them, 0; normal*100+sign*20: parts of Z differ')


class Prior(NamedTuple):
    """A distribution of the components of Z, which are independent."""
    name: str          # in PLAIN or STRENGTHS
    strength: float    # of those in STRENGTHS, else 1


def parse(text):
    """What a name stands for: list of (Prior, number of components of Z that are drawn from it); None = all of them.

    Raises: UserError naming what there is.
    """
    if '*' not in str(text):
        return [(_prior_of(text), None)]
    found = []
    for part in str(text).split('+'):
        name, _, count = part.rpartition('*')
        if not count.isdigit() or not int(count):
            raise UserError(f'--latents={text}: expected the number of components of each part, such as '
                            'normal*100+sign*20')
        found.append((_prior_of(name), int(count)))
    return found


def shapes_of(text, shape):
    """What a name stands for in latents of a shape, list of ints: list of (Prior, shape of its part).

    Raises: UserError if the parts of a name do not make up Z.
    """
    found, shape = parse(text), list(shape)
    if found[0][1] is None:
        return [(found[0][0], shape)]
    total = sum(count for _, count in found)
    if total != shape[-1]:
        raise UserError(f'--latents={text}: the parts have {total} components, but Z has {shape[-1]}')
    return [(prior, shape[:-1] + [count]) for prior, count in found]


def _prior_of(text):
    name, colon, number = str(text).partition(':')
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        strength = -1.0
    if name not in PLAIN + STRENGTHS or bool(colon) != (name in STRENGTHS) or not 0.01 <= strength <= 100:
        raise UserError(f'--latents={text}: expected {", ".join(PLAIN)}, or a number from 0.01 to 100 after '
                        f'{", ".join(other + ":" for other in STRENGTHS)} such as truncated:0.8')
    return Prior(name, strength)


def draw(rnd, shape, prior):
    """Latents of a distribution.

    Args:
        rnd: np.random.RandomState.
        shape: Their shape, tuple or list.
        prior: Name of the distribution, see `parse`.
    Returns: float64 array.
    Raises: UserError, see `shapes_of`.
    """
    parts = [_draw(rnd, part, *one) for one, part in shapes_of(prior, shape)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _draw(rnd, shape, name, strength):
    if name == 'uniform':
        return rnd.uniform(-1, 1, shape)
    if name in ('bernoulli', 'sign', 'ternary'):
        numbers = rnd.randint(3 if name == 'ternary' else 2, size=shape).astype(np.float64)
        return numbers if name == 'bernoulli' else numbers * 2 - 1 if name == 'sign' else numbers - 1
    found = rnd.randn(*shape)
    if name in ('truncated', 'hub'):
        limit = strength if name == 'truncated' else 2
        while True:
            beyond = np.abs(found) > limit
            if not beyond.any():
                break
            found[beyond] = rnd.randn(int(beyond.sum()))
    if name in ('scaled', 'hub'):
        found *= strength
    if name == 'censored':
        found = np.maximum(found, 0)
    if name == 'gated':
        found *= rnd.randint(2, size=shape)
    return found
