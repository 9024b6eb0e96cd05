"""Values by layer as lines over depth, and as a table of blocks to edit. Pure."""

from collections.abc import Sequence
from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    CLEAR,
    INK,
    LINE,
    MINUS,
    PLUS,
    SOFT,
    axis_title,
    frame,
    revision,
    scatter,
)
from ui.views.local import RULE, WORDS, BlockCell, LocalView

HEIGHT = 300
MOST_TICKS = 12
STYLES = (
    (ACCENT, "solid", "circle", "●"),
    (MINUS, "dash", "square", "■"),
    (PLUS, "dot", "diamond", "◆"),
    (INK, "dashdot", "triangle-up", "▲"),
    (SOFT, "longdash", "cross", "✚"),
    (SOFT, "solid", "x", "✖"),
)


def local_figure(view: LocalView) -> dict[str, Any]:
    """Return values over depth as the value of a plot host."""
    data = [_line(view, i) for i in range(len(view.lines))] + _outside(view)
    layout = _layout(view)
    key = "; ".join(f"{STYLES[i][3]} {line.label}" for i, line in enumerate(view.lines))
    more = f"; {view.more} more in the recipe's file" if view.more else ""
    return {
        "data": data,
        "layout": layout,
        "revision": revision(data, layout),
        "label": f"{view.title} by layer",
        "sentence": f"{key}{more}. Hollow: outside the layers. {RULE}",
        "table": _numbers(view),
        "name": f"{view.title.lower()} by layer",
    }


def block_table(view: LocalView, targets: Sequence[tuple[str, str]], chosen: str) -> dict[str, Any]:
    """Return the blocks as the value of a ``BlockTable``.

    Args:
        view: Of one target.
        targets: Word and label of everything that may differ by layer.
        chosen: Word of the view's.
    """
    return {
        "targets": [list(target) for target in targets],
        "chosen": chosen,
        "title": view.title,
        "sentence": view.sentence,
        "columns": list(WORDS.values()),
        "rows": [
            {
                "id": row,
                "label": label,
                "layers": layers,
                "cells": [_cell(view, row, column) for column in WORDS],
            }
            for row, label, layers in view.rows
        ],
        "presets": [list(preset) for preset in view.presets],
        "preset": view.preset,
        "low": _limit(view.limits[0]),
        "high": _limit(view.limits[1]),
        "step": view.step,
    }


def text_of(cell: BlockCell) -> str:
    """Return a cell in words: a number, or the ends of its values."""
    if not cell.count:
        return ""
    low, high = _number(cell.low), _number(cell.high)
    return low if cell.low == cell.high else f"{low}\N{EN DASH}{high}"


def _cell(view: LocalView, row: str, column: str) -> dict[str, Any]:
    cell = view.cells[row, column]
    same = cell.low == cell.high
    return {
        "column": column,
        "value": round(cell.low, 6) if same else None,
        "text": text_of(cell),
        "count": cell.count,
        "editable": cell.editable,
    }


def _limit(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _number(value: float) -> str:
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.3f}".rstrip("0").rstrip(".")


def _line(view: LocalView, place: int) -> dict[str, Any]:
    color, dash, symbol, _ = STYLES[place]
    line = view.lines[place]
    return scatter(
        list(range(len(line.values))), list(line.values), line.label, mode="lines+markers",
        line={"color": color, "width": 2, "dash": dash}, connectgaps=False,
        marker={"color": color, "size": 7, "symbol": symbol},
        hovertemplate="layer %{x}: %{y:.3~f}, %{fullData.name}<extra></extra>",
    )  # fmt: skip


def _outside(view: LocalView) -> list[dict[str, Any]]:
    """A hollow mark in front of the layers and one behind; two where the values differ."""
    found = []
    ends = ((view.before, -1, "embeddings"), (view.after, _height(view), "final norm and head"))
    for values, x, name in ends:
        if values is not None:
            y = sorted(set(values))
            found.append(
                scatter(
                    [x] * len(y), y, name,
                    marker={"symbol": "circle-open", "size": 10, "color": INK,
                            "line": {"color": INK, "width": 2}},
                    hovertemplate="%{fullData.name}: %{y:.3~f}<extra></extra>",
                )
            )  # fmt: skip
    return found


def _height(view: LocalView) -> int:
    return len(view.lines[0].values) if view.lines else 0


def _layout(view: LocalView) -> dict[str, Any]:
    height = _height(view)
    step = -(-height // MOST_TICKS) or 1
    places = list(range(0, height, step))
    outside = [(-1, "emb.", view.before), (height, "final", view.after)]
    ticks = [(at, word) for at, word, values in outside if values is not None]
    ticks += [(at, str(at)) for at in places if at + step / 2 < height or at == 0]
    ticks.sort()
    return frame(
        HEIGHT,
        margin={"l": 8, "r": 12, "t": 14, "b": 48},
        xaxis={
            **AXIS, "range": [-1.6, height + 0.6], "showgrid": False, "ticks": "outside",
            "tickcolor": LINE, "tickangle": 0, "tickmode": "array",
            "tickvals": [at for at, _ in ticks], "ticktext": [word for _, word in ticks],
            "title": axis_title("layer"),
        },
        yaxis={
            **AXIS, "range": _range(view), "gridcolor": LINE, "nticks": 6,
            "title": axis_title(view.title), "zerolinecolor": CLEAR,
        },
    )  # fmt: skip


def _range(view: LocalView) -> list[float]:
    values = [v for line in view.lines for v in line.values if v is not None]
    values += [v for ends in (view.before, view.after) if ends for v in ends]
    low, high = min((0.0, *values)), max((view.plain, *values))
    edge = 0.08 * ((high - low) or 1.0)
    return [low - edge, high + edge]


def _numbers(view: LocalView) -> dict[str, Any]:
    def shown(values: tuple[float, float] | None) -> str:
        return "" if values is None else text_of(BlockCell(*values, count=1))

    blank = [""] * (len(view.lines) - 1)
    rows = [["Embeddings", shown(view.before), *blank]] if view.before and view.lines else []
    for at in range(_height(view)):
        values = [line.values[at] for line in view.lines]
        rows.append([str(at), *("" if value is None else _number(value) for value in values)])
    rows += [["Final", shown(view.after), *blank]] if view.after and view.lines else []
    return {"columns": ["Layer", *(line.label for line in view.lines)], "rows": rows}
