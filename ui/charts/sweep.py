"""A sweep as lines over its values, or as a strip of dots where values have no order. Pure."""

import math
from collections.abc import Sequence
from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    INK,
    LINE,
    PANEL,
    SHADE,
    SOFT,
    TINT,
    axis_title,
    frame,
    labelled,
    revision,
    scatter,
    segment,
    words,
)
from ui.views.sweep import SweepView, Tried

HEIGHT, ROW, MARGINS = 360, 34, 84
LABEL_PIXELS = 15
TOP, BOTTOM = 30, 48
MEAN, SHARE = "mean", "share of the task's own expert"
Range = tuple[float, float]


def sweep_figure(view: SweepView) -> dict[str, Any]:
    """Return a sweep as the value of a plot host.

    A click on a mark has the key of its recipe. The present value is a patch: dragging a slider
    that moves only this draws nothing else.
    """
    data = [*_strip(view), *_marks(view)] if view.strip else [*_lines(view), *_marks(view)]
    return {
        "data": data,
        "layout": _layout(view, narrow=False),
        "narrow": _layout(view, narrow=True),
        "patch": {"shapes": [*_frame_shapes(view), *_present(view)]},
        "revision": revision(data, view.best, view.simplest, view.stale, view.axis.label),
        "label": f"{view.axis.label}: {len(view.tried)} values tried",
        "sentence": _key(view),
        "table": _table(view),
        "name": f"what if {view.axis.label}",
    }


def spread(levels: Sequence[float], gap: float) -> list[float]:
    """Return levels moved as little as needed to stand ``gap`` apart, in their own order."""
    order = sorted(range(len(levels)), key=lambda i: levels[i])
    placed = [levels[i] for i in order]
    for _ in range(len(placed)):
        for low, high in zip(range(len(placed)), range(1, len(placed)), strict=False):
            lack = gap - (placed[high] - placed[low])
            if lack > 1e-9:
                placed[low] -= lack / 2
                placed[high] += lack / 2
    found = dict(zip(order, placed, strict=True))
    return [found[i] for i in range(len(levels))]


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _faded(view: SweepView) -> dict[str, Any]:
    return {"opacity": 0.5} if view.stale else {}


def _x(view: SweepView) -> list[float]:
    return [float(t.value) for t in view.tried]


def _told(view: SweepView) -> dict[str, Any]:
    """What every trace of points says and sends."""
    return {"customdata": [t.key for t in view.tried], "text": [t.words for t in view.tried]}


def _lines(view: SweepView) -> list[dict[str, Any]]:
    x = _x(view)
    ends = [
        [_percent(getattr(t.mean, end)) for t in view.tried] for end in ("low", "high")
    ]  # fmt: skip
    band = scatter(
        [*x, *reversed(x)], [*ends[1], *reversed(ends[0])], "95 % interval", mode="lines",
        fill="toself", fillcolor=TINT, line={"width": 0, "color": TINT}, hoverinfo="skip",
        **_faded(view),
    )  # fmt: skip
    return [band, *(_task_line(view, task, x) for task in _tasks(view)), _mean_line(view, x)]


def _task_line(view: SweepView, task: str, x: list[float]) -> dict[str, Any]:
    return scatter(
        x, [_percent(t.shares[task].value) for t in view.tried], _task_name(view, task),
        mode="lines", line={"color": SHADE, "width": 1.25}, **_told(view), **_faded(view),
        hovertemplate="%{text}, %{fullData.name}: %{y:.1f} %<extra></extra>",
    )  # fmt: skip


def _mean_line(view: SweepView, x: list[float]) -> dict[str, Any]:
    return scatter(
        x, [_percent(t.mean.value) for t in view.tried], MEAN, mode="lines+markers",
        line={"color": INK, "width": 2.5}, marker={"size": 7, "color": INK}, **_told(view),
        hovertemplate="%{text}: %{y:.1f} % on average<extra></extra>", **_faded(view),
    )  # fmt: skip


def _strip(view: SweepView) -> list[dict[str, Any]]:
    x: list[float | None] = []
    y: list[float | None] = []
    for tried in view.tried:
        x += [_percent(tried.mean.low), _percent(tried.mean.high), None]
        y += [_row(view, tried), _row(view, tried), None]
    whiskers = scatter(
        x, y, "95 % interval", mode="lines", line={"color": INK, "width": 2}, hoverinfo="skip",
        **_faded(view),
    )  # fmt: skip
    dots = scatter(
        [_percent(t.mean.value) for t in view.tried], [_row(view, t) for t in view.tried], MEAN,
        marker={"size": 11, "color": INK}, **_told(view), **_faded(view),
        hovertemplate="%{text}: %{x:.1f} % on average<extra></extra>",
    )  # fmt: skip
    return [whiskers, dots]


