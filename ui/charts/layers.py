"""Layers as rows, the input at the bottom, as in the heatmap. Pure."""

from collections.abc import Sequence
from typing import Any

from ui.charts.parts import AXIS, CLEAR, INK, LINE, PANEL
from ui.views.experts import ExpertMark

ROOMY, TIGHT, TIGHTEST = 26, 16, 10
FEW, SOME = 14, 40
TEXT_HEIGHT = 16
GLYPHS = {"circle": "●", "triangle-up": "▲", "square": "■", "diamond": "◆", "cross": "✚"}


def row_height(count: int) -> int:
    """Return the pixels of one row: less where there are many."""
    return ROOMY if count <= FEW else TIGHT if count <= SOME else TIGHTEST


def layer_axis(rows: Sequence[str], lines: bool = False) -> dict[str, Any]:
    """Return the y axis of a chart by layer: row i at y = i.

    Where rows are lower than text only every second one is named. ``lines`` draws one through the
    middle of each row that is named.
    """
    step = 1 if row_height(len(rows)) >= TEXT_HEIGHT else 2
    places = list(range(0, len(rows), step))
    return {
        **AXIS, "range": [-0.6, len(rows) - 0.4], "showgrid": lines, "tickmode": "array",
        "gridcolor": LINE,
        "tickvals": places, "ticktext": [rows[i] for i in places], "ticks": "outside",
        "tickcolor": CLEAR, "ticklen": 4,
    }  # fmt: skip


def chart_height(count: int, margins: int) -> int:
    """Return the height of a chart of so many rows, in pixels."""
    return margins + row_height(max(count, 3)) * max(count, 3)


def dot(mark: ExpertMark) -> dict[str, Any]:
    """Return an expert's marker: its shape in ink."""
    return {"symbol": mark.shape, "size": 9, "color": INK, "line": {"color": PANEL, "width": 1}}


def shown(mark: ExpertMark, count: int) -> dict[str, Any]:
    """Return how an expert's dots look: its shape, or its letter where shapes would repeat."""
    if count <= len(GLYPHS):
        return {"marker": dot(mark) | {"size": 8}}
    return {"mode": "text", "text": mark.letter, "textfont": {"color": INK, "size": 11}}


def marks_key(experts: Sequence[ExpertMark]) -> str:
    """Return whose letter and shape is whose, for a caption."""
    if len(experts) > len(GLYPHS):
        return ", ".join(_unbroken(mark.name) for mark in experts)
    return ", ".join(_unbroken(f"{GLYPHS[mark.shape]} {mark.name}") for mark in experts)


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
