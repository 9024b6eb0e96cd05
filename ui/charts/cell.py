"""An opened cell: its five parts as one bar, its curves, its twelve weights as a table. Pure."""

from typing import Any

from merging.sketch.answers import TracedWeight
from ui.charts.magnitudes import magnitudes_figure
from ui.charts.parts import (
    AXIS,
    EDGE,
    INK,
    LINE,
    MINUS,
    PANEL,
    PLUS,
    SOFT,
    bars,
    frame,
    labelled,
    restyles,
    revision,
    segment,
)
from ui.views.cell import CellPart, CellView
from ui.views.experts import ExpertMark
from ui.views.shares import interval, significant

COLOURS = {1: PLUS, -1: MINUS, 0: EDGE}
SIGNS = {
    1: ("+", "plus"),
    -1: ("−", "minus"),
    0: ("0", "zero, no majority"),
    None: ("–", "no election"),
}
BAR, FIRST_LINE, LINE_STEP = 0.5, -0.75, 1.0
COLUMNS = ["Part", "Share of the weights, %", "95 % interval, %", "Weights counted"]


def cell_figure(view: CellView) -> dict[str, Any] | None:
    """Return the five parts of a cell as the value of a plot host.

    One level bar; colour is the sign that wins, hatching says that signs clashed. A slider moves
    it live. None where only a merge can tell.
    """
    if view.parts is None:
        return None
    data = [_bar(part) for part in view.parts]
    return {
        "data": data,
        "layout": _layout(),
        "patch": _labels(view.parts),
        "restyle": restyles(data, "x", "customdata"),
        "revision": revision(view.title),
        "label": view.sentence,
        "sentence": view.sentence,
        "table": {"columns": COLUMNS, "rows": [_row(part) for part in view.parts]},
        "name": f"cell {view.title}",
    }


def cell_curves(view: CellView) -> dict[str, Any]:
    """Return the sizes of the experts' changes in the cell as the value of a plot host."""
    return magnitudes_figure(view.magnitudes, f"sizes {view.title}")


def _bar(part: CellPart) -> dict[str, Any]:
    colour = COLOURS[part.sign]
    fill: dict[str, Any] = {"color": colour, "line": {"color": colour, "width": 1}}
    if part.clash:
        fill["pattern"] = {
            "shape": "/", "bgcolor": PANEL, "fgcolor": colour, "size": 7, "solidity": 0.4,
        }  # fmt: skip
    if not part.sign:
        fill["color"] = LINE
    return bars(
        [round(100 * part.share.value, 3)],
        [BAR],
        part.label,
        width=1,
        marker=fill,
        customdata=[_interval(part)],
        hovertemplate="%{fullData.name}: %{x:.1f} %%{customdata}<extra></extra>",
    )


def _interval(part: CellPart) -> str:
    return "" if part.share.exact else f" ({interval(part.share)})"


def _layout() -> dict[str, Any]:
    return frame(
        188,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        barmode="stack",
        bargap=0,
        xaxis={**AXIS, "range": [0, 100], "visible": False},
        yaxis={**AXIS, "range": [FIRST_LINE - 4.6, 1.1], "visible": False},
    )


def _labels(parts: tuple[CellPart, ...]) -> dict[str, Any]:
    """Words under the bar, each tied to the middle of its part; no line crosses other words."""
    middles, edge = [], 0.0
    for part in parts:
        middles.append(100 * (edge + part.share.value / 2))
        edge += part.share.value
    right = [i for i, middle in enumerate(middles) if middle >= 50]
    left = [i for i, middle in enumerate(middles) if middle < 50]
    shapes = []
    for line, place in enumerate([*right, *reversed(left)]):
        x, y, part = middles[place], FIRST_LINE - line * LINE_STEP, parts[place]
        line = segment((x, x), (y, 0), COLOURS[part.sign])
        text, colour = f"{part.label}: {100 * part.share.value:.1f} %", INK if part.sign else SOFT
        side = "right" if place in right else "left"
        at = {"textposition": "start", "xanchor": side, "yanchor": "middle", "padding": 4}
        shapes.append(labelled(line, text, colour, **at))
    return {"shapes": shapes}


def _row(part: CellPart) -> list[str]:
    share = part.share
    return [part.label, f"{100 * share.value:.2f}", interval(share), f"{share.basis:,}"]


def twelve_table(view: CellView) -> dict[str, Any]:
    """Return the traced weights as the value of ``TwelveWeights``.

    Every weight goes from left to right through trim, elect and merge. Lengths of arrows are
    shares of the largest change among these weights. ``table`` holds the same for a file.
    """
    rows = [_weight(traced, view) for traced in view.traced]
    return {
        "caption": f"Weights of {view.title} on their way through the merge",
        "sentence": _explained(view),
        "experts": [{"letter": m.letter, "label": m.label} for m in view.experts],
        "rows": rows,
        "table": {
            "columns": _columns(view.experts),
            "rows": [_flat(row) for row in rows],
        },
        "name": f"weights {view.title}",
    }


def _explained(view: CellView) -> str:
    if not view.traced:
        return f"{view.title}: what becomes of single weights, only merging tells."
    return (
        "An arrow up raises the weight, down lowers it; its length is the size of the change. "
        "A struck-out change is dropped before the merge."
    )


def _weight(traced: TracedWeight, view: CellView) -> dict[str, Any]:
    text, said = SIGNS[traced.elected]
    return {
        "name": ".".join(traced.tensor.split(".")[-2:]),
        "place": f"[{', '.join(str(i) for i in traced.place)}]",
        "tensor": traced.tensor,
        "base": significant(traced.base),
        "changes": [
            _arrow(delta, view.largest)
            | {"kept": kept or delta == 0, "made": _made(delta, kept, made)}
            for delta, kept, made in zip(traced.deltas, traced.kept, traced.made, strict=True)
        ],
        "elected": {"text": text, "said": said, "sign": traced.elected or 0},
        "agreeing": _agreeing(traced, view.experts),
        "merged": _arrow(traced.merged, view.largest),
    }


def _arrow(change: float, largest: float) -> dict[str, Any]:
    sign = (change > 0) - (change < 0)
    length = round(abs(change) / largest, 3) if largest else 0.0
    return {"text": _signed(change), "sign": sign, "length": length}


def _signed(change: float) -> str:
    text = significant(change)
    return f"+{text}" if change > 0 else text


def _made(delta: float, kept: bool, made: float) -> str:
    """What a kept change became, where that is another number."""
    text = _signed(made)
    return text if kept and text != _signed(delta) else ""


def _agreeing(traced: TracedWeight, experts: tuple[ExpertMark, ...]) -> str:
    if traced.agreeing is None:
        return "–"
    letters = [m.letter for m, yes in zip(experts, traced.agreeing, strict=True) if yes]
    return " ".join(letters) or "nobody"


def _columns(experts: tuple[ExpertMark, ...]) -> list[str]:
    own = [f"{m.letter} {word}" for m in experts for word in ("change", "kept", "after trimming")]
    return ["Tensor", "Place", "Base", *own, "Elected sign", "Who agrees", "Merged change"]


def _flat(row: dict[str, Any]) -> list[str]:
    own = [
        text
        for c in row["changes"]
        for text in (c["text"], "yes" if c["kept"] else "no", _after(c))
    ]
    ends = (row["elected"]["text"], row["agreeing"], row["merged"]["text"])
    return [row["tensor"], row["place"], row["base"], *own, *ends]


def _after(change: dict[str, Any]) -> str:
    return (change["made"] or change["text"]) if change["kept"] else "0"
