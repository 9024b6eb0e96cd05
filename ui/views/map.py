"""A map to its chart: heights on the lattice, marks with words, what is not measured yet. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merging.search.ground import BASE, BETWEEN
from merging.search.heights import KINDS, Height, Kind
from merging.search.landscape import AVERAGE, SUM, Landscape
from merging.search.plane import Spot
from ui.views.experts import ExpertMark

UNITS: Mapping[Kind, str] = {"share": " %", "accuracy": " %", "loss": ""}
TITLES: Mapping[Kind, str] = {
    "share": "share of the own expert",
    "accuracy": "accuracy",
    "loss": "loss (cross-entropy, nats)",
}
ALL = "all"
Rows = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A model on the map.

    Attributes:
        x, y: Where it stands.
        text: At its side; "" for none.
        name: In words.
        kind: ``base``, ``expert``, ``mean``, ``sum``, ``other`` (beside the plane) or ``yours``.
        shape: Of the marker.
        height: Shown value, or None where it was not measured.
        off: Distance from the plane as a share of that from the base.
    """

    x: float
    y: float
    text: str
    name: str
    kind: str
    shape: str
    height: float | None = None
    off: float = 0.0


@dataclass(frozen=True, slots=True)
class MapView:
    """A map as its chart shows it.

    Attributes:
        xs, ys: Places of columns and rows.
        heights: Shown values by row and column; None where nothing was measured yet.
        kind: What they are.
        marks: Models.
        axes: What the two axes are, in words.
        complete: All places were measured.
        stale: It is another map than the one that is chosen.
        of: Which map it is, in words.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    heights: Rows
    kind: Kind
    marks: tuple[Mark, ...]
    axes: tuple[str, str]
    complete: bool = False
    stale: bool = False
    of: str = ""


def shown(height: Height, value: float) -> float:
    """Return a height as it is told: per cent, or nats."""
    return round(value if height.kind == "loss" else 100 * value, 3)


def height_of(kind: str, tasks: Sequence[str], own: Mapping[str, object]) -> Height:
    """Return what is read off models; accuracies until the own experts are known."""
    known: Kind = next((k for k in KINDS if k == kind), KINDS[0])
    if known == "share" and not own:
        known = "accuracy"
    return Height(known, tuple(tasks), own)  # type: ignore[arg-type]


def tasks_counted(
    over: str, models: Sequence[str], task_of: Mapping[str, str], every: Sequence[str]
) -> tuple[str, ...]:
    """Return the tasks that count: one, all, or those of the models shown (all where none are).

    Args:
        over: A task, ``all`` or "".
        models: Names, of other sets as "set/expert".
        task_of: Of the experts.
        every: All tasks.
    """
    if over in every:
        return (over,)
    theirs = {task_of.get(m.rpartition(BETWEEN)[2], "") for m in models}
    mine = tuple(t for t in every if t in theirs)
    return tuple(every) if over == ALL or not mine else mine


def map_view(
    found: Landscape,
    height: Height,
    marks: Mapping[str, ExpertMark],
    yours: Spot | None,
    stale: bool = False,
    of: str = "",
) -> MapView:
    """Arrange a map, whole or in part.

    Args:
        found: The map.
        height: What is read off it.
        marks: Of the set's experts, by id.
        yours: Where the merge of the controls stands, or None.
        stale: It is not the one that is chosen.
        of: Which it is, in words.
    """
    grid, judged = found.grid, found.measured(height.tasks)
    heights = {place: shown(height, height.of(one)) for place, one in judged.items()}
    rows = tuple(tuple(heights.get((i, j)) for i in range(grid.count)) for j in range(grid.count))
    first, second = (marks[e].name for e in found.experts)
    return MapView(
        grid.xs,
        grid.ys,
        rows,
        height.kind,
        (*_others(found, marks), *_named(found, height, marks), *_yours(found, yours)),
        (f"change along {first}", f"change of {second} at right angles to it"),
        len(heights) == found.total,
        stale,
        of,
    )


def nearest(rows: Rows) -> Rows:
    """Return for each place without a value that of the nearest place with one; else None."""
    known = [(i, j, v) for j, row in enumerate(rows) for i, v in enumerate(row) if v is not None]
    if not known:
        return rows

    def near(i: int, j: int) -> float:
        return min(known, key=lambda k: (k[0] - i) ** 2 + (k[1] - j) ** 2)[2]

    return tuple(
        tuple(near(i, j) if v is None else None for i, v in enumerate(row))
        for j, row in enumerate(rows)
    )


def _named(found: Landscape, height: Height, marks: Mapping[str, ExpertMark]) -> list[Mark]:
    first, second = found.experts
    kinds = {
        BASE: ("base", "base", "base", "cross-thin"),
        AVERAGE: ("average", "average of the two", "mean", "diamond"),
        SUM: ("sum", "sum of both changes", "sum", "x-thin"),
        **{e: (marks[e].letter, marks[e].name, "expert", marks[e].shape) for e in (first, second)},
    }
    known = {name: one for name, one in found.named.items() if not one.lacks(height.tasks)}
    return [
        Mark(
            *found.frame.place(*shares),
            *kinds[name],
            shown(height, height.of(known[name])) if name in known else None,
        )
        for name, shares in found.shares().items()
    ]


def _others(found: Landscape, marks: Mapping[str, ExpertMark]) -> list[Mark]:
    return [
        Mark(s.x, s.y, marks[e].letter, marks[e].name, "other", marks[e].shape, None, s.outside)
        for e, s in found.others.items()
    ]


def _yours(found: Landscape, spot: Spot | None) -> list[Mark]:
    if spot is None or not found.grid.holds(spot.x, spot.y):
        return []
    return [Mark(spot.x, spot.y, "yours", "your merge", "yours", "star", None, spot.outside)]
