"""What a sweep's lines or dots stand in: axes, names at ends, what is marked, the present value."""

import math
from collections.abc import Sequence
from typing import Any

from ui.charts.parts import (
    ACCENT,
    AXIS,
    CLEAR,
    INK,
    LINE,
    SHADE,
    SOFT,
    TINT,
    axis_title,
    frame,
    labelled,
    segment,
    words,
)
from ui.views.sweep import SweepView, Tried

HEIGHT, TOP, BOTTOM = 380, 46, 48
ROW, ROWS_TOP = 40, 12
LABEL_PIXELS = 15
MEAN, SHARE, OWN = "mean", "share of the task's own expert", "own expert"
YOURS = "yours"
GUARD = "beyond the guard"
NEAR_END = 0.3  # share of the width where words begin at their mark instead of around it
Range = tuple[float, float]


def percent(share: float) -> float:
    """Return a share in per cent with two decimals."""
    return round(100 * share, 2)


def row(view: SweepView, tried: Tried) -> float:
    """Return the height of a value's row in a strip: the first one is at the top."""
    return float(len(view.axis.values) - 1 - tried.at)


def place(view: SweepView, tried: Tried, share: float) -> tuple[float, float]:
    """Return where a share of a value stands in the picture."""
    if view.strip:
        return percent(share), row(view, tried)
    return float(tried.value), percent(share)


def shown_tasks(view: SweepView) -> list[str]:
    """Return the tasks that all values were scored on."""
    return [t for t in view.tasks if all(t in tried.shares for tried in view.tried)]


def task_name(view: SweepView, task: str) -> str:
    """Return letter and word of a task."""
    return " ".join(view.tasks[task]).strip()


def spread(levels: Sequence[float], gap: float, limits: Range) -> list[float]:
    """Return levels moved until they stand ``gap`` apart, in their own order.

    Args:
        levels: Any.
        gap: What lies between neighbours at least.
        limits: Ends that none goes beyond; where there is no room for all, the lower one.
    """
    order = sorted(range(len(levels)), key=lambda i: levels[i])
    placed = [levels[i] for i in order]
    for _ in range(4 * len(placed)):
        for low in range(len(placed) - 1):
            lack = gap - (placed[low + 1] - placed[low])
            if lack > 0:
                placed[low] -= lack / 2
                placed[low + 1] += lack / 2
    for i in reversed(range(len(placed))):
        placed[i] = min(placed[i], placed[i + 1] - gap if i + 1 < len(placed) else limits[1])
    for i in range(len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap if i else limits[0])
    found = dict(zip(order, placed, strict=True))
    return [found[i] for i in range(len(levels))]


def sweep_layout(view: SweepView, narrow: bool) -> dict[str, Any]:
    """Return the layout without what moves with a slider.

    Args:
        view: The sweep.
        narrow: Whether names at the lines' ends are letters only.
    """
    low, high = _limits(view)
    scores = {
        **AXIS, "range": [low, high], "ticksuffix": " %", "gridcolor": LINE, "tickangle": 0,
        "nticks": 5 if narrow and view.strip else 8, "title": axis_title(SHARE),
    }  # fmt: skip
    if view.strip:
        return _strip_layout(view, scores)
    values = _values(view)
    edge = 0.02 * (values[-1] - values[0])
    whole = all(isinstance(v, int) for v in view.axis.values) and len(values) <= 12
    return frame(
        HEIGHT,
        margin={"l": 8, "r": 46 if narrow else 118, "t": TOP, "b": BOTTOM},
        annotations=[*_ends(view, (low, high), narrow), *_line_names(view)],
        xaxis={
            **AXIS, "range": [values[0] - edge, values[-1] + edge], "showgrid": False,
            "ticks": "outside", "tickcolor": LINE, "tickangle": 0,
            "title": axis_title(view.axis.label), **({"tickvals": values} if whole else {}),
        },
        yaxis=scores,
    )  # fmt: skip


def sweep_shapes(view: SweepView) -> list[dict[str, Any]]:
    """Return the lines that stand or move behind the marks: own expert, best, present value."""
    if view.strip:
        return [*_own_expert(view), *_present_row(view)]
    leaders = [
        segment((float(t.value), float(t.value)), (percent(t.mean.value), _limits(view)[1]), ACCENT)
        for t in _marked(view)
    ]
    return [*_own_expert(view), *_forbidden(view), *leaders, *_present_line(view)]


def _values(view: SweepView) -> list[float]:
    return sorted(float(v) for v in view.axis.values)


def _marked(view: SweepView) -> list[Tried]:
    """The best and the simplest, once where they are the same."""
    found = (view.of(key) for key in dict.fromkeys((view.best, view.simplest)))
    return [tried for tried in found if tried is not None]


def _limits(view: SweepView) -> Range:
    """Ends of the axis of scores, in whole tens of per cent around all that is drawn."""
    found = [end for t in view.tried for end in (t.mean.low, t.mean.high)]
    if not view.strip:
        found += [t.shares[task].value for t in view.tried for task in shown_tasks(view)]
    if view.reported is not None:
        found.append(view.reported.value)
    low, high = 100 * min(found, default=0.0) - 3, 100 * max(found, default=1.0) + 3
    return max(0.0, 10.0 * math.floor(low / 10)), 10.0 * math.ceil(high / 10)


