"""Sentences of ours as HTML, made on the server with everything foreign escaped."""

from typing import Any

import gradio as gr

_TEMPLATE = '<div class="me-prose"></div>'
_SCRIPT = """
const draw = () => { element.querySelector('.me-prose').innerHTML = props.value ?? ''; };
document.addEventListener('me-board', ({ detail }) => {
  if (!element.isConnected || !Object.hasOwn(detail, props.panel)) return;
  props.value = detail[props.panel];
  draw();
});
watch('value', draw);
draw();
"""


class Prose(gr.HTML):
    """Shows HTML; a slider's answer has it under the name of its panel."""

    def __init__(self, value: str = "", panel: str = "", **kwargs: Any) -> None:
        """Show a text that is HTML already."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", _SCRIPT)
        super().__init__(value, panel=panel, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "string"}


_PICTURES = """
const tell = () => {
  document.body.dataset.pictures = element.querySelector('.me-note') ? 'last' : '';
};
new MutationObserver(tell).observe(element, { childList: true, subtree: true });
tell();
"""


class Effect(Prose):
    """What the pictures show; with a note in it they are the last ones, and the page pales them."""

    def __init__(self, value: str = "", panel: str = "", **kwargs: Any) -> None:
        """Show a text that is HTML already."""
        kwargs.setdefault("js_on_load", _SCRIPT + _PICTURES)
        super().__init__(value, panel, **kwargs)
