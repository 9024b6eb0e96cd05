"""The bundled sets: base, experts, tasks that fit together."""

from merging.sets.bundled import (
    CARD_FORMAT,
    ModelSet,
    References,
    open_set,
    references,
    set_names,
    shipped_runs,
    sketch,
    tasks,
    zoo_root,
)
from merging.sets.needs import missing

__all__ = [
    "CARD_FORMAT",
    "ModelSet",
    "References",
    "missing",
    "open_set",
    "references",
    "set_names",
    "shipped_runs",
    "sketch",
    "tasks",
    "zoo_root",
]
