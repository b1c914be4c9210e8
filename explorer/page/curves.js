// Curves of numbers over time, drawn on canvases by this file alone.

import {make, short} from './dom.js';

const DARK = ['#78b7f8', '#f2a65a', '#83d694', '#d9a3f5', '#f58ea8', '#6fd3d3'];
const LIGHT = ['#0a5cbd', '#a85300', '#1d7a35', '#7b3fb5', '#c0264f', '#00767a'];
const FEW = 20; // points that are not smoothed: metrics are measured now and then
const FLAT = 1e-6; // of their size: differences that only rounding makes
const LEFT = 46;
const BOTTOM = 18;

/** Color of the i-th run, for the color scheme in use. */
export function colorOf(i) {
  const colors = matchMedia('(prefers-color-scheme: light)').matches ? LIGHT : DARK;
  return colors[i % colors.length];
}

/** Exponential moving average of [[x, y]], without the bias of its start; `weight` in [0, 1), 0 = unchanged. */
export function smooth(points, weight) {
  let sum = 0;
  let share = 0;
  return points.map(([x, y]) => {
    sum = weight * sum + (1 - weight) * y;
    share = weight * share + (1 - weight);
    return [x, sum / share];
  });
}

/** Round numbers in [low, high], about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

/** Decimal powers in [low, high], with 2 and 5 times them if there are few. */
export function logTicks(low, high) {
  const powers = [];
  for (let i = Math.floor(Math.log10(low)); i <= Math.ceil(Math.log10(high)); i++) {
    powers.push(10 ** i);
  }
  const fine = powers.flatMap((power) => [power, 2 * power, 5 * power]);
  const within = (values) => values.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  return within(powers).length >= 3 ? within(powers) : within(fine);
}

/** At most two points for each of `width` columns, so that long runs stay fast to draw: lowest and highest. */
export function thin(points, width) {
  if (points.length <= 4 * width) {
    return points;
  }
  const size = points.length / width;
  const kept = [];
  for (let i = 0; i < width; i++) {
    const column = points.slice(Math.floor(i * size), Math.floor((i + 1) * size));
    const sorted = [...column].sort((a, b) => a[1] - b[1]);
    kept.push(...[sorted[0], sorted[sorted.length - 1]].sort((a, b) => a[0] - b[0]));
  }
  return kept;
}

/** A figure with one quantity. `show` takes series of {name, color, dash, points: [[x, y]]}. */
export class Chart {
  constructor(title) {
    this.text = make('span');
    this.canvas = make('canvas', {role: 'img', 'aria-label': title});
    this.figure = make('figure', {class: 'chart'}, make('figcaption', {}, make('b', {}, title), this.text),
      this.canvas);
    this.title = title;
    this.series = [];
    this.at = null;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.canvas.addEventListener('pointermove', (event) => {
      this.at = event.offsetX;
      this.draw();
    });
    this.canvas.addEventListener('pointerleave', () => {
      this.at = null;
      this.draw();
    });
  }

