// The tab Explore: the view, drawing it, and what gestures and keys do to it.

import {Newest, get, post} from './api.js';
import {byId, calm, clamp, toast} from './dom.js';
import {KEYS, followKeys, followPointers} from './gestures.js';
import {Stage} from './stage.js';
import {SEEDS, fragment, hasPlane, initial, isWhole, parse, query, seedOf} from './view.js';
import {Directions} from './directions.js';
import {Jobs} from './jobs.js';
import {Panel} from './panel.js';
import {Slots} from './slots.js';

const PIXELS_PER_SEED = 120;
const REST = 180; // milliseconds without a change after which the view is drawn as PNG and enters the history
const SEEDS_PER_SECOND = 0.6; // of the animation
const MOVING_SIZE = 512; // longest side while moving

export class Explore {
  constructor() {
    this.info = null;
    this.view = initial();
    this.last = ''; // fragment of the view that was shown before the network was closed
    this.stage = new Stage((dx, dy) => this.goTo(dx, dy));
    this.main = new Newest('main', {
      show: (reply, job) => this._show(reply, job),
      fail: (error, job) => this._fail(error, job),
      busy: (busy) => {
        byId('computing').hidden = !busy;
      },
    });
    this.other = new Newest('compare', {
      show: ({bitmap}) => this.comparing && this.stage.show(bitmap, {grid: false, text: 'Original'}),
      fail: (error) => toast(error.message, true),
    });
    this.photos = new Map(); // slot of a projection -> number of its picture
    this.comparing = false;
    this.animation = null;
    this.restTimer = null;
    this.frameAsked = null; // the animation frame that will ask for a picture
    this.current = null; // {bitmap, job} on the stage
    this.drawn = null; // {view, command, saved} of the picture at rest
    this.directions = new Directions(this);
    this.slots = new Slots(this);
    this.jobs = new Jobs(this);
    this.panel = new Panel(this);
    this._buttons();
    followPointers(this);
    followKeys((name, event) => !byId('explore').hidden && this.info !== null && this._key(name, event));
    document.addEventListener('keyup', (event) => event.key.toLowerCase() === 'c' && this.compare(false));
    window.addEventListener('blur', () => this.compare(false));
  }

  /** Takes what the server says about the network that is open now. */
  open(info) {
    const other = this.info === null || info.network.hash !== this.info.network.hash
      || info.server !== this.info.server;
    this.info = info;
    if (!other) {
      return;
    }
    this.panel.disable(false);
    this.photos.clear();
    this.directions.open();
    this.slots.open();
    this.panel.open();
    this.main.drop();
    this.drawn = null;
    const translates = info.pictures.includes('translate');
    document.body.classList.toggle('translating', translates);
    this.view = initial();
    this._defaults();
    this.load(new URLSearchParams(location.hash.slice(1)));
  }

  /** Draws the view again: the tab was hidden, or the server was away. */
  refresh() {
    if (this.info !== null && !byId('explore').hidden) {
      this._settle(false);
    }
  }

  /** No network is ready: says why. */
  close({state, text}) {
    this.stopAnimation();
    this.main.drop();
    this.last = this.fragment();
    this.info = null;
    this.panel.disable(true);
    const words = {
      loading: text ? text[0].toUpperCase() + text.slice(1) : 'Loading the network',
      none: 'No network is open; choose one above.',
    };
    this.stage.cover(words[state] || text, state === 'failed');
  }

  /** The fragment of the view. */
  fragment() {
    return this.info ? String(fragment(this.view, this.info)) : this.last;
  }

  /** Shows the view of a fragment, as after Back or a reload. */
  load(q) {
    if (this.info === null || q.get('tab') === 'train') {
      return;
    }
    this.stopAnimation();
    this.jobs.showing = null;
    const foreign = q.has('network') && q.get('network') !== this.info.network.name;
    const lost = !foreign && (q.has('slot') || q.has('picture')) && Number(q.get('server')) !== this.info.server;
    if (lost) {
      toast('The picture of this address was kept by a server that has ended; open it again.');
    }
    this.view = parse(q, this.info);
    if (foreign) { // the same seed with another network; what was found in the old one means nothing in it
      Object.assign(this.view, {slot: null, moves: []});
    }
    this._defaults();
    this._settle(false);
  }

