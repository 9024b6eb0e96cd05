"""A plane of weight space as shaded places with contour lines and marks. Pure."""

from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    EDGE,
    INK,
    PANEL,
    SOFT,
    axis_title,
    frame,
    revision,
    scatter,
    words,
)
from ui.views.map import TITLES, UNITS, MapView, Mark, Rows, nearest

HEIGHT, NARROW_HEIGHT = 560, 430
HIGH = "var(--me-plus-wash)"
ROUGH = 0.4
BESIDE = 8  # pixels from the middle of a mark to its word


def map_figure(view: MapView) -> dict[str, Any]:
    """Return a map as the value of a plot host; a click on a place has its column and row."""
    data = [*_ground(view), *_lines(view), *(_mark(mark, view) for mark in view.marks)]
    layout, narrow = _layout(view, HEIGHT), _layout(view, NARROW_HEIGHT)
    return {
        "data": data,
        "layout": layout,
        "narrow": narrow,
        "revision": revision(data, layout),
        "label": f"Map of the plane through the base, {' and '.join(_experts(view))}",
        "sentence": _key(view),
        "table": _table(view),
        "name": "map of weight space",
    }


def _experts(view: MapView) -> list[str]:
    return [mark.name for mark in view.marks if mark.kind == "expert"]


def _ground(view: MapView) -> list[dict[str, Any]]:
    known = [v for row in view.heights for v in row if v is not None]
    if not known:
        return []
    ends = min(known), max(known)
    cells = _cells(view, view.heights, "places", ends, showscale=True)
    if not view.complete:
        rough = _cells(view, nearest(view.heights), "not measured yet", ends, opacity=ROUGH)
        return [rough, cells]
    lines = {
        "type": "contour", "x": list(view.xs), "y": list(view.ys), "z": list(view.heights),
        "name": "contours", "showscale": False, "hoverinfo": "skip", "ncontours": 7,
        "line": {"color": EDGE, "width": 1},
        "contours": {
            "coloring": "none", "showlabels": True, "labelfont": {"color": INK, "size": 11},
        },
    }  # fmt: skip
    return [cells, lines]


def _cells(
    view: MapView, rows: Rows, name: str, ends: tuple[float, float], **more: Any
) -> dict[str, Any]:
    scale = [[0, PANEL], [1, HIGH]]
    return {
        "type": "heatmap", "x": list(view.xs), "y": list(view.ys), "z": [list(r) for r in rows],
        "name": name, "zmin": ends[0], "zmax": ends[1], "showscale": False,
        "colorscale": [[0, HIGH], [1, PANEL]] if view.kind == "loss" else scale,
        "colorbar": {
            "orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.0, "yanchor": "bottom",
            "thickness": 10, "len": 260, "lenmode": "pixels", "ypad": 8, "outlinewidth": 0,
            "ticksuffix": UNITS[view.kind], "nticks": 5, "title": {
                "text": TITLES[view.kind], "side": "top", "font": {"color": SOFT, "size": 12},
            },
        },
        "hovertemplate": f"%{{z:.1f}}{UNITS[view.kind]}<extra></extra>"
        if view.kind != "loss" else "%{z:.3f} nats<extra></extra>",
        **({"opacity": 0.5} if view.stale else {}), **more,
    }  # fmt: skip


def _lines(view: MapView) -> list[dict[str, Any]]:
    """From the base to each expert: the two task vectors."""
    base = next(m for m in view.marks if m.kind == "base")
    ends = [m for m in view.marks if m.kind == "expert"]
    x: list[float | None] = []
    y: list[float | None] = []
    for end in ends:
        x += [base.x, end.x, None]
        y += [base.y, end.y, None]
    line = {"color": INK, "width": 1.5, "dash": "dot"}
    return [scatter(x, y, "task vectors", mode="lines", line=line, hoverinfo="skip")]


def _mark(mark: Mark, view: MapView) -> dict[str, Any]:
    color = _colour(mark)
    hollow = mark.kind in ("other", "yours") and mark.off > 0
    told = "" if mark.height is None else f": {_number(view, mark.height)}"
    off = f", {100 * mark.off:.0f} % of its way off this plane" if mark.off else ""
    return scatter(
        [mark.x], [mark.y], mark.name,
        marker={
            "symbol": f"{mark.shape}-open" if hollow else mark.shape,
            "size": {"other": 8, "yours": 15}.get(mark.kind, 11), "color": color,
            "line": {"color": color if hollow or "thin" in mark.shape else PANEL, "width": 2},
        },
        hovertemplate=f"{mark.name}{told}{off}<extra></extra>",
    )  # fmt: skip


def _colour(mark: Mark) -> str:
    return ACCENT if mark.kind == "yours" else INK


def _name(mark: Mark) -> dict[str, Any]:
    """The word at a mark, on ground of its own: contour lines and their labels run below it."""
    size, below = 11 if mark.kind == "other" else 13, mark.kind == "base"
    return words(
        mark.x, mark.y, mark.text, _colour(mark), font={"size": size}, bgcolor=PANEL, borderpad=1,
        yanchor="top" if below else "bottom", yshift=-BESIDE if below else BESIDE,
    )  # fmt: skip


def _layout(view: MapView, height: int) -> dict[str, Any]:
    step = view.xs[1] - view.xs[0]
    axes = [
        {
            **AXIS, "range": [places[0] - step / 2, places[-1] + step / 2], "showgrid": False,
            "constrain": "domain", "nticks": 6, "title": axis_title(title), "tickangle": 0,
        }
        for places, title in zip((view.xs, view.ys), view.axes, strict=True)
    ]  # fmt: skip
    return frame(
        height,
        margin={"l": 8, "r": 8, "t": 66, "b": 44},
        annotations=[_name(mark) for mark in view.marks if mark.text],
        xaxis=axes[0],
        yaxis={**axes[1], "scaleanchor": "x", "scaleratio": 1},
    )


def _number(view: MapView, value: float) -> str:
    return f"{value:.3f} nats" if view.kind == "loss" else f"{value:.1f} %"


def _key(view: MapView) -> str:
    others = [m for m in view.marks if m.kind == "other"]
    key = "Distances on the map are true distances between weights; darker is "
    key = key.replace("darker", "stronger colour") + "better. ✛ base · ◆ average · ✕ sum"
    if others:
        far = ", ".join(f"{m.name} {100 * m.off:.0f} %" for m in others)
        key += (
            f". Hollow: other experts, at the foot of their perpendicular; how much of their way "
            f"from the base is distance from the plane: {far}"
        )
    if not view.complete and any(v is not None for row in view.heights for v in row):
        key += ". Pale places are not measured yet: they show the nearest one that is"
    key += "."
    return f"{key} Drawn pale: this is the map of {view.of}." if view.stale else key


def _table(view: MapView) -> dict[str, Any]:
    rows = [
        [
            m.name,
            f"{m.x:.3f}",
            f"{m.y:.3f}",
            "" if m.height is None else f"{m.height:.3f}",
            f"{100 * m.off:.1f}",
        ]
        for m in view.marks
    ]
    rows += [
        [f"place {i + 1}, {j + 1}", f"{x:.3f}", f"{y:.3f}", f"{view.heights[j][i]:.3f}", "0.0"]
        for j, y in enumerate(view.ys)
        for i, x in enumerate(view.xs)
        if view.heights[j][i] is not None
    ]
    unit = TITLES[view.kind] + (", %" if view.kind != "loss" else "")
    columns = ["Model", "x", "y", unit, "Distance from the plane, % of that from the base"]
    return {"columns": columns, "rows": rows}
