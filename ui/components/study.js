const part = (name) => element.querySelector(name);
const live = (value) => ['queued', 'running'].includes(value.state);
let told = '';

function fieldOf([name, label]) {
  const made = document.createElement('label');
  const word = document.createElement('span');
  const select = document.createElement('select');
  word.textContent = label;
  select.dataset.choose = name;
  made.append(word, select);
  return made;
}

// Left alone while nothing changed: an open list would close.
function drawFields(value) {
  const host = part('.me-study-fields');
  const names = value.fields.map(([name]) => name).join();
  if (host.dataset.names !== names) {
    host.dataset.names = names;
    host.replaceChildren(...value.fields.map(fieldOf));
  }
  value.fields.forEach(([name, , options, chosen]) => {
    const select = host.querySelector(`[data-choose="${name}"]`);
    const text = JSON.stringify(options);
    if (select.dataset.filled !== text) {
      select.dataset.filled = text;
      select.replaceChildren(...options.map(([key, words]) => new Option(words, key)));
    }
    select.value = chosen;
  });
}

function drawBar(value) {
  const button = part('.me-try');
  button.textContent = live(value) ? 'Stop' : value.go;
  button.dataset.action = live(value) ? 'stop' : 'go';
  part('.me-whatif-note').textContent = value.note;
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

// A screen reader hears how it ended, not every step.
function announce(value) {
  const now = `${value.state} ${live(value) ? '' : value.said}`;
  if (told && told !== now) part('.me-job-said').textContent = live(value) ? value.note : value.said;
  told = now;
}

function draw() {
  const value = valueNow();
  if (!value || !part('.me-study')) return;
  part('.me-study').dataset.state = value.state;
  drawFields(value);
  drawBar(value);
  drawTrack(value);
  announce(value);
}

element.addEventListener('change', ({ target }) => {
  const { choose } = target.dataset;
  if (choose) trigger('select', { action: 'choose', name: choose, value: target.value });
});
element.addEventListener('click', ({ target }) => {
  const { action } = target.closest('button')?.dataset ?? {};
  if (action) trigger('select', { action });
});
onValue(draw);
draw();