  /** The query of any view, such as that of a slot. */
  queryOf(view) {
    this._defaults(view);
    return String(query(view, this.info));
  }

  _defaults(view = this.view) {
    const {info} = this;
    if (info.psi && view.psi === null) {
      view.psi = view.slot === null ? 0.5 : 1;
    }
    if (info.psi && view.cutoff === null) {
      view.cutoff = info.cutoff;
    }
    view.noise = view.noise ?? info.noise[0] ?? null;
    if (!info.fractional) {
      Object.assign(view, {x: Math.round(view.x), y: Math.round(view.y)});
    }
  }

  /** Changes the view; `moving`: more changes will follow at once; `held`: and the last one with `moving` = false. */
  change(patch, moving = false, held = false) {
    if (this.info === null) {
      return;
    }
    this.jobs.showing = null;
    if (('x' in patch || 'y' in patch) && this.view.slot !== null && !('slot' in patch)) {
      patch = {...patch, slot: null}; // leaving the picture of a projection
    }
    Object.assign(this.view, patch);
    this._defaults();
    clearTimeout(this.restTimer);
    if (!moving) {
      this._settle(true);
      return;
    }
    this.restTimer = setTimeout(() => (held ? this._ask(false) : this._settle(true)), REST);
    this._moved();
  }

  _moved() {
    this.stage.canvas.dataset.rest = false;
    if (this.frameAsked === null) {
      this.frameAsked = requestAnimationFrame(() => {
        this.frameAsked = null;
        this.panel.sync();
        this._readout();
        this._ask(true);
      });
    }
  }

  _settle(remember) {
    clearTimeout(this.restTimer);
    if (this.frameAsked !== null) {
      cancelAnimationFrame(this.frameAsked);
      this.frameAsked = null;
    }
    this.panel.sync();
    this._readout();
    if (byId('explore').hidden) {
      return; // drawn when the tab is shown
    }
    const hash = `#${fragment(this.view, this.info)}`;
    if (remember && hash !== location.hash) {
      history.pushState(null, '', hash);
    } else if (!remember) {
      history.replaceState(null, '', hash);
    }
    this._ask(false);
  }

  /** Why the view can't be drawn yet, or null. */
  _obstacle() {
    const {info, view} = this;
    if (info.pictures.includes('translate') && view.picture === null) {
      return 'Drop a picture here, or open one, to see it translated.';
    }
    return null;
  }

  async _ask(moving) {
    const obstacle = this._obstacle();
    if (obstacle !== null) {
      this.main.drop();
      this.stage.cover(obstacle);
      this.panel.command(null);
      return;
    }
    const q = query(this.view, this.info);
    const pending = this.directions.pending(q.getAll('move'));
    if (pending !== null) {
      byId('computing').hidden = false;
      await pending;
      return this.info && this._ask(moving); // the view may have changed since
    }
    const grid = this.view.grid && hasPlane(this.info);
    const job = {path: grid ? 'grid' : 'image', view: String(q), grid, rest: !moving, text: this.describe()};
    const large = Math.max(this.info.height || 0, this.info.width || 0) > MOVING_SIZE;
    job.query = q;
    q.set('format', moving ? 'jpeg' : 'png');
    if (moving && large && !grid) {
      q.set('size', MOVING_SIZE);
    }
    this.main.ask(job);
  }

  _show({bitmap, headers}, job) {
    byId('problem').hidden = true;
    if (this.comparing || this.jobs.showing) {
      return;
    }
    this.stage.show(bitmap, job);
    Object.assign(this.stage.canvas.dataset, {view: job.view, rest: job.rest}); // what is shown, for tests
    this.current = {bitmap, job};
    this.stage.nameCells((dx, dy) => `seed ${seedOf({x: this.view.x + dx, y: this.view.y + dy})}`);
    this.milliseconds = Number(headers.get('X-Milliseconds')) || null;
    this._readout();
    if (job.rest && job.view === String(query(this.view, this.info))) {
      this.slots.drawn(job.view, bitmap, job.grid);
      const command = headers.get('X-Command');
      this.drawn = {view: job.view, command: command && decodeURIComponent(command),
        saved: headers.get('X-Saved') !== 'needed'};
      if (command) {
        this.panel.command(this.drawn);
      } else {
        this._fetchCommand(job.view);
      }
    }
  }

