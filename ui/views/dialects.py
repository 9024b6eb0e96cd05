"""Readings of one recipe in other dialects to a table and a sentence where they part. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from merging.analysis import Figure
from merging.dialects import Option
from merging.methods.spec import MethodSpec
from merging.sketch.answers import Reading
from ui.views.experts import listed
from ui.views.sentences import count_word, number, percent

DIALECTS = ("paper", "mergekit", "peft", "fusion_bench")
SAME = 1e-6
MOST_REASONS = 2
COLUMNS = (
    "Dialect", "Fills in differently", "Distance from yours, %", "Weights that go elsewhere, %",
    "Changes kept, %", "Signs clash, %", "Length, × one expert's",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DialectsView:
    """What a recipe means elsewhere: a row of words for each dialect, yours first."""

    rows: tuple[tuple[str, ...], ...]
    sentence: str


def dialects_view(spec: MethodSpec, own: str, readings: "Sequence[Reading]") -> DialectsView:
    """Arrange readings.

    Args:
        spec: The recipe's method.
        own: The recipe's dialect.
        readings: Of all dialects of the method, or of the others.
    """
    ordered = sorted(readings, key=lambda r: (r.dialect != own, DIALECTS.index(r.dialect)))
    lacking = [d for d in DIALECTS if d not in spec.dialects]
    rows = [_row(reading, own) for reading in ordered]
    rows += [(d, f"has no {spec.label}", *[""] * (len(COLUMNS) - 2)) for d in lacking]
    return DialectsView(tuple(rows), dialects_sentence(spec, own, readings))


def dialects_sentence(spec: MethodSpec, own: str, readings: "Sequence[Reading]") -> str:
    """Return which dialects read the same settings otherwise, how far away, and who lacks them."""
    others = [r for r in readings if r.dialect != own]
    told = [r for r in others if not r.refused]
    apart = [r for r in told if r.relative is not None and r.relative > SAME]
    untold = [r for r in told if r.relative is None and r.options]
    alike = [r.dialect for r in told if r not in apart and r not in untold]
    said = [_apart(reading, own) for reading in sorted(apart, key=lambda r: -(r.relative or 0))]
    said += [f"How far {r.dialect} ends away, only merging tells{_why(r)}." for r in untold]
    if alike:
        reads = "reads" if len(alike) == 1 else "read"
        said.append(f"{_who(*alike)} {reads} these settings as {_who(own)} does.")
    said += [f"{_who(r.dialect)} cannot take them: {r.refused}" for r in others if r.refused]
    lacking = [d for d in DIALECTS if d not in spec.dialects]
    if lacking:
        have = "has" if len(lacking) == 1 else "have"
        said.append(f"{_who(*lacking)} {have} no {spec.label}.")
    if any(not r.exact for r in apart):
        said.append("Distances are estimated from a sample.")
    return " ".join(
        text[0].upper() + text[1:] if text.startswith("the ") else text for text in said
    )


def _who(*dialects: str) -> str:
    return listed("the paper" if d == "paper" else d for d in dialects)


def _apart(reading: Reading, own: str) -> str:
    assert reading.relative is not None
    if math.isinf(reading.relative):
        return f"{_who(reading.dialect)} changes the base, yours nothing{_why(reading)}."
    return (
        f"{_who(reading.dialect)} ends {_share(reading.relative)} of the merged change away from "
        f"{_who(own)}{_why(reading)}."
    )


def _why(reading: Reading) -> str:
    words = [f"{_word(o)} {number(o.theirs)} instead of {number(o.ours)}" for o in reading.options]
    more = len(words) - MOST_REASONS
    if more > 1:
        words = [*words[:MOST_REASONS], f"{count_word(more)} more differences"]
    return f" ({listed(words)})" if words else ""


def _word(option: Option) -> str:
    return option.name.replace("_", " ")


def _share(share: float) -> str:
    return percent(share, 0 if share >= 0.0995 else 1 if share >= 0.00095 else 3)


def _row(reading: Reading, own: str) -> tuple[str, ...]:
    yours = reading.dialect == own
    name = f"{reading.dialect} (yours)" if yours else reading.dialect
    if reading.refused:
        return (name, f"cannot: {reading.refused}", *[""] * (len(COLUMNS) - 2))
    filled = ", ".join(f"{_word(o)}: {number(o.theirs)}" for o in reading.options)
    return (
        name,
        filled or ("" if yours else "nothing"),
        _number(reading.relative, 100, 2),
        _number(reading.signs, 100, 2),
        _number(reading.kept, 100, 1),
        _number(reading.clash, 100, 1),
        _number(reading.length, 1, 2),
    )


def _number(found: Figure | float | None, unit: int, digits: int) -> str:
    value = found.value if isinstance(found, Figure) else found
    if value is None:
        return ""
    return "∞" if math.isinf(value) else f"{unit * value:.{digits}f}"
