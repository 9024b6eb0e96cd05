"""A straight path to its chart, and what it shows in sentences. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from merging.search.heights import Height
from merging.search.path import Barrier, Path, barrier
from ui.views.map import shown
from ui.views.map_words import gap_words, value_words

INVITE = (
    "Walk straight from one model to another, weight by weight: where the score falls below the "
    "line between the two ends there is a barrier."
)


@dataclass(frozen=True, slots=True)
class PathView:
    """A path as its chart shows it.

    Attributes:
        ends: Names of the two models.
        ways: Per cent of the way, of each step that was judged.
        heights: Shown values there.
        errors: Standard errors, in the same units.
        kind: What they are.
        barrier: What was found, or None before that can be told.
        complete: All steps were judged.
        stale: It is another path than the one that is chosen, in words; "" where it is not.
    """

    ends: tuple[str, str]
    ways: tuple[float, ...]
    heights: tuple[float, ...]
    errors: tuple[float, ...]
    kind: str
    barrier: Barrier | None = None
    complete: bool = False
    stale: str = ""


def path_view(found: Path, height: Height, names: Mapping[str, str], stale: str = "") -> PathView:
    """Arrange a path, whole or in part."""
    steps = sorted(found.steps)
    models = [found.steps[step] for step in steps]
    return PathView(
        (names[found.ends[0]], names[found.ends[1]]),
        tuple(round(100 * found.way(step), 2) for step in steps),
        tuple(shown(height, height.of(model)) for model in models),
        tuple(shown(height, height.error(model)) for model in models),
        height.kind,
        barrier(found, height),
        len(steps) == found.count,
        stale,
    )


def path_words(found: Path, height: Height, names: Mapping[str, str], live: bool) -> str:
    """Return whether there is a barrier, how high, where, and whether it is more than noise."""
    count = len(found.steps)
    begin = f"{count} of {found.count} steps so far." if live else _ended(found)
    wall = barrier(found, height)
    if wall is None:
        return begin
    first, second = (names[end] for end in found.ends)
    return f"{begin} {_barrier(wall, height, first, second)} {_best(found, height)}".strip()


def _ended(found: Path) -> str:
    if found.ended == "complete":
        return ""
    word = "Stopped" if found.ended == "cancelled" else "It broke off"
    return f"{word}: {len(found.steps)} of {found.count} steps were judged."


def _barrier(wall: Barrier, height: Height, first: str, second: str) -> str:
    between = f"between {first} and {second}"
    if not wall.size:
        return f"No barrier {between}: no step is worse than the straight line from end to end."
    where = f"{100 * wall.at:.0f} % of the way"
    size = f"{gap_words(height, wall.size)} worse than the straight line from end to end"
    span = f"± {gap_words(height, wall.noise)}"
    if not wall.clear:
        return (
            f"No clear barrier {between}: at worst, {where}, the path is {size}, which is within "
            f"noise ({span})."
        )
    return f"A barrier {between}: {where} the path is {size} ({span}, 95 %)."


def _best(found: Path, height: Height) -> str:
    steps = sorted(found.steps)
    best = steps[height.best([found.steps[step] for step in steps])]
    value = value_words(height, height.of(found.steps[best]))
    return f"Its best step is {100 * found.way(best):.0f} % of the way, with {value}."
