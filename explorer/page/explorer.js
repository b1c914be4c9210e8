// The page: token, tabs, which network is open, and whether the server is there.

import {get, onGone, post, setToken, takeToken} from './api.js';
import {byId, options, toast} from './dom.js';
import {Explore} from './explore.js';
import {Train} from './train.js';

const LOADING = 500; // milliseconds between questions while a network loads
const GONE = 1000; // while the server does not answer
const IDLE = 4000;
const HIDDEN = 30000; // while the page is not seen

class Page {
  constructor() {
    this.explore = new Explore();
    this.explore.onTrouble = () => this.look();
    this.train = new Train({explore: (snapshot) => this.openNetwork(snapshot),
      address: (fragment, step) => this.address(fragment, step)});
    this.info = null;
    this.listed = []; // networks that can be opened
    this.asked = null; // the network that the fragment names was asked for
    this.timer = null;
    this.looking = false;
    this._tabs();
    this._network();
    onGone((gone) => this._gone(gone));
    window.addEventListener('popstate', () => this.route());
    document.addEventListener('visibilitychange', () => this.look());
    byId('keys-open').addEventListener('click', () => byId('keys').showModal());
    document.addEventListener('keydown', (event) => {
      const typing = event.target.matches('input[type=text], input[type=number], textarea');
      if (event.key === '?' && !typing && !document.querySelector('dialog[open]')) {
        byId('keys').showModal();
      }
    });
    byId('keys-on').checked = localStorage.getItem('stylegan2-keys') !== 'off';
    byId('keys-on').addEventListener('change', ({target}) => {
      localStorage.setItem('stylegan2-keys', target.checked ? 'on' : 'off');
    });
    byId('token-form').addEventListener('submit', () => {
      setToken(byId('token').value);
      this.look();
    });
    if (takeToken()) {
      this.route();
      this.look();
    } else {
      this._askToken('');
    }
  }

  _askToken(error) {
    this._state('failed', 'no token');
    byId('token-error').textContent = error;
    byId('token-error').hidden = error === '';
    if (!byId('ask-token').open) {
      byId('ask-token').showModal();
    }
  }

  _tabs() {
    const tabs = [byId('tab-explore'), byId('tab-train')];
    for (const tab of tabs) {
      tab.addEventListener('click', () => this.show(tab.getAttribute('aria-controls'), true));
      tab.addEventListener('keydown', (event) => {
        if (['ArrowLeft', 'ArrowRight'].includes(event.key)) {
          const other = tabs[1 - tabs.indexOf(tab)];
          other.focus();
          other.click();
        }
      });
    }
  }

  /** Shows a tab; `remember`: as a step of the history. */
  show(name, remember) {
    for (const other of ['explore', 'train']) {
      byId(other).hidden = other !== name;
      byId(`tab-${other}`).setAttribute('aria-selected', String(other === name));
      byId(`tab-${other}`).tabIndex = other === name ? 0 : -1;
    }
    document.title = name === 'train' ? 'Train · StyleGAN2' : 'Explore · StyleGAN2';
    this.train.active(name === 'train');
    if (name === 'train') {
      this.explore.stopAnimation();
    }
    if (remember) {
      history.pushState(null, '', name === 'train' ? `#${this.train.fragment()}` : `#${this.explore.fragment()}`);
    }
    if (name === 'explore') {
      this.explore.stage.layout();
      this.explore.refresh();
    }
  }

  /** Puts a run into the address; `step`: as a step of the history. */
  address(fragment, step) {
    if (!byId('train').hidden && `#${fragment}` !== location.hash) {
      history[step ? 'pushState' : 'replaceState'](null, '', `#${fragment}`);
    }
  }

  /** Shows what the fragment says. */
  route() {
    const q = new URLSearchParams(location.hash.slice(1));
    if (q.get('tab') === 'train') {
      this.show('train', false);
      this.train.load(q);
    } else {
      this.show('explore', false);
      this.explore.load(q);
    }
  }

  _gone(gone) {
    byId('banner').hidden = !gone;
    byId('banner').textContent = 'The server does not answer. '
      + 'What you see stays; the page goes on when the server is back.';
    if (gone) {
      this._state('failed', 'no server');
      this.look();
    } else {
      this.look();
      this.explore.refresh();
    }
  }

