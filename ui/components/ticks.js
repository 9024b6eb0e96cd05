// While a control moves, or when a cell is opened, the server is asked directly, one question at
// a time; the last value wins.
const MOVING = '.me-recipe :is(.me-weight, #seed) input';
let flying = false;
let next = null;
let retry = 0;
let earlier = null; // what stood in place of the words that the server does not answer
const AGAIN = 2000;
const SILENT = '<p class="me-note">The charts below are of earlier settings.</p>';

function numberAt(id, target) {
  const control = document.getElementById(id);
  if (!control) return null;
  const moved = target && control.contains(target) ? target : control.querySelector('input');
  return moved.valueAsNumber;
}

function gather(target) {
  const { query, scored, owner, step, rows } = valueNow();
  return {
    query,
    scored,
    owner,
    step,
    on: rows.map((name) => document.querySelector(`#on-${name} input`)?.checked ?? false),
    weights: rows.map((name) => (
      document.getElementById(`weight-${name}`) ? numberAt(`weight-${name}`, target) : 1)),
    seed: document.querySelector('#seed input') ? numberAt('seed', target) : 0,
    panel: window.mePanel ?? '',
  };
}

function show(detail) {
  document.dispatchEvent(new CustomEvent('me-board', { detail }));
}

async function ask(target, cell) {
  if (flying) {
    next = { target, cell: cell ?? next?.cell };
    return;
  }
  flying = true;
  try {
    const sent = { ...gather(target), cell };
    const answer = JSON.parse(await server.tick(sent));
    const late = valueNow().step !== sent.step; // a button's answer came first, and knows better
    if (late) next ??= { target: null, cell };
    else show({ ...(earlier === null ? {} : { effect: earlier }), ...answer });
    earlier = null;
  } catch {
    earlier ??= document.querySelector('#effect .me-prose').innerHTML;
    show({ notice: 'The server does not answer. Your settings will be sent again.', effect: SILENT });
    clearTimeout(retry);
    retry = setTimeout(() => ask(null), AGAIN);
  } finally {
    flying = false;
    const waiting = next;
    next = null;
    if (waiting) ask(waiting.target, waiting.cell);
  }
}

document.addEventListener('input', ({ target }) => {
  if (element.isConnected && target.matches?.(MOVING)) ask(target);
});
document.addEventListener('me-cell', ({ detail }) => {
  if (element.isConnected) ask(null, detail);
});
document.addEventListener('me-moved', ({ detail }) => {
  if (element.isConnected) ask(detail);
});
