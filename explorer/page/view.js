// The view: everything that says which picture is shown, and how it stands in the URL's fragment.

import {clamp} from './dom.js';

export const SEEDS = 2 ** 32;

/** The view at the start. Moves: [{method, index, strength, layers: [first, last] or null}]. */
export function initial() {
  return {x: 0, y: 0, psi: null, cutoff: null, mix: 1, mixed: [], noise: null, noiseseed: 0, class: null, moves: [],
    slot: null, picture: null, domain: 0, labels: [], direction: null, grid: false};
}

/** '0-3,6' of [0, 1, 2, 3, 6]. */
export function joinLayers(layers) {
  const sorted = [...layers].sort((a, b) => a - b);
  const spans = [];
  for (const layer of sorted) {
    const last = spans[spans.length - 1];
    if (last && layer === last[1] + 1) {
      last[1] = layer;
    } else {
      spans.push([layer, layer]);
    }
  }
  return spans.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** The inverse of `joinLayers`; layers from `count` on are left out. */
export function splitLayers(text, count) {
  const found = new Set();
  for (const [, first, last] of text.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let layer = Number(first); layer <= Math.min(Number(last || first), count - 1); layer++) {
      found.add(layer);
    }
  }
  return [...found];
}

/** A short text of a coordinate or strength: at most three digits after the point. */
const number = (value) => String(Number(value.toFixed(3)));

/** The seed at or closest to a view's place in the plane. */
export function seedOf(view) {
  const seed = Math.round(view.x) + 100 * Math.round(view.y);
  return ((seed % SEEDS) + SEEDS) % SEEDS;
}

export const isWhole = (view) => Number.isInteger(view.x) && Number.isInteger(view.y);

/** Does the network draw from a place in the seed plane? */
export const hasPlane = (info) => info.kind === 'style' || info.kind === 'plain' || Boolean(info.styles);

/** The query of a view as the server takes it: only what the network of `info` has. */
export function query(view, info) {
  const q = new URLSearchParams();
  if (hasPlane(info) && view.slot === null) {
    q.set('x', number(view.x));
    if (view.y !== 0) {
      q.set('y', number(view.y));
    }
  }
  if (view.slot !== null) {
    q.set('slot', view.slot);
  }
  if (info.psi && view.psi !== null) {
    q.set('psi', number(view.psi));
  }
  if (info.psi && view.cutoff !== null && view.cutoff !== info.cutoff) {
    q.set('cutoff', view.cutoff);
  }
  if (info.layers && view.mixed.length) {
    q.set('mix', view.mix);
    q.set('mixed', joinLayers(view.mixed));
  }
  if (info.noise.includes(view.noise) && view.noise !== info.noise[0]) { // the first is what happens without it
    q.set('noise', view.noise);
    if (view.noise === 'random') {
      q.set('noiseseed', view.noiseseed);
    }
  }
  if (info.classes.length && view.class !== null) {
    q.set('class', view.class);
  }
  for (const {method, index, strength, layers} of view.moves) {
    if (strength !== 0 && info.directions.includes(method)) {
      const where = layers === null ? '' : `:${joinLayers(range(layers))}`;
      q.append('move', `${method}.${index}:${number(strength)}${where}`);
    }
  }
  if (view.picture !== null && info.pictures.includes('translate')) {
    q.set('picture', view.picture);
    if (info.domains.length) {
      q.set('domain', view.domain);
    }
    if (info.labels.length && view.labels.length) {
      q.set('labels', view.labels.join(','));
    }
    if (info.translations && info.translations.length > 1 && view.direction !== null) {
      q.set('direction', view.direction);
    }
  }
  return q;
}

/** [first, ..., last] */
export function range([first, last]) {
  return Array.from({length: last - first + 1}, (_, i) => first + i);
}

/** The fragment of a view: its query, whether the grid is shown, and what its numbers belong to. */
export function fragment(view, info) {
  const q = query(view, info);
  if (view.grid) {
    q.set('grid', 1);
  }
  if (q.has('slot') || q.has('picture')) {
    q.set('server', info.server);
  }
  q.set('network', info.network.name);
  return q;
}

const finite = (text) => (text !== null && text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : null);

const natural = (text, limit = SEEDS) => {
  const value = finite(text);
  return value === null ? null : clamp(Math.round(value), 0, limit - 1);
};

/** The view of a fragment (URLSearchParams); what is missing or wrong has its initial value. */
export function parse(q, info) {
  const view = initial();
  view.x = clamp(finite(q.get('x')) ?? 0, -SEEDS, SEEDS);
  view.y = clamp(finite(q.get('y')) ?? 0, -1e7, 1e7);
  view.psi = q.has('psi') ? clamp(finite(q.get('psi')) ?? 0.5, -2, 2) : null;
  view.cutoff = q.has('cutoff') ? natural(q.get('cutoff'), info.layers + 1) : null;
  view.mix = natural(q.get('mix')) ?? view.mix;
  view.mixed = splitLayers(q.get('mixed') || '', info.layers);
  view.noise = info.noise.includes(q.get('noise')) ? q.get('noise') : null;
  view.noiseseed = natural(q.get('noiseseed')) ?? 0;
  view.class = q.has('class') ? natural(q.get('class')) : null;
  view.moves = q.getAll('move').map((text) => moveOf(text, info)).filter((move) => move !== null);
  view.domain = natural(q.get('domain')) ?? 0;
  view.labels = (q.get('labels') || '').split(',').map((text) => natural(text)).filter((value) => value !== null);
  view.direction = q.get('direction');
  view.grid = q.get('grid') === '1';
  if (Number(q.get('server')) === info.server) { // numbers of another server mean other pictures
    view.slot = natural(q.get('slot'));
    view.picture = natural(q.get('picture'));
  }
  return view;
}

function moveOf(text, info) {
  const [, method, index, strength, layers] = text.match(/^(\w+)\.(\d+):(-?[\d.]+)(?::([\d,-]+))?$/) || [];
  if (!info.directions.includes(method) || finite(strength) === null) {
    return null;
  }
  const found = splitLayers(layers || '', info.layers);
  return {method, index: Number(index), strength: clamp(Number(strength), -20, 20),
    layers: found.length ? [Math.min(...found), Math.max(...found)] : null};
}
