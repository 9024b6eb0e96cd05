const FEWEST = 2;

function part(name) {
  return element.querySelector(name);
}

function make(tag, text = '', className = '') {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function drawTargets({ targets, chosen }) {
  const select = part('select');
  part('.me-blocks-whose').hidden = targets.length < FEWEST;
  select.replaceChildren(...targets.map(([word, label]) => {
    const option = make('option', label);
    option.value = word;
    option.selected = word === chosen;
    return option;
  }));
}

function presetButton([id, label, says], chosen) {
  const button = make('button', label);
  Object.assign(button, { type: 'button', title: says });
  button.dataset.key = `preset ${id}`;
  button.dataset.preset = id;
  button.setAttribute('aria-pressed', String(id === chosen));
  return button;
}

function meaning([, label, says]) {
  return [make('dt', label), make('dd', says)];
}

function numberBox(value, row, cell, head) {
  const box = make('input');
  Object.assign(box, { type: 'number', step: value.step, value: cell.value ?? '' });
  if (value.low !== null) box.min = value.low;
  if (value.high !== null) box.max = value.high;
  if (cell.value === null) box.placeholder = cell.text;
  Object.assign(box.dataset, { row: row.id, column: cell.column, key: `${row.id} ${cell.column}` });
  box.dataset.before = box.value;
  box.setAttribute('aria-label', `${value.title}, ${row.label}, ${head}`);
  return box;
}

function cellOf(value, row, cell, head) {
  const made = make('td');
  if (!cell.count) made.textContent = '\u2013';
  else if (cell.editable) made.append(numberBox(value, row, cell, head));
  else made.textContent = cell.text;
  if (cell.count) made.append(make('small', `${cell.count} tensor${cell.count > 1 ? 's' : ''}`));
  return made;
}

function rowOf(value, row) {
  const made = document.createElement('tr');
  const head = Object.assign(make('th', row.label), { scope: 'row' });
  if (row.layers) head.append(make('small', row.layers));
  made.append(head, ...row.cells.map((cell, i) => cellOf(value, row, cell, value.columns[i])));
  return made;
}

function tableOf(value) {
  const table = document.createElement('table');
  table.append(make('caption', `${value.title} by block`));
  const head = table.createTHead().insertRow();
  ['Block', ...value.columns].forEach((word) => {
    head.append(Object.assign(make('th', word), { scope: 'col' }));
  });
  table.createTBody().append(...value.rows.map((row) => rowOf(value, row)));
  return table;
}

// The focus stays where it was, and so does a number that somebody is typing there.
function keeping(redraw) {
  const { activeElement } = document;
  const key = element.contains(activeElement) ? activeElement.dataset.key : undefined;
  const typed = activeElement?.dataset.typed ? activeElement.value : undefined;
  redraw();
  const again = key && element.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!again) return;
  again.focus({ preventScroll: true });
  if (typed !== undefined) Object.assign(again, { value: typed }).dataset.typed = 'yes';
}

function drawBlocks(value) {
  const presets = value.presets ?? [];
  part('.me-presets').replaceChildren(...presets.map((one) => presetButton(one, value.preset)));
  part('.me-read').hidden = !presets.length;
  part('dl').replaceChildren(...presets.flatMap(meaning));
  part('.me-scroll').hidden = !value.rows;
  if (value.rows) part('.me-scroll').replaceChildren(tableOf(value));
}

function draw() {
  const value = valueNow();
  if (!value || !part('.me-blocks')) return;
  if (part('.me-caption').textContent !== value.sentence) {
    part('.me-caption').textContent = value.sentence;
  }
  part('.me-blocks-wrong').textContent = '';
  if (document.activeElement !== part('select')) drawTargets({ targets: [], ...value });
  keeping(() => drawBlocks(value));
}

function complaint(box) {
  const value = box.valueAsNumber;
  if (Number.isNaN(value)) return 'A number is needed here.';
  if (box.min !== '' && value < Number(box.min)) return `${value} is below ${box.min}.`;
  return box.max !== '' && value > Number(box.max) ? `${value} is above ${box.max}.` : '';
}

element.addEventListener('input', ({ target }) => {
  if (target.dataset.row) target.dataset.typed = 'yes';
});
element.addEventListener('change', ({ target }) => {
  if (target.matches('select')) {
    trigger('select', { action: 'target', target: target.value });
    return;
  }
  const { row, column, before } = target.dataset;
  if (!row) return;
  delete target.dataset.typed;
  if (target.value === before && !target.validity.badInput) return;
  const wrong = complaint(target);
  part('.me-blocks-wrong').textContent = wrong && `${target.ariaLabel}: ${wrong}`;
  target.toggleAttribute('aria-invalid', Boolean(wrong));
  if (!wrong) trigger('select', { action: 'block', row, column, value: target.valueAsNumber });
});
element.addEventListener('click', ({ target }) => {
  const { preset } = target.closest('button')?.dataset ?? {};
  if (preset) trigger('select', { action: 'preset', preset });
});
onValue(draw);
draw();
