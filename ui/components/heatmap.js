const STEPS = {
  ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  PageUp: [5, 0], PageDown: [-5, 0], Home: [0, -Infinity], End: [0, Infinity],
};
const TABLE_PAUSE = 150;
const chosen = { part: 'contested', side: 'current' };
let heardView = '';
let opened = null; // {layer, module} by name, as rows may be pooled
let cursor = null;
let hovered = null;
let geometry = null;
let picture = null;
let tableTimer = 0;

const lookNow = (value) => ({ ...chosen, side: value.pinned ? chosen.side : 'current' });

function hearView(value) {
  const text = value.view ? JSON.stringify(value.view) : heardView;
  if (text === heardView) return;
  heardView = text;
  const { part: shown, side, cell } = value.view;
  if (shown) chosen.part = shown;
  if (side) chosen.side = side;
  const [layer, module] = cell?.split(' ') ?? [];
  opened = module ? { layer, module } : null;
}

function placeOf(cell) {
  if (!cell || !picture) return null;
  const row = picture.blocks.findIndex(({ name, rows }) => (
    name === cell.layer || rows.some((at) => holds(picture.value.rows[at], cell.layer))));
  const col = picture.columns.indexOf(cell.module);
  return picture.cells[row]?.[col] ? { row, col } : null;
}

function holds(row, layer) {
  if (row === layer || !isLayer(row) || !isLayer(layer)) return row === layer;
  const [from, to] = [endsOf(row)[0], endsOf(row).at(-1)].map((end) => Number(end.slice(1)));
  const at = Number(endsOf(layer)[0].slice(1));
  return from <= at && at <= to;
}

function sizeCanvas(canvas, at) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [at.width, at.height].map((length) => Math.round(length * ratio));
  const ctx = canvas.getContext('2d');
  if (canvas.width !== width || canvas.height !== height) {
    Object.assign(canvas, { width, height });
    Object.assign(canvas.style, { width: `${at.width}px`, height: `${at.height}px` });
  }
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, at.width, at.height);
  return ctx;
}

function prepare(ctx, palette) {
  ctx.font = palette.font;
  ctx.textBaseline = 'middle';
}

function drawOutlines(ctx, canvas, palette) {
  const open = placeOf(opened);
  if (hovered) outline(ctx, geometry, hovered, palette, palette.soft, 1);
  if (open) outline(ctx, geometry, open, palette, palette.ink, 3);
  if (cursor && document.activeElement === canvas) {
    outline(ctx, geometry, cursor, palette, palette.accent, 3);
  }
}

function drawWords(value) {
  const { part: name, side } = picture.look;
  part('.me-caption').textContent = kept(value.sentences[name][side]);
  part('.me-heat-means').textContent = meansText(picture);
  part('.me-heat').setAttribute('aria-label', canvasLabel(picture));
  part('.me-heat-sides').hidden = !value.pinned;
  const blank = !picture.cells.flat().some((cell) => (cell?.value ?? null) !== null);
  ['.me-heat', '.me-heat-means', '.me-readout', '.me-tools'].forEach((name) => {
    part(name).hidden = blank;
  });
  element.querySelectorAll('.me-choice input').forEach((input) => {
    input.checked = input.value === name || input.value === side;
  });
}

function drawCanvas(canvas, width) {
  const palette = paletteNow(picture.look.side);
  const measure = canvas.getContext('2d');
  prepare(measure, palette);
  geometry = geometryOf(picture, width, measure);
  const ctx = sizeCanvas(canvas, geometry);
  prepare(ctx, palette);
  paint(ctx, picture, geometry, palette);
  drawOutlines(ctx, canvas, palette);
  canvas.dataset.stamp = picture.value.stamp ?? '';
}

function draw() {
  const value = valueNow();
  const canvas = part('.me-heat');
  if (!canvas) return;
  part('.me-figure').hidden = !value;
  picture = value && picture;
  const width = value ? widthOf(canvas) : 0;
  if (!value || !width) return;
  hearView(value);
  const most = width < NARROW_HEAT ? NARROW_ROWS : FULL_ROWS;
  picture = pictureOf(completed(value), lookNow(value), most);
  cursor = cursor && inside(cursor);
  hovered = picture.cells[hovered?.row]?.[hovered?.col] ? hovered : null;
  drawWords(value);
  drawCanvas(canvas, width);
}

