const LIVE = ['queued', 'running'];
const part = (name) => element.querySelector(name);
let told = '';

const live = (value) => LIVE.includes(value.state);

// Left alone while nothing changed: an open list would close.
function fill(select, pairs, chosen) {
  const text = JSON.stringify(pairs);
  if (select.dataset.filled !== text) {
    select.dataset.filled = text;
    select.replaceChildren(...pairs.map(([value, words]) => new Option(words, value)));
    select.value = chosen;
  }
}

// Selects stay while their names do: one that has the focus keeps it.
function drawFields(fields) {
  const host = part('.me-fields');
  const names = fields.map(({ name, label }) => `${name} ${label}`).join('|');
  if (host.dataset.names !== names) {
    host.dataset.names = names;
    host.replaceChildren(...fields.map(({ name, label }) => {
      const box = document.createElement('label');
      const word = document.createElement('span');
      const select = document.createElement('select');
      word.textContent = label;
      select.dataset.field = name;
      box.append(word, ' ', select);
      return box;
    }));
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
  button.disabled = !live(value) && !value.go;
  drawFields(value.fields);
  part('.me-whatif-note').textContent = value.note;
}

function drawTrack(value) {
  const track = part('.me-job-track');
  const share = Math.round(100 * value.fraction);
  track.hidden = !live(value);
  track.setAttribute('aria-valuenow', String(share));
  track.setAttribute('aria-valuetext', value.note);
  track.firstElementChild.style.width = `${share}%`;
}

const LONG = 40;
const short = (words) => (words.length > LONG ? words.split(':')[0] : words);

function drawTakes(value) {
  const words = new Map(value.takes);
  part('.me-takes').hidden = !value.takes.length;
  part('.me-whatif-files').hidden = !value.report;
  ['best', 'simplest'].forEach((name) => {
    const button = part(`[data-take=${name}]`);
    button.hidden = !value[name] || (name === 'simplest' && value.simplest === value.best);
    button.textContent = `Take ${name}: ${short(words.get(value[name]) ?? '')}`;
    button.dataset.key = value[name];
  });
  fill(part('[data-choose=point]'), value.takes, value.best);
}

function drawErrors(value) {
  const list = part('.me-whatif-errors');
  list.hidden = !value.errors.length;
  list.replaceChildren(...value.errors.map((text) => {
    const item = document.createElement('li');
    item.textContent = text;
    return item;
  }));
}

// A screen reader hears how it ended, not every step.
function announce(value) {
  const now = `${value.state} ${live(value) ? '' : value.said}`;
  if (told && told !== now) part('.me-job-said').textContent = live(value) ? value.note : value.said;
  told = now;
}

function draw() {
  const value = valueNow();
  if (!value || !part('.me-whatif')) return;
  part('.me-whatif').dataset.state = value.state;
  part('.me-whatif-said').textContent = value.said;
  drawBar(value);
  drawTrack(value);
  drawTakes(value);
  drawErrors(value);
  announce(value);
}

element.addEventListener('change', ({ target }) => {
  const { field } = target.dataset;
  if (field) trigger('select', { action: 'choose', field, value: target.value });
});
element.addEventListener('click', ({ target }) => {
  const { action, take, key } = target.closest('button')?.dataset ?? {};
  if (action) trigger('select', { action });
  if (take) trigger('select', { action: 'take', key: key ?? part('[data-choose=point]').value });
});
onValue(draw);
draw();
