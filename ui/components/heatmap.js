const LIGHT = [[238, 242, 247], [8, 48, 107]];
const DARK = [[38, 44, 54], [190, 219, 255]];
const TOP = 26;
const ROW = 40;
const LEGEND = 46;
let cursor = { row: 0, col: 0 };
let grid = null;

const part = (name) => element.querySelector(name);
const isDark = () => document.body.classList.contains('dark');
const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

function shade(share) {
  const [from, to] = isDark() ? DARK : LIGHT;
  return from.map((start, i) => Math.round(start + (to[i] - start) * share));
}

function inkOn([r, g, b]) {
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? '#14181f' : '#ffffff';
}

function layoutOf(value, width) {
  const left = width < 480 ? 42 : 60;
  const right = width < 480 ? 34 : 76;
  const cell = (width - left - right) / value.columns.length;
  return { left, right, cell, width, height: TOP + ROW * value.rows.length + LEGEND };
}

function hatch(ctx, x, y, w, h) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.strokeStyle = css('--me-line');
  ctx.lineWidth = 1;
  for (let at = -h; at < w; at += 7) {
    ctx.beginPath();
    ctx.moveTo(x + at, y + h);
    ctx.lineTo(x + at + h, y);
    ctx.stroke();
  }
  ctx.restore();
}

function drawGauge(ctx, cell, x, y, w, ink) {
  const span = w - 12;
  const base = y + ROW - 9;
  ctx.fillStyle = ink;
  ctx.globalAlpha = 0.3;
  ctx.fillRect(x + 6, base, span, 1);
  ctx.globalAlpha = 1;
  ctx.fillRect(x + 6, base - 1, span * cell.value, 3);
  ctx.fillRect(x + 6 + span * cell.chance - 0.75, base - 4, 1.5, 8);
}

function drawCell(ctx, value, cell, x, y, w) {
  const box = [x + 1, y + 1, w - 2, ROW - 2];
  if (cell.value === null) {
    hatch(ctx, ...box);
    return;
  }
  const fill = shade((cell.value - value.low) / (value.high - value.low));
  ctx.fillStyle = `rgb(${fill})`;
  ctx.fillRect(...box);
  const ink = inkOn(fill);
  if (w >= 28) {
    ctx.fillStyle = ink;
    ctx.textAlign = 'center';
    ctx.fillText(String(Math.round(cell.value * 100)), x + w / 2, y + 15);
  }
  drawGauge(ctx, cell, x, y, w, ink);
}

function drawLabels(ctx, value, at) {
  ctx.fillStyle = css('--me-soft');
  ctx.textAlign = 'center';
  value.columns.forEach((name, col) => {
    const short = at.cell < 34 ? name.slice(0, 3) : name;
    ctx.fillText(short, at.left + at.cell * (col + 0.5), TOP / 2);
  });
  ctx.textAlign = 'right';
  value.rows.forEach((name, row) => {
    ctx.fillText(name, at.left - 8, TOP + ROW * (row + 0.5));
  });
  ctx.textAlign = 'left';
  ctx.fillText(at.right > 40 ? 'row mean' : 'mean', at.left + at.cell * value.columns.length + 6, TOP / 2);
}

function meanOf(cells) {
  const seen = cells.filter((cell) => cell && cell.value !== null);
  const weight = seen.reduce((sum, cell) => sum + cell.counted, 0);
  return weight ? seen.reduce((sum, cell) => sum + cell.value * cell.counted, 0) / weight : null;
}

function drawMeans(ctx, value, at) {
  const x = at.left + at.cell * value.columns.length + 8;
  value.cells.forEach((cells, row) => {
    const mean = meanOf(cells);
    if (mean === null) return;
    const y = TOP + ROW * row + ROW / 2;
    ctx.fillStyle = css('--me-soft');
    if (at.right > 40) ctx.fillRect(x, y + 6, (at.right - 16) * mean, 3);
    ctx.fillStyle = css('--me-ink');
    ctx.textAlign = 'left';
    ctx.fillText(String(Math.round(mean * 100)), x, y - 3);
  });
}

function chanceRange(value) {
  const levels = value.cells.flat().filter((c) => c && c.chance !== null).map((c) => c.chance);
  return levels.length ? [Math.min(...levels), Math.max(...levels)] : null;
}

