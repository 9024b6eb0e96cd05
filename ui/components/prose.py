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
