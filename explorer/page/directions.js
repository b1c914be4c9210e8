// Directions of W: found by the server in the background, then one slider for each, with the layers that it moves.

import {get} from './api.js';
import {byId, clamp, make, options, toast} from './dom.js';

const NAMES = {sefa: 'Weights (SeFa)', pca: 'Samples (PCA)', labels: 'Classes'};
const POLL = 400; // milliseconds

export class Directions {
  constructor(explore) {
    this.explore = explore;
    this.found = new Map(); // method -> {promise, list: null until it is found, error, progress}
    byId('find').addEventListener('click', () => this.find(byId('method').value));
    byId('method').addEventListener('change', () => this.sync());
    byId('zero').addEventListener('click', () => this.explore.change({moves: []}));
  }

  /** Forgets those of the network before. */
  open() {
    this.found.clear();
    this.rows = null;
    options(byId('method'), this.explore.info.directions.map((method) => [method, NAMES[method] || method]));
  }

  /** A promise that the directions of all `moves` (of a query) are known to the server; null if they are. */
  pending(moves) {
    const methods = [...new Set(moves.map((move) => move.split('.')[0]))];
    const unknown = methods.map((method) => this.find(method)).filter(({list, error}) => list === null && !error);
    return unknown.length ? Promise.all(unknown.map(({promise}) => promise)) : null;
  }

  /** Starts to find the directions of a method, unless that has been done. */
  find(method) {
    let entry = this.found.get(method);
    if (!entry || entry.error) {
      entry = {list: null, error: null, progress: 0};
      this.found.set(method, entry);
      entry.promise = this._poll(method, entry);
      this.sync();
    }
    return entry;
  }

  async _poll(method, entry) {
    const query = new URLSearchParams({method});
    try {
      for (;;) {
        const answer = await get('directions', {query});
        if (answer.state === 'ready') {
          entry.list = answer.directions;
          break;
        }
        entry.progress = answer.progress;
        this.sync();
        await new Promise((resolve) => setTimeout(resolve, POLL));
      }
    } catch (error) {
      entry.error = error.message;
      toast(error.message, true);
    }
    this.sync();
  }

  /** Shows the sliders of the chosen method, and those of others that are in use. */
  sync() {
    const {info, view} = this.explore;
    if (!info || !info.directions.length) {
      return;
    }
    const method = byId('method').value;
    const entry = this.found.get(method);
    byId('directions-progress').hidden = !entry || entry.list !== null || Boolean(entry.error);
    byId('directions-progress').value = entry ? entry.progress : 0;
    byId('find').hidden = Boolean(entry && entry.list);
    byId('find').disabled = Boolean(entry && entry.list === null && !entry.error);
    byId('zero').hidden = view.moves.length === 0;
    byId('directions-text').hidden = Boolean(entry && entry.list);
    const wanted = (entry && entry.list ? entry.list : []).map(({index, name}) => ({method, index, name}));
    for (const move of view.moves) {
      if (!wanted.some((row) => row.method === move.method && row.index === move.index)) {
        wanted.push({method: move.method, index: move.index, name: null});
      }
    }
    const rows = JSON.stringify([wanted, info.layers]);
    if (rows !== this.rows) {
      this.rows = rows;
      byId('direction-list').replaceChildren(...wanted.map((row) => this._row(row)));
    }
    for (const {method: by, index} of wanted) {
      const move = this._move(by, index);
      const id = `move-${by}-${index}`;
      for (const part of ['', '-number']) {
        const input = byId(id + part);
        if (input.valueAsNumber !== move.strength) {
          input.value = move.strength;
        }
      }
      const [first, last] = move.layers || [0, info.layers - 1];
      byId(`${id}-first`).value = first;
      byId(`${id}-last`).value = last;
    }
  }

  _move(method, index) {
    return this.explore.view.moves.find((move) => move.method === method && move.index === index)
      || {method, index, strength: 0, layers: null};
  }

  _change(method, index, patch, moving) {
    const {view, info} = this.explore;
    const move = {...this._move(method, index), ...patch};
    const others = view.moves.filter((other) => other.method !== method || other.index !== index);
    const kept = move.strength !== 0 || move.layers !== null;
    if (kept && others.length >= info.limits.moves) {
      toast(`At most ${info.limits.moves} directions at a time; set another to zero first.`);
      this.rows = null;
      this.sync();
      return;
    }
    const at = view.moves.findIndex((other) => other.method === method && other.index === index);
    const moves = [...view.moves];
    moves.splice(at < 0 ? moves.length : at, at < 0 ? 0 : 1, ...(kept ? [move] : []));
    this.explore.change({moves}, moving, moving);
  }

  _row({method, index, name}) {
    const id = `move-${method}-${index}`;
    const text = name || `${method} ${index + 1}`;
    const set = (target, low, high, moving) => {
      if (Number.isFinite(target.valueAsNumber)) {
        this._change(method, index, {strength: clamp(target.valueAsNumber, low, high)}, moving);
      }
    };
    const {layers} = this.explore.info;
    const layer = (part, label) => {
      const select = make('select', {id: `${id}-${part}`, 'aria-label': `${text}: ${label} layer`, change: () => {
        let [first, last] = [Number(byId(`${id}-first`).value), Number(byId(`${id}-last`).value)];
        [first, last] = first > last ? [last, first] : [first, last];
        this._change(method, index, {layers: first === 0 && last === layers - 1 ? null : [first, last]}, false);
      }});
      options(select, Array.from({length: layers}, (_, i) => [i, i]));
      return select;
    };
    return make('div', {class: 'direction'}, make('label', {for: id, title: text}, text),
      make('input', {type: 'range', id, min: -5, max: 5, step: 0.05, input: ({target}) => set(target, -5, 5, true),
        change: ({target}) => set(target, -5, 5, false),
        dblclick: () => this._change(method, index, {strength: 0}, false)}),
      make('input', {type: 'number', id: `${id}-number`, min: -20, max: 20, step: 0.5,
        'aria-label': `${text}, as a number`,
        change: ({target}) => set(target, -20, 20, false)}),
      make('div', {class: 'range'}, layer('first', 'first'), '–', layer('last', 'last')));
  }
}
