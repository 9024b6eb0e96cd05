"""What the charts share: colours by name, axes and marks as plain plotly dicts. Pure."""

from typing import Any

INK, SOFT, LINE = "var(--me-ink)", "var(--me-soft)", "var(--me-line)"
ACCENT, PANEL, TINT = "var(--me-accent)", "var(--me-panel)", "var(--me-tint)"
FONT = "var(--me-font)"
CLEAR = "rgba(0,0,0,0)"
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


def axis_title(text: str) -> dict[str, Any]:
    """Return a quiet axis title."""
    return {"text": text, "font": {"color": SOFT, "size": 12}}


def segment(x: tuple[float, float], y: tuple[float, float], color: str, **more: Any) -> dict:
    """Return a straight line as a shape; ``dash`` and ``width`` style it."""
    line = {"color": color, "width": more.pop("width", 1), "dash": more.pop("dash", "solid")}
    return {"type": "line", "x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1], "line": line, **more}


def words(x: float, y: float, text: str, color: str = INK, **more: Any) -> dict[str, Any]:
    """Return words at a place, without an arrow."""
    font = {"color": color, "size": 12, **more.pop("font", {})}
    return {"x": x, "y": y, "text": text, "showarrow": False, "font": font, **more}
