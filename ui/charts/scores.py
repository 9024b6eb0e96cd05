"""Scores to a dot plot: position on one axis, the pinned run as a ghost. Pure."""

import math
from dataclasses import replace
from typing import Any

from merging.evaluation import Estimate
from ui.charts.parts import AXIS, INK, LINE, PANEL, SOFT, axis_title, frame, scatter, segment, words
from ui.views.models import ScoreRow, ScoresView

ROW_HEIGHT, NARROW_ROW_HEIGHT = 36, 48
MEAN_PLACE, WORST_PLACE = -0.4, -1.0
HEADING, RULE, GAP = 0.85, 1.35, 1.0
RIGHT, RIGHT_RAW = 112.0, 102.0
COLUMNS = [
    "Task", "Own expert, accuracy %", "Base, % of own", "Merged, accuracy %", "Merged, % of own",
    "95 % interval", "Pinned, % of own", "Difference, points",
]  # fmt: skip
RAW_COLUMNS = [
    "Task", "Own expert, accuracy %", "Base, accuracy %", "Merged, accuracy %", "95 % interval",
    "Pinned, accuracy %", "Difference, points",
]  # fmt: skip

Placed = list[tuple[ScoreRow, float]]


def scores_figure(view: ScoresView) -> dict[str, Any]:
    """Return the dot plot of a run as the value of a plot host.

    One row per task and, set apart, one for the mean; tasks whose expert is not merged stand under
    a rule. x is the share of the task's own expert in per cent, or the accuracy, where the own
    expert is a tick of each row. Solid dot the merge with its 95 % interval, hollow ring the pinned
    run, tick the base.
    """
    placed = _placed(view)
    ghosts = [_joins(placed), _rings(placed, view)] if any(r.pinned for r, _ in placed) else []
    own = [_own(placed, view)] if _raw(view) else []
    return {
        "data": [*ghosts, _base(placed, view), *own, _whiskers(placed, view), _dots(placed, view)],
        "layout": _layout(placed, view, narrow=False),
        "narrow": _layout(placed, view, narrow=True),
        "label": view.sentence,
        "sentence": _key(view),
        "table": {
            "columns": RAW_COLUMNS if _raw(view) else COLUMNS,
            "rows": [_table_row(row, view) for row in _listed(placed, view)],
        },
        "name": "scores",
    }


def _raw(view: ScoresView) -> bool:
    return view.units == "accuracy"


def _placed(view: ScoresView) -> Placed:
    """Rows from the top down, each group worst first, with their scores in the view's units."""
    inside = [row for row in view.rows if row.held_in]
    outside = [row for row in view.rows if not row.held_in]
    lift = GAP if outside else 0.0
    placed = [(row, len(view.rows) + lift - i) for i, row in enumerate(inside)]
    placed += [(row, float(len(outside) - i)) for i, row in enumerate(outside)]
    return [(_in_units(row, view), place) for row, place in [*placed, (view.mean, MEAN_PLACE)]]


def _listed(placed: Placed, view: ScoresView) -> list[ScoreRow]:
    """Rows as tables have them: in the set's order, the mean last."""
    places = {task: place for place, task in enumerate(view.order)}
    return sorted((row for row, _ in placed), key=lambda row: places.get(row.task, len(places)))


def _in_units(row: ScoreRow, view: ScoresView) -> ScoreRow:
    if not _raw(view):
        return row
    return replace(row, base=row.base_raw, merged=row.raw, pinned=row.pinned_raw)


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _hover(view: ScoresView) -> str:
    unit = "right" if _raw(view) else "of its own expert"
    return f"%{{fullData.name}}: %{{x:.1f}} % {unit}<extra></extra>"


def _label(row: ScoreRow) -> str:
    return f"{row.letter}  {row.label}" if row.letter else row.label


def _base(placed: Placed, view: ScoresView) -> dict[str, Any]:
    shown = [(row, row.base, place) for row, place in placed if row.base]
    return scatter(
        [_percent(base.value) for _, base, _ in shown],
        [place for _, _, place in shown],
        "base",
        marker={"symbol": "line-ns", "size": 15, "line": {"color": SOFT, "width": 2}},
        customdata=[row.task for row, _, _ in shown],
        hovertemplate=_hover(view),
    )


def _own(placed: Placed, view: ScoresView) -> dict[str, Any]:
    return scatter(
        [_percent(row.own.value) for row, _ in placed],
        [place for _, place in placed],
        "own expert",
        marker={"symbol": "line-ns", "size": 24, "line": {"color": INK, "width": 1.5}},
        customdata=[row.task for row, _ in placed],
        hovertemplate=_hover(view),
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
        hovertemplate=_hover(view),
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
        hovertemplate=_hover(view),
    )


def _joins(placed: Placed) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row, place in placed:
        if row.pinned and row.merged:
            x += [_percent(row.pinned.value), _percent(row.merged.value), None]
            y += [place, place, None]
    return scatter(x, y, "change", mode="lines", hoverinfo="skip", line={"color": SOFT, "width": 1})