def _strip_layout(view: SweepView, scores: dict[str, Any]) -> dict[str, Any]:
    count = len(view.axis.values)
    names = [view.axis.text(value) for value in reversed(view.axis.values)]
    return frame(
        ROWS_TOP + BOTTOM + ROW * count,
        margin={"l": 8, "r": 50, "t": ROWS_TOP, "b": BOTTOM},
        annotations=_strip_names(view),
        xaxis=scores,
        yaxis={
            **AXIS, "range": [-0.55, count - 0.4], "tickmode": "array", "showgrid": False,
            "tickvals": list(range(count)), "ticktext": names,
        },
    )  # fmt: skip


def _ends(view: SweepView, limits: Range, narrow: bool) -> list[dict[str, Any]]:
    """The name of every line at its right end."""
    if len(view.tried) < 2:  # no lines yet
        return []
    last, tasks = view.tried[-1], shown_tasks(view)
    names = [view.tasks[t][0] if narrow else task_name(view, t) for t in tasks]
    ends = [(percent(last.shares[t].value), n) for t, n in zip(tasks, names, strict=True)]
    if limits[0] < 100 < limits[1]:
        ends.append((100.0, "own" if narrow else OWN))
    ends.append((percent(last.mean.value), MEAN))
    gap = LABEL_PIXELS * (limits[1] - limits[0]) / (HEIGHT - TOP - BOTTOM)
    room = (limits[0] + gap / 4, limits[1])
    places = spread([level for level, _ in ends], gap, room)
    beside = {"xref": "paper", "xanchor": "left", "xshift": 6, "yanchor": "middle"}
    return [
        words(1, y, name, INK if name == MEAN else SOFT, **beside)
        for y, (_, name) in zip(places, ends, strict=True)
    ]


def _line_names(view: SweepView) -> list[dict[str, Any]]:
    """What the marked points are, above the picture, at the ends of their leaders."""
    found = []
    for line, tried in enumerate(_marked(view)):
        x, values = float(tried.value), _values(view)
        side = _side((x - values[0]) / max(values[-1] - values[0], 1e-9))
        above = {"yref": "paper", "yanchor": "bottom", "yshift": 4 + LABEL_PIXELS * line}
        text = f"{_mark_name(view, tried)}: {tried.words}"
        found.append(words(x, 1, text, ACCENT, xanchor=side, **above))
    return found


def _strip_names(view: SweepView) -> list[dict[str, Any]]:
    low, high = _limits(view)
    found = []
    for tried in _marked(view):
        x, y = place(view, tried, tried.mean.value)
        side = _side((x - low) / (high - low))
        above = {"yanchor": "bottom", "yshift": 6, "xanchor": side}
        found.append(words(x, y, _mark_name(view, tried), ACCENT, **above))
    return found


def _mark_name(view: SweepView, tried: Tried) -> str:
    if view.walk:
        return "back to"
    if view.best == view.simplest:
        return "best and simplest"
    return "best" if tried.key == view.best else "simplest within noise"


def _side(part: float) -> str:
    """Where words are anchored, so that they stay inside the picture."""
    return "left" if part < NEAR_END else "right" if part > 1 - NEAR_END else "center"


def _own_expert(view: SweepView) -> list[dict[str, Any]]:
    low, high = _limits(view)
    if not low < 100 < high:
        return []
    if view.strip:
        return [segment((100, 100), (0, 1), SOFT, yref="paper", layer="below")]
    return [segment((0, 1), (100, 100), SOFT, xref="paper", layer="below")]


def _forbidden(view: SweepView) -> list[dict[str, Any]]:
    """What lies beyond the guard's last value is shaded."""
    values = _values(view)
    if view.allowed is None or view.allowed >= values[-1]:
        return []
    band = {
        "type": "rect", "yref": "paper", "x0": view.allowed, "x1": values[-1], "y0": 0, "y1": 1,
        "fillcolor": SHADE, "opacity": 0.25, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    edge = segment((view.allowed, view.allowed), (0, 1), SOFT, yref="paper", layer="below")
    return [band, labelled(edge, GUARD, SOFT, textposition="end", xanchor="left", yanchor="top")]


def _present_row(view: SweepView) -> list[dict[str, Any]]:
    if view.present not in view.axis.values:
        return []
    y = len(view.axis.values) - 1 - view.axis.values.index(view.present)
    band = {
        "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": y - 0.45, "y1": y + 0.45,
        "fillcolor": TINT, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    end = segment((1, 1), (y - 0.01, y + 0.01), CLEAR, xref="paper")
    return [band, labelled(end, YOURS, ACCENT, xanchor="left", yanchor="middle", padding=6)]


def _present_line(view: SweepView) -> list[dict[str, Any]]:
    if view.present is None:
        return []
    x, values = float(view.present), _values(view)
    if not values[0] <= x <= values[-1]:
        return []
    line = segment((x, x), (0, 1), ACCENT, yref="paper", dash="dot", width=1.5)
    side = "left" if x < (values[0] + values[-1]) / 2 else "right"
    text = f"{YOURS}: {view.axis.text(view.present)}"
    return [labelled(line, text, ACCENT, textposition="start", xanchor=side, yanchor="bottom")]
