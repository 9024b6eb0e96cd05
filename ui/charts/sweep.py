"""A sweep as lines over its values, or as a strip of dots where values have no order. Pure."""

from collections.abc import Sequence
from typing import Any

from ui.charts.parts import ACCENT, INK, PANEL, SHADE, TINT, revision, scatter
from ui.charts.sweep_frame import (
    MEAN,
    percent,
    place,
    row,
    shown_tasks,
    sweep_layout,
    sweep_shapes,
    task_name,
)
from ui.views.sweep import SweepView, Tried

INTERVAL = "95 % interval"
CLICK = " Click a point to take its settings."


def sweep_figure(view: SweepView) -> dict[str, Any]:
    """Return a sweep as the value of a plot host.

    A click on a mark has the key of its recipe. The present value is a patch: dragging a slider
    that moves only this draws nothing else.
    """
    data = [*(_strip(view) if view.strip else _lines(view)), *_marks(view)]
    return {
        "data": data,
        "layout": sweep_layout(view, narrow=False),
        "narrow": sweep_layout(view, narrow=True),
        "patch": {"shapes": sweep_shapes(view)},
        "revision": revision(data, view.axis.label),
        "label": f"{view.axis.label}: {len(view.tried)} values tried",
        "sentence": _key(view),
        "table": _table(view),
        "name": f"what if {view.axis.label}",
    }


def _faded(view: SweepView) -> dict[str, Any]:
    return {"opacity": 0.5} if view.stale else {}


def _told(view: SweepView) -> dict[str, Any]:
    """What every trace of points says and sends."""
    return {"customdata": [t.key for t in view.tried], "text": [t.words for t in view.tried]}


def _lines(view: SweepView) -> list[dict[str, Any]]:
    x = [float(t.value) for t in view.tried]
    low = [percent(t.mean.low) for t in view.tried]
    high = [percent(t.mean.high) for t in view.tried]
    band = scatter(
        [*x, *reversed(x)], [*high, *reversed(low)], INTERVAL, mode="lines", hoverinfo="skip",
        fill="toself", fillcolor=TINT, line={"width": 0, "color": TINT}, **_faded(view),
    )  # fmt: skip
    tasks = (_task_line(view, task, x) for task in shown_tasks(view))
    mean = scatter(
        x, [percent(t.mean.value) for t in view.tried], MEAN, mode="lines+markers",
        line={"color": INK, "width": 2.5}, marker={"size": 7, "color": INK}, **_told(view),
        hovertemplate="%{text}: %{y:.1f} % on average<extra></extra>", **_faded(view),
    )  # fmt: skip
    return [band, *tasks, mean]


def _task_line(view: SweepView, task: str, x: list[float]) -> dict[str, Any]:
    return scatter(
        x, [percent(t.shares[task].value) for t in view.tried], task_name(view, task),
        mode="lines", line={"color": SHADE, "width": 1.25}, **_told(view), **_faded(view),
        hovertemplate="%{text}, %{fullData.name}: %{y:.1f} %<extra></extra>",
    )  # fmt: skip


def _strip(view: SweepView) -> list[dict[str, Any]]:
    x: list[float | None] = []
    y: list[float | None] = []
    for tried in view.tried:
        x += [percent(tried.mean.low), percent(tried.mean.high), None]
        y += [row(view, tried), row(view, tried), None]
    whiskers = scatter(
        x, y, INTERVAL, mode="lines", line={"color": INK, "width": 2}, hoverinfo="skip",
        **_faded(view),
    )  # fmt: skip
    dots = scatter(
        [percent(t.mean.value) for t in view.tried], [row(view, t) for t in view.tried], MEAN,
        marker={"size": 11, "color": INK}, **_told(view), **_faded(view),
        hovertemplate="%{text}: %{x:.1f} % on average<extra></extra>",
    )  # fmt: skip
    return [whiskers, dots]


def _marks(view: SweepView) -> list[dict[str, Any]]:
    """The best and the simplest by shape, and the best once more on the reporting half."""
    best, simplest = view.of(view.best), view.of(view.simplest)
    lost = [tried for key in view.lost if (tried := view.of(key)) is not None]
    marks = [_mark(view, tried, tried.mean.value, "rolled back", "x-thin-open") for tried in lost]
    if best is not None and view.reported is not None:
        told = "best, on images not looked at"
        marks.append(_mark(view, best, view.reported.value, told, "diamond-open"))
    if simplest is not None and simplest is not best:
        marks.append(_mark(view, simplest, simplest.mean.value, "simplest within noise", "square"))
    if best is not None:
        marks.append(_mark(view, best, best.mean.value, "best", "diamond"))
    return marks


def _mark(view: SweepView, tried: Tried, share: float, name: str, symbol: str) -> dict[str, Any]:
    x, y = place(view, tried, share)
    border = {"color": ACCENT, "width": 2} if symbol.endswith("open") else {"color": PANEL}
    return scatter(
        [x], [y], name, marker={"symbol": symbol, "size": 14, "color": ACCENT, "line": border},
        customdata=[tried.key], text=[tried.words], **_faded(view),
        hovertemplate=f"%{{text}}, {name}: {percent(share):.1f} %<extra></extra>",
    )  # fmt: skip


def _key(view: SweepView) -> str:
    """How to read the marks, in words, and whose points they are."""
    names = ", ".join(task_name(view, task) for task in shown_tasks(view))
    key = "● mean of all tasks, its bar the 95 % interval"
    if not view.strip:
        key = "Thick line: mean of all tasks, its band the 95 % interval. Thin lines: single tasks"
        key += f" ({names})"
    if view.walk:
        key += " · ◆ where it went back to" + (" · ✕ rolled back" if view.lost else "")
    elif view.best:
        key += " · ◆ best"
    if view.simplest and view.simplest != view.best:
        key += " · ■ simplest within noise"
    if view.reported is not None:
        key += " · ◇ the best on images that were not looked at while choosing"
    if view.allowed is not None:
        key += " · shaded: beyond what the guard on held-out tasks allows"
    key += f".{CLICK}"
    if view.stale:
        key += f" Drawn pale: these points belong to other settings than yours ({view.settings})."
    return key


def _table(view: SweepView) -> dict[str, Any]:
    tasks = shown_tasks(view)
    columns = [
        view.axis.label, "Mean, % of own", INTERVAL,
        *(f"{view.tasks[task][1]}, % of own" for task in tasks), "Mark",
    ]  # fmt: skip
    return {"columns": columns, "rows": [_table_row(view, t, tasks) for t in view.tried]}


def _table_row(view: SweepView, tried: Tried, tasks: Sequence[str]) -> list[str]:
    marks = [n for n, k in (("best", view.best), ("simplest", view.simplest)) if k == tried.key]
    marks += ["rolled back"] * (tried.key in view.lost)
    return [
        tried.words,
        f"{100 * tried.mean.value:.1f}",
        f"{100 * tried.mean.low:.1f} to {100 * tried.mean.high:.1f}",
        *(f"{100 * tried.shares[task].value:.1f}" for task in tasks),
        ", ".join(marks),
    ]
