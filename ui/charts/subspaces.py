"""Directions of changes: effective rank by layer, overlap as a matrix. Pure."""

from typing import Any

from ui.charts.layers import chart_height, layer_axis, marks_key, shown
from ui.charts.matrix import cells, numbers, square
from ui.charts.parts import (
    AXIS,
    LINE,
    PANEL,
    SHADE,
    SOFT,
    axis_title,
    frame,
    scatter,
    words_only,
)
from ui.views.subspaces import SubspacesView

ONE_WAY = [[0, PANEL], [1, SHADE]]
GROUND = [[0, LINE], [1, LINE]]
SPREAD = 0.5


def rank_figure(view: SubspacesView) -> dict[str, Any]:
    """Return effective ranks as the value of a plot host.

    One dot for each expert, in its shape and on a level of its own inside the layer's row; a tick
    marks the full rank.
    """
    full = scatter(
        list(view.full),
        list(range(len(view.rows))),
        "full rank",
        marker={"symbol": "line-ns", "size": 13, "line": {"color": SOFT, "width": 2}},
        hovertemplate="full rank %{x:.0f}<extra></extra>",
    )
    return {
        "data": [full, *(_dots(view, place) for place in range(len(view.experts)))],
        "layout": _layout(view),
        "label": view.sentence,
        "sentence": _rank_key(view),
        "table": _rank_table(view),
        "name": f"rank {view.module}",
    }


def _dots(view: SubspacesView, place: int) -> dict[str, Any]:
    mark, count = view.experts[place], len(view.experts)
    lift = SPREAD * (0.5 - place / (count - 1)) if count > 1 else 0.0
    return scatter(
        [None if rank is None else round(rank, 2) for rank in view.rank[place]],
        [round(row + lift, 3) for row in range(len(view.rows))],
        mark.name,
        **shown(mark, count),
        customdata=list(view.rows),
        hovertemplate="%{fullData.name}, %{customdata}: %{x:.1f} directions<extra></extra>",
    )


def _layout(view: SubspacesView) -> dict[str, Any]:
    return frame(
        chart_height(len(view.rows), 60),
        margin={"l": 8, "r": 16, "t": 12, "b": 48},
        xaxis={
            **AXIS, "rangemode": "tozero", "gridcolor": LINE, "nticks": 7, "tickangle": 0,
            "title": axis_title("directions that a change uses (effective rank)"),
        },
        yaxis=layer_axis(view.rows, lines=True),
    )  # fmt: skip


def _rank_key(view: SubspacesView) -> str:
    return f"{view.sentence} {marks_key(view.experts)}; tick: all that there are."


def _rank_table(view: SubspacesView) -> dict[str, Any]:
    rows = [
        [view.rows[y], *(_number(own[y]) for own in view.rank), _number(view.full[y], 0)]
        for y in reversed(range(len(view.rows)))
    ]
    return {"columns": ["Layer", *(m.name for m in view.experts), "Full rank"], "rows": rows}


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def overlap_figure(view: SubspacesView) -> dict[str, Any]:
    """Return the overlap of the experts' main directions as the value of a plot host."""
    count = len(view.experts)
    if count < 2:
        return words_only(view.overlap_sentence, f"overlap {view.module}")
    shares = [
        [None if v is None or i <= j else round(100 * v, 2) for j, v in enumerate(row)]
        for i, row in enumerate(view.overlap)
    ]
    texts = [[_text(view, i, j) for j in range(count)] for i in range(count)]
    hover = [[_hover(view, i, j) for j in range(count)] for i in range(count)]
    drawn = [[0.0 if i >= j else None for j in range(count)] for i in range(count)]
    return {
        "data": [
            cells(drawn, "ground", GROUND, (0, 1)),
            cells(shares, "overlap", ONE_WAY, (0, 100)),
            numbers(texts, hover, "numbers"),
        ],
        "layout": square(view.experts, narrow=False),
        "narrow": square(view.experts, narrow=True),
        "label": view.overlap_sentence,
        "sentence": view.overlap_sentence,
        "table": _overlap_table(view),
        "name": f"overlap {view.module}",
    }


def _text(view: SubspacesView, i: int, j: int) -> str:
    count = len(view.experts)
    if i == j:
        return view.experts[i].letter if count <= 12 else ""
    value = view.overlap[i][j]
    if i < j:
        return ""
    return "–" if value is None else f"{100 * value:.0f}" + (" %" if count <= 6 else "")


def _hover(view: SubspacesView, i: int, j: int) -> str:
    value, pair = view.overlap[i][j], f"{view.experts[i].letter}, {view.experts[j].letter}"
    if i <= j or value is None:
        return view.experts[i].name if i == j else pair
    return f"{pair}: {100 * value:.1f} % shared; random {100 * view.chance:.1f} %"


def _overlap_table(view: SubspacesView) -> dict[str, Any]:
    count = len(view.experts)
    rows = [
        [
            f"{view.experts[j].name}, {view.experts[i].name}",
            "" if (v := view.overlap[i][j]) is None else f"{100 * v:.1f}",
            f"{100 * view.chance:.1f}",
        ]
        for j in range(count)
        for i in range(j + 1, count)
    ]
    return {"columns": ["Pair", "Directions shared, %", "Random, %"], "rows": rows}
