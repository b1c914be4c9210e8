// The tab Train: runs, their numbers as curves, their pictures over time, and the buttons that steer them.

import {ApiError, ask, get, post} from './api.js';
import {Chart, colorOf} from './curves.js';
import {byId, duration, make, options, short, toast, twice} from './dom.js';
import {Start} from './start.js';

const SEEN = 2000; // milliseconds between questions
const HIDDEN = 30000;
const MOST = 6; // runs whose curves are shown over one another
const STATES = {running: 'running', paused: 'paused', finished: 'finished', stopped: 'stopped', starting: 'starting',
  lost: 'its process is gone; the same command resumes it'};
const PAIRS = /^(.*?)[/_](real|fake)s?$/; // two curves of one chart
const FIRST = [/^Loss\/scores\//, /^Loss\/(gradient_penalty|r1|r2)/, /^Loss\/pl_/, /^Progress\/augment$/, /^Holdout\//,
  /^Metrics\//, /^Progress\/diversity$/, /^Timing\/sec_per_kimg$/];
const FRAMES_PER_SECOND = 4; // of pictures over time

export class Train {
  /** page: {explore(number of a network), address(fragment, whether it is a step of the history)} */
  constructor(page) {
    Object.assign(this, {page, runs: [], run: null, detail: null, cell: 0, on: false, timer: null, busy: false,
      compared: new Set(), stats: new Map(), charts: new Map(), shownPicture: null, playing: null, wanted: null,
      strip: ''});
    this.follow = true; // the newest picture is shown when it comes
    this.start = new Start((run) => this.started(run));
    this._controls();
    document.addEventListener('visibilitychange', () => this.active(this.on));
    matchMedia('(prefers-color-scheme: light)').addEventListener('change', () => this.draw());
  }

  /** The server was started again: its numbers may mean other runs. */
  restarted() {
    this.stats.clear();
    this.wanted = this.wanted || (this.detail ? this.detail.name : null);
    this.run = this.detail = null;
    this.compared.clear();
    if (this.on) {
      this.active(true);
    }
  }

  /** Begins or ends to ask for news. */
  active(on) {
    this.on = on;
    clearTimeout(this.timer);
    if (on) {
      this._look();
    } else {
      this._play(false);
    }
  }

  /** Chooses the run that a fragment names. */
  load(q) {
    this.wanted = q.get('run');
    if (this.runs.length) {
      this._choose();
    }
  }

  fragment() {
    const q = new URLSearchParams({tab: 'train'});
    const name = this.detail ? this.detail.name : this.wanted;
    if (name) {
      q.set('run', name);
    }
    return String(q);
  }

  started(run) {
    this.wanted = null;
    this.run = run;
    this.active(true);
  }

  async _look() {
    clearTimeout(this.timer);
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      this.runs = (await get('runs')).runs;
      this._choose();
      this._list();
      if (this.run !== null) {
        await this._news();
      }
    } catch (error) {
      if (!(error instanceof ApiError)) {
        throw error;
      }
      if (error.status === 404) {
        this.run = this.detail = null;
      } else if (error.status !== 0 && error.status !== 401) {
        byId('run-status').textContent = error.message;
      }
    } finally {
      this.busy = false;
      if (this.on) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this._look(), document.hidden ? HIDDEN : SEEN);
      }
    }
  }

  _choose() {
    if (this.wanted !== null) {
      const found = this.runs.find(({name}) => name === this.wanted);
      if (found) {
        this.wanted = null;
        this.select(found.run, false);
      }
    } else if (this.run === null && this.runs.length) {
      const live = this.runs.find(({state}) => state === 'running') || this.runs[0];
      this.select(live.run, false);
    }
    const chosen = this.runs.find(({run}) => run === this.run);
    if (chosen) {
      this.page.address(String(new URLSearchParams({tab: 'train', run: chosen.name})), false);
    }
    byId('no-runs').hidden = this.runs.length > 0;
    byId('no-runs').textContent = 'No run yet. New training starts one; those that run_training.py starts in the same '
      + 'result folder are listed, too.';
  }

  /** Shows a run. */
  select(run, remember = true) {
    if (run !== this.run) {
      this.run = run;
      this.detail = null;
      this.shownPicture = null;
      this.strip = '';
      this.follow = true;
      this._play(false);
    }
    const named = this.runs.find((one) => one.run === run);
    this.page.address(String(new URLSearchParams({tab: 'train', run: named ? named.name : ''})), remember);
    if (remember) {
      this._list();
      this._look();
    }
  }

  _list() {
    const state = JSON.stringify([this.runs, this.run, [...this.compared]]);
    if (state === this.listed) {
      return;
    }
    this.listed = state;
    const focused = document.activeElement && document.activeElement.id;
    byId('run-list').replaceChildren(...this.runs.map((run) => {
      const {run: number, name, state: how, kimg, total_kimg: total} = run;
      const alarms = Object.keys(run.alarms || {}).length;
      const facts = [how, kimg === null ? null : `${short(kimg)}${total ? ` of ${short(total)}` : ''} kimg`,
        how === 'running' && run.eta ? `${duration(run.eta)} left` : null,
        alarms ? `${alarms} alarm${alarms > 1 ? 's' : ''}` : null];
      const shown = number === this.run || this.compared.has(number);
      return make('div', {class: number === this.run ? 'run-item chosen' : 'run-item'},
        make('input', {type: 'checkbox', id: `compare-${number}`, 'aria-label': `Curves of ${name}`, checked: shown,
          disabled: number === this.run, title: 'Show its curves too', change: () => this._compare(number)}),
        make('button', {id: `run-${number}`, 'aria-current': number === this.run ? 'true' : undefined,
          click: () => this.select(number)}, make('strong', {}, name), make('span', {},
            facts.filter(Boolean).join(' · '))));
    }));
    if (focused && /^(run|compare)-\d+$/.test(focused) && byId(focused)) {
      byId(focused).focus();
    }
  }

  async _compare(number) {
    if (!this.compared.delete(number)) {
      if (this.compared.size >= MOST - 1) {
        toast(`Curves of at most ${MOST} runs at a time.`);
      } else {
        this.compared.add(number);
      }
    }
    this._list();
    try {
      if (this.compared.has(number)) {
        await this._readStats(number);
      }
    } catch (error) {
      toast(error.message, true);
    }
    this.draw();
  }

  async _news() {
    const number = this.run;
    const detail = await get(`runs/${number}`);
    if (number !== this.run) {
      return;
    }
    const other = this.detail === null;
    this.detail = detail;
    const before = [...this.stats].map(([run, {next}]) => `${run}:${next}`).join();
    for (const run of this._curves()) {
      await this._readStats(run);
    }
    if (this.detail !== detail) {
      return; // another run was chosen meanwhile
    }
    this._head();
    const after = [...this.stats].map(([run, {next}]) => `${run}:${next}`).join();
    if (other) {
      byId('log').open = !this.stats.get(this.run).lines.length; // what there is to see until the first tick
    }
    if (other || before !== after) {
      this.draw();
    }
    this._scrubber();
  }

  /** Numbers of the runs whose curves are shown: the chosen one first. */
  _curves() {
    const known = new Set(this.runs.map(({run}) => run));
    return [this.run, ...[...this.compared].filter((run) => run !== this.run)].filter((run) => known.has(run));
  }

  /** Reads the lines of stats.jsonl that are new. */
  async _readStats(run) {
    const stats = this.stats.get(run) || {file: 0, next: 0, lines: []};
    this.stats.set(run, stats);
    for (let more = true; more;) {
      const from = stats.next;
      const answer = await get(`runs/${run}/stats`, {query: new URLSearchParams({from, file: stats.file})});
      if (stats.next !== from || this.stats.get(run) !== stats) {
        return; // another call has read these lines meanwhile
      }
      if (answer.reset) {
        stats.lines = [];
      }
      stats.lines.push(...answer.lines);
      stats.file = answer.file;
      more = answer.more && (answer.next !== stats.next || answer.reset);
      stats.next = answer.next;
    }
  }

  _head() {
    const {detail} = this;
    byId('run').hidden = false;
    byId('run-empty').hidden = true;
    byId('run-name').textContent = detail.name;
    const waiting = (detail.waiting || []).length
      ? ` · ${detail.waiting.join(', ')}: waits for the end of the iteration` : '';
    byId('run-status').textContent = (STATES[detail.state] || detail.state) + waiting;
    byId('run-progress').hidden = !detail.total_kimg;
    byId('run-progress').value = detail.total_kimg ? Math.min(1, (detail.kimg || 0) / detail.total_kimg) : 0;
    const lines = (this.stats.get(this.run) || {lines: []}).lines;
    const last = lines[lines.length - 1] || {};
    const facts = [['kimg', `${short(detail.kimg)}${detail.total_kimg ? ` / ${short(detail.total_kimg)}` : ''}`],
      ['left', detail.state === 'running' ? duration(detail.eta) : '–'], ['s/kimg', short(detail.sec_per_kimg)],
      ['tick', short(detail.tick)], ['configuration', detail.config || detail.method || '–']];
    for (const [tag, name] of [['Progress/augment', 'p of ADA'], ['Progress/lod', 'lod'],
      ['Resources/peak_gpu_mem_gb', 'GPU GB']]) {
      if (last[tag] || (last[tag] === 0 && tag === 'Progress/augment')) {
        facts.push([name, short(last[tag])]);
      }
    }
    byId('run-facts').replaceChildren(...facts.map(([name, value]) => make('div', {},
      make('dt', {}, name), make('dd', {}, value))));
    byId('alarms').replaceChildren(...Object.entries(detail.alarms || {}).map(([name, text]) => make('li', {},
      make('strong', {}, `${name}: `), text)));
    const live = ['running', 'paused', 'starting'].includes(detail.state);
    for (const button of document.querySelectorAll('[data-action]')) {
      button.hidden = !live || (button.dataset.action === 'pause' && detail.state === 'paused')
        || (button.dataset.action === 'continue' && detail.state !== 'paused');
    }
    byId('run-explore').hidden = !(detail.snapshots || []).length;
    byId('resume').hidden = live || !detail.resume || detail.state === 'finished';
    byId('resume-command').textContent = detail.resume || '';
    byId('log-text').textContent = (detail.log || []).join('\n');
  }

  // Curves

  _controls() {
    for (const id of ['smoothing', 'log-axis', 'x-axis', 'chart-set']) {
      byId(id).addEventListener('input', () => this.draw());
    }
    for (const button of document.querySelectorAll('[data-action]')) {
      const act = () => this._control(button.dataset.action);
      if (button.dataset.action === 'stop') {
        twice(button, 'Click again to stop', act);
      } else {
        button.addEventListener('click', act);
      }
    }
    byId('run-explore').addEventListener('click', () => {
      const newest = [...this.detail.snapshots].sort((a, b) => (b.kimg ?? 0) - (a.kimg ?? 0))[0];
      this.page.explore(newest.number);
    });
    byId('new-training').addEventListener('click', () => this.start.open());
    byId('scrub').addEventListener('input', () => {
      this._play(false);
      this.follow = byId('scrub').value === byId('scrub').max;
      this._picture();
    });
    byId('which-sheet').addEventListener('change', () => this._scrubber());
    byId('play').addEventListener('click', () => this._play(this.playing === null));
    byId('fakes').addEventListener('click', (event) => this._point(event));
    byId('fakes').addEventListener('keydown', (event) => this._cellKey(event));
  }

  async _control(command) {
    try {
      const {waiting} = await post(`runs/${this.run}/control`, {command});
      byId('run-status').textContent = `${waiting.join(', ')}: waits for the end of the iteration`;
      this._look();
    } catch (error) {
      toast(error.message, true);
    }
  }

  /** Draws the curves of all runs that are chosen. */
  draw() {
    if (this.run === null) {
      return;
    }
    const runs = this._curves().map((run, i) => ({run, color: colorOf(i),
      name: (this.runs.find((one) => one.run === run) || {}).name,
      lines: (this.stats.get(run) || {lines: []}).lines}));
    const tags = [...new Set(runs.flatMap(({lines}) => lines.flatMap((line) => Object.keys(line)
      .filter((tag) => tag.includes('/') && Number.isFinite(line[tag])))))];
    const groups = [...new Set(tags.map((tag) => tag.split('/')[0]))].sort();
    options(byId('chart-set'), [['first', 'What matters'], ...groups.map((group) => [`${group}/`, group]),
      ['all', 'All']]);
    const set = byId('chart-set').value;
    const chosen = set === 'first' ? FIRST.flatMap((pattern) => tags.filter((tag) => pattern.test(tag)))
      : tags.filter((tag) => set === 'all' || tag.startsWith(set)).sort();
    const quantities = new Map(); // title -> tags
    for (const tag of chosen) {
      const title = (tag.match(PAIRS) || [tag, tag])[1];
      quantities.set(title, [...(quantities.get(title) || []), tag].sort().reverse()); // reals first
    }
    byId('no-charts').hidden = quantities.size > 0;
    const settings = {smoothing: byId('smoothing').valueAsNumber, log: byId('log-axis').checked,
      unit: byId('x-axis').value};
    const at = settings.unit === 'hours' ? (line) => line['Timing/total_sec'] / 3600 : (line) => line.nimg / 1000;
    const figures = [...quantities].map(([title, members]) => {
      if (!this.charts.has(title)) {
        this.charts.set(title, new Chart(title));
      }
      const chart = this.charts.get(title);
      chart.show(runs.flatMap(({name, color, lines}) => members.map((tag) => ({name: `${tag} of ${name}`, color,
        dash: /fakes?$/.test(tag) && members.length > 1,
        points: lines.filter((line) => Number.isFinite(line[tag])).map((line) => [at(line), line[tag]])}))), settings);
      return chart.figure;
    });
    const there = [...byId('charts').children];
    if (there.length !== figures.length || there.some((figure, i) => figure !== figures[i])) {
      byId('charts').replaceChildren(...figures);
    }
    const legend = runs.length > 1 ? runs.map(({name, color}) => {
      const swatch = make('i', {class: 'swatch'});
      swatch.style.background = color;
      return make('span', {}, swatch, name);
    }) : [];
    const dashes = [...quantities.values()].some((members) => members.length > 1)
      ? [make('span', {}, 'solid: reals, dashed: fakes')] : [];
    byId('legend').replaceChildren(...legend, ...dashes);
  }

  // Pictures over time

  _scrubber() {
    const {pictures, sheets} = this.detail;
    byId('pictures').hidden = pictures.length + sheets.length === 0;
    options(byId('which-sheet'), [['', 'fakes'], ...sheets.map(({number, name}) => [number, name])]);
    const scrub = byId('scrub');
    scrub.disabled = byId('play').disabled = byId('which-sheet').value !== '';
    scrub.max = Math.max(0, pictures.length - 1);
    if (this.follow) {
      scrub.value = scrub.max;
    }
    byId('play').hidden = pictures.length < 2;
    this._picture();
  }

  _play(on) {
    clearInterval(this.playing);
    this.playing = null;
    if (on && this.detail) {
      const scrub = byId('scrub');
      if (scrub.value === scrub.max) {
        scrub.value = 0;
      }
      this.playing = setInterval(() => {
        scrub.value = Number(scrub.value) + 1;
        this._picture();
        if (scrub.value === scrub.max) {
          this._play(false);
        }
      }, 1000 / FRAMES_PER_SECOND);
    }
    byId('play').setAttribute('aria-pressed', String(this.playing !== null));
  }

  async _picture() {
    const {detail, run} = this;
    const sheet = detail && detail.sheets.find(({number}) => String(number) === byId('which-sheet').value);
    const picture = sheet || (detail && detail.pictures[byId('scrub').valueAsNumber]);
    if (!picture) {
      return;
    }
    byId('scrub-text').textContent = sheet ? '' : `${short(picture.kimg)} kimg`;
    const name = `${run} ${picture.name} ${this.cell}`;
    if (name === this.shownPicture) {
      return;
    }
    this.shownPicture = name;
    try {
      const response = await ask(`runs/${run}/picture`, {
        query: new URLSearchParams({number: picture.number, size: 1536})});
      const bitmap = await createImageBitmap(await response.blob());
      if (this.shownPicture === name) {
        this._fakes(bitmap, sheet ? sheet.name : `Pictures after ${short(picture.kimg)} kimg`);
      }
    } catch (error) {
      if (this.shownPicture === name) {
        this.shownPicture = null;
        toast(error.message, true);
      }
    }
    if (this.detail && this.run === run) {
      await this._strip();
    }
  }

  _fakes(bitmap, text) {
    const canvas = byId('fakes');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    const density = window.devicePixelRatio || 1;
    const room = byId('pictures').clientWidth * density;
    const factor = Math.max(1, Math.floor(Math.min(room, 1200 * density) / bitmap.width));
    const smaller = bitmap.width > room;
    canvas.classList.toggle('smooth', smaller);
    canvas.style.width = `${bitmap.width * factor / density}px`;
    canvas.setAttribute('aria-label', text);
    const context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    const {grid} = this.detail;
    if (grid) {
      const [width, height] = [bitmap.width / grid.columns, bitmap.height / grid.rows];
      const [column, row] = [this.cell % grid.columns, Math.floor(this.cell / grid.columns)];
      context.lineWidth = Math.max(1, Math.round(2 / factor));
      context.strokeStyle = '#fff';
      context.strokeRect(column * width + 0.5, row * height + 0.5, width - 1, height - 1);
    }
  }

  _point(event) {
    const {grid} = this.detail || {};
    if (grid) {
      const canvas = byId('fakes');
      const column = Math.min(grid.columns - 1, Math.floor(event.offsetX / canvas.clientWidth * grid.columns));
      const row = Math.min(grid.rows - 1, Math.floor(event.offsetY / canvas.clientHeight * grid.rows));
      this._setCell(row * grid.columns + column);
    }
  }

  _cellKey(event) {
    const {grid} = this.detail || {};
    const step = grid && {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns}[event.key];
    if (step) {
      event.preventDefault();
      this._setCell(Math.min(Math.max(this.cell + step, 0), grid.columns * grid.rows - 1));
    }
  }

  _setCell(cell) {
    this.cell = cell;
    this._picture();
  }

  /** The same latents over time: one cell of all grids. */
  async _strip() {
    const {detail, run} = this;
    const {grid, pictures} = detail;
    byId('strip-title').hidden = byId('strip-note').hidden = byId('strip').hidden = !grid || pictures.length < 2;
    if (!grid || pictures.length < 2) {
      return;
    }
    const size = Math.min(512, Math.max(64, Math.floor(128 / grid.width) * grid.width || 128));
    const name = `${run} ${pictures.length} ${this.cell}`;
    if (this.strip === name) {
      return;
    }
    this.strip = name;
    try {
      const query = new URLSearchParams({cell: this.cell, count: 12, size});
      const response = await ask(`runs/${run}/strip`, {query});
      const times = (response.headers.get('X-Kimg') || '').split(',').map(Number);
      const bitmap = await createImageBitmap(await response.blob());
      if (this.strip !== name) {
        return;
      }
      const width = bitmap.width / times.length;
      byId('strip').replaceChildren(...times.map((kimg, i) => {
        const canvas = make('canvas', {width, height: bitmap.height, role: 'img',
          'aria-label': `after ${short(kimg)} kimg`});
        canvas.style.width = '96px';
        canvas.getContext('2d').drawImage(bitmap, i * width, 0, width, bitmap.height, 0, 0, width, bitmap.height);
        return make('figure', {}, canvas, make('figcaption', {}, `${short(kimg)} kimg`));
      }));
    } catch (error) {
      byId('strip').replaceChildren(make('p', {class: 'note'}, error.message));
    }
  }
}
