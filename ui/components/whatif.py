"""What to choose, the button that starts, how far it is, and what was found, with its takes."""

from collections.abc import Sequence
from typing import Any

from ui.components.drawn import Drawn

Options = Sequence[tuple[str, str]]

_TEMPLATE = """<div class="me-whatif">
<div class="me-whatif-row"><span class="me-fields"></span>
<button type="button" class="me-try"></button>
<span class="me-whatif-note"></span></div>
<div class="me-job-track" role="progressbar" aria-label="Trying values" aria-valuemin="0"
 aria-valuemax="100" hidden><div class="me-job-bar"></div></div>
<p class="me-whatif-said"></p><span class="me-job-said" aria-live="polite"></span>
<div class="me-takes" hidden>
<button type="button" data-take="best"></button><button type="button" data-take="simplest"></button>
<span class="me-another"><label><span>Another point</span>
<select data-choose="point"></select></label>
<button type="button" data-take="point">Take it</button></span></div>
<ul class="me-whatif-errors" hidden></ul>
<div class="me-tools me-whatif-files" hidden>
<button type="button" class="me-quiet" data-action="report">Report (HTML)</button>
<button type="button" class="me-quiet" data-action="csv">All points (CSV)</button></div></div>"""


def whatif_value(
    fields: Sequence[tuple[str, str, Options, str]],
    go: str,
    note: str,
    said: str,
    state: str = "idle",
    fraction: float = 0.0,
    takes: Options = (),
    best: str = "",
    simplest: str = "",
    errors: Sequence[str] = (),
    report: bool = False,
) -> dict[str, Any]:
    """Return what the component shows.

    Args:
        fields: What can be chosen: name, label, options (value and words) and the chosen value.
        go: What the button says; "" where it cannot be pressed.
        note: What it takes, how far it is, or why the button cannot be pressed.
        said: What was found, or an invitation.
        state: ``idle``, ``queued``, ``running``, ``done`` or ``failed``; in the middle two the
            button stops.
        fraction: Share done.
        takes: Key and words of every point that can be taken.
        best, simplest: Keys of those points, or "".
        errors: Points that could not be scored, and why.
        report: Whether there is a report of what was found.
    """
    return {
        "fields": [
            {"name": n, "label": label, "options": [list(o) for o in options], "chosen": chosen}
            for n, label, options, chosen in fields
        ],
        "go": go, "note": note, "said": said, "state": state, "fraction": fraction, "best": best,
        "simplest": simplest, "takes": [list(pair) for pair in takes], "errors": list(errors),
        "report": report,
    }  # fmt: skip


class WhatIfBar(Drawn):
    """Shows what ``whatif_value`` returns.

    A ``select`` event carries ``{"action"}``: ``choose`` with ``field`` and ``value``; ``go``;
    ``stop``; ``take`` with ``key``, that of a point; ``report`` and ``csv``.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("whatif.js",)
