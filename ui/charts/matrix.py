"""Experts against experts: shaded cells with numbers, letters on both axes. Pure."""

from collections.abc import Sequence
from typing import Any

from ui.charts.parts import AXIS, CLEAR, INK, frame, scatter
from ui.views.experts import ExpertMark

LARGEST, SMALLEST, NARROWEST = 64, 26, 17
SIDE, NARROW_SIDE = 420, 330
GAP = 2
SIZES = ((8, 13), (12, 11), (16, 10))
SMALLEST_TEXT = 9

Grid = Sequence[Sequence[float | None]]


def cells(values: Grid, name: str, scale: list[list[Any]], ends: tuple[float, float]) -> dict:
    """Return shaded cells; None leaves a hole. Row 0 is at the top."""
    return {
        "type": "heatmap", "z": [list(row) for row in values], "name": name, "colorscale": scale,
        "zmin": ends[0], "zmax": ends[1], "showscale": False, "xgap": GAP, "ygap": GAP,
        "hoverinfo": "skip",
    }  # fmt: skip


def numbers(texts: Sequence[Sequence[str]], hover: Sequence[Sequence[str]], name: str) -> dict:
    """Return the words in the cells, with what a pointer sees there."""
    places = [(i, j) for i in range(len(texts)) for j in range(len(texts))]
    return scatter(
        [j for _, j in places],
        [i for i, _ in places],
        name,
        mode="text",
        text=[texts[i][j] for i, j in places],
        textfont={"color": INK, "size": text_size(len(texts))},
        customdata=[hover[i][j] for i, j in places],
        hovertemplate="%{customdata}<extra></extra>",
    )


def text_size(count: int) -> int:
    """Return the size of the numbers that fits cells of so many experts, in pixels."""
    return next((size for most, size in SIZES if count <= most), SMALLEST_TEXT)


def short(value: float, count: int) -> str:
    """Return a number between -1 and 1 with two decimals, without its zero where room is scarce."""
    text = f"{value:.2f}".replace("-0.00", "0.00")
    return (text.replace("0.", ".", 1) if count > 8 else text).replace("-", "−")


def square(experts: Sequence[ExpertMark], narrow: bool, **more: Any) -> dict[str, Any]:
    """Return the layout: square cells, the first expert at the top left."""
    count = len(experts)
    room = NARROW_SIDE if narrow else SIDE
    side = min(LARGEST, max(NARROWEST if narrow else SMALLEST, room // max(count, 1)))
    ends = [-0.5, count - 0.5]
    ticks = {
        **AXIS, "showgrid": False, "tickmode": "array", "tickvals": list(range(count)),
        "ticks": "outside", "ticklen": 4, "tickcolor": CLEAR, "constrain": "domain",
        "tickangle": 0,
    }  # fmt: skip
    letters = [mark.letter for mark in experts]
    return frame(
        36 + side * max(count, 2),
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        xaxis={
            **ticks, "range": ends, "ticktext": letters, "side": "top", "scaleanchor": "y",
            "constraintoward": "left",
        },
        yaxis={
            **ticks, "range": ends[::-1], "constraintoward": "top",
            "ticktext": letters if narrow else [mark.name for mark in experts],
        },
        **more,
    )  # fmt: skip
