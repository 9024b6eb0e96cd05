"""Scores to a dot plot: position on one axis, the pinned run as a ghost. Pure."""

import math
from typing import Any

from merging.evaluation import Estimate
from ui.charts.parts import AXIS, INK, LINE, PANEL, SOFT, axis_title, frame, scatter, segment, words
from ui.views.models import ScoreRow, ScoresView

ROW_HEIGHT, NARROW_ROW_HEIGHT = 36, 48
MEAN_PLACE = -0.4
RIGHT = 112.0
HOVER = "%{fullData.name}: %{x:.1f} % of its own expert<extra></extra>"
COLUMNS = [
    "Task", "Own expert, accuracy %", "Base, % of own", "Merged, accuracy %", "Merged, % of own",
    "95 % interval", "Pinned, % of own", "Difference, points",
]  # fmt: skip

Placed = list[tuple[ScoreRow, float]]


def scores_figure(view: ScoresView) -> dict[str, Any]:
    """Return the dot plot of a run as the value of a plot host.

    One row per task and, set apart, one for the mean; x is the share of the task's own expert in
    per cent: solid dot the merge with its 95 % interval, hollow ring the pinned run, tick the base.
    """
    tasks = len(view.rows)
    placed = [(row, float(tasks - i)) for i, row in enumerate(view.rows)]
    placed.append((view.mean, MEAN_PLACE))
    ghosts = [_joins(placed), _rings(placed, view)] if any(r.pinned for r, _ in placed) else []
    return {
        "data": [*ghosts, _base(placed), _whiskers(placed, view), _dots(placed, view)],
        "layout": _layout(placed, view, narrow=False),
        "narrow": _layout(placed, view, narrow=True),
        "label": view.sentence,
        "sentence": _key(view),
        "table": {"columns": COLUMNS, "rows": [_table_row(row) for row, _ in placed]},
        "name": "scores",
    }


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _label(row: ScoreRow) -> str:
    letter = f"{row.letter}  " if row.letter else ""
    return f"{letter}{row.label}" + ("" if row.held_in else " (not merged)")


def _base(placed: Placed) -> dict[str, Any]:
    return scatter(
        [_percent(row.base.value) for row, _ in placed],
        [place for _, place in placed],
        "base",
        marker={"symbol": "line-ns", "size": 15, "line": {"color": SOFT, "width": 2}},
        customdata=[row.task for row, _ in placed],
        hovertemplate=HOVER,
    )


def _dots(placed: Placed, view: ScoresView) -> dict[str, Any]:
    shown = [(row, row.merged, place) for row, place in placed if row.merged]
    return scatter(
        [_percent(merged.value) for _, merged, _ in shown],
        [place for _, _, place in shown],
        "merged",
        marker={"size": 12, "color": SOFT if view.stale else INK},
        opacity=0.5 if view.stale else 1,
        customdata=[row.task for row, _, _ in shown],
        hovertemplate=HOVER,
    )


def _whiskers(placed: Placed, view: ScoresView) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row, place in placed:
        if row.merged:
            x += [_percent(row.merged.low), _percent(row.merged.high), None]
            y += [place, place, None]
    return scatter(
        x, y, "95 % interval", mode="lines", hoverinfo="skip", opacity=0.5 if view.stale else 1,
        line={"color": SOFT if view.stale else INK, "width": 2},
    )  # fmt: skip


def _rings(placed: Placed, view: ScoresView) -> dict[str, Any]:
    shown = [(row, row.pinned, place) for row, place in placed if row.pinned]
    return scatter(
        [_percent(pinned.value) for _, pinned, _ in shown],
        [place for _, _, place in shown],
        f"pinned: {view.pinned_name}",
        marker={"size": 12, "color": PANEL, "line": {"color": INK, "width": 1.5}},
        customdata=[row.task for row, _, _ in shown],
        hovertemplate=HOVER,
    )


