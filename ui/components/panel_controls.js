// One control of a parameter: a slider with a number, a choice, a switch or a text. What they
// hold is told by `changed(control, expert, value)`; expert is null for one value for all.

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function numberBox(control, value, name, id) {
  const box = make('input');
  Object.assign(box, { type: 'number', min: control.low, max: control.high, step: control.step });
  box.value = value ?? '';
  box.id = id;
  box.setAttribute('aria-label', name);
  return box;
}

function rangeBar(control, value, name) {
  const bar = make('input');
  Object.assign(bar, { type: 'range', min: control.low, max: control.high, step: control.step });
  bar.value = value ?? control.low;
  bar.setAttribute('aria-label', name);
  fill(bar);
  return bar;
}

function fill(bar) {
  const share = (bar.value - bar.min) / (bar.max - bar.min || 1);
  bar.style.setProperty('--range_progress', `${100 * share}%`);
}

// Keeps number and bar together, and tells what the person set.
function pair(control, box, bar, tell) {
  bar.addEventListener('input', () => {
    box.value = bar.value;
    fill(bar);
    tell(bar.valueAsNumber);
  });
  box.addEventListener('input', () => {
    if (!Number.isNaN(box.valueAsNumber)) bar.value = box.value;
    fill(bar);
    tell(Number.isNaN(box.valueAsNumber) ? null : box.valueAsNumber);
  });
}

function slider(control, id, value, name, tell) {
  const box = numberBox(control, value, name, `${id}-number`);
  const bar = rangeBar(control, value, name);
  pair(control, box, bar, tell);
  return { box, bar };
}

function headOf(control, id, more) {
  const head = make('div', '', 'me-control-head');
  const label = make('label', control.label);
  label.htmlFor = `${id}-number`;
  head.append(label, ...more);
  return head;
}

function sliderControl(control, id, value, told) {
  const block = make('div', '', 'me-control block');
  const { box, bar } = slider(control, id, value, control.label, (v) => told(null, v));
  block.append(headOf(control, id, [box]), make('p', control.help, 'me-help'), bar);
  return block;
}

// One slider for each expert; what an expert has not set is the common value.
function dividedControl(control, id, values, experts, told) {
  const block = make('div', '', 'me-control block');
  block.setAttribute('role', 'group');
  block.setAttribute('aria-label', control.label);
  block.append(headOf(control, id, []), make('p', control.help, 'me-help'));
  for (const [expert, name] of experts) {
    const row = make('div', '', 'me-own block');
    row.id = `${id}-${expert}`;
    const value = values.own[expert] ?? values.common;
    const said = `${control.label} of ${name}`;
    const { box, bar } = slider(control, row.id, value, said, (v) => told(expert, v));
    row.append(make('span', name), bar, box);
    block.append(row);
  }
  return block;
}

function choiceControl(control, id, value, told) {
  const block = make('fieldset', '', 'me-control me-choice');
  block.append(make('legend', control.label), make('p', control.help, 'me-help'));
  const row = make('div', '', 'me-choices');
  for (const [word, shown] of control.choices) {
    const label = make('label');
    const radio = make('input');
    Object.assign(radio, { type: 'radio', name: id, value: word, checked: word === value });
    label.classList.toggle('selected', radio.checked);
    radio.addEventListener('change', () => {
      row.querySelectorAll('label').forEach((l) => l.classList.toggle('selected', l === label));
      told(null, word);
    });
    label.append(radio, make('span', shown));
    row.append(label);
  }
  block.append(row);
  return block;
}

function flagControl(control, id, value, told) {
  const block = make('div', '', 'me-control me-flag');
  const label = make('label');
  const box = make('input');
  Object.assign(box, { type: 'checkbox', checked: value === true });
  box.addEventListener('change', () => told(null, box.checked));
  label.append(box, make('span', control.label));
  block.append(label, make('p', control.help, 'me-help'));
  return block;
}

function textControl(control, id, value, told) {
  const block = make('div', '', 'me-control');
  const box = make('input');
  Object.assign(box, { type: 'text', value: value ?? '', id: `${id}-number`, spellcheck: false });
  box.addEventListener('change', () => told(null, box.value));
  block.append(headOf(control, id, []), make('p', control.help, 'me-help'), box);
  return block;
}

const KINDS = {
  slider: sliderControl, choice: choiceControl, flag: flagControl, text: textControl,
};
