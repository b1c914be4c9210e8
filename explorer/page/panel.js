// The controls beside the picture: they show the view and change it.

import {byId, clamp, make, options, toast} from './dom.js';
import {SEEDS, hasPlane, isWhole, query, seedOf} from './view.js';

const NOISE = {seed: 'By seed', const: 'Fixed', random: 'Random', off: 'Off'};

export class Panel {
  constructor(explore) {
    this.explore = explore;
    this.anchor = null; // layer that was clicked last, for ranges
    this._bind();
  }

  get view() {
    return this.explore.view;
  }

  /** Builds what depends on the network. */
  open() {
    const {info} = this.explore;
    const plane = hasPlane(info);
    const draws = plane || info.layers > 0;
    document.querySelectorAll('.draws').forEach((element) => {
      element.hidden = !draws;
    });
    byId('truncation').hidden = !info.psi;
    byId('mixing').hidden = !info.layers;
    byId('directions').hidden = !info.directions.length;
    byId('class-row').hidden = !info.classes.length;
    byId('noise-row').hidden = !info.noise.length;
    byId('animate').hidden = !plane || !info.fractional;
    byId('grid').hidden = byId('random').hidden = !plane;
    byId('translating').hidden = !info.pictures.includes('translate');
    byId('domain-row').hidden = !info.domains.length;
    byId('labels-row').hidden = !info.labels.length;
    byId('way-row').hidden = (info.translations || []).length < 2;
    byId('open-file').hidden = !info.pictures.length;
    byId('save').hidden = !info.can.save;
    byId('style-note').hidden = !info.styles;
    byId('cutoff').max = info.layers;
    for (const id of ['plane-x', 'plane-y']) {
      byId(id).step = info.fractional ? 0.05 : 1;
    }
    options(byId('class'), [['', 'None'], ...info.classes.map(({number, name}) => [number, name])]);
    options(byId('domain'), info.domains.map(({number, name}) => [number, name]));
    options(byId('way'), (info.translations || []).map((name) => [name, name.replace('to', ' to ')]));
    this._layers(info.layers);
    this._choices('noise', info.noise.map((kind) => [kind, NOISE[kind] || kind]), (value) => this._noise(value));
    byId('labels').replaceChildren(...info.labels.map(({number, name}) => make('label', {class: 'tick'},
      make('input', {type: 'checkbox', value: number, change: () => this._labels()}), name)));
    byId('gestures').textContent = plane
      ? 'Drag: other seeds · wheel: psi · arrows: seed ±1, ±100 · Space: random · ? for all keys' : '';
  }

  /** A row of choices, of which one is taken: real radio buttons. */
  _choices(id, pairs, act) {
    byId(id).replaceChildren(...pairs.flatMap(([value, text]) => [
      make('input', {type: 'radio', name: id, id: `${id}-${value}`, value, change: () => act(value)}),
      make('label', {for: `${id}-${value}`}, text)]));
  }

  _layers(count) {
    const sizes = this.explore.info.layer_sizes || [];
    const named = (layer) => (sizes[layer] ? `Layer ${layer}, ${sizes[layer]} pixels` : `Layer ${layer}`);
    this.anchor = null;
    byId('layers').replaceChildren(...Array.from({length: count}, (_, layer) => [
      make('input', {type: 'checkbox', id: `layer-${layer}`, value: layer, 'aria-label': named(layer),
        click: (event) => this._tick(layer, event.shiftKey)}),
      make('label', {for: `layer-${layer}`, title: named(layer)}, String(layer),
        ...(sizes[layer] ? [make('small', {}, String(sizes[layer]))] : []))]).flat());
  }

  _tick(layer, toAnchor) {
    const ticked = byId(`layer-${layer}`).checked;
    const mixed = new Set(this.view.mixed);
    const [first, last] = toAnchor && this.anchor !== null
      ? [Math.min(layer, this.anchor), Math.max(layer, this.anchor)] : [layer, layer];
    for (let i = first; i <= last; i++) {
      mixed[ticked ? 'add' : 'delete'](i);
    }
    this.anchor = layer;
    this.explore.change({mixed: [...mixed]});
  }

  _preset(name) {
    const count = this.explore.info.layers;
    const [coarse, middle] = [Math.min(4, Math.ceil(count / 3)), Math.min(8, Math.ceil(count * 2 / 3))];
    const [first, last] = {coarse: [0, coarse], middle: [coarse, middle], fine: [middle, count], all: [0, count],
      none: [0, 0]}[name];
    this.explore.change({mixed: Array.from({length: last - first}, (_, i) => first + i)});
  }

  _noise(kind) {
    this.explore.change({noise: kind});
  }

  nextNoise() {
    const kinds = this.explore.info.noise;
    if (kinds.length) {
      this._noise(kinds[(kinds.indexOf(this.view.noise) + 1) % kinds.length]);
    }
  }

