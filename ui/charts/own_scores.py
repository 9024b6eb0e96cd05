"""Own data's scores as dots with intervals, changed outputs as lines over layers. Pure."""

from typing import Any

from merging.evaluation import Estimate
from ui.charts.local import STYLES
from ui.charts.parts import ACCENT, AXIS, INK, LINE, axis_title, frame, revision, scatter
from ui.charts.tables import plain_table
from ui.views.own_scores import CHANGE_COLUMNS, ChangeView, OwnScoresView, gap_shown, shown

ROW, MARGINS, CHANGE_HEIGHT = 34, 62, 280
LONGEST = 24


def own_scores_figure(view: OwnScoresView) -> dict[str, Any]:
    """Return scores as the value of a plot host: one row a model, the merge filled."""
    drawn = [row for row in view.rows if row.values and row.values[0] is not None]
    places = list(range(len(drawn), 0, -1))
    data = [
        _dot(row.name, row.values[0], place, view.percent, row.role == "merged")
        for row, place in zip(drawn, places, strict=True)
    ]
    layout = frame(
        MARGINS + ROW * max(2, len(drawn)),
        margin={"l": 8, "r": 16, "t": 10, "b": 48},
        xaxis={
            **AXIS, "gridcolor": LINE, "ticksuffix": " %" if view.percent else "", "nticks": 6,
            "tickangle": 0,
            "title": axis_title(view.measures[0] + ("" if view.percent else ", lower is better")),
        },
        yaxis={
            **AXIS, "range": [0.4, len(drawn) + 0.6], "showgrid": False, "tickvals": places,
            "ticktext": [_short(row.name) for row in drawn],
        },
    )  # fmt: skip
    return {
        "data": data,
        "layout": layout,
        "revision": revision(data, layout),
        "label": f"{view.measures[0]} of {len(drawn)} models on own data",
        "sentence": "● the merge, ○ other models. Bars: 95 % interval.",
        "table": own_scores_numbers(view),
        "name": "own scores",
    }


def own_scores_table(view: OwnScoresView) -> dict[str, Any]:
    """Return scores as the value of a ``PlainTable``."""
    numbers = own_scores_numbers(view)
    words = [0, 1, len(numbers["columns"]) - 1]
    return plain_table(
        "Scores on own data", view.sentence, numbers["columns"], numbers["rows"], "own-scores",
        words,
    )  # fmt: skip


def own_scores_numbers(view: OwnScoresView) -> dict[str, Any]:
    """Return columns and rows of all models, with what could not be scored."""
    columns = ["Model", "Role", *(f"{word} (95 %)" for word in view.measures)]
    rows = []
    for row in view.rows:
        percents = [view.percent, *[False] * (len(view.measures) - 1)]
        cells = [
            "" if value is None else shown(value, percent)
            for value, percent in zip(row.values, percents, strict=True)
        ]
        gap = "" if row.gap is None else gap_shown(row.gap, view.percent)
        rows.append([row.name, row.role, *cells, gap, row.problem or row.verdict])
    return {"columns": [*columns, "Merge minus it (95 %)", "The merge is"], "rows": rows}


def change_figure(view: ChangeView) -> dict[str, Any]:
    """Return similarity over layers as the value of a plot host: one line a model."""
    data = []
    for place, (name, alike) in enumerate(view.lines):
        color, dash, symbol, _ = STYLES[place % len(STYLES)]
        data.append(
            scatter(
                list(range(len(alike))), list(alike), name, mode="lines+markers",
                line={"color": color, "width": 2, "dash": dash},
                marker={"color": color, "size": 7, "symbol": symbol},
                hovertemplate="%{x}: CKA %{y:.3f}, %{fullData.name}<extra></extra>",
            )
        )  # fmt: skip
    layout = _change_layout(view)
    key = "; ".join(
        f"{STYLES[i % len(STYLES)][3]} {name}" for i, (name, _) in enumerate(view.lines)
    )
    return {
        "data": data,
        "layout": layout,
        "revision": revision(data, layout),
        "label": "Similarity of hidden states to the merge's, by layer",
        "sentence": f"{key}. 1: the layer tells the same up to rotation and scale.",
        "table": {"columns": list(CHANGE_COLUMNS), "rows": [list(row) for row in view.rows]},
        "name": "changed outputs",
    }


def _change_layout(view: ChangeView) -> dict[str, Any]:
    height = max((len(alike) for _, alike in view.lines), default=1)
    low = min((value for _, alike in view.lines for value in alike), default=0.0)
    step = -(-height // 12)
    places = list(range(0, height, step))
    return frame(
        CHANGE_HEIGHT,
        margin={"l": 8, "r": 12, "t": 10, "b": 48},
        xaxis={
            **AXIS, "range": [-0.5, height - 0.5], "showgrid": False, "ticks": "outside",
            "tickcolor": LINE, "tickangle": 0, "tickmode": "array", "tickvals": places,
            "ticktext": ["emb." if at == 0 else str(at - 1) for at in places],
            "title": axis_title("hidden states behind layer"),
        },
        yaxis={
            **AXIS, "range": [min(low - 0.05, 0.9), 1.02], "gridcolor": LINE, "nticks": 5,
            "title": axis_title("similarity to the merge (CKA)"),
        },
    )  # fmt: skip


def change_table(view: ChangeView) -> dict[str, Any]:
    """Return changes of outputs as the value of a ``PlainTable``."""
    return plain_table(
        "Changed outputs", view.sentence, CHANGE_COLUMNS, view.rows, "changed-outputs", (0, 1)
    )


def _dot(
    name: str, value: Estimate | None, place: int, percent: bool, merged: bool
) -> dict[str, Any]:
    assert value is not None
    scale = 100 if percent else 1
    unit = " %" if percent else ""
    color = ACCENT if merged else INK
    return scatter(
        [scale * value.value], [place], name,
        marker={"size": 11, "color": color, "symbol": "circle" if merged else "circle-open",
                "line": {"color": color, "width": 2}},
        error_x={"type": "data", "symmetric": False, "array": [scale * (value.high - value.value)],
                 "arrayminus": [scale * (value.value - value.low)], "color": color,
                 "thickness": 1.5, "width": 4},
        hovertemplate=f"%{{fullData.name}}: %{{x:.4~g}}{unit}<extra></extra>",
    )  # fmt: skip


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"…{name[-LONGEST + 1 :]}"
