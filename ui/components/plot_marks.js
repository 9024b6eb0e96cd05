// Bars and rings that plotly drew are moved in place: to move them itself it lays the whole figure
// out, which takes 20 ms. It hears of the values when the slider rests.
const BAR = /^M(-?[\d.]+),-?[\d.]+V-?[\d.]+H(-?[\d.]+)/;
const SHIFT = /^translate\((-?[\d.]+),(-?[\d.]+)\)/;
let settled = ''; // what only a layout can change, as plotly last heard it

const laidOut = (patch = {}) => JSON.stringify({ ...patch, shapes: patch.shapes?.map(frameOf) });

function axisOf(host, trace, letter) {
  return host._fullLayout[(trace[`${letter}axis`] ?? letter).replace(letter, `${letter}axis`)];
}

function moveWords(words, shift, text) {
  if (!words) return;
  words.style.display = text ? '' : 'none';
  const found = SHIFT.exec(words.getAttribute('transform'));
  if (found) words.setAttribute('transform', `translate(${Number(found[1]) + shift},${found[2]})`);
}

function moveBar(point, [from, to], [low, high], text) {
  const path = point.querySelector('path');
  const before = BAR.exec(path.getAttribute('d'));
  path.setAttribute('d', from < to ? `M${from},${low}V${high}H${to}V${low}Z` : 'M0,0Z');
  const shift = before ? (from + to - Number(before[1]) - Number(before[2])) / 2 : 0;
  moveWords(point.querySelector('text'), shift, before && text);
}

// Bars of one place stand one after another; `ends` says where the last one ended there.
function moveBars(group, trace, update, axes, ends) {
  const half = trace.width / 2;
  group.querySelectorAll('.point').forEach((point, i) => {
    const from = ends[i] ?? 0;
    ends[i] = from + (update.x[i] ?? 0);
    const y = trace.y[i];
    const sides = [axes.y.c2p(y - half), axes.y.c2p(y + half)];
    moveBar(point, [axes.x.c2p(from), axes.x.c2p(ends[i])], sides, update.text?.[i]);
  });
}

function moveRings(group, trace, update, axes) {
  const places = update.x.map((x, i) => `${axes.x.c2p(x)},${axes.y.c2p(trace.y[i])}`);
  group.querySelectorAll('.point').forEach((point, i) => {
    point.setAttribute('transform', `translate(${places[i]})`);
  });
  group.querySelector('.js-line')?.setAttribute('d', `M${places.join('L')}`);
}

const MOVERS = { bar: ['.barlayer', moveBars], scatter: ['.scatterlayer', moveRings] };

// A trace with what plotly drew of it; null where that cannot be moved in place.
function drawnTrace(host, { trace: index, update }) {
  const trace = host.data[index];
  const [layer] = MOVERS[trace.type] ?? [];
  if (!layer || !update.x || (trace.type === 'scatter' && update.x.includes(null))) return null;
  const place = host.data.slice(0, index).filter(({ type }) => type === trace.type).length;
  const group = host.querySelectorAll(`${layer} .trace`)[place];
  const count = group?.querySelectorAll('.point').length;
  return count === update.x.length ? { group, trace, update } : null;
}

function moveInPlace(host, restyle, patch) {
  if (laidOut(patch) !== settled) return false;
  const found = restyle.map((entry) => drawnTrace(host, entry));
  const shapes = (patch.shapes ?? []).map((shape, index) => drawnShape(host, shape, index));
  if (found.includes(null) || shapes.includes(null)) return false;
  const ends = [];
  found.forEach(({ group, trace, update }) => {
    const axes = { x: axisOf(host, trace, 'x'), y: axisOf(host, trace, 'y') };
    MOVERS[trace.type][1](group, trace, update, axes, ends);
  });
  shapes.forEach((shape) => moveShape(host, shape));
  return true;
}

// What was hidden while it moved is plotly's again.
function noteLayout(host, patch) {
  settled = laidOut(patch);
  host.querySelectorAll('.bartext').forEach((words) => { words.style.display = ''; });
}
