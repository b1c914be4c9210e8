// Ten slots that keep views, in this browser, for each network; and the walk that leads from one to the next.

import {post} from './api.js';
import {byId, make, options, thumbnail, toast} from './dom.js';
import {CELLS, CENTER} from './stage.js';
import {fragment, parse} from './view.js';

const COUNT = 10;
const SIZE = 52; // pixels of a small picture, in units of CSS

export class Slots {
  constructor(explore) {
    this.explore = explore;
    this.slots = [];
    this.storing = false;
    this.last = null; // {view, bitmap} of the picture at rest
    byId('store').addEventListener('click', () => this._arm(!this.storing));
    byId('walk-open').addEventListener('click', () => this._openWalk());
    byId('walk-cancel').addEventListener('click', () => byId('walk').close());
    byId('walk-make').addEventListener('click', () => this._makeWalk());
  }

  _name() {
    return `stylegan2-slots:${this.explore.info.network.hash}`;
  }

  /** Loads those of the network. A slot: {fragment, thumb: JPEG as base64} or null. */
  open() {
    let kept = [];
    try {
      kept = JSON.parse(localStorage.getItem(this._name())) || [];
    } catch (error) { /* nothing that we wrote */ }
    this.slots = Array.from({length: COUNT}, (_, i) => kept[i] || null);
    byId('slots').replaceChildren(...this.slots.map((_, i) => make('button', {click: (event) => {
      if (this.storing || event.shiftKey) {
        this.store(number(i));
      } else {
        this.recall(number(i));
      }
    }})));
    this.slots.forEach((_, i) => this._draw(i));
    this._arm(false);
  }

  /** A picture at rest was drawn. */
  drawn(view, bitmap, grid) {
    let picture = bitmap;
    if (grid) { // the tile of the view itself
      const [width, height] = [bitmap.width / CELLS, bitmap.height / CELLS];
      picture = make('canvas', {width, height});
      picture.getContext('2d').drawImage(bitmap, -width * CENTER, -height * CENTER);
    }
    this.last = {view, bitmap: picture};
  }

  /** Stores the view in the slot of a digit; `small`: a picture of it, else the one on the page. */
  store(digit, small = null) {
    const {view, info, stage} = this.explore;
    const source = small || (this.last ? this.last.bitmap : stage.bitmap);
    if (!source) {
      return;
    }
    const i = index(digit);
    const size = SIZE * Math.max(1, window.devicePixelRatio || 1);
    const canvas = thumbnail(source, size, size);
    this.slots[i] = {fragment: String(fragment({...view, grid: false}, info)),
      thumb: canvas.toDataURL('image/jpeg', 0.9)};
    try {
      localStorage.setItem(this._name(), JSON.stringify(this.slots));
    } catch (error) {
      toast('The browser keeps no more slots: they last until the page is closed.');
    }
    this._draw(i);
    this._arm(false);
    this.sync();
  }

  /** The first empty slot, as a digit, or null. */
  free() {
    const i = this.slots.findIndex((slot) => slot === null);
    return i < 0 ? null : number(i);
  }

  recall(digit) {
    const slot = this.slots[index(digit)];
    if (!slot) {
      toast(`Slot ${digit} is empty; Shift+${digit} stores the picture there.`);
      return;
    }
    const view = this._view(slot);
    if (view === null) {
      toast(`Slot ${digit} held a picture of a server that has ended; open it again.`);
      return;
    }
    this.explore.stopAnimation();
    this.explore.change({...view, grid: this.explore.view.grid});
  }

  /** The view of a slot, or null if its projection is gone. */
  _view(slot) {
    const q = new URLSearchParams(slot.fragment);
    const lost = (q.has('slot') || q.has('picture')) && Number(q.get('server')) !== this.explore.info.server;
    return lost ? null : parse(q, this.explore.info);
  }

  async _draw(i) {
    const button = byId('slots').children[i];
    const slot = this.slots[i];
    button.classList.toggle('filled', slot !== null);
    button.setAttribute('aria-label', `Slot ${number(i)}${slot ? '' : ', empty'}`);
    button.title = slot ? `Slot ${number(i)}: click to show, Shift+click to store`
      : `Slot ${number(i)} is empty: Shift+click stores`;
    button.replaceChildren(make('span', {}, String(number(i))));
    if (slot) {
      const bytes = Uint8Array.from(atob(slot.thumb.split(',')[1]), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], {type: 'image/jpeg'}));
      button.prepend(thumbnail(bitmap, bitmap.width, bitmap.height));
    }
  }

  _arm(on) {
    this.storing = on;
    byId('store').setAttribute('aria-pressed', String(on));
  }

  /** Marks the slot that is shown: `query` is that of the view. */
  sync() {
    const {view, info} = this.explore;
    const now = String(fragment({...view, grid: false}, info));
    this.slots.forEach((slot, i) => {
      byId('slots').children[i].setAttribute('aria-pressed', String(slot !== null && slot.fragment === now));
    });
    byId('walk-open').disabled = this.slots.filter(Boolean).length < 2;
  }

  _openWalk() {
    const {info} = this.explore;
    const filled = this.slots.map((slot, i) => (slot ? number(i) : null)).filter((digit) => digit !== null);
    byId('walk-slots').value = filled.join(', ');
    options(byId('walk-format'), info.mp4 ? [['mp4', 'mp4'], ['gif', 'gif']] : [['gif', 'gif']]);
    byId('walk-error').hidden = true;
    byId('walk').showModal();
  }

  async _makeWalk() {
    const complain = (text) => {
      byId('walk-error').textContent = text;
      byId('walk-error').hidden = false;
    };
    const digits = byId('walk-slots').value.match(/\d+/g) || [];
    const views = digits.map((digit) => (digit.length === 1 && this.slots[index(Number(digit))]
      ? this._view(this.slots[index(Number(digit))]) : null));
    if (digits.length < 2 || digits.length > COUNT || views.includes(null)) {
      complain('Give two to ten filled slots, such as 1, 2, 3.');
      return;
    }
    const body = {views: views.map((view) => this.explore.queryOf(view)), frames: byId('walk-frames').valueAsNumber,
      fps: byId('walk-fps').valueAsNumber, loop: byId('walk-loop').checked, kind: byId('walk-format').value};
    try {
      const {job} = await post('animation', body);
      byId('walk').close();
      this.explore.jobs.watch(job, {title: `Walk through slots ${digits.join(', ')}`});
    } catch (error) {
      complain(error.message);
    }
  }
}

const number = (i) => (i + 1) % COUNT; // slots stand in the order of the keyboard: 1 to 9, 0
const index = (digit) => (digit + COUNT - 1) % COUNT;
