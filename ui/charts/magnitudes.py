"""Magnitude curves: how large changes are, with the cut drawn. Pure."""

import math
from array import array
from functools import lru_cache
from typing import Any
from zlib import crc32

from ui.charts.parts import (
    ACCENT,
    AXIS,
    INK,
    LINE,
    PANEL,
    SOFT,
    TINT,
    axis_title,
    frame,
    labelled,
    scatter,
    segment,
    words,
)  # fmt: skip
from ui.views.models import MagnitudeCurve, MagnitudesView

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
TICKS = (25, 50, 75, 100)
HIDDEN_SHARE = 0.02
STEP_SHARE, STEP_DECADES = 0.005, 0.03
COLUMNS = ["Expert", "Median |δ|", "Largest |δ|", "Cut at", "Kept, %", "Squared length kept, %"]

Points = tuple[tuple[float, ...], tuple[float, ...]]


def magnitudes_figure(view: MagnitudesView, name: str = "magnitudes") -> dict[str, Any]:
    """Return the curves as the value of a plot host; ``name`` is that of its saved files.

    y is the share of an expert's changes that are at least as large as x (log axis). The cuts are
    a patch: dragging a slider that moves only them draws nothing else.
    """
    thinned = [thin(curve.sizes, curve.shares) for curve in view.curves]
    limits = _limits(view)
    return {
        "data": [_line(c, p, i) for i, (c, p) in enumerate(zip(view.curves, thinned, strict=True))],
        "layout": _layout(limits) | {"annotations": _letters(view)},
        "patch": {"shapes": _cuts(view, limits)},
        "revision": _revision(view),
        "label": view.sentence,
        "sentence": view.sentence,
        "table": {"columns": COLUMNS, "rows": [_table_row(curve) for curve in view.curves]},
        "name": name,
    }


@lru_cache(maxsize=64)
def thin(sizes: tuple[float, ...], shares: tuple[float, ...]) -> Points:
    """Leave out points that no screen could show: the line stays within half a per cent.

    Args:
        sizes: Above zero, rising.
        shares: Falling from 1 to 0, same length.

    Returns:
        The sizes that stay to four digits, first and last among them, and shares in per cent.
    """
    kept = [0]
    for index in range(1, len(sizes) - 1):
        fall = shares[kept[-1]] - shares[index + 1]
        rise = math.log10(sizes[index + 1] / sizes[kept[-1]])
        if fall > STEP_SHARE or rise > STEP_DECADES:
            kept.append(index)
    kept += [len(sizes) - 1] if len(sizes) > 1 else []
    rounded = tuple(float(f"{sizes[i]:.4g}") for i in kept)
    return rounded, tuple(round(100 * shares[i], 2) for i in kept)


def _revision(view: MagnitudesView) -> int:
    """A number that changes with the curves and with nothing else."""
    found = 0
    for curve in view.curves:
        found = crc32(f"{curve.letter} {curve.label}".encode(), found)
        found = crc32(array("d", (*curve.sizes, *curve.shares)).tobytes(), found)
    return found


def _line(curve: MagnitudeCurve, points: Points, index: int) -> dict[str, Any]:
    return scatter(
        list(points[0]),
        list(points[1]),
        f"{curve.letter} {curve.label}",
        mode="lines",
        line={"color": INK, "width": 1.5, "dash": DASHES[index % len(DASHES)]},
        hovertemplate="%{y:.0f} % are at least %{x:.2g}<extra>%{fullData.name}</extra>",
    )


def _limits(view: MagnitudesView) -> tuple[float, float]:
    """Both ends of the size axis, as powers of ten: the smallest changes stay outside."""
    low = min((c.sizes[int(HIDDEN_SHARE * len(c.sizes))] for c in view.curves), default=1e-5)
    high = max((c.sizes[-1] for c in view.curves), default=1e-1)
    return round(math.log10(low) - 0.1, 3), round(math.log10(high) + 0.15, 3)


def _layout(limits: tuple[float, float]) -> dict[str, Any]:
    return frame(
        320,
        margin={"l": 8, "r": 16, "t": 12, "b": 46},
        xaxis={
            **AXIS, "type": "log", "range": list(limits), "gridcolor": LINE, "dtick": 1,
            "exponentformat": "power", "tickangle": 0, "title": axis_title("size of a change, |δ|"),
        },
        yaxis={
            **AXIS, "range": [0, 103], "gridcolor": LINE,
            "tickvals": list(TICKS), "ticktext": [f"{tick} %" for tick in TICKS],
            "title": axis_title("changes at least this large"),
        },
    )  # fmt: skip


def _cut(view: MagnitudesView) -> list[tuple[float, float]]:
    """Cut and kept share in per cent, where sizes decide what is kept."""
    return [(c.cut, 100 * c.kept) for c in view.curves if c.cut]


def _level(cut: list[tuple[float, float]]) -> float:
    """The mean kept share, as in the sentences."""
    return sum(share for _, share in cut) / len(cut)


def _cuts(view: MagnitudesView, limits: tuple[float, float]) -> list[dict[str, Any]]:
    cut = _cut(view)
    if not cut:
        return []
    level = _level(cut)
    dropped = {
        "type": "rect", "x0": 10 ** limits[0], "x1": min(x for x, _ in cut), "y0": 0, "y1": 103,
        "fillcolor": TINT, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    across = segment((0, 1), (level, level), ACCENT, xref="paper", dash="dot")
    side = "top" if level > 85 else "bottom"
    kept = f"kept: largest {level:.1f} %"
    return [
        labelled(dropped, "dropped by all", SOFT, textposition="bottom left", padding=8),
        labelled(across, kept, ACCENT, textposition="end", xanchor="right", yanchor=side),
        *(segment((x, x), (0, y), ACCENT, width=1.5) for x, y in cut),
    ]


def _letters(view: MagnitudesView) -> list[dict[str, Any]]:
    """Each letter on its own curve, one under the other."""
    labels = []
    for index, curve in enumerate(view.curves):
        level = 0.86 - 0.12 * (index % 7)
        at = next(
            (s for s, share in zip(curve.sizes, curve.shares, strict=True) if share <= level), None
        )
        if at:
            labels.append(
                words(math.log10(at), 100 * level, curve.letter, bgcolor=PANEL, borderpad=1,
                      font={"weight": 600})
            )  # fmt: skip
    return labels


def _table_row(curve: MagnitudeCurve) -> list[str]:
    return [
        f"{curve.letter} {curve.label}",
        f"{curve.sizes[len(curve.sizes) // 2]:.2e}",
        f"{curve.sizes[-1]:.2e}",
        f"{curve.cut:.2e}" if curve.cut else "",
        f"{100 * curve.kept:.1f}",
        f"{100 * curve.energy:.1f}",
    ]
