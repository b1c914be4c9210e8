// Small helpers for the page's elements; everything that comes from the server is set as text, never as HTML.

export const byId = (id) => document.getElementById(id);

/** A new element: `make('p', {class: 'note'}, 'text', element)`. Values that are functions become listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name, value);
    } else if (typeof value === 'boolean') {
      element.toggleAttribute(name, value);
    } else if (value !== undefined && value !== null) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children);
  return element;
}

/** Fills a `select` with [value, text] pairs, keeping what is chosen if it is still there. */
export function options(select, pairs) {
  const wanted = JSON.stringify(pairs);
  if (select.dataset.pairs === wanted) {
    return;
  }
  const chosen = select.options.length ? select.value : null;
  select.dataset.pairs = wanted;
  select.replaceChildren(...pairs.map(([value, text]) => make('option', {value}, text)));
  if (pairs.some(([value]) => String(value) === chosen)) {
    select.value = chosen;
  }
}

/** A short message at the edge of the page; errors stay until they are closed. */
export function toast(text, bad = false) {
  const box = make('div', {class: bad ? 'toast bad' : 'toast'}, make('span', {}, text));
  if (bad) {
    box.append(make('button', {click: () => box.remove()}, 'Close'));
  } else {
    setTimeout(() => box.remove(), 6000);
  }
  byId('toasts').append(box);
  while (byId('toasts').children.length > 3) {
    byId('toasts').firstChild.remove();
  }
}

/** Makes `act` run at the second click within 3 seconds; the first one asks. */
export function twice(button, question, act) {
  const text = button.textContent;
  let timer = null;
  const disarm = () => {
    clearTimeout(timer);
    timer = null;
    button.textContent = text;
    button.classList.remove('armed');
  };
  button.addEventListener('click', () => {
    if (timer !== null) {
      disarm();
      act();
    } else {
      button.textContent = question;
      button.classList.add('armed');
      timer = setTimeout(disarm, 3000);
    }
  });
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Seconds in words: `42 s`, `12 min`, `3 h 20 min`, `2 d 4 h`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return '–';
  }
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) {
    return `${Math.round(seconds)} s`;
  }
  if (minutes < 90) {
    return `${minutes} min`;
  }
  if (minutes < 48 * 60) {
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }
  return `${Math.floor(minutes / 1440)} d ${Math.round((minutes % 1440) / 60)} h`;
}

/** A number with about four digits. */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return '–';
  }
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) {
    return value.toExponential(2);
  }
  return String(Number(value.toPrecision(4)));
}

/** Does a field that takes text or arrow keys have the focus? */
export function inField(target) {
  return target instanceof Element && target.closest('input, select, textarea, dialog, [role=tablist]') !== null;
}

/** Does the user's system ask for reduced motion? */
export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Copies a canvas or bitmap, scaled without smoothing to fit `width` x `height` pixels. */
export function thumbnail(source, width, height) {
  const scale = Math.min(width / source.width, height / source.height);
  const canvas = make('canvas', {width: Math.max(1, Math.round(source.width * scale)),
    height: Math.max(1, Math.round(source.height * scale))});
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas;
}
