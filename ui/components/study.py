"""A few choices, the button that starts a study, how far it is, and what it found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ui.components.drawn import Drawn

_TEMPLATE = """<div class="me-whatif me-study">
<div class="me-whatif-row"><span class="me-study-fields"></span>
<button type="button" class="me-try"></button>
<span class="me-whatif-note"></span></div>
<div class="me-job-track" role="progressbar" aria-valuemin="0" aria-valuemax="100" hidden>
<div class="me-job-bar"></div></div>
<p class="me-whatif-said"></p><span class="me-job-said" aria-live="polite"></span></div>"""


@dataclass(frozen=True, slots=True)
class Field:
    """One choice: its name in events, its label, values with words, and the chosen value."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]
    chosen: str


def study_value(
    fields: Sequence[Field],
    go: str,
    note: str,
    said: str,
    state: str = "idle",
    fraction: float = 0.0,
    label: str = "",
) -> dict[str, Any]:
    """Return what the component shows.

    Args:
        fields: What can be chosen.
        go: What the button says.
        note: What the study takes, or how far it is.
        said: What was found, or an invitation.
        state: ``idle``, ``queued``, ``running``, ``done`` or ``failed``; in the middle two the
            button stops.
        fraction: Share done.
        label: What the bar of progress is called.
    """
    return {
        "fields": [[f.name, f.label, [list(o) for o in f.options], f.chosen] for f in fields],
        "go": go, "note": note, "said": said, "state": state, "fraction": fraction, "label": label,
    }  # fmt: skip


class StudyBar(Drawn):
    """Shows what ``study_value`` returns.

    A ``select`` event carries ``{"action"}``: ``choose`` with ``name`` and ``value``; ``go``;
    ``stop``.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("study.js",)