  async _fetchCommand(view) {
    try {
      const {command, saved} = await get('command', {query: view});
      if (this.drawn && this.drawn.view === view) {
        this.drawn = {view, command, saved};
        this.panel.command(this.drawn);
      }
    } catch (error) {
      this.panel.command(null);
    }
  }

  _fail(error, job) {
    if (error.status === 503 || error.status === 0) {
      this.onTrouble();
      return;
    }
    byId('problem').textContent = error.message;
    byId('problem').hidden = false;
    if (job.rest) {
      this.panel.command(null);
    }
  }

  /** The view in words, for people who don't see the picture and for the line under it. */
  describe() {
    const {view, info} = this;
    const words = [];
    if (view.slot !== null) {
      words.push('projection');
    } else if (hasPlane(info)) {
      words.push(isWhole(view) ? `seed ${seedOf(view)}` : `near seed ${seedOf(view)}`);
    }
    const named = info.classes.find(({number}) => number === view.class);
    if (named) {
      words.push(named.name);
    }
    if (info.psi) {
      words.push(`psi ${view.psi.toFixed(2)}`);
    }
    if (view.mixed.length && info.layers) {
      words.push(`${view.mixed.length} of ${info.layers} layers from seed ${view.mix}`);
    }
    const moves = view.moves.filter(({strength}) => strength !== 0).length;
    if (moves) {
      words.push(`${moves} direction${moves === 1 ? '' : 's'}`);
    }
    if (info.pictures.includes('translate') && view.picture !== null) {
      words.push('translation');
    }
    return words.join(' · ');
  }

  _readout() {
    const time = this.milliseconds ? ` · drawn in ${Math.max(1, Math.round(this.milliseconds))} ms` : '';
    byId('readout').textContent = this.describe() + time;
  }

  // Gestures

  drag(dx, dy, slow) {
    if (this.info && hasPlane(this.info)) {
      const scale = PIXELS_PER_SEED * (slow ? 10 : 1);
      this.stopAnimation();
      const patch = {x: clamp(this.view.x + dx / scale, -SEEDS, SEEDS), y: clamp(this.view.y - dy / scale, -1e7, 1e7)};
      this.change(patch, true, true);
    }
  }

  dragEnd() {
    if (this.info) {
      this._settle(true);
    }
  }

  psi(steps) {
    if (!this.info || !this.info.psi) {
      return false;
    }
    this.change({psi: clamp(Math.round((this.view.psi + 0.05 * steps) * 100) / 100, -1, 2)}, true);
    return true;
  }

  zoom(step) {
    this.stage.zoom(step);
  }

  pan(dx, dy) {
    this.stage.pan(dx, dy);
  }

  step(dx, dy) {
    if (hasPlane(this.info)) {
      this.stopAnimation();
      this.change({x: Math.round(this.view.x) + dx, y: Math.round(this.view.y) + dy}, false);
    }
    return hasPlane(this.info);
  }

  goTo(dx, dy) {
    this.change({x: this.view.x + dx, y: this.view.y + dy, grid: false});
    byId('frame').focus({preventScroll: true});
  }

  random() {
    if (hasPlane(this.info)) {
      this.stopAnimation();
      this.change({x: Math.floor(Math.random() * 1e6), y: 0, slot: null});
    }
  }

  snap() {
    this.change({x: Math.round(this.view.x), y: Math.round(this.view.y)});
  }

  reset() {
    const {x, y, slot, picture, domain} = this.view;
    this.stopAnimation();
    this.change({...initial(), x, y, slot, picture, domain});
  }

  toggleGrid() {
    if (hasPlane(this.info)) {
      this.change({grid: !this.view.grid});
    }
  }

  toggleAnimation() {
    if (this.animation !== null) {
      this.stopAnimation();
    } else if (calm()) {
      toast('Your system asks for reduced motion, so nothing is animated.');
    } else if (hasPlane(this.info) && this.info.fractional) {
      let last = performance.now();
      const turn = () => {
        if (this.animation === null || calm()) {
          this.stopAnimation();
          return;
        }
        const now = performance.now();
        const step = Math.min(now - last, 200) / 1000 * SEEDS_PER_SECOND;
        last = now;
        this.animation = requestAnimationFrame(turn);
        clearTimeout(this.restTimer);
        Object.assign(this.view, {x: this.view.x + step, slot: null});
        this._moved();
      };
      this.animation = requestAnimationFrame(turn);
    }
    byId('animate').setAttribute('aria-pressed', String(this.animation !== null));
  }

