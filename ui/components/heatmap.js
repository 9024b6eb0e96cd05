const STEPS = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
let cursor = null;
let hovered = null;
let geometry = null;

function tableOf(value) {
  const share = (x) => (x === null ? 'too few' : (100 * x).toFixed(1));
  const columns = ['Layer and module', 'Signs clash, %', 'Coin toss, %', 'Weights counted'];
  const rows = value.cells.flatMap((cells, row) => cells.flatMap((cell, col) => (cell ? [[
    `${value.rows[row]} ${value.columns[col]}`, share(cell.value), share(cell.chance),
    String(cell.counted),
  ]] : [])));
  return { columns, rows };
}

function sizeCanvas(canvas, at) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(at.width * ratio);
  canvas.height = Math.round(at.height * ratio);
  canvas.style.width = `${at.width}px`;
  canvas.style.height = `${at.height}px`;
  const ctx = canvas.getContext('2d');
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  return ctx;
}

function prepare(ctx, palette) {
  ctx.font = palette.font;
  ctx.textBaseline = 'middle';
}

function drawOutlines(ctx, canvas, palette) {
  if (hovered) outline(ctx, geometry, hovered, palette.soft, 1);
  if (!cursor) return;
  const focused = document.activeElement === canvas;
  outline(ctx, geometry, cursor, focused ? palette.accent : palette.ink, focused ? 3 : 1.5);
}

function draw() {
  const value = valueNow();
  const canvas = part('.me-heat');
  if (!canvas) return;
  part('.me-figure').hidden = !value;
  const width = canvas.parentElement.clientWidth;
  if (!value || !width) return;
  part('.me-caption').textContent = value.sentence;
  const palette = paletteNow();
  const measure = canvas.getContext('2d');
  prepare(measure, palette);
  geometry = geometryOf(value, width, measure);
  const ctx = sizeCanvas(canvas, geometry);
  prepare(ctx, palette);
  paint(ctx, value, geometry, palette);
  drawOutlines(ctx, canvas, palette);
  canvas.dataset.stamp = value.stamp ?? '';
}

function read(place, aloud) {
  const readout = part('.me-readout');
  const cell = valueNow().cells[place.row]?.[place.col];
  readout.setAttribute('aria-live', aloud ? 'polite' : 'off');
  readout.textContent = cell?.text
    ?? `${valueNow().rows[place.row]} has no ${valueNow().columns[place.col]}.`;
}

function inside(place) {
  const { rows, columns } = valueNow();
  return {
    row: Math.max(0, Math.min(rows.length - 1, place.row)),
    col: Math.max(0, Math.min(columns.length - 1, place.col)),
  };
}

function moveTo(place) {
  cursor = inside(place);
  draw();
  read(cursor, true);
}

function hover(place) {
  if (place?.row === hovered?.row && place?.col === hovered?.col) return;
  hovered = place;
  draw();
  if (place ?? cursor) read(place ?? cursor, false);
}

function select(place) {
  const { rows, columns } = valueNow();
  trigger('select', { ...place, layer: rows[place.row], module: columns[place.col] });
}

function placeAt(event) {
  if (!valueNow() || !geometry || !event.target.closest('.me-heat')) return null;
  const box = part('.me-heat').getBoundingClientRect();
  const col = Math.floor((event.clientX - box.left - geometry.left) / geometry.cell);
  const down = Math.floor((event.clientY - box.top - geometry.top) / geometry.row);
  const row = geometry.count - 1 - down;
  return valueNow().cells[row]?.[col] ? { row, col } : null;
}

function follow() {
  cursor = cursor && inside(cursor);
  hovered = null;
  draw();
  if (cursor) read(cursor, false);
  refreshTable();
}

element.addEventListener('keydown', (event) => {
  if (!valueNow() || !event.target.closest('.me-heat')) return;
  const here = cursor ?? { row: 0, col: 0 };
  const step = STEPS[event.key];
  if (step) {
    event.preventDefault();
    moveTo({ row: here.row + step[0], col: here.col + step[1] });
  } else if (event.key === 'Enter') {
    moveTo(here);
    select(cursor);
  }
});
element.addEventListener('pointermove', (event) => {
  if (event.pointerType === 'mouse' && valueNow()) hover(placeAt(event));
});
element.addEventListener('pointerleave', () => {
  if (valueNow()) hover(null);
});
element.addEventListener('click', (event) => {
  const place = placeAt(event);
  if (!place) return;
  moveTo(place);
  select(place);
});
element.addEventListener('focusin', (event) => {
  if (!valueNow() || !event.target.matches('.me-heat:focus-visible')) return;
  moveTo(cursor ?? { row: 0, col: 0 });
});
element.addEventListener('focusout', draw);
onWidth('.me-heat', draw);
onTheme(draw);
watch('value', follow);
draw();
