// A button that is switched off loses the focus, and whoever uses keys their place. It gets it back
// when it can be pressed again, unless the focus went elsewhere meanwhile.
let last = null;

const nobody = () => !document.activeElement || document.activeElement === document.body;

document.addEventListener('focusin', ({ target }) => { last = target; });
document.addEventListener('pointerdown', ({ target }) => {
  if (!target.closest?.('button')) last = null;
});
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target === last && !target.disabled && nobody()) target.focus({ preventScroll: true });
  }
}).observe(document, { subtree: true, attributeFilter: ['disabled'] });
