"""The plot of a calibration, drawn with Pillow alone: histograms of the distances, and the ROC curve."""

import numpy as np
from PIL import Image

from projector import statistics

SIZE, MARGIN = (480, 360), (56, 30, 16, 44)  # of a panel; left, top, right, bottom
COLORS = {'generated': (214, 92, 40), 'real': (50, 110, 180)}
INK, GRID = (40, 40, 40), (222, 222, 222)
NUM_BINS = 32


class _Panel:
    """A part of the picture with axes."""

    def __init__(self, canvas, left, title, x_range, y_range):
        from PIL import ImageDraw, ImageFont  # --help needs none
        self._draw = ImageDraw.Draw(canvas, 'RGBA')
        self._font = ImageFont.load_default()
        self._box = left + MARGIN[0], MARGIN[1], left + SIZE[0] - MARGIN[2], SIZE[1] - MARGIN[3]
        self._ranges = x_range, y_range
        self.text(left + MARGIN[0], 8, title)
        for share in np.linspace(0, 1, 6):
            x, y = [low + (high - low) * share for low, high in self._ranges]
            self.line([(x, y_range[0]), (x, y_range[1])], GRID, 1)
            self.line([(x_range[0], y), (x_range[1], y)], GRID, 1)
            self.text(self.point(x, 0)[0] - 3 * len(_number(x)), self._box[3] + 6, _number(x))
            self.text(left + MARGIN[0] - 8 - 6 * len(_number(y)), self.point(0, y)[1] - 6, _number(y))

    def point(self, x, y):
        (x0, x1), (y0, y1) = self._ranges
        left, top, right, bottom = self._box
        return left + (x - x0) / (x1 - x0) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top)

    def line(self, points, color, width=2):
        self._draw.line([self.point(*point) for point in points], fill=color, width=width)

    def bar(self, x0, x1, y, color):
        left, top = self.point(x0, y)
        right, bottom = self.point(x1, self._ranges[1][0])
        if bottom - top >= 1:
            self._draw.rectangle([left, top, max(left, right - 1), bottom], fill=color + (140,))

    def text(self, x, y, text):
        self._draw.text((x, y), text, fill=INK, font=self._font)

    def caption(self, text):
        self.text(self._box[0], self._box[3] + 24, text)

    def legend(self, entries):
        for row, (text, color) in enumerate(entries):
            left, top = self._box[2] - 150, self._box[1] + 6 + 16 * row
            self._draw.rectangle([left, top, left + 11, top + 11], fill=color)
            self.text(left + 18, top, text)


def _number(value):
    return '{:.3g}'.format(value)


def _range_end(value):
    """The next number whose fifths can be read, so that the grid has round numbers."""
    unit = 10 ** np.floor(np.log10(value / 5))
    return 5 * unit * next(step for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if 5 * unit * step >= value * (1 - 1e-9))


def calibration_plot(generated, reals, thresholds, title):
    """Histograms of the distances of both classes and the ROC curve, side by side.

    Args:
        generated, reals: Distances, floats.
        thresholds: Pairs (text, distance) drawn as lines into the histograms.
        title: Text above the histograms.
    Returns: PIL.Image, RGB.
    """
    canvas = Image.new('RGB', (2 * SIZE[0], SIZE[1]), (255, 255, 255))
    largest = _range_end(max(np.max(generated), np.max(reals), 1e-6))
    edges = np.linspace(0, largest, NUM_BINS + 1)
    counts = {'generated': np.histogram(generated, edges)[0], 'real': np.histogram(reals, edges)[0]}
    highest = 5 * (max(count.max() for count in counts.values()) // 5 + 1)  # the grid's five rows are whole pictures
    panel = _Panel(canvas, 0, title, (0, largest), (0, highest))
    for kind, count in counts.items():
        for low, high, number in zip(edges, edges[1:], count):
            panel.bar(low, high, number, COLORS[kind])
    for row, (text, distance) in enumerate(thresholds):
        panel.line([(distance, 0), (distance, highest)], INK, 1)
        panel.text(panel.point(distance, 0)[0] + 3, MARGIN[1] + 50 + 14 * row, text)
    panel.legend([('generated ({})'.format(len(generated)), COLORS['generated']),
                  ('real ({})'.format(len(reals)), COLORS['real'])])
    panel.caption('across: distance of the picture to its projection; up: number of pictures')
    false_rates, true_rates = statistics.roc(generated, reals)
    low, high = statistics.auc_interval(generated, reals)
    panel = _Panel(canvas, SIZE[0], 'ROC: area {:.4f}, 95% interval {:.4f} to {:.4f}'.format(
        statistics.auc(generated, reals), low, high), (0, 1), (0, 1))
    panel.line([(0, 0), (1, 1)], GRID)
    panel.line(_stairs(false_rates, true_rates), COLORS['generated'])
    panel.caption('across: share of real pictures called generated; up: of generated pictures')
    return canvas


def _stairs(xs, ys):
    points = [(xs[0], ys[0])]
    for x, y in zip(xs[1:], ys[1:]):
        points.append((x, points[-1][1]) if x > points[-1][0] and y > points[-1][1] else (x, y))
        points.append((x, y))
    return points
