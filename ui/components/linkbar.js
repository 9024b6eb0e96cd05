// Keeps the address right while sliders move, and tells the page when they have come to rest.
const REST = 350;
const DRAWN = 100;
const PATIENCE = 10_000;
const FIELD = 'input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select';
const SINGLE = { p: 'pin', s: 'swap' };
const KEPT = 'merge-explorer-keys';
let rest = null;
let settled;
let answerBy = 0; // until then an answer to "settled" is awaited: several would take all connections
let moving = false; // what is shown came from ticks
let highest = 0; // step of the last change that was heard of
let held = false; // a slider is held by the pointer
let asked = location.search.length > 1; // a link that the page has not read yet stays as it is

function addressOf({ space, query }) {
  return `${space || `${location.origin}${location.pathname}`}?${query}`;
}

// Entries such as __theme are Gradio's own, and stay.
function ownAddress({ query }) {
  const entries = location.search.slice(1).split('&').filter((entry) => entry.startsWith('__'));
  return `?${[query, ...entries].join('&')}${location.hash}`;
}

function address(value) {
  history.replaceState(history.state, '', ownAddress(value));
}

function awaitUntil(time) {
  answerBy = time;
  part('.me-bar').dataset.awaited = time ? 'yes' : '';
}

function restSoon(value) {
  settled ??= value.query;
  clearTimeout(rest);
  part('.me-bar').dataset.moving = value.query === settled ? '' : 'yes';
  if (value.query === settled) return;
  rest = setTimeout(() => {
    if (held || Date.now() < answerBy) {
      restSoon(valueNow());
      return;
    }
    settled = value.query;
    awaitUntil(Date.now() + PATIENCE);
    address(value);
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

// Until the server has read the link what stands there is still the first experiment.
function beginReading() {
  asked = false;
  document.body.dataset.reading = 'yes';
  setTimeout(() => { delete document.body.dataset.reading; }, PATIENCE);
}

function follow() {
  const value = valueNow();
  if (!value || !part('.me-bar')) return;
  if (asked) beginReading();
  else {
    delete document.body.dataset.reading;
    if (!value.moving) address(value);
  }
  document.body.dataset.hide = value.hide.join(' ');
  drawButtons(value);
  if (!value.moving) {
    // Controls that moved on while the answer was under way ask once more.
    if (moving) setTimeout(() => document.dispatchEvent(new CustomEvent('me-moved')), DRAWN);
    settled = value.query;
    awaitUntil(0);
  }
  moving = value.moving;
  // Answers may overtake each other: one that comes too late has drawn over what is newer.
  if (!moving && value.step < highest) trigger('select', { action: 'again' });
  highest = value.step;
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

function onKey(event) {
  if (!element.isConnected || event.target.closest?.(FIELD)) return;
  const action = shortcut(event);
  const button = action && part(`button[data-action=${action}]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  trigger('select', { action });
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (!button) return;
  if (button.dataset.action === 'copy') copyLink(button);
  else trigger('select', { action: button.dataset.action });
});
element.addEventListener('change', ({ target }) => {
  if (target.type === 'checkbox') localStorage.setItem(KEPT, target.checked ? 'on' : 'off');
});
document.addEventListener('keydown', onKey);
// Going back leads to where one was on the page; the settings stay what they are.
window.addEventListener('popstate', () => {
  const read = !asked && !document.body.dataset.reading;
  if (element.isConnected && read) address(valueNow());
});
document.addEventListener('pointerdown', ({ target }) => {
  held = Boolean(target.matches?.('.me-recipe input[type=range]'));
}, true);
['pointerup', 'pointercancel', 'blur'].forEach((name) => ( // blur: of the window alone
  window.addEventListener(name, () => { held = false; })));
part('.me-keys input').checked = localStorage.getItem(KEPT) !== 'off';
onValue(follow);
follow();
