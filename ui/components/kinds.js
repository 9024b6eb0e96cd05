function option(kind, word, chosen) {
  const label = document.createElement('label');
  const radio = document.createElement('input');
  Object.assign(radio, { type: 'radio', name: 'me-kind', value: kind, checked: kind === chosen });
  label.append(radio, word);
  return label;
}

function draw() {
  const value = valueNow();
  const host = element.querySelector('fieldset');
  if (!value || !host) return;
  const drawn = [...host.querySelectorAll('input')].map((radio) => radio.value);
  const same = drawn.join() === value.kinds.map(([kind]) => kind).join();
  if (same) {
    host.querySelectorAll('input').forEach((r) => { r.checked = r.value === value.chosen; });
    return;
  }
  host.querySelectorAll('label').forEach((label) => label.remove());
  host.append(...value.kinds.map(([kind, word]) => option(kind, word, value.chosen)));
}

element.addEventListener('change', ({ target }) => {
  trigger('select', { action: 'kind', kind: target.value });
});
onValue(draw);
draw();
