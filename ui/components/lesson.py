"""The player of a lesson: one step at a time; and below its chart the way on, back and out."""

from collections.abc import Sequence
from typing import Any

from ui.components.drawn import Drawn

_PLAYER = """<div class="me-lesson" hidden>
<p class="me-lesson-where"></p><h2 class="me-lesson-title"></h2>
<h3 class="me-lesson-heading" tabindex="-1"></h3>
<div class="me-lesson-text"></div>
<p class="me-lesson-link" hidden><a target="_blank" rel="noopener"></a></p>
<div class="me-lesson-choices" role="group" aria-label="Your prediction" hidden></div>
<div class="me-lesson-try" hidden><button type="button"></button>
<span class="me-lesson-note"></span></div>
<div class="me-job-track" role="progressbar" aria-label="Measuring" aria-valuemin="0"
 aria-valuemax="100" hidden><div class="me-job-bar"></div></div>
<span class="me-job-said" aria-live="polite"></span>
<details class="me-numbers me-lesson-figures" hidden><summary>All figures</summary>
<table><tbody></tbody></table></details></div>"""

_BAR = """<div class="me-lesson-bar" role="group" aria-label="This lesson" hidden>
<button type="button" data-action="next" class="me-lesson-on">Go on</button>
<button type="button" data-action="open" class="me-lesson-on"></button>
<button type="button" data-action="back">Back</button>
<button type="button" data-action="leave">Leave the lesson</button></div>"""


def player_value(
    *,
    title: str,
    where: str,
    step: str,
    heading: str,
    paragraphs: Sequence[str],
    choices: Sequence[str] = (),
    chosen: int | None = None,
    button: tuple[str, str] | None = None,
    note: str = "",
    fraction: float | None = None,
    link: tuple[str, str] | None = None,
    rows: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Return what the player shows.

    Args:
        title: Of the lesson.
        where: Which lesson and step, in words.
        step: Name of the step; when it changes the heading gets the focus.
        heading: Of the step.
        paragraphs: Its text.
        choices: Answers to predict; one of them may be chosen already.
        chosen: Place of the prediction.
        button: What the step's own button says, and its action.
        note: Beside it.
        fraction: Share done while it is measured.
        link: Words and address.
        rows: Figures in words.
    """
    return {
        "title": title, "where": where, "step": step, "heading": heading,
        "paragraphs": list(paragraphs), "choices": list(choices), "chosen": chosen,
        "button": list(button) if button else None, "note": note, "fraction": fraction,
        "link": list(link) if link else None, "rows": [list(row) for row in rows],
    }  # fmt: skip


def bar_value(back: bool, onward: bool, after: str) -> dict[str, Any]:
    """Return which buttons there are; ``after`` names the lesson that follows, or is ""."""
    return {"back": back, "next": onward, "open": after, "leave": True}


class LessonPlayer(Drawn):
    """Shows what ``player_value`` returns; nothing where that is None.

    A ``select`` event carries ``{"action"}``: ``guess`` with ``choice``, a place; ``go``, ``stop``,
    ``next``.
    """

    TEMPLATE = _PLAYER
    SCRIPTS = ("lesson.js",)


class LessonBar(Drawn):
    """Shows what ``bar_value`` returns. A ``select`` event carries ``{"action"}``."""

    TEMPLATE = _BAR
    SCRIPTS = ("lesson_bar.js",)
