// The scale below the grid: its ramp, where coin tosses lie, and what hatch and triangle mean.
function paintRamp(ctx, picture, { ramp }, palette) {
  const { x, y, width } = ramp;
  for (let i = 0; i < width; i += 1) {
    ctx.fillStyle = `rgb(${shadeOf(i / width, palette.ramp)})`;
    ctx.fillRect(x + i, y, 1, 8);
  }
  const difference = picture.look.side === 'difference';
  const ends = difference ? ['−50', '+50'] : ['0 %', '100 %'];
  write(ctx, ends[0], x, y + 18, palette.soft);
  const unit = difference ? 'points' : SHORT[picture.look.part];
  write(ctx, unit, x + width / 2, y + 18, palette.soft, 'center');
  write(ctx, ends[1], x + width, y + 18, palette.soft, 'right');
}

function chanceRange(picture) {
  const levels = picture.cells.flat().filter((cell) => cell && cell.chance !== null)
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

// Each note paints its mark at (x, y), its words beside it, and tells how wide it was.
function chanceNote(ctx, range, x, y, palette) {
  ctx.fillStyle = palette.ink;
  ctx.fillRect(x, y - 6, 2, 11);
  write(ctx, chanceText(range), x + 9, y, palette.soft);
  return 29 + ctx.measureText(chanceText(range)).width;
}

function fewNote(ctx, x, y, palette) {
  hatch(ctx, { x, y: y - 6, w: 16, h: 12 }, palette.soft);
  write(ctx, 'too few', x + 22, y, palette.soft);
  return 42 + ctx.measureText('too few').width;
}

function clippedNote(ctx, x, y, palette) {
  paintClipped(ctx, { x, y: y - 5, w: 10, h: 10 }, true, palette.ink);
  write(ctx, 'beyond the scale', x + 16, y, palette.soft);
}

function paintNotes(ctx, picture, range, { ramp, aside }, palette) {
  const cells = picture.cells.flat().filter(Boolean);
  let x = aside ? ramp.x + ramp.width + 28 : ramp.x;
  const y = aside ? ramp.y + 4 : ramp.y + 40;
  if (range) x += chanceNote(ctx, range, x, y, palette);
  if (cells.some((cell) => cell.value === null)) x += fewNote(ctx, x, y, palette);
  if (cells.some((cell) => Math.abs(cell.value) > picture.high)) clippedNote(ctx, x, y, palette);
}

function paintLegend(ctx, picture, scale, at, palette) {
  const range = chanceRange(picture);
  paintRamp(ctx, picture, at, palette);
  if (range) paintChance(ctx, scale, range, at.ramp, palette);
  paintNotes(ctx, picture, range, at, palette);
}
