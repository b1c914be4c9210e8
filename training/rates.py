"""How learning rates change during a training, as functions of the thousands of images shown; `--lr-schedule`.

TensorFlow is not needed. A schedule is written `NAME` or `NAME:KEY=VALUE,...`, such as `cosine:length=1000,min=1e-5`.
"""

import inspect
import math

from dnnlib.arguments import did_you_mean
from dnnlib.util import UserError


def constant(kimg, rate):
    """The rate, always.

    Args (of all these functions):
        kimg: Thousand images shown, counted from the `start` of the schedule, >= 0.
        rate: Learning rate of the configuration.
        further ones: Options; times are in thousand images.
    """
    del kimg
    return rate


def linear(kimg, rate, length, end=0.0):
    """From the rate to `end` within `length`, then `end`."""
    return rate + (end - rate) * min(kimg / length, 1.0)


def exponential(kimg, rate, length=1.0, end=None, gamma=None):
    """From the rate to `end` within `length` by a constant factor, then `end`; or times `gamma` every `length`."""
    if (end is None) == (gamma is None):
        raise UserError('exponential needs end=RATE or gamma=FACTOR, one of them')
    if gamma is not None:
        return rate * gamma ** (kimg / length)
    if not end > 0:
        raise UserError(f'exponential: end={end:g} must be above 0')
    return rate * (end / rate) ** min(kimg / length, 1.0)


def step(kimg, rate, at, gamma=0.1):
    """Times `gamma` at each of some moments, `at=10;15`."""
    return rate * gamma ** sum(kimg >= moment for moment in at)


def cosine(kimg, rate, length, min=0.0):
    """Half a cosine wave from the rate to `min` in `length`, then `min` (Loshchilov and Hutter 2017, equation 5)."""
    return min + (rate - min) * _half_wave(kimg / length)


def cosine_restarts(kimg, rate, length, mult=1.0, min=0.0, warmup=0.0):
    """Cosine waves, each from the rate to `min`, the first in `length`, the next in `mult` times that, and so on.

    Without `warmup` the rate jumps back (hard); with it, it rises from `min` within so many thousand images at the
    beginning of each wave but the first (soft), and the cosine takes the rest (Loshchilov and Hutter 2017, equation 5).
    """
    if mult < 1:
        raise UserError(f'cosine_restarts: mult={mult:g} must be at least 1')
    wave, begin = 0, 0.0
    if mult == 1:
        wave = int(kimg // length)
        begin = wave * length
    else:
        wave = int(math.log(kimg / length * (mult - 1) + 1, mult) + 1e-9)
        begin = length * (mult ** wave - 1) / (mult - 1)
        length *= mult ** wave
    passed, ramp = kimg - begin, warmup if wave else 0.0
    if passed < ramp:
        return min + (rate - min) * passed / ramp
    return min + (rate - min) * _half_wave((passed - ramp) / (length - ramp))


def cyclic(kimg, rate, up, down=None, min=0.0, mode='triangular', gamma=1.0):
    """Straight from `min` to the rate in `up` and back in `down`, by default as long, over and over (Smith 2017).

    `mode=triangular2`: the peaks above `min` halve from cycle to cycle; `mode=exp_range`: they are multiplied by
    `gamma` with every thousand images.
    """
    down = up if down is None else down
    cycle, place = divmod(kimg, up + down)
    share = place / up if place < up else (up + down - place) / down
    factors = dict(triangular=1.0, triangular2=0.5 ** cycle, exp_range=gamma ** kimg)
    if mode not in factors:
        raise UserError(f'cyclic: mode={mode} must be {", ".join(factors)}')
    return min + (rate - min) * share * factors[mode]


def _half_wave(share):
    """1 at a share of 0, 0 from a share of 1 on."""
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2


SCHEDULES = {function.__name__: function for function in (
    constant, linear, exponential, step, cosine, cosine_restarts, cyclic)}
POSITIVE = ('length', 'up', 'down', 'gamma')  # options that must be above 0
NUMBERS = ('min', 'end', 'mult', 'warmup', 'start') + POSITIVE  # options that are numbers, not negative


def parse(text):
    """(function, its options, start) of a schedule; raises UserError for what can't be."""
    name, _, rest = str(text).partition(':')
    if name not in SCHEDULES:
        raise UserError(f'learning rate {text!r}: unknown schedule {name!r}; {did_you_mean(name, SCHEDULES)}choose '
                        f'from {", ".join(SCHEDULES)}')
    parameters = dict(list(inspect.signature(SCHEDULES[name]).parameters.items())[2:])
    options = {}
    for item in filter(None, rest.split(',')):
        key, equals, value = item.partition('=')
        if not equals or key not in parameters and key != 'start':
            raise UserError(f'learning rate {text!r}: expected KEY=VALUE with a key of '
                            f'{", ".join(list(parameters) + ["start"])}, got {item!r}')
        if key in options:
            raise UserError(f'learning rate {text!r}: {key} is given twice')
        options[key] = _value(text, key, value)
    missing = [key for key, item in parameters.items() if item.default is item.empty and key not in options]
    if missing:
        raise UserError(f'learning rate {text!r}: {missing[0]} is missing, such as {missing[0]}='
                        f'{"10;15" if missing[0] == "at" else 100}')
    if options.get('warmup', 0) >= options.get('length', math.inf):
        raise UserError(f'learning rate {text!r}: warmup must be shorter than length')
    start = options.pop('start', 0.0)
    return SCHEDULES[name], options, start


def stretched(text, factor):
    """A schedule whose `length` and `start` are multiplied by a factor, for one that was published in steps."""
    name, colon, rest = text.partition(':')
    items = [item.partition('=') for item in rest.split(',')]
    return name + colon + ','.join(key + equals + (f'{float(value) * factor:.12g}' if key in ('length', 'start') else
                                                   value) for key, equals, value in items)


def _value(text, key, value):
    try:
        if key == 'at':
            return tuple(_finite(part) for part in value.split(';'))
        if key not in NUMBERS:
            return value
        number = _finite(value)
        if key in POSITIVE and number == 0:
            raise ValueError
        return number
    except ValueError:
        least = 'above 0' if key in POSITIVE else 'from 0 on'
        raise UserError(f'learning rate {text!r}: {key}={value} must be a number {least}') from None


def _finite(text):
    """A number from 0 on; raises ValueError for anything else."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(text)
    return number


def at(text, kimg, rate):
    """Learning rate of a schedule.

    Args:
        text: The schedule; `None` = constant.
        kimg: Thousand images shown.
        rate: Learning rate of the configuration.
    """
    if text is None:
        return rate
    function, options, start = parse(text)
    return function(max(kimg - start, 0.0), rate, **options)
