const RAMPS = {
  light: [
    [237, 244, 246], [190, 217, 223], [124, 175, 187], [58, 126, 142], [14, 82, 97], [4, 44, 54],
  ],
  dark: [
    [35, 43, 51], [28, 67, 77], [32, 100, 113], [66, 143, 156], [124, 190, 201], [200, 240, 246],
  ],
};
const INKS = { dark: '#000000', light: '#ffffff' };

function shadeOf(share, ramp) {
  const place = Math.max(0, Math.min(1, share)) * (ramp.length - 1);
  const from = Math.min(ramp.length - 2, Math.floor(place));
  return ramp[from].map((start, i) => (
    Math.round(start + (ramp[from + 1][i] - start) * (place - from))
  ));
}

function luminance(colour) {
  const [r, g, b] = colour.map((part8) => {
    const s = part8 / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const inkOn = (colour) => (luminance(colour) > 0.179 ? INKS.dark : INKS.light);
const percentText = (share) => String(Math.round(100 * share));

function paletteNow() {
  const styles = themeStyles();
  const read = (name) => styles.getPropertyValue(name).trim();
  return {
    ink: read('--me-ink'), soft: read('--me-soft'), line: read('--me-line'),
    accent: read('--me-accent'), font: `12px ${read('--me-font')}`,
    ramp: RAMPS[document.body.classList.contains('dark') ? 'dark' : 'light'],
  };
}

function rowHeight(count) {
  if (count <= 8) return 38;
  if (count <= 16) return 28;
  return count <= 32 ? 20 : 13;
}

function geometryOf(value, width, ctx) {
  const wide = (names) => Math.max(0, ...names.map((name) => ctx.measureText(name).width));
  const left = Math.ceil(wide(value.rows)) + 10;
  const right = width < 520 ? 42 : 96;
  const cell = (width - left - right) / Math.max(1, value.columns.length);
  const upright = wide(value.columns) > cell - 6;
  const top = upright ? Math.ceil(wide(value.columns)) + 12 : 26;
  const row = rowHeight(value.rows.length);
  const bottom = top + row * value.rows.length;
  const ramp = { x: left, y: bottom + 20, width: Math.min(190, width - left - 20) };
  const aside = width - left - ramp.width > 290;
  const height = bottom + (aside ? 50 : 72);
  const count = value.rows.length;
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

function paintCell(ctx, scale, cell, box, palette) {
  if (cell.value === null) {
    hatch(ctx, box, palette.line);
    return;
  }
  const fill = shadeOf(scale(cell.value), palette.ramp);
  ctx.fillStyle = `rgb(${fill})`;
  ctx.fillRect(box.x, box.y, box.w, box.h);
  const ink = inkOn(fill);
  const gauge = box.h >= 34 && box.w >= 28;
  if (box.h >= 16 && box.w >= 28) {
    if (gauge) write(ctx, percentText(cell.value), box.x + box.w / 2, box.y + 14, ink, 'center');
    else write(ctx, percentText(cell.value), box.x + 6, box.y + box.h / 2, ink);
  }
  if (cell.chance !== null) (gauge ? paintGauge : paintTick)(ctx, scale, cell, box, ink);
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

function paintNames(ctx, value, at, palette) {
  value.columns.forEach((name, col) => {
    paintColumnName(ctx, name, at.left + at.cell * (col + 0.5), at, palette.soft);
  });
  value.rows.forEach((name, row) => {
    const box = boxOf(at, row, 0);
    write(ctx, name, at.left - 8, box.y + box.h / 2, palette.soft, 'right');
  });
  const title = at.right > 60 ? 'row mean' : 'mean';
  write(ctx, title, at.width - at.right + 8, at.top - 12, palette.soft);
}

function meanOf(cells) {
  const seen = cells.filter((cell) => cell && cell.value !== null);
  const weight = seen.reduce((sum, cell) => sum + cell.counted, 0);
  return weight ? seen.reduce((sum, cell) => sum + cell.value * cell.counted, 0) / weight : null;
}

function paintMean(ctx, scale, mean, middle, at, palette) {
  const x = at.width - at.right + 8;
  write(ctx, percentText(mean), x, middle, palette.ink);
  if (at.right < 60) return;
  const span = at.right - 36;
  ctx.fillStyle = palette.line;
  ctx.fillRect(x + 24, middle - 1, span, 2);
  ctx.fillStyle = palette.soft;
  ctx.fillRect(x + 24, middle - 2, span * scale(mean), 4);
}

function paintRamp(ctx, value, at, palette) {
  const { x, y, width } = at.ramp;
  for (let i = 0; i < width; i += 1) {
    ctx.fillStyle = `rgb(${shadeOf(i / width, palette.ramp)})`;
    ctx.fillRect(x + i, y, 1, 8);
  }
  write(ctx, `${percentText(value.low)} %`, x, y + 18, palette.soft);
  write(ctx, 'signs clash', x + width / 2, y + 18, palette.soft, 'center');
  write(ctx, `${percentText(value.high)} %`, x + width, y + 18, palette.soft, 'right');
}

function chanceRange(value) {
  const levels = value.cells.flat().filter((cell) => cell && cell.chance !== null)
    .map((cell) => cell.chance);
  return levels.length ? [Math.min(...levels), Math.max(...levels)] : null;
}

function paintChance(ctx, scale, [low, high], ramp, palette) {
  const from = ramp.x + ramp.width * scale(low);
  const to = Math.max(from + 2, ramp.x + ramp.width * scale(high));
  ctx.fillStyle = palette.ink;
  ctx.fillRect(from, ramp.y - 5, to - from, 2);
  ctx.fillRect(from - 1, ramp.y - 5, 2, 13);
  ctx.fillRect(to - 1, ramp.y - 5, 2, 13);
}

function chanceText([low, high]) {
  const [from, to] = [percentText(low), percentText(high)];
  return from === to ? `coin toss: ${from} %` : `coin toss: ${from} to ${to} %`;
}

function paintNotes(ctx, value, range, { ramp, aside }, palette) {
  let x = aside ? ramp.x + ramp.width + 28 : ramp.x;
  const y = aside ? ramp.y + 4 : ramp.y + 40;
  if (range) {
    ctx.fillStyle = palette.ink;
    ctx.fillRect(x, y - 6, 2, 11);
    write(ctx, chanceText(range), x + 9, y, palette.soft);
    x += 29 + ctx.measureText(chanceText(range)).width;
  }
  if (value.cells.flat().some((cell) => cell && cell.value === null)) {
    hatch(ctx, { x, y: y - 6, w: 16, h: 12 }, palette.soft);
    write(ctx, 'too few', x + 22, y, palette.soft);
  }
}

function paintLegend(ctx, value, scale, at, palette) {
  const range = chanceRange(value);
  paintRamp(ctx, value, at, palette);
  if (range) paintChance(ctx, scale, range, at.ramp, palette);
  paintNotes(ctx, value, range, at, palette);
}

function outline(ctx, at, place, colour, width) {
  const box = boxOf(at, place.row, place.col);
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.strokeRect(box.x, box.y, box.w, box.h);
}

function paint(ctx, value, at, palette) {
  const scale = (share) => (share - value.low) / (value.high - value.low || 1);
  paintNames(ctx, value, at, palette);
  value.cells.forEach((cells, row) => {
    cells.forEach((cell, col) => {
      if (cell) paintCell(ctx, scale, cell, boxOf(at, row, col), palette);
    });
    const mean = meanOf(cells);
    const { y, h } = boxOf(at, row, 0);
    if (mean !== null) paintMean(ctx, scale, mean, y + h / 2, at, palette);
  });
  paintLegend(ctx, value, scale, at, palette);
}
