"""A few choices, the button that starts a study, how far it is, and what it found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ui.components.drawn import Drawn

Options = tuple[tuple[str, str], ...]

BAR = """<div class="me-whatif-row"><span class="me-fields"></span>
<button type="button" class="me-try"></button>
<span class="me-whatif-note"></span></div>
<div class="me-job-track" role="progressbar" aria-valuemin="0" aria-valuemax="100" hidden>
<div class="me-job-bar"></div></div>
<p class="me-whatif-said"></p><span class="me-job-said" aria-live="polite"></span>"""


@dataclass(frozen=True, slots=True)
class Field:
    """A choice before the start.

    Attributes:
        name: In events.
        label: Word before it.
        options: Value and words of each.
        chosen: One of the values.
    """

    name: str
    label: str
    options: Options
    chosen: str


def study_value(
    fields: Sequence[Field],
    go: str,
    note: str,
    said: str,
    state: str = "idle",
    fraction: float = 0.0,
    label: str = "",
    why: str = "",
) -> dict[str, Any]:
    """Return what the component shows.

    Args:
        fields: What can be chosen.
        go: What the button says; "" where it cannot be pressed.
        note: What the study takes, how far it is, or why the button cannot be pressed.
        said: What was found, or an invitation.
        state: ``idle``, ``queued``, ``running``, ``done`` or ``failed``; in the middle two the
            button stops.
        fraction: Share done.
        label: What the bar of progress is called.
        why: Reason why the button cannot be pressed, told instead of the note; "" where it can.
    """
    return {
        "fields": [asdict(field) for field in fields], "go": go, "note": why or note, "said": said,
        "state": state, "fraction": fraction, "label": label, "blocked": bool(why) or not go,
    }  # fmt: skip


class StudyBar(Drawn):
    """Shows what ``study_value`` returns.

    A ``select`` event carries ``{"action"}``: ``choose`` with ``field`` and ``value``; ``go``;
    ``stop``.
    """

    TEMPLATE = f'<div class="me-whatif me-study">{BAR}</div>'
    SCRIPTS: tuple[str, ...] = ("study.js",)
