"""What parts cost or carry, as cells of the layer x module grid with their numbers. Pure."""

from typing import Any

from ui.charts.parts import (
    AXIS,
    CLEAR,
    INK,
    LINE,
    MINUS_WASH,
    PANEL,
    PLUS_WASH,
    SOFT,
    frame,
    revision,
    scatter,
)
from ui.views.parts import Part, PartsView

ROW, TOP, BOTTOM = 34, 66, 30
LEAST = 1.0  # points at which the colours end at least
SCALE = [[0, PLUS_WASH], [0.5, PANEL], [1, MINUS_WASH]]
GROUND = [[0, LINE], [1, LINE]]
INTERVAL = "95 % interval, points"


def parts_figure(view: PartsView) -> dict[str, Any]:
    """Return an attribution as the value of a plot host.

    Numbers are points that the score gains with the base's weights back; those within noise stand
    in brackets. A part that was not put back yet is an empty frame.
    """
    data = [_ground(view), _cells(view), _numbers(view, True), _numbers(view, False)]
    return {
        "data": data,
        "layout": _layout(view, 13),
        "narrow": _layout(view, 11),
        "patch": {},
        "revision": revision(data, view.score),
        "label": f"{len(view.parts)} parts put back to the base: {view.score}",
        "sentence": _key(view),
        "table": _table(view),
        "name": "parts",
    }


def signed(share: float) -> str:
    """Return a share as points with its sign: "+3.2", "−0.4", "0.0"."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _grid(view: PartsView) -> list[list[Any]]:
    return [[None] * len(view.columns) for _ in view.rows]


def _ground(view: PartsView) -> dict[str, Any]:
    """A frame where a part is."""
    z = _grid(view)
    for column, row in view.there:
        z[row][column] = 0
    return {
        "type": "heatmap", "z": z, "name": "there", "colorscale": GROUND, "showscale": False,
        "xgap": 1, "ygap": 1, "hoverinfo": "skip", "opacity": 0.5,
    }  # fmt: skip


def _cells(view: PartsView) -> dict[str, Any]:
    z, words = _grid(view), _grid(view)
    for part in view.parts:
        column, row = part.at
        z[row][column], words[row][column] = round(100 * part.gain.value, 3), _hover(part)
    most = max((abs(100 * part.gain.value) for part in view.parts), default=0.0)
    limit = max(LEAST, most)
    return {
        "type": "heatmap", "z": z, "text": words, "name": "gain", "colorscale": SCALE, "xgap": 1,
        "ygap": 1, "zmin": -limit, "zmax": limit, "hoverongaps": False,
        "hovertemplate": "%{text}<extra></extra>", "opacity": 0.5 if view.stale else 1,
        "colorbar": {
            "orientation": "h", "thickness": 10, "len": 0.5, "x": 0, "xanchor": "left", "y": 1,
            "yanchor": "bottom", "ypad": 8, "nticks": 5, "outlinecolor": LINE,
            "tickfont": {"color": SOFT, "size": 11},
        },
    }  # fmt: skip


def _hover(part: Part) -> str:
    noise = "" if part.clear else ", within noise"
    return f"{part.label}: {signed(part.gain.value)} points ({_interval(part)}{noise})"


def _interval(part: Part) -> str:
    return f"{signed(part.gain.low)} to {signed(part.gain.high)}"


def _numbers(view: PartsView, clear: bool) -> dict[str, Any]:
    parts = [part for part in view.parts if part.clear == clear]
    told = [signed(part.gain.value) for part in parts]
    return scatter(
        [part.at[0] for part in parts], [part.at[1] for part in parts],
        "beyond noise" if clear else "within noise", mode="text", hoverinfo="skip",
        text=told if clear else [f"({text})" for text in told],
        textfont={
            "color": INK if clear else SOFT, "weight": 700 if clear else 400,
            "size": 10 if len(view.columns) > 6 else 12,  # so that brackets fit on a phone
        },
    )  # fmt: skip


def _layout(view: PartsView, size: int) -> dict[str, Any]:
    columns, rows = len(view.columns), len(view.rows)
    ticks = {
        **AXIS, "showgrid": False, "tickmode": "array", "ticks": "outside", "ticklen": 4,
        "tickcolor": CLEAR, "tickangle": 0, "tickfont": {"size": size},
    }  # fmt: skip
    return frame(
        TOP + BOTTOM + ROW * max(rows, 2),
        margin={"l": 8, "r": 8, "t": TOP, "b": BOTTOM},
        xaxis={
            **ticks, "range": [-0.5, columns - 0.5], "tickvals": list(range(columns)),
            "ticktext": list(view.columns),
        },
        yaxis={
            **ticks, "range": [-0.5, rows - 0.5], "tickvals": list(range(rows)),
            "ticktext": list(view.rows),
        },
    )  # fmt: skip


def _key(view: PartsView) -> str:
    key = (
        f"Points of the score ({view.score}) that come back when the base's weights stand in a "
        "part: + it costs, − it carries. Bold: beyond noise. In brackets: the 95 % interval of "
        "the paired difference holds 0"
    )
    chance = len(view.parts) / 20
    if chance >= 1:
        key += f" (of {len(view.parts)} parts about {chance:.0f} would stand out by chance alone)"
    key += "."
    if view.stale:
        key += f" Drawn pale: these are other settings than yours ({view.settings})."
    return key


def _table(view: PartsView) -> dict[str, Any]:
    columns = [
        "Part", f"{view.score[0].upper()}{view.score[1:]}, points", INTERVAL, "Beyond noise",
        *(f"{word}, points" for _, word in view.tasks.values()),
    ]  # fmt: skip
    return {"columns": columns, "rows": [_row(view, part) for part in view.parts]}


def _row(view: PartsView, part: Part) -> list[str]:
    gains = (signed(part.gains[t].value) if t in part.gains else "" for t in view.tasks)
    clear = "yes" if part.clear else "no"
    return [part.label, signed(part.gain.value), _interval(part), clear, *gains]
