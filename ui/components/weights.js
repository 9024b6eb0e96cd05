const SVG = 'http://www.w3.org/2000/svg';
const REACH = 13;
const WAYS = { 1: 'up', '-1': 'down', 0: 'no change' };
const tableOf = (value) => value.table;

function make(tag, text = '', className = '') {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function head(row, text, scope, span = {}) {
  const cell = Object.assign(make('th', text), { scope, ...span });
  row.append(cell);
  return cell;
}

function drawing(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
  return node;
}

// From the middle line up or down; the head shrinks with very short ones.
function arrow({ sign, length }) {
  const svg = drawing('svg', {
    class: 'me-arrow', viewBox: `0 0 10 ${2 * REACH + 2}`, role: 'img', 'aria-label': WAYS[sign],
    'data-sign': sign,
  });
  const middle = REACH + 1;
  svg.append(drawing('path', { d: `M1 ${middle}H9`, class: 'me-zero' }));
  if (!sign) return svg;
  const tip = middle - sign * Math.max(3, length * REACH);
  const wing = Math.min(3.5, Math.max(1.5, length * REACH / 2));
  const back = tip + sign * wing;
  svg.append(drawing('path', { d: `M5 ${middle}V${tip}M${5 - wing} ${back}L5 ${tip}L${5 + wing} ${back}` }));
  return svg;
}

function hidden(text) {
  return make('span', text, 'me-unseen');
}

function changeCell(change) {
  const cell = make('td', '', change.kept === false ? 'is-dropped' : '');
  const box = make('span', '', 'me-change');
  const number = make(change.kept === false ? 's' : 'span', change.text);
  box.append(arrow(change), number);
  cell.append(box);
  if (change.kept === false) cell.append(hidden(' dropped'));
  if (change.made) cell.append(make('small', `→ ${change.made}`));
  return cell;
}

function electedCell({ text, said, sign }) {
  const cell = make('td', '', 'me-elected');
  const shown = make('span', text);
  shown.setAttribute('aria-hidden', 'true');
  shown.dataset.sign = sign;
  cell.append(shown, hidden(said));
  return cell;
}

function rowOf(weight) {
  const row = document.createElement('tr');
  const name = head(row, '', 'row');
  name.title = weight.tensor;
  name.append(make('span', weight.name), make('small', weight.place));
  row.append(make('td', weight.base), ...weight.changes.map(changeCell));
  row.append(electedCell(weight.elected), make('td', weight.agreeing), changeCell(weight.merged));
  return row;
}

function addHead(table, experts) {
  const [top, under] = [table.createTHead().insertRow(), table.tHead.insertRow()];
  head(top, 'Weight', 'col', { rowSpan: 2 });
  head(top, 'Base', 'col', { rowSpan: 2 });
  head(top, '1  Trim: change by expert', 'colgroup', { colSpan: experts.length });
  head(top, '2  Elect', 'colgroup', { colSpan: 2 });
  head(top, '3  Merge', 'colgroup');
  experts.forEach(({ letter, label }) => {
    const cell = head(under, '', 'col');
    cell.append(make('b', letter), ` ${label}`);
  });
  ['sign', 'who agrees', 'change'].forEach((text) => head(under, text, 'col'));
}

function tableOfWeights(value) {
  const table = document.createElement('table');
  table.append(make('caption', value.caption));
  addHead(table, value.experts);
  table.createTBody();
  return table;
}

// While a slider moves most weights stay as they are, and so do their rows.
function drawRows(body, rows) {
  rows.forEach((weight, place) => {
    const text = JSON.stringify(weight);
    if (body.rows[place]?.told === text) return;
    const row = Object.assign(rowOf(weight), { told: text });
    if (body.rows[place]) body.rows[place].replaceWith(row);
    else body.append(row);
  });
}

function drawTable(value) {
  const scroll = part('.me-scroll');
  const name = JSON.stringify([value.caption, value.experts, value.rows.length]);
  if (scroll.dataset.name !== name || !scroll.firstChild) {
    scroll.dataset.name = name;
    scroll.setAttribute('aria-label', value.caption);
    scroll.replaceChildren(tableOfWeights(value));
  }
  drawRows(scroll.querySelector('tbody'), value.rows);
}

function draw() {
  const value = valueNow();
  const box = part('.me-weights');
  if (!box) return;
  box.hidden = !value;
  if (!value) return;
  const some = value.rows.length > 0;
  part('.me-caption').textContent = value.sentence;
  part('.me-scroll').hidden = part('.me-tools').hidden = !some;
  if (some) drawTable(value);
  box.dataset.stamp = value.stamp ?? '';
}

onValue(draw);
draw();
