"""One hint at the control that matters first; it goes when any control is used."""

from typing import Any

import gradio as gr

_SCRIPT = """
const target = () => document.getElementById(props.target);
function point(tries) {
  const control = target();
  if (!control) {
    if (tries) setTimeout(() => point(tries - 1), 100);
    return;
  }
  control.classList.add('me-hint');
  control.closest('.me-recipe').addEventListener('input', () => {
    control.classList.add('is-done');
    element.querySelector('.me-hint-text').hidden = true;
  }, { once: true });
}
point(50);
"""


class Hint(gr.HTML):
    """A sentence beside an outlined control, both gone once a control of the recipe is used."""

    def __init__(self, value: str = "", target: str = "", **kwargs: Any) -> None:
        """Point at the component whose ``elem_id`` is ``target``."""
        kwargs.setdefault("html_template", '<p class="me-hint-text">${value}</p>')
        kwargs.setdefault("js_on_load", _SCRIPT)
        super().__init__(value, target=target, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "string"}
