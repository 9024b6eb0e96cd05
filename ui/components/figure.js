const part = (name) => element.querySelector(name);
// Asking the page for a width or a colour makes it lay itself out: both are asked for once.
const colours = new Map();
let measured = 0;

function themeValue(name) {
  const known = colours.get(name);
  if (known) return known;
  const found = getComputedStyle(document.body).getPropertyValue(name).trim();
  colours.set(name, found);
  return found;
}

function widthOf(node) {
  return measured || node.parentElement.clientWidth;
}

function addCells(row, texts, tag) {
  texts.forEach((text, index) => {
    const cell = document.createElement(tag === 'td' && index === 0 ? 'th' : tag);
    if (cell.tagName === 'TH') cell.scope = tag === 'td' ? 'row' : 'col';
    cell.textContent = text ?? '';
    row.append(cell);
  });
}

function madeTable(table) {
  const made = document.createElement('table');
  addCells(made.createTHead().insertRow(), table.columns, 'th');
  const body = made.createTBody();
  table.rows.forEach((texts) => addCells(body.insertRow(), texts, 'td'));
  return made;
}

function refreshTable() {
  if (valueNow() && part('.me-numbers')?.open) {
    part('.me-table').replaceChildren(madeTable(tableOf(valueNow())));
  }
}

function csvOf(table) {
  const plain = (text) => String(text ?? '').replace(/^−(?=[\d.])/, '-');
  const quoted = (text) => `"${plain(text).replaceAll('"', '""')}"`;
  return [table.columns, ...table.rows].map((row) => row.map(quoted).join(',')).join('\r\n');
}

function copyBySelection(text) {
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}

async function copyText(text) {
  if (!navigator.clipboard) return copyBySelection(text);
  return navigator.clipboard.writeText(text).then(() => true, () => copyBySelection(text));
}

async function copyData(button) {
  const done = await copyText(csvOf(tableOf(valueNow())));
  const label = button.textContent;
  button.textContent = done ? 'Copied' : 'Could not copy';
  button.disabled = true;
  setTimeout(() => {
    button.textContent = label;
    button.disabled = false;
  }, 1500);
}

function saveCsv() {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([csvOf(tableOf(valueNow()))], { type: 'text/csv' }));
  link.download = `${valueNow().name ?? 'merge-explorer'}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function onWidth(target, redraw) {
  let last = 0;
  new ResizeObserver(() => {
    measured = part(target)?.parentElement.clientWidth ?? 0;
    if (measured && measured !== last) {
      last = measured;
      redraw();
    }
  }).observe(element);
}

function onTheme(redraw) {
  new MutationObserver(() => {
    colours.clear();
    redraw();
  }).observe(document.body, { attributeFilter: ['class'] });
}

element.addEventListener('toggle', refreshTable, true);
element.addEventListener('click', (event) => {
  const button = event.target.closest('.me-copy');
  if (button && valueNow()) copyData(button);
  if (event.target.closest('.me-csv') && valueNow()) saveCsv();
});
