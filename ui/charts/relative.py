"""Relative sizes of changes: one line of marks for each expert, layers as rows. Pure."""

from typing import Any

from ui.charts.layers import chart_height, dot, layer_axis, marks_key
from ui.charts.parts import AXIS, LINE, PANEL, SOFT, axis_title, frame, scatter, words
from ui.views.relative import RelativeView

MARGINS = 60


def relative_figure(view: RelativeView) -> dict[str, Any]:
    """Return relative sizes as the value of a plot host: x in per cent of the weights' length."""
    return {
        "data": [_line(view, place) for place in range(len(view.experts))],
        "layout": _layout(view),
        "label": view.sentence,
        "sentence": _key(view),
        "table": _table(view),
        "name": "relative sizes",
    }


def _line(view: RelativeView, place: int) -> dict[str, Any]:
    mark = view.experts[place]
    return scatter(
        [_percent(value) for value in view.ratio[place]],
        list(range(len(view.rows))),
        mark.name,
        mode="lines+markers",
        line={"color": SOFT, "width": 1},
        marker=dot(mark),
        customdata=list(view.rows),
        hovertemplate="%{fullData.name}, %{customdata}: %{x:.2f} %<extra></extra>",
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else float(f"{100 * value:.4g}")


def _layout(view: RelativeView) -> dict[str, Any]:
    return frame(
        chart_height(len(view.rows), MARGINS),
        margin={"l": 8, "r": 16, "t": 12, "b": 48},
        annotations=_letters(view),
        xaxis={
            **AXIS, "rangemode": "tozero", "gridcolor": LINE, "ticksuffix": " %", "nticks": 7,
            "tickangle": 0, "title": axis_title("length of the change, in per cent of the weights"),
        },
        yaxis=layer_axis(view.rows, lines=True),
    )  # fmt: skip


def _letters(view: RelativeView) -> list[dict[str, Any]]:
    """Each letter beside its own line, in rows of its own from the top down."""
    notes = []
    for index, (mark, ratio) in enumerate(zip(view.experts, view.ratio, strict=True)):
        told = [(y, x) for y, x in enumerate(ratio) if x is not None]
        if told:
            y, x = told[-1 - index % len(told)]
            shown = _percent(x)
            notes.append(
                words(shown, y, mark.letter, xanchor="left", xshift=6, bgcolor=PANEL, borderpad=0,
                      font={"weight": 600})
            )  # fmt: skip
    return notes


def _key(view: RelativeView) -> str:
    how = "" if view.exact else " Estimated from a sample of the weights."
    return f"{view.sentence}{how} {marks_key(view.experts)}."


def _table(view: RelativeView) -> dict[str, Any]:
    rows = [
        [row, *("" if (v := own[place]) is None else f"{100 * v:.3f}" for own in view.ratio)]
        for place, row in reversed(list(enumerate(view.rows)))
    ]
    return {"columns": ["Layer", *(f"{m.name}, %" for m in view.experts)], "rows": rows}
