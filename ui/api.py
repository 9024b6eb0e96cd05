"""The one public endpoint: what a recipe does to the weights, as JSON, for scripts."""

from typing import Any

import gradio as gr

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
        "kept": {e.expert: e.kept for e in found.experts},
        "energy": {e.expert: e.energy for e in found.experts},
        "clash": found.whole.share,
        "chance": found.whole.chance,
        "length": found.length,
    }
