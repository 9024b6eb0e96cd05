"""A sweep of two settings as a grid of shaded cells with their numbers. Pure."""

from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    CLEAR,
    INK,
    LINE,
    PANEL,
    SHADE,
    SOFT,
    axis_title,
    frame,
    revision,
    scatter,
    words,
)
from ui.views.sweep_grid import GridView, Pair

ROW, TOP, BOTTOM = 36, 66, 52
SIZES = ((6, 13), (12, 11), (16, 10))
SMALLEST = 9
CLICK = " Click a cell to take its settings."
YOURS = "your settings"
CORNER = 0.31  # from the middle of a cell to where its marks stand
INTERVAL = "95 % interval"


def grid_figure(view: GridView) -> dict[str, Any]:
    """Return a sweep of two axes as the value of a plot host.

    A click on a cell has the key of its recipe. The present pair is a patch: dragging a slider
    draws nothing else.
    """
    data = [_cells(view), _numbers(view), *_marks(view)]
    across, up = view.axes
    return {
        "data": data,
        "layout": _layout(view, narrow=False),
        "narrow": _layout(view, narrow=True),
        "patch": {"shapes": _present(view)},
        "revision": revision(data, across.label, up.label),
        "label": f"{across.label} and {up.label}: {len(view.tried)} pairs tried",
        "sentence": _key(view),
        "table": _table(view),
        "name": f"what if {across.label} and {up.label}",
    }


def _percent(pair: Pair) -> float:
    return round(100 * pair.mean.value, 2)


def _cells(view: GridView) -> dict[str, Any]:
    columns, rows = (len(axis.values) for axis in view.axes)
    z: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    keys, told = ([[""] * columns for _ in range(rows)] for _ in range(2))
    for pair in view.tried:
        i, j = pair.at
        z[j][i], keys[j][i], told[j][i] = _percent(pair), pair.key, pair.words
    found = [_percent(pair) for pair in view.tried]
    low, high = min(found), max(found)
    return {
        "type": "heatmap", "z": z, "customdata": keys, "text": told, "name": "mean",
        "colorscale": [[0, PANEL], [1, SHADE]], "xgap": 1, "ygap": 1, "hoverongaps": False,
        "zmin": low if low < high else low - 1, "zmax": high, "showscale": True,
        "hovertemplate": "%{text}: %{z:.1f} % on average<extra></extra>",
        "opacity": 0.5 if view.stale else 1,
        "colorbar": {
            "orientation": "h", "thickness": 10, "len": 0.5, "x": 0, "xanchor": "left", "y": 1,
            "yanchor": "bottom", "ypad": 8, "ticksuffix": " %", "nticks": 4, "outlinecolor": LINE,
            "tickfont": {"color": SOFT, "size": 11},
        },
    }  # fmt: skip


def _numbers(view: GridView) -> dict[str, Any]:
    return scatter(
        [pair.at[0] for pair in view.tried], [pair.at[1] for pair in view.tried], "numbers",
        mode="text", text=[f"{_percent(pair):.0f}" for pair in view.tried], hoverinfo="skip",
        textfont={"color": INK, "size": _text_size(len(view.axes[0].values))},
    )  # fmt: skip


def _text_size(columns: int) -> int:
    return next((size for most, size in SIZES if columns <= most), SMALLEST)


def _marks(view: GridView) -> list[dict[str, Any]]:
    """The best and the simplest by shape, in corners of their cells."""
    best, simplest = view.of(view.best), view.of(view.simplest)
    marks = []
    if simplest is not None and simplest is not best:
        marks.append(_mark(view, simplest, "simplest within noise", "square", -1))
    if best is not None:
        marks.append(_mark(view, best, "best", "diamond", 1))
    return marks


def _mark(view: GridView, pair: Pair, name: str, symbol: str, side: int) -> dict[str, Any]:
    return scatter(
        [pair.at[0] + side * CORNER], [pair.at[1] + CORNER], name, customdata=[pair.key],
        marker={"symbol": symbol, "size": 11, "color": ACCENT, "line": {"color": PANEL}},
        text=[pair.words], hovertemplate=f"%{{text}}: {name}<extra></extra>",
        opacity=0.5 if view.stale else 1,
    )  # fmt: skip


def _present(view: GridView) -> list[dict[str, Any]]:
    if view.present is None:
        return []
    x, y = view.present
    cell = {
        "type": "rect", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5,
        "line": {"color": ACCENT, "width": 2, "dash": "dot"}, "fillcolor": CLEAR,
    }  # fmt: skip
    return [cell]


def _layout(view: GridView, narrow: bool) -> dict[str, Any]:
    across, up = view.axes
    columns, rows = len(across.values), len(up.values)
    ticks = {
        **AXIS, "showgrid": False, "tickmode": "array", "ticks": "outside", "ticklen": 4,
        "tickcolor": CLEAR, "tickangle": 0,
    }  # fmt: skip
    return frame(
        TOP + BOTTOM + ROW * max(rows, 3),
        margin={"l": 8, "r": 8, "t": TOP, "b": BOTTOM},
        annotations=[
            words(
                0.5, 0, across.label, SOFT, xref="paper", yref="paper", yanchor="top", yshift=-28
            )
        ],
        xaxis={
            **ticks, "range": [-0.5, columns - 0.5], "tickvals": list(range(columns)),
            "ticktext": [_tick(view, 0, i) for i in range(columns)],
        },
        yaxis={
            **ticks, "range": [-0.5, rows - 0.5], "tickvals": list(range(rows)),
            "ticktext": [_tick(view, 1, i) for i in range(rows)],
            "title": {**axis_title(up.label), "standoff": 10},
        },
    )  # fmt: skip


def _tick(view: GridView, which: int, place: int) -> str:
    axis = view.axes[which]
    value = axis.values[place]
    return axis.text(value) if axis.kind == "method" else f"{value:g}"


def _key(view: GridView) -> str:
    key = "Each cell is a merge: the mean of all tasks, in % of what their own experts can do"
    if view.best:
        key += " · ◆ best"
    if view.simplest and view.simplest != view.best:
        key += " · ■ simplest within noise"
    if view.present is not None:
        key += f" · dotted frame: {YOURS}"
    key += f".{CLICK}"
    if view.stale:
        key += f" Drawn pale: these points belong to other settings than yours ({view.settings})."
    return key


def _table(view: GridView) -> dict[str, Any]:
    across, up = view.axes
    tasks = [t for t in view.tasks if all(t in pair.shares for pair in view.tried)]
    columns = [
        across.label, up.label, "Mean, % of own", INTERVAL,
        *(f"{view.tasks[task][1]}, % of own" for task in tasks), "Mark",
    ]  # fmt: skip
    return {"columns": columns, "rows": [_row(view, pair, tasks) for pair in view.tried]}


def _row(view: GridView, pair: Pair, tasks: list[str]) -> list[str]:
    marks = [n for n, k in (("best", view.best), ("simplest", view.simplest)) if k == pair.key]
    return [
        _tick(view, 0, pair.at[0]),
        _tick(view, 1, pair.at[1]),
        f"{100 * pair.mean.value:.1f}",
        f"{100 * pair.mean.low:.1f} to {100 * pair.mean.high:.1f}",
        *(f"{100 * pair.shares[task].value:.1f}" for task in tasks),
        ", ".join(marks),
    ]
