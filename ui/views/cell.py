"""An opened cell to its five parts, its curves and its twelve weights. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from merging.analysis import Figure
from merging.sketch.answers import OpenedCell, TracedWeight
from ui.views.experts import ExpertMark, expert_marks
from ui.views.magnitudes import above_zero, cut_sentence
from ui.views.models import MagnitudeCurve, MagnitudesView
from ui.views.sentences import percent

PARTS = (
    ("+ unopposed", 1, False),
    ("− unopposed", -1, False),
    ("signs clash, + wins", 1, True),
    ("signs clash, − wins", -1, True),
    ("nobody's change survives", 0, False),
)


@dataclass(frozen=True, slots=True)
class CellPart:
    """One of the five parts: words, the sign it moves to (0: none), whether signs clash."""

    label: str
    sign: int
    clash: bool
    share: Figure


@dataclass(frozen=True, slots=True)
class CellView:
    """An opened cell.

    ``parts`` is None where only a merge can tell. ``largest`` is the largest absolute change among
    the traced weights, merged ones included.
    """

    title: str
    tensors: tuple[str, ...]
    experts: tuple[ExpertMark, ...]
    parts: tuple[CellPart, ...] | None
    magnitudes: MagnitudesView
    traced: tuple[TracedWeight, ...]
    largest: float
    sentence: str


def cell_view(
    found: OpenedCell, names: Mapping[str, str], order: tuple[str, ...], whose: str = ""
) -> CellView:
    """Arrange an opened cell.

    Args:
        found: The cell.
        names: Words for expert ids.
        order: Expert ids in the order of the set.
        whose: Which settings the cell is of, where that has to be said.
    """
    title = f"{found.bucket.row} {found.bucket.module}" + (f" ({whose})" if whose else "")
    parts = None
    if found.five is not None:
        pairs = zip(PARTS, found.five, strict=True)
        parts = tuple(CellPart(*part, share) for part, share in pairs)
    return CellView(
        title=title,
        tensors=found.tensors,
        experts=expert_marks(found.experts, names, order),
        parts=parts,
        magnitudes=_curves(found, names, order, title),
        traced=found.traced,
        largest=max((abs(v) for t in found.traced for v in (*t.deltas, t.merged)), default=0.0),
        sentence=cell_sentence(found, title),
    )


def cell_sentence(found: OpenedCell, title: str) -> str:
    """Return how often signs clash in a cell and who wins there, in words."""
    five = found.five
    if five is None:
        return f"{title}: what becomes of its weights, only merging tells."
    basis, exact = five[0].basis, five[0].exact
    if five[0].too_few:
        return f"{title}: too few weights ({basis:,}) to speak of shares."
    where = f"{title}, {basis:,} weights" if exact else f"{title}, {basis:,} of its weights sampled"
    plus, minus, up, down, none = (part.value for part in five)
    if none > 0.99995:
        return f"{where}: no expert's change survives here."
    if len(found.experts) == 1:
        return f"{where}: the one expert raises {_share(plus)} of them and lowers {_share(minus)}."
    if up + down == 0:
        return f"{where}: signs clash nowhere; at {_share(none)} of them no change survives."
    return (
        f"{where}: at {_share(up + down)} of them signs clash; "
        f"+ wins {_share(up / (up + down))} of these."
    )


def _share(share: float) -> str:
    """A share in per cent, with a decimal where it is small."""
    return percent(share, 0 if share == 0 or share >= 0.0995 else 1)


def _curves(
    found: OpenedCell, names: Mapping[str, str], order: tuple[str, ...], title: str
) -> MagnitudesView:
    moved = [c for c in found.curves if c.sizes and c.sizes[-1] > 0]
    marks = {m.expert: m for m in expert_marks((c.expert for c in moved), names, order)}
    curves = tuple(
        MagnitudeCurve(
            c.expert, marks[c.expert].label, marks[c.expert].letter, marks[c.expert].shape,
            *above_zero(c.sizes, c.shares), c.cut, c.kept.value, c.energy.value,
        )
        for c in moved
    )  # fmt: skip
    said = cut_sentence(moved, "expert's change there") if moved else "No expert changes anything."
    return MagnitudesView(curves, f"{title}: {said[0].lower()}{said[1:]}")
