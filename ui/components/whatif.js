const LONG = 40;
const short = (words) => (words.length > LONG ? words.split(':')[0] : words);

function drawTakes(value) {
  const words = new Map(value.takes);
  part('.me-takes').hidden = !value.takes.length;
  part('.me-whatif-files').hidden = !value.report;
  ['best', 'simplest'].forEach((name) => {
    const button = part(`[data-take=${name}]`);
    button.hidden = !value[name] || (name === 'simplest' && value.simplest === value.best);
    button.textContent = `Take ${name}: ${short(words.get(value[name]) ?? '')}`;
    button.dataset.key = value[name];
  });
  fill(part('[data-choose=point]'), value.takes, value.best);
}

function drawErrors(value) {
  const list = part('.me-whatif-errors');
  list.hidden = !value.errors.length;
  list.replaceChildren(...value.errors.map((text) => {
    const item = document.createElement('li');
    item.textContent = text;
    return item;
  }));
}

element.addEventListener('click', ({ target }) => {
  const { take, key } = target.closest('button')?.dataset ?? {};
  if (take) trigger('select', { action: 'take', key: key ?? part('[data-choose=point]').value });
});
drawMore = (value) => {
  drawTakes(value);
  drawErrors(value);
};
draw();
