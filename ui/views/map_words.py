"""What a map, a path and a hull show, in sentences. Pure."""

from collections.abc import Mapping, Sequence

from merging.evaluation.judged import Judged
from merging.search.heights import Height
from merging.search.landscape import AVERAGE, BUDGET, Landscape, Place
from merging.search.plane import Spot
from merging.units import time_text
from ui.views.experts import ExpertMark
from ui.views.map import shown

INVITE = (
    "The base and two experts span one flat plane in the space of all weights. Draw it, and every "
    "mixture of the two changes has its place there, with the score it really gets."
)
NEAR = 0.005  # share of the distance from the base below which a merge lies on the plane


def value_words(height: Height, value: float) -> str:
    """Return a height in words: "81.3 %", "0.412 nats"."""
    told = shown(height, value)
    return f"{told:.3f} nats" if height.kind == "loss" else f"{told:.1f} %"


def gap_words(height: Height, gap: float) -> str:
    """Return a difference or an error of heights in words: "1.6 points"."""
    told = abs(shown(height, gap))
    return f"{told:.3f} nats" if height.kind == "loss" else f"{told:.1f} points"


def cost_words(total: int, seconds: float | None, what: str) -> str:
    """Return what a study of so many models takes, each so many seconds, in words."""
    if seconds is None:
        return f"{total} {what}; the first of them tell how long"
    return f"{total} {what}, about {time_text(max(1, round(total * seconds)))}"


def map_cost_words(total: int, left: int, seconds: float | None) -> str:
    """Return what a map takes of whose places so many are left to be judged, in words."""
    if not left:
        return f"{total} places, measured before"
    said = cost_words(left, seconds, "places" if left == total else f"of {total} places are left")
    if seconds is None or left * seconds <= BUDGET:
        return said
    return f"{said}; it stops at {time_text(BUDGET)} and goes on when drawn again"


def map_words(
    found: Landscape,
    height: Height,
    marks: Mapping[str, ExpertMark],
    yours: Spot | None,
    live: bool,
) -> str:
    """Return what a map shows: its best place beside the average, the noise, the merge's place."""
    judged = found.measured(height.tasks)
    begin = _begin(found, len(judged), live)
    if not judged:
        return begin
    noise = _noise(list(judged.values()), height)
    said = [begin, _best(found, judged, height, marks), noise, yours_words(yours)]
    if yours is not None and not found.grid.holds(yours.x, yours.y):
        said.append("It stands beyond the edge of the map.")
    return " ".join(part for part in said if part)


def yours_words(spot: Spot | None) -> str:
    """Return how far a merge lies off the plane; "" where that is not known."""
    if spot is None:
        return ""
    if not spot.far:
        return "Your merge is the base."
    if spot.outside < NEAR:
        return "Your merge lies on this plane."
    return (
        "Your merge lies off this plane: its distance from it is "
        f"{100 * spot.outside:.0f} % of its distance from the base."
    )


def _begin(found: Landscape, count: int, live: bool) -> str:
    done = f"{count} of {found.total} places"
    if live:
        return f"{done} so far."
    if found.ended == "complete" or count == found.total:
        return ""
    if found.ended == "budget":
        return f"Stopped at {time_text(found.spent)}: {done} were judged."
    if found.ended == "cancelled":
        return f"Stopped: {done} were judged and are kept."
    return f"It broke off after {done}."


def _best(
    found: Landscape,
    judged: Mapping[Place, Judged],
    height: Height,
    marks: Mapping[str, ExpertMark],
) -> str:
    place = list(judged)[height.best(judged.values())]
    value = height.of(judged[place])
    word = "Lowest loss" if height.kind == "loss" else "Highest"
    text = f"{word} on this plane: {value_words(height, value)} at {_mixture(found, marks, place)}"
    if AVERAGE not in found.named or found.named[AVERAGE].lacks(height.tasks):
        return f"{text}."
    middle = height.of(found.named[AVERAGE])
    return f"{text}; the average of the two has {value_words(height, middle)}."


def _mixture(found: Landscape, marks: Mapping[str, ExpertMark], place: tuple[int, int]) -> str:
    shares = found.frame.shares(*found.grid.at(*place))
    names = (marks[e].name for e in found.experts)
    parts = (f"{round(s, 2) + 0:.2f} × {n}" for s, n in zip(shares, names, strict=True))
    return " + ".join(parts).replace("-", "−")


def _noise(judged: Sequence[Judged], height: Height) -> str:
    best = judged[height.best(judged)]
    items = sum(len(values) for values in height.items(best))
    return (
        f"Each place has a standard error of about {gap_words(height, height.error(best))} "
        f"({items} images), so the best of {len(judged)} is partly luck and its neighbours may "
        "be as good."
    )
