"""Ids of experts that are written in parts: an adapter, a model with an adapter, a delta file."""

from collections.abc import Mapping
from typing import Any

from merging.errors import RecipeError

PARTS = ("model", "adapter", "delta")
DELTA_SUFFIX = ".safetensors"


def with_id(entry: Mapping[str, Any], base: object) -> dict[str, Any]:
    """Return an expert's entry with its id in place of ``model``, ``adapter`` or ``delta``.

    Args:
        entry: As a recipe has it: ``{id}``, ``{model}``, ``{adapter}``, ``{model, adapter}`` or
            ``{delta}``, besides weight and parameters.
        base: The recipe's base, or None.

    Returns:
        The entry; the id of an adapter is ``MODEL+ADAPTER``, over the recipe's base where it
        names no model, and ``ADAPTER`` where there is no base either.

    Raises:
        RecipeError: Parts that contradict each other, or a path that is no text.
    """
    said = {part: entry[part] for part in PARTS if part in entry}
    rest = {key: value for key, value in entry.items() if key not in PARTS}
    if not said:
        return dict(entry)
    if "id" in entry or ("delta" in said and len(said) > 1):
        both = ", ".join(["id", *said] if "id" in entry else said)
        raise RecipeError(
            f"An expert has {both}. Give one of id, model, adapter, model and adapter, or delta."
        )
    for part, path in said.items():
        if not isinstance(path, str) or not path:
            raise RecipeError(f"{part} of an expert is {path!r:.60}; it must be a path.")
    if "delta" in said:
        if not said["delta"].endswith(DELTA_SUFFIX):
            raise RecipeError(
                f"delta of an expert is {said['delta']!r:.60}; it must be a file {DELTA_SUFFIX}."
            )
        return {"id": said["delta"], **rest}
    if "adapter" not in said:
        return {"id": said["model"], **rest}
    model = said.get("model", base)
    joined = f"{model}+{said['adapter']}" if isinstance(model, str) else said["adapter"]
    return {"id": joined, **rest}
