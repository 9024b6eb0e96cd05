"""What the charts share: colours by name, axes and marks as plain plotly dicts. Pure."""

import json
import textwrap
from typing import Any
from zlib import crc32

INK, SOFT, LINE = "var(--me-ink)", "var(--me-soft)", "var(--me-line)"
ACCENT, PANEL, TINT = "var(--me-accent)", "var(--me-panel)", "var(--me-tint)"
PLUS, MINUS = "var(--me-plus)", "var(--me-minus)"
PLUS_WASH, MINUS_WASH = "var(--me-plus-wash)", "var(--me-minus-wash)"
SHADE, EDGE = "var(--me-shade)", "var(--me-edge)"
FONT = "var(--me-font)"
CLEAR = "rgba(0,0,0,0)"
LINE_PIXELS = 16  # of a further line of an axis title
PHONE_LETTERS = 42  # of an axis title that a screen of 390 pixels shows in one line
AXIS: dict[str, Any] = {"fixedrange": True, "zeroline": False, "automargin": True}


def scatter(x: list[Any], y: list[Any], name: str, **more: Any) -> dict[str, Any]:
    """Return a scatter trace; markers unless ``mode`` says otherwise."""
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, "name": name, **more}


def frame(height: int, **more: Any) -> dict[str, Any]:
    """Return a layout on clear ground, without legend, template or title."""
    return {
        "height": height,
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": PANEL, "bordercolor": LINE, "align": "left",
            "font": {"color": INK, "family": FONT},
        },
        "font": {"family": FONT, "size": 13, "color": INK},
        **more,
    }  # fmt: skip


def axis_title(text: str, narrow: bool = False) -> dict[str, Any]:
    """Return a quiet axis title; on a narrow screen in as many lines as it needs."""
    lines = title_lines(text) if narrow else [text]
    return {"text": "\n".join(lines), "font": {"color": SOFT, "size": 12}}


def title_lines(text: str) -> list[str]:
    """Return an axis title in lines that a phone shows whole."""
    return textwrap.wrap(text, PHONE_LETTERS) or [""]


def segment(x: tuple[float, float], y: tuple[float, float], color: str, **more: Any) -> dict:
    """Return a straight line as a shape; ``dash`` and ``width`` style it."""
    line = {"color": color, "width": more.pop("width", 1), "dash": more.pop("dash", "solid")}
    return {"type": "line", "x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1], "line": line, **more}


def labelled(shape: dict[str, Any], text: str, color: str = INK, **more: Any) -> dict[str, Any]:
    """Return a shape with words that move with it.

    Shapes are moved in place; for annotations plotly lays the whole figure out, 20 ms.
    """
    font = {"color": color, "size": 12}
    return {**shape, "label": {"text": text, "font": font, "textangle": 0, **more}}


def words(x: float, y: float, text: str, color: str = INK, **more: Any) -> dict[str, Any]:
    """Return words at a place, without an arrow."""
    font = {"color": color, "size": 12, **more.pop("font", {})}
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": font, **more}


def bars(x: list[float | None], y: list[float], name: str, **more: Any) -> dict[str, Any]:
    """Return a trace of level bars."""
    return {"type": "bar", "orientation": "h", "x": x, "y": y, "name": name, **more}


def words_only(sentence: str, name: str) -> dict[str, Any]:
    """Return a plot host's value without a picture: where there is nothing to draw but to say."""
    table: dict[str, Any] = {"columns": [], "rows": []}
    return {"data": [], "layout": None, "sentence": sentence, "label": sentence,
            "table": table, "name": name}  # fmt: skip


def revision(*things: Any) -> int:
    """Return a number that changes with what JSON can hold of these things."""
    return crc32(json.dumps(things, default=str).encode())


def restyles(data: list[dict[str, Any]], *names: str, first: int = 0) -> list[dict[str, Any]]:
    """Return what a slider moves of a figure's traces, as the plot host's ``restyle``.

    Args:
        data: The traces, of which the first stands at place ``first`` in the figure.
        names: Their properties that move; a trace that lacks all of them is left out.
    """
    found = [
        (place, {name: trace[name] for name in names if name in trace})
        for place, trace in enumerate(data, first)
    ]
    return [{"trace": place, "update": update} for place, update in found if update]


def moving(figure: dict[str, Any]) -> dict[str, Any]:
    """Return a plot host's value without what stays while a slider is dragged."""
    return {k: v for k, v in figure.items() if k not in ("data", "layout", "narrow")}
