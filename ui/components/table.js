const tableOf = (value) => value.table;

function draw() {
  const value = valueNow();
  const box = part('.me-plain');
  if (!box) return;
  box.hidden = !value;
  if (!value) return;
  const some = value.table.rows.length > 0;
  part('.me-caption').textContent = value.sentence;
  const scroll = part('.me-scroll');
  scroll.setAttribute('aria-label', value.caption);
  scroll.hidden = part('.me-tools').hidden = !some;
  if (!some) return;
  const table = madeTable(value.table);
  table.createCaption().textContent = value.caption;
  for (const row of table.rows) value.words.forEach((i) => row.cells[i]?.classList.add('is-words'));
  scroll.replaceChildren(table);
}

onValue(draw);
draw();
