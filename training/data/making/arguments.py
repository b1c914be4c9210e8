"""Types of arguments of `dataset_tool.py`; what they refuse is one line."""

import argparse
import re

from PIL import ImageColor

from training.data.making.boxes import Margin


def positive(text):
    """A whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a positive number, got {text!r}')
    return int(text)


def color(text):
    """A color such as white or #ff8000: (red, green, blue)."""
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected a color such as white or #ff8000, got {text!r}') from None


def aspect_range(text):
    """The smallest and the largest width / height such as 0.5,2: two floats."""
    match = re.match(r'([0-9.]+),([0-9.]+)$', text)
    try:
        low, high = float(match.group(1)), float(match.group(2))
        if not 0 < low <= high:
            raise ValueError(text)
        return low, high
    except (AttributeError, ValueError):
        raise argparse.ArgumentTypeError(
            f'expected the smallest and the largest width/height such as 0.5,2, got {text!r}') from None


def bbox(text):
    """FILE or FILE:MARGIN, such as boxes.csv:0.1, :10% or :10px: the name of the file and the margin, boxes.Margin."""
    match = re.match(r'(.+?)(?::([0-9.]+)(%|px)?)?$', text)
    try:
        number, unit = float(match.group(2) or 0), match.group(3)
        return match.group(1), Margin(pixels=number) if unit == 'px' else Margin(number / (100 if unit else 1))
    except (AttributeError, ValueError):
        raise argparse.ArgumentTypeError(f'expected FILE, FILE:0.1, FILE:10% or FILE:10px, got {text!r}') from None
