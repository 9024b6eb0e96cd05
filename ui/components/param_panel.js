const HEADS = {
  paper: 'As in the paper', mergekit: 'mergekit', peft: 'peft', fusion_bench: 'fusion_bench',
};
let written = null;
let unfolded = false;

// Writes the values back as the component's value and tells the server.
function send() {
  written = JSON.stringify(valueNow());
  props.value = written;
  heard = written;
  tellTicks();
  document.dispatchEvent(new CustomEvent('me-moved', { detail: element }));
}

function tellTicks() {
  window.mePanel = typeof props.value === 'string' ? props.value : JSON.stringify(valueNow());
}

function idOf(control) {
  return `${valueNow().method}-${control.name}`;
}

function set(control, expert, value) {
  const { values } = valueNow();
  if (expert === null) values.params[control.name] = value;
  else (values.own[control.name] ??= {})[expert] = value;
  drawPresets();
  followFlags();
  send();
}

function isDivided(control) {
  const { values, experts } = valueNow();
  return experts.length > 0 && (control.own || Object.hasOwn(values.own, control.name));
}

// From one value for all to one each, and back.
function divide(control) {
  const { values, experts } = valueNow();
  if (isDivided(control)) delete values.own[control.name];
  else {
    const common = values.params[control.name];
    values.own[control.name] = Object.fromEntries(experts.map(([id]) => [id, common]));
  }
  draw();
  send();
  element.querySelector(`#${CSS.escape(idOf(control))} .me-each`)?.focus();
}

function divideButton(control) {
  const divided = isDivided(control);
  const button = make('button', divided ? 'one for all' : 'one each', 'me-each');
  button.type = 'button';
  button.setAttribute('aria-label', divided
    ? `${control.label}: one value for all experts`
    : `${control.label}: one value for each expert`);
  button.addEventListener('click', () => divide(control));
  return button;
}

function controlOf(control) {
  const { values, experts } = valueNow();
  const id = idOf(control);
  const told = (expert, value) => set(control, expert, value);
  const common = values.params[control.name];
  const own = values.own[control.name] ?? {};
  const block = isDivided(control)
    ? dividedControl(control, id, { own, common }, experts, told)
    : KINDS[control.kind](control, id, common, told);
  block.id = id;
  block.dataset.name = control.name;
  if (control.divisible && !control.own && experts.length > 1) {
    block.querySelector('.me-control-head').append(divideButton(control));
  }
  return block;
}

function differing() {
  const { controls, values } = valueNow();
  return controls.filter(({ name, preset }) => (
    values.params[name] !== preset || Object.keys(values.own[name] ?? {}).length));
}

function presetButton(dialect) {
  const { values } = valueNow();
  const button = make('button', HEADS[dialect] ?? dialect);
  button.type = 'button';
  button.dataset.dialect = dialect;
  button.setAttribute('aria-pressed', String(dialect === values.dialect));
  button.addEventListener('click', () => trigger('select', { dialect }));
  return button;
}

function drawPresets() {
  const host = element.querySelector('.me-presets');
  const { dialects, controls } = valueNow();
  if (!controls.length) return;
  const changed = differing().map(({ label }) => label);
  const buttons = host.querySelectorAll('button');
  if (!buttons.length) host.append(...dialects.map(presetButton), make('span'));
  host.querySelector('span').textContent = changed.length ? `changed: ${changed.join(', ')}` : '';
}

// A control that a switch makes meaningful is hidden while the switch is off.
function followFlags() {
  const { controls, values } = valueNow();
  for (const { name, when } of controls) {
    const block = element.querySelector(`[data-name="${name}"]`);
    if (when && block) block.hidden = !values.params[when];
  }
}

function details(controls) {
  const folded = make('details', '', 'me-details');
  folded.open = unfolded;
  folded.addEventListener('toggle', () => { unfolded = folded.open; });
  folded.append(make('summary', 'Details of the method'), ...controls.map(controlOf));
  return folded;
}

// Moves an expert one place up or down; the whole order is sent.
function move(place, step) {
  const value = valueNow();
  const { experts } = value;
  [experts[place], experts[place + step]] = [experts[place + step], experts[place]];
  value.order = experts.map(([id]) => id);
  draw();
  send();
  const row = element.querySelectorAll('.me-order li')[place + step];
  [...row.querySelectorAll('button:not(:disabled)')].at(step < 0 ? 0 : -1).focus();
}

function moveButton(sign, name, place, step, last) {
  const button = make('button', sign);
  button.type = 'button';
  button.disabled = place + step < 0 || place + step > last;
  button.setAttribute('aria-label', `${name}: ${step < 0 ? 'earlier' : 'later'}`);
  button.addEventListener('click', () => move(place, step));
  return button;
}

function orderControl(experts, meaning) {
  const block = make('div', '', 'me-control me-order');
  const list = make('ol');
  experts.forEach(([, name], place) => {
    const item = make('li');
    const last = experts.length - 1;
    item.append(
      make('span', name),
      moveButton('\u2191', name, place, -1, last),
      moveButton('\u2193', name, place, 1, last),
    );
    list.append(item);
  });
  block.append(make('b', 'Order'), make('p', meaning, 'me-help'), list);
  return block;
}

function draw() {
  const host = element.querySelector('.me-panel');
  const value = valueNow();
  if (!host || !value) return;
  host.id = `panel-${value.method}`;
  const presets = make('div', '', 'me-presets');
  presets.setAttribute('role', 'group');
  presets.setAttribute('aria-label', 'Presets');
  const plain = value.controls.filter(({ advanced }) => !advanced);
  const advanced = value.controls.filter((control) => control.advanced);
  host.replaceChildren(...plain.map(controlOf));
  if (value.ordered && value.experts.length > 1) {
    host.append(orderControl(value.experts, value.ordered));
  }
  host.append(presets);
  if (advanced.length) host.append(details(advanced));
  drawPresets();
  followFlags();
  tellTicks();
}

function follow() {
  if (props.value === written) return;
  draw();
}

onValue(follow);
draw();
