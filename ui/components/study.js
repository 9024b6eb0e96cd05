const LIVE = ['queued', 'running'];
const part = (name) => element.querySelector(name);
const live = (value) => LIVE.includes(value.state);
let drawMore = () => {}; // what a component shows beside this
let told = '';

// Left alone while nothing changed: an open list would close.
function fill(select, pairs, chosen) {
  const text = JSON.stringify(pairs);
  if (select.dataset.filled !== text) {
    select.dataset.filled = text;
    select.replaceChildren(...pairs.map(([value, words]) => new Option(words, value)));
    select.value = chosen;
  }
}

function fieldOf({ name, label }) {
  const box = document.createElement('label');
  const word = document.createElement('span');
  const select = document.createElement('select');
  word.textContent = label;
  select.dataset.field = name;
  box.append(word, ' ', select);
  return box;
}

// Selects stay while their names do: one that has the focus keeps it.
function drawFields(fields) {
  const host = part('.me-fields');
  const names = fields.map(({ name, label }) => `${name} ${label}`).join('|');
  if (host.dataset.names !== names) {
    host.dataset.names = names;
    host.replaceChildren(...fields.map(fieldOf));
  }
  fields.forEach(({ name, options, chosen }) => {
    const select = part(`[data-field="${name}"]`);
    fill(select, options, chosen);
    select.value = chosen;
  });
}

function drawBar(value) {
  const button = part('.me-try');
  button.textContent = live(value) ? 'Stop' : value.go || 'Start';
  button.dataset.action = live(value) ? 'stop' : 'go';
  button.disabled = !live(value) && value.blocked;
  const note = part('.me-whatif-note');
  note.textContent = value.note;
  note.id ||= `note-${Math.random().toString(36).slice(2)}`;
  button.setAttribute('aria-describedby', note.id);
  part('.me-whatif-said').textContent = value.said;
}

function drawTrack(value) {
  const track = part('.me-job-track');
  const share = Math.round(100 * value.fraction);
  track.hidden = !live(value);
  track.setAttribute('aria-label', value.label);
  track.setAttribute('aria-valuenow', String(share));
  track.setAttribute('aria-valuetext', value.note);
  track.firstElementChild.style.width = `${share}%`;
}

// A screen reader hears how it ended, not every step, and why something cannot be done.
function announce(value) {
  const refused = !live(value) && (value.blocked || value.state === 'failed');
  const words = live(value) || refused ? value.note : value.said;
  const now = `${value.state} ${live(value) ? '' : words}`;
  if (told && told !== now) part('.me-job-said').textContent = words;
  told = now;
}

function draw() {
  const value = valueNow();
  if (!value || !part('.me-whatif')) return;
  part('.me-whatif').dataset.state = value.state;
  drawFields(value.fields);
  drawBar(value);
  drawTrack(value);
  drawMore(value);
  announce(value);
}

element.addEventListener('change', ({ target }) => {
  const { field } = target.dataset;
  if (field) trigger('select', { action: 'choose', field, value: target.value });
});
element.addEventListener('click', ({ target }) => {
  const { action } = target.closest('button')?.dataset ?? {};
  if (action) trigger('select', { action });
});
onValue(draw);
draw();