  _state(kind, text) {
    byId('state').className = kind;
    byId('state').textContent = text;
  }

  /** Asks the server how it is, now and again. */
  async look() {
    clearTimeout(this.timer);
    if (this.looking) {
      return;
    }
    this.looking = true;
    let wait = document.hidden ? HIDDEN : IDLE;
    try {
      const info = await get('info');
      if (byId('ask-token').open) {
        byId('ask-token').close();
      }
      await this._take(info);
      wait = info.state === 'loading' ? LOADING : wait;
    } catch (error) {
      if (error.status === 401) {
        this._askToken('The server does not know this token; it may have been started again, with a new one.');
        wait = null;
      } else if (error.status === 0) {
        wait = document.hidden ? HIDDEN : GONE;
      } else {
        this._state('failed', error.message);
      }
    } finally {
      this.looking = false;
    }
    if (wait !== null) {
      this.timer = setTimeout(() => this.look(), wait);
    }
  }

  async _take(info) {
    const before = this.info;
    this.info = info;
    const restarted = before !== null && before.server !== info.server;
    byId('tab-train').disabled = !info.can.train;
    byId('new-training').hidden = !info.can.start;
    if (restarted || before === null || before.state !== info.state) {
      await this._networks();
      if (restarted || before === null) {
        this.train.restarted();
      }
    }
    if (info.state === 'ready') {
      await this._name(info);
      const size = info.height && info.width ? `${info.width} × ${info.height}` : 'any size';
      byId('facts').textContent = [size, info.layers ? `${info.layers} layers` : '', info.classes.length
        ? `${info.classes.length} classes` : '', info.network.hash.slice(0, 8)].filter(Boolean).join(' · ');
      this._state('ready', 'ready');
      if (before === null && this._foreign(info)) {
        return;
      }
      this.explore.open(info);
    } else {
      byId('facts').textContent = '';
      this._state(info.state === 'loading' ? 'busy' : info.state === 'failed' ? 'failed' : '', {loading: 'loading',
        failed: 'failed', none: 'no network'}[info.state]);
      this.explore.close(info);
    }
  }

  /** Names the network as the list does: RUN/FILE, without folders of the server, so that an address can hold it. */
  async _name(info) {
    const named = (networks) => networks.find(({number}) => number === info.network.number);
    const found = named(this.listed) || named(await this._networks());
    info.network.name = found ? found.name : info.network.name.split('/').pop();
  }

  /** Does the fragment name a network of the list that is not open? Then it is opened. */
  _foreign(info) {
    const wanted = new URLSearchParams(location.hash.slice(1)).get('network');
    if (!wanted || wanted === info.network.name || this.asked === wanted || !info.can.networks) {
      return false;
    }
    this.asked = wanted;
    this._networks().then((networks) => {
      const found = networks.find(({name}) => name === wanted);
      if (found) {
        this.openNetwork(found.number);
      } else {
        toast(`${wanted}, the network of this address, is not here.`, true);
        this.explore.open(info);
      }
    });
    return true;
  }

  _network() {
    byId('network').addEventListener('change', ({target}) => this.openNetwork(Number(target.value)));
    byId('network').addEventListener('focus', () => this._networks());
  }

  async _networks() {
    let networks = [];
    try {
      ({networks} = await get('networks'));
    } catch (error) {
      return networks; // the next look tells what is wrong
    }
    this.listed = networks;
    const pairs = networks.map(({number, name}) => [number, name]);
    const open = this.info && this.info.network ? this.info.network.number : null;
    const loads = this.info && this.info.state === 'loading' ? 'Loading ...' : '';
    options(byId('network'), open === null ? [['', loads || 'Choose a network'], ...pairs] : pairs);
    byId('network').value = open ?? '';
    byId('network').disabled = this.info !== null && !this.info.can.networks;
    return networks;
  }

  /** Opens another network and shows it. */
  async openNetwork(number) {
    try {
      await post('network', {number});
      this.explore.close({state: 'loading', text: ''});
      this.show('explore', byId('explore').hidden);
      this.look();
    } catch (error) {
      toast(error.message, true);
    }
  }
}

new Page();
