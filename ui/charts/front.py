"""A search as dots on two scores, with the front that none of them beats. Pure."""

import math
from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    CLEAR,
    INK,
    LINE,
    LINE_PIXELS,
    PANEL,
    SOFT,
    axis_title,
    frame,
    revision,
    scatter,
)
from ui.views.front import Dot, FrontView

HEIGHT = 400
CORNER = 10  # pixels that keep the first tick labels of both axes apart
BEATEN, UNBEATEN, FRONT, START = "beaten", "unbeaten", "front", "where it began"
HALF = "on images not looked at"


def front_figure(view: FrontView) -> dict[str, Any]:
    """Return a search as the value of a plot host; a click on a dot has the key of its recipe."""
    data = [_line(view), _dots(view, False), _dots(view, True), *_marks(view)]
    return {
        "data": data,
        "layout": _layout(view, narrow=False),
        "narrow": _layout(view, narrow=True),
        "patch": {},
        "revision": revision(data, view.across, view.up),
        "label": f"{len(view.dots)} settings tried: {view.across} against {view.up}",
        "sentence": _key(view),
        "table": _table(view),
        "name": "good settings",
    }


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _pale(view: FrontView) -> dict[str, Any]:
    return {"opacity": 0.5} if view.stale else {}


def _line(view: FrontView) -> dict[str, Any]:
    """Steps: between two points of the front nothing better is known than the lower of each."""
    dots = [view.dots[place] for place in view.line]
    return scatter(
        [_percent(d.x) for d in dots], [_percent(d.y) for d in dots], FRONT, mode="lines",
        line={"color": INK, "width": 1.5, "shape": "vh"}, hoverinfo="skip", **_pale(view),
    )  # fmt: skip


def _dots(view: FrontView, unbeaten: bool) -> dict[str, Any]:
    dots = [dot for dot in view.dots if dot.unbeaten == unbeaten]
    filled = {"symbol": "circle", "color": INK, "line": {"color": PANEL, "width": 1}}
    hollow = {"symbol": "circle-open", "color": SOFT}
    name = UNBEATEN if unbeaten else BEATEN
    return scatter(
        [_percent(d.x) for d in dots], [_percent(d.y) for d in dots], name,
        marker={"size": 9, **(filled if unbeaten else hollow)},
        customdata=[d.key for d in dots], text=[d.words for d in dots], **_pale(view),
        hovertemplate="%{text}: %{x:.1f} % and %{y:.1f} %<extra></extra>",
    )  # fmt: skip


def _marks(view: FrontView) -> list[dict[str, Any]]:
    best, simplest = view.of(view.best), view.of(view.simplest)
    marks = []
    if view.dots:
        marks.append(_mark(view, view.dots[0], START, "x-thin-open", SOFT))
    if best is not None and view.reported is not None:
        x, y = view.reported
        marks.append(_mark(view, best, f"best, {HALF}", "diamond-open", ACCENT, (x, y)))
    if simplest is not None and simplest is not best:
        marks.append(_mark(view, simplest, "simplest within noise", "square", ACCENT))
    if best is not None:
        marks.append(_mark(view, best, "best", "diamond", ACCENT))
    return marks


def _mark(
    view: FrontView,
    dot: Dot,
    name: str,
    symbol: str,
    color: str,
    at: tuple[float, float] | None = None,
) -> dict[str, Any]:
    x, y = at or (dot.x, dot.y)
    width = 2 if symbol.endswith("open") else 1
    border = {"color": color if symbol.endswith("open") else PANEL, "width": width}
    return scatter(
        [_percent(x)], [_percent(y)], name, customdata=[dot.key], text=[dot.words], **_pale(view),
        marker={"symbol": symbol, "size": 14, "color": color, "line": border},
        hovertemplate=f"%{{text}}, {name}: %{{x:.1f}} % and %{{y:.1f}} %<extra></extra>",
    )  # fmt: skip


def _layout(view: FrontView, narrow: bool) -> dict[str, Any]:
    places = [(dot.x, dot.y) for dot in _in_sight(view)]
    if view.reported is not None:
        places.append(view.reported)
    axes = []
    for which, title in enumerate((view.across, view.up)):
        axes.append({
            **AXIS, "range": _range([place[which] for place in places]), "ticksuffix": " %",
            "gridcolor": LINE, "tickangle": 0, "nticks": 5 if narrow else 8,
            "title": axis_title(f"{title}, share of the own expert", narrow),
        })  # fmt: skip
    across = {**axes[0], "ticks": "outside", "ticklen": CORNER, "tickcolor": CLEAR}
    more = LINE_PIXELS * axes[0]["title"]["text"].count("\n")
    margin = {"l": 8, "r": 12, "t": 12, "b": 48 + CORNER + more}
    return frame(HEIGHT + CORNER + more, margin=margin, xaxis=across, yaxis=axes[1])


def _in_sight(view: FrontView) -> list[Dot]:
    """All dots but beaten ones of the worst eighth on either score: they would squeeze the rest."""
    skipped = len(view.dots) // 8
    low_x = sorted(dot.x for dot in view.dots)[skipped]
    low_y = sorted(dot.y for dot in view.dots)[skipped]
    return [
        dot
        for place, dot in enumerate(view.dots)
        if dot.unbeaten or place == 0 or (dot.x >= low_x and dot.y >= low_y)
    ]


def _range(shares: list[float]) -> list[float]:
    """Ends in whole fives of per cent around all that is drawn."""
    low, high = 100 * min(shares) - 1.5, 100 * max(shares) + 1.5
    return [5.0 * math.floor(low / 5), 5.0 * math.ceil(high / 5)]


def _key(view: FrontView) -> str:
    key = (
        "● settings that no other beats on every task · ○ beaten ones. Line: the front on the two "
        "scores drawn · ✕ where it began"
    )
    if view.best:
        key += " · ◆ best mean"
    if view.simplest and view.simplest != view.best:
        key += " · ■ simplest within noise"
    if view.reported is not None:
        key += " · ◇ the best on images that were not looked at while choosing"
    key += ". Click a dot to take its settings."
    left, low = _layout(view, False)["xaxis"]["range"][0], _layout(view, False)["yaxis"]["range"][0]
    if outside := sum(100 * dot.x < left or 100 * dot.y < low for dot in view.dots):
        key += f" {outside} worse ones lie outside of the picture; the numbers have them."
    if view.stale:
        key += f" Drawn pale: the search began from other settings ({view.settings})."
    return key


def _table(view: FrontView) -> dict[str, Any]:
    tasks = [t for t in view.tasks if all(t in dot.shares for dot in view.dots)]
    columns = [
        "Settings", "Mean, % of own", "95 % interval",
        *(f"{view.tasks[task][1]}, % of own" for task in tasks), "Mark",
    ]  # fmt: skip
    return {"columns": columns, "rows": [_row(view, dot, tasks) for dot in view.dots]}


def _row(view: FrontView, dot: Dot, tasks: list[str]) -> list[str]:
    marks = [n for n, k in (("best", view.best), ("simplest", view.simplest)) if k == dot.key]
    return [
        dot.words,
        f"{100 * dot.mean.value:.1f}",
        f"{100 * dot.mean.low:.1f} to {100 * dot.mean.high:.1f}",
        *(f"{100 * dot.shares[task].value:.1f}" for task in tasks),
        ", ".join(["unbeaten"] * dot.unbeaten + marks),
    ]