  _labels() {
    const ticked = [...byId('labels').querySelectorAll('input:checked')].map((input) => Number(input.value));
    this.explore.change({labels: ticked});
  }

  _bind() {
    const {explore} = this;
    const number = (id, low, high, act, whole = false) => byId(id).addEventListener('change', (event) => {
      const value = event.target.valueAsNumber;
      if (Number.isFinite(value)) {
        act(clamp(whole ? Math.round(value) : value, low, high));
      } else {
        this.sync();
      }
    });
    number('seed', 0, SEEDS - 1, (x) => explore.change({x, y: 0}), true);
    number('plane-x', -SEEDS, SEEDS, (x) => explore.change({x}));
    number('plane-y', -1e7, 1e7, (y) => explore.change({y}));
    number('psi-number', -1, 2, (psi) => explore.change({psi}));
    number('mix-seed', 0, SEEDS - 1, (mix) => explore.change({mix}), true);
    number('noise-seed', 0, SEEDS - 1, (noiseseed) => explore.change({noiseseed}), true);
    const range = (id, act) => {
      byId(id).addEventListener('input', (event) => act(event.target.valueAsNumber, true));
      byId(id).addEventListener('change', (event) => act(event.target.valueAsNumber, false));
    };
    range('psi', (psi, moving) => explore.change({psi}, moving, moving));
    range('cutoff', (cutoff, moving) => explore.change({cutoff}, moving, moving));
    byId('mix-random').addEventListener('click', () => {
      const patch = {mix: Math.floor(Math.random() * 1e6)};
      explore.change(patch);
    });
    byId('noise-new').addEventListener('click', () => explore.change({noiseseed: Math.floor(Math.random() * 1e6)}));
    byId('class').addEventListener('change', ({target}) => {
      explore.change({class: target.value === '' ? null : Number(target.value)});
    });
    byId('domain').addEventListener('change', ({target}) => explore.change({domain: Number(target.value)}));
    byId('way').addEventListener('change', ({target}) => explore.change({direction: target.value}));
    document.querySelectorAll('[data-layers]').forEach((button) => {
      button.addEventListener('click', () => this._preset(button.dataset.layers));
    });
    byId('copy').addEventListener('click', () => this._copy(byId('command').textContent));
    byId('copy-link').addEventListener('click', () => this._copy(location.href));
  }

  async _copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast('Copied.');
    } catch (error) { // not allowed by the browser, or no https
      const range = document.createRange();
      range.selectNodeContents(byId('command'));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      toast('The browser does not let the page copy; the command is selected, press Ctrl+C.');
    }
  }

  /** Nothing can be changed while no network is ready. */
  disable(off) {
    document.body.classList.toggle('bare', off);
    for (const element of document.querySelectorAll('#panel button, #panel input, #panel select, .under button')) {
      element.disabled = off;
    }
    if (off) {
      this.command(null);
      byId('readout').textContent = '';
    }
  }

  /** Shows {command, saved} of the picture, or nothing (null). */
  command(drawn) {
    byId('command').textContent = drawn ? drawn.command : '';
    byId('copy').disabled = !drawn;
    byId('command-note').textContent = !drawn ? 'No picture, no command.' : drawn.saved
      ? 'Draws this picture without the page.'
      : 'Save writes VIEW.npz, which this command draws: seeds alone do not say what is shown here.';
  }

  /** Sets all controls to what the view says, but the one that is being typed in. */
  sync() {
    const {view, explore: {info}} = this;
    const set = (id, value) => {
      const element = byId(id);
      if (document.activeElement !== element || element.type !== 'number' || element.valueAsNumber !== value) {
        element.value = value ?? '';
      }
    };
    set('seed', seedOf(view));
    set('plane-x', Number(view.x.toFixed(3)));
    set('plane-y', Number(view.y.toFixed(3)));
    byId('snap').disabled = isWhole(view);
    set('psi', view.psi);
    set('psi-number', view.psi);
    set('cutoff', view.cutoff);
    byId('cutoff-text').textContent = view.cutoff === info.layers ? 'all' : `${view.cutoff} of ${info.layers}`;
    set('mix-seed', view.mix);
    set('noise-seed', view.noiseseed);
    byId('noise-seed-row').hidden = view.noise !== 'random' || !info.noise.length;
    set('class', view.class);
    set('domain', view.domain);
    if (view.direction !== null) {
      set('way', view.direction);
    }
    info.noise.forEach((kind) => {
      byId(`noise-${kind}`).checked = kind === view.noise;
    });
    for (let layer = 0; layer < info.layers; layer++) {
      byId(`layer-${layer}`).checked = view.mixed.includes(layer);
    }
    byId('labels').querySelectorAll('input').forEach((input) => {
      input.checked = view.labels.includes(Number(input.value));
    });
    byId('grid').setAttribute('aria-pressed', String(view.grid));
    this.explore.directions.sync();
    this.explore.slots.sync(String(query(view, info)));
  }
}
