// Lines and areas with a label, moved in place like the marks: plotly hears of them at rest.
const POINTS = {
  line: /^M(-?[\d.]+),(-?[\d.]+)L(-?[\d.]+),(-?[\d.]+)$/,
  rect: /^M(-?[\d.]+),(-?[\d.]+)H(-?[\d.]+)V(-?[\d.]+)H/,
};
const FROM_SECOND = { start: false, 'bottom left': false, end: true };

// What of a shape cannot be moved in place.
function frameOf({ x0, x1, y0, y1, label, ...rest }) {
  return { ...rest, label: label && { ...label, text: '' } };
}

function pixel(host, ref, value, letter) {
  const { _size: size, [ref.replace(letter, `${letter}axis`)]: axis } = host._fullLayout;
  if (ref !== 'paper') return axis._offset + axis.d2p(value);
  return letter === 'x' ? size.l + size.w * value : size.t + size.h * (1 - value);
}

function cornersOf(host, { x0, x1, y0, y1, xref = 'x', yref = 'y' }) {
  const [left, right] = [x0, x1].map((value) => pixel(host, xref, value, 'x'));
  const [first, second] = [y0, y1].map((value) => pixel(host, yref, value, 'y'));
  return [left, first, right, second];
}

// The label keeps its distance from the end of the shape that it stands at.
function moveLabel(label, { text, textposition }, before, after) {
  const words = label.querySelector('text');
  const at = FROM_SECOND[textposition] ? 2 : 0;
  const x = Number(words.getAttribute('x')) + after[at] - before[at];
  const y = Number(words.getAttribute('y')) + after[at + 1] - before[at + 1];
  words.setAttribute('x', x);
  words.setAttribute('y', y);
  words.setAttribute('transform', `rotate(0,${x},${y})`);
  words.textContent = text;
}

// A shape with what plotly drew of it; null where that cannot be moved in place.
function drawnShape(host, shape, index) {
  const group = host.querySelector(`.shape-group[data-index="${index}"]`);
  const found = POINTS[shape.type]?.exec(group?.querySelector('path').getAttribute('d'));
  const label = group?.querySelector('.shape-label');
  const known = !shape.label?.text || (label && shape.label.textposition in FROM_SECOND);
  return found && known ? { group, shape, label, before: found.slice(1).map(Number) } : null;
}

function moveShape(host, { group, shape, label, before }) {
  const [x0, y0, x1, y1] = cornersOf(host, shape);
  const path = shape.type === 'line' ? `M${x0},${y0}L${x1},${y1}` : `M${x0},${y0}H${x1}V${y1}H${x0}Z`;
  group.querySelector('path').setAttribute('d', path);
  if (label) moveLabel(label, shape.label, before, [x0, y0, x1, y1]);
}
