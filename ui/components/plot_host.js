// Without a base: plotly would name its clips by the page's address, which changes with every slider.
const CONFIG = {
  displayModeBar: false, responsive: false, doubleClick: false, showTips: false, _baseUrl: '',
};
const NARROW = 480;
const PAUSE = 100;
const MOVE_AT_LATEST = 300;
const DRAW_AT_LATEST = 1500;
const QUIET = 200;
const SETTLE = 500;
const whenIdle = window.requestIdleCallback ?? ((then) => setTimeout(then, QUIET));
let drawn = null;
let waiting = false;
let timer = 0;
let waitingSince = 0;
let shown = '';
let full = null;
let inView = false;
let moveAfter = 0;
let settling = 0;
let postponed = false;

const tableOf = (value) => value.table;

// A value without data only moves marks, on the figure of the same revision.
function current() {
  const value = valueNow();
  if (!value || value.data) full = value;
  else if (full?.revision === value.revision) full = { ...full, ...value };
  return full;
}

function layoutOf(value, width) {
  const narrow = value.narrow && width < NARROW;
  return { ...(narrow ? value.narrow : value.layout), ...value.patch, width };
}

function reportClick(event) {
  const { data, pointIndex, x, y, customdata } = event.points[0];
  trigger('select', { trace: data.name, index: pointIndex, x, y, key: customdata ?? null });
}

function drawWords(value) {
  part('.me-caption').textContent = value?.sentence ?? '';
  part('.me-plot').setAttribute('aria-label', value?.label ?? '');
  part('.me-figure').hidden = !value;
  part('.me-plot').hidden = part('.me-tools').hidden = !value?.layout;
  refreshTable();
}

// After the next paint, which shows what needs no plotly.
function fetchPlotly() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = document.querySelector('meta[name=me-plotly]').content;
    script.onload = resolve;
    script.onerror = reject;
    requestAnimationFrame(() => setTimeout(() => document.head.append(script)));
  });
}

function awaitPlotly() {
  if (waiting) return;
  waiting = true;
  window.mePlotly ??= fetchPlotly();
  window.mePlotly.then(() => draw(), () => {
    part('.me-plot').textContent = 'The chart could not be loaded.';
  });
}

function drawAll(value, layout, host) {
  const fresh = drawn?.host !== host;
  const data = ready(moved(value.data, value.restyle ?? []));
  window.Plotly.react(host, data, ready(layout), CONFIG);
  if (fresh) host.on('plotly_click', reportClick);
  drawn = { host, revision: value.revision };
  noteLayout(host, value.patch);
}

// One call for all traces: each call lays the whole figure out. An update that a trace lacks is
// undefined there, which leaves the trace as it is.
function settleMarks(value, host) {
  const restyle = value.restyle ?? [];
  const patch = ready(value.patch ?? {});
  const names = new Set(restyle.flatMap(({ update }) => Object.keys(update)));
  const update = Object.fromEntries([...names].map((name) => [
    name, restyle.map((entry) => ready(entry.update[name])),
  ]));
  if (restyle.length) window.Plotly.update(host, update, patch, restyle.map((e) => e.trace));
  else window.Plotly.relayout(host, patch);
  noteLayout(host, value.patch);
}

function settleSoon(host, revision) {
  settling = setTimeout(() => {
    if (drawn?.host === host && drawn.revision === revision && full?.revision === revision) {
      settleMarks(full, host);
    }
  }, SETTLE);
}

function moveMarks(value, host) {
  const began = performance.now();
  clearTimeout(settling);
  if (moveInPlace(host, value.restyle ?? [], value.patch ?? {})) {
    settleSoon(host, value.revision);
  } else settleMarks(value, host);
  moveAfter = 2 * performance.now() - began;
  window.meMoved = performance.now();
}

// A whole figure that nobody sees yet waits until the page has nothing else to do.
function postpone() {
  if (postponed) return;
  postponed = true;
  whenIdle(drawPostponed);
}

function drawPostponed() {
  if (!postponed) return;
  postponed = false;
  draw(true);
}

function draw(whole = inView) {
  const value = current();
  const host = part('.me-plot');
  if (!host) return;
  drawWords(value);
  const width = value?.layout ? widthOf(host) : 0;
  if (!width) return;
  const layout = layoutOf(value, width);
  if (!window.Plotly) {
    host.style.minHeight = `${layout.height}px`;
    awaitPlotly();
    return;
  }
  const same = drawn?.host === host && value.revision !== undefined
    && drawn.revision === value.revision;
  if (same) moveMarks(value, host);
  else {
    host.style.minHeight = `${layout.height}px`;
    if (!whole) return postpone();
    postponed = false;
    drawAll(value, layout, host);
  }
  host.dataset.drawn = 'yes';
  host.dataset.stamp = value.stamp ?? '';
}

function drawNow() {
  waitingSince = 0;
  draw();
}

// A whole figure would hold up those that follow a slider.
function drawWhenQuiet(latest) {
  const wait = Math.min((window.meMoved ?? 0) + QUIET, latest) - performance.now();
  if (wait > 0) timer = setTimeout(() => drawWhenQuiet(latest), wait);
  else drawNow();
}

// Plotly is slow beside the canvas that follows the slider. Marks in view move at once, but rest
// as long as their last move took; what nobody sees and whole figures wait until the slider pauses,
// though not for ever. What was hidden is awaited: it comes at once.
function drawSoon() {
  if (props.value === shown) return;
  shown = props.value;
  const opened = part('.me-figure')?.hidden;
  current(); // at once: the next value may come before this one is drawn
  const now = performance.now();
  const moves = full?.revision !== undefined && drawn?.revision === full.revision;
  const latest = moves ? MOVE_AT_LATEST : DRAW_AT_LATEST;
  waitingSince ||= now;
  const until = moves && inView ? moveAfter : Math.min(now + PAUSE, waitingSince + latest);
  clearTimeout(timer);
  if (opened || (moves && inView && now >= moveAfter)) drawNow();
  else {
    const then = moves ? drawNow : () => drawWhenQuiet(waitingSince + latest);
    timer = setTimeout(then, Math.max(0, until - now));
  }
}

function redraw() {
  drawn = drawn && { host: drawn.host };
  draw();
}

function saveImage() {
  const host = part('.me-plot');
  if (!drawn) return;
  const layout = { ...host.layout, paper_bgcolor: themeValue('--me-panel') };
  const size = { width: host.clientWidth, height: host.clientHeight };
  const filename = full?.name ?? 'merge-explorer';
  window.Plotly.downloadImage({ data: host.data, layout }, { format: 'svg', filename, ...size });
}

element.addEventListener('click', (event) => {
  if (event.target.closest('.me-save')) saveImage();
});
new IntersectionObserver((entries) => {
  inView = entries.at(-1).isIntersecting;
  if (inView) drawPostponed();
}).observe(element);
onWidth('.me-plot', redraw);
onTheme(redraw);
onValue(drawSoon);
