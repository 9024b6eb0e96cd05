"""Clusters of task vectors as a tree whose branches meet at their distance. Pure."""

from typing import Any

from ui.charts.parts import AXIS, INK, LINE, axis_title, frame, scatter, title_lines, words_only
from ui.views.clusters import ClustersView

ROW, ROOM, LINE_HEIGHT = 34, 64, 16
TITLE = "1 − cosine of task vectors (0: same direction, 1: right angle)"


def clusters_figure(view: ClustersView) -> dict[str, Any]:
    """Return a tree of experts as the value of a plot host."""
    if not view.branches:
        return words_only(view.sentence, "clusters")
    x: list[float | None] = []
    y: list[float | None] = []
    for branch in view.branches:
        (left, top), (right, low) = branch.left, branch.right
        x += [left, branch.distance, branch.distance, right, None]
        y += [top, top, low, low, None]
    tree = scatter(x, y, "joins", mode="lines", line={"color": INK, "width": 1.5}, hoverinfo="skip")
    meets = scatter(
        [b.distance for b in view.branches],
        [_middle(b.left[1], b.right[1]) for b in view.branches], "join",
        marker={"size": 8, "color": INK}, text=[", ".join(b.members) for b in view.branches],
        hovertemplate="%{text}: 1 − cosine = %{x:.2f}<extra></extra>",
    )  # fmt: skip
    leaves = scatter(
        [0.0] * len(view.leaves), list(range(len(view.leaves))), "experts",
        marker={"symbol": [m.shape for m in view.leaves], "size": 10, "color": INK},
        text=[m.name for m in view.leaves], hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    return {
        "data": [tree, meets, leaves],
        "layout": _layout(view),
        "narrow": _layout(view, narrow=True),
        "label": view.sentence,
        "sentence": view.sentence,
        "table": {
            "columns": ["Joined", "1 − cosine, mean over pairs"],
            "rows": [[", ".join(b.members), f"{b.distance:.3f}"] for b in view.branches],
        },
        "name": "clusters",
    }


def _middle(one: float, other: float) -> float:
    return (one + other) / 2


def _layout(view: ClustersView, narrow: bool = False) -> dict[str, Any]:
    count, end = len(view.leaves), max(1.05, 1.05 * view.branches[-1].distance)
    below = LINE_HEIGHT * (len(title_lines(TITLE)) - 1) if narrow else 0
    return frame(
        ROOM + ROW * count + below,
        margin={"l": 8, "r": 20, "t": 12, "b": 48 + below},
        xaxis={
            **AXIS, "range": [-0.02, end], "gridcolor": LINE, "nticks": 7, "tickangle": 0,
            "title": axis_title(TITLE, narrow),
        },
        yaxis={
            **AXIS, "range": [count - 0.4, -0.6], "tickmode": "array", "showgrid": False,
            "tickvals": list(range(count)), "ticktext": [m.name for m in view.leaves],
        },
    )  # fmt: skip
