let written = null;

function tell(name, value) {
  valueNow().values[name] = value;
  written = JSON.stringify(valueNow());
  props.value = written;
  heard = written;
  document.dispatchEvent(new CustomEvent('me-moved', { detail: element }));
}

function choices(field, value) {
  const node = make('select');
  for (const [word, shown] of field.choices) {
    const item = make('option', shown);
    item.value = word;
    item.selected = word === value;
    node.append(item);
  }
  node.addEventListener('change', () => tell(field.name, node.value));
  return node;
}

function numberField(field, value) {
  const node = make('input');
  Object.assign(node, { type: 'number', min: field.low, step: 1, value: value ?? '' });
  if (field.high !== null) node.max = field.high;
  node.addEventListener('input', () => {
    tell(field.name, Number.isNaN(node.valueAsNumber) ? null : node.valueAsNumber);
  });
  return node;
}

function fieldOf(field) {
  const block = make('div', '', 'me-control me-own-field');
  const value = valueNow().values[field.name];
  const node = field.kind === 'select' ? choices(field, value) : numberField(field, value);
  node.id = `own-option-${field.name}`;
  const label = make('label', field.label);
  label.htmlFor = node.id;
  block.append(label, node, make('p', field.help, 'me-help'));
  return block;
}

function draw() {
  const host = element.querySelector('.me-own-form');
  if (!host || !valueNow()) return;
  const held = document.activeElement?.id;
  host.replaceChildren(...valueNow().fields.map(fieldOf));
  if (held && host.querySelector(`#${CSS.escape(held)}`)) host.querySelector(`#${CSS.escape(held)}`).focus();
}

function follow() {
  if (props.value === written) return;
  written = props.value;
  draw();
}

onValue(follow);
follow();
