// Asking the server: the token, errors, a server that is gone, and pictures of which only the newest counts.
// docs/explorer-routes.md is the list of all routes.

const FLYING = 2; // picture requests at a time: one is drawn while the other travels
const SLOW = 300; // milliseconds after which "computing" is shown
export const CLIENT = Math.floor(Math.random() * 2 ** 31);

/** An answer that is no success; `message` is a sentence for people, `status` 0 means that nobody answered. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let token = null;

/** Moves the token from the URL's fragment to this tab's session storage; later the stored one is used. */
export function takeToken() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (parameters.has('token')) {
    sessionStorage.setItem('token', parameters.get('token'));
    parameters.delete('token');
    history.replaceState(null, '', `#${parameters}`);
  }
  token = sessionStorage.getItem('token') || '';
  return token !== '';
}

/** Sets the token by hand: the token, or the whole address that run_explorer.py printed. */
export function setToken(text) {
  token = text.trim().replace(/^.*token=/, '').replace(/&.*$/, '');
  sessionStorage.setItem('token', token);
}

const listeners = [];
/** `listener(true)` when the server does not answer, `listener(false)` when it does again. */
export const onGone = (listener) => listeners.push(listener);
let gone = false;

export function setGone(value) {
  if (value !== gone) {
    gone = value;
    listeners.forEach((listener) => listener(gone));
  }
}

export const isGone = () => gone;

/** The response of a request; throws ApiError. `body`: an object (sent as JSON) or a Blob; without one it is a GET. */
export async function ask(path, {query, body, signal} = {}) {
  const blob = body instanceof Blob;
  const url = `api/${path}${query && String(query) ? `?${query}` : ''}`;
  const headers = {'X-Token': token};
  if (body !== undefined) {
    headers['Content-Type'] = blob ? body.type : 'application/json';
  }
  let response;
  try {
    response = await fetch(url, {method: body === undefined ? 'GET' : 'POST', headers, signal, cache: 'no-store',
      body: body === undefined || blob ? body : JSON.stringify(body)});
  } catch (error) {
    if (error.name !== 'AbortError') {
      setGone(true);
    }
    throw new ApiError(0, 'The server does not answer.');
  }
  setGone(false);
  if (!response.ok) {
    let message = `The server answered ${response.status}.`;
    try {
      message = (await response.json()).error || message;
    } catch (error) { /* no JSON: the status must do */ }
    throw new ApiError(response.status, message);
  }
  return response;
}

/** The JSON of an answer. */
export const get = async (path, options) => (await ask(path, options)).json();
export const post = (path, body) => get(path, {body});

/** Requests for pictures of one lane. Replies older than what is shown are dropped, and what waits is replaced.
 *
 * show(response's {bitmap, headers}, what was asked for), fail(error, what was asked for), busy(boolean)
 */
export class Newest {
  constructor(lane, {show, fail, busy = () => {}}) {
    Object.assign(this, {lane, show, fail, busy, waiting: null, sent: 0, shown: 0, flying: new Map(), timer: null});
  }

  /** Asks for the picture of `job` = {path, query (URLSearchParams), plain: without a number, ...}; the newest wins. */
  ask(job) {
    this.waiting = job;
    this._pump();
  }

  /** Forgets what waits or travels. */
  drop() {
    this.waiting = null;
    this.shown = this.sent;
    this._slow();
  }

  idle() {
    return this.waiting === null && this.flying.size === 0;
  }

  _pump() {
    while (this.waiting !== null && this.flying.size < FLYING) {
      const job = this.waiting;
      this.waiting = null;
      this._send(job, ++this.sent);
    }
  }

  async _send(job, n) {
    this.flying.set(n, performance.now());
    this._slow();
    try {
      const query = new URLSearchParams(job.query);
      if (!job.plain) {
        query.set('n', n);
        query.set('client', CLIENT);
      }
      if (job.path === 'image') {
        query.set('lane', this.lane);
      }
      const response = await ask(job.path, {query});
      if (response.status !== 204 && n > this.shown) {
        const blob = await response.blob();
        const bitmap = await createImageBitmap(blob, {colorSpaceConversion: 'none', premultiplyAlpha: 'none'});
        if (n > this.shown) {
          this.shown = n;
          this.show({bitmap, headers: response.headers}, job);
        }
      }
    } catch (error) {
      if (n > this.shown) {
        this.fail(error, job);
      }
    } finally {
      this.flying.delete(n);
      this._slow();
      this._pump();
    }
  }

  /** Tells `busy` whether a picture that is newer than the one shown has been awaited for longer than SLOW. */
  _slow() {
    clearTimeout(this.timer);
    const started = [...this.flying].filter(([n]) => n > this.shown).map(([, time]) => time);
    if (!started.length) {
      this.busy(false);
      return;
    }
    const left = Math.min(...started) + SLOW - performance.now();
    this.busy(left <= 0);
    if (left > 0) {
      this.timer = setTimeout(() => this._slow(), left);
    }
  }
}
