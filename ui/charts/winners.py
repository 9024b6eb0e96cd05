"""Who won by layer: one full bar for each, in inks and patterns; flips beside it. Pure."""

from typing import Any

from ui.charts.layers import chart_height, layer_axis, row_height
from ui.charts.parts import (
    AXIS,
    EDGE,
    INK,
    LINE,
    PANEL,
    SHADE,
    SOFT,
    TINT,
    axis_title,
    bars,
    frame,
    restyles,
    revision,
    scatter,
    words,
    words_only,
)
from ui.views.shares import interval
from ui.views.winners import WinnerRow, WinnersView

# Grounds and hatchings that stay apart in print and in both themes.
FILLS = (
    (SHADE, ""), (PANEL, "/"), (LINE, ""), (PANEL, "."), (SHADE, "\\"), (PANEL, "-"), (LINE, "x"),
    (PANEL, ""), (SHADE, "|"), (TINT, "+"),
)  # fmt: skip
LEAST_FOR_LETTER = 0.04
LETTER_HEIGHT, LETTER_EVERY = 16, 4
BARS_END, FLIPS_BEGIN = 0.74, 0.84
SCALES = (5, 25, 100)  # few: a new scale costs a dragged slider a layout


def winners_figure(view: WinnersView) -> dict[str, Any]:
    """Return who won as the value of a plot host.

    Row i is layer i, the input at the bottom; each bar adds up to all that is contested there. A
    layer where too few weights are contested says so instead. A slider moves it live. With one
    expert, or where only a merge tells, there is only a sentence.
    """
    if len(view.experts) < 2:
        return words_only(view.sentence, "winners")
    data = [_segment(view, place) for place in range(len(view.experts))]
    data += [_flips(view)] if view.pinned else []
    columns, rows = _table(view)
    return {
        "data": data,
        "layout": _layout(view),
        "patch": _moved(view),
        "restyle": restyles(data, "x", "text", "customdata"),
        "revision": revision(
            [row.row for row in view.rows], [mark.name for mark in view.experts], view.pinned
        ),
        "label": view.sentence,
        "sentence": _key(view),
        "table": {"columns": columns, "rows": rows},
        "name": "winners",
    }


def _segment(view: WinnersView, place: int) -> dict[str, Any]:
    mark = view.experts[place]
    ground, hatch = FILLS[place % len(FILLS)]
    won = [row.won[place] if row.won else None for row in view.rows]
    height = row_height(len(view.rows))
    step = LETTER_EVERY if height < LETTER_HEIGHT else 1
    return bars(
        [None if w is None else round(100 * w.value, 2) for w in won],
        list(range(len(view.rows))),
        mark.name,
        width=0.8,
        text=[
            mark.letter if w and w.value >= LEAST_FOR_LETTER and row % step == 0 else ""
            for row, w in enumerate(won)
        ],
        textposition="inside", insidetextanchor="middle", textangle=0, constraintext="none",
        textfont={"color": INK, "size": min(12, height - 6) if step == 1 else 10, "weight": 650},
        marker={
            "color": ground, "line": {"color": EDGE, "width": 1},
            "pattern": {
                "shape": hatch, "bgcolor": ground, "fgcolor": EDGE, "size": 7,
                "solidity": 0.08 if hatch == "." else 0.14,
            },
        },
        customdata=[interval(w) for w in won],
        hovertemplate="%{fullData.name} wins %{x:.1f} % (%{customdata})<extra></extra>",
    )  # fmt: skip


def _flips(view: WinnersView) -> dict[str, Any]:
    return scatter(
        [None if r.flips is None else round(100 * r.flips.value, 3) for r in view.rows],
        list(range(len(view.rows))),
        f"flips against {view.pinned}",
        mode="lines+markers",
        xaxis="x2",
        line={"color": SOFT, "width": 1},
        marker={"size": 8, "color": PANEL, "line": {"color": INK, "width": 1.5}},
        customdata=[interval(r.flips) for r in view.rows],
        hovertemplate="%{x:.2f} % flip (%{customdata})<extra></extra>",
    )


def _layout(view: WinnersView) -> dict[str, Any]:
    return frame(
        chart_height(len(view.rows), 56),
        margin={"l": 8, "r": 24, "t": 8, "b": 48},
        barmode="stack",
        xaxis={
            **AXIS, "range": [0, 100], "domain": [0, BARS_END if view.pinned else 1],
            "tickvals": [0, 50, 100], "ticktext": ["0", "50 %", "100 %"], "showgrid": False,
            "tickangle": 0, "title": axis_title("share of what is contested"),
        },
        yaxis=layer_axis([row.row for row in view.rows]),
    )  # fmt: skip


def _moved(view: WinnersView) -> dict[str, Any]:
    """What a slider moves beside the marks: words, and the scale of flips by steps."""
    if not view.pinned:
        return {"annotations": _notes(view)}
    most = max((100 * row.flips.value for row in view.rows if row.flips), default=0.0)
    end = next(step for step in SCALES if most <= 0.97 * step or step == SCALES[-1])
    axis = {
        **AXIS, "domain": [FLIPS_BEGIN, 1], "range": [-0.04 * end, 1.04 * end],
        "gridcolor": LINE, "tickvals": [0, end], "ticktext": ["0", f"{end} %"],
        "tickangle": 0, "title": axis_title("flips"),
    }  # fmt: skip
    return {"annotations": _notes(view), "xaxis2": axis}


def _notes(view: WinnersView) -> list[dict[str, Any]]:
    """Words in place of bars."""
    return [
        words(0, y, "too few weights are contested", SOFT, xanchor="left", yanchor="middle")
        for y, row in enumerate(view.rows)
        if row.won is None
    ]


def _key(view: WinnersView) -> str:
    who = ", ".join(mark.name for mark in view.experts)
    key = f"{view.sentence} Each bar is all pull that goes against another's; letters: {who}."
    if view.pinned:
        key += f" Rings: weights that change in another direction than under {view.pinned}."
    return key


def _table(view: WinnersView) -> tuple[list[str], list[list[str]]]:
    own = [t for m in view.experts for t in (f"{m.name} wins, %", f"{m.letter}, 95 % interval")]
    flips = [f"Flips against {view.pinned}, %", "Flips, 95 % interval"] if view.pinned else []
    counted = ["Weights counted"]
    return ["Layer", *own, *counted, *flips], [_cells(row, view) for row in reversed(view.rows)]


def _cells(row: WinnerRow, view: WinnersView) -> list[str]:
    if row.won is None:
        own = ["too few", ""] * len(view.experts) + [""]
    else:
        own = [t for w in row.won for t in (f"{100 * w.value:.1f}", interval(w))]
        own.append(f"{min((w.basis for w in row.won), default=0):,}")
    told = "" if row.flips is None else f"{100 * row.flips.value:.2f}"
    return [row.row, *own, *([told, interval(row.flips)] if view.pinned else [])]
