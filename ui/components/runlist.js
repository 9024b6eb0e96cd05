const COLUMNS = ['Run', 'Settings', 'Kept, mean (95 %)', 'Worst task', ''];

function textCell(row, text) {
  const cell = row.insertCell();
  cell.textContent = text;
  return cell;
}

function button(label, run, action, pressed) {
  const made = document.createElement('button');
  made.type = 'button';
  made.textContent = label;
  made.dataset.key = run.key;
  made.dataset.action = action;
  made.setAttribute('aria-label', `${label} ${run.name}`);
  if (pressed !== undefined) made.setAttribute('aria-pressed', String(pressed));
  return made;
}

function percent(share) {
  return (100 * share).toFixed(1);
}

function addRun(body, run) {
  const row = body.insertRow();
  row.className = [run.current ? 'is-current' : '', run.pinned ? 'is-pinned' : ''].join(' ').trim();
  row.dataset.key = run.key;
  textCell(row, `${run.name}${run.pinned ? ' (pinned)' : ''}`);
  textCell(row, run.settings);
  const mean = run.mean;
  textCell(row, mean ? `${percent(mean.value)} % (${percent(mean.low)} to ${percent(mean.high)})` : '');
  textCell(row, run.worst);
  const actions = row.insertCell();
  actions.append(button('Show', run, 'show'), button(run.pinned ? 'Unpin' : 'Pin', run, 'pin', run.pinned));
}

function draw() {
  const host = element.querySelector('.me-runs');
  if (!host || !props.value) return;
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  COLUMNS.forEach((name) => {
    const cell = document.createElement('th');
    cell.textContent = name;
    head.append(cell);
  });
  const body = table.createTBody();
  props.value.rows.forEach((run) => addRun(body, run));
  host.replaceChildren(table);
}

element.addEventListener('click', (event) => {
  const pressed = event.target.closest('button[data-action]');
  if (pressed) trigger('select', { key: pressed.dataset.key, action: pressed.dataset.action });
});
watch('value', draw);
draw();