def _right(placed: Placed, view: ScoresView) -> float:
    """The end of the axis: fixed, unless a merge beats its experts by more than fits."""
    if _raw(view):
        return RIGHT_RAW
    tops = [e.high for row, _ in placed for e in (row.merged, row.pinned, row.base) if e]
    most = 100 * max(tops, default=1.0)
    return RIGHT if most <= RIGHT - 2 else math.ceil(most / 20) * 20 + 2


def _layout(placed: Placed, view: ScoresView, narrow: bool) -> dict[str, Any]:
    """The frame; where it is narrow, each label stands above its row instead of before it."""
    top, bottom = _ends(placed)
    places = [place for _, place in placed]
    names = [_label(row) for row, _ in placed]
    notes = _notes(placed, view)
    if narrow:
        above = {"xref": "paper", "xanchor": "left", "yshift": 16}
        notes += [words(0, y, name, **above) for y, name in zip(places, names, strict=True)]
    right = 104 if any(row.pinned for row, _ in placed) else 52
    rows = round(top - bottom + 0.3, 2)
    title = "accuracy" if _raw(view) else "share of the task's own expert"
    return frame(
        round(72 + (NARROW_ROW_HEIGHT if narrow else ROW_HEIGHT) * rows),
        margin={"l": 18 if narrow else 8, "r": right, "t": 26, "b": 46},
        shapes=_lines(placed, view),
        annotations=notes,
        xaxis={
            **AXIS, "range": [0, _right(placed, view)], "ticksuffix": " %", "gridcolor": LINE,
            "dtick": 50 if narrow else 20, "tickangle": 0, "title": axis_title(title),
        },
        yaxis={
            **AXIS, "range": [bottom, top], "tickmode": "array", "showgrid": False,
            "tickvals": places, "ticktext": names, "showticklabels": not narrow,
        },
    )  # fmt: skip


def _ends(placed: Placed) -> tuple[float, float]:
    """Top and bottom of the rows, with room for a heading and for the worst task."""
    first = placed[0][0]
    top = placed[0][1] + (0.6 if first.held_in else 1.2)
    return top, (WORST_PLACE - 0.4 if _worst(placed) else MEAN_PLACE - 0.7)


def _outside(placed: Placed) -> int:
    """How many tasks have no expert in the merge."""
    return sum(not row.held_in for row, _ in placed)


def _lines(placed: Placed, view: ScoresView) -> list[dict[str, Any]]:
    """The own expert, where it is one place for all, and the rules between groups."""
    top, bottom = _ends(placed)
    between, outside = (1 + MEAN_PLACE) / 2, _outside(placed)
    lines = [] if _raw(view) else [segment((100, 100), (bottom, top), INK, layer="between")]
    rules = [between]
    if 0 < outside < len(placed) - 1:
        rules.append(outside + RULE)
    return [*lines, *(segment((0, 1), (y, y), LINE, xref="paper", layer="below") for y in rules)]


def _notes(placed: Placed, view: ScoresView) -> list[dict[str, Any]]:
    top, _ = _ends(placed)
    notes = [] if _raw(view) else [words(100, top, "own expert", yanchor="bottom")]
    aside = {"xref": "paper", "xanchor": "left", "yanchor": "middle"}
    if outside := _outside(placed):
        notes.append(words(0, outside + HEADING, "held out: expert not merged", SOFT, **aside))
    if worst := _worst(placed):
        notes.append(words(0, WORST_PLACE, f"worst: {worst}", SOFT, **aside))
    return [*notes, *_readouts(placed, view)]


def _worst(placed: Placed) -> str:
    """The task with the lowest score, in words; nothing where there is only one."""
    scored = [row for row, _ in placed[:-1] if row.merged]
    if len(scored) < 2:
        return ""
    row = min(scored, key=lambda row: row.merged.value)
    return f"{_label(row)}, {100 * row.merged.value:.0f} %"


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
    if _raw(view):
        key += " · tall line: own expert"
    if view.pinned_name:
        key += f" · ○ pinned: {view.pinned_name}, at the right the difference in points"
    if view.stale:
        key += ". Drawn pale: these scores belong to other settings than yours"
    return f"{key}."


def _table_row(row: ScoreRow, view: ScoresView) -> list[str]:
    interval = f"{100 * row.merged.low:.1f} to {100 * row.merged.high:.1f}" if row.merged else ""
    name = _label(row) + ("" if row.held_in else " (expert not merged)")
    share = [] if _raw(view) else [_text(row.raw)]
    return [
        name, _text(row.own), _text(row.base), *share, _text(row.merged), interval,
        _text(row.pinned), _gap(row),
    ]  # fmt: skip


def _text(value: Estimate | None) -> str:
    return "" if value is None else f"{100 * value.value:.1f}"