  stopAnimation() {
    if (this.animation !== null) {
      cancelAnimationFrame(this.animation);
      this.animation = null;
      byId('animate').setAttribute('aria-pressed', 'false');
      this._settle(true);
    }
  }

  /** Shows the original while `on`: the photograph of a projection, the picture that is translated, or no edits. */
  async compare(on) {
    if (on === this.comparing || (on && this.info === null)) {
      return;
    }
    const {view, info} = this;
    const photo = (info && (info.pictures.includes('translate') ? view.picture : this.photos.get(view.slot))) ?? null;
    const edited = view.mixed.length > 0 || view.moves.some(({strength}) => strength !== 0);
    if (on && photo === null && !edited) {
      toast('Nothing to compare with: no layer is mixed, no direction is used, and no picture was opened.');
      return;
    }
    this.comparing = on;
    byId('compare').setAttribute('aria-pressed', String(on));
    if (info === null) {
      return; // the network was closed meanwhile
    }
    if (!on && this.current && this._obstacle() === null) {
      this.stage.show(this.current.bitmap, this.current.job);
      this._ask(false);
    } else if (!on) {
      this._ask(false);
    } else if (photo !== null) {
      this.other.ask({path: `pictures/${photo}`, plain: true});
    } else {
      this.other.ask({path: 'image', query: query({...view, mixed: [], moves: [], grid: false}, info)});
    }
  }

  async save() {
    const view = this.info && this._obstacle() === null ? String(query(this.view, this.info)) : null;
    if (view === null) {
      return;
    }
    byId('save').disabled = true;
    try {
      const {files, command} = await post('save', {view});
      toast(`Saved ${files.join(' and ')}.`);
      if (this.drawn && this.drawn.view === view) {
        this.drawn = {view, command, saved: true};
        this.panel.command(this.drawn);
      }
    } catch (error) {
      toast(error.message, true);
    } finally {
      byId('save').disabled = false;
    }
  }

  _buttons() {
    const actions = {random: () => this.random(), animate: () => this.toggleAnimation(), grid: () => this.toggleGrid(),
      reset: () => this.reset(), save: () => this.save(), snap: () => this.snap()};
    for (const [id, action] of Object.entries(actions)) {
      byId(id).addEventListener('click', () => this.info && action());
    }
    const button = byId('compare');
    button.addEventListener('pointerdown', () => this.compare(true));
    for (const name of ['pointerup', 'pointerleave', 'pointercancel']) {
      button.addEventListener(name, () => this.compare(false));
    }
    button.addEventListener('click', (event) => event.detail === 0 && this.compare(!this.comparing)); // by the keyboard
    byId('keys-table').replaceChildren(...KEYS.map(([keys, text]) => {
      const row = document.createElement('tr');
      const [first, second] = [document.createElement('td'), document.createElement('td')];
      const key = document.createElement('kbd');
      key.textContent = keys;
      first.append(key);
      second.textContent = text;
      row.append(first, second);
      return row;
    }));
  }

  _key(name, event) {
    if (name === 'Escape') {
      return this.jobs.cancelNewest();
    }
    if (!byId('keys-on').checked && event.target !== byId('frame')) {
      return false;
    }
    const focus = (id) => () => byId(id).focus();
    const actions = {
      ArrowLeft: () => this.step(-1, 0), ArrowRight: () => this.step(1, 0), ArrowUp: () => this.step(0, 1),
      ArrowDown: () => this.step(0, -1), ' ': () => this.random(), a: () => this.toggleAnimation(),
      g: () => this.toggleGrid(), r: () => this.reset(), s: () => this.save(), f: () => this.zoom(0),
      '+': () => this.zoom(1), '=': () => this.zoom(1), '-': () => this.zoom(-1), n: () => this.panel.nextNoise(),
      d: focus('method'), l: focus('class'), c: () => !event.repeat && this.compare(true),
    };
    const digits = /^(store )?(\d)$/.exec(name);
    if (digits) {
      if (digits[1]) {
        this.slots.store(Number(digits[2]));
      } else {
        this.slots.recall(Number(digits[2]));
      }
      return true;
    }
    if (!(name in actions)) {
      return false;
    }
    actions[name]();
    return true;
  }
}
