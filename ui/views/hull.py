"""A convex hull to its strip of dots, and what it shows in sentences. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from merging.search.ground import BASE
from merging.search.heights import Height
from merging.search.hull import CENTROID, Hull, Member
from ui.views.experts import ExpertMark
from ui.views.map import shown
from ui.views.map_words import gap_words, value_words

INVITE = (
    "All mixtures of the experts that are on, with shares that add up to one, fill a region "
    "between them: their convex hull. Draw models from inside it at random, and judge its centroid."
)

ALONE = "One expert spans no region. Switch another one on."


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the strip: its name, marker, and the heights of its models with their words."""

    name: str
    shape: str
    heights: tuple[float, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HullView:
    """A hull as its chart shows it; rows from the top, ``stale`` in words or ""."""

    rows: tuple[Row, ...]
    kind: str
    stale: str = ""


def hull_view(
    found: Hull, height: Height, marks: Mapping[str, ExpertMark], stale: str = ""
) -> HullView:
    """Arrange a hull, whole or in part: centroid, drawn models, experts, base."""
    drawn = [m for m in found.members if not m.name]
    rows = [
        _row("centroid", "diamond", [m for m in found.members if m.name == CENTROID], height),
        Row(
            f"{len(drawn)} drawn inside",
            "circle-open",
            tuple(shown(height, height.of(m.judged)) for m in drawn),
            tuple(_mixture(m, found, marks) for m in drawn),
        ),
        *(
            _row(marks[e].name, marks[e].shape, [m for m in found.members if m.name == e], height)
            for e in found.experts
        ),
        _row(BASE, "cross-thin", [m for m in found.members if m.name == BASE], height),
    ]
    return HullView(tuple(row for row in rows if row.heights), height.kind, stale)


def hull_words(found: Hull, height: Height, live: bool) -> str:
    """Return how drawn models and the centroid do beside experts and base."""
    begin = ""
    if live:
        begin = f"{len(found.members)} of {found.total} models so far."
    elif found.ended != "complete":
        begin = f"Stopped: {len(found.members)} of {found.total} models were judged."
    by = {m.name: height.of(m.judged) for m in found.members if m.name}
    drawn = sorted(height.of(m.judged) for m in found.members if not m.name)
    experts = sorted(by[e] for e in found.experts if e in by)
    if not drawn or not experts or CENTROID not in by:
        return begin
    value = lambda v: value_words(height, v)  # noqa: E731
    best = max(height.sign * e for e in experts)
    ahead = sum(height.sign * v > best for v in drawn)
    some = found.members[0].judged
    items = sum(len(values) for values in height.items(some))
    error = f"{gap_words(height, height.error(some))} ({items} images)"
    said = (
        f"{len(drawn)} models drawn inside: {value(drawn[0])} to {value(drawn[-1])}, median "
        f"{value(median(drawn))}; the centroid has {value(by[CENTROID])}. The experts themselves: "
        f"{value(experts[0])} to {value(experts[-1])}; {ahead} of {len(drawn)} drawn models do "
        f"better than every one of them. Each has a standard error of about {error}."
    )
    return f"{begin} {said}".strip()


def _row(name: str, shape: str, members: list[Member], height: Height) -> Row:
    heights = tuple(shown(height, height.of(m.judged)) for m in members)
    return Row(name, shape, heights, (name,) * len(members))


def _mixture(member: Member, found: Hull, marks: Mapping[str, ExpertMark]) -> str:
    shares = zip(member.shares, found.experts, strict=True)
    return ", ".join(f"{marks[e].letter} {100 * share:.0f} %" for share, e in shares)