def _row(view: SweepView, tried: Tried) -> float:
    """Height of a value's row in a strip: the first one is at the top."""
    return float(len(view.axis.values) - 1 - tried.at)


def _at(view: SweepView, tried: Tried, share: float) -> tuple[float, float]:
    """Where a share of a value stands in the picture."""
    if view.strip:
        return _percent(share), _row(view, tried)
    return float(tried.value), _percent(share)


def _marks(view: SweepView) -> list[dict[str, Any]]:
    """The best and the simplest by shape, and the best once more on the reporting half."""
    best, simplest = view.of(view.best), view.of(view.simplest)
    marks = []
    if simplest is not None and simplest is not best:
        marks.append(_mark(view, simplest, simplest.mean.value, "simplest within noise", "square"))
    if best is not None:
        marks.append(_mark(view, best, best.mean.value, "best", "diamond"))
    if best is not None and view.reported is not None:
        told = "best, on images not looked at"
        marks.append(_mark(view, best, view.reported.value, told, "diamond-open"))
    return marks


def _mark(view: SweepView, tried: Tried, share: float, name: str, symbol: str) -> dict[str, Any]:
    x, y = _at(view, tried, share)
    border = {"color": ACCENT, "width": 2} if symbol.endswith("open") else {"color": PANEL}
    return scatter(
        [x], [y], name, marker={"symbol": symbol, "size": 14, "color": ACCENT, "line": border},
        customdata=[tried.key], text=[tried.words], **_faded(view),
        hovertemplate=f"%{{text}}, {name}: {_percent(share):.1f} %<extra></extra>",
    )  # fmt: skip


def _tasks(view: SweepView) -> list[str]:
    return [t for t in view.tasks if all(t in tried.shares for tried in view.tried)]


def _task_name(view: SweepView, task: str) -> str:
    return " ".join(view.tasks[task]).strip()


def _scores(view: SweepView) -> Range:
    """Ends of the axis of scores, in whole tens of per cent around all that is drawn."""
    found = [end for t in view.tried for end in (t.mean.low, t.mean.high)]
    if not view.strip:
        found += [t.shares[task].value for t in view.tried for task in _tasks(view)]
    if view.reported is not None:
        found.append(view.reported.value)
    low, high = 100 * min(found, default=0.0) - 3, 100 * max(found, default=1.0) + 4
    return max(0.0, 10.0 * math.floor(low / 10)), 10.0 * math.ceil(high / 10)


def _layout(view: SweepView, narrow: bool) -> dict[str, Any]:
    low, high = _scores(view)
    scores = {
        **AXIS, "range": [low, high], "ticksuffix": " %", "gridcolor": LINE, "tickangle": 0,
        "nticks": 6 if narrow else 9, "title": axis_title(SHARE),
    }  # fmt: skip
    if view.strip:
        return _strip_layout(view, scores)
    values = [float(v) for v in view.axis.values]
    edge = 0.02 * (max(values) - min(values))
    whole = all(isinstance(v, int) for v in view.axis.values) and len(values) <= 12
    return frame(
        HEIGHT,
        margin={"l": 8, "r": 46 if narrow else 118, "t": TOP, "b": BOTTOM},
        annotations=[*_ends(view, (low, high), narrow), *_names(view)],
        xaxis={
            **AXIS, "range": [min(values) - edge, max(values) + edge], "showgrid": False,
            "ticks": "outside", "tickcolor": LINE, "tickangle": 0,
            "title": axis_title(view.axis.label), **({"tickvals": values} if whole else {}),
        },
        yaxis=scores,
    )  # fmt: skip


def _strip_layout(view: SweepView, scores: dict[str, Any]) -> dict[str, Any]:
    count = len(view.axis.values)
    names = [view.axis.text(value) for value in reversed(view.axis.values)]
    return frame(
        MARGINS + ROW * count,
        margin={"l": 8, "r": 60, "t": 16, "b": BOTTOM},
        annotations=_names(view),
        xaxis=scores,
        yaxis={
            **AXIS, "range": [-0.6, count - 0.4], "tickmode": "array", "showgrid": False,
            "tickvals": list(range(count)), "ticktext": names,
        },
    )  # fmt: skip


def _ends(view: SweepView, limits: Range, narrow: bool) -> list[dict[str, Any]]:
    """The name of every line at its right end."""
    if not view.tried:
        return []
    last = view.tried[-1]
    ends = [(_percent(last.shares[t].value), t) for t in _tasks(view)]
    levels = [*(level for level, _ in ends), _percent(last.mean.value)]
    names = [view.tasks[t][0] if narrow else _task_name(view, t) for _, t in ends]
    gap = LABEL_PIXELS * (limits[1] - limits[0]) / (HEIGHT - TOP - BOTTOM)
    beside = {"xref": "paper", "xanchor": "left", "xshift": 6, "yanchor": "middle"}
    places = spread(levels, gap)
    found = [words(1, y, n, SOFT, **beside) for y, n in zip(places, names, strict=False)]
    return [*found, words(1, places[-1], MEAN, INK, font={"weight": 600}, **beside)]


