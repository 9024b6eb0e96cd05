"""Arrays of figures to single figures and to words. Pure."""

import math

from merging.analysis import Figure
from merging.analysis.figures import Shares
from ui.views.sentences import percent


def figure_at(shares: Shares, *place: int) -> Figure | None:
    """Return one figure of an array; None where nothing counts or too few do."""
    value = float(shares.value[place])
    if math.isnan(value) or bool(shares.too_few[place]):
        return None
    low, high = float(shares.low[place]), float(shares.high[place])
    return Figure(value, low, high, shares.exact, int(shares.basis[place]))


def number_at(value: float) -> float | None:
    """Return a number, or None where it is not one."""
    return None if math.isnan(value) else float(value)


def interval(figure: Figure | None) -> str:
    """Return a share's 95 % interval in per cent, "exact", or "" without a figure."""
    if figure is None:
        return ""
    return "exact" if figure.exact else f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def with_interval(figure: Figure, digits: int = 1) -> str:
    """Return a share in words, with its 95 % interval where it is estimated."""
    if figure.exact:
        return percent(figure.value, digits)
    ends = f"{100 * figure.low:.{digits}f} to {percent(figure.high, digits)}"
    return f"{percent(figure.value, digits)} (95 % interval {ends})"


def significant(value: float) -> str:
    """Return a number in three significant digits, with a true minus: 0.00123, 1.20e−05, 0."""
    if value == 0:
        return "0"
    text = f"{value:.2e}" if abs(value) < 1e-4 or abs(value) >= 1e4 else _plain(value)
    return text.replace("-", "−")


def _plain(value: float) -> str:
    digits = 2 - math.floor(math.log10(abs(float(f"{value:.2e}"))))
    return f"{value:.{max(digits, 0)}f}"