  /** Shows `series`; `smoothing` in [0, 1), `log` = logarithmic vertical axis, `unit` of the horizontal one. */
  show(series, {smoothing, log, unit}) {
    Object.assign(this, {log, unit});
    this.series = series.map((one) => {
      const points = one.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!log || y > 0));
      const raw = smoothing > 0 && points.length >= FEW;
      return {...one, points, raw, line: raw ? smooth(points, smoothing) : points};
    }).filter((one) => one.points.length > 0);
    this.draw();
  }

  _limits() {
    const xs = this.series.flatMap(({points}) => [points[0][0], points[points.length - 1][0]]);
    const ys = this.series.flatMap(({line, points}) => (line.length > 3 ? line : points)).map(([, y]) => y);
    let [x0, x1] = [Math.min(...xs), Math.max(...xs)];
    let [y0, y1] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
    if (x0 === x1) {
      [x0, x1] = [Math.min(0, x0), x1 || 1];
    }
    if (this.log) {
      [y0, y1] = y1 - y0 < FLAT * y1 ? [y0 / 2, y1 * 2] : [y0 / 1.1, y1 * 1.1];
    } else {
      const size = Math.max(Math.abs(y0), Math.abs(y1));
      const margin = y1 - y0 <= FLAT * size ? size * 0.5 || 1 : (y1 - y0) * 0.06;
      [y0, y1] = [y0 - margin, y1 + margin];
    }
    return {x0, x1, y0, y1};
  }

  draw() {
    const {canvas} = this;
    const [width, height, density] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
    if (!width || !height) {
      return;
    }
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = canvas.getContext('2d');
    context.scale(density, density);
    const style = getComputedStyle(canvas);
    context.font = `11px ${style.fontFamily}`;
    if (!this.series.length) {
      context.fillStyle = style.getPropertyValue('--muted');
      context.fillText(this.log ? 'nothing above 0' : 'no numbers yet', LEFT, height / 2);
      this.text.textContent = '';
      return;
    }
    const {x0, x1, y0, y1} = this._limits();
    const across = (x) => LEFT + (x - x0) / (x1 - x0) * (width - LEFT - 6);
    const scale = this.log ? Math.log : (y) => y;
    const up = (y) => height - BOTTOM - (scale(y) - scale(y0)) / (scale(y1) - scale(y0)) * (height - BOTTOM - 8);
    this._axes(context, style, {width, height, across, up, x0, x1, y0, y1});
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT, height - BOTTOM + 1);
    context.clip();
    context.lineJoin = 'round';
    for (const {color, dash, points, line, raw} of this.series) {
      const stroke = (list, alpha) => {
        context.globalAlpha = alpha;
        context.strokeStyle = color;
        context.fillStyle = color;
        context.lineWidth = 1.6;
        context.setLineDash(dash ? [5, 3] : []);
        context.beginPath();
        thin(list, width).forEach(([x, y]) => context.lineTo(across(x), up(y)));
        context.stroke();
        if (list.length === 1 && dash) { // around the one of the solid line, if that has the same value
          context.setLineDash([]);
          context.strokeRect(across(list[0][0]) - 4.5, up(list[0][1]) - 4.5, 9, 9);
        } else if (list.length === 1) {
          context.fillRect(across(list[0][0]) - 2.5, up(list[0][1]) - 2.5, 5, 5);
        }
      };
      if (raw) {
        stroke(points, 0.25);
      }
      stroke(line, 1);
    }
    context.restore();
    this._label(context, style, {width, height, across, x0, x1});
  }

  _axes(context, style, {width, height, across, up, x0, x1, y0, y1}) {
    context.strokeStyle = style.getPropertyValue('--line');
    context.fillStyle = style.getPropertyValue('--muted');
    context.lineWidth = 1;
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    for (const y of this.log ? logTicks(y0, y1) : ticks(y0, y1, 4)) {
      context.beginPath();
      context.moveTo(LEFT, Math.round(up(y)) + 0.5);
      context.lineTo(width, Math.round(up(y)) + 0.5);
      context.stroke();
      context.fillText(short(y), LEFT - 6, up(y));
    }
    context.textBaseline = 'alphabetic';
    context.textAlign = 'center';
    for (const x of ticks(x0, x1, Math.max(2, Math.floor(width / 90)))) {
      context.fillText(short(x), Math.min(across(x), width - 12), height - 4);
    }
  }

  _label(context, style, {width, height, across, x0, x1}) {
    let x = null;
    if (this.at !== null) {
      x = x0 + (Math.min(Math.max(this.at, LEFT), width - 6) - LEFT) / (width - LEFT - 6) * (x1 - x0);
      context.strokeStyle = style.getPropertyValue('--edge');
      context.beginPath();
      context.moveTo(Math.round(across(x)) + 0.5, 0);
      context.lineTo(Math.round(across(x)) + 0.5, height - BOTTOM);
      context.stroke();
    }
    const values = this.series.map(({line}) => (x === null ? line[line.length - 1] : nearest(line, x)));
    const words = values.map(([, y]) => short(y)).join(' · ');
    this.text.textContent = x === null ? words : `${words} at ${short(values[0][0])} ${this.unit}`;
    const spoken = this.series.map(({name, line}) => `${name} ${short(line[line.length - 1][1])}`).join(', ');
    this.canvas.setAttribute('aria-label', `${this.title}: ${spoken}`);
  }
}

/** The point of `points` (sorted by x) that is closest to `x`. */
export function nearest(points, x) {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    [low, high] = points[middle][0] < x ? [middle, high] : [low, middle];
  }
  return x - points[low][0] < points[high][0] - x ? points[low] : points[high];
}
