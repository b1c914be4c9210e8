// The form that starts a training: it tries the options without writing anything first, as a dry run does.

import {get, post} from './api.js';
import {byId, make, options} from './dom.js';

const POLL = 500; // milliseconds

export class Start {
  /** done(number of a run): a training was started. */
  constructor(done) {
    Object.assign(this, {done, form: null, job: null, tried: null});
    byId('start-config').addEventListener('change', () => this._configured());
    byId('start-dataset').addEventListener('change', () => this._propose());
    byId('start-dry').addEventListener('click', () => byId('start-form').reportValidity() && this._dry());
    byId('start-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this._go();
    });
    byId('start-cancel').addEventListener('click', () => this._close());
  }

  async open() {
    this._say('');
    byId('start').showModal();
    try {
      this.form = await get('start');
    } catch (error) {
      this._say(error.message);
      return;
    }
    options(byId('start-dataset'), this.form.datasets.map(({number, name}) => [number, name]));
    this._configs();
    this._configured();
  }

  async _close() {
    byId('start').close();
    if (this.job !== null) {
      try {
        await post(`jobs/${this.job}/cancel`, {});
      } catch (error) { /* it has ended */ }
    }
  }

  /** Lists the configurations by their methods; at first the one that suits any machine is chosen. */
  _configs() {
    const select = byId('start-config');
    const before = select.value || 'small';
    const methods = [...new Set(this.form.configs.map(({method}) => method))];
    select.replaceChildren(...methods.map((method) => make('optgroup', {label: method}, ...this.form.configs
      .filter((config) => config.method === method).map(({name}) => make('option', {value: name}, name)))));
    if (this.form.configs.some(({name}) => name === before)) {
      select.value = before;
    }
  }

  /** A name that says what is trained, until another one is typed. */
  _propose() {
    const field = byId('start-name');
    if (field.value === '' || field.value === this.proposed) {
      const dataset = byId('start-dataset').selectedOptions[0];
      const words = `${dataset ? dataset.textContent.split(' ')[0] : ''}-${byId('start-config').value}`;
      this.proposed = field.value = words.replace(/[^A-Za-z0-9_-]+/g, '_').replace(/^(?![A-Za-z])/, 'my_').slice(0, 40);
    }
  }

  /** Shows the options of the chosen configuration. */
  _configured() {
    this._propose();
    const name = byId('start-config').value;
    const config = this.form.configs.find((one) => one.name === name);
    byId('start-config-text').textContent = config ? config.text : '';
    this.shown = this.form.options.filter(({configs}) => !configs || configs.includes(name));
    const kept = this._values();
    byId('start-options').replaceChildren(...this.shown.map((option) => {
      const id = `option-${option.name}`;
      const label = option.name.charAt(0).toUpperCase() + option.name.slice(1).replace(/_/g, ' ');
      const value = option.name in kept ? kept[option.name] : option.default;
      return make('div', {}, make('div', {class: 'row'}, make('label', {for: id}, label),
        this._field(id, option, value)),
        make('p', {class: 'note', id: `${id}-text`}, option.text));
    }));
  }

  _field(id, option, value) {
    const common = {id, 'aria-describedby': `${id}-text`};
    if (option.type === 'choice') {
      const select = make('select', common);
      options(select, option.choices.map((choice) => [choice, choice === '' ? 'as stored' : choice]));
      select.value = value;
      return select;
    }
    if (option.type === 'bool') {
      return make('input', {...common, type: 'checkbox', checked: Boolean(value)});
    }
    return make('input', {...common, type: 'number', min: option.min, max: option.max, value,
      step: option.type === 'int' ? 1 : 'any', required: true});
  }

  _values() {
    const values = {};
    for (const {name, type} of this.shown || []) {
      const field = byId(`option-${name}`);
      if (field) {
        values[name] = type === 'choice' ? field.value : type === 'bool' ? field.checked : field.valueAsNumber;
      }
    }
    return values;
  }

  _body(dry) {
    return {dataset: Number(byId('start-dataset').value), config: byId('start-config').value,
      name: byId('start-name').value, options: this._values(), dry_run: dry};
  }

  _say(error) {
    byId('start-error').textContent = error;
    byId('start-error').hidden = error === '';
  }

  _busy(busy) {
    for (const element of byId('start-form').querySelectorAll('input, select, #start-dry, #start-go')) {
      element.disabled = busy;
    }
  }

  /** Follows a job; its answer when it is done. Throws what it failed with. */
  async _follow(number) {
    this.job = number;
    byId('start-output').hidden = false;
    try {
      for (;;) {
        const answer = await get(`jobs/${number}`);
        byId('start-output').textContent = answer.text || answer.state;
        if (answer.state === 'done') {
          return answer.result;
        }
        if (answer.state === 'failed' || answer.state === 'canceled') {
          throw new Error(answer.error || 'canceled');
        }
        await new Promise((resolve) => setTimeout(resolve, POLL));
      }
    } finally {
      this.job = null;
    }
  }

  /** Tries the options; did they work? */
  async _dry() {
    const body = this._body(true);
    const key = JSON.stringify(body);
    this._say('');
    this._busy(true);
    byId('start-output').textContent = 'Trying one step, without writing anything.';
    try {
      const {job} = await post('start', body);
      const {code, lines, command} = await this._follow(job);
      byId('start-output').textContent = [...lines, '', command].join('\n');
      byId('start-output').scrollTop = byId('start-output').scrollHeight;
      this.tried = code === 0 ? {key, job} : null;
      if (code !== 0) {
        this._say(`The dry run ended with code ${code}; the last lines say why.`);
      }
      return code === 0;
    } catch (error) {
      this._say(error.message);
      return false;
    } finally {
      this._busy(false);
    }
  }

  async _go() {
    if ((this.tried === null || this.tried.key !== JSON.stringify(this._body(true))) && !await this._dry()) {
      return;
    }
    this._busy(true);
    try {
      const {job} = await post('start', {...this._body(false), tried: this.tried.job});
      const {run} = await this._follow(job);
      byId('start').close();
      this.done(run);
    } catch (error) {
      this.tried = null; // the server may have forgotten that job
      this._say(error.message);
    } finally {
      this._busy(false);
    }
  }
}
