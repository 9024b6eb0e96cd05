"""A convex hull as a strip of dots: drawn models beside centroid, experts and base. Pure."""

from typing import Any

from ui.charts.parts import ACCENT, AXIS, INK, LINE, SOFT, axis_title, frame, revision, scatter
from ui.views.hull import HullView, Row
from ui.views.map import TITLES, UNITS

ROW, ROOM = 34, 64


def hull_figure(view: HullView) -> dict[str, Any]:
    """Return a hull as the value of a plot host."""
    data = [_dots(view, row, place) for place, row in enumerate(view.rows)]
    layout = _layout(view)
    return {
        "data": data,
        "layout": layout,
        "revision": revision(data, layout, view.stale),
        "label": f"Models of a hull by {TITLES[view.kind]}",
        "sentence": "○ one model drawn from inside · ◆ centroid."
        + (f" Drawn pale: {view.stale}" if view.stale else ""),
        "table": {
            "columns": ["Model", TITLES[view.kind], "Shares"],
            "rows": [
                [row.name, f"{value:.3f}", words]
                for row in view.rows
                for value, words in zip(row.heights, row.words, strict=True)
            ],
        },
        "name": "convex hull",
    }


def _dots(view: HullView, row: Row, place: int) -> dict[str, Any]:
    color = {"centroid": ACCENT}.get(row.name, SOFT if row.shape.endswith("open") else INK)
    return scatter(
        list(row.heights), [place] * len(row.heights), row.name, text=list(row.words),
        marker={"symbol": row.shape, "size": 12 if row.name == "centroid" else 10,
                "color": color, "line": {"color": color, "width": 1.5}},
        hovertemplate=f"%{{text}}: %{{x:.3~f}}{UNITS[view.kind] or ' nats'}<extra></extra>",
        **({"opacity": 0.5} if view.stale else {}),
    )  # fmt: skip


def _layout(view: HullView) -> dict[str, Any]:
    count = len(view.rows)
    return frame(
        ROOM + ROW * count,
        margin={"l": 8, "r": 20, "t": 12, "b": 48},
        xaxis={
            **AXIS, "gridcolor": LINE, "ticksuffix": UNITS[view.kind], "nticks": 7,
            "tickangle": 0, "title": axis_title(TITLES[view.kind]),
        },
        yaxis={
            **AXIS, "range": [count - 0.4, -0.6], "tickmode": "array", "gridcolor": LINE,
            "tickvals": list(range(count)), "ticktext": [row.name for row in view.rows],
        },
    )  # fmt: skip
