const COLUMNS = ['Compare', 'Run', 'Settings', 'Kept, mean (95 %)', 'Worst task', 'Actions'];
const MOST_COMPARED = 4;
let renaming = null;
let doomed = null;
let drawing = false; // what is taken away loses the focus, which then means nothing

function make(tag, text, role) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  if (role) node.setAttribute('role', role);
  return node;
}

function addCell(row, column, text) {
  const head = column === 1;
  const cell = make(head ? 'th' : 'td', text, head ? 'rowheader' : 'cell');
  cell.dataset.label = COLUMNS[column];
  row.append(cell);
  return cell;
}

function actionButton(label, run, action, pressed) {
  const button = make('button', label);
  button.type = 'button';
  button.dataset.key = run.key;
  button.dataset.action = action;
  button.setAttribute('aria-label', `${label} ${run.name}`);
  if (pressed !== undefined) button.setAttribute('aria-pressed', String(pressed));
  return button;
}

function percentOf([value, low, high]) {
  const percent = (share) => (100 * share).toFixed(1);
  return `${percent(value)} % (${percent(low)} to ${percent(high)})`;
}

function gapOf([value, low, high]) {
  const points = (gap) => `${gap < 0 ? '−' : '+'}${Math.abs(100 * gap).toFixed(1)}`;
  const noise = low <= 0 && high >= 0 ? ', within noise' : '';
  return `${points(value)} points (${points(low)} to ${points(high)}${noise})`;
}

function addTick(row, run, ticked) {
  const box = make('input');
  box.type = 'checkbox';
  box.checked = run.compared;
  box.disabled = !run.compared && ticked >= MOST_COMPARED;
  box.dataset.key = run.key;
  box.setAttribute('aria-label', `Compare ${run.name}`);
  const label = make('label');
  label.className = 'me-tick';
  label.append(box);
  addCell(row, 0, '').append(label);
}

function nameField(run) {
  const field = make('input');
  field.type = 'text';
  field.maxLength = 60;
  field.value = run.name;
  field.dataset.key = run.key;
  field.setAttribute('aria-label', `New name of ${run.name}`);
  return field;
}

function addName(row, run) {
  const open = renaming === run.key;
  const cell = addCell(row, 1, open ? '' : run.name);
  if (open) cell.append(nameField(run));
  if (run.pinned) cell.append(make('span', 'pinned'));
  if (run.current) cell.append(make('span', 'shown'));
  if (run.when) cell.append(make('small', run.when));
}

function addSettings(row, run) {
  const cell = addCell(row, 2, run.settings);
  if (run.changed) cell.append(make('small', run.changed));
}

function addRun(body, run, ticked) {
  const row = body.insertRow();
  row.setAttribute('role', 'row');
  row.classList.toggle('is-current', run.current);
  row.classList.toggle('is-pinned', run.pinned);
  row.dataset.key = run.key;
  addTick(row, run, ticked);
  addName(row, run);
  addSettings(row, run);
  addCell(row, 3, run.mean ? percentOf(run.mean) : '');
  addCell(row, 4, run.worst);
  addCell(row, 5, '').append(
    actionButton('Show', run, 'show'),
    actionButton(run.pinned ? 'Unpin' : 'Pin', run, 'pin', run.pinned),
    actionButton('Rename', run, 'rename'),
    actionButton(doomed === run.key ? 'Really delete' : 'Delete', run, 'delete'),
  );
}

function headed(table, caption, names) {
  table.setAttribute('role', 'table');
  table.append(make('caption', caption));
  const head = table.createTHead().insertRow();
  head.setAttribute('role', 'row');
  names.forEach((name) => head.append(make('th', name, 'columnheader')));
  return table.createTBody();
}

function tableOfRuns(rows) {
  const table = make('table');
  const body = headed(table, 'Runs, newest first', COLUMNS);
  const ticked = rows.filter((run) => run.compared).length;
  rows.forEach((run) => addRun(body, run, ticked));
  return table;
}

function addLine(body, name, texts, runs) {
  const row = body.insertRow();
  row.setAttribute('role', 'row');
  row.append(make('th', name, 'rowheader'));
  texts.forEach((text, place) => {
    const cell = make('td', text, 'cell');
    cell.dataset.label = runs[place];
    row.append(cell);
  });
}

function tableBeside(beside) {
  const table = make('table');
  const body = headed(table, 'Runs side by side', ['', ...beside.names]);
  const { names } = beside;
  const told = (score, gap) => percentOf(score) + (gap ? `; ${gapOf(gap)}` : '');
  if (names.length > 1 && !beside.settings.length) {
    addLine(body, 'Settings', names.map(() => 'the same'), names);
  }
  beside.settings.forEach(({ name, values }) => addLine(body, name, values, names));
  beside.lines.forEach(({ task, scores, gaps }) => {
    addLine(body, task, scores.map((score, i) => told(score, gaps[i])), names);
  });
  return table;
}

function region(table) {
  const box = make('div', '', 'region');
  box.className = 'me-region';
  box.tabIndex = 0;
  box.setAttribute('aria-label', table.caption.textContent);
  box.append(table);
  return box;
}

