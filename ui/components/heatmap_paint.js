const DIGIT = 7; // px of a digit, about

const percentText = (share) => String(Math.round(100 * share));
const numberText = (value, { look }) => (
  look.side === 'difference' ? signedText(value, 0) : percentText(value));

function rowHeight(count) {
  if (count <= 10) return 38;
  if (count <= 16) return 28;
  return count <= 32 ? 20 : 13;
}

function geometryOf(picture, width, ctx) {
  const wide = (names) => Math.max(0, ...names.map((name) => ctx.measureText(name).width));
  const left = Math.ceil(wide([...picture.rows, 'mean'])) + 10;
  const right = width < NARROW_HEAT ? 42 : 96;
  const cell = (width - left - right) / Math.max(1, picture.columns.length);
  const upright = wide(picture.columns) > cell - 6;
  const top = upright ? Math.ceil(wide(picture.columns)) + 12 : 26;
  const count = picture.rows.length;
  const row = rowHeight(count);
  const bottom = top + row * count;
  const ramp = { x: left, y: bottom + 48, width: Math.min(190, width - left - 20) };
  const aside = width - left - ramp.width > 290;
  const height = ramp.y + (aside ? 30 : 52);
  return { left, right, cell, upright, top, row, bottom, width, height, count, ramp, aside };
}

function boxOf(at, row, col) {
  const y = at.top + at.row * (at.count - 1 - row);
  return { x: at.left + at.cell * col + 1, y: y + 1, w: at.cell - 2, h: at.row - 2 };
}

function write(ctx, text, x, y, colour, align = 'left') {
  ctx.fillStyle = colour;
  ctx.textAlign = align;
  ctx.fillText(text, x, y);
}

function hatch(ctx, { x, y, w, h }, colour) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.beginPath();
  for (let at = -h; at < w; at += 6) {
    ctx.moveTo(x + at, y + h);
    ctx.lineTo(x + at + h, y);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.restore();
}

function paintGauge(ctx, scale, cell, box, ink) {
  const span = box.w - 12;
  const left = box.x + 6;
  const base = box.y + box.h - 8;
  ctx.fillStyle = ink;
  ctx.globalAlpha = 0.28;
  ctx.fillRect(left, base, span, 2);
  ctx.globalAlpha = 1;
  ctx.fillRect(left, base, span * scale(cell.value), 2);
  ctx.fillRect(left + span * scale(cell.chance) - 1, base - 3, 2, 8);
}

function paintTick(ctx, scale, cell, box, ink) {
  ctx.fillStyle = ink;
  ctx.fillRect(box.x + box.w * scale(cell.chance) - 0.75, box.y + box.h - 5, 1.5, 5);
}

// A cell beyond the difference's scale: a triangle in its corner, at the top for more.
function paintClipped(ctx, { x, y, w, h }, more, ink) {
  const edge = more ? y + 1 : y + h - 1;
  ctx.fillStyle = ink;
  ctx.beginPath();
  ctx.moveTo(x + w - 9, edge);
  ctx.lineTo(x + w - 1, edge);
  ctx.lineTo(x + w - 1, edge + (more ? 8 : -8));
  ctx.fill();
}

function paintCell(ctx, picture, scale, cell, box, palette) {
  if (cell.value === null) {
    hatch(ctx, box, palette.line);
    return;
  }
  const fill = shadeOf(scale(cell.value), palette.ramp);
  ctx.fillStyle = `rgb(${fill})`;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  const ink = inkOn(fill);
  const text = numberText(cell.value, picture);
  const gauge = cell.chance !== null && box.h >= 34 && box.w >= 40;
  const left = cell.chance !== null && box.h < 34;
  if (box.h >= 16 && box.w >= DIGIT * text.length + (left ? 12 : 2)) {
    if (left) write(ctx, text, box.x + 6, box.y + box.h / 2, ink);
    else write(ctx, text, box.x + box.w / 2, box.y + (gauge ? 14 : box.h / 2), ink, 'center');
  }
  if (cell.chance !== null) (gauge ? paintGauge : paintTick)(ctx, scale, cell, box, ink);
  if (Math.abs(cell.value) > picture.high) paintClipped(ctx, box, cell.value > 0, ink);
}

