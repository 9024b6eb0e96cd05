function draw() {
  const value = valueNow();
  const host = element.querySelector('.me-lesson-bar');
  if (!host) return;
  host.hidden = !value;
  if (!value) return;
  host.querySelectorAll('button').forEach((button) => {
    button.hidden = !value[button.dataset.action];
  });
  host.querySelector('[data-action=open]').textContent = `Next: ${value.open}`;
}

element.addEventListener('click', ({ target }) => {
  const action = target.closest('button')?.dataset.action;
  if (action) trigger('select', { action });
});
onValue(draw);
draw();
