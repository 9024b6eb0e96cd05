// Keeps the address right while sliders move, and tells the page when they have come to rest.
const REST = 350;
const ANSWERED = 3000;
const FIELD = 'input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select';
const SINGLE = { p: 'pin', s: 'swap' };
const KEPT = 'merge-explorer-keys';
let rest = null;
let settled;
let busyUntil = 0; // the answer to a button is awaited
let asked = location.search.length > 1; // a link that the page has not read yet stays as it is

function addressOf({ space, query }) {
  return `${space || `${location.origin}${location.pathname}`}?${query}`;
}

function restSoon(value) {
  settled ??= value.query;
  clearTimeout(rest);
  part('.me-bar').dataset.moving = value.query === settled ? '' : 'yes';
  if (value.query === settled) return;
  rest = setTimeout(() => {
    if (performance.now() < busyUntil) {
      restSoon(value); // what was pressed must not wait behind this
      return;
    }
    settled = value.query;
    trigger('select', { action: 'settled' });
  }, REST);
}

function drawButtons(value) {
  const button = (action) => part(`button[data-action=${action}]`);
  ['undo', 'redo', 'swap'].forEach((action) => { button(action).disabled = !value[action]; });
  button('pin').textContent = value.same ? 'Unpin' : 'Pin this';
  button('pin').setAttribute('aria-pressed', String(value.same));
  const same = value.same ? 'These settings are pinned.' : `Pinned: ${value.pinned}`;
  part('.me-pinned').textContent = value.pinned ? same : 'Nothing is pinned.';
}

function follow() {
  const value = valueNow();
  if (!value || !part('.me-bar')) return;
  if (!asked) history.replaceState(history.state, '', `?${value.query}${location.hash}`);
  asked = false;
  document.body.dataset.hide = value.hide.join(' ');
  drawButtons(value);
  if (!value.moving) {
    busyUntil = 0;
    settled = value.query;
  }
  restSoon(value);
}

async function copyLink(button) {
  const done = await copyText(addressOf(valueNow()));
  const label = button.textContent;
  button.textContent = done ? 'Link copied' : 'Could not copy';
  setTimeout(() => { button.textContent = label; }, 1500);
}

function shortcut(event) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === 'z') return event.shiftKey ? 'redo' : 'undo';
    return key === 'y' ? 'redo' : null;
  }
  if (event.altKey || localStorage.getItem(KEPT) === 'off') return null;
  return SINGLE[key] ?? null;
}

function press(action) {
  busyUntil = performance.now() + ANSWERED;
  trigger('select', { action, moving: Boolean(valueNow()?.moving) });
}

function onKey(event) {
  if (!element.isConnected || event.target.closest?.(FIELD)) return;
  const action = shortcut(event);
  const button = action && part(`button[data-action=${action}]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  press(action);
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (!button) return;
  if (button.dataset.action === 'copy') copyLink(button);
  else press(button.dataset.action);
});
element.addEventListener('change', ({ target }) => {
  if (target.type === 'checkbox') localStorage.setItem(KEPT, target.checked ? 'on' : 'off');
});
document.addEventListener('keydown', onKey);
// A method, a set or an expert was chosen, a cell was opened or closed: sliders come to rest with
// the answer to that.
document.addEventListener('change', ({ target }) => {
  const chosen = target.closest?.('.me-recipe') && target.matches('[type=radio], [type=checkbox]');
  if (element.isConnected && chosen) busyUntil = performance.now() + ANSWERED;
}, true);
['click', 'keydown'].forEach((name) => document.addEventListener(name, ({ target }) => {
  if (element.isConnected && target.closest?.('#heatmap')) busyUntil = performance.now() + 1000;
}, true));
part('.me-keys input').checked = localStorage.getItem(KEPT) !== 'off';
onValue(follow);
follow();
