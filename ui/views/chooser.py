"""All methods by family, with what each is and what it still needs. Pure."""

from collections.abc import Mapping
from typing import Any

from merging.methods import registry
from merging.methods.registry import method
from merging.methods.spec import MethodSpec

FIRST_LOOK = ("linear", "task_arithmetic", "ties", "dare", "dare_ties")


def chooser_value(chosen: str, missing: Mapping[str, str]) -> dict[str, Any]:
    """Return what the chooser draws.

    Args:
        chosen: Id of the chosen method.
        missing: What the set lacks for a method, by id; methods not named lack nothing.
    """
    quick = FIRST_LOOK if chosen in FIRST_LOOK else (*FIRST_LOOK, chosen)
    families: dict[str, list[dict[str, str]]] = {}
    for spec in registry.METHODS:
        families.setdefault(spec.family, []).append(_entry(spec, missing.get(spec.id, "")))
    return {
        "chosen": chosen,
        "quick": [{"id": i, "label": method(i).label} for i in quick],
        "families": [{"label": name, "methods": entries} for name, entries in families.items()],
    }


def _entry(spec: MethodSpec, missing: str) -> dict[str, str]:
    return {
        "id": spec.id,
        "label": spec.label,
        "summary": spec.summary,
        "idea": spec.idea,
        "source": spec.source.citation,
        "missing": missing,
    }
