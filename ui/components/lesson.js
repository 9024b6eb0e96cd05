const part = (name) => element.querySelector(name);
let shown = null;

function fill(host, tag, texts, dress = () => {}) {
  host.replaceChildren(...texts.map((text, place) => {
    const node = document.createElement(tag);
    node.textContent = text;
    dress(node, place);
    return node;
  }));
}

// Left alone while nothing changed: a button would lose the focus.
function drawChoices(value) {
  const host = part('.me-lesson-choices');
  const text = JSON.stringify([value.title, value.choices]);
  host.hidden = !value.choices.length;
  if (host.dataset.filled !== text) {
    host.dataset.filled = text;
    fill(host, 'button', value.choices, (button, place) => {
      button.type = 'button';
      button.dataset.choice = place;
    });
  }
  [...host.children].forEach((button, place) => {
    button.setAttribute('aria-pressed', String(place === value.chosen));
  });
}

function drawTry(value) {
  const row = part('.me-lesson-try');
  row.hidden = !value.button;
  const [words, action] = value.button ?? ['', ''];
  row.firstElementChild.textContent = words;
  row.firstElementChild.dataset.action = action;
  part('.me-lesson-note').textContent = value.note;
  const track = part('.me-job-track');
  const share = Math.round(100 * (value.fraction ?? 0));
  track.hidden = value.fraction === null;
  track.setAttribute('aria-valuenow', String(share));
  track.setAttribute('aria-valuetext', value.note);
  track.firstElementChild.style.width = `${share}%`;
}

function drawFigures(value) {
  const fold = part('.me-lesson-figures');
  fold.hidden = !value.rows.length;
  fold.querySelector('tbody').replaceChildren(...value.rows.map((row) => {
    const line = document.createElement('tr');
    fill(line, 'td', row);
    return line;
  }));
}

// A screen reader hears when measuring begins and how it ended, not every step.
function announce(value) {
  const now = `${value.title} ${value.button?.[1] ?? ''}`;
  const before = part('.me-lesson').dataset.told;
  if (before && !before.startsWith(value.title)) part('.me-job-said').textContent = '';
  else if (before && before !== now && value.button) part('.me-job-said').textContent = value.note;
  part('.me-lesson').dataset.told = now;
}

// The step that a visitor went to begins at its heading; the first paint leaves the focus alone.
function follow(value) {
  const now = `${value.title} ${value.step}`;
  if (shown !== null && shown !== now) {
    const heading = part('.me-lesson-heading');
    heading.focus({ preventScroll: true });
    const { top, bottom } = part('.me-lesson').getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) part('.me-lesson').scrollIntoView();
  }
  shown = now;
}

function draw() {
  const value = valueNow();
  const host = part('.me-lesson');
  if (!host) return;
  host.hidden = !value;
  document.body.dataset.lesson = value ? 'open' : '';
  if (!value) {
    shown = null;
    return;
  }
  host.dataset.step = value.step;
  part('.me-lesson-where').textContent = value.where;
  part('.me-lesson-title').textContent = value.title;
  part('.me-lesson-heading').textContent = value.heading;
  fill(part('.me-lesson-text'), 'p', value.paragraphs);
  const link = part('.me-lesson-link');
  link.hidden = !value.link;
  [link.firstElementChild.textContent, link.firstElementChild.href] = value.link ?? ['', ''];
  drawChoices(value);
  drawTry(value);
  drawFigures(value);
  announce(value);
  follow(value);
}

element.addEventListener('click', ({ target }) => {
  const { action, choice } = target.closest('button')?.dataset ?? {};
  if (choice) trigger('select', { action: 'guess', choice: Number(choice) });
  else if (action) trigger('select', { action });
});
onValue(draw);
draw();
