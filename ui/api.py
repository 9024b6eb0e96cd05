"""The one public endpoint: what a recipe does to the weights, as JSON, for scripts."""

from typing import Any

import gradio as gr

from merging.analysis import Figure
from merging.errors import MergeError
from merging.recipe import parse_recipe
from ui.services import Services


def preview_endpoint(services: Services, text: str) -> dict[str, Any]:
    """Answer for a recipe in YAML.

    Returns:
        key; kept and energy per expert; clash and chance over the whole model; length.

    Raises:
        gr.Error: The recipe is refused; the message says why.
    """
    try:
        found = services.preview(parse_recipe(str(text)))
    except MergeError as error:
        raise gr.Error(str(error), print_exception=False) from error
    return {
        "key": found.key,
        "kept": {e.expert: e.kept.value for e in found.experts},
        "energy": {e.expert: e.energy.value for e in found.experts},
        "clash": _value(found.whole.share),
        "chance": _value(found.whole.chance),
        "length": _value(found.length),
    }


def _value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value
