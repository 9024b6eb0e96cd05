"""The job line: waiting, progress, or how the last merge ended."""

from typing import Any

import gradio as gr

_TEMPLATE = """<div class="me-job" role="status" aria-live="polite">
<div class="me-job-track" role="progressbar" aria-label="Merge and evaluation" aria-valuemin="0"
 aria-valuemax="100" hidden><div class="me-job-bar"></div></div>
<span class="me-job-text"></span></div>"""

_SCRIPT = """
function draw() {
  const value = props.value || { state: 'idle', text: '', fraction: 0 };
  const track = element.querySelector('.me-job-track');
  const share = Math.round(100 * value.fraction);
  track.hidden = !['queued', 'running'].includes(value.state);
  track.setAttribute('aria-valuenow', String(share));
  element.querySelector('.me-job-bar').style.width = share + '%';
  element.querySelector('.me-job-text').textContent = value.text;
  element.querySelector('.me-job').dataset.state = value.state;
}
watch('value', draw);
draw();
"""

from gradio.events import Dependency

class JobLine(gr.HTML):
    """Shows a ``JobView`` as a dict."""

    def __init__(self, value: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Make a line that is drawn at first paint."""
        kwargs.setdefault("html_template", _TEMPLATE)
        kwargs.setdefault("js_on_load", _SCRIPT)
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "object"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component