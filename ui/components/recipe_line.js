const part = (selector) => element.querySelector(selector);
const EXPERTS = '.me-expert input[type=checkbox]';
const column = () => document.querySelector('.me-recipe');

function draw() {
  const value = valueNow();
  if (!value || !part('.me-line')) return;
  const boxes = [...document.querySelectorAll(EXPERTS)];
  const none = boxes.length > 0 && !boxes.some((box) => box.checked);
  part('.me-line-recipe').textContent = none ? 'No expert is chosen.' : value.recipe;
  part('.me-live').textContent = none ? '' : value.figures;
}

function fold(folded) {
  column().classList.toggle('is-folded', folded);
  part('.me-fold').setAttribute('aria-expanded', String(!folded));
}

// From further down the page the line leads back to the recipe; beside it, it folds it.
function press() {
  const folded = column().classList.contains('is-folded');
  const below = part('.me-line').getBoundingClientRect().bottom;
  const passed = !folded && column().getBoundingClientRect().top < below - 60;
  fold(!folded && !passed);
  if (folded || passed) column().scrollIntoView();
}

element.addEventListener('click', ({ target }) => {
  if (target.closest('.me-fold')) press();
});
document.addEventListener('change', ({ target }) => {
  if (element.isConnected && target.matches?.(EXPERTS)) draw();
});
document.addEventListener('me-experts', () => { if (element.isConnected) draw(); });
onValue(draw);
draw();