def _names(view: SweepView) -> list[dict[str, Any]]:
    """What the marked points are, at the points."""
    best, simplest = view.of(view.best), view.of(view.simplest)
    found = []
    if best is not None:
        both = "best and simplest" if simplest is best else "best"
        found.append(_name(view, best, both, above=True))
    if simplest is not None and simplest is not best:
        found.append(_name(view, simplest, "simplest within noise", above=False))
    return found


def _name(view: SweepView, tried: Tried, text: str, above: bool) -> dict[str, Any]:
    share = tried.mean.value
    if view.strip:
        x, y = _percent(tried.mean.high), _row(view, tried)
        return words(x, y, text, ACCENT, xanchor="left", xshift=8, bgcolor=PANEL)
    x, y = _at(view, tried, share)
    end = min(view.axis.values), max(view.axis.values)
    part = (x - float(end[0])) / max(float(end[1]) - float(end[0]), 1e-9)
    side = "left" if part < 0.12 else "right" if part > 0.88 else "center"
    place = {"yanchor": "bottom", "yshift": 9} if above else {"yanchor": "top", "yshift": -11}
    return words(x, y, text, ACCENT, xanchor=side, **place)


def _frame_shapes(view: SweepView) -> list[dict[str, Any]]:
    """Where the own experts are, if that is in sight."""
    low, high = _scores(view)
    if not low < 100 < high:
        return []
    if view.strip:
        return [segment((100, 100), (0, 1), SOFT, yref="paper", layer="below")]
    line = segment((0, 1), (100, 100), SOFT, xref="paper", layer="below")
    side = {"textposition": "start", "yanchor": "bottom", "xanchor": "left"}
    return [labelled(line, "own experts", SOFT, **side)]


def _present(view: SweepView) -> list[dict[str, Any]]:
    """The value that the controls hold."""
    if view.strip:
        if view.present not in view.axis.values:
            return []
        y = len(view.axis.values) - 1 - view.axis.values.index(view.present)
        row = {
            "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": y - 0.45, "y1": y + 0.45,
            "fillcolor": TINT, "line": {"width": 0}, "layer": "below",
        }  # fmt: skip
        return [labelled(row, "yours", ACCENT, textposition="middle left", padding=6)]
    if view.present is None:
        return []
    x, values = float(view.present), [float(v) for v in view.axis.values]
    if not min(values) <= x <= max(values):
        return []
    line = segment((x, x), (0, 1), ACCENT, yref="paper", dash="dot", width=1.5)
    side = "left" if x < (min(values) + max(values)) / 2 else "right"
    text = f"yours: {view.axis.text(view.present)}"
    return [labelled(line, text, ACCENT, textposition="start", xanchor=side, yanchor="bottom")]


def _key(view: SweepView) -> str:
    """How to read the marks, in words, and whose points they are."""
    names = ", ".join(_task_name(view, task) for task in _tasks(view))
    key = "● mean of all tasks, its bar the 95 % interval"
    if not view.strip:
        key = "Thick line: mean of all tasks, its band the 95 % interval. Thin lines: single tasks"
        key += f" ({names})"
    if view.best:
        key += " · ◆ best"
    if view.simplest and view.simplest != view.best:
        key += " · ■ simplest within noise"
    if view.reported is not None:
        key += " · ◇ the best on images that were not looked at while choosing"
    key += ". Click a point to take its settings."
    if view.stale:
        key += f" Drawn pale: these points belong to other settings than yours ({view.settings})."
    return key


def _table(view: SweepView) -> dict[str, Any]:
    tasks = _tasks(view)
    columns = [
        view.axis.label, "Mean, % of own", "95 % interval",
        *(f"{view.tasks[task][1]}, % of own" for task in tasks), "Mark",
    ]  # fmt: skip
    return {"columns": columns, "rows": [_table_row(view, t, tasks) for t in view.tried]}


def _table_row(view: SweepView, tried: Tried, tasks: Sequence[str]) -> list[str]:
    marks = [n for n, k in (("best", view.best), ("simplest", view.simplest)) if k == tried.key]
    return [
        tried.words,
        f"{100 * tried.mean.value:.1f}",
        f"{100 * tried.mean.low:.1f} to {100 * tried.mean.high:.1f}",
        *(f"{100 * tried.shares[task].value:.1f}" for task in tasks),
        ", ".join(marks),
    ]
