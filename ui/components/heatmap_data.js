// Numbers as they travel (see heatmap.py) to what is drawn: figures of cells, rows and columns.
const UNIT = 1e4;
const PARTS = ['contested', 'disjoint', 'agree'];
const FULL_ROWS = 200;
const NARROW_ROWS = 8;
const NARROW_HEAT = 520;
const FEWEST = 50;
const LIMIT = 0.5; // of the difference's scale, either way

const isLayer = (name) => /^L\d/.test(name);
const endsOf = (name) => (isLayer(name) ? name.split('-') : [name]);
const layersIn = (name) => {
  const numbers = endsOf(name).map((end) => Number(end.slice(1)));
  return isLayer(name) ? numbers.at(-1) - numbers[0] + 1 : 1;
};

function blocksOf(names, most) {
  if (names.length <= most) return names.map((name, row) => ({ name, rows: [row] }));
  const layers = names.filter(isLayer).length;
  const size = Math.ceil(layers / Math.max(1, most - names.length + layers));
  const blocks = [];
  names.forEach((name, row) => {
    const last = blocks.at(-1);
    if (last && isLayer(name) && isLayer(names[last.rows[0]]) && last.rows.length < size) {
      last.rows.push(row);
      last.name = `${endsOf(last.name)[0]}-${endsOf(name).at(-1)}`;
    } else blocks.push({ name, rows: [row] });
  });
  return blocks;
}

// Adds what the numbers leave out: where cells are, and how many weights the pinned side counts.
function completed(value) {
  if (value.cells) return value;
  const holes = new Set(value.holes);
  const places = Array.from({ length: value.rows.length * value.columns.length }, (_, at) => at);
  value.cells = places.filter((at) => !holes.has(at));
  if (value.pinned) value.pinned.sampled ??= value.current.sampled;
  return value;
}

function figureAt(side, name, index) {
  const [values, below, above] = side[name];
  const value = values[index] / UNIT;
  return {
    value,
    low: value - (below[index] ?? 0) / UNIT,
    high: value + (above[index] ?? 0) / UNIT,
    chance: name === 'contested' ? side.chance[index] / UNIT : null,
    counted: side[name === 'contested' ? 'shared' : 'sampled'][index],
  };
}

function pooled(figures) {
  const counted = figures.reduce((sum, figure) => sum + figure.counted, 0);
  if (figures.length === 1 || !counted) return { ...figures[0], counted };
  const mean = (of) => figures.reduce((sum, f) => sum + f.counted * of(f), 0) / counted;
  const spread = (of) => (
    Math.sqrt(figures.reduce((sum, f) => sum + (f.counted * of(f)) ** 2, 0)) / counted);
  const value = mean((f) => f.value);
  return {
    value,
    low: value - spread((f) => f.value - f.low),
    high: value + spread((f) => f.high - f.value),
    chance: figures[0].chance === null ? null : mean((f) => f.chance),
    counted,
  };
}

// One figure of these places together; null values where too few weights count.
function figureOf(side, name, places) {
  const figure = pooled(places.map((place) => figureAt(side, name, place)));
  const few = { value: null, low: null, high: null, chance: null };
  return figure.counted < FEWEST ? { ...figure, ...few } : figure;
}

function entryOf(value, look, places) {
  const current = figureOf(value.current, look.part, places);
  const pinned = value.pinned && figureOf(value.pinned, look.part, places);
  const shown = look.side === 'pinned' ? pinned : current;
  if (look.side !== 'difference') {
    return { current, pinned, value: shown.value, chance: shown.chance };
  }
  const known = current.value !== null && pinned.value !== null;
  return { current, pinned, value: known ? current.value - pinned.value : null, chance: null };
}

// look: {part, side}, where the side is there. Cells are null where a layer lacks the module.
function pictureOf(value, look, most) {
  const blocks = blocksOf(value.rows, most);
  const width = value.columns.length;
  const count = value.cells.length;
  const index = new Map(value.cells.map((place, at) => [place, at]));
  const entry = (places) => (places.length ? entryOf(value, look, places) : null);
  const cell = (rows, col) => entry(
    rows.map((row) => index.get(row * width + col)).filter((at) => at !== undefined),
  );
  return {
    value,
    look,
    rows: blocks.map((block) => block.name),
    blocks,
    columns: value.columns,
    cells: blocks.map(({ rows }) => value.columns.map((_, col) => cell(rows, col))),
    rowMeans: blocks.map(({ rows }) => entry(rows.map((row) => count + row))),
    columnMeans: value.columns.map((_, col) => entry([count + value.rows.length + col])),
    whole: entry([count + value.rows.length + width]),
    low: look.side === 'difference' ? -LIMIT : 0,
    high: look.side === 'difference' ? LIMIT : 1,
  };
}
