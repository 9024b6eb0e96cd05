// A base and up to a few experts. The page owns what is chosen; the server sends what there is.
const REST = 150;
const KINDS_TOLD = { model: 'Models', adapter: 'Adapters', delta: 'Deltas' };
let timer = null;
let written = null;
let lines = null; // rows as drawn, also those without a name yet

function edited() {
  clearTimeout(timer);
  timer = setTimeout(() => trigger('select', { action: 'edit' }), REST);
}

function send() {
  const value = valueNow();
  value.rows = lines;
  written = JSON.stringify(value);
  props.value = written;
  heard = written;
  edited();
}

function kindOf(name) {
  return valueNow().entries.find(([known]) => known === name)?.[1] ?? '';
}

function option(value, text, chosen) {
  const node = make('option', text);
  node.value = value;
  node.selected = value === chosen;
  return node;
}

function selectOf(label, first, groups, chosen, tell) {
  const node = make('select');
  node.setAttribute('aria-label', label);
  node.append(option('', first, chosen));
  for (const [head, names] of groups) {
    const group = make('optgroup');
    group.label = head;
    group.append(...names.map((name) => option(name, name, chosen)));
    if (names.length) node.append(group);
  }
  node.addEventListener('change', () => tell(node.value));
  return node;
}

function named(kind) {
  return valueNow().entries.filter(([, known]) => known === kind).map(([name]) => name);
}

function baseControl() {
  const value = valueNow();
  const block = make('div', '', 'me-control me-own-base');
  const head = make('label', 'Base');
  head.htmlFor = 'own-base';
  const choice = selectOf('Base', 'none', [['Models', named('model')]], value.base, (name) => {
    value.base = name;
    send();
  });
  choice.id = 'own-base';
  const help = 'The model that the experts were made from. Methods that average need none.';
  block.append(head, choice, make('p', help, 'me-help'));
  return block;
}

function weightControl(row, place) {
  const [low, high, step] = valueNow().slider;
  const block = make('div', '', 'me-own-weight block');
  const said = `Weight of expert ${place + 1}`;
  const { box, bar } = slider({ low, high, step }, `own-weight-${place}`, row.weight, said, (v) => {
    row.weight = v;
    send();
  });
  block.append(make('span', 'weight'), bar, box);
  if (row.local) block.append(make('p', 'Values by layer go before this one: see there.', 'me-help'));
  return block;
}

function overControl(row, place) {
  const block = make('div', '', 'me-own-over');
  const groups = [['Models', named('model')]];
  const said = `Model under the adapter of expert ${place + 1}`;
  block.append(make('span', 'over'), selectOf(said, 'the base', groups, row.over, (name) => {
    row.over = name;
    send();
  }));
  return block;
}

function switchOf(row, place) {
  const label = make('label', '', 'me-own-switch');
  const box = make('input');
  Object.assign(box, { type: 'checkbox', checked: row.on });
  box.setAttribute('aria-label', `Merge expert ${place + 1}`);
  box.addEventListener('change', () => {
    row.on = box.checked;
    send();
  });
  label.append(box);
  return label;
}

function removeButton(place) {
  const button = make('button', '\u2715');
  button.type = 'button';
  button.setAttribute('aria-label', `Take expert ${place + 1} off`);
  button.addEventListener('click', () => {
    lines.splice(place, 1);
    draw();
    send();
    focusOn(Math.min(place, lines.length - 1));
  });
  return button;
}

function focusOn(place) {
  const rows = element.querySelectorAll('.me-own-row');
  (rows[place]?.querySelector('select') ?? element.querySelector('.me-own-add')).focus();
}

function extrasOf(row, place) {
  const found = [];
  if (kindOf(row.name) === 'adapter') found.push(overControl(row, place));
  if (valueNow().weighted && row.name) found.push(weightControl(row, place));
  return found;
}

// The choice itself stays: somebody may be typing a name, of which every letter chooses.
function rowOf(row, place) {
  const block = make('div', '', 'me-own-row');
  block.setAttribute('role', 'group');
  block.setAttribute('aria-label', `Expert ${place + 1}`);
  const line = make('div', '', 'me-own-line');
  const groups = Object.entries(KINDS_TOLD).map(([kind, head]) => [head, named(kind)]);
  line.append(switchOf(row, place), selectOf(`Model of expert ${place + 1}`, 'choose …', groups, row.name, (name) => {
    row.name = name;
    if (kindOf(name) !== 'adapter') row.over = '';
    while (block.children.length > 1) block.lastChild.remove();
    block.append(...extrasOf(row, place));
    send();
  }), removeButton(place));
  block.append(line, ...extrasOf(row, place));
  return block;
}

function addButton() {
  const button = make('button', 'Add an expert', 'me-own-add');
  button.type = 'button';
  button.disabled = lines.length >= valueNow().most;
  button.addEventListener('click', () => {
    lines.push({ name: '', over: '', on: true, weight: 1 });
    draw();
    focusOn(lines.length - 1);
  });
  return button;
}

function draw() {
  const host = element.querySelector('.me-own-form');
  if (!host || !valueNow()) return;
  const head = make('p', 'Experts', 'me-own-head');
  host.replaceChildren(baseControl(), head, ...lines.map(rowOf), addButton());
}

function follow() {
  if (!valueNow() || (props.value === written && lines)) return;
  written = props.value;
  lines = valueNow().rows.map((row) => ({ ...row }));
  while (lines.length < 2) lines.push({ name: '', over: '', on: true, weight: 1 });
  draw();
}

document.addEventListener('me-moved', () => { if (element.isConnected) edited(); });
onValue(follow);
follow();