function paintColumnName(ctx, name, x, at, colour) {
  if (!at.upright) {
    write(ctx, name, x, at.top - 12, colour, 'center');
    return;
  }
  ctx.save();
  ctx.translate(x, at.top - 6);
  ctx.rotate(-Math.PI / 2);
  write(ctx, name, 0, 0, colour);
  ctx.restore();
}

function paintNames(ctx, picture, at, palette) {
  picture.columns.forEach((name, col) => {
    paintColumnName(ctx, name, at.left + at.cell * (col + 0.5), at, palette.soft);
  });
  picture.rows.forEach((name, row) => {
    const box = boxOf(at, row, 0);
    write(ctx, name, at.left - 8, box.y + box.h / 2, palette.soft, 'right');
  });
  const title = at.right > 60 ? 'row mean' : 'mean';
  write(ctx, title, at.width - at.right + 8, at.top - 12, palette.soft);
  write(ctx, 'mean', at.left - 8, at.bottom + 14, palette.soft, 'right');
}

// A bar from zero: in the difference zero stands in the middle.
function paintBar(ctx, scale, value, { x, y, w }, palette) {
  const [from, to] = [scale(0), scale(value)].map((s) => w * Math.max(0, Math.min(1, s)));
  ctx.fillStyle = palette.line;
  ctx.fillRect(x, y - 1, w, 2);
  ctx.fillStyle = palette.soft;
  ctx.fillRect(x + Math.min(from, to), y - 2, Math.abs(to - from), 4);
  if (from > 0) ctx.fillRect(x + from - 0.5, y - 4, 1, 8);
}

function paintRowMean(ctx, picture, scale, mean, middle, at, palette) {
  if (!mean || mean.value === null) return;
  const x = at.width - at.right + 8;
  write(ctx, numberText(mean.value, picture), x, middle, palette.ink);
  if (at.right < 60) return;
  paintBar(ctx, scale, mean.value, { x: x + 28, y: middle, w: at.right - 40 }, palette);
}

function paintColumnMean(ctx, picture, scale, mean, col, at, palette) {
  if (!mean || mean.value === null) return;
  const x = at.left + at.cell * col;
  const text = numberText(mean.value, picture);
  if (at.cell >= DIGIT * text.length + 2) {
    write(ctx, text, x + at.cell / 2, at.bottom + 14, palette.ink, 'center');
  }
  const span = Math.min(at.cell - 8, 60);
  const bar = { x: x + (at.cell - span) / 2, y: at.bottom + 27, w: span };
  paintBar(ctx, scale, mean.value, bar, palette);
}

function stroke(ctx, box, colour, width) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.strokeRect(box.x, box.y, box.w, box.h);
}

function outline(ctx, at, place, palette, colour, width) {
  const box = boxOf(at, place.row, place.col);
  if (width > 1) stroke(ctx, box, palette.panel, width + 2);
  stroke(ctx, box, colour, width);
}

function paint(ctx, picture, at, palette) {
  const scale = (share) => (share - picture.low) / (picture.high - picture.low);
  paintNames(ctx, picture, at, palette);
  picture.cells.forEach((cells, row) => {
    cells.forEach((cell, col) => {
      if (cell) paintCell(ctx, picture, scale, cell, boxOf(at, row, col), palette);
    });
    const { y, h } = boxOf(at, row, 0);
    paintRowMean(ctx, picture, scale, picture.rowMeans[row], y + h / 2, at, palette);
  });
  picture.columnMeans.forEach((mean, col) => {
    paintColumnMean(ctx, picture, scale, mean, col, at, palette);
  });
  paintRowMean(ctx, picture, scale, picture.whole, at.bottom + 14, at, palette);
  paintLegend(ctx, picture, scale, at, palette);
}
