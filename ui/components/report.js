const NARROW = 480;
const PAPER = 680; // px, the width of a printed page
const values = JSON.parse(document.getElementById('charts').textContent);
const hosts = [...document.querySelectorAll('.chart')];
const paper = matchMedia('print');

function themeValue(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(host, value) {
  const width = paper.matches ? PAPER : host.parentElement.clientWidth;
  const layout = value.narrow && width < NARROW ? value.narrow : value.layout;
  window.Plotly.react(
    host,
    ready(moved(value.data, value.restyle ?? [])),
    ready({ ...layout, ...value.patch, width }),
    { displayModeBar: false, responsive: false, _baseUrl: '' },
  );
  host.dataset.drawn = 'yes';
}

function drawAll() {
  hosts.forEach((host, place) => draw(host, values[place]));
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
paper.addEventListener('change', drawAll);
let width = 0;
new ResizeObserver(([entry]) => {
  if (entry.contentRect.width === width) return;
  width = entry.contentRect.width;
  drawAll();
}).observe(document.querySelector('main'));
