const CONFIG = { displayModeBar: false, responsive: false, doubleClick: false };
let drawn = null;

const part = (name) => element.querySelector(name);

function resolve(node, styles) {
  if (typeof node === 'string') {
    return node.replace(/var\((--[\w-]+)\)/g, (_, name) => styles.getPropertyValue(name).trim());
  }
  if (Array.isArray(node)) return node.map((item) => resolve(item, styles));
  if (node && typeof node === 'object') {
    return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, resolve(v, styles)]));
  }
  return node;
}

function cellOf(row, text, tag) {
  const cell = document.createElement(tag);
  cell.textContent = text === null || text === undefined ? '' : String(text);
  row.append(cell);
}

function fillTable(table) {
  const host = part('.me-table');
  if (!host || !table) return;
  const made = document.createElement('table');
  const head = made.createTHead().insertRow();
  table.columns.forEach((name) => cellOf(head, name, 'th'));
  const body = made.createTBody();
  table.rows.forEach((values) => {
    const row = body.insertRow();
    values.forEach((value) => cellOf(row, value, 'td'));
  });
  host.replaceChildren(made);
}

function patched(value) {
  return { ...value.layout, ...(value.patch || {}), width: part('.me-plot').clientWidth };
}

function draw() {
  const value = props.value;
  const host = part('.me-plot');
  if (!value || !host) return;
  if (!window.Plotly || !host.clientWidth) {
    setTimeout(draw, 40);
    return;
  }
  const styles = getComputedStyle(document.body);
  const layout = resolve(patched(value), styles);
  const same = drawn && drawn.host === host && drawn.revision === value.revision;
  if (same && value.revision !== undefined) {
    Plotly.relayout(host, resolve(value.patch || {}, styles));
  } else {
    Plotly.react(host, resolve(value.data, styles), layout, CONFIG);
    drawn = { host, revision: value.revision };
    host.dataset.drawn = 'yes';
  }
  host.setAttribute('aria-label', value.label || '');
  part('.me-caption').textContent = value.sentence || '';
  fillTable(value.table);
}

function redraw() {
  drawn = null;
  draw();
}

function csvOf(table) {
  const quote = (text) => `"${String(text ?? '').replaceAll('"', '""')}"`;
  return [table.columns, ...table.rows].map((row) => row.map(quote).join(',')).join('\n');
}

element.addEventListener('click', (event) => {
  if (event.target.closest('.me-copy') && props.value) {
    navigator.clipboard.writeText(csvOf(props.value.table));
  }
});

let width = 0;
new ResizeObserver(() => {
  const now = part('.me-plot') ? part('.me-plot').clientWidth : 0;
  if (now && now !== width) {
    width = now;
    redraw();
  }
}).observe(element);
new MutationObserver(redraw).observe(document.body, { attributeFilter: ['class'] });
watch('value', draw);
draw();
