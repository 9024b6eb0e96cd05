"""Which part costs and which carries a task, in sentences. Pure."""

from merging.search.attribution import AttributionResult
from merging.units import counted
from ui.views.parts import Part, PartsView

INVITE = (
    "Put the base's weights back in one part of the merged model after the other: what gains by "
    "that was harmed there, what loses was carried there. Every answer is a real score on images "
    "that are kept for choosing."
)
NOUNS = {"cell": "parts", "row": "layers", "module": "kinds of module"}


def parts_ended_words(result: AttributionResult) -> str:
    """Return how an attribution ended, in one sentence; "" while it runs."""
    of = f"{len(result.effects)} of {len(result.blocks)} parts"
    if result.ended == "cancelled" and not result.effects:
        return "Stopped: no part was put back."
    if result.ended == "cancelled":
        return f"Stopped: {of} were put back and are kept."
    if result.ended == "budget":
        return f"The time is up: {of} were put back, the largest changes first."
    return f"{of} were put back." if result.ended else ""


def parts_words(result: AttributionResult, view: PartsView, live: bool) -> str:
    """Return which parts stand out and how far, for the score that is shown.

    Args:
        result: An attribution.
        view: The same, arranged.
        live: Whether it is still at work.
    """
    begin = f"{len(result.effects)} of {len(result.blocks)} parts so far." if live else ""
    if not live and result.ended != "complete":
        done = counted(len(result.effects), "part")
        begin = parts_ended_words(result) or f"It broke off after {done}."
    if not view.parts:
        return begin
    return f"{begin} {_found(view)}".strip()


def _found(view: PartsView) -> str:
    clear, count = [part for part in view.parts if part.clear], len(view.parts)
    if not clear:
        told = f"{view.score}, {counted(count, 'part')} put back"
        return f"No part changes the score beyond noise ({told})."
    verb = "changes" if len(clear) == 1 else "change"
    first = f"{len(clear)} of {count} parts {verb} the score beyond noise ({view.score})."
    carries = min(clear, key=lambda part: part.gain.value)
    costs = max(clear, key=lambda part: part.gain.value)
    said = [first]
    if carries.gain.value < 0:
        said.append(
            f"{carries.label} carries most: without its change {_points(carries)} are lost."
        )
    if costs.gain.value > 0:
        said.append(
            f"{costs.label} costs most: with the base's weights {_points(costs)} come back."
        )
    else:
        said.append("None clearly costs anything.")
    return " ".join(said)


def _points(part: Part) -> str:
    ends = sorted((100 * abs(part.gain.low), 100 * abs(part.gain.high)))
    return f"{100 * abs(part.gain.value):.1f} points (95 % interval {ends[0]:.1f} to {ends[1]:.1f})"
