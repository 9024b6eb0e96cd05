const part = (selector) => element.querySelector(selector);

function make(tag, text, className) {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function choose(id) {
  trigger('select', { method: id });
}

function quickChoice(entry, chosen) {
  const label = make('label');
  const radio = make('input');
  Object.assign(radio, { type: 'radio', name: 'method', value: entry.id });
  radio.checked = entry.id === chosen;
  label.classList.toggle('selected', radio.checked);
  label.append(radio, make('span', entry.label));
  return label;
}

function methodEntry(entry, chosen) {
  const item = make('li');
  const button = make('button', '', 'me-method');
  button.type = 'button';
  button.dataset.method = entry.id;
  button.setAttribute('aria-current', String(entry.id === chosen));
  button.setAttribute('aria-disabled', String(Boolean(entry.missing)));
  button.append(make('b', entry.label), make('span', entry.summary));
  if (entry.missing) button.append(make('em', entry.missing));
  item.append(button);
  return item;
}

function family({ label, methods }, chosen) {
  const section = make('section');
  const list = make('ul');
  list.append(...methods.map((entry) => methodEntry(entry, chosen)));
  section.append(make('h3', label), list);
  return section;
}

function matches(entry, familyLabel, words) {
  const { id, label, summary, idea, source } = entry;
  const text = [id, label, summary, idea, source, familyLabel].join(' ');
  return words.every((word) => text.toLowerCase().includes(word));
}

function search() {
  const words = part('.me-search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const { chosen, families } = valueNow();
  const found = families
    .map(({ label, methods }) => (
      { label, methods: methods.filter((entry) => matches(entry, label, words)) }))
    .filter(({ methods }) => methods.length);
  part('.me-families').replaceChildren(...found.map((group) => family(group, chosen)));
  const count = found.reduce((sum, { methods }) => sum + methods.length, 0);
  part('.me-found').textContent = words.length ? `${count || 'No'} found` : '';
}

// The method of exactly that name, else the first that was found.
function bestFound() {
  const typed = part('.me-search').value.trim().toLowerCase();
  const all = [...element.querySelectorAll('.me-method:not([aria-disabled=true])')];
  const named = (button) => [button.dataset.method, button.querySelector('b').textContent]
    .some((name) => name.toLowerCase() === typed);
  return all.find(named) ?? all[0];
}

function open(wanted) {
  const button = part('.me-all-button');
  button.setAttribute('aria-expanded', String(wanted));
  part('.me-all').hidden = !wanted;
  if (!wanted) return;
  part('.me-search').value = '';
  search();
  part('.me-search').focus();
}

function isOpen() {
  return !part('.me-all').hidden;
}

function draw() {
  const value = valueNow();
  if (!value || !part('.me-quick')) return;
  const held = part('.me-quick').contains(document.activeElement);
  part('.me-quick').replaceChildren(
    part('.me-quick legend'),
    ...value.quick.map((entry) => quickChoice(entry, value.chosen)),
  );
  if (held) part('.me-quick :checked')?.focus();
  const count = value.families.reduce((sum, { methods }) => sum + methods.length, 0);
  part('.me-all-button').textContent = `All ${count} methods`;
  if (isOpen()) search();
}

function pick(button) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  open(false);
  part('.me-all-button').focus();
  choose(button.dataset.method);
}

element.addEventListener('change', ({ target }) => {
  if (target.matches('.me-quick input')) choose(target.value);
});
element.addEventListener('input', ({ target }) => {
  if (target.matches('.me-search')) search();
});
element.addEventListener('click', ({ target }) => {
  if (target.closest('.me-all-button')) open(!isOpen());
  const button = target.closest('.me-method');
  if (button) pick(button);
});
element.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && isOpen()) {
    open(false);
    part('.me-all-button').focus();
  }
  if (event.key !== 'Enter' || !event.target.matches('.me-search')) return;
  event.preventDefault();
  const best = bestFound();
  if (best) pick(best);
});
onValue(draw);
draw();