function drawLegend(ctx, value, at) {
  const y = TOP + ROW * value.rows.length + 14;
  const width = Math.min(220, at.width - at.left - 90);
  for (let i = 0; i < width; i += 1) {
    ctx.fillStyle = `rgb(${shade(i / width)})`;
    ctx.fillRect(at.left + i, y, 1, 8);
  }
  ctx.fillStyle = css('--me-soft');
  ctx.textAlign = 'left';
  ctx.fillText('0 % of signs clash', at.left, y + 20);
  ctx.textAlign = 'right';
  ctx.fillText('100 %', at.left + width, y + 20);
  const range = chanceRange(value);
  if (!range) return;
  ctx.fillStyle = css('--me-ink');
  const from = at.left + width * range[0];
  ctx.fillRect(from, y - 4, Math.max(2, width * (range[1] - range[0])), 2);
  ctx.textAlign = 'left';
  ctx.fillText('coin toss', at.left + width * range[1] + 6, y - 5);
}

function drawCursor(ctx, at) {
  if (document.activeElement !== part('.me-heat')) return;
  ctx.strokeStyle = css('--me-accent');
  ctx.lineWidth = 2;
  ctx.strokeRect(at.left + at.cell * cursor.col + 1, TOP + ROW * cursor.row + 1, at.cell - 2, ROW - 2);
}

function draw() {
  const value = props.value;
  const canvas = part('.me-heat');
  if (!value || !canvas || !canvas.parentElement.clientWidth) return;
  const at = layoutOf(value, canvas.parentElement.clientWidth);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(at.width * ratio);
  canvas.height = Math.round(at.height * ratio);
  canvas.style.width = `${at.width}px`;
  canvas.style.height = `${at.height}px`;
  const ctx = canvas.getContext('2d');
  ctx.scale(ratio, ratio);
  ctx.font = `12px ${css('--me-font')}`;
  ctx.textBaseline = 'middle';
  drawLabels(ctx, value, at);
  value.cells.forEach((cells, row) => cells.forEach((cell, col) => {
    if (cell) drawCell(ctx, value, cell, at.left + at.cell * col, TOP + ROW * row, at.cell);
  }));
  drawMeans(ctx, value, at);
  drawLegend(ctx, value, at);
  drawCursor(ctx, at);
  grid = at;
  canvas.dataset.stamp = value.stamp ?? '';
}

function fillTable() {
  const value = props.value;
  const host = part('.me-table');
  if (!value || !host) return;
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  ['cell', 'clash %', 'coin toss %', 'weights'].forEach((name) => {
    head.appendChild(document.createElement('th')).textContent = name;
  });
  const body = table.createTBody();
  value.cells.forEach((cells, row) => cells.forEach((cell, col) => {
    if (!cell) return;
    const share = (x) => (x === null ? 'too few' : (100 * x).toFixed(1));
    const line = body.insertRow();
    [`${value.rows[row]} ${value.columns[col]}`, share(cell.value), share(cell.chance), cell.counted]
      .forEach((text) => { line.insertCell().textContent = text; });
  }));
  host.replaceChildren(table);
}

function read() {
  const cell = props.value?.cells[cursor.row]?.[cursor.col];
  part('.me-readout').textContent = cell ? cell.text : 'There is no such tensor here.';
}

function moveTo(row, col) {
  const value = props.value;
  cursor = {
    row: Math.max(0, Math.min(value.rows.length - 1, row)),
    col: Math.max(0, Math.min(value.columns.length - 1, col)),
  };
  draw();
  read();
}

function cellAt(event) {
  const box = part('.me-heat').getBoundingClientRect();
  const col = Math.floor((event.clientX - box.left - grid.left) / grid.cell);
  const row = Math.floor((event.clientY - box.top - TOP) / ROW);
  const inside = props.value.cells[row]?.[col] !== undefined;
  return inside ? { row, col } : null;
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

element.addEventListener('keydown', (event) => {
  if (!event.target.closest('.me-heat')) return;
  if (STEPS[event.key]) {
    event.preventDefault();
    moveTo(cursor.row + STEPS[event.key][0], cursor.col + STEPS[event.key][1]);
  } else if (event.key === 'Enter') {
    trigger('select', { row: cursor.row, col: cursor.col });
  }
});
element.addEventListener('pointermove', (event) => {
  const found = event.target.closest('.me-heat') && grid && cellAt(event);
  if (found) {
    cursor = found;
    read();
  }
});
element.addEventListener('click', (event) => {
  const found = event.target.closest('.me-heat') && grid && cellAt(event);
  if (found) {
    moveTo(found.row, found.col);
    trigger('select', found);
  }
});
element.addEventListener('toggle', fillTable, true);
element.addEventListener('focusin', draw);
element.addEventListener('focusout', draw);
new ResizeObserver(draw).observe(element);
new MutationObserver(draw).observe(document.body, { attributeFilter: ['class'] });
watch('value', () => {
  draw();
  if (part('.me-numbers')?.open) fillTable();
});
draw();
