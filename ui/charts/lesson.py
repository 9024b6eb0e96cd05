"""What a lesson measured: lines with intervals, told apart by dash and mark too. Pure."""

import math
from typing import Any

from merging.evaluation import Estimate
from merging.lessons import Lesson, LessonResult, Line
from ui.charts.parts import (
    ACCENT,
    AXIS,
    INK,
    LINE,
    LINE_PIXELS,
    MINUS,
    SOFT,
    axis_title,
    frame,
    scatter,
    title_lines,
    words,
)
from ui.charts.sweep_frame import percent, spread

HEIGHT, TOP, BOTTOM, RIGHT = 320, 14, 48, 190
LABEL_PIXELS = 15
STYLES = (
    (ACCENT, "solid", "circle", "●"),
    (MINUS, "dash", "square", "■"),
    (INK, "dot", "diamond", "◆"),
    (SOFT, "dashdot", "triangle-up", "▲"),
)
Spots = tuple[tuple[float, Estimate], ...]


def lesson_figure(lesson: Lesson, result: LessonResult) -> dict[str, Any] | None:
    """Return a lesson's chart as the value of a plot host; None before the first point."""
    drawn = [
        (line, result.lines[line.key], STYLES[i % len(STYLES)])
        for i, line in enumerate(lesson.chart.lines)
        if result.lines.get(line.key)
    ]
    if not drawn:
        return None
    names = {line.key: name_of(lesson, line) for line, _, _ in drawn}
    traces = [_trace(names[line.key], spots, style) for line, spots, style in drawn]
    key = "; ".join(f"{style[3]} {names[line.key]}" for line, _, style in drawn)
    limits = _limits([spot for _, spots, _ in drawn for spot in spots])
    places = sorted({x for _, spots, _ in drawn for x, _ in spots})
    ends = [(spots[-1][1].value, names[line.key], style) for line, spots, style in drawn]
    return {
        "data": traces,
        "layout": _layout(lesson, limits, places, _ends(ends, limits)),
        "narrow": _layout(lesson, limits, places, [], narrow=True),
        "patch": {},
        "label": f"{lesson.title}: {lesson.chart.y} by {lesson.chart.x}",
        "sentence": f"{key}. Bars: 95 % interval.",
        "table": _table(lesson, names, [(line, spots) for line, spots, _ in drawn]),
        "name": f"lesson {lesson.number}",
    }


def name_of(lesson: Lesson, line: Line) -> str:
    """Return the word for a line."""
    return line.label or lesson.of_series(line.series).label


def _trace(name: str, spots: Spots, style: tuple[str, str, str, str]) -> dict[str, Any]:
    color, dash, symbol, _ = style
    y = [percent(e.value) for _, e in spots]
    up = [percent(e.high) - at for (_, e), at in zip(spots, y, strict=True)]
    down = [at - percent(e.low) for (_, e), at in zip(spots, y, strict=True)]
    return scatter(
        [x for x, _ in spots], y, name, mode="lines+markers",
        line={"color": color, "width": 2, "dash": dash},
        marker={"color": color, "size": 8, "symbol": symbol},
        error_y={"type": "data", "symmetric": False, "array": up, "arrayminus": down,
                 "color": color, "thickness": 1, "width": 3},
        hovertemplate="%{x}: %{y:.1f} %, %{fullData.name}<extra></extra>",
    )  # fmt: skip


def _limits(spots: list[tuple[float, Estimate]]) -> tuple[float, float]:
    """Ends of the upright axis, in whole tens of per cent around all that is drawn."""
    low = min(100 * e.low for _, e in spots) - 2
    high = max(100 * e.high for _, e in spots) + 2
    return max(0.0, 10.0 * math.floor(low / 10)), 10.0 * math.ceil(high / 10)


def _layout(
    lesson: Lesson,
    limits: tuple[float, float],
    places: list[float],
    ends: list[dict[str, Any]],
    narrow: bool = False,
) -> dict[str, Any]:
    more = LINE_PIXELS * (len(title_lines(lesson.chart.x)) - 1) if narrow else 0
    edge = 0.03 * ((places[-1] - places[0]) or 1.0)
    whole = all(float(x).is_integer() for x in places) and len(places) <= 12
    return frame(
        HEIGHT + more,
        margin={"l": 8, "r": RIGHT if ends else 12, "t": TOP, "b": BOTTOM + more},
        annotations=ends,
        xaxis={
            **AXIS, "range": [places[0] - edge, places[-1] + edge], "showgrid": False,
            "ticks": "outside", "tickcolor": LINE, "tickangle": 0,
            "title": axis_title(lesson.chart.x, narrow), **({"tickvals": places} if whole else {}),
        },
        yaxis={
            **AXIS, "range": list(limits), "ticksuffix": " %", "gridcolor": LINE, "nticks": 7,
            "title": axis_title(lesson.chart.y, narrow),
        },
    )  # fmt: skip


def _ends(
    ends: list[tuple[float, str, tuple[str, str, str, str]]], limits: tuple[float, float]
) -> list[dict[str, Any]]:
    """The name of each line at its right end, apart from the others."""
    gap = LABEL_PIXELS * (limits[1] - limits[0]) / (HEIGHT - TOP - BOTTOM)
    places = spread([100 * value for value, _, _ in ends], gap, limits)
    beside = {"xref": "paper", "xanchor": "left", "xshift": 8, "yanchor": "middle"}
    return [
        words(1, at, f"{style[3]} {name}", style[0], **beside)
        for at, (_, name, style) in zip(places, ends, strict=True)
    ]


def _table(
    lesson: Lesson, names: dict[tuple[str, str], str], drawn: list[tuple[Line, Spots]]
) -> dict[str, Any]:
    rows = [
        [
            names[line.key],
            f"{x:g}",
            f"{100 * e.value:.1f}",
            f"{100 * e.low:.1f} to {100 * e.high:.1f}",
        ]
        for line, spots in drawn
        for x, e in spots
    ]
    columns = ["Line", lesson.chart.x, f"{lesson.chart.y}, %", "95 % interval, %"]
    return {"columns": columns, "rows": rows}


def _interval(estimate: Estimate) -> str:
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
