"""The list of runs: what was tried, how it scored, and up to four of them side by side."""

from dataclasses import asdict
from typing import Any

from merging.evaluation import Estimate
from ui.components.drawn import Drawn
from ui.views.compare import CompareView
from ui.views.models import RunRow

_TEMPLATE = '<div class="me-runs"></div>'


def runlist_value(rows: list[RunRow], beside: CompareView | None) -> dict[str, Any]:
    """Return what the component draws.

    Args:
        rows: In the order in which they are shown.
        beside: The chosen runs side by side, or None where none is chosen.
    """
    value: dict[str, Any] = {"rows": [asdict(r) | {"mean": _sent(r.mean)} for r in rows]}
    if beside is None:
        return value
    lines = [
        {"task": line.task, "scores": [_sent(s) for s in line.scores],
         "gaps": [_sent(gap) for gap in line.gaps]}
        for line in beside.lines
    ]  # fmt: skip
    settings = [{"name": s.name, "values": list(s.values)} for s in beside.settings]
    facts = {"names": list(beside.names), "sentence": beside.sentence}
    return value | {"beside": facts | {"settings": settings, "lines": lines}}


def _sent(estimate: Estimate | None) -> list[float] | None:
    if estimate is None:
        return None
    return [round(x, 9) for x in (estimate.value, estimate.low, estimate.high)]


class RunList(Drawn):
    """Shows runs and tells what was done with them.

    ``select`` carries ``{"action"}``, with ``"key"`` for show, pin, delete, with ``"key"`` and
    ``"name"`` for rename, with ``"keys"`` for compare, report and csv, and with ``"text"`` for
    import; export has neither.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("runlist.js",)
