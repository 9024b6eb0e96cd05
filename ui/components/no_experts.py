"""What the results say while no expert is chosen, with a way out."""

from typing import Any

import gradio as gr

_TEMPLATE = """<div class="me-empty">
<p>Pick at least one expert. With one you see its own changes; with two, they can disagree.</p>
<button type="button">Use A and B</button></div>"""

# Boxes that the server ticks tell nobody; that this came or went by the style sheet is seen.
_SCRIPT = """
const told = () => document.dispatchEvent(new CustomEvent('me-experts'));
new ResizeObserver(told).observe(element.querySelector('.me-empty'));
element.addEventListener('click', ({ target }) => {
  if (!target.closest('button')) return;
  const boxes = [...document.querySelectorAll('.me-expert input[type=checkbox]')].slice(0, 2);
  boxes.filter((box) => !box.checked).forEach((box) => box.click());
});
"""


class NoExperts(gr.HTML):
    """Shown by the style sheet while every expert is off."""

    def __init__(self, value: str = "", **kwargs: Any) -> None:
        """Make the sentence and its button."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", _SCRIPT)
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "string"}