def _joins(placed: Placed) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row, place in placed:
        if row.pinned and row.merged:
            x += [_percent(row.pinned.value), _percent(row.merged.value), None]
            y += [place, place, None]
    return scatter(x, y, "change", mode="lines", hoverinfo="skip", line={"color": SOFT, "width": 1})


def _right(placed: Placed) -> float:
    """The end of the axis: fixed, unless a merge beats its experts by more than fits."""
    tops = [e.high for row, _ in placed for e in (row.merged, row.pinned, row.base) if e]
    most = 100 * max(tops, default=1.0)
    return RIGHT if most <= RIGHT - 2 else math.ceil(most / 20) * 20 + 2


def _layout(placed: Placed, view: ScoresView, narrow: bool) -> dict[str, Any]:
    """The frame; where it is narrow, each label stands above its row instead of before it."""
    top, bottom = len(view.rows) + 0.6, MEAN_PLACE - 0.7
    between = (1 + MEAN_PLACE) / 2
    notes = [words(100, top, "own expert", yanchor="bottom"), *_readouts(placed, view)]
    places = [place for _, place in placed]
    names = [_label(row) for row, _ in placed]
    if narrow:
        above = {"xref": "paper", "xanchor": "left", "yshift": 16}
        notes += [words(0, y, name, **above) for y, name in zip(places, names, strict=True)]
    right = 104 if any(row.pinned for row, _ in placed) else 52
    return frame(
        72 + (NARROW_ROW_HEIGHT if narrow else ROW_HEIGHT) * (len(placed) + 1),
        margin={"l": 18 if narrow else 8, "r": right, "t": 26, "b": 46},
        shapes=[
            segment((100, 100), (bottom, top), INK, layer="between"),
            segment((0, 1), (between, between), LINE, xref="paper", layer="below"),
        ],
        annotations=notes,
        xaxis={
            **AXIS, "range": [0, _right(placed)], "ticksuffix": " %", "gridcolor": LINE,
            "dtick": 50 if narrow else 20, "tickangle": 0,
            "title": axis_title("share of the task's own expert"),
        },
        yaxis={
            **AXIS, "range": [bottom, top], "tickmode": "array", "showgrid": False,
            "tickvals": places, "ticktext": names, "showticklabels": not narrow,
        },
    )  # fmt: skip


def _readouts(placed: Placed, view: ScoresView) -> list[dict[str, Any]]:
    """Score, and difference to the pinned run, as words at the right of each row."""
    color = SOFT if view.stale else INK
    beside = {"xref": "paper", "xanchor": "left", "xshift": 8, "align": "left"}
    return [words(1, place, _readout(row), color, **beside) for row, place in placed]


def _readout(row: ScoreRow) -> str:
    if row.merged is None:
        return ""
    return f"{100 * row.merged.value:.0f} %" + (f"  {gap}" if (gap := _gap(row)) else "")


def _gap(row: ScoreRow) -> str:
    if row.merged is None or row.pinned is None:
        return ""
    return f"{100 * (row.merged.value - row.pinned.value):+.1f}".replace("-", "−")


def _key(view: ScoresView) -> str:
    """How to read the marks, in words."""
    key = "● merged model, its bar the 95 % interval · | untouched base"
    if view.pinned_name:
        key += f" · ○ pinned: {view.pinned_name}, at the right the difference in points"
    if view.stale:
        key += ". Drawn pale: these scores belong to other settings than yours"
    return f"{key}."


def _table_row(row: ScoreRow) -> list[str]:
    interval = f"{100 * row.merged.low:.1f} to {100 * row.merged.high:.1f}" if row.merged else ""
    return [
        _label(row), _text(row.own), _text(row.base), _text(row.raw), _text(row.merged), interval,
        _text(row.pinned), _gap(row),
    ]  # fmt: skip


def _text(value: Estimate | None) -> str:
    return "" if value is None else f"{100 * value.value:.1f}"