function compared(beside) {
  const section = make('section');
  section.className = 'me-beside';
  section.append(make('h3', 'Side by side: what differs'), make('p', beside.sentence));
  if (beside.names.length > 1) section.append(region(tableBeside(beside)));
  return section;
}

// Of the ticked runs, else of the run that is shown, else of the newest; the newest stands first.
function told(rows) {
  const ticked = rows.filter((run) => run.compared).reverse();
  if (ticked.length) return ticked;
  return rows.length ? [rows.find((run) => run.current) ?? rows[0]] : [];
}

function tools(rows) {
  const bar = make('div');
  bar.className = 'me-tools';
  const button = (label, action) => {
    const made = make('button', label);
    made.type = 'button';
    made.className = 'me-quiet';
    made.dataset.action = action;
    return made;
  };
  const file = make('input');
  file.type = 'file';
  file.accept = '.json,application/json';
  file.hidden = true;
  const runs = told(rows);
  const of = runs.length === 1 ? runs[0].name : `${runs.length} runs`;
  if (runs.length) bar.append(button(`Report of ${of} (HTML)`, 'report'), button(`Scores of ${of} (CSV)`, 'scores'));
  bar.append(button('Save CSV', 'csv'), button('Export runs', 'export'),
    button('Import runs', 'import'), file);
  return bar;
}

function csvOfRuns(rows) {
  const quoted = (text) => `"${String(text ?? '').replaceAll('"', '""')}"`;
  const head = ['run', 'when', 'settings', 'changed', 'mean', 'low', 'high', 'worst task'];
  const lines = rows.map((run) => [
    run.name, run.when, run.settings, run.changed, ...(run.mean ?? ['', '', '']), run.worst,
  ]);
  return [head, ...lines].map((line) => line.map(quoted).join(',')).join('\r\n');
}

function download(text, name) {
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function held() {
  const node = document.activeElement?.closest?.('button[data-action], input[data-key]');
  if (!node || !element.contains(node)) return null;
  return { tag: node.tagName, key: node.dataset.key, action: node.dataset.action };
}

function focusAgain(host, was) {
  const same = (node) => node.tagName === was.tag && node.dataset.key === was.key
    && node.dataset.action === was.action;
  [...host.querySelectorAll('button, input')].find(same)?.focus();
}

function draw() {
  const host = element.querySelector('.me-runs');
  const value = valueNow();
  if (!host || !value) return;
  const was = held();
  const { rows } = value;
  const none = 'No runs yet. Merge and evaluate, and each result stays here.';
  const parts = [rows.length ? region(tableOfRuns(rows)) : make('p', none), tools(rows)];
  if (value.beside) parts.push(compared(value.beside));
  const typed = host.querySelector('input[type=text]')?.value;
  drawing = true;
  host.replaceChildren(...parts);
  drawing = false;
  if (renaming) typeOn(host.querySelector('input[type=text]'), typed);
  else if (was) focusAgain(host, was);
}

function typeOn(field, typed) {
  if (!field) return;
  if (typed === undefined) field.select();
  else Object.assign(field, { value: typed }).focus();
}

function finishRenaming(field, keep) {
  const key = renaming;
  renaming = null;
  if (keep && key && field.value.trim()) {
    trigger('select', { action: 'rename', key, name: field.value.trim() });
  }
  draw();
}

function askTwice(key) {
  if (doomed !== key) {
    doomed = key;
    draw();
    return;
  }
  doomed = null;
  trigger('select', { action: 'delete', key });
}

function press({ key, action }) {
  if (action === 'rename') {
    renaming = key;
    draw();
  } else if (action === 'delete') askTwice(key);
  else if (action === 'csv') download(csvOfRuns(valueNow().rows), 'runs.csv');
  else if (action === 'report' || action === 'scores') {
    const keys = told(valueNow().rows).map((run) => run.key);
    trigger('select', { action: action === 'scores' ? 'csv' : action, keys });
  } else if (action === 'import') element.querySelector('input[type=file]').click();
  else trigger('select', { action, key: key ?? '' });
}

function tick() {
  const keys = [...element.querySelectorAll('input[type=checkbox]:checked')]
    .map((box) => box.dataset.key).reverse();
  trigger('select', { action: 'compare', keys });
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (button) press(button.dataset);
});
element.addEventListener('change', async (event) => {
  if (event.target.type === 'checkbox') tick();
  if (event.target.type !== 'file' || !event.target.files.length) return;
  const text = await event.target.files[0].text();
  event.target.value = '';
  trigger('select', { action: 'import', text: text.slice(0, 2_000_001) });
});
element.addEventListener('keydown', (event) => {
  if (event.target.type !== 'text') return;
  if (event.key === 'Enter') finishRenaming(event.target, true);
  if (event.key === 'Escape') finishRenaming(event.target, false);
});
element.addEventListener('focusout', (event) => {
  if (drawing) return;
  if (event.target.type === 'text' && renaming === event.target.dataset.key) {
    finishRenaming(event.target, true);
  } else if (doomed && event.target.dataset.action === 'delete') {
    doomed = null;
    event.target.textContent = 'Delete';
  }
});
onValue(draw);
draw();
