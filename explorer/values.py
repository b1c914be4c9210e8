"""Parameters of requests: every number finite and within its range, every name one of those that exist."""

import json
import math
import re
import urllib.parse

from explorer.errors import Refused

SEEDS = 2 ** 32
_NUMBER = re.compile(r'[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,3})?')
_LIST = re.compile(r'[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?){0,63}')


def number(low, high):
    """A function of a name and a text or number that returns a float in [low, high]; it raises Refused."""
    def parse(name, value):
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Refused(f'{name} must be a number from {low:.16g} to {high:.16g}')
        if not low <= value <= high or not math.isfinite(value):  # a huge int is compared exactly, and never converted
            raise Refused(f'{name} must be a finite number from {low:.16g} to {high:.16g}')
        return float(value)
    return parse


def whole(low, high):
    """The same for whole numbers, as int."""
    def parse(name, value):
        if isinstance(value, str) and re.fullmatch('-?[0-9]{1,19}', value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Refused(f'{name} must be a whole number from {low} to {high}')
        return value
    return parse


def choice(*names):
    """The same for one of some names; whole numbers stand for themselves as texts."""
    listed = ', '.join(filter(None, names)) + (', or empty' if '' in names else '')

    def parse(name, value):
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or value not in names:
            raise Refused(f'{name} must be one of {listed}')
        return value
    return parse


def yes_or_no(name, value):
    """A bool of JSON."""
    if not isinstance(value, bool):
        raise Refused(f'{name} must be true or false')
    return value


def numbers(name, value):
    """Whole numbers and ranges, such as `0-3,6`, as a sorted tuple of different ints below 10,000."""
    if not isinstance(value, str) or not _LIST.fullmatch(value):
        raise Refused(f'{name} must be numbers and ranges such as 0-3,6')
    found = set()
    for part in value.split(','):
        first, _, last = part.partition('-')
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def of_query(text, known, several=()):
    """Parameters of a query string.

    Args:
        text: The string after `?`.
        known: {name: function of (name, text) that returns the value}.
        several: Names that may be given several times; their values are lists.
    Returns: {name: value} of those that are given.
    Raises: Refused for others, or bad values.
    """
    try:
        pairs = text and urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors='strict')
    except ValueError:
        raise Refused('the query is not made of name=value, joined by &') from None
    found = {}
    for name, value in pairs:
        if name not in known:
            raise Refused(f'unknown parameter {shown(name)}')
        if name in several:
            found.setdefault(name, []).append(known[name](name, value))
        elif name in found:
            raise Refused(f'{name} is given twice')
        else:
            found[name] = known[name](name, value)
    return found


def of_body(body, known, needed=()):
    """Fields of a JSON object in a body, bytes; like `of_query`, with `needed` names that must be there."""
    try:
        fields = json.loads(body.decode('utf-8'), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused('the body is not JSON') from None
    if not isinstance(fields, dict):
        raise Refused('the body must be a JSON object')
    for name in fields:
        if name not in known:
            raise Refused(f'unknown field {shown(name)}')
    for name in needed:
        if name not in fields:
            raise Refused(f'the field {name} is missing')
    return {name: known[name](name, value) for name, value in fields.items()}


def _refuse_constant(_text):
    raise ValueError('JSON knows no NaN and no infinity')


def shown(name):
    """A name that somebody sent, as messages show it: without odd characters, and cut."""
    return re.sub('[^0-9A-Za-z_. -]', '?', name[:30]) or 'without a name'
