"""Magnitude curves: how large changes are, with the cut drawn. Pure."""

import math
from hashlib import sha256
from typing import Any

from ui.charts.scores import INK, LINE, PLAIN, SOFT
from ui.views.models import MagnitudeCurve, MagnitudesView

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
KEPT = "var(--me-accent)"


def magnitudes_figure(view: MagnitudesView) -> dict[str, Any]:
    """Return the curves as the value of a plot host.

    y is the share of an expert's changes that are at least as large as x (log axis). The cuts are
    a patch: dragging a slider that moves only them draws nothing else.
    """
    return {
        "data": [_curve(curve, i) for i, curve in enumerate(view.curves)],
        "layout": _layout(view),
        "patch": {"shapes": _cuts(view), "annotations": _labels(view)},
        "revision": _revision(view),
        "label": view.sentence,
        "sentence": view.sentence,
        "table": _table(view),
    }


def _revision(view: MagnitudesView) -> str:
    what = [(c.expert, c.sizes, c.shares) for c in view.curves]
    return sha256(repr(what).encode()).hexdigest()[:12]


def _curve(curve: MagnitudeCurve, index: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{curve.letter} {curve.label}",
        "x": [float(f"{size:.4g}") for size in curve.sizes],
        "y": [round(100 * share, 2) for share in curve.shares],
        "line": {"color": INK, "width": 1.6, "dash": DASHES[index % len(DASHES)]},
        "hovertemplate": "%{y:.0f} % are at least %{x:.2g}<extra>%{fullData.name}</extra>",
    }


def _range(view: MagnitudesView) -> list[float]:
    low = min((c.sizes[len(c.sizes) // 50] for c in view.curves), default=1e-5)
    high = max((c.sizes[-1] for c in view.curves), default=1e-1)
    return [math.log10(low) - 0.1, math.log10(high) + 0.2]


def _layout(view: MagnitudesView) -> dict[str, Any]:
    return {
        "height": 330,
        "margin": {"l": 8, "r": 16, "t": 20, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "font": {"family": "var(--me-font)", "size": 13, "color": INK},
        "xaxis": {
            **PLAIN,
            "type": "log",
            "range": _range(view),
            "gridcolor": LINE,
            "exponentformat": "power",
            "dtick": 1,
            "title": {"text": "size of a change, |δ|", "font": {"color": SOFT, "size": 12}},
        },
        "yaxis": {
            **PLAIN,
            "range": [0, 103],
            "ticksuffix": " %",
            "gridcolor": LINE,
            "title": {
                "text": "changes at least this large",
                "font": {"color": SOFT, "size": 12},
            },
        },
    }


def _cuts(view: MagnitudesView) -> list[dict[str, Any]]:
    return [
        {
            "type": "line", "x0": curve.cut, "x1": curve.cut, "y0": 0, "y1": 100 * curve.kept,
            "line": {"color": KEPT, "width": 1.5},
        }
        for curve in view.curves
        if curve.cut
    ] + _level(view)  # fmt: skip


def _level(view: MagnitudesView) -> list[dict[str, Any]]:
    """The kept share as a level line, where sizes decide what is kept."""
    cut = [curve for curve in view.curves if curve.cut]
    if not cut:
        return []
    level = 100 * cut[0].kept
    return [
        {
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level,
            "line": {"color": KEPT, "width": 1, "dash": "dot"},
        }
    ]  # fmt: skip


def _labels(view: MagnitudesView) -> list[dict[str, Any]]:
    """Letters beside the curves, one under the other; and a word at the level line."""
    labels = []
    for index, curve in enumerate(view.curves):
        level = 0.86 - 0.12 * index
        at = next(
            (s for s, share in zip(curve.sizes, curve.shares, strict=True) if share <= level), None
        )
        if at:
            labels.append(
                {
                    "x": math.log10(at), "y": 100 * level, "text": f"<b>{curve.letter}</b>",
                    "showarrow": False, "bgcolor": "var(--me-panel)", "borderpad": 1,
                    "font": {"color": INK, "size": 12},
                }
            )  # fmt: skip
    cut = [curve for curve in view.curves if curve.cut]
    if cut:
        labels.append(
            {
                "xref": "paper", "x": 1, "y": 100 * cut[0].kept, "xanchor": "right",
                "yanchor": "bottom", "text": f"kept: {100 * cut[0].kept:.1f} %",
                "showarrow": False, "font": {"color": KEPT, "size": 12},
            }
        )  # fmt: skip
    return labels


def _table(view: MagnitudesView) -> dict[str, Any]:
    columns = ["Expert", "Median |δ|", "Largest |δ|", "Cut at", "Kept, %", "Squared length kept, %"]
    rows = [
        [
            f"{c.letter} {c.label}",
            f"{c.sizes[len(c.sizes) // 2]:.2e}",
            f"{c.sizes[-1]:.2e}",
            f"{c.cut:.2e}" if c.cut else "",
            f"{100 * c.kept:.1f}",
            f"{100 * c.energy:.1f}",
        ]
        for c in view.curves
    ]
    return {"columns": columns, "rows": rows}
