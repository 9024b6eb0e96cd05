// While a control moves the server is asked directly, one question at a time, the last value wins.
const MOVING = '.me-recipe :is(.me-weight, #seed) input';
let flying = false;
let next = null;

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

async function ask(target) {
  if (flying) {
    next = { target };
    return;
  }
  flying = true;
  try {
    const sent = gather(target);
    const answer = JSON.parse(await server.tick(sent));
    const late = valueNow().step !== sent.step; // a button's answer came first, and knows better
    if (late) next ??= { target: null };
    else document.dispatchEvent(new CustomEvent('me-board', { detail: answer }));
  } catch {
    const notice = 'The server did not answer. What you see is of earlier settings.';
    document.dispatchEvent(new CustomEvent('me-board', { detail: { notice } }));
  } finally {
    flying = false;
    const waiting = next;
    next = null;
    if (waiting) ask(waiting.target);
  }
}

document.addEventListener('input', ({ target }) => {
  if (element.isConnected && target.matches?.(MOVING)) ask(target);
});
document.addEventListener('me-moved', ({ detail }) => {
  if (element.isConnected) ask(detail);
});
