// Fingers, mouse, wheel and keys on the picture; what they do is in explore.js.

import {byId, inField} from './dom.js';

const START = 4; // pixels after which a press is a drag

export const KEYS = [
  ['Drag', 'Move in the seed plane: 120 pixels are one seed; Shift: ten times slower'],
  ['← →', 'Seed −1, +1'], ['↑ ↓', 'Seed +100, −100'], ['Space', 'Random seed'],
  ['Wheel', 'Psi ± 0.05'], ['Ctrl + wheel, pinch, + −, F', 'Zoom by whole pixels; F: as large as fits'],
  ['Ctrl + drag', 'Move a picture that is larger than its frame'],
  ['Click on a layer, Shift + click', 'Take it, or all up to it, from the mix seed'],
  ['A', 'Animate'], ['G', 'Grid of 4×4 neighbors; click one to go there'],
  ['C', 'Compare: hold for the original'], ['N', 'Noise: the next kind'], ['D', 'Directions'], ['L', 'Class'],
  ['R', 'Reset all but the seed'], ['S', 'Save'], ['1 to 9, 0', 'Show a slot; with Shift: store it'],
  ['Esc', 'Cancel a projection, close what is open'], ['?', 'This list'],
];

/** Calls `actor`: drag(dx, dy, slow), dragEnd(), psi(steps), zoom(step), pan(dx, dy). */
export function followPointers(actor) {
  const frame = byId('frame');
  const pointers = new Map();
  let start = null; // of a press that is no drag yet
  let dragging = false;
  let pinch = null;
  let quiet = false; // the click that ends a drag chooses nothing

  frame.addEventListener('pointerdown', (event) => {
    const scroller = byId('scroller');
    const onBar = event.target === scroller
      && (event.offsetX > scroller.clientWidth || event.offsetY > scroller.clientHeight);
    if (event.button !== 0 || onBar) {
      return;
    }
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size === 1) {
      start = [event.clientX, event.clientY];
    } else if (pointers.size === 2) {
      start = null;
      pinch = spread(pointers);
    }
  });
  frame.addEventListener('pointermove', (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) {
      return;
    }
    if (start && Math.hypot(event.clientX - start[0], event.clientY - start[1]) < START) {
      return;
    }
    if (pointers.size === 1 && !dragging && start) {
      dragging = true;
      start = null;
      frame.setPointerCapture(event.pointerId);
      frame.classList.add('dragging');
    }
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    if (pointers.size === 2) {
      const now = spread(pointers);
      actor.pan(dx / 2, dy / 2);
      if (now > pinch * 1.2 || now < pinch / 1.2) {
        actor.zoom(now > pinch ? 1 : -1);
        pinch = now;
      }
    } else if (dragging && (event.ctrlKey || event.metaKey)) {
      actor.pan(dx, dy);
    } else if (dragging) {
      actor.drag(dx, dy, event.shiftKey);
    }
  });
  const end = (event) => {
    if (!pointers.delete(event.pointerId)) {
      return;
    }
    start = null;
    if (dragging && pointers.size === 0) {
      dragging = false;
      frame.classList.remove('dragging');
      actor.dragEnd();
      quiet = true;
      setTimeout(() => {
        quiet = false;
      }, 0);
    }
  };
  frame.addEventListener('click', (event) => quiet && event.stopPropagation(), {capture: true});
  frame.addEventListener('pointerup', end);
  frame.addEventListener('pointercancel', end);
  frame.addEventListener('wheel', (event) => {
    const steps = Math.sign(-event.deltaY);
    if (event.ctrlKey) {
      actor.zoom(steps);
    } else if (!actor.psi(steps)) {
      return; // nothing to turn here: the page may scroll
    }
    event.preventDefault();
  }, {passive: false});
}

const spread = (pointers) => {
  const [[x0, y0], [x1, y1]] = pointers.values();
  return Math.hypot(x1 - x0, y1 - y0);
};

/** Calls `act(name of the key, event)`, which returns whether it took it, for keys that no field or dialog wants. */
export function followKeys(act) {
  document.addEventListener('keydown', (event) => {
    const open = document.querySelector('dialog[open]');
    const onButton = event.target instanceof Element && event.target.closest('button, pre, [href]');
    if (event.ctrlKey || event.metaKey || event.altKey || open || inField(event.target)) {
      return;
    }
    if (onButton && [' ', 'Enter'].includes(event.key)) {
      return;
    }
    const digit = event.code.match(/^(?:Digit|Numpad)(\d)$/);
    const name = digit ? (event.shiftKey ? `store ${digit[1]}` : digit[1]) : event.key.length === 1
      ? event.key.toLowerCase() : event.key;
    if (act(name, event)) {
      event.preventDefault();
    }
  });
}
