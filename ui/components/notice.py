"""The line that says what went wrong: it stays until it is dismissed."""

from typing import Any

import gradio as gr

_TEMPLATE = """<div class="me-notice-box" role="alert" hidden>
<span class="me-notice-text" tabindex="0"></span>
<button type="button" class="me-notice-close">Dismiss</button></div>"""

_SCRIPT = """
const box = element.querySelector('.me-notice-box');
const draw = () => {
  element.querySelector('.me-notice-box').hidden = !props.value;
  element.querySelector('.me-notice-text').textContent = props.value || '';
};
element.addEventListener('click', (event) => {
  if (event.target.closest('.me-notice-close')) {
    props.value = '';
    element.querySelector('.me-notice-box').hidden = true;
  }
});
watch('value', draw);
document.addEventListener('me-board', ({ detail }) => {
  if (!element.isConnected || !Object.hasOwn(detail, 'notice')) return;
  props.value = detail.notice;
  draw();
});
draw();
"""


class Notice(gr.HTML):
    """A dismissible sentence; empty text hides it. Text is never read as HTML."""

    def __init__(self, value: str = "", **kwargs: Any) -> None:
        """Make a notice with a text."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", _SCRIPT)
        kwargs.setdefault("elem_classes", "me-notice")
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "string"}
