"""Scores to a dot plot: position on one axis, the pinned run as a ghost. Pure."""

from typing import Any

from merging.evaluation import Estimate
from ui.views.models import ScoreRow, ScoresView

INK, SOFT, LINE, ACCENT = "var(--me-ink)", "var(--me-soft)", "var(--me-line)", "var(--me-accent)"
PLAIN = {"fixedrange": True, "zeroline": False, "automargin": True}
ROW_HEIGHT = 42


def scores_figure(view: ScoresView) -> dict[str, Any]:
    """Return the dot plot of a run as the value of a plot host.

    One row per task and one for the mean, x is the share of the task's own expert in per cent:
    solid dot the merge with its 95 % interval, hollow ring the pinned run, tick the base.
    """
    rows = [*view.rows, view.mean]
    places = [*range(len(view.rows), 0, -1), -0.4]
    data = [_pinned_lines(rows, places), _whiskers(rows, places), _base(rows, places)]
    data += [_ghosts(rows, places, view), _dots(rows, places, view)]
    return {
        "data": [trace for trace in data if trace is not None],
        "layout": _layout(rows, places, view),
        "label": view.sentence,
        "sentence": _caption(view),
        "table": _table(rows),
    }


def _percent(value: float) -> float:
    return round(100 * value, 2)


def _name(row: ScoreRow) -> str:
    letter = f"{row.letter}  " if row.letter else ""
    return f"{letter}{row.label}" + ("" if row.held_in else " (held out)")


def _scatter(x: list[Any], y: list[Any], name: str, **more: Any) -> dict[str, Any]:
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, **more}


def _dots(rows: list[ScoreRow], places: list[float], view: ScoresView) -> dict[str, Any]:
    shown = [(r, p) for r, p in zip(rows, places, strict=True) if r.merged]
    marker = {
        "size": 13,
        "color": "var(--me-panel)" if view.stale else INK,
        "line": {"color": SOFT if view.stale else INK, "width": 1.5},
    }
    return _scatter(
        [_percent(r.merged.value) for r, _ in shown if r.merged],
        [p for _, p in shown],
        "merged",
        marker=marker,
        opacity=0.55 if view.stale else 1,
        hovertemplate="%{x:.1f} % of its expert<extra>merged</extra>",
    )


def _whiskers(rows: list[ScoreRow], places: list[float]) -> dict[str, Any]:
    x: list[float | None] = []
    y: list[float | None] = []
    for row, place in zip(rows, places, strict=True):
        if row.merged:
            x += [_percent(row.merged.low), _percent(row.merged.high), None]
            y += [place, place, None]
    return _scatter(
        x, y, "95 % interval", mode="lines", line={"color": INK, "width": 2}, hoverinfo="skip"
    )


def _base(rows: list[ScoreRow], places: list[float]) -> dict[str, Any]:
    marker = {"symbol": "line-ns", "size": 16, "line": {"color": ACCENT, "width": 3}}
    return _scatter(
        [_percent(r.base.value) for r in rows],
        list(places),
        "base",
        marker=marker,
        hovertemplate="%{x:.1f} % of its expert<extra>untouched base</extra>",
    )


def _ghosts(rows: list[ScoreRow], places: list[float], view: ScoresView) -> dict[str, Any] | None:
    shown = [(r.pinned, p) for r, p in zip(rows, places, strict=True) if r.pinned]
    if not shown:
        return None
    return _scatter(
        [_percent(pinned.value) for pinned, _ in shown],
        [p for _, p in shown],
        f"pinned: {view.pinned_name}",
        marker={"symbol": "circle-open", "size": 14, "color": SOFT, "line": {"width": 2}},
        hovertemplate="%{x:.1f} % of its expert<extra>pinned</extra>",
    )


def _pinned_lines(rows: list[ScoreRow], places: list[float]) -> dict[str, Any] | None:
    x: list[float | None] = []
    y: list[float | None] = []
    for row, place in zip(rows, places, strict=True):
        if row.pinned and row.merged:
            x += [_percent(row.pinned.value), _percent(row.merged.value), None]
            y += [place, place, None]
    if not x:
        return None
    return _scatter(
        x, y, "change", mode="lines", hoverinfo="skip",
        line={"color": SOFT, "width": 1, "dash": "dot"},
    )  # fmt: skip


def _layout(rows: list[ScoreRow], places: list[float], view: ScoresView) -> dict[str, Any]:
    return {
        "height": 90 + ROW_HEIGHT * len(rows),
        "margin": {"l": 8, "r": 16, "t": 26, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "font": {"family": "var(--me-font)", "size": 13, "color": INK},
        "hovermode": "closest",
        "xaxis": {
            **PLAIN,
            "range": [0, 112],
            "ticksuffix": " %",
            "gridcolor": LINE,
            "title": {"text": "of the task's own expert", "font": {"color": SOFT, "size": 12}},
        },
        "yaxis": {
            **PLAIN,
            "range": [-1.1, len(view.rows) + 0.7],
            "tickmode": "array",
            "tickvals": places,
            "ticktext": [_name(row) for row in rows],
            "showgrid": False,
        },
        "shapes": [
            _line(100, INK, "solid", view),
            {
                "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.3, "y1": 0.3,
                "line": {"color": LINE, "width": 1},
            },
        ],
        "annotations": [_note(100, "own expert", INK, view)],
    }  # fmt: skip


def _line(x: float, color: str, dash: str, view: ScoresView) -> dict[str, Any]:
    return {
        "type": "line", "x0": x, "x1": x, "y0": -1.1, "y1": len(view.rows) + 0.7,
        "line": {"color": color, "width": 1, "dash": dash}, "layer": "below",
    }  # fmt: skip


def _note(x: float, text: str, color: str, view: ScoresView) -> dict[str, Any]:
    return {
        "x": x, "y": len(view.rows) + 0.7, "text": text, "showarrow": False, "yanchor": "bottom",
        "font": {"color": color, "size": 12},
    }  # fmt: skip


def _caption(view: ScoresView) -> str:
    ghost = f" Ring: pinned ({view.pinned_name})." if view.pinned_name else ""
    stale = " Drawn hollow: these scores are of other settings than yours." if view.stale else ""
    return (
        "Dot: the merged model, bar its 95 % interval. Upright tick: the untouched base."
        f"{ghost}{stale}"
    )


def _table(rows: list[ScoreRow]) -> dict[str, Any]:
    columns = [
        "Task", "Own expert", "Base, % of own", "Merged accuracy", "Merged, % of own",
        "95 % interval", "Pinned, % of own", "Difference, points",
    ]  # fmt: skip
    return {"columns": columns, "rows": [_table_row(row) for row in rows]}


def _table_row(row: ScoreRow) -> list[str]:
    gap = row.merged.value - row.pinned.value if row.merged and row.pinned else None
    return [
        _name(row),
        _text(row.own),
        _text(row.base),
        _text(row.raw),
        _text(row.merged),
        f"{_percent(row.merged.low):.1f} to {_percent(row.merged.high):.1f}" if row.merged else "",
        _text(row.pinned),
        "" if gap is None else f"{100 * gap:+.1f}",
    ]


def _text(value: Estimate | None) -> str:
    return "" if value is None else f"{_percent(value.value):.1f}"
