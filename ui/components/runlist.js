const COLUMNS = ['Run', 'Settings', 'Kept, mean (95 %)', 'Worst task', 'Actions'];

function make(tag, text, role) {
  const node = document.createElement(tag);
  node.textContent = text;
  if (role) node.setAttribute('role', role);
  return node;
}

function addCell(row, column, text) {
  const first = column === 0;
  const cell = make(first ? 'th' : 'td', text, first ? 'rowheader' : 'cell');
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

function meanText(mean) {
  if (!mean) return '';
  const percent = (share) => (100 * share).toFixed(1);
  return `${percent(mean.value)} % (${percent(mean.low)} to ${percent(mean.high)})`;
}

function addName(row, run) {
  const cell = addCell(row, 0, run.name);
  if (run.pinned) cell.append(make('span', 'pinned'));
  if (run.current) cell.append(make('span', 'shown'));
  if (run.when) cell.append(make('small', run.when));
}

function addRun(body, run) {
  const row = body.insertRow();
  row.setAttribute('role', 'row');
  row.classList.toggle('is-current', run.current);
  row.classList.toggle('is-pinned', run.pinned);
  row.dataset.key = run.key;
  addName(row, run);
  [run.settings, meanText(run.mean), run.worst].forEach((text, i) => addCell(row, i + 1, text));
  addCell(row, 4, '').append(
    actionButton('Show', run, 'show'),
    actionButton(run.pinned ? 'Unpin' : 'Pin', run, 'pin', run.pinned),
  );
}

function tableOfRuns(rows) {
  const table = document.createElement('table');
  table.setAttribute('role', 'table');
  table.append(make('caption', 'Runs, newest first'));
  const head = table.createTHead().insertRow();
  head.setAttribute('role', 'row');
  COLUMNS.forEach((name) => head.append(make('th', name, 'columnheader')));
  const body = table.createTBody();
  rows.forEach((run) => addRun(body, run));
  return table;
}

function focusedAction() {
  const button = document.activeElement?.closest?.('button[data-action]');
  return button && element.contains(button) ? button.dataset : null;
}

function focusAgain(host, held) {
  const same = (b) => b.dataset.key === held.key && b.dataset.action === held.action;
  [...host.querySelectorAll('button')].find(same)?.focus();
}

function draw() {
  const host = element.querySelector('.me-runs');
  if (!host) return;
  const held = focusedAction();
  const rows = valueNow()?.rows ?? [];
  host.replaceChildren(rows.length
    ? tableOfRuns(rows)
    : make('p', 'No runs yet. Merge and evaluate, and each result stays here.'));
  if (held) focusAgain(host, { ...held });
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (button) trigger('select', { key: button.dataset.key, action: button.dataset.action });
});
watch('value', draw);
draw();