function repaint() {
  if (picture) drawCanvas(part('.me-heat'), geometry.width);
}

function read(place, aloud) {
  const readout = part('.me-readout');
  readout.setAttribute('aria-live', aloud ? 'polite' : 'off');
  const open = placeOf(opened);
  const block = picture.blocks[place.row];
  const pools = block.rows.length > 1 && open?.row === place.row && open.col === place.col;
  readout.textContent = kept(cellText(picture, place))
    + (pools ? ` Opened: ${opened.layer} ${opened.module}.` : '');
}

const inside = ({ row, col }) => ({
  row: Math.max(0, Math.min(picture.rows.length - 1, row)),
  col: Math.max(0, Math.min(picture.columns.length - 1, col)),
});

function moveTo(place) {
  cursor = inside(place);
  repaint();
  read(cursor, true);
}

function hover(place) {
  if (place?.row === hovered?.row && place?.col === hovered?.col) return;
  hovered = place;
  repaint();
  if (place ?? cursor) read(place ?? cursor, false);
}

// The numbers of a cell come sooner by a question of the page's own; the event keeps the choice.
function ask(cell) {
  document.dispatchEvent(new CustomEvent('me-cell', { detail: cell }));
}

function open(place) {
  if (!picture.cells[place.row]?.[place.col]) return;
  const { rows, columns, cells } = picture.value;
  const block = picture.blocks[place.row];
  const row = block.rows.find((at) => cells.includes(at * columns.length + place.col));
  opened = { layer: rows[row], module: columns[place.col] };
  repaint();
  read(place, true);
  const pooledName = block.rows.length > 1 ? block.name : '';
  ask(`${opened.layer} ${opened.module}`);
  trigger('select', { action: 'cell', row, col: place.col, ...opened, block: pooledName });
}

function close() {
  if (!opened) return;
  opened = null;
  repaint();
  ask('');
  trigger('select', { action: 'cell', row: -1, col: -1, layer: '', module: '', block: '' });
}

function choose(input) {
  chosen[input.name === 'me-heat-part' ? 'part' : 'side'] = input.value;
  draw();
  if (cursor) read(cursor, false);
  trigger('select', { action: 'view', ...picture.look });
}

function placeAt(event) {
  if (!picture || !event.target.closest('.me-heat')) return null;
  const box = part('.me-heat').getBoundingClientRect();
  const col = Math.floor((event.clientX - box.left - geometry.left) / geometry.cell);
  const down = Math.floor((event.clientY - box.top - geometry.top) / geometry.row);
  const row = geometry.count - 1 - down;
  return picture.cells[row]?.[col] ? { row, col } : null;
}

function follow() {
  draw();
  const place = hovered ?? cursor;
  if (picture && place) read(inside(place), false);
  clearTimeout(tableTimer);
  tableTimer = setTimeout(refreshTable, TABLE_PAUSE);
}

function saveImage() {
  savePicture(picture, geometry, paletteNow(picture.look.side));
}

function keyIn(event) {
  const here = cursor ?? { row: 0, col: 0 };
  const step = STEPS[event.key];
  if (step) moveTo({ row: here.row + step[0], col: here.col + step[1] });
  else if (event.key === 'Enter' || event.key === ' ') {
    moveTo(here);
    open(cursor);
  } else if (event.key === 'Escape') close();
  else return;
  event.preventDefault();
}

element.addEventListener('keydown', (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (plain && picture && event.target.closest('.me-heat')) keyIn(event);
});
element.addEventListener('pointermove', (event) => {
  if (event.pointerType === 'mouse' && picture) hover(placeAt(event));
});
element.addEventListener('pointerleave', () => {
  if (picture) hover(null);
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (picture && button?.matches('.me-heat-csv')) saveTable(picture.value);
  if (picture && button?.matches('.me-heat-image')) saveImage();
  const place = placeAt(event);
  if (!place) return;
  moveTo(place);
  open(place);
});
element.addEventListener('change', (event) => {
  if (picture && event.target.closest('.me-choice')) choose(event.target);
});
element.addEventListener('focusin', (event) => {
  if (!picture || !event.target.matches('.me-heat:focus-visible')) return;
  moveTo(cursor ?? { row: 0, col: 0 });
});
element.addEventListener('focusout', repaint);
onWidth('.me-heat', draw);
onTheme(repaint);
onValue(follow);
