"""A straight path as a line of heights, beside the line between its ends. Pure."""

from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    INK,
    LINE,
    SOFT,
    TINT,
    axis_title,
    frame,
    revision,
    scatter,
)
from ui.views.map import TITLES, UNITS
from ui.views.path import PathView

HEIGHT = 300
Z95 = 1.96


def path_figure(view: PathView) -> dict[str, Any]:
    """Return a path as the value of a plot host."""
    data = [_band(view), *_line(view), _steps(view), *_barrier(view)]
    layout = _layout(view)
    key = "Band: 95 % interval of each step. Dashed: the straight line between the ends"
    key += " · the bar between them: the barrier." if _barrier(view) else "."
    if view.stale:
        key += f" Drawn pale: {view.stale}"
    return {
        "data": data,
        "layout": layout,
        "revision": revision(data, layout, key),
        "label": f"Path from {view.ends[0]} to {view.ends[1]}: {len(view.ways)} steps",
        "sentence": key,
        "table": {
            "columns": ["Way, %", TITLES[view.kind], "Standard error"],
            "rows": [
                [f"{w:g}", f"{h:.3f}", f"{e:.3f}"]
                for w, h, e in zip(view.ways, view.heights, view.errors, strict=True)
            ],
        },
        "name": "straight path",
    }


def _faded(view: PathView) -> dict[str, Any]:
    return {"opacity": 0.5} if view.stale else {}


def _band(view: PathView) -> dict[str, Any]:
    high = [h + Z95 * e for h, e in zip(view.heights, view.errors, strict=True)]
    low = [h - Z95 * e for h, e in zip(view.heights, view.errors, strict=True)]
    return scatter(
        [*view.ways, *reversed(view.ways)], [*high, *reversed(low)], "95 % interval",
        mode="lines", fill="toself", fillcolor=TINT, hoverinfo="skip",
        line={"width": 0, "color": TINT}, **_faded(view),
    )  # fmt: skip


def _between(view: PathView, way: float) -> float:
    """The height of the straight line between the ends."""
    return view.heights[0] + (view.heights[-1] - view.heights[0]) * way / 100


def _line(view: PathView) -> list[dict[str, Any]]:
    if view.barrier is None:
        return []
    ends = [view.heights[0], view.heights[-1]]
    dashed = {"color": SOFT, "width": 1.5, "dash": "dash"}
    return [
        scatter([0, 100], ends, "between the ends", mode="lines", line=dashed, hoverinfo="skip")
    ]


def _steps(view: PathView) -> dict[str, Any]:
    unit = UNITS[view.kind] or " nats"
    return scatter(
        list(view.ways), list(view.heights), "path", mode="lines+markers",
        line={"color": INK, "width": 2}, marker={"size": 7, "color": INK}, **_faded(view),
        hovertemplate=f"%{{x:.0f}} % of the way: %{{y:.3~f}}{unit}<extra></extra>",
    )  # fmt: skip


def _barrier(view: PathView) -> list[dict[str, Any]]:
    wall = view.barrier
    way = round(100 * wall.at, 2) if wall is not None else -1.0
    if wall is None or not wall.size or way not in view.ways:
        return []
    ends = [_between(view, way), view.heights[view.ways.index(way)]]
    return [
        scatter(
            [way, way], ends, "barrier", mode="lines+markers", hoverinfo="skip",
            line={"color": ACCENT, "width": 2 if wall.clear else 1.5,
                  "dash": "solid" if wall.clear else "dot"},
            marker={"symbol": "line-ew", "size": 12, "line": {"color": ACCENT, "width": 2}},
        )
    ]  # fmt: skip


def _layout(view: PathView) -> dict[str, Any]:
    first, second = view.ends
    return frame(
        HEIGHT,
        margin={"l": 8, "r": 16, "t": 14, "b": 48},
        xaxis={
            **AXIS, "range": [-2, 102], "showgrid": False, "ticks": "outside", "tickcolor": LINE,
            "ticksuffix": " %", "tickangle": 0, "tickvals": [0, 25, 50, 75, 100],
            "title": axis_title(f"way from {first} (0 %) to {second} (100 %)"),
        },
        yaxis={
            **AXIS, "gridcolor": LINE, "ticksuffix": UNITS[view.kind], "nticks": 6,
            "title": axis_title(TITLES[view.kind]),
        },
    )  # fmt: skip
