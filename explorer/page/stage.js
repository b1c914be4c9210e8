// The picture on the page: nearest-neighbor zoom by whole pixels, the grid's cells, messages over it.

import {byId, make} from './dom.js';

export const CELLS = 4; // columns and rows of the grid of neighbors
export const CENTER = Math.floor((CELLS - 1) / 2); // column of the view itself; rows are shown from the highest y down

export class Stage {
  /** goTo(dx, dy): a cell of the grid was chosen. */
  constructor(goTo) {
    this.frame = byId('frame');
    this.canvas = byId('picture');
    this.bitmap = null;
    this.factor = 0; // device pixels of one pixel; 0 = as large as fits
    for (let row = 0; row < CELLS; row++) {
      for (let column = 0; column < CELLS; column++) {
        const [dx, dy] = [column - CENTER, CELLS - 1 - row - CENTER];
        byId('cells').append(make('button', {class: dx || dy ? '' : 'center', 'data-dx': dx, 'data-dy': dy,
          click: () => goTo(dx, dy)}));
      }
    }
    new ResizeObserver(() => this.layout()).observe(this.frame);
    byId('zoom-in').addEventListener('click', () => this.zoom(1));
    byId('zoom-out').addEventListener('click', () => this.zoom(-1));
    byId('zoom-fit').addEventListener('click', () => this.zoom(0));
  }

  /** Shows a bitmap; `grid`: it holds tiles, whose rows are turned so that up is up. */
  show(bitmap, {grid, text}) {
    const {canvas} = this;
    const changed = canvas.width !== bitmap.width || canvas.height !== bitmap.height;
    if (changed) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    const context = canvas.getContext('2d');
    context.imageSmoothingEnabled = false;
    if (grid) {
      const height = bitmap.height / CELLS;
      for (let row = 0; row < CELLS; row++) {
        context.drawImage(bitmap, 0, row * height, bitmap.width, height,
          0, (CELLS - 1 - row) * height, bitmap.width, height);
      }
    } else {
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(bitmap, 0, 0);
    }
    this.bitmap = bitmap;
    canvas.setAttribute('aria-label', text);
    byId('cells').hidden = !grid;
    byId('cover').hidden = true;
    if (changed) {
      this.layout();
    }
  }

  /** Names the cells for the keyboard: `name(dx, dy)`. */
  nameCells(name) {
    for (const cell of byId('cells').children) {
      cell.setAttribute('aria-label', name(Number(cell.dataset.dx), Number(cell.dataset.dy)));
    }
  }

  /** A text instead of the picture. */
  cover(text, failed = false) {
    byId('cover').textContent = text;
    byId('cover').classList.toggle('failed', failed);
    byId('cover').hidden = false;
    byId('cells').hidden = true;
    this.bitmap = null;
    this.canvas.width = this.canvas.height = 1;
    this.layout();
  }

  /** A step larger (1), smaller (-1), or as large as fits (0). */
  zoom(step) {
    const now = this.factor || this._fit();
    const larger = now >= 1 ? Math.floor(now) + 1 : 1 / Math.max(1, Math.ceil(1 / now) - 1);
    const smaller = now > 1 ? Math.ceil(now) - 1 : 1 / (Math.floor(1 / now) + 1);
    const wanted = step > 0 ? larger : smaller;
    this.factor = step === 0 ? 0 : Math.min(Math.max(wanted, 1 / 8), 64);
    this.layout();
  }

  /** Device pixels for one pixel so that all is seen: a whole number, or less than 1 for large pictures. */
  _fit() {
    const density = window.devicePixelRatio || 1;
    const exact = Math.min(this.frame.clientWidth * density / this.canvas.width,
      this.frame.clientHeight * density / this.canvas.height);
    return exact >= 1 ? Math.floor(exact) : exact;
  }

  layout() {
    const density = window.devicePixelRatio || 1;
    const factor = this.factor || this._fit();
    const sheet = byId('sheet');
    const scroller = byId('scroller');
    const middle = [(scroller.scrollLeft + scroller.clientWidth / 2) / Math.max(1, sheet.clientWidth),
      (scroller.scrollTop + scroller.clientHeight / 2) / Math.max(1, sheet.clientHeight)];
    sheet.hidden = this.bitmap === null;
    sheet.style.width = `${this.canvas.width * factor / density}px`;
    sheet.style.height = `${this.canvas.height * factor / density}px`;
    sheet.classList.toggle('smooth', factor < 1);
    byId('zoom-text').textContent = this.bitmap === null ? '' : factor >= 1 ? `${factor}×`
      : `${Math.round(factor * 100)} %`;
    scroller.scrollLeft = middle[0] * sheet.clientWidth - scroller.clientWidth / 2;
    scroller.scrollTop = middle[1] * sheet.clientHeight - scroller.clientHeight / 2;
  }

  /** Moves what is seen of a picture larger than the frame. */
  pan(dx, dy) {
    byId('scroller').scrollBy(-dx, -dy);
  }
}
