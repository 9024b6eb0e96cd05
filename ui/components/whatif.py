"""The bar of a study that finds points: with takes, with errors, and with files of a report."""

from collections.abc import Sequence
from typing import Any

from ui.components.study import BAR, Options, StudyBar

_MORE = """<div class="me-takes" hidden>
<button type="button" data-take="best"></button><button type="button" data-take="simplest"></button>
<span class="me-another"><label><span>Another point</span>
<select data-choose="point"></select></label>
<button type="button" data-take="point">Take it</button></span></div>
<ul class="me-whatif-errors" hidden></ul>
<div class="me-tools me-whatif-files" hidden>
<button type="button" class="me-quiet" data-action="report">Report (HTML)</button>
<button type="button" class="me-quiet" data-action="csv">All points (CSV)</button></div>"""


def whatif_value(
    bar: dict[str, Any],
    takes: Options = (),
    best: str = "",
    simplest: str = "",
    errors: Sequence[str] = (),
    report: bool = False,
) -> dict[str, Any]:
    """Return what the component shows.

    Args:
        bar: As ``study_value`` returns it.
        takes: Key and words of every point that can be taken.
        best, simplest: Keys of those points, or "".
        errors: Points that could not be scored, and why.
        report: Whether there is a report of what was found.
    """
    return {
        **bar, "takes": [list(pair) for pair in takes], "best": best, "simplest": simplest,
        "errors": list(errors), "report": report,
    }  # fmt: skip


class WhatIfBar(StudyBar):
    """Shows what ``whatif_value`` returns.

    A ``select`` event carries what that of a ``StudyBar`` does, or ``take`` with ``key``, that of a
    point; ``report``; ``csv``.
    """

    TEMPLATE = f'<div class="me-whatif">{BAR}{_MORE}</div>'
    SCRIPTS = ("study.js", "whatif.js")
