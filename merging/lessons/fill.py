"""Texts of a lesson with the figures that were measured. Pure."""

import math
from collections.abc import Mapping

from merging.evaluation import Estimate
from merging.lessons.model import Lesson, Unit
from merging.lessons.read import PLACEHOLDER

NOTHING = "–"


def figure_text(estimate: Estimate, unit: Unit, interval: bool = False) -> str:
    """Return a figure in words: "94.8 %", "3.1 points", "0.75".

    Args:
        estimate: The figure.
        unit: How it is told.
        interval: Whether its 95 % interval is told too.
    """
    if not math.isfinite(estimate.value):
        return NOTHING
    if unit == "number":
        return f"{estimate.value:g}"
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    word = "%" if unit == "share" else "points"
    told = f"{_signed(value)} {word}"
    if not interval or low == high:
        return told
    return f"{told} (95 % interval {_signed(low)} to {_signed(high)})"


def fill(text: str, lesson: Lesson, figures: Mapping[str, Estimate]) -> str:
    """Return a text with figures for their names.

    ``{name}`` becomes the figure, ``{name±}`` the figure with its 95 % interval.
    """
    units = {quantity.name: quantity.unit for quantity in lesson.quantities}
    return PLACEHOLDER.sub(
        lambda match: figure_text(figures[match[1]], units[match[1]], match[2] == "±"), text
    )


def _signed(value: float) -> str:
    """One decimal, a true minus, and no minus before zero."""
    shown = f"{abs(value):.1f}"
    return shown if value >= 0 or float(shown) == 0 else f"−{shown}"
