const MEANS = {
  contested: 'Of the weights that two or more experts keep, the share where their signs differ.',
  disjoint: 'Of all weights, the share where exactly one expert keeps a change: nobody disagrees.',
  agree: 'Of all weights, the share where two or more experts keep a change and all point the same '
    + 'way.',
};
const COIN = ' The small mark in a cell is where coin tosses would be.';
const SHORT = { contested: 'signs clash', disjoint: 'only one survives', agree: 'agree' };
const SAID = {
  contested: ['signs clash at', 'weights that two or more experts keep'],
  disjoint: ['only one expert’s change survives at', 'weights looked at'],
  agree: ['two or more experts keep a change of one sign at', 'weights looked at'],
};
const SIDE_NAMES = {
  current: 'current recipe', pinned: 'pinned recipe', difference: 'current minus pinned',
};
const TABLE_COLUMNS = [
  'Contested, %', '95 % interval', 'Coin toss, %', 'Kept by two or more',
  'Only one survives, %', '95 % interval', 'Agree, %', '95 % interval', 'Weights looked at',
];

const kept = (text) => text.replaceAll(' %', '\u00a0%');
const tenth = (share) => (100 * share).toFixed(1);
const shareText = (share) => `${tenth(share)} %`;
const countText = (count) => count.toLocaleString('en-US');
const signedText = (gap, digits = 1) => {
  const text = (100 * gap).toFixed(digits);
  if (Number(text) === 0) return (0).toFixed(digits);
  return gap < 0 ? text.replace('-', '−') : `+${text}`;
};
const isExact = (figure) => figure.low === figure.value && figure.high === figure.value;

function intervalText(figure) {
  if (isExact(figure)) return 'Exact.';
  return `Estimated, 95 % interval ${tenth(Math.max(0, figure.low))} to `
    + `${shareText(Math.min(1, figure.high))}.`;
}

function figureText(figure, name) {
  const [what, of] = SAID[name];
  if (figure.value === null) {
    const many = countText(figure.counted);
    return name === 'contested'
      ? `too few weights (${many}) are kept by two or more experts.`
      : `too few weights (${many}) to tell.`;
  }
  const chance = figure.chance === null
    ? '' : `; coin tosses would clash at ${shareText(figure.chance)}`;
  return `${what} ${shareText(figure.value)} of the ${countText(figure.counted)} ${of}${chance}. `
    + intervalText(figure);
}

function differenceText(entry, name) {
  const { current, pinned } = entry;
  if (entry.value === null) {
    return `no difference to tell. Current: ${figureText(current, name)} `
      + `Pinned: ${figureText(pinned, name)}`;
  }
  const clipped = Math.abs(entry.value) > LIMIT ? ' That is beyond the scale.' : '';
  const [now, before] = [current, pinned].map((figure) => shareText(figure.value));
  return `${signedText(entry.value)} points; ${SAID[name][0]} ${now} now and ${before} in the `
    + `pinned recipe.${clipped}`;
}

function againstText(entry) {
  const { current, pinned } = entry;
  if (!pinned || current.value === null || pinned.value === null) return '';
  const gap = signedText(current.value - pinned.value);
  return ` Pinned: ${shareText(pinned.value)} (${gap} points).`;
}

function cellText(picture, place) {
  const { part, side } = picture.look;
  const [row, column] = [picture.rows[place.row], picture.columns[place.col]];
  const where = row.toLowerCase() === column ? row : `${row} ${column}`;
  const entry = picture.cells[place.row]?.[place.col];
  if (!entry) return `${row} has no ${column}.`;
  if (side === 'difference') return `${where}: ${differenceText(entry, part)}`;
  if (side === 'pinned') return `${where}, pinned recipe: ${figureText(entry.pinned, part)}`;
  return `${where}: ${figureText(entry.current, part)}${againstText(entry)}`;
}

function canvasLabel({ look, rows, columns }) {
  return `Sign conflict by layer and module: ${SHORT[look.part]}, ${SIDE_NAMES[look.side]}. `
    + `${rows.length} rows, ${columns.length} columns. Arrow keys move between cells, Enter opens `
    + 'a cell, Escape closes it.';
}

function layersText(names) {
  const counts = names.filter(isLayer).map(layersIn);
  const most = Math.max(1, ...counts);
  if (most === 1) return '';
  return counts.every((count) => count === most)
    ? ` ${most} layers a row.` : ` Up to ${most} layers a row.`;
}

function meansText({ look, rows }) {
  const gap = look.side === 'difference' ? ' Current minus pinned, in points.' : '';
  const coin = look.part === 'contested' && !gap ? COIN : '';
  return MEANS[look.part] + coin + gap + layersText(rows);
}

function sideCells(side, at) {
  const rangeText = (f) => {
    if (f.value === null) return '';
    return isExact(f) ? 'exact' : `${tenth(f.low)} to ${tenth(f.high)}`;
  };
  const valueText = (f) => (f.value === null ? 'too few' : tenth(f.value));
  const [contested, disjoint, agree] = PARTS.map((name) => figureOf(side, name, [at]));
  return [
    valueText(contested), rangeText(contested),
    contested.chance === null ? '' : tenth(contested.chance), String(contested.counted),
    valueText(disjoint), rangeText(disjoint), valueText(agree), rangeText(agree),
    String(disjoint.counted),
  ];
}

function tableOf(value) {
  const { rows, columns, cells, current, pinned } = completed(value);
  const width = columns.length;
  const names = [
    ...cells.map((place) => [rows[Math.floor(place / width)], columns[place % width]]),
    ...rows.map((row) => [row, 'all']), ...columns.map((column) => ['all', column]), ['all', 'all'],
  ];
  const sides = pinned ? [current, pinned] : [current];
  const beside = pinned ? TABLE_COLUMNS.map((name) => `Pinned: ${name}`) : [];
  return {
    columns: ['Layer', 'Module', ...TABLE_COLUMNS, ...beside],
    rows: names.map((name, at) => [...name, ...sides.flatMap((side) => sideCells(side, at))]),
  };
}
