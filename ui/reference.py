"""The method reference: a page of its own, made from the declarations of the methods."""

from functools import cache
from pathlib import Path

import gradio as gr

DOCUMENT = Path(__file__).resolve().parents[1] / "assets" / "docs" / "methods.md"
ROUTE = "methods"
_HEADER = '<p><a href=".">Back to Merge explorer</a></p>'


@cache
def reference_text() -> str:
    """Return the generated document, in Markdown."""
    return DOCUMENT.read_text("utf-8")


def add_reference(demo: gr.Blocks) -> None:
    """Add the page to the app; the first page links to it."""
    with demo.route("Method reference", ROUTE, show_in_navbar=False):
        gr.HTML(_HEADER, elem_classes="me-header")
        gr.Markdown(
            reference_text(), header_links=True, latex_delimiters=[], elem_classes="me-reference"
        )
