// Charts get their height after the page is there: an address with a section leads to it until the
// visitor moves or everything has found its place.
const PATIENCE = 4000;
const MOVES = ['wheel', 'touchstart', 'keydown', 'pointerdown'];

function asked() {
  return location.hash.startsWith('#section-') ? document.getElementById(location.hash.slice(1)) : null;
}

function followAddress() {
  if (!location.hash.startsWith('#section-')) return;
  const sizes = new ResizeObserver(() => asked()?.scrollIntoView());
  const stop = () => {
    sizes.disconnect();
    MOVES.forEach((name) => removeEventListener(name, stop));
  };
  sizes.observe(document.body);
  MOVES.forEach((name) => addEventListener(name, stop, { passive: true }));
  setTimeout(stop, PATIENCE);
}

function mark(name) {
  element.querySelectorAll('a').forEach((link) => {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  });
}

function watchSections(tries) {
  const sections = document.querySelectorAll('.me-section');
  if (!sections.length) {
    if (tries) setTimeout(() => watchSections(tries - 1), 100);
    return;
  }
  const seen = new IntersectionObserver((entries) => {
    const now = entries.find((entry) => entry.isIntersecting);
    if (now) mark(now.target.id);
  }, { rootMargin: '-25% 0px -70% 0px' });
  sections.forEach((section) => seen.observe(section));
}

// Where the row is wider than the page, an arrow at its end tells that it goes on.
function watchWidth() {
  const row = element.querySelector('.me-jump');
  const tell = () => {
    row.classList.toggle('is-more', row.scrollLeft + row.clientWidth < row.scrollWidth - 1);
  };
  row.addEventListener('scroll', tell, { passive: true });
  new ResizeObserver(tell).observe(row);
}

// Gradio's page has a base address without our query: a plain link to a part would load it anew,
// and the settings would be lost.
element.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) {
    link.href = `${location.pathname}${location.search}${link.hash}`;
    return;
  }
  event.preventDefault();
  if (location.hash === link.hash) document.getElementById(link.hash.slice(1))?.scrollIntoView();
  else location.hash = link.hash;
});
followAddress();
watchSections(50);
watchWidth();
