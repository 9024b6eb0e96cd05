"""Links to the sections of the page; the one in sight is marked."""

from typing import Any

import gradio as gr

from ui.components.assets import script

SECTIONS = {
    "lesson": "Lesson",
    "scores": "Skills",
    "conflict": "Conflict",
    "sizes": "Sizes",
    "agreement": "Agreement",
    "winners": "Winners",
    "dialects": "Dialects",
    "whatif": "What if",
    "parts": "Parts",
    "map": "Map",
    "runs": "Runs",
}


def _template() -> str:
    links = (f'<a href="#section-{name}">{word}</a>' for name, word in SECTIONS.items())
    return f'<nav class="me-jump" aria-label="Sections">{"".join(links)}</nav>'


class SectionLinks(gr.HTML):
    """Goes to a section when a link is followed, and when the page's address names one."""

    def __init__(self, value: str = "", **kwargs: Any) -> None:
        """Make the row of links."""
        kwargs.setdefault("html_template", _template())
        kwargs.setdefault("js_on_load", script("section_links.js"))
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        """Describe the value."""
        return {"type": "string"}
