"""Who agrees with whom: cosines below the diagonal, agreement of signs above. Pure."""

from typing import Any

from ui.charts.matrix import cells, numbers, short, square
from ui.charts.parts import (
    LINE,
    MINUS_WASH,
    PANEL,
    PLUS_WASH,
    SHADE,
    restyles,
    revision,
    words_only,
)
from ui.views.agreement import AgreementView
from ui.views.shares import interval

# Even the largest cosine leaves the number in its cell readable.
BOTH_WAYS = [[0, MINUS_WASH], [0.5, PANEL], [1, PLUS_WASH]]
ONE_WAY = [[0, PANEL], [1, SHADE]]
GROUND = [[0, LINE], [1, LINE]]
LIMITS = (0.25, 0.5, 1.0)
COIN, FULL_SHADE = 50, 80
KEY = (
    "Below the diagonal: cosine of the changes (1 the same direction, 0 unrelated, −1 opposite). "
    "Above: share of the weights kept by both where signs agree; – too few."
)
COLUMNS = ["Pair", "Cosine", "Signs agree, %", "95 % interval, %", "Weights kept by both"]


def agreement_figure(view: AgreementView) -> dict[str, Any]:
    """Return the matrix as the value of a plot host. A slider moves it live.

    Cosines in the colours of signs, centre 0, as far as they go; sign agreement in greys from a
    coin toss (50 %) to 80 % and more. A dash stands where too few weights are kept by both. With
    one expert there is only a sentence.
    """
    if len(view.experts) < 2:
        return words_only(view.sentence, "agreement")
    data = [_ground(view), *_shaded(view), _numbers(view)]
    return {
        "data": data,
        "layout": square(view.experts, narrow=False),
        "narrow": square(view.experts, narrow=True),
        "patch": {},
        "restyle": restyles(data[1:], "z", "text", "customdata", first=1),
        "revision": revision([mark.name for mark in view.experts]),
        "label": view.sentence,
        "sentence": f"{view.sentence} {KEY}",
        "table": {"columns": COLUMNS, "rows": _rows(view)},
        "name": "agreement",
    }


def _ground(view: AgreementView) -> dict[str, Any]:
    """A frame around every cell, which also marks those without a number."""
    count = len(view.experts)
    return cells([[0.0] * count] * count, "ground", GROUND, (0, 1))


def _shaded(view: AgreementView) -> list[dict[str, Any]]:
    places = range(len(view.experts))
    below = [[view.cosine[i][j] if i > j else None for j in places] for i in places]
    most = max((abs(v) for row in below for v in row if v is not None), default=0.0)
    limit = next((step for step in LIMITS if most <= step), LIMITS[-1])
    above = [[_share(view, i, j) if i < j else None for j in places] for i in places]
    return [
        cells(_rounded(below, 4), "cosine", BOTH_WAYS, (-limit, limit)),
        cells(_rounded(above, 2), "signs agree", ONE_WAY, (COIN, FULL_SHADE)),
    ]


def _share(view: AgreementView, i: int, j: int) -> float | None:
    figure = view.signs[i][j]
    return None if figure is None else 100 * figure.value


def _rounded(values: list[list[float | None]], digits: int) -> list[list[float | None]]:
    return [[None if v is None else round(v, digits) for v in row] for row in values]


def _numbers(view: AgreementView) -> dict[str, Any]:
    places = range(len(view.experts))
    return numbers(
        [[_text(view, i, j) for j in places] for i in places],
        [[_hover(view, i, j) for j in places] for i in places],
        "numbers",
    )


def _text(view: AgreementView, i: int, j: int) -> str:
    count = len(view.experts)
    if i == j:
        return view.experts[i].letter if count <= 12 else ""
    if i > j:
        cosine = view.cosine[i][j]
        return "–" if cosine is None else short(cosine, count)
    share = _share(view, i, j)
    return "–" if share is None else f"{share:.0f}" + (" %" if count <= 6 else "")


def _hover(view: AgreementView, i: int, j: int) -> str:
    one, other = view.experts[i].letter, view.experts[j].letter
    if i == j:
        return one
    if i > j:
        cosine = view.cosine[i][j]
        return f"{one}, {other}: " + ("no change" if cosine is None else f"cosine {cosine:.3f}")
    figure = view.signs[i][j]
    if figure is None:
        return f"{one}, {other}: too few weights are kept by both"
    return f"{one}, {other}: signs agree at {100 * figure.value:.1f} % ({interval(figure)})"


def _rows(view: AgreementView) -> list[list[str]]:
    count = len(view.experts)
    return [_row(view, i, j) for i in range(count) for j in range(i + 1, count)]


def _row(view: AgreementView, i: int, j: int) -> list[str]:
    cosine, figure = view.cosine[i][j], view.signs[i][j]
    pair = f"{view.experts[i].name}, {view.experts[j].name}"
    told = "" if cosine is None else f"{cosine:.4f}".replace("-", "−")
    if figure is None:
        return [pair, told, "too few", "", ""]
    return [pair, told, f"{100 * figure.value:.1f}", interval(figure), f"{figure.basis:,}"]
